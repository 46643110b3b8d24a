// Package wire turns protocol messages into bytes and bytes into messages. It
// knows neither sockets nor keys nor what the messages are for.
//
// A packet is, from the outside in, a label (CutLabel), ciphertext (not dealt
// with here), a checksum (CutChecksum), compression (Compressed, Decompress),
// and one message or a compound of them (Parts). A stream has a label, the
// same kinds of frame, and messages with raw bytes behind them. Whoever takes
// frames apart bounds how deep they nest.
//
// Every message has
//
//	Append(dst []byte) []byte
//	Decode(b []byte) (rest []byte, err error)
//
// Append writes the type byte (but for NodeState, which has none) and the body,
// byte for byte what the reference implementation emits. Decode takes what
// follows the type byte, accepts every form the reference accepts, and returns
// what follows the message: nothing or ignored in a packet, more of the same
// conversation on a stream. It resets the message first; after an error its
// contents mean nothing. ErrShort is returned, as it is, when b ends too early;
// every other error wraps ErrMalformed.
//
// Decoded byte slices borrow from b and are valid only as long as b is not
// reused; whoever keeps one clones it. Appending to them never writes into b.
package wire

// Type is the first byte of a message and says what follows.
type Type uint8

// The type bytes of the protocol.
const (
	TypePing         Type = 0
	TypeIndirectPing Type = 1
	TypeAck          Type = 2
	TypeSuspect      Type = 3
	TypeAlive        Type = 4
	TypeDead         Type = 5
	TypePushPull     Type = 6
	TypeCompound     Type = 7
	TypeUser         Type = 8
	TypeCompress     Type = 9
	TypeEncrypt      Type = 10
	TypeNack         Type = 11
	TypeChecksum     Type = 12
	TypeError        Type = 13
	TypeLabel        Type = 244
)

// A field that the protocol calls a string is a []byte as well. For those nil
// and empty are the same; for the others, which are marked, they are different
// values and stay so when encoded again.

// Ping asks Node for an ack, sent to the source given or to where the packet
// came from. An empty Node means whoever gets it.
type Ping struct {
	SeqNo      uint32
	Node       []byte
	SourceAddr []byte // 4 or 16 bytes; omitted when empty
	SourcePort uint16 // omitted when zero
	SourceNode []byte // omitted when empty
}

// IndirectPing asks the receiver to ping Target for the sender.
type IndirectPing struct {
	SeqNo      uint32
	Target     []byte // address, 4 or 16 bytes; may be nil
	Port       uint16
	Node       []byte
	Nack       bool   // the sender wants to be told of a missing ack, too
	SourceAddr []byte // omitted when empty
	SourcePort uint16 // omitted when zero
	SourceNode []byte // omitted when empty
}

// Ack answers a ping.
type Ack struct {
	SeqNo   uint32
	Payload []byte // may be nil
}

// Nack tells who asked for an indirect ping that no ack came in time.
type Nack struct{ SeqNo uint32 }

// Suspect says that From believes Node to have failed.
type Suspect struct {
	Incarnation uint32
	Node, From  []byte
}

// Dead says that From declares Node dead, or left when From is Node itself.
type Dead struct {
	Incarnation uint32
	Node, From  []byte
}

// Alive announces a member.
type Alive struct {
	Incarnation uint32
	Node        []byte
	Addr        []byte // 4 or 16 bytes, not validated; may be nil
	Port        uint16
	Meta        []byte // may be nil
	Vsn         []byte // protocol min, max, current; delegate min, max, current; or fewer; may be nil
}

// NodeState is one entry of a push/pull; it has no type byte.
type NodeState struct {
	Name        []byte
	Addr        []byte // as in Alive, like all that follows
	Port        uint16
	Meta        []byte
	Incarnation uint32
	State       int // 0 alive, 1 suspect, 2 dead, 3 left; anything may arrive
	Vsn         []byte
}

// PushPullHeader precedes the node states and the user state. The numbers are
// as announced, of any sign and size: compare them with MaxNodeStates and
// MaxUserState before relying on them.
type PushPullHeader struct {
	Nodes        int
	UserStateLen int
	Join         bool
}

// UserHeader precedes the payload of a user message on a stream; in a packet
// the payload follows the type byte. The length is as announced, of any sign
// and size: compare it with MaxUserMessage.
type UserHeader struct{ UserMsgLen int }

// ErrorResponse tells a dialer why its frame could not be read.
type ErrorResponse struct{ Error []byte }

// Compressed holds a compressed message. AppendCompressed makes one,
// Decompress opens it.
type Compressed struct {
	Algo uint8
	Buf  []byte // may be nil
}

package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"net"

	"github.com/swimguard/memberlist/internal/wire"
)

// framing is what surrounds the messages of a packet, in both directions.
type framing struct {
	name     string
	label    string
	checksum bool
	key      []byte
	compress bool // Config.EnableCompression, the default
	packed   bool // what arrives is compressed, too, whether or not that pays
}

var benchKey = []byte("0123456789abcdef")

var (
	plain     = framing{name: "plain"}
	encrypted = framing{name: "encrypted", key: benchKey}
	// byDefault is what DefaultLANConfig gives: short messages arrive as they
	// are, because compression does not make them shorter.
	byDefault = framing{name: "default", compress: true}

	framings = []framing{
		plain,
		{name: "label", label: "cluster"},
		{name: "crc", checksum: true},
		encrypted,
		byDefault,
		{name: "compressed", compress: true, packed: true},
		{name: "encrypted+compressed", key: benchKey, compress: true, packed: true},
	}
)

func (f framing) configure(c *Config) {
	c.Label, c.EnableCompression = f.label, f.compress
	if f.key != nil {
		c.SecretKey = f.key
	}
}

// seal makes a packet of a message.
func (f framing) seal(msg []byte) []byte {
	b := msg
	if f.packed {
		b = wire.AppendCompressed(nil, b)
	}
	if f.checksum {
		b = append(make([]byte, wire.ChecksumLen), b...)
		wire.PutChecksum(b)
	}
	if f.key != nil {
		b = sealGCM(nil, f.key, b, []byte(f.label))
	}
	if f.label != "" {
		out, err := wire.AppendLabel(nil, f.label)
		if err != nil {
			panic(err)
		}
		b = append(out, b...)
	}
	return b
}

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return g
}

// sealGCM appends what encryption version 1 makes of b.
func sealGCM(dst, key, b, aad []byte) []byte {
	start := len(dst)
	dst = append(append(dst, 1), make([]byte, 12)...)
	nonce := dst[start+1:]
	rand.Read(nonce)
	return aead(key).Seal(dst, nonce, b, aad)
}

// version is what members at protocol 5 announce.
var version = []byte{1, 5, 5, 0, 0, 0}

func memberName(i int) string { return fmt.Sprintf("member-%06d", i) }

func memberIP(i int) []byte { return []byte{10, byte(i >> 16), byte(i >> 8), byte(i)} }

// alive is the announcement of member i.
func alive(i int, incarnation uint32, meta []byte) []byte {
	return wire.Alive{
		Incarnation: incarnation, Node: []byte(memberName(i)), Addr: memberIP(i), Port: 7946, Meta: meta, Vsn: version,
	}.Append(nil)
}

func suspect(i int, incarnation uint32, from string) []byte {
	return wire.Suspect{Incarnation: incarnation, Node: []byte(memberName(i)), From: []byte(from)}.Append(nil)
}

// ping asks the node for an ack, as its peers do.
func ping(seq uint32) []byte {
	return wire.Ping{
		SeqNo: seq, Node: []byte(nodeName), SourceAddr: []byte{10, 0, 0, 1}, SourcePort: 7946, SourceNode: []byte(memberName(1)),
	}.Append(nil)
}

func user(payload string) []byte { return append([]byte{byte(wire.TypeUser)}, payload...) }

func compound(msgs [][]byte) []byte { return wire.AppendCompound(nil, msgs) }

func nodeState(i int, incarnation uint32, meta []byte) wire.NodeState {
	return wire.NodeState{
		Name: []byte(memberName(i)), Addr: memberIP(i), Port: 7946, Meta: meta, Incarnation: incarnation, Vsn: version,
	}
}

// pushPull is one side's message, with a user state so that the Delegate is
// told when it has been merged.
func pushPull(states []wire.NodeState) []byte {
	b := wire.PushPullHeader{Nodes: len(states), UserStateLen: 1}.Append(nil)
	for i := range states {
		b = states[i].Append(b)
	}
	return append(b, 'u')
}

// nodeStates are members first to last-1.
func nodeStates(first, last int, incarnation uint32, meta []byte) []wire.NodeState {
	states := make([]wire.NodeState, 0, last-first)
	for i := first; i < last; i++ {
		states = append(states, nodeState(i, incarnation, meta))
	}
	return states
}

var peerAddr = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1).To4(), Port: 7946}

package memberlist

import (
	"net"
	"time"
)

// Packet is a datagram that a Transport received.
//
// The library owns a Packet, what Buf and From point to included, from the
// moment it is taken from Transport.PacketCh.
type Packet struct {
	// Buf is the payload, at least one byte, label header and all. It is
	// modified while it is being read.
	Buf []byte

	// From is where the packet came from. It must not be nil: acks go there when
	// the sender does not say in the packet where it wants them. Its String is
	// taken as "host:port"; the literal text "pipe" is exempt from
	// Config.CIDRsAllowed.
	From net.Addr

	// Timestamp is when the packet was received, taken as early as possible:
	// round trip times are measured with it.
	Timestamp time.Time
}

// Transport carries packets and streams between members. Packets may be lost,
// duplicated and reordered, but must arrive whole; streams are reliable, like
// TCP. Set Config.Transport to replace the NetTransport that Create otherwise
// makes. Addresses are "host:port", as in Node.Address.
//
// What an implementation may rely on:
//
//   - FinalAdvertiseAddr is called before anything is sent, and only by Create.
//   - A buffer passed to WriteTo or WriteToAddress is given away for good. It
//     may be kept, modified and sent later; nobody else touches it again.
//   - A packet is at most Config.UDPBufferSize bytes long, unless the program
//     itself sends a longer message.
//   - Both channels are read until Shutdown returns, never more than one item
//     at a time, but for packets that wait in a buffer. What is taken from them
//     is closed or dropped by the library.
//   - Of a stream only SetDeadline, Read, Write, Close and RemoteAddr are used,
//     and one exchange on it is over within Config.TCPTimeout for each
//     direction.
//   - Shutdown is called once by the library.
//
// What is expected of it:
//
//   - All methods may be called at any time from many goroutines at once.
//   - Writing should not block for long: it may delay a probe, and a late ack
//     makes others suspect this node. It should queue, or drop and say so.
//   - A failed write counts as a failed probe of the recipient, whatever the
//     type of the error. Return nil when the packet is merely likely lost.
//   - PacketCh and StreamCh return the same channels every time. Both may be nil
//     or closed; then nothing more arrives.
//   - When Shutdown has returned, nothing is sent or received any more and the
//     address is free to be used again.
//
// A transport that implements NodeAwareTransport is told node names. With
// Config.Label the library adds and removes the label header, so a transport
// carries it like any other bytes.
type Transport interface {
	// FinalAdvertiseAddr returns the address and port to announce to the
	// cluster, given Config.AdvertiseAddr, which may be empty, and
	// Config.AdvertisePort. An error makes Create fail.
	FinalAdvertiseAddr(ip string, port int) (net.IP, int, error)

	// WriteTo sends b as one packet to addr and returns when that happened, or
	// an error if it could not leave this host. b is given away.
	WriteTo(b []byte, addr string) (time.Time, error)

	// PacketCh returns the channel on which received packets are delivered.
	PacketCh() <-chan *Packet

	// DialTimeout opens a stream to addr and gives up after timeout.
	DialTimeout(addr string, timeout time.Duration) (net.Conn, error)

	// StreamCh returns the channel on which the streams that others opened are
	// delivered.
	StreamCh() <-chan net.Conn

	// Shutdown closes whatever the transport opened and returns when that is
	// done. It must not wait for its channels to be drained.
	Shutdown() error
}

// NodeAwareTransport is a Transport that also learns for which node a packet
// or stream is meant, as far as that is known, to route by name or to verify
// the other end. When it is implemented the library calls neither WriteTo nor
// DialTimeout. Set Config.RequireNodeNames if names are indispensable.
type NodeAwareTransport interface {
	Transport

	// WriteToAddress is WriteTo with the name of the node; addr.Name is empty
	// when it is not known.
	WriteToAddress(b []byte, addr Address) (time.Time, error)

	// DialAddressTimeout is DialTimeout with the name of the node; addr.Name is
	// empty when it is not known.
	DialAddressTimeout(addr Address, timeout time.Duration) (net.Conn, error)
}

// IngestionAwareTransport is a transport to which a program hands packets and
// streams that reached it on another way. The library itself never calls these
// methods.
//
// Deprecated: programs that need them should declare their own interface.
type IngestionAwareTransport interface {
	// IngestPacket reads one packet from conn, to its end, and delivers it as
	// received from addr at now. It closes conn, also when it fails, if
	// shouldClose is set.
	IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error

	// IngestStream delivers conn as a stream that another member opened.
	IngestStream(conn net.Conn) error
}

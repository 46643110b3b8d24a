package memberlisttest

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// DefaultInbox is the number of packets that wait for a node that does
	// not read them, when [Options.Inbox] is zero.
	DefaultInbox = 1024

	// Port is the port of every address that the network assigns.
	Port = 7946

	// Any stands for every node in [Network.Cut], [Network.Mend],
	// [Network.SetLink] and [Network.ResetLink]. A node should not be called so.
	Any = "*"

	acceptBacklog = 128             // streams that wait to be accepted; then dials are refused
	maxPacket     = 65507           // payload of a UDP datagram over IPv4
	maxFlight     = 1 << 16         // packets under way to one node; then further ones are dropped
	streamWindow  = 256 << 10       // bytes written to a stream and not yet read; then Write waits
	maxSegment    = 16 << 10        // bytes of a stream that arrive together
	maxBacklog    = 2 * time.Second // how long a packet may wait for its turn on a link with a bandwidth
	assignable    = 254 << 16       // addresses in 10.0.0.0/8 whose last byte is 1 to 254
)

// Options configure a [Network]. The zero value is a network without faults.
type Options struct {
	// Seed decides, together with the order of the packets on each link,
	// which packets are lost, doubled and delayed. Every value is good,
	// including zero; equal seeds give equal decisions.
	Seed uint64

	// Faults are those of every link until [Network.SetFaults] or
	// [Network.SetLink] say otherwise.
	Faults Faults

	// Inbox bounds how many packets wait to be read by a node; what comes
	// when it is full is dropped and counted in Drops.Inbox. It also bounds
	// what a paused node keeps in either direction. Zero or less means
	// [DefaultInbox].
	Inbox int

	// Tap, if set, sees every packet that is written to an address that is
	// or was a node's, before the network decides its fate. from and to are
	// the names of the nodes. It runs on the goroutine that sends, so on many
	// at once; it must not block, nor keep or change the packet. It may call
	// any method of the Network.
	Tap func(from, to string, packet []byte)
}

// Network connects [Transport] values in memory. All its methods may be
// called from any goroutine at any time, and none of them blocks.
//
// A Network that is used inside a testing/synctest bubble must be created there.
type Network struct {
	seed  uint64
	inbox int
	tap   func(from, to string, packet []byte)

	mu       sync.Mutex // held for microseconds only, never while waiting
	topology topology
	links    map[linkKey]*link
	live     map[netip.AddrPort]*Transport // who listens where
	names    map[netip.AddrPort]string     // who listens there, or did last
	last     map[string]netip.AddrPort     // each name's latest address
	conns    []*conn                       // open ends of streams, oldest first
	changed  broadcast                     // the topology or a transport's life
	assigned int
	ports    uint16 // ephemeral ports given to dialing ends
	closed   bool
}

// New returns a network without nodes.
func New(opts Options) *Network {
	if opts.Inbox <= 0 {
		opts.Inbox = DefaultInbox
	}
	return &Network{
		seed:     opts.Seed,
		inbox:    opts.Inbox,
		tap:      opts.Tap,
		topology: topology{faults: opts.Faults.valid()},
		links:    make(map[linkKey]*link),
		live:     make(map[netip.AddrPort]*Transport),
		names:    make(map[netip.AddrPort]string),
		last:     make(map[string]netip.AddrPort),
	}
}

// Transport connects a node and returns what belongs into its
// memberlist.Config.Transport. The name should be the Config.Name: it is what
// Cut, Pause and the other methods know the node by.
//
// The node gets an address of its own, 10.0.0.1:7946 and up. When the name was
// connected before and has been shut down, it gets its latest address again,
// as after a restart; [Network.TransportAt] gives it another. Two running
// transports may share a name, to test conflicts: then they have different
// addresses and the same faults.
//
// On a closed network the transport is shut down from the start.
func (n *Network) Transport(name string) *Transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	addr, known := n.last[name]
	if !known || n.live[addr] != nil {
		addr = n.unusedAddr()
	}
	return n.connect(name, addr)
}

// TransportAt is like [Network.Transport] for a chosen address. The zero
// AddrPort chooses one that no node has had. The error is a *net.OpError: the
// address is in use (syscall.EADDRINUSE) or not one that others could reach
// (syscall.EADDRNOTAVAIL: no IP, unspecified, or port zero).
func (n *Network) TransportAt(name string, addr netip.AddrPort) (*Transport, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr == (netip.AddrPort{}) {
		return n.connect(name, n.unusedAddr()), nil
	}
	addr = unmap(addr)
	if !addr.IsValid() || addr.Addr().IsUnspecified() || addr.Port() == 0 {
		return nil, listenError(addr, errAddrNotAvailable)
	}
	if n.live[addr] != nil {
		return nil, listenError(addr, errAddrInUse)
	}
	return n.connect(name, addr), nil
}

// connect adds a transport at a free address. n.mu is held.
func (n *Network) connect(name string, addr netip.AddrPort) *Transport {
	t := newTransport(n, name, addr)
	if n.closed {
		t.closed = true
		return t
	}
	n.live[addr] = t
	n.names[addr] = name
	n.last[name] = addr
	n.changed.signal()
	return t
}

// unusedAddr is an address that no node has had, or at least none has now
// once all 16 million have been given away. n.mu is held.
func (n *Network) unusedAddr() netip.AddrPort {
	for {
		i := n.assigned % assignable
		fresh := n.assigned < assignable
		n.assigned++
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], 10<<24|uint32(i/254)<<8|uint32(i%254+1))
		addr := netip.AddrPortFrom(netip.AddrFrom4(ip), Port)
		if _, used := n.names[addr]; !used || !fresh && n.live[addr] == nil {
			return addr
		}
	}
}

// Close shuts every transport down, including those still to be made. It is
// idempotent. When it returns, nothing of the network runs any more; calls
// that were blocked in a stream or a dial return with an error.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, t := range n.live {
		t.shut(time.Now())
	}
}

// change applies f and lets everything that waits for the network look again.
func (n *Network) change(f func(now time.Time)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	f(now)
	for _, c := range n.conns {
		c.in.settle(now)
		c.in.changed.signal()
	}
	n.changed.signal()
}

// forget removes a closed end from the list of streams. n.mu is held.
func (n *Network) forget(c *conn) {
	if i := slices.Index(n.conns, c); i >= 0 {
		n.conns = slices.Delete(n.conns, i, i+1)
	}
}

// await gives n.mu up until b is signalled or the deadline has passed, and
// takes it back. A zero deadline never passes. Nobody waits for a mutex: in a
// synctest bubble such a goroutine would stop the clock.
func (n *Network) await(b *broadcast, deadline time.Time) {
	woken := b.wait()
	n.mu.Unlock()
	defer n.mu.Lock()
	if deadline.IsZero() {
		<-woken
		return
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-woken:
	case <-timer.C:
	}
}

// broadcast wakes all who wait for it. Network.mu guards it.
type broadcast struct{ ch chan struct{} }

func (b *broadcast) wait() <-chan struct{} {
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) signal() {
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// earliest is the earlier of two deadlines, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

package memberlisttest

import (
	"container/heap"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/swimguard/memberlist"
)

// Transport is a node's connection to a [Network]; it is a
// memberlist.NodeAwareTransport. All methods may be called from any goroutine
// at any time.
type Transport struct {
	network *Network
	name    string
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn

	// Network.mu guards what follows.
	flight flight      // on the way to this node
	timer  *time.Timer // calls land when the first of them is due; nil until needed
	armed  time.Time   // when that is; zero: not running
	inbox  []parcel    // arrived while paused
	outbox []parcel    // written while paused
	closed bool
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

func newTransport(n *Network, name string, addr netip.AddrPort) *Transport {
	return &Transport{
		network: n,
		name:    name,
		addr:    addr,
		packets: make(chan *memberlist.Packet, n.inbox),
		streams: make(chan net.Conn, acceptBacklog),
	}
}

// Name is what the node was called in [Network.Transport].
func (t *Transport) Name() string { return t.name }

// Addr is the node's address, "10.0.0.1:7946": what others join.
func (t *Transport) Addr() string { return t.addr.String() }

// AddrPort is the node's address.
func (t *Transport) AddrPort() netip.AddrPort { return t.addr }

// FinalAdvertiseAddr returns the transport's address. The arguments are what
// the user asked to advertise; an IP must be the transport's own, together
// with its port, since nobody could reach another. Without an IP the port is
// ignored.
func (t *Transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	if ip != "" {
		asked, err := netip.ParseAddr(ip)
		if err != nil {
			return nil, 0, &net.ParseError{Type: "IP address", Text: ip}
		}
		if asked.Unmap() != t.addr.Addr() || port != int(t.addr.Port()) {
			return nil, 0, &net.AddrError{
				Err:  "not the address of this transport, which is " + t.Addr() + "; see memberlisttest.Network.TransportAt",
				Addr: ip,
			}
		}
	}
	return t.addr.Addr().AsSlice(), int(t.addr.Port()), nil
}

// WriteTo is [Transport.WriteToAddress] without a name.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress sends a packet to "ip:port"; the name plays no part. It never
// blocks. Like a UDP socket it does not know what becomes of the packet: that
// it is dropped is counted, not reported. The errors are *net.OpError: the
// address does not parse, the packet exceeds 65,507 bytes (syscall.EMSGSIZE),
// or the transport is shut down (net.ErrClosed).
//
// The buffer is given away: it reaches the receiver as it is and may be
// changed there, so the caller must not touch it again, error or not.
func (t *Transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, err := parseAddr(a.Addr)
	if err != nil {
		return time.Time{}, t.opError("write", "udp", netip.AddrPort{}, err)
	}
	if len(b) > maxPacket {
		return time.Time{}, t.opError("write", "udp", to, errTooLong)
	}
	n := t.network
	if n.tap != nil {
		n.mu.Lock()
		name, known := n.names[to]
		closed := t.closed
		n.mu.Unlock()
		if known && !closed {
			n.tap(t.name, name, b)
		}
	}

	n.mu.Lock()
	defer n.mu.Unlock()
	if t.closed {
		return time.Time{}, t.opError("write", "udp", to, net.ErrClosed)
	}
	now := time.Now()
	l := n.link(t.name, n.names[to])
	l.stats.Sent++
	l.stats.SentBytes += uint64(len(b))
	p := parcel{link: l, from: t.addr, to: to, buf: b}
	switch {
	case !n.topology.isPaused(t.name):
		n.transmit(now, p)
	case len(t.outbox) >= n.inbox:
		l.stats.Dropped.Outbox++
	default:
		t.outbox = append(t.outbox, p)
	}
	return now, nil
}

// PacketCh hands out the packets that arrived. It always returns the same
// channel, which holds [Options.Inbox] packets and is never closed.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh hands out the streams that others dialed. It always returns the
// same channel, which holds 128 streams and is never closed.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// Shutdown disconnects the node: its address refuses streams from now on and
// swallows packets, and its open streams end as if closed, in both directions.
// What is under way to it is dropped. It never blocks, is idempotent and
// returns nil. A crash that others cannot tell from silence is a
// [Network.Partition] first.
func (t *Transport) Shutdown() error {
	t.network.mu.Lock()
	defer t.network.mu.Unlock()
	t.shut(time.Now())
	return nil
}

// shut is Shutdown with Network.mu held.
func (t *Transport) shut(now time.Time) {
	if t.closed {
		return
	}
	t.closed = true
	n := t.network
	delete(n.live, t.addr)
	if t.timer != nil {
		t.timer.Stop()
	}
	for _, waiting := range [][]parcel{t.flight, t.inbox} {
		for _, p := range waiting {
			p.link.stats.Dropped.NoNode++
		}
	}
	for _, p := range t.outbox {
		p.link.stats.Dropped.Sender++
	}
	t.flight, t.inbox, t.outbox = nil, nil, nil
	for _, c := range slices.Clone(n.conns) {
		if c.owner == t {
			c.close(now)
		}
	}
	n.changed.signal()
}

// launch sends a packet on its way to t. Network.mu is held.
func (t *Transport) launch(now time.Time, p parcel, due time.Time) {
	p.due = due
	p.seq = p.link.seq
	p.link.seq++
	switch {
	case !due.After(now):
		t.arrive(now, p)
	case len(t.flight) >= maxFlight:
		p.link.stats.Dropped.Inbox++
	default:
		heap.Push(&t.flight, p)
		t.arm(now)
	}
}

// arm makes the timer run out when the next packet is due. Network.mu is held.
func (t *Transport) arm(now time.Time) {
	if len(t.flight) == 0 {
		return
	}
	due := t.flight[0].due
	if !t.armed.IsZero() && !due.Before(t.armed) {
		return
	}
	t.armed = due
	if t.timer == nil {
		t.timer = time.AfterFunc(due.Sub(now), t.land)
	} else {
		t.timer.Reset(due.Sub(now))
	}
}

// land delivers the packets that are due. It runs on the timer's goroutine,
// which lasts no longer than this.
func (t *Transport) land() {
	t.network.mu.Lock()
	defer t.network.mu.Unlock()
	if t.closed {
		return
	}
	now := time.Now()
	t.armed = time.Time{}
	for len(t.flight) > 0 && !t.flight[0].due.After(now) {
		t.arrive(now, heap.Pop(&t.flight).(parcel))
	}
	t.arm(now)
}

// arrive is a packet at the end of its way. Network.mu is held.
func (t *Transport) arrive(now time.Time, p parcel) {
	n := t.network
	switch {
	case n.topology.cut(p.link.from, p.link.to):
		p.link.stats.Dropped.Cut++
	case !n.topology.isPaused(t.name):
		t.deliver(now, p)
	case len(t.inbox) >= n.inbox:
		p.link.stats.Dropped.Inbox++
	default:
		t.inbox = append(t.inbox, p)
	}
}

// deliver hands a packet to the node, or drops it when the node does not
// read. Network.mu is held.
func (t *Transport) deliver(now time.Time, p parcel) {
	select {
	case t.packets <- &memberlist.Packet{Buf: p.buf, From: net.UDPAddrFromAddrPort(p.from), Timestamp: now}:
		p.link.stats.Delivered++
		p.link.stats.DeliveredBytes += uint64(len(p.buf))
	default:
		p.link.stats.Dropped.Inbox++
	}
}

// release lets out what a pause kept back. Network.mu is held.
func (t *Transport) release(now time.Time) {
	inbox, outbox := t.inbox, t.outbox
	t.inbox, t.outbox = nil, nil
	for _, p := range inbox {
		t.deliver(now, p)
	}
	for _, p := range outbox {
		t.network.transmit(now, p)
	}
}

// dropBacklog throws away what a pause keeps back. Network.mu is held.
func (t *Transport) dropBacklog() int {
	dropped := len(t.inbox) + len(t.outbox)
	for _, waiting := range [][]parcel{t.inbox, t.outbox} {
		for _, p := range waiting {
			p.link.stats.Dropped.Paused++
		}
	}
	t.inbox, t.outbox = nil, nil
	return dropped
}

// named are the running transports of a name, in the order of their
// addresses. n.mu is held.
func (n *Network) named(name string) []*Transport {
	var found []*Transport
	for _, t := range n.live {
		if t.name == name {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *Transport) int { return a.addr.Compare(b.addr) })
	return found
}

// parseAddr parses "ip:port". There are no host names in this network.
func parseAddr(s string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "not an IP address and a port", Addr: strings.Clone(s)}
	}
	return unmap(addr), nil
}

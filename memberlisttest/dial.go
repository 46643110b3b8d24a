package memberlisttest

import (
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/swimguard/memberlist"
)

// firstEphemeral is the first port that dialing ends use, as in RFC 6335.
const firstEphemeral = 49152

// DialTimeout is [Transport.DialAddressTimeout] without a name.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream to "ip:port"; the name plays no part. It
// blocks for one round trip. While a direction is cut or blocked, or either
// node is paused, it waits for that to end, for the timeout at most. A timeout
// of zero never ends; a negative one has ended. The errors are *net.OpError:
// the address does not parse, nobody is there or the accept queue is full
// (syscall.ECONNREFUSED), the timeout (os.ErrDeadlineExceeded), or the
// transport was shut down (net.ErrClosed).
func (t *Transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	to, err := parseAddr(a.Addr)
	if err != nil {
		return nil, t.opError("dial", "tcp", netip.AddrPort{}, err)
	}
	var deadline time.Time
	if timeout != 0 {
		deadline = time.Now().Add(timeout)
	}

	n := t.network
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.link(t.name, n.names[to])
	out.stats.Dials++
	c, err := t.dial(out, to, deadline)
	if err != nil {
		out.stats.DialsFailed++
		return nil, t.opError("dial", "tcp", to, err)
	}
	return c, nil
}

// dial is a handshake of one round trip. n.mu is held, and given up while waiting.
func (t *Transport) dial(out *link, to netip.AddrPort, deadline time.Time) (*conn, error) {
	n := t.network
	back := n.link(out.to, out.from)
	if err := t.travel(out, deadline); err != nil {
		return nil, err
	}
	c, accepted := t.connect(to)
	if err := t.travel(back, deadline); err != nil {
		if accepted {
			c.close(time.Now())
		}
		return nil, err
	}
	if !accepted {
		return nil, errRefused
	}
	return c, nil
}

// travel waits until one segment has crossed a link, which may be sent again
// for as long as it takes. n.mu is held, and given up while waiting.
func (t *Transport) travel(l *link, deadline time.Time) error {
	n := t.network
	var due time.Time // zero: not sent, or lost
	for {
		now := time.Now()
		blocked := n.topology.streamBlocked(l.from, l.to)
		switch {
		case t.closed:
			return net.ErrClosed
		case !deadline.IsZero() && !now.Before(deadline):
			return os.ErrDeadlineExceeded
		case blocked:
			due = time.Time{}
		case due.IsZero():
			f := n.topology.on(l.from, l.to)
			due = l.arrival(now, &f, 0)
		}
		if !blocked && !due.After(now) {
			return nil
		}
		n.await(&n.changed, earliest(deadline, due))
	}
}

// connect makes a stream to whoever listens at an address and puts the other
// end into its accept queue. n.mu is held.
func (t *Transport) connect(to netip.AddrPort) (*conn, bool) {
	n := t.network
	server := n.live[to]
	if server == nil || t.closed {
		return nil, false
	}
	port := firstEphemeral + n.ports%(1<<16-firstEphemeral)
	n.ports++
	local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.addr.Addr(), port))
	remote := net.TCPAddrFromAddrPort(to)
	out := &pipe{network: n, link: n.link(t.name, server.name)}
	back := &pipe{network: n, link: n.link(server.name, t.name)}
	near := &conn{network: n, owner: t, local: local, remote: remote, in: back, out: out}
	far := &conn{network: n, owner: server, local: remote, remote: local, in: out, out: back}
	select {
	case server.streams <- far:
	default:
		return nil, false
	}
	n.conns = append(n.conns, near, far)
	return near, true
}

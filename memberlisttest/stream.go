package memberlisttest

import (
	"bytes"
	"io"
	"net"
	"os"
	"time"
)

// pipe is one direction of a stream. Network.mu guards it.
type pipe struct {
	network *Network
	link    *link
	flight  []segment    // written and not yet arrived, in order
	arrived bytes.Buffer // what the reader may have
	waiting int          // bytes in flight and arrived
	lastDue time.Time    // when the last of flight arrives
	held    bool         // the link was blocked when last looked at: flight stands still
	ended   bool         // the end has arrived: io.EOF after what arrived
	dead    bool         // nobody reads any more: what is written is thrown away
	changed broadcast
}

// segment is a part of a stream, or its end.
type segment struct {
	due  time.Time
	data []byte
	end  bool
}

// send adds a segment. Network.mu is held.
func (p *pipe) send(now time.Time, s segment) {
	if p.dead {
		return
	}
	p.settle(now)
	s.due = p.due(now, len(s.data))
	p.flight = append(p.flight, s)
	p.waiting += len(s.data)
	p.land(now)
	p.changed.signal()
}

// due is when bytes sent now arrive, if nothing blocks them: not before those
// that were sent earlier.
func (p *pipe) due(now time.Time, size int) time.Time {
	f := p.network.topology.on(p.link.from, p.link.to)
	due := p.link.arrival(now, &f, size)
	if due.Before(p.lastDue) {
		due = p.lastDue
	}
	p.lastDue = due
	return due
}

// land moves what is due to the reader's side. Network.mu is held.
func (p *pipe) land(now time.Time) {
	if p.held {
		return
	}
	for len(p.flight) > 0 && !p.flight[0].due.After(now) {
		s := p.flight[0]
		p.flight[0] = segment{}
		p.flight = p.flight[1:]
		p.arrived.Write(s.data)
		p.ended = p.ended || s.end
	}
}

// settle brings the pipe to the present: what was due before the link was
// blocked has arrived, the rest is sent anew when it is open again. Called
// whenever the topology changes. Network.mu is held.
func (p *pipe) settle(now time.Time) {
	p.land(now)
	blocked := p.network.topology.streamBlocked(p.link.from, p.link.to)
	if p.held && !blocked {
		p.lastDue = time.Time{}
		for i := range p.flight {
			p.flight[i].due = p.due(now, len(p.flight[i].data))
		}
	}
	p.held = blocked
	p.land(now)
}

// next is when something arrives; zero: nothing will, as things are.
func (p *pipe) next() time.Time {
	if p.held || len(p.flight) == 0 {
		return time.Time{}
	}
	return p.flight[0].due
}

// conn is one end of a stream. It has no goroutine and no timer of its own:
// who waits in Read waits until the next segment is due.
type conn struct {
	network       *Network
	owner         *Transport
	local, remote net.Addr
	in, out       *pipe

	// Network.mu guards what follows.
	readDeadline  time.Time
	writeDeadline time.Time
	closed        bool
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Read waits until bytes have arrived, the other end has closed, or the
// deadline has passed. A paused node reads nothing.
func (c *conn) Read(b []byte) (int, error) {
	n := c.network
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		now := time.Now()
		c.in.land(now)
		paused := n.topology.isPaused(c.owner.name)
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case expired(c.readDeadline, now):
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case !paused && c.in.arrived.Len() > 0:
			got, _ := c.in.arrived.Read(b) // has no error when it is not empty
			c.in.waiting -= got
			c.in.changed.signal()
			return got, nil
		case !paused && c.in.ended:
			return 0, io.EOF
		}
		n.await(&c.in.changed, earliest(c.readDeadline, c.in.next()))
	}
}

// Write waits while the other end has much to read, until the deadline. What
// is written to an end that has been closed is lost, and an error once that
// is known here.
func (c *conn) Write(b []byte) (int, error) {
	n := c.network
	n.mu.Lock()
	defer n.mu.Unlock()
	written := 0
	for {
		now := time.Now()
		c.in.land(now)
		switch {
		case c.closed:
			return written, c.opError("write", net.ErrClosed)
		case expired(c.writeDeadline, now):
			return written, c.opError("write", os.ErrDeadlineExceeded)
		case c.in.ended && c.out.dead:
			return written, c.opError("write", errBrokenPipe)
		case written == len(b):
			return written, nil
		}
		size := min(len(b)-written, maxSegment)
		if !c.out.dead {
			size = min(size, streamWindow-c.out.waiting)
		}
		if size > 0 {
			c.out.send(now, segment{data: bytes.Clone(b[written : written+size])})
			c.out.link.stats.StreamBytes += uint64(size)
			written += size
			continue
		}
		n.await(&c.out.changed, c.writeDeadline)
	}
}

// Close ends both directions. What was written before still arrives.
func (c *conn) Close() error {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.close(time.Now())
	return nil
}

// close is Close with Network.mu held.
func (c *conn) close(now time.Time) {
	if c.closed {
		return
	}
	c.closed = true
	c.network.forget(c)
	c.out.send(now, segment{end: true})
	c.in.dead = true
	c.in.waiting, c.in.flight, c.in.arrived = 0, nil, bytes.Buffer{}
	c.in.changed.signal()
	c.out.changed.signal()
}

func (c *conn) SetDeadline(d time.Time) error {
	return c.setDeadlines(func() { c.readDeadline, c.writeDeadline = d, d })
}

func (c *conn) SetReadDeadline(d time.Time) error {
	return c.setDeadlines(func() { c.readDeadline = d })
}

func (c *conn) SetWriteDeadline(d time.Time) error {
	return c.setDeadlines(func() { c.writeDeadline = d })
}

// setDeadlines also reaches calls that wait already.
func (c *conn) setDeadlines(set func()) error {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	set()
	c.in.changed.signal()
	c.out.changed.signal()
	return nil
}

func (c *conn) opError(op string, cause error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: cause}
}

func expired(deadline, now time.Time) bool {
	return !deadline.IsZero() && !now.Before(deadline)
}

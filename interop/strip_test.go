package interop

import (
	"net"
	"sync"

	incumbent "github.com/hashicorp/memberlist"
)

// A node of the incumbent with SkipInboundLabelCheck expects that its transport
// has removed the labels already; one of ours removes them itself.

// stripPacket is a packet without the label header that it may begin with.
func stripPacket(b []byte) []byte {
	if stripped, _, err := incumbent.RemoveLabelHeaderFromPacket(b); err == nil {
		return stripped
	}
	return b
}

// strippedConn is a stream without the label header that it may begin with.
type strippedConn struct {
	net.Conn
	once sync.Once
	rest net.Conn
	err  error
}

func (c *strippedConn) Read(b []byte) (int, error) {
	c.once.Do(func() { c.rest, _, c.err = incumbent.RemoveLabelHeaderFromStream(c.Conn) })
	if c.err != nil {
		return 0, c.err
	}
	return c.rest.Read(b)
}

// stripper removes the labels of what arrives at a transport of the incumbent.
type stripper struct {
	packets chan *incumbent.Packet
	streams chan net.Conn
	stop    chan struct{}
	loops   sync.WaitGroup
}

func newStripper(t *incumbent.NetTransport) *stripper {
	s := &stripper{packets: make(chan *incumbent.Packet), streams: make(chan net.Conn), stop: make(chan struct{})}
	s.loops.Go(func() { s.loop(t) })
	return s
}

// loop hands over what arrives, until close.
func (s *stripper) loop(t *incumbent.NetTransport) {
	for {
		select {
		case p := <-t.PacketCh():
			p.Buf = stripPacket(p.Buf)
			select {
			case s.packets <- p:
			case <-s.stop:
				return
			}
		case c := <-t.StreamCh():
			select {
			case s.streams <- &strippedConn{Conn: c}:
			case <-s.stop:
				c.Close()
				return
			}
		case <-s.stop:
			return
		}
	}
}

func (s *stripper) close() {
	close(s.stop)
	s.loops.Wait()
}

package interop

import (
	"net"
	"sync"
	"time"

	incumbent "github.com/hashicorp/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// allRelays makes every member a relay of indirect probes, so that which kind
// relays is up to the links that a check cuts.
const allRelays = 12

// medium is what carries a cluster's packets and streams.
type medium interface {
	// start runs a node. One with the name of another that has been shut down
	// gets its address.
	start(k kind, s setup) (node, error)
	// cut stops everything between two nodes, in both directions.
	cut(a, b node)
	// heal undoes all cuts.
	heal()
	// faults reports whether cut works.
	faults() bool
	close()
}

// memory is a network in memory, for a fake clock.
type memory struct{ network *memberlisttest.Network }

func newMemory() *memory {
	return &memory{memberlisttest.New(memberlisttest.Options{Seed: 1,
		Faults: memberlisttest.Faults{Latency: time.Millisecond, Jitter: time.Millisecond}})}
}

func (m *memory) start(k kind, s setup) (node, error) {
	t := m.network.Transport(s.name)
	s.addr = t.AddrPort()
	if k == ours {
		return newOurs(s, t)
	}
	return newTheirs(s, newTheirTransport(t, s.skipLabel))
}

func (m *memory) cut(a, b node) {
	m.network.Cut(a.name(), b.name())
	m.network.Cut(b.name(), a.name())
}
func (m *memory) heal()        { m.network.Heal() }
func (m *memory) faults() bool { return true }
func (m *memory) close()       { m.network.Close() }

// theirTransport is our network in memory for the incumbent.
type theirTransport struct {
	t       *memberlisttest.Transport
	strip   bool // remove labels, as SkipInboundLabelCheck of the incumbent expects
	packets chan *incumbent.Packet
	streams chan net.Conn
	stop    chan struct{}
	loops   sync.WaitGroup
}

var _ incumbent.NodeAwareTransport = (*theirTransport)(nil)

func newTheirTransport(t *memberlisttest.Transport, strip bool) *theirTransport {
	a := &theirTransport{t: t, strip: strip, packets: make(chan *incumbent.Packet), streams: make(chan net.Conn), stop: make(chan struct{})}
	a.loops.Go(a.loop)
	return a
}

// loop hands over what arrives, until Shutdown.
func (a *theirTransport) loop() {
	for {
		select {
		case p := <-a.t.PacketCh():
			buf := p.Buf
			if a.strip {
				buf = stripPacket(buf)
			}
			select {
			case a.packets <- &incumbent.Packet{Buf: buf, From: p.From, Timestamp: p.Timestamp}:
			case <-a.stop:
				return
			}
		case c := <-a.t.StreamCh():
			if a.strip {
				c = &strippedConn{Conn: c}
			}
			select {
			case a.streams <- c:
			case <-a.stop:
				c.Close()
				return
			}
		case <-a.stop:
			return
		}
	}
}

func (a *theirTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return a.t.FinalAdvertiseAddr("", 0)
}
func (a *theirTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return a.t.WriteTo(b, addr)
}
func (a *theirTransport) WriteToAddress(b []byte, to incumbent.Address) (time.Time, error) {
	return a.t.WriteTo(b, to.Addr)
}
func (a *theirTransport) DialTimeout(addr string, d time.Duration) (net.Conn, error) {
	return a.t.DialTimeout(addr, d)
}
func (a *theirTransport) DialAddressTimeout(to incumbent.Address, d time.Duration) (net.Conn, error) {
	return a.t.DialTimeout(to.Addr, d)
}
func (a *theirTransport) PacketCh() <-chan *incumbent.Packet { return a.packets }
func (a *theirTransport) StreamCh() <-chan net.Conn          { return a.streams }
func (a *theirTransport) Shutdown() error {
	close(a.stop)
	a.loops.Wait()
	return a.t.Shutdown()
}

package interop

import (
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	incumbent "github.com/hashicorp/memberlist"
	memberlist "github.com/swimguard/memberlist"
)

// loopbackPort is every node's port: nodes of the incumbent that speak version
// 1 take their own for everybody's. It lies below the ports that the system
// gives to dialers.
const loopbackPort = 22946

// loopbackHosts are addresses in 127.0.0.0/8, in a corner that belongs to this
// process, with luck: each node has one of its own.
var (
	loopbackCorner = 1<<8 + rand.Uint32N(1<<14)
	loopbackHosts  atomic.Uint32
)

func nextLoopback() netip.AddrPort {
	n := loopbackHosts.Add(1)
	host := loopbackCorner<<8 + n/200<<8 + n%200 + 10
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(host >> 16), byte(host >> 8), byte(host)}), loopbackPort)
}

// loopback is real sockets on 127.0.0.0/8. The nodes make their own
// transports, unless these are gated, so that links can be cut.
type loopback struct {
	gated bool
	mu    sync.Mutex
	known map[string]netip.AddrPort // by name
	cuts  map[[2]netip.AddrPort]bool
}

func newLoopback(gated bool) *loopback {
	return &loopback{gated: gated, known: map[string]netip.AddrPort{}, cuts: map[[2]netip.AddrPort]bool{}}
}

func (l *loopback) start(k kind, s setup) (node, error) {
	l.mu.Lock()
	if _, ok := l.known[s.name]; !ok {
		l.known[s.name] = nextLoopback()
	}
	s.addr = l.known[s.name]
	l.mu.Unlock()
	strip := s.skipLabel && k == theirs
	if !l.gated && !strip {
		if k == ours {
			return newOurs(s, nil)
		}
		return newTheirs(s, nil)
	}
	logger := log.New(io.Discard, "", 0)
	hosts := []string{s.addr.Addr().String()}
	if k == ours {
		t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: hosts, BindPort: loopbackPort, Logger: logger})
		if err != nil {
			return nil, err
		}
		return newOurs(s, ourGate{t, gate{l, s.addr}})
	}
	t, err := incumbent.NewNetTransport(&incumbent.NetTransportConfig{BindAddrs: hosts, BindPort: loopbackPort, Logger: logger})
	if err != nil {
		return nil, err
	}
	g := theirGate{t, gate{l, s.addr}}
	if strip {
		return newTheirs(s, strippedGate{g, newStripper(t)})
	}
	return newTheirs(s, g)
}

func (l *loopback) cut(a, b node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts[[2]netip.AddrPort{a.addr(), b.addr()}] = true
	l.cuts[[2]netip.AddrPort{b.addr(), a.addr()}] = true
}
func (l *loopback) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.cuts)
}
func (l *loopback) faults() bool { return l.gated }
func (l *loopback) close()       {}

// gate lets nothing out to where the link is cut.
type gate struct {
	l    *loopback
	from netip.AddrPort
}

func (g gate) shut(to string) bool {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return false
	}
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	return g.l.cuts[[2]netip.AddrPort{g.from, addr}]
}

var errCut = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("the link is cut")}

type ourGate struct {
	*memberlist.NetTransport
	gate gate
}

func (g ourGate) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if g.gate.shut(a.Addr) {
		return time.Now(), nil
	}
	return g.NetTransport.WriteToAddress(b, a)
}
func (g ourGate) DialAddressTimeout(a memberlist.Address, d time.Duration) (net.Conn, error) {
	if g.gate.shut(a.Addr) {
		return nil, errCut
	}
	return g.NetTransport.DialAddressTimeout(a, d)
}

type theirGate struct {
	*incumbent.NetTransport
	gate gate
}

func (g theirGate) WriteToAddress(b []byte, a incumbent.Address) (time.Time, error) {
	if g.gate.shut(a.Addr) {
		return time.Now(), nil
	}
	return g.NetTransport.WriteToAddress(b, a)
}
func (g theirGate) DialAddressTimeout(a incumbent.Address, d time.Duration) (net.Conn, error) {
	if g.gate.shut(a.Addr) {
		return nil, errCut
	}
	return g.NetTransport.DialAddressTimeout(a, d)
}

// strippedGate is theirGate for a node that accepts any label.
type strippedGate struct {
	theirGate
	in *stripper
}

func (g strippedGate) PacketCh() <-chan *incumbent.Packet { return g.in.packets }
func (g strippedGate) StreamCh() <-chan net.Conn          { return g.in.streams }

// Shutdown goes on taking what arrives until the transport has shut down: it
// waits for the goroutines that hand it over.
func (g strippedGate) Shutdown() error {
	err := g.theirGate.Shutdown()
	g.in.close()
	return err
}

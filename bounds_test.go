package memberlist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// Both sides of bounds of docs/reliability.md that no other test comes to.

// newcomer is an alive message about a member that nobody knew.
func newcomer(name string) *wire.Alive {
	return &wire.Alive{Incarnation: 1, Node: []byte(name), Addr: []byte{10, 0, 0, 9}, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}}
}

func TestTableIsBounded(t *testing.T) {
	if raceEnabled {
		t.Skip("a quarter of a million members take long under the race detector, and there is one goroutine")
	}
	s, now := loneCore(nil)
	for i := s.table.len(); i < maxMembers-1; i++ {
		s.table.insert(&nodeRecord{Node: Node{Name: fmt.Sprint(i)}}, 1, now, s.rng)
	}
	if s.handleAlive(now, newcomer("last")); s.table.len() != maxMembers {
		t.Fatalf("%d members, and the last was refused", s.table.len())
	}
	s.handleAlive(now, newcomer("gossiped"))
	s.merge(now, []wire.NodeState{{Name: []byte("merged"), Addr: []byte{10, 0, 0, 9}, Port: 7946, Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}})
	if s.table.len() != maxMembers {
		t.Errorf("%d members", s.table.len())
	}
	again := newcomer("last")
	again.Incarnation = 2
	if s.handleAlive(now, again); s.table.named("last").incarnation != 2 {
		t.Error("a full table takes no news of its members")
	}
}

// News replaces older news about the same member, also when it has no name.
func TestNewsOfANamelessMemberIsOne(t *testing.T) {
	s, now := loneCore(nil)
	for i := range 10 {
		a := newcomer("")
		a.Incarnation = uint32(i + 1)
		s.handleAlive(now, a)
	}
	if n := s.queued(); n > s.table.len() {
		t.Errorf("%d messages queued about %d members", n, s.table.len())
	}
}

func TestRelaysAreBounded(t *testing.T) {
	s, now := loneCore(nil)
	s.handleAlive(now, newcomer("b"))
	b := s.table.named("b").endpoint()
	ask := func() {
		s.handleIndirectPing(now, &b, &wire.IndirectPing{
			Node: []byte("c"), Target: []byte{10, 0, 0, 8}, Port: 7946,
			SourceNode: []byte("b"), SourceAddr: []byte{10, 0, 0, 9}, SourcePort: 7946,
		})
	}
	for range maxRelays + 1 {
		ask()
	}
	if len(s.relays) != maxRelays {
		t.Errorf("%d relays", len(s.relays))
	}
	now = pass(s, now, s.p.probeTimeout)
	if ask(); len(s.relays) != 1 {
		t.Errorf("%d relays when their time is over and one more has come", len(s.relays))
	}
}

// Whoever invents members and declares them dead makes us look at each.
func TestStreamPingsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		var open, most atomic.Int32
		tap.dialed = func(_ Address, timeout time.Duration) (net.Conn, error) {
			n := open.Add(1)
			for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
			}
			time.Sleep(timeout)
			open.Add(-1)
			return nil, errors.New("nobody there")
		}
		m := start(t, c)
		const forged = 3 * maxStreamPings
		m.step(func(s *swim, now time.Time) {
			for i := range forged {
				name := []byte(fmt.Sprint(i))
				s.handleAlive(now, newcomer(string(name)))
				s.handleDead(now, &wire.Dead{Incarnation: 1, Node: name, From: []byte("x")})
			}
		})
		time.Sleep(c.ProbeTimeout + time.Second)
		if n := most.Load(); n != maxStreamPings {
			t.Errorf("%d at a time", n)
		}
		if n := m.NumMembers(); n != 1 {
			t.Errorf("%d members", n)
		}
	})
}

// A seed can have hundreds of addresses, and each take TCPTimeout.
func TestSeedsAreTriedOneAtATime(t *testing.T) {
	s, now := loneCore(nil)
	s.setSeeds(now, true, true)
	var tried []dialID
	count := func(fx *effects) {
		for _, d := range fx.dials {
			if d.kind == dialSeed {
				tried = append(tried, d.id)
			}
		}
	}
	now = watch(s, now, time.Hour, count)
	if len(tried) != 1 {
		t.Fatalf("%d tried in an hour, and none is done", len(tried))
	}
	s.dialed(now, tried[0], false)
	if watch(s, now, 2*s.p.healInterval, count); len(tried) != 2 {
		t.Errorf("%d tried when the first was done", len(tried))
	}
}

func TestStuckDestinationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		stop := make(chan struct{})
		tap.write = func([]byte, Address) error { <-stop; return nil }
		m := start(t, c)
		for i := range writerPeers {
			if err := m.pushPacket(&endpoint{host: fmt.Sprint(i)}, outPacket{buf: []byte("x")}); err != nil {
				t.Fatalf("%d destinations: %v", i+1, err)
			}
		}
		if err := m.pushPacket(&endpoint{host: "one more"}, outPacket{buf: []byte("x")}); !errors.Is(err, errWriteQueueFull) {
			t.Errorf("one more: %v", err)
		}
		close(stop)
		synctest.Wait()
		if err := m.pushPacket(&endpoint{host: "one more"}, outPacket{buf: []byte("x")}); err != nil {
			t.Errorf("when all are done: %v", err)
		}
	})
}

// Packets of foreign transports can be longer than any datagram.
func TestDecompressionOfALongPacketIsBounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	long := func(n int) []byte {
		b := make([]byte, n) // mostly zeros
		for i := range 300 << 10 {
			b[i] = byte(rnd.Uint32())
		}
		b[0] = byte(wire.TypeUser)
		return wire.AppendCompressed(nil, b)
	}
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		heard := 0
		c.Delegate = msgFunc(func(b []byte) { heard += len(b) })
		start(t, c)
		for _, test := range []struct {
			n    int
			want bool
		}{{packetExpansion + 1<<20, true}, {2 * packetExpansion, false}} {
			packet := long(test.n)
			if inside := test.n <= packetExpansionFactor*len(packet); inside != test.want || len(packet) <= packetExpansion/packetExpansionFactor {
				t.Fatalf("a packet of %d bytes for %d shows nothing", len(packet), test.n)
			}
			heard = 0
			tap.packets <- &Packet{Buf: packet, From: &MockAddress{port: 1}}
			synctest.Wait()
			if got := heard == test.n-1; got != test.want {
				t.Errorf("%d bytes came out of a packet of %d, for %d", heard, len(packet), test.n)
			}
			time.Sleep(time.Second) // for inflation
		}
	})
}

func TestFreeInflationFollowsTheConfiguredSize(t *testing.T) {
	for size, want := range map[int]int{0: inflationFree, inflationFree: inflationFree, 9000: 9000, inflationFreeMax + 1: inflationFreeMax} {
		if got := (&Config{UDPBufferSize: size}).freeInflation(); got != want {
			t.Errorf("UDPBufferSize %d: %d bytes, want %d", size, got, want)
		}
	}
}

package memberlist

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/simnet"
	"github.com/swimguard/memberlist/internal/wire"
)

// The tests of this file are those of docs/regressions.md for which no other
// place is nearer.

// loneCore is a core called "me" that knows nobody, at 10.0.0.1.
func loneCore(change func(p *params)) (*swim, time.Time) {
	p := DefaultLANConfig().coreParams()
	p.name = "me"
	if change != nil {
		change(&p)
	}
	s := newSwim(p, simnet.NewRand(1, 1))
	now := simEpoch
	s.start(now, &Node{Name: "me", Addr: []byte{10, 0, 0, 1}, Port: 7946, PMin: 1, PMax: 5, PCur: 2})
	return s, now
}

// pass lets so much time pass, in which nothing is heard, sent or connected.
func pass(s *swim, now time.Time, d time.Duration) time.Time {
	return watch(s, now, d, func(*effects) {})
}

// H47: whoever pings in the name of a member that is gone, or has it pinged, does
// not use up the gossip on an address where nobody listens.
func TestGossipIsNotWastedOnTheGone(t *testing.T) {
	for _, gone := range []bool{false, true} {
		s, now := loneCore(nil)
		s.handleAlive(now, aliveAt("b", 1, 2))
		s.handleAlive(now, aliveAt("c", 1, 3))
		if gone {
			s.handleDead(now, &wire.Dead{Incarnation: 1, Node: []byte("b"), From: []byte("b")})
		}
		var fx effects
		s.take(&fx)
		from := endpoint{addr: netip.MustParseAddrPort("203.0.113.1:53")}
		b := []byte{10, 0, 0, 2}
		s.handlePing(now, &from, &wire.Ping{SeqNo: 1, SourceNode: []byte("b"), SourceAddr: b, SourcePort: 7946}, nil)
		s.handleIndirectPing(now, &from, &wire.IndirectPing{SeqNo: 2, Node: []byte("b"), Target: b, Port: 7946})
		s.handleIndirectPing(now, &from, &wire.IndirectPing{SeqNo: 3, Node: []byte("d"), Target: []byte{10, 0, 0, 4}, Port: 7946, Nack: true, SourceNode: []byte("b"), SourceAddr: b, SourcePort: 7946})
		told := 0
		watch(s, now, s.p.probeTimeout-1, func(fx *effects) {
			for _, d := range fx.datagrams {
				if d.ifAny {
					continue // a round of gossip
				}
				for _, msg := range fx.msgs[d.lo:d.hi] {
					if wire.Type(msg[0]) == wire.TypeAlive {
						told++
					}
				}
			}
		})
		if (told == 0) != gone {
			t.Errorf("gone: %v, and it was told %d times of others", gone, told)
		}
	}
}

func aliveAt(name string, incarnation uint32, x byte) *wire.Alive {
	return &wire.Alive{Incarnation: incarnation, Node: []byte(name), Addr: []byte{10, 0, 0, x}, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}}
}

// R4 (ml#311, ml#345): a node that was killed at incarnation 100 and starts
// again at 1 finds out from the first exchange, and refutes above 100.
func TestRestartBelowItsOldIncarnation(t *testing.T) {
	old, now := loneCore(nil)
	old.handleAlive(now, aliveAt("b", 100, 2))
	reborn, _ := loneCore(nil)
	reborn.handleAlive(now, aliveAt("me", 100, 1))
	if reborn.incarnation != 101 {
		t.Errorf("at incarnation %d after it heard of its old life", reborn.incarnation)
	}
	reborn.handleDead(now, &wire.Dead{Incarnation: 150, Node: []byte("me"), From: []byte("b")})
	if reborn.incarnation != 151 || reborn.self.gone() {
		t.Errorf("at incarnation %d after its old death, state %d", reborn.incarnation, reborn.self.node.State)
	}
	// R71: so does a goodbye from the life before.
	reborn.handleDead(now, &wire.Dead{Incarnation: 200, Node: []byte("me"), From: []byte("me")})
	if reborn.incarnation != 201 || reborn.self.gone() {
		t.Errorf("at incarnation %d after its old goodbye, state %d", reborn.incarnation, reborn.self.node.State)
	}
	// R18 (scylladb#5164): any jump is accepted.
	old.handleAlive(now, aliveAt("b", math.MaxUint32-1, 2))
	if got := old.table.named("b").incarnation; got != math.MaxUint32-1 {
		t.Errorf("b is at %d", got)
	}
}

// R6 (ml#253, consul#11970): ten thousand members come and go, and nothing of
// them stays. R41 (am#5186) and R7 are the same story with failures.
func TestMembersThatCameAndWentLeaveNothingBehind(t *testing.T) {
	for _, how := range []string{"left", "failed"} {
		s, now := loneCore(nil)
		for i := range 10000 {
			name := fmt.Sprint("n", i)
			s.handleAlive(now, aliveAt(name, 1, 2))
			from := name
			if how == "failed" {
				from = "other"
			}
			s.handleDead(now, &wire.Dead{Incarnation: 1, Node: []byte(name), From: []byte(from)})
			now = pass(s, now, 100*time.Millisecond)
		}
		if n := s.table.len(); n > 1+1200 {
			t.Errorf("%s: %d entries while the last minute is remembered", how, n)
		}
		pass(s, now, 5*time.Minute)
		if s.table.len() != 1 || len(s.table.ranked) != 1 || s.queued() != 0 || len(s.probes)+len(s.looks) != 0 || len(s.heal.lost) > maxLost {
			t.Errorf("%s: %d entries, %d ranked, %d queued, %d probes, %d looks, %d streams, %d lost",
				how, s.table.len(), len(s.table.ranked), s.queued(), len(s.probes), len(s.looks), len(s.dials), len(s.heal.lost))
		}
	}
}

// H23: nobody remembers a reaped name, so an old claim of life brings it back.
// It is found out within one suspicion, like everyone who does not answer.
func TestStaleClaimOfLifeDoesNotLast(t *testing.T) {
	s, now := loneCore(func(p *params) { p.healInterval, p.off = 0, mechDeafness })
	s.handleAlive(now, aliveAt("ghost", 1, 2))
	pass(s, now, time.Minute)
	if m := s.table.named("ghost"); m != nil && !m.gone() {
		t.Errorf("the ghost is still %s after a minute", stateName(m.node.State))
	}
}

// R12 (atomix#962): accusations and deaths make nobody known.
func TestAccusationsMakeNobodyKnown(t *testing.T) {
	s, now := loneCore(nil)
	s.handleSuspect(now, &wire.Suspect{Incarnation: 1, Node: []byte("x"), From: []byte("y")})
	s.handleDead(now, &wire.Dead{Incarnation: 1, Node: []byte("x"), From: []byte("y")})
	s.merge(now, []wire.NodeState{
		{Name: []byte("y"), Addr: []byte{10, 0, 0, 2}, Port: 1, Incarnation: 1, State: int(StateDead), Vsn: []byte{1, 5, 2, 0, 0, 0}},
		{Name: []byte("z"), Addr: []byte{10, 0, 0, 3}, Port: 1, Incarnation: 1, State: int(StateLeft), Vsn: []byte{1, 5, 2, 0, 0, 0}},
	})
	if s.table.len() != 1 {
		t.Errorf("%d entries", s.table.len())
	}
}

// A dead message that does not name its sender is passed on once (found by
// FuzzCoreMessages), and names too long for a packet are refused.
func TestNamelessVerdictIsPassedOnOnce(t *testing.T) {
	s, now := loneCore(nil)
	s.handleAlive(now, aliveAt("b", 1, 2))
	for i := range 5 {
		s.gossip.clear(&s.fx)
		s.handleDead(now, &wire.Dead{Incarnation: 1, Node: []byte("b")})
		if want := min(1, 1-i); s.queued() != max(0, want) {
			t.Errorf("time %d: %d messages queued", i, s.queued())
		}
	}
	long := bytes.Repeat([]byte("x"), maxNameLen+1)
	s.handleAlive(now, aliveAt("c", 1, 3))
	s.handleSuspect(now, &wire.Suspect{Incarnation: 1, Node: []byte("c"), From: long})
	s.handleDead(now, &wire.Dead{Incarnation: 1, Node: []byte("c"), From: long})
	if got := s.table.named("c").node.State; got != StateAlive {
		t.Errorf("c is %s", stateName(got))
	}
}

// H8: nodes started at the same moment do not act in step.
func TestNodesStartedTogetherAreOutOfPhase(t *testing.T) {
	seen := map[time.Time]bool{}
	for i := range 20 {
		p := DefaultLANConfig().coreParams()
		p.name = "me"
		s := newSwim(p, simnet.NewRand(uint64(i), 1))
		s.start(simEpoch, &Node{Name: "me", Addr: []byte{10, 0, 0, 1}, Port: 7946})
		seen[s.probeTimer.At()] = true
	}
	if len(seen) < 19 {
		t.Errorf("%d phases among 20 nodes", len(seen))
	}
}

// H30: a sequence number that is in use is not given out again when the
// counter wraps.
func TestSequenceNumbersInUseAreSkipped(t *testing.T) {
	s, now := loneCore(nil)
	s.seq = math.MaxUint32 - 1
	first := s.ping(now, endpoint{addr: addrPort([]byte{10, 0, 0, 2}, 1), name: "b"})
	if first == 0 || s.pings[math.MaxUint32] == nil {
		t.Fatal("no ping")
	}
	s.seq = math.MaxUint32 - 1
	if got := s.newSeq(); got != 0 {
		t.Errorf("number %d", got)
	}
}

// H32: ports are those announced, whatever version is spoken.
func TestPortsOfOldSpeakersAreTheirOwn(t *testing.T) {
	s, now := loneCore(func(p *params) { p.protocolVersion, p.bindPort = 1, 1234 })
	a := aliveAt("b", 1, 2)
	a.Vsn, a.Port = []byte{1, 2, 1, 0, 0, 0}, 777
	s.handleAlive(now, a)
	if got := s.table.named("b").node.Port; got != 777 {
		t.Errorf("port %d", got)
	}
}

// R68 (actor-ts#138), H49: forged names make the table grow slowly; members
// learned of by push/pull are not counted, so nobody real is kept out for long.
func TestNewcomersByGossipAreBounded(t *testing.T) {
	s, now := loneCore(nil)
	var fx effects
	forge := func(from, n int) {
		for i := range n {
			s.handleAlive(now, aliveAt(fmt.Sprint("forged", from+i), 1, 2))
			s.take(&fx)
			fx.reset()
		}
	}
	forge(0, 3*maxNewcomers)
	if got := s.table.len(); got != 1+maxNewcomers {
		t.Errorf("%d entries, want %d", got, 1+maxNewcomers)
	}
	a := aliveAt("real", 1, 3)
	s.merge(now, []wire.NodeState{{Name: a.Node, Addr: a.Addr, Port: a.Port, Incarnation: 1, Vsn: a.Vsn}})
	if s.table.named("real") == nil {
		t.Error("push/pull is bounded, too")
	}
	s.handleAlive(now, aliveAt("late", 1, 4))
	if s.table.named("late") != nil {
		t.Error("one too many")
	}
	now = now.Add(newcomerTime)
	s.handleAlive(now, aliveAt("late", 1, 4))
	if s.table.named("late") == nil {
		t.Error("kept out a minute later")
	}
}

// R67 (ml#370, al8n#200): a forged goodbye does not last: the member pings, is
// told that it is believed to have left, and refutes.
func TestForgedGoodbyeIsRefuted(t *testing.T) {
	c := newSimCluster(simOptions{nodes: 5, seed: 1, link: simLink, warm: true, checks: true})
	c.run(2 * time.Second)
	victim := c.nodes[3]
	for _, n := range c.nodes {
		if n != victim {
			n.core.handleDead(c.now(n), &wire.Dead{Incarnation: 1, Node: []byte(victim.name), From: []byte(victim.name)})
			c.perform(n)
		}
	}
	back := c.runUntil(10*time.Second, 100*time.Millisecond, func() bool { return c.disagreement(c.nodes) == "" })
	c.must(t)
	if !back {
		t.Error("ten seconds later: ", c.disagreement(c.nodes))
	}
}

// R36: Leave is over when three members have confirmed it, and the process may
// end at once: the others learn of it from them, whatever was lost.
func TestGoodbyeReachesAllAfterImmediateExit(t *testing.T) {
	for seed := range uint64(20) {
		link := simLink
		link.Loss = 0.2
		c := newSimCluster(simOptions{nodes: 10, seed: seed, link: link, warm: true, checks: true})
		c.run(3 * time.Second)
		failed := 0
		c.onEvent = func(n *simNode, x notice) {
			if x.kind == noticeLeave && x.node.State == StateDead {
				failed++
			}
		}
		began := c.net.Now()
		c.leave(c.nodes[4]) // which stops when the wait is over
		gone := c.runUntil(leaveTimeout, 10*time.Millisecond, func() bool { return !c.nodes[4].up })
		took := c.net.Now() - began
		c.run(time.Minute)
		c.must(t)
		if !gone || failed > 0 {
			t.Errorf("seed %d: gone %v after %v; %d say it failed", seed, gone, took, failed)
		}
	}
}

// R50 (ml#299): users get their share of packets however much there is to say
// about members.
func TestUsersGetTheirShareOfGossip(t *testing.T) {
	s, now := loneCore(func(p *params) { p.userGossip = true })
	var fx effects
	for i := range 500 {
		s.handleAlive(now, aliveAt(fmt.Sprint("a-rather-long-name-of-a-member-", i), 1, 2))
	}
	s.take(&fx)
	fx.reset()
	s.gossipRound(now.Add(s.p.gossipInterval))
	s.take(&fx)
	most := 0
	for _, d := range fx.datagrams {
		if d.ifAny {
			most = max(most, d.room)
		}
	}
	if most < s.p.packetRoom/2-100 {
		t.Errorf("%d bytes for users in the roomiest packet of %d", most, s.p.packetRoom)
	}
}

// Serf tells a newcomer, in the user state of its join, which events are too
// old for it. Those that overtook that state were taken for new ones.
func TestNewcomersGetUserMessagesAfterTheirJoin(t *testing.T) {
	s, now := loneCore(func(p *params) { p.userGossip = true })
	var fx effects
	s.handleAlive(now, aliveAt("b", 1, 2))
	for _, tt := range []struct {
		after time.Duration
		users bool
	}{{s.p.gossipInterval / 10, false}, {s.p.gossipInterval, true}} {
		fx.reset()
		s.take(&fx)
		fx.reset()
		s.gossipRound(now.Add(tt.after))
		s.take(&fx)
		if len(fx.datagrams) == 0 {
			t.Fatalf("no gossip after %v", tt.after)
		}
		for _, d := range fx.datagrams {
			if d.ifAny && d.room > 0 != tt.users {
				t.Errorf("after %v there are %d bytes for users", tt.after, d.room)
			}
		}
	}
}

// R69 (al8n#201): user messages that wait are bounded in bytes, too.
func TestUserMessagesWaitingAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		d := &userDelegate{}
		c.Delegate = d
		m := start(t, c)
		release := make(chan struct{})
		d.setOn(func(string) { <-release })
		big := wire.AppendCompressed(nil, append([]byte{byte(wire.TypeUser)}, make([]byte, packetExpansion-1)...))
		for range 20 {
			tap.packets <- &Packet{Buf: bytes.Clone(big), From: &MockAddress{port: 1}}
			time.Sleep(time.Second) // see inflation
		}
		synctest.Wait()
		m.users.mu.Lock()
		waiting, queued := m.users.bytes, len(m.users.queue)-m.users.head
		m.users.mu.Unlock()
		if waiting > handoffBytes || queued != handoffBytes/packetExpansion {
			t.Errorf("%d bytes in %d messages", waiting, queued)
		}
		if m.users.dropped.Load() != 20-1-uint64(queued) {
			t.Errorf("%d dropped", m.users.dropped.Load())
		}
		close(release)
		synctest.Wait()
	})
}

// R33 (ml#264): a member whose streams fail while its packets pass is named in
// the log, and does not stop the exchanges with others.
func TestFailingStreamsAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		w := &callLines{}
		c.Logger, c.LogOutput = nil, w
		c.PushPullInterval = time.Second
		dialed := map[string]int{}
		tap.dialed = func(a Address, _ time.Duration) (net.Conn, error) {
			dialed[a.Name]++
			return nil, fmt.Errorf("refused")
		}
		start(t, c)
		tap.packets <- &Packet{Buf: aliveMessage("b", 2), From: &MockAddress{port: 1}}
		tap.packets <- &Packet{Buf: aliveMessage("c", 3), From: &MockAddress{port: 1}}
		time.Sleep(time.Minute) // each goes to either, at random
		synctest.Wait()
		if !strings.Contains(w.text(), "[ERR] memberlist: Push/Pull with b failed: refused") || dialed["b"] < 3 || dialed["c"] < 3 {
			t.Errorf("dialed %v, log:\n%s", dialed, w.text())
		}
	})
}

// One host cannot take all the streams (hazard 50).
func TestStreamsOfOneSourceAreBounded(t *testing.T) {
	var s sources
	at := func(ip string) net.Conn { return &addrConn{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}} }
	for range maxStreamsPerSource {
		if !s.enter(sourceOf(at("192.0.2.1"))) {
			t.Fatal("refused too early")
		}
	}
	if s.enter(sourceOf(at("192.0.2.1"))) || s.enter(sourceOf(at("::ffff:192.0.2.1"))) {
		t.Error("one too many")
	}
	if !s.enter(sourceOf(at("192.0.2.2"))) {
		t.Error("another source was refused")
	}
	s.leave(sourceOf(at("192.0.2.1")))
	if !s.enter(sourceOf(at("192.0.2.1"))) {
		t.Error("a stream that ended still counts")
	}
	if sourceOf(at("2001:db8::1")) != sourceOf(at("2001:db8::2")) || sourceOf(at("2001:db8::1")) == sourceOf(at("2001:db8:0:1::1")) {
		t.Error("a source of IPv6 is not a /64")
	}
	if sourceOf(&addrConn{}) != sourceOf(&addrConn{addr: &MockAddress{}}) {
		t.Error("sources without addresses differ")
	}
	for range maxStreamsPerSource {
		s.leave(sourceOf(at("192.0.2.1")))
	}
	s.leave(sourceOf(at("192.0.2.2")))
	if len(s.count) != 0 {
		t.Errorf("%d sources are remembered", len(s.count))
	}
}

// addrConn is a stream from an address.
type addrConn struct {
	net.Conn
	addr net.Addr
}

func (c *addrConn) RemoteAddr() net.Addr { return c.addr }

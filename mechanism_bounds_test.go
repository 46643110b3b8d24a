package memberlist

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/swimguard/memberlist/internal/simnet"
	"github.com/swimguard/memberlist/internal/wire"
)

// The bounds of docs/detection.md, "Bounds", that no story in testdata/protocol
// and no scenario shows.

// crowdedCore is a core that knows n others, none of whom is there.
func crowdedCore(n int, change func(*params)) (*swim, time.Time) {
	s, now := loneCore(change)
	for i := range n {
		s.handleAlive(now, aliveAt(fmt.Sprint("m", i), 1, byte(i)))
	}
	return s, pass(s, now, time.Second)
}

// accuseAll has another member suspect them all.
func accuseAll(s *swim, now time.Time, incarnation uint32) {
	for _, m := range s.table.all {
		if m != s.self {
			s.handleSuspect(now, &wire.Suspect{Incarnation: incarnation, Node: []byte(m.node.Name), From: []byte("accuser")})
		}
	}
}

// watch is pass, and has f see the effects of each step.
func watch(s *swim, now time.Time, d time.Duration, f func(*effects)) time.Time {
	var fx effects
	look := func() { s.take(&fx); f(&fx); fx.reset() }
	end := now.Add(d)
	look()
	for next := s.nextDeadline(); !next.IsZero() && !next.After(end); next = s.nextDeadline() {
		if next.After(now) {
			now = next
		}
		s.expire(now)
		look()
	}
	return end
}

func countTraces(fx *effects, kind traceKind) (n int) {
	for _, e := range fx.trace {
		if e.kind == kind {
			n++
		}
	}
	return n
}

// Rounds come in bursts, never in more than GossipInterval allows on average and
// gossipBurst beyond it, however fast members join, and as many for other news;
// together they keep to the average. And each is of GossipNodes packets.
func TestGossipBurstsAreBounded(t *testing.T) {
	s, now := crowdedCore(40, func(p *params) { p.probeInterval, p.pushPullInterval = 0, 0 })
	now = pass(s, now, gossipBurst*s.p.gossipInterval)
	rounds := func(lasts time.Duration, happen func(i int)) (rounds int) {
		end := now.Add(lasts)
		for i := 0; now.Before(end); i++ {
			happen(i)
			now = watch(s, now, time.Millisecond, func(fx *effects) {
				if countTraces(fx, traceGossip) == 0 {
					return
				}
				rounds++
				if len(fx.datagrams) != s.p.gossipNodes {
					t.Fatalf("a round has %d packets", len(fx.datagrams))
				}
			})
		}
		return rounds
	}
	const lasts = 10 * time.Second
	joining := rounds(lasts, func(i int) { s.handleAlive(now, aliveAt(fmt.Sprint("new", i), 1, byte(i))) })
	if most := gossipBurst + int(lasts/s.p.gossipInterval) + 1; joining > most || joining < most-2 {
		t.Errorf("%d rounds about newcomers in %v, want %d", joining, lasts, most)
	}
	updating := rounds(lasts, func(int) { s.updateMeta(now, []byte(now.String())) })
	if most := gossipBurst + int(lasts/s.p.gossipInterval) + 1; updating > most || updating < most-2 {
		t.Errorf("%d rounds about updates in %v after that, want %d", updating, lasts, most)
	}
	both := rounds(lasts, func(i int) {
		s.handleAlive(now, aliveAt(fmt.Sprint("newer", i), 1, byte(i)))
		s.updateMeta(now, []byte(now.String()))
	})
	if most := int(lasts/s.p.gossipInterval) + 1; both > most || both < most-2 {
		t.Errorf("%d rounds about both in %v after that, want %d", both, lasts, most)
	}
}

// After a burst about newcomers and one about others, the rest of the news does not
// wait until both are paid for.
func TestBurstsDoNotHoldUpTheRest(t *testing.T) {
	s, now := crowdedCore(300, func(p *params) { p.probeInterval, p.pushPullInterval = 0, 0 })
	now = pass(s, now, 2*gossipBurst*s.p.gossipInterval)
	for i := range 600 {
		s.handleAlive(now, aliveAt(fmt.Sprint("new", i), 1, byte(i)))
		now = pass(s, now, time.Millisecond)
	}
	for i := range 100 {
		s.handleAlive(now, aliveAt(fmt.Sprint("m", i), 2, byte(i)))
		now = pass(s, now, 5*time.Millisecond)
	}
	rest, longest := s.gossip.len(), time.Duration(0)
	for last := now; s.gossip.len() > 0; {
		now = watch(s, now, time.Millisecond, func(fx *effects) {
			if countTraces(fx, traceGossip) > 0 {
				last = now
			}
		})
		if longest = max(longest, now.Sub(last)); longest > time.Minute {
			break
		}
	}
	if most := (gossipOverdraft + 1) * s.p.gossipInterval; rest < 100 || longest > most {
		t.Errorf("%d pieces of news left to send; a round came after %v, want %v at most", rest, longest, most)
	}
}

// However many are accused, an interval has one probe and extraProbes more.
func TestProbesOfAnIntervalAreBounded(t *testing.T) {
	s, now := crowdedCore(60, func(p *params) { p.pushPullInterval = 0 })
	now = pass(s, now, time.Second)
	start, most := 0, 0
	for i := range 20 {
		accuseAll(s, now, uint32(i+1))
		start = 0
		now = watch(s, now, s.p.probeInterval, func(fx *effects) { start += countTraces(fx, traceProbeStart) })
		most = max(most, start)
		for _, m := range s.table.all { // they refute, to be accused again
			if m != s.self {
				s.handleAlive(now, aliveAt(m.node.Name, uint32(i+2), byte(m.node.Addr[3])))
			}
		}
	}
	// Intervals begin with a round, which lies somewhere in these seconds: what is
	// left of one and all of the next may fall into one of them.
	if limit := 1 + 2*extraProbes; most > limit || most < 1+extraProbes {
		t.Errorf("%d probes in an interval, want %d to %d", most, 1+extraProbes, limit)
	}
}

// A quiet cluster's members are each probed once per interval.
func TestCoordinatedProbesAreOneForEach(t *testing.T) {
	c := newSimCluster(simOptions{nodes: 30, seed: 1, link: simnet.Link{}, warm: true})
	c.run(2 * time.Second)
	// All probes of one round number are one interval's, by the wall clock.
	probed := map[int64]map[string]int{}
	c.onTrace = func(n *simNode, e traceEvent) {
		if e.kind == traceProbeStart {
			round := c.now(n).UnixNano() / int64(n.core.p.probeInterval)
			if probed[round] == nil {
				probed[round] = map[string]int{}
			}
			probed[round][e.node]++
		}
	}
	first := simEpoch.Add(3*time.Second).UnixNano() / int64(time.Second)
	c.run(20 * time.Second)
	for round := first; round < first+15; round++ {
		if len(probed[round]) != 30 {
			t.Errorf("%d of 30 members probed in interval %d: %v", len(probed[round]), round-first, probed[round])
		}
	}
}

// Who pings is told what is believed about it: in the one packet that answers
// anyway, in one message, whatever the state.
func TestTellingTheAccusedIsOneMessage(t *testing.T) {
	for _, state := range []NodeStateType{StateAlive, StateSuspect, StateDead, StateLeft} {
		s, now := crowdedCore(2, func(p *params) { p.probeInterval, p.pushPullInterval = 0, 0 })
		b := s.table.named("m1")
		n := b.node.clone()
		n.State = state
		s.table.set(b, n, now)
		s.gossip.clear(&s.fx)
		s.fx.reset()
		source := b.endpoint()
		s.handlePing(now, &source, &wire.Ping{SeqNo: 1, Node: []byte("me"), SourceAddr: n.Addr, SourcePort: n.Port, SourceNode: []byte("m1")}, nil)
		want := 2
		if state == StateAlive {
			want = 1
		}
		if len(s.fx.datagrams) != 1 || len(s.fx.msgs) != want {
			t.Errorf("%v: %d packets, %d messages, want 1 and %d", state, len(s.fx.datagrams), len(s.fx.msgs), want)
		}
	}
}

// With a PauseTolerance some look for themselves: 2(k+1) in all, however many
// there are, so a fraction of the accusations make this node do so.
func TestFewLookForThemselves(t *testing.T) {
	s, now := crowdedCore(200, func(p *params) {
		p.pauseTolerance, p.pushPullInterval = 1500*time.Millisecond, 0
		p.off = mechFollowUp
	})
	looked, accused := 0, 0
	for i := range 10 {
		accuseAll(s, now, uint32(i+1))
		accused += s.table.len() - 1
		looked += countTraces(&s.fx, traceProbeStart)
		for _, m := range s.table.all {
			if m == s.self {
				continue
			}
			if sp := m.rare().suspicion; sp.min != s.p.pauseTolerance {
				t.Fatalf("the shortest timeout is %v, want the PauseTolerance", sp.min)
			}
			s.handleAlive(now, aliveAt(m.node.Name, uint32(i+2), m.node.Addr[3]))
			if p := m.rare().probe; p != nil {
				s.endProbe(now, p, 0)
			}
		}
		s.fx.reset()
	}
	k, _, _ := suspicionTimes(s.p.suspicionMult, s.p.suspicionMaxMult, s.table.len(), s.p.probeInterval)
	if mean := accused * 2 * (k + 1) / s.table.len(); looked < mean/2 || looked > 2*mean {
		t.Errorf("%d of %d accusations made this node look for itself, want about %d", looked, accused, mean)
	}
}

// Evidence costs memory only up to a limit, about one member and in all.
func TestEvidenceIsBounded(t *testing.T) {
	s, now := loneCore(nil)
	insert := func(name string) *member {
		return s.table.insert(&nodeRecord{Node: Node{Name: name, Addr: []byte{10, 0, 0, 2}, Port: 1}}, 1, now, s.rng)
	}
	first := insert("first")
	for i := range maxEvidence + 5 {
		s.note(now, first, Evidence{N: i})
	}
	if got := first.history().evidence; len(got) != maxEvidence || got[0].N != 5 {
		t.Errorf("%d pieces, from %d on", len(got), got[0].N)
	}
	for i := range maxExplained - 1 {
		s.note(now, insert(fmt.Sprint(i)), Evidence{})
	}
	if len(s.explained) != maxExplained || len(first.history().evidence) == 0 {
		t.Fatalf("%d members with evidence, %d pieces about the first", len(s.explained), len(first.history().evidence))
	}
	for range 2 {
		s.note(now, insert("one more"), Evidence{})
		s.note(now, first, Evidence{})
	}
	with := 0
	for _, m := range s.table.all {
		if len(m.history().evidence) > 0 {
			with++
		}
	}
	if with != maxExplained || len(s.explained) != maxExplained {
		t.Errorf("%d members with evidence, %d in the list, want %d", with, len(s.explained), maxExplained)
	}
	if size := unsafe.Sizeof(Evidence{}); size > 72 {
		t.Errorf("a piece takes %d bytes, more than docs/detection.md says", size)
	}
	// Nothing is kept of those who are forgotten.
	for _, m := range s.table.all {
		if m != s.self {
			n := m.node.clone()
			n.State = StateDead
			s.table.set(m, n, now)
		}
	}
	if s.reap(now.Add(time.Hour)); s.table.len() != 1 || len(s.explained) != 0 {
		t.Errorf("%d members, %d with evidence, when all are forgotten", s.table.len(), len(s.explained))
	}
}

// A member that was lost gets a ping from each of the others now and then, from
// all of them together no more in a large cluster than in a small one.
func TestHealingIsBounded(t *testing.T) {
	const hours = 10
	for _, others := range []int{1, 4 * healTogether} {
		s, now := loneCore(func(p *params) { p.probeInterval, p.pushPullInterval, p.gossipInterval = 0, 0, 0 })
		for i := range others {
			s.handleAlive(now, aliveAt(fmt.Sprint("m", i), 1, byte(i)))
		}
		s.lose(now, &Node{Name: "lost", Addr: []byte{10, 0, 0, 2}, Port: 7946})
		pings := 0
		watch(s, now, hours*time.Hour, func(fx *effects) { pings += len(fx.datagrams) })
		longest := s.p.healInterval * time.Duration(1+s.table.live()/healTogether)
		// Doubling from healFirst intervals on adds a few; the jitter averages out.
		if usual := int(hours * time.Hour / longest); pings > usual+usual/5+10 || pings < usual-usual/5 {
			t.Errorf("%d others: %d pings in %d hours, want about %d", others, pings, hours, usual)
		}
	}
	// Losses without end bring the next attempt close, not closer than half of the first pause.
	s, now := loneCore(func(p *params) { p.probeInterval, p.pushPullInterval, p.gossipInterval = 0, 0, 0 })
	pings, soonest := 0, max(healFirst*s.p.probeInterval, time.Second)/2
	const lasts = 10 * time.Minute
	for i := range int(lasts / (100 * time.Millisecond)) {
		s.lose(now, &Node{Name: fmt.Sprint(i % 500), Addr: []byte{10, 0, 0, 2}, Port: 7946})
		now = watch(s, now, 100*time.Millisecond, func(fx *effects) { pings += len(fx.datagrams) })
	}
	if most := int(lasts / soonest); pings > most || pings < most/4 || len(s.heal.lost) != maxLost {
		t.Errorf("%d pings for losses without end, want at most %d; %d remembered", pings, most, len(s.heal.lost))
	}
}

func TestSeedsRememberedAreBounded(t *testing.T) {
	var s seeds
	never := func(int) bool { return false }
	for i := range 2 * maxSeeds {
		s.remember([]string{fmt.Sprint(i)}, never)
	}
	if len(s.args) != maxSeeds || len(s.missing) != maxSeeds || s.args[0] != fmt.Sprint(maxSeeds) {
		t.Errorf("%d seeds, %d missing, the oldest %s", len(s.args), len(s.missing), s.args[0])
	}
}

// One number for all and two for each member.
func TestRoundTripsAreSmall(t *testing.T) {
	if size := unsafe.Sizeof(roundTrip{}); size != 8 {
		t.Errorf("a round trip takes %d bytes, docs/detection.md says 8", size)
	}
}

// A further accusation is passed on half as often as the first, and no more often
// than what is left of that one.
func TestConfirmationsAreQuiet(t *testing.T) {
	s, now := loneCore(func(p *params) { p.probeInterval, p.off = time.Hour, mechFollowUp })
	for i := range 40 {
		s.handleAlive(now, aliveAt(fmt.Sprint("m", i), 1, byte(10+i)))
	}
	now = pass(s, now, time.Minute)
	m, limit := s.table.named("m1"), s.transmitLimit()
	for _, c := range []struct {
		from string
		made int // transmissions that count as made
	}{{"first", 0}, {"second", 0}, {"third", limit / 2}} {
		s.handleSuspect(now, &wire.Suspect{Incarnation: 1, Node: []byte("m1"), From: []byte(c.from)})
		if m.news == nil || *m.news.value.from != c.from || int(m.news.transmits) != c.made {
			t.Errorf("%s accuser: %+v, want %d of %d transmissions made", c.from, m.news, c.made, limit)
		}
		if c.from == "second" {
			now = pass(s, now, time.Minute)
		}
	}
}

// Who stands before a member that has gone does its probe, too.
func TestTheGoneHaveAStandIn(t *testing.T) {
	for _, gone := range []bool{false, true} {
		s, now := loneCore(nil)
		for i := range 10 {
			s.handleAlive(now, aliveAt(fmt.Sprint("m", i), 1, byte(10+i)))
		}
		next := s.table.after(s.self, 1)
		if gone {
			s.handleDead(now, &wire.Dead{Incarnation: 1, Node: []byte(next.node.Name), From: []byte(next.node.Name)})
		}
		var fx effects
		var mine, its *member
		for now = s.probeTimer.At(); mine == nil || its == nil; now = now.Add(s.p.probeInterval) {
			mine, its = s.coordinatedTarget(now, s.self), s.coordinatedTarget(now, next)
		}
		now = now.Add(-s.p.probeInterval)
		want := []string{mine.node.Name}
		if gone {
			want = append(want, its.node.Name)
		}
		s.take(&fx)
		fx.reset()
		s.probeRound(now, now)
		s.take(&fx)
		var probed []string
		for _, e := range fx.trace {
			if e.kind == traceProbeStart {
				probed = append(probed, e.node)
			}
		}
		if !slices.Equal(probed, want) {
			t.Errorf("gone: %v, probed %v, want %v", gone, probed, want)
		}
	}
}

package memberlist

import (
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// What the random search has found and a smaller test shows better than the
// whole case; cases are in testdata/sim.

// A deaf node puts the end of a suspicion off, and gives the time back when it
// hears again: once, not twice, however often that happens.
func TestDeafTimeIsGivenBackOnce(t *testing.T) {
	c := newSimCluster(simOptions{nodes: 3, seed: 1, link: simLink, warm: true, checks: true})
	c.run(time.Second)
	n := c.nodes[0]
	accused := n.core.table.named("n1")
	n.core.suspect(c.now(n), accused, 1, n.name)
	c.perform(n)
	for range 3 {
		end := accused.rare().suspicion.timer.At()
		now := end
		n.core.hearing.lost = now.Add(-time.Second) // nothing has arrived for a second
		n.core.suspicionExpired(now, accused)
		if got := accused.rare().suspicion.timer.At(); !got.After(end) {
			t.Fatalf("a deaf node ends a suspicion at %v, due at %v", got, end)
		}
		n.core.heard(now)
		if got, want := accused.rare().suspicion.timer.At(), end.Add(time.Second+n.core.p.probeTimeout); !got.Equal(want) {
			t.Fatalf("the suspicion ends %v after it was due, want %v", got.Sub(end), want.Sub(end))
		}
		n.core.fx.reset()
	}
}

// One accuser misses every copy of the refutation, and there are no streams
// that could bring it later. It goes on accusing a past life, and in the end
// would declare a member dead that everybody else knows to be alive.
func TestMissedRefutationIsRepeated(t *testing.T) {
	deaths := func(off mechanism) (n int) {
		for seed := range uint64(5) {
			c := newSimCluster(simOptions{nodes: 8, seed: seed, link: simLink, warm: true, checks: true, params: func(p *params) {
				p.off, p.streamPings, p.pushPullInterval = off, false, 0
			}})
			c.onEvent = func(_ *simNode, x notice) {
				if x.kind == noticeLeave {
					n++
				}
			}
			c.run(time.Second)
			accuser, accused := c.nodes[0], c.nodes[1]
			accuser.core.suspect(c.now(accuser), accuser.core.table.named(accused.name), 1, accuser.name)
			c.perform(accuser)
			c.run(3 * time.Millisecond)
			for i := range c.nodes {
				c.net.Cut(i, accuser.i)
			}
			accused.core.handleSuspect(c.now(accused), &wire.Suspect{Incarnation: 1, Node: []byte(accused.name), From: []byte(accuser.name)})
			c.perform(accused)
			c.run(250 * time.Millisecond) // less than what makes the accuser a suspect
			c.net.Heal()
			if got := accuser.core.table.named(accused.name).node.State; got != StateSuspect {
				t.Fatalf("seed %d: the accuser has not missed the refutation: %s", seed, stateName(got))
			}
			c.run(5 * time.Minute)
			c.must(t)
		}
		return n
	}
	if n := deaths(mechRefuteAgain); n == 0 {
		t.Error("nobody is declared dead without a repetition: this test shows nothing")
	}
	if n := deaths(0); n > 0 {
		t.Errorf("%d members declared dead", n)
	}
}

// The ping of a suspect brings the accusation before it asks for an ack: so the
// ack brings the refutation, without any gossip.
func TestAckBringsTheRefutation(t *testing.T) {
	for seed := range uint64(5) {
		c := newSimCluster(simOptions{nodes: 8, seed: seed, link: simLink, warm: true, checks: true, params: func(p *params) {
			p.gossipNodes, p.pushPullInterval = 0, 0
		}})
		c.run(time.Second)
		accuser, accused := c.nodes[0], c.nodes[1]
		m := accuser.core.table.named(accused.name)
		accuser.core.suspect(c.now(accuser), m, 1, accuser.name)
		if m.rare().probe == nil {
			accuser.core.startProbe(c.now(accuser), m)
		}
		c.perform(accuser)
		c.run(2 * (simLink.Latency.Min + simLink.Latency.Spread))
		c.must(t)
		if m.node.State != StateAlive || m.incarnation != 2 {
			t.Errorf("seed %d: after a round trip the accused is %s at incarnation %d", seed, stateName(m.node.State), m.incarnation)
		}
	}
}

// Whoever replays old accusations makes the accused gossip one message per
// ProbeInterval, and send it to the accuser once more, and its neighbours nothing.
func TestRefutationsAreRepeatedSparingly(t *testing.T) {
	c := newSimCluster(simOptions{nodes: 8, seed: 1, link: simLink, warm: true, checks: true})
	c.run(time.Second)
	n := c.nodes[0]
	n.core.refute(c.now(n), 1, "suspect", "n1")
	c.perform(n)
	c.run(2 * time.Second)
	before := c.counts.messages[wire.TypeAlive]
	const lasts = 10 * time.Second
	for at := time.Duration(0); at < lasts; at += 10 * time.Millisecond {
		n.core.handleSuspect(c.now(n), &wire.Suspect{Incarnation: 1, Node: []byte(n.name), From: []byte("n1")})
		n.core.handleDead(c.now(n), &wire.Dead{Incarnation: 1, Node: []byte(n.name), From: []byte("n1")})
		c.perform(n)
		c.run(10 * time.Millisecond)
	}
	c.must(t)
	sent, limit := c.counts.messages[wire.TypeAlive]-before, transmitLimit(n.core.p.retransmitMult, 8)
	if most := int(lasts/n.core.p.probeInterval) * (limit + 1); sent > most || sent == 0 {
		t.Errorf("2,000 old accusations make the accused send its refutation %d times, limit %d", sent, most)
	}
}

package memberlist

import (
	"flag"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
	"github.com/swimguard/memberlist/internal/simnet"
	"github.com/swimguard/memberlist/internal/wire"
)

var simSpeed = flag.Bool("sim.speed", false, "measure the simulator with 1,000 nodes for ten minutes too")

// must ends the test when a rule has been broken.
func (c *simCluster) must(t *testing.T) {
	t.Helper()
	if c.err != nil {
		t.Fatalf("seed %d: %v", c.opts.seed, c.err)
	}
}

func TestSimJoin(t *testing.T) {
	for seed := range uint64(5) {
		c := newSimCluster(simOptions{nodes: 20, seed: seed, link: simLink, checks: true})
		c.bootAll()
		agreed := c.runUntil(10*time.Second, 100*time.Millisecond, func() bool {
			live := c.truth()
			return len(live) == 20 && c.disagreement(live) == ""
		})
		c.must(t)
		if !agreed {
			t.Errorf("seed %d: after ten seconds %s", seed, c.disagreement(c.truth()))
		}
		c.run(time.Minute)
		c.must(t)
		if d := c.disagreement(c.truth()); d != "" {
			t.Errorf("seed %d: without any fault, %s", seed, d)
		}
	}
}

// TestSimSpeed reports the simulator's speed, and holds it to a second for 128
// nodes and two minutes, and with -sim.speed to a minute for 1,000 nodes and
// ten minutes. Processor time counts, so that a busy machine does not matter:
// one goroutine simulates, so with a second processor for the collector, the
// clock shows less. The race detector may take ten times as long.
func TestSimSpeed(t *testing.T) {
	type size struct {
		nodes       int
		lasts, must time.Duration
	}
	sizes := []size{{128, 2 * time.Minute, time.Second}}
	if *simSpeed {
		// A million entries of member tables are no garbage: looking less
		// often costs a gigabyte and saves a sixth of the time.
		defer debug.SetGCPercent(debug.SetGCPercent(400))
		sizes = append(sizes, size{1000, 10 * time.Minute, time.Minute})
	}
	for _, tt := range sizes {
		runtime.GC() // what other tests have left is not the simulator's
		start, startCPU := time.Now(), cpuTime()
		c := newSimCluster(simOptions{nodes: tt.nodes, seed: 1, link: simLink})
		c.bootAll()
		c.run(tt.lasts)
		c.must(t)
		took, cpu := time.Since(start), cpuTime()-startCPU
		events := c.net.Stats().Events
		var messages int
		for _, n := range c.counts.messages {
			messages += n
		}
		t.Logf("%d nodes for %v: %.2f s of processor time, %.2f s by the clock; %d events (%.0f/s), %d messages (%.0f/s)",
			tt.nodes, tt.lasts, cpu.Seconds(), took.Seconds(), events, float64(events)/cpu.Seconds(), messages, float64(messages)/cpu.Seconds())
		if d := c.disagreement(c.truth()); d != "" {
			t.Error(d)
		}
		if limit := tt.must; cpu > limit && !raceEnabled || cpu > 10*limit {
			t.Errorf("%d nodes for %v took %v of processor time, want %v at most", tt.nodes, tt.lasts, cpu, limit)
		}
	}
}

// TestSimCheckerNotices shows that each rule can be broken.
func TestSimCheckerNotices(t *testing.T) {
	other := func(n *simNode) *member { return n.core.table.named("n1") }
	for _, tt := range []struct {
		name string
		do   func(c *simCluster, n *simNode)
		want string
	}{
		{"incarnation falls", func(c *simCluster, n *simNode) { other(n).incarnation-- }, "fell from"},
		{"own incarnation forgotten", func(c *simCluster, n *simNode) { n.core.incarnation++ }, "own incarnation"},
		{"believes itself dead", func(c *simCluster, n *simNode) {
			self := n.core.self.node.clone()
			self.State = StateDead
			n.core.table.set(n.core.self, self, c.now(n))
			n.events[n.name] = false
		}, "believes itself dead"},
		{"lost itself", func(c *simCluster, n *simNode) { clear(n.core.table.names.slots) }, "lost itself"},
		{"join twice", func(c *simCluster, n *simNode) { n.core.notify(noticeJoin, other(n), nil) }, "joined twice"},
		{"leave twice", func(c *simCluster, n *simNode) {
			n.core.notify(noticeLeave, other(n), nil)
			n.core.notify(noticeLeave, other(n), nil)
		}, "left without having joined"},
		{"state without event", func(c *simCluster, n *simNode) {
			n.core.bury(c.now(n), other(n), StateDead, 1)
			n.core.fx.notices = n.core.fx.notices[:0]
		}, "last event"},
		{"change not shown", func(c *simCluster, n *simNode) {
			n.core.table.set(other(n), other(n).node.clone(), c.now(n))
		}, "is not what is listed"},
		{"suspicion without state", func(c *simCluster, n *simNode) { other(n).setRare(rare{suspicion: &suspicion{}}) }, "with suspicion true"},
		{"suspicion without deadline", func(c *simCluster, n *simNode) {
			n.core.suspect(c.now(n), other(n), 1, "n2")
			n.core.timers.Remove(&other(n).rare().suspicion.timer)
		}, "no deadline of its own"},
		{"deadline without reason", func(c *simCluster, n *simNode) {
			n.core.timers.Set(&deadline.Item[timer]{}, c.now(n).Add(time.Hour))
		}, "deadlines for"},
		{"counts wrong", func(c *simCluster, n *simNode) { n.core.table.counts[StateAlive]++ }, "table counts"},
		{"probe lost", func(c *simCluster, n *simNode) {
			n.core.startProbe(c.now(n), other(n))
			other(n).setProbe(nil)
		}, "has lost its member"},
		{"no gossip round", func(c *simCluster, n *simNode) {
			n.core.queueSuspect(c.now(n), other(n), 1, "n2", 0)
			n.core.timers.Remove(&n.core.gossipTimer)
		}, "no gossip round to come"},
		{"sent too often", func(c *simCluster, n *simNode) {
			n.core.queueSuspect(c.now(n), other(n), 1, "n2", 0)
			for range 20 {
				n.core.gossip.fill(&n.core.fx, wire.CompoundPartLen, 1000, 100, true)
			}
			n.core.fx.datagrams = append(n.core.fx.datagrams, datagram{to: n.core.self.endpoint(), hi: 1, ifAny: true})
			for range 20 {
				n.core.fx.datagrams = append(n.core.fx.datagrams, n.core.fx.datagrams[0])
			}
		}, "time of"},
		{"packet too long", func(c *simCluster, n *simNode) {
			n.core.send(other(n).endpoint(), make([]byte, 1000))
			n.core.fx.msgs = append(n.core.fx.msgs, make([]byte, 500))
			n.core.fx.datagrams[0].hi++
		}, "packet of"},
		{"streams pile up", func(c *simCluster, n *simNode) {
			for range 30 {
				n.core.dial(dial{kind: dialHeal, to: other(n).endpoint()}, nil)
			}
		}, "streams for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newSimCluster(simOptions{nodes: 3, seed: 1, link: simLink, warm: true, checks: true})
			c.run(time.Second)
			c.must(t)
			tt.do(c, c.nodes[0])
			c.perform(c.nodes[0])
			if c.err == nil || !strings.Contains(c.err.Error(), tt.want) {
				t.Errorf("got %v, want something about %q", c.err, tt.want)
			}
		})
	}
}

// TestSimCheckerNoticesWrongViews shows that agreement can fail.
func TestSimCheckerNoticesWrongViews(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(c *simCluster, n *simNode)
		want string
	}{
		{"sees one that is gone", func(c *simCluster, n *simNode) { c.crash(c.nodes[1]) }, "sees n1 alive"},
		{"misses one", func(c *simCluster, n *simNode) {
			n.core.table.removeIf(func(m *member) bool { return m.node.Name == "n1" })
		}, "sees 2 of 3"},
		{"suspects one", func(c *simCluster, n *simNode) {
			n.core.suspect(c.now(n), n.core.table.named("n1"), 1, "n2")
		}, "n0 suspects n1"},
		{"old metadata", func(c *simCluster, n *simNode) { c.updateMeta(c.nodes[1], 10) }, "at incarnation 1, which is at 2"},
		{"old address", func(c *simCluster, n *simNode) { c.crash(c.nodes[1]); c.restart(c.nodes[1], true) }, "sees n1 alive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newSimCluster(simOptions{nodes: 3, seed: 1, link: simLink, warm: true})
			c.run(time.Second)
			if d := c.disagreement(c.truth()); d != "" {
				t.Fatal(d)
			}
			tt.do(c, c.nodes[0])
			if d := c.disagreement(c.truth()); !strings.Contains(d, tt.want) {
				t.Errorf("got %q, want something about %q", d, tt.want)
			}
		})
	}
}

// TestSimSameSeedSameTrace compares two runs with everything that can go wrong
// line by line.
func TestSimSameSeedSameTrace(t *testing.T) {
	run := func(seed uint64) ([]string, uint64) {
		sc := randomSimCase(seed)
		sc.nodes, sc.faults = 8, nil
		rng := simnet.NewRand(seed, 3<<60)
		for range 40 {
			sc.faults = append(sc.faults, randomSimFault(rng, sc))
		}
		trace := &simTrace{keep: 1 << 20}
		if r := sc.run(trace); r.err != nil {
			t.Fatal(r.err)
		}
		return trace.tail(), trace.hash
	}
	lines, hash := run(3)
	again, hash2 := run(3)
	if hash != hash2 || !slices.Equal(lines, again) {
		t.Errorf("two runs of one seed differ: %d and %d lines, %x and %x", len(lines), len(again), hash, hash2)
	}
	if _, other := run(4); other == hash {
		t.Error("another seed gives the same trace")
	}
	if len(lines) < 1000 {
		t.Errorf("only %d lines", len(lines))
	}
}

// The race detector has nothing to find in one goroutine and makes these
// scenarios ten times slower: they run without it, in the gate norace.
//
//go:build !race

package memberlist

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/simnet"
)

// The scenarios of docs/detection.md. In the ordinary test run they are few and
// small, and their targets are asserted; with -sim.detect they run in full and
// print the tables.
var simDetect = flag.Bool("sim.detect", false, "run the detection scenarios in full and print their tables")

var simDetectSeeds = flag.Int("sim.seeds", 0, "runs of each detection scenario, with the seeds from 0 up; 0 means few, or with -sim.detect as many as each says")

// fixedLink is the network of the comparison: 1 ms one way, no loss.
var fixedLink = simnet.Link{Latency: simnet.Delay{Min: time.Millisecond}}

// simFull is few in the ordinary run, and full in the full one.
func simFull(few, full int) int {
	if *simDetect {
		return full
	}
	return few
}

// simSeeds is how many runs a scenario makes: few, full, or -sim.seeds.
func simSeeds(few, full int) int {
	if *simDetectSeeds > 0 {
		return *simDetectSeeds
	}
	return simFull(few, full)
}

// durationQuantile returns the q-th quantile; the slice is sorted.
func durationQuantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

// warmCluster is a cluster in which everybody knows everybody, after a while of
// peace at random phases.
func warmCluster(n int, seed uint64, link simnet.Link, change func(*params)) *simCluster {
	c := newSimCluster(simOptions{nodes: n, seed: seed, link: link, warm: true, params: change})
	c.run(5*time.Second + time.Duration(c.rng.Int64N(int64(time.Second))))
	return c
}

// known counts the running nodes other than gone that believe n to be gone.
func (c *simCluster) knowGone(gone map[*simNode]bool, n *simNode) (know, of int) {
	for _, other := range c.nodes {
		if !other.up || gone[other] {
			continue
		}
		of++
		if m := other.core.table.named(n.name); m == nil || m.gone() {
			know++
		}
	}
	return know, of
}

// crashKnownToAll is how long it takes until every survivor knows of every crash.
func crashKnownToAll(n, crashes int, seed uint64, change func(*params)) (all time.Duration, load simCounts) {
	c := warmCluster(n, seed, fixedLink, change)
	gone := map[*simNode]bool{}
	for _, i := range c.rng.Perm(n)[:crashes] {
		gone[c.nodes[i]] = true
		c.crash(c.nodes[i])
	}
	start := c.net.Now()
	c.runUntil(3*time.Minute, 20*time.Millisecond, func() bool {
		for g := range gone {
			if know, of := c.knowGone(gone, g); know < of {
				return false
			}
		}
		return true
	})
	return c.net.Now() - start, c.counts
}

func TestDetectCrash(t *testing.T) {
	type target struct {
		name     string
		n        int
		crashes  int
		change   func(*params)
		p50, p99 time.Duration
	}
	for _, tt := range []target{
		{"one, defaults", 128, 1, nil, 9400 * time.Millisecond, 11 * time.Second},
		{"one, PauseTolerance 1.5 s", 128, 1, func(p *params) { p.pauseTolerance = 1500 * time.Millisecond }, 3 * time.Second, 5500 * time.Millisecond},
		{"5 %, defaults", 128, 6, nil, 10900 * time.Millisecond, 12500 * time.Millisecond},
		{"20 %, defaults", 128, 26, nil, 10900 * time.Millisecond, 12500 * time.Millisecond},
	} {
		var took []time.Duration
		for seed := range simSeeds(5, 200) {
			all, _ := crashKnownToAll(tt.n, tt.crashes, uint64(seed), tt.change)
			took = append(took, all)
		}
		p50, p99 := durationQuantile(took, 0.5), durationQuantile(took, 0.99)
		t.Logf("crash of %s, %d members: known to all after %.2f s p50, %.2f s p99", tt.name, tt.n, p50.Seconds(), p99.Seconds())
		if p50 > tt.p50 || p99 > tt.p99 {
			t.Errorf("crash of %s: p50 %v, p99 %v; targets %v and %v", tt.name, p50, p99, tt.p50, tt.p99)
		}
	}
}

// deaths counts how often running members were declared dead.
func (c *simCluster) countDeaths() *int {
	deaths := new(int)
	c.onEvent = func(n *simNode, x notice) {
		if x.kind == noticeLeave && x.node.State == StateDead {
			if at := c.nodeOf(x.node.Name); at != nil && at.up {
				*deaths++
			}
		}
	}
	return deaths
}

func TestDetectNoFalseDeathUnderLoss(t *testing.T) {
	for _, loss := range []float64{0.05, 0.10, 0.20, 0.30} {
		deaths := 0
		for seed := range simSeeds(1, 10) {
			link := fixedLink
			link.Loss = loss
			c := warmCluster(64, uint64(seed), link, nil)
			n := c.countDeaths()
			c.run(time.Duration(simFull(1, 5)) * time.Minute)
			deaths += *n
		}
		t.Logf("loss of %.0f %%, 64 members: %d false deaths", loss*100, deaths)
		if deaths > 0 {
			t.Errorf("%d false deaths at a loss of %.0f %%", deaths, loss*100)
		}
	}
}

// TestDetectSpread measures one update until 99 % and all of 1,000 know it.
func TestDetectSpread(t *testing.T) {
	n := 1000
	var most, all []time.Duration
	for seed := range simSeeds(3, 100) {
		c := warmCluster(n, uint64(seed), fixedLink, nil)
		from := c.nodes[c.rng.IntN(n)]
		c.updateMeta(from, 20)
		start := c.net.Now()
		var at99 time.Duration
		c.runUntil(20*time.Second, 2*time.Millisecond, func() bool {
			know := 0
			for _, other := range c.nodes {
				if m := other.core.table.named(from.name); m.incarnation >= from.core.incarnation {
					know++
				}
			}
			if at99 == 0 && know >= n*99/100 {
				at99 = c.net.Now() - start
			}
			return know == n
		})
		most, all = append(most, at99), append(all, c.net.Now()-start)
	}
	t.Logf("one update, %d members: 99 %% after %v p99, all after %v p99 (p50 %v, %v)", n,
		durationQuantile(most, 0.99), durationQuantile(all, 0.99), durationQuantile(most, 0.5), durationQuantile(all, 0.5))
	if durationQuantile(most, 0.99) > 50*time.Millisecond || durationQuantile(all, 0.99) > 400*time.Millisecond {
		t.Errorf("99 %% after %v, all after %v; targets 50 ms and 400 ms", durationQuantile(most, 0.99), durationQuantile(all, 0.99))
	}
}

// TestDetectManyUpdates lets 100 members change their metadata at once.
func TestDetectManyUpdates(t *testing.T) {
	var took []time.Duration
	unknown := 0
	for seed := range simSeeds(2, 50) {
		c := warmCluster(128, uint64(seed), fixedLink, nil)
		for _, n := range c.nodes[:100] {
			c.updateMeta(n, 100)
		}
		start := c.net.Now()
		stale := func() (stale int) {
			for _, n := range c.nodes[:100] {
				for _, other := range c.nodes {
					if other.core.table.named(n.name).incarnation < n.core.incarnation {
						stale++
					}
				}
			}
			return stale
		}
		if !c.runUntil(10*time.Second, 20*time.Millisecond, func() bool { return stale() == 0 }) {
			unknown += stale()
		}
		took = append(took, c.net.Now()-start)
	}
	t.Logf("100 updates at once, 128 members: all know all after %v p50, %v p99; %d unknown after 10 s",
		durationQuantile(took, 0.5), durationQuantile(took, 0.99), unknown)
	if durationQuantile(took, 0.5) > time.Second || durationQuantile(took, 0.99) > 3*time.Second || unknown > 0 {
		t.Errorf("targets: 1 s, 3 s, 0")
	}
}

// TestDetectJoinStorm lets everybody join through one seed within 100 ms.
func TestDetectJoinStorm(t *testing.T) {
	for n, target := range map[int]time.Duration{128: 2 * time.Second, 256: 3 * time.Second, 512: 5 * time.Second} {
		if n > 256 && !*simDetect {
			continue
		}
		var took []time.Duration
		for seed := range simSeeds(2, 20) {
			c := newSimCluster(simOptions{nodes: n, seed: uint64(seed), link: fixedLink})
			c.boot(c.nodes[0])
			c.nodes[0].joined = true
			c.run(time.Second)
			for _, node := range c.nodes[1:] {
				c.after(time.Duration(c.rng.Int64N(int64(100*time.Millisecond))), func() {
					c.boot(node)
					c.join(node, c.nodes[0])
				})
			}
			start := c.net.Now()
			c.runUntil(5*time.Minute, 50*time.Millisecond, func() bool {
				for _, node := range c.nodes {
					if !node.up || node.core.table.counts[StateAlive] < n {
						return false
					}
				}
				return true
			})
			took = append(took, c.net.Now()-start)
		}
		t.Logf("join storm of %d: all know all after %v p50, %v max", n, durationQuantile(took, 0.5), durationQuantile(took, 1))
		if durationQuantile(took, 0.5) > target {
			t.Errorf("join storm of %d: %v, target %v", n, durationQuantile(took, 0.5), target)
		}
	}
}

// TestDetectFrozen freezes one process.
func TestDetectFrozen(t *testing.T) {
	for _, frozen := range []time.Duration{5 * time.Second, 60 * time.Second} {
		deaths, buried, back := 0, 0, time.Duration(0)
		for seed := range simSeeds(3, 50) {
			c := warmCluster(32, uint64(seed), fixedLink, nil)
			sick := c.nodes[3]
			c.onEvent = func(n *simNode, x notice) {
				if x.kind == noticeLeave && n == sick {
					buried++
				} else if x.kind == noticeLeave {
					deaths++
				}
			}
			c.net.Pause(sick.i, true)
			c.run(frozen)
			c.net.Resume(sick.i)
			start := c.net.Now()
			c.runUntil(time.Minute, 20*time.Millisecond, func() bool {
				for _, n := range c.nodes {
					if m := n.core.table.named(sick.name); m == nil || m.node.State != StateAlive {
						return false
					}
				}
				return true
			})
			back = max(back, c.net.Now()-start)
		}
		t.Logf("one of 32 frozen for %v: %d leave events about it, it buried %d, back everywhere after %v at most", frozen, deaths, buried, back)
		if buried > 0 {
			t.Errorf("frozen for %v: it declared %d dead on waking", frozen, buried)
		}
		if frozen == 5*time.Second && deaths > 0 || back > 3*time.Second {
			t.Errorf("frozen for %v: %d leave events, back after %v", frozen, deaths, back)
		}
	}
}

// TestDetectPartition parts a cluster and heals it.
func TestDetectPartition(t *testing.T) {
	for _, minority := range []int{1, 16} {
		for _, outage := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, 24 * time.Hour} {
			if outage == 24*time.Hour && !*simDetect {
				continue
			}
			limit := 30 * time.Second
			if outage > time.Minute {
				limit = 90 * time.Second
			}
			worst := time.Duration(0)
			for seed := range simSeeds(1, 10) {
				c := warmCluster(32, uint64(seed), fixedLink, nil)
				for i := range minority {
					c.net.Partition(1, i)
				}
				c.run(outage)
				c.net.Heal()
				start := c.net.Now()
				c.runUntil(5*time.Minute, 100*time.Millisecond, func() bool {
					for _, n := range c.nodes {
						if n.core.table.counts[StateAlive] < len(c.nodes) {
							return false
						}
					}
					return true
				})
				worst = max(worst, c.net.Now()-start)
			}
			t.Logf("partition %d|%d for %v: everyone sees everyone %v after it heals, at most", minority, 32-minority, outage, worst)
			if worst > limit {
				t.Errorf("partition %d|%d for %v: %v, target %v", minority, 32-minority, outage, worst, limit)
			}
		}
	}
}

// TestDetectHalfDeaf has members that lose most of what they receive or send.
func TestDetectHalfDeaf(t *testing.T) {
	for _, what := range []string{"80 % of ingress lost", "80 % of egress lost", "one-way cut between two groups", "one-way flip-flop"} {
		healthy, sick := 0, 0
		n := 100
		for seed := range simSeeds(1, 5) {
			c := warmCluster(n, uint64(seed), fixedLink, nil)
			bad := map[string]bool{}
			lossy := fixedLink
			lossy.Loss = 0.8
			switch what {
			case "80 % of ingress lost", "80 % of egress lost":
				bad["n7"] = true
				for i := range n {
					if what == "80 % of ingress lost" {
						c.net.SetLink(i, 7, &lossy)
					} else {
						c.net.SetLink(7, i, &lossy)
					}
				}
			case "one-way cut between two groups":
				for i := range 10 {
					for j := 10; j < 20; j++ {
						c.net.Cut(i, j)
					}
				}
			case "one-way flip-flop":
				bad["n7"] = true
				var flip func(cut bool)
				flip = func(cut bool) {
					for i := range n {
						if cut {
							c.net.Cut(i, 7)
						} else {
							c.net.Mend(i, 7)
						}
					}
					c.after(20*time.Second, func() { flip(!cut) })
				}
				flip(true)
			}
			c.onEvent = func(at *simNode, x notice) {
				if x.kind != noticeLeave && x.kind != noticeJoin {
					return
				}
				if bad[x.node.Name] {
					sick++
				} else if !bad[at.name] {
					healthy++
				}
			}
			c.run(time.Duration(simFull(2, 5)) * time.Minute)
		}
		t.Logf("%s, %d members: %d transitions about healthy members at healthy ones, %d about sick ones", what, n, healthy, sick)
		if healthy > 0 {
			t.Errorf("%s: %d transitions about healthy members at healthy ones", what, healthy)
		}
		// The incumbent declares it dead and alive again in each period of 40 s.
		if periods := simSeeds(1, 5) * simFull(3, 7); what == "one-way flip-flop" && 20*sick > 2*periods*(n-1) {
			t.Errorf("%s: %d transitions about the sick one, more than a twentieth of %d", what, sick, 2*periods*(n-1))
		}
	}
}

// TestDetectFlapping cuts a member off for 20 s out of every 40 s. Each of the
// others reports three failures; then its returns are held down.
func TestDetectFlapping(t *testing.T) {
	const n, periods = 32, 12
	transitions := 0
	c := warmCluster(n, 1, fixedLink, nil)
	c.onEvent = func(at *simNode, x notice) {
		switch {
		case x.kind != noticeLeave && x.kind != noticeJoin:
		case x.node.Name == "n7":
			transitions++
		case at.name != "n7":
			t.Errorf("a transition of %s at %s", x.node.Name, at.name)
		}
	}
	for range periods {
		c.net.Partition(1, 7)
		c.run(20 * time.Second)
		c.net.Heal()
		c.run(20 * time.Second)
	}
	t.Logf("cut off for 20 s of every 40 s, %d times, %d members: %d transitions, %d without damping", periods, n, transitions, 2*periods*(n-1))
	if most := 5 * (n - 1); transitions > most {
		t.Errorf("%d transitions, want at most %d", transitions, most)
	}
	c.run(flapHoldMax * defaultFlapHold)
	for _, other := range c.nodes {
		if !other.events["n7"] {
			t.Errorf("%s never shows a member that has been well for %v", other.name, flapHoldMax*defaultFlapHold)
		}
	}
}

// TestDetectCutOff takes one member off the network for a minute. The incumbent
// declares nine others dead there.
func TestDetectCutOff(t *testing.T) {
	for seed := range simSeeds(2, 20) {
		c := warmCluster(32, uint64(seed), fixedLink, nil)
		declared, others := 0, 0
		c.onEvent = func(at *simNode, x notice) {
			switch {
			case x.kind != noticeLeave:
			case at.name == "n7":
				declared++
			case x.node.Name != "n7":
				others++
			}
		}
		c.net.Partition(1, 7)
		c.run(time.Minute)
		c.net.Heal()
		c.run(30 * time.Second)
		t.Logf("one of 32 cut off for a minute: it declared %d dead; %d deaths of others than it", declared, others)
		if declared > 9 || others > 0 {
			t.Errorf("seed %d: a member that was cut off declared %d dead, at others %d are", seed, declared, others)
		}
	}
}

// TestDetectDeafForEver has a member that can send and never hears again: it
// calls out, and is given up nevertheless.
func TestDetectDeafForEver(t *testing.T) {
	const n = 32
	for seed := range simSeeds(2, 20) {
		c := warmCluster(n, uint64(seed), fixedLink, nil)
		for i := range n {
			c.net.Cut(i, 7)
		}
		_, shortest, _ := suspicionTimes(defaultSuspicionMult, defaultSuspicionMaxTimeoutMult, n, time.Second)
		start := c.net.Now()
		known := c.runUntil((callOutFor+1)*shortest+5*time.Second, 100*time.Millisecond, func() bool {
			know, of := c.knowGone(map[*simNode]bool{c.nodes[7]: true}, c.nodes[7])
			return know == of
		})
		t.Logf("a deaf member, %d members: known to all after %v", n, c.net.Now()-start)
		if !known {
			t.Errorf("seed %d: a member that hears nobody is still one after %v", seed, c.net.Now()-start)
		}
	}
}

// TestDetectMissed counts members that gossip alone does not reach.
func TestDetectMissed(t *testing.T) {
	sizes := []int{3, 9, 10, 30, 64, 99, 100, 200}
	if *simDetect {
		sizes = sizes[:0]
		for n := 3; n <= 200; n++ {
			sizes = append(sizes, n)
		}
	}
	for _, tt := range []struct{ loss, target float64 }{{0, 0.0001}, {0.10, 0.001}} {
		missed, sent := 0, 0
		for _, n := range sizes {
			link := fixedLink
			link.Loss = tt.loss
			c := warmCluster(n, uint64(n), link, func(p *params) { p.pushPullInterval, p.probeInterval = 0, 0 })
			for range simFull(10, 100) {
				from := c.nodes[c.rng.IntN(n)]
				c.updateMeta(from, 20)
				want := from.core.incarnation
				c.run(6 * time.Second)
				sent++
				for _, other := range c.nodes {
					if other.core.table.named(from.name).incarnation < want {
						missed++
						break
					}
				}
			}
		}
		t.Logf("updates that miss somebody by gossip alone, loss %.0f %%: %d of %d", 100*tt.loss, missed, sent)
		if float64(missed) > tt.target*float64(sent) {
			t.Errorf("loss %.0f %%: %d of %d updates miss somebody, target %.2f %%", 100*tt.loss, missed, sent, 100*tt.target)
		}
	}
}

// TestDetectChurn lets members come and go.
func TestDetectChurn(t *testing.T) {
	wrong, views := 0, 0
	worst := time.Duration(0)
	for seed := range simSeeds(2, 10) {
		c := warmCluster(64+150, uint64(seed), fixedLink, nil)
		for _, n := range c.nodes[64:] {
			c.crash(n)
		}
		c.run(2 * time.Minute) // they are forgotten
		next := 64
		lasts := 5 * time.Minute
		for at := 2 * time.Second; at < lasts; at += 2 * time.Second {
			c.after(at, func() {
				if i := c.rng.IntN(64); c.nodes[i].up && !c.nodes[i].leaving {
					c.leave(c.nodes[i])
				}
				if next < len(c.nodes) {
					c.restart(c.nodes[next], false)
					next++
				}
			})
		}
		for at := 10 * time.Second; at < lasts; at += 10 * time.Second {
			c.after(at, func() {
				n := c.nodes[c.rng.IntN(64)]
				if n.up && !n.leaving {
					c.crash(n)
					c.after(time.Second, func() { c.restart(n, true) })
				}
			})
		}
		check := func() (bad int) {
			live := c.truth()
			up := map[string]bool{}
			for _, n := range live {
				up[n.name] = true
			}
			for _, n := range live {
				for _, m := range n.core.table.all {
					if !m.gone() != up[m.node.Name] {
						bad++
					}
				}
				views += len(live)
			}
			return bad
		}
		for range int(lasts / (5 * time.Second)) {
			c.run(5 * time.Second)
			wrong += check()
		}
		start := c.net.Now()
		c.runUntil(5*time.Minute, 200*time.Millisecond, func() bool { return c.disagreement(c.truth()) == "" })
		worst = max(worst, c.net.Now()-start)
	}
	t.Logf("churn, 64 members: %.2f %% of views wrong meanwhile, true %v after it stopped", 100*float64(wrong)/float64(views), worst)
	if 100*wrong > 2*views || worst > 10*time.Second {
		t.Errorf("churn: %d of %d views wrong, true after %v; targets 2 %% and 10 s", wrong, views, worst)
	}
}

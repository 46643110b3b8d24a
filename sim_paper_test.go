package memberlist

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/simnet"
)

// The claims of the papers that we rely on, each on whole clusters of the real
// core. SWIM is Das, Gupta, Motivala (DSN 2002), Lifeguard is Dadgar, Phillips,
// Currey (DSN 2018). All seeds are fixed: what is measured here never varies,
// and the bounds leave room for changes of the core, not for chance.

// plainSWIM switches off everything that is not in the SWIM paper.
const plainSWIM = ^mechRoundRobin

// paperParams is SWIM with K = 1 as in its section 5, without push/pull.
func paperParams(off mechanism) func(p *params) {
	return func(p *params) {
		p.off = off
		p.indirectChecks = 1
		p.streamPings = false
		p.pushPullInterval = 0
	}
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// quantile of a sorted or unsorted sample.
func quantile(xs []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %.3f, want %.3f within %.3f", what, got, want, tolerance)
	}
}

// TestPaperLoadIsConstantPerMember: SWIM, section 5.1 and figure 2. Each member
// sends one ping per period and answers one on average, at any size.
func TestPaperLoadIsConstantPerMember(t *testing.T) {
	const periods = 40
	for _, n := range []int{4, 16, 56, 200} {
		c := newSimCluster(simOptions{nodes: n, seed: 1, link: simLink, warm: true})
		c.run(periods * time.Second)
		c.must(t)
		var sent uint64
		for _, node := range c.nodes {
			sent += c.net.Load(node.i).Packets
		}
		within(t, "packets sent per member and period", float64(sent)/float64(n*periods), 2.0, 0.05)
	}
}

// firstProbe is how many periods after the crash of a member the first ping is
// sent to it by anybody.
func firstProbe(t *testing.T, seed uint64, nodes int, off mechanism) float64 {
	c := newSimCluster(simOptions{nodes: nodes, seed: seed, link: simLink, warm: true, params: paperParams(off)})
	c.run(time.Duration(c.rng.Int64N(int64(time.Second))))
	victim := c.nodes[0]
	c.crash(victim)
	crash, first := c.net.Now(), time.Duration(-1)
	c.onTrace = func(n *simNode, e traceEvent) {
		if e.kind == traceProbeStart && e.node == victim.name && first < 0 {
			first = c.net.Now()
		}
	}
	if !c.runUntil(time.Minute, time.Second, func() bool { return first >= 0 }) {
		t.Fatalf("seed %d: the dead member was never probed: %v", seed, c.err)
	}
	return float64(first-crash) / float64(time.Second)
}

// TestPaperDetectionTime: SWIM, section 3.1. With targets drawn at random the
// first ping reaches a dead member in the e/(e-1)-th period on average, whatever
// the size. Members that do not tick together make the wait itself exponential,
// with a mean of one period.
func TestPaperDetectionTime(t *testing.T) {
	for _, tt := range []struct {
		nodes, runs int
		off         mechanism
	}{{16, 400, plainSWIM | mechRoundRobin}, {16, 400, plainSWIM}, {48, 150, plainSWIM}} {
		var waits, periods []float64
		for seed := range uint64(tt.runs) {
			w := firstProbe(t, seed, tt.nodes, tt.off)
			waits, periods = append(waits, w), append(periods, math.Ceil(w))
		}
		// Three deviations of an exponential's mean; round robin, which draws
		// without replacement, is a little sooner.
		tolerance := 0.05 + 3/math.Sqrt(float64(tt.runs))
		t.Logf("%d members, round robin %v: first ping after %.2f periods, in period %.2f (theory 1.00 and 1.58)",
			tt.nodes, tt.off&mechRoundRobin == 0, mean(waits), mean(periods))
		within(t, "mean wait in periods", mean(waits), 1, tolerance)
		within(t, "mean period of the first ping", mean(periods), math.E/(math.E-1), tolerance)
	}
}

// TestPaperRoundRobinBoundsDetection: SWIM, section 4.3. An observer that goes
// round pings each member within 2n-1 of its periods; one that draws at random
// does not promise it.
func TestPaperRoundRobinBoundsDetection(t *testing.T) {
	const n, periods = 10, 400
	longest := func(off mechanism) (worst int) {
		c := newSimCluster(simOptions{nodes: n, seed: 5, link: simLink, warm: true, params: paperParams(off)})
		type pair struct{ from, to string }
		rounds, last := map[string]int{}, map[pair]int{}
		c.onTrace = func(from *simNode, e traceEvent) {
			if e.kind != traceProbeStart {
				return
			}
			rounds[from.name]++
			p := pair{from.name, e.node}
			worst = max(worst, rounds[from.name]-last[p])
			last[p] = rounds[from.name]
		}
		c.run(periods * time.Second)
		c.must(t)
		return worst
	}
	if got := longest(plainSWIM); got > 2*(n-1)-1 {
		t.Errorf("round robin: a member was not pinged for %d periods, the bound is %d", got, 2*(n-1)-1)
	}
	if got := longest(plainSWIM | mechRoundRobin); got <= 2*n {
		t.Errorf("drawing at random: every member was pinged within %d periods, so this test shows nothing", got)
	}
}

// infection is when each member has heard the news of one of them, in gossip
// intervals after it was out.
func infection(t *testing.T, seed uint64, nodes int, off mechanism) []float64 {
	c := newSimCluster(simOptions{
		nodes: nodes, seed: seed, link: simnet.Link{Latency: simnet.Delay{Min: time.Millisecond}}, warm: true,
		params: func(p *params) {
			p.off = off
			p.probeInterval, p.pushPullInterval = 0, 0 // only gossip carries news
		},
	})
	c.run(time.Second)
	start, interval := c.net.Now(), float64(c.nodes[0].core.p.gossipInterval)
	times := []float64{0}
	c.onEvent = func(n *simNode, x notice) {
		if x.kind == noticeUpdate && n.i != 0 {
			times = append(times, float64(c.net.Now()-start)/interval)
		}
	}
	c.updateMeta(c.nodes[0], 16)
	if !c.runUntil(time.Minute, 100*time.Millisecond, func() bool { return len(times) == nodes }) {
		t.Fatalf("seed %d: %d of %d members heard the news: %v", seed, len(times), nodes, c.err)
	}
	return times
}

// TestPaperDisseminationIsLogarithmic: SWIM, section 4.1. With fanout k, the
// number of infected members grows by e^k per gossip interval, so that half of
// them have heard after ln(n)/k intervals, and the last after about 2·ln(n)/k.
// That is for random targets.
func TestPaperDisseminationIsLogarithmic(t *testing.T) {
	const fanout, seeds = 3, 8
	sizes := []int{16, 64, 256}
	var half, all []float64
	for _, n := range sizes {
		var halves, alls []float64
		for seed := range uint64(seeds) {
			times := infection(t, seed, n, mechEagerGossip|mechPattern)
			halves, alls = append(halves, times[n/2]), append(alls, times[n-1])
		}
		half, all = append(half, mean(halves)), append(all, mean(alls))
		t.Logf("%d members: half know after %.2f intervals (theory %.2f), all after %.2f (theory %.2f)",
			n, mean(halves), math.Log(float64(n-1))/fanout, mean(alls), 2*math.Log(float64(n))/fanout)
		within(t, "intervals until half know", mean(halves), math.Log(float64(n-1))/fanout, 0.5)
	}
	grow := math.Log(float64(sizes[2]) / float64(sizes[0]))
	within(t, "intervals per e-fold of members until half know", (half[2]-half[0])/grow, 1.0/fanout, 0.08)
	within(t, "intervals per e-fold of members until all know", (all[2]-all[0])/grow, 2.0/fanout, 0.2)
}

// TestEagerGossipIsFaster: news that does not wait for the next tick passes the
// exponential phase at the speed of the network.
func TestEagerGossipIsFaster(t *testing.T) {
	const n, seeds = 128, 8
	var ticking, eager []float64
	for seed := range uint64(seeds) {
		ticking = append(ticking, infection(t, seed, n, mechEagerGossip)[n/2])
		eager = append(eager, infection(t, seed, n, 0)[n/2])
	}
	if got, bound := mean(eager), mean(ticking)/3; got > bound {
		t.Errorf("half the members know after %.2f intervals, want at most %.2f, a third of the time with ticks", got, bound)
	}
}

// lossyRun counts, in a healthy cluster in which every packet is lost with the
// probability given, failed probes per probe and deaths per member.
func lossyRun(t *testing.T, seed uint64, nodes int, loss float64, lasts time.Duration, set func(p *params)) (failed, deaths float64) {
	link := simLink
	link.Loss = loss
	c := newSimCluster(simOptions{nodes: nodes, seed: seed, link: link, warm: true, params: set})
	var probes, failures, dead int
	c.onTrace = func(n *simNode, e traceEvent) {
		switch e.kind {
		case traceProbeStart:
			probes++
		case traceProbeFailed:
			failures++
		}
	}
	c.onEvent = func(n *simNode, x notice) {
		if x.kind == noticeLeave {
			dead++
		}
	}
	c.run(lasts)
	c.must(t)
	return float64(failures) / float64(probes), float64(dead) / float64(nodes)
}

// TestPaperFalseDetection: SWIM, section 3.1. A healthy member fails a probe
// when the ping or the ack is lost, and one of four packets on each of K
// indirect ways.
func TestPaperFalseDetection(t *testing.T) {
	for _, tt := range []struct {
		loss   float64
		checks int
	}{{0.1, 0}, {0.1, 1}, {0.1, 3}, {0.25, 3}} {
		got, _ := lossyRun(t, 3, 24, tt.loss, 3*time.Minute, func(p *params) {
			paperParams(plainSWIM)(p)
			p.indirectChecks = tt.checks
			p.suspicionMult = 1000 // nobody is buried, so that all can be asked for help
		})
		q := 1 - tt.loss
		want := (1 - math.Pow(q, 2)) * math.Pow(1-math.Pow(q, 4), float64(tt.checks))
		t.Logf("loss %.2f, K = %d: %.4f of the probes fail, in theory %.4f", tt.loss, tt.checks, got, want)
		within(t, "share of failed probes", got, want, 0.1*want+0.003)
	}
}

// TestPaperSuspicionLowersFalsePositives: SWIM, section 4.2 and figure 4. With
// 10 % loss, declaring dead whoever fails a probe tears the group apart; a
// suspicion that can be refuted keeps it together.
func TestPaperSuspicionLowersFalsePositives(t *testing.T) {
	deaths := func(mult int) float64 {
		_, d := lossyRun(t, 7, 24, 0.1, 3*time.Minute, func(p *params) {
			paperParams(plainSWIM)(p)
			p.suspicionMult = mult
		})
		return d
	}
	without, with := deaths(0), deaths(4)
	t.Logf("deaths announced per member in three minutes at 10 %% loss: %.2f without suspicion, %.2f with", without, with)
	if without < 1 || with > without/50 {
		t.Errorf("suspicion lowers false deaths from %.2f to %.2f per member, want a fiftieth at most", without, with)
	}
}

// TestPaperLocalHealth: Lifeguard, section IV-A. A member that reads everything
// late accuses others less when it minds its own health.
func TestPaperLocalHealth(t *testing.T) {
	suspicions := func(off mechanism) (n int) {
		for seed := range uint64(3) {
			c := newSimCluster(simOptions{nodes: 32, seed: seed, link: simLink, warm: true, params: paperParams(off)})
			slow := c.nodes[0]
			c.net.Slow(slow.i, simnet.Delay{Min: 400 * time.Millisecond, Spread: 2 * time.Second})
			c.onTrace = func(at *simNode, e traceEvent) {
				if e.kind == traceProbeFailed && at == slow {
					n++
				}
			}
			c.run(2 * time.Minute)
			c.must(t)
		}
		return n
	}
	without, with := suspicions(plainSWIM), suspicions(plainSWIM&^mechAwareness)
	t.Logf("a slow member accuses others %d times without local health, %d times with", without, with)
	if without < 50 || with > without/2 {
		t.Errorf("local health lowers the accusations of a slow member from %d to %d, want half at most", without, with)
	}
}

// TestPaperConfirmations: Lifeguard, section IV-B. An accusation that nobody
// confirms is borne up to β times as long, and a real death is found as soon as
// with the shortest timeout, because others confirm it.
func TestPaperConfirmations(t *testing.T) {
	death := func(off mechanism) float64 {
		var waits []float64
		for seed := range uint64(25) {
			first, _ := crashLatency(t, seed, 32, func(p *params) { p.off = off })
			waits = append(waits, first)
		}
		return quantile(waits, 0.5)
	}
	without, with := death(plainSWIM), death(plainSWIM&^mechConfirmations)
	t.Logf("a crash is found after %.2f s without confirmations, %.2f s with (medians)", without, with)
	if with > without+0.5 {
		t.Errorf("confirmations put the detection of a crash off from %.2f s to %.2f s", without, with)
	}

	alone := func(off mechanism) time.Duration {
		c := newSimCluster(simOptions{nodes: 32, seed: 1, link: simLink, warm: true, params: func(p *params) { p.off = off }})
		n, accused := c.nodes[0], c.nodes[1]
		for _, other := range c.nodes[2:] { // nobody else can confirm, and the accused cannot refute
			c.crash(other)
		}
		c.net.Cut(n.i, accused.i)
		start, over := c.net.Now(), time.Duration(0)
		c.onEvent = func(_ *simNode, x notice) {
			if x.kind == noticeLeave && x.node.Name == accused.name {
				over = c.net.Now() - start
			}
		}
		n.core.suspect(c.now(n), n.core.table.named(accused.name), 1, n.name)
		c.perform(n)
		c.runUntil(5*time.Minute, time.Second, func() bool { return over > 0 })
		return over
	}
	shortest, longest := alone(plainSWIM), alone(plainSWIM&^mechConfirmations)
	within(t, "timeouts of an accusation nobody confirms", float64(longest)/float64(shortest), 6, 0.1)
}

// TestPaperBuddy: Lifeguard, section IV-C. A member that is falsely accused
// refutes sooner when the next ping brings the accusation along.
func TestPaperBuddy(t *testing.T) {
	refuted := func(off mechanism) float64 {
		var waits []float64
		for seed := range uint64(40) {
			c := newSimCluster(simOptions{nodes: 32, seed: seed, link: simLink, warm: true, params: func(p *params) {
				p.off = off
				p.gossipNodes = 0 // gossip is what the buddy system does not wait for
				p.pushPullInterval = 0
			}})
			c.run(time.Second)
			accused := c.nodes[1]
			for _, n := range c.nodes {
				if n != accused {
					n.core.suspect(c.now(n), n.core.table.named(accused.name), 1, "n0")
					n.core.gossip.clear(&n.core.fx) // all know already and nobody passes it on
					c.perform(n)
				}
			}
			start, over := c.net.Now(), 0.0
			c.onTrace = func(n *simNode, e traceEvent) {
				if e.kind == traceRefuted && over == 0 {
					over = (c.net.Now() - start).Seconds()
				}
			}
			c.runUntil(30*time.Second, time.Second, func() bool { return over > 0 })
			if over == 0 {
				over = 30
			}
			waits = append(waits, over)
		}
		return quantile(waits, 0.5)
	}
	without, with := refuted(plainSWIM), refuted(plainSWIM&^mechBuddy)
	t.Logf("an accused member refutes after %.2f s without the buddy system, %.2f s with (medians)", without, with)
	if with > 3 || with > without/2 {
		t.Errorf("the buddy system brings a refutation from %.2f s to %.2f s", without, with)
	}
}

// crashLatency is when the crash of one member of a quiet cluster was first
// declared anywhere, and when it had been everywhere, in seconds.
func crashLatency(t *testing.T, seed uint64, nodes int, set func(p *params)) (first, full float64) {
	c := newSimCluster(simOptions{nodes: nodes, seed: seed, link: simLink, warm: true, params: set})
	c.run(2*time.Second + time.Duration(c.rng.Int64N(int64(time.Second))))
	victim := c.nodes[c.rng.IntN(nodes)]
	c.crash(victim)
	crash, told := c.net.Now(), 0
	c.onEvent = func(n *simNode, x notice) {
		if x.kind != noticeLeave {
			return
		}
		if x.node.Name != victim.name {
			t.Errorf("seed %d: %s, which is healthy, was declared dead", seed, x.node.Name)
		}
		if told++; told == 1 {
			first = (c.net.Now() - crash).Seconds()
		}
		full = (c.net.Now() - crash).Seconds()
	}
	if !c.runUntil(2*time.Minute, time.Second, func() bool { return told == nodes-1 }) {
		t.Fatalf("seed %d: %d of %d members heard of the crash: %v", seed, told, nodes-1, c.err)
	}
	return first, full
}

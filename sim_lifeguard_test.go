package memberlist

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The experiments of the Lifeguard paper (section V): 128 members, of which C
// at a time are anomalous. While a member is, it blocks before each send and
// after each receive; its timers run.
//
//	threshold   one anomaly that does not end: how fast is it found?
//	interval    anomalies of length D, I apart, for two minutes: how many
//	            healthy members are declared dead?
//
// go test -run TestLifeguard -sim.lifeguard=full prints the tables; half of
// them, a grid of six cells, is done in a tenth of the time.
var simLifeguard = flag.String("sim.lifeguard", "", "small, half or full: print the tables of the Lifeguard experiments")

// simVariant is a column of the tables: what is switched on.
type simVariant struct {
	name        string
	off         mechanism
	alpha, beta int // SuspicionMult, SuspicionMaxTimeoutMult
}

const lifeguard = mechAwareness | mechConfirmations | mechBuddy

var simVariants = []simVariant{
	{"SWIM", plainSWIM, 5, 6},
	{"LHA-Probe", plainSWIM &^ mechAwareness, 5, 6},
	{"LHA-Suspicion", plainSWIM &^ mechConfirmations, 5, 6},
	{"Buddy System", plainSWIM &^ mechBuddy, 5, 6},
	{"Lifeguard", plainSWIM &^ lifeguard, 5, 6},
	{"ours, α=5", 0, 5, 6},
	{"ours, default", 0, defaultSuspicionMult, defaultSuspicionMaxTimeoutMult},
}

func (v simVariant) configure(p *params) {
	p.off, p.suspicionMult, p.suspicionMaxMult = v.off, v.alpha, v.beta
}

// simGrid is the cells of the interval experiment.
type simGrid struct {
	nodes  int
	c      []int
	d, i   []time.Duration
	lasts  time.Duration
	seeds  uint64
	deaths int // crashes measured in the threshold experiment
}

var (
	simGridFull = simGrid{
		nodes: 128, c: []int{1, 4, 8, 16, 32},
		d:     []time.Duration{8192 * time.Millisecond, 16384 * time.Millisecond, 32768 * time.Millisecond},
		i:     []time.Duration{64 * time.Millisecond, 1024 * time.Millisecond, 4096 * time.Millisecond},
		lasts: 2 * time.Minute, seeds: 1, deaths: 300,
	}
	simGridHalf = simGrid{
		nodes: 128, c: []int{4, 16, 32}, d: []time.Duration{16384 * time.Millisecond},
		i:     []time.Duration{64 * time.Millisecond, 4096 * time.Millisecond},
		lasts: 2 * time.Minute, seeds: 1, deaths: 100,
	}
	simGridSmall = simGrid{
		nodes: 32, c: []int{2, 8}, d: []time.Duration{16384 * time.Millisecond}, i: []time.Duration{64 * time.Millisecond},
		lasts: time.Minute, seeds: 1, deaths: 25,
	}
)

// simFalse is what an interval experiment counts.
type simFalse struct {
	positives, healthy int // deaths announced of healthy members, and those announced at healthy members
	packets, bytes     float64
	memberSeconds      float64
}

func (f *simFalse) add(o simFalse) {
	f.positives += o.positives
	f.healthy += o.healthy
	f.packets += o.packets
	f.bytes += o.bytes
	f.memberSeconds += o.memberSeconds
}

// blockedThreads is how many packets an anomalous member gets rid of when it
// runs again: each thread that sends (prober, gossip, answers to packets, the
// last one twice) had blocked with one. What it would have sent meanwhile it
// has not, and is lost here.
const blockedThreads = 4

// settled is how long the cluster runs before an experiment (section V-A).
const settled = 15 * time.Second

// interval runs one cell of the interval experiment.
func (v simVariant) interval(nodes, anomalous int, d, i, lasts time.Duration, seed uint64) (f simFalse, err error) {
	c := newSimCluster(simOptions{nodes: nodes, seed: seed, link: simLink, warm: true, params: v.configure})
	c.net.SetBuffers(4096, blockedThreads)
	c.run(settled)
	sick := map[string]bool{}
	for _, k := range c.rng.Perm(nodes)[:anomalous] {
		sick[c.nodes[k].name] = true
	}
	c.onEvent = func(n *simNode, x notice) {
		if x.kind == noticeLeave && !sick[x.node.Name] {
			f.positives++
			if !sick[n.name] {
				f.healthy++
			}
		}
	}
	start := c.load()
	for end := c.net.Now() + lasts; c.net.Now() < end && c.err == nil; {
		for _, n := range c.nodes {
			if sick[n.name] {
				c.net.Pause(n.i, false)
			}
		}
		c.run(d)
		for _, n := range c.nodes {
			c.net.Resume(n.i)
		}
		c.run(i)
	}
	sent := c.load()
	f.packets, f.bytes = sent.packets-start.packets, sent.bytes-start.bytes
	f.memberSeconds = float64(nodes) * (c.net.Now() - settled).Seconds()
	return f, c.err
}

// load is what all nodes have sent.
func (c *simCluster) load() (f simFalse) {
	for _, n := range c.nodes {
		l := c.net.Load(n.i)
		f.packets += float64(l.Packets)
		f.bytes += float64(l.Bytes)
	}
	return f
}

// threshold is when an anomaly of one member that does not end was first found
// at a healthy member, and when all had found it, in seconds.
func (v simVariant) threshold(nodes int, seed uint64) (first, full float64, err error) {
	c := newSimCluster(simOptions{nodes: nodes, seed: seed, link: simLink, warm: true, params: v.configure})
	c.run(2*time.Second + time.Duration(c.rng.Int64N(int64(time.Second))))
	sick := c.nodes[c.rng.IntN(nodes)]
	c.net.Pause(sick.i, false)
	start, told := c.net.Now(), 0
	c.onEvent = func(n *simNode, x notice) {
		if x.kind != noticeLeave || x.node.Name != sick.name || n == sick {
			return
		}
		if told++; told == 1 {
			first = (c.net.Now() - start).Seconds()
		}
		full = (c.net.Now() - start).Seconds()
	}
	if !c.runUntil(2*time.Minute, time.Second, func() bool { return told == nodes-1 }) && c.err == nil {
		return 0, 0, fmt.Errorf("seed %d: %d of %d found it", seed, told, nodes-1)
	}
	return first, full, c.err
}

// simOutcome is a row of the tables.
type simOutcome struct {
	simVariant
	total       simFalse
	byC         map[int]int
	first, full []float64
}

// run runs the experiments of one variant, on all processors.
func (g simGrid) run(t *testing.T, v simVariant) simOutcome {
	out := simOutcome{simVariant: v, byC: map[int]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	work := func(f func() error) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	for seed := range g.seeds {
		for _, c := range g.c {
			for _, d := range g.d {
				for _, i := range g.i {
					work(func() error {
						f, err := v.interval(g.nodes, c, d, i, g.lasts, seed)
						mu.Lock()
						defer mu.Unlock()
						out.total.add(f)
						out.byC[c] += f.positives
						return err
					})
				}
			}
		}
	}
	for seed := range uint64(g.deaths) {
		work(func() error {
			first, full, err := v.threshold(g.nodes, seed)
			mu.Lock()
			defer mu.Unlock()
			out.first, out.full = append(out.first, first), append(out.full, full)
			return err
		})
	}
	wg.Wait()
	return out
}

// table prints the outcomes as the paper does, in percent of the first row.
func (g simGrid) table(rows []simOutcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d members, C in %v, D in %v, I in %v, %v each, %d seed(s); %d crashes\n\n", g.nodes, g.c, g.d, g.i, g.lasts, g.seeds, g.deaths)
	fmt.Fprintf(&b, "%-14s %8s %8s %8s %8s %9s %9s  FP at C=%v\n", "", "FP", "FP-", "FP %", "FP- %", "msg/s", "bytes/s", g.c)
	base := rows[0].total
	for _, r := range rows {
		var byC []string
		for _, c := range g.c {
			byC = append(byC, fmt.Sprint(r.byC[c]))
		}
		f := r.total
		fmt.Fprintf(&b, "%-14s %8d %8d %8.2f %8.2f %9.2f %9.1f  %s\n", r.name, f.positives, f.healthy,
			100*float64(f.positives)/float64(base.positives), 100*float64(f.healthy)/float64(base.healthy),
			f.packets/f.memberSeconds, f.bytes/f.memberSeconds, strings.Join(byC, " / "))
	}
	fmt.Fprintf(&b, "\n%-14s %26s   %26s\n%-14s %8s %8s %8s   %8s %8s %8s\n", "seconds", "first detection", "full dissemination", "", "median", "99 %", "99.9 %", "median", "99 %", "99.9 %")
	for _, r := range rows {
		fmt.Fprintf(&b, "%-14s %8.2f %8.2f %8.2f   %8.2f %8.2f %8.2f\n", r.name,
			quantile(r.first, 0.5), quantile(r.first, 0.99), quantile(r.first, 0.999),
			quantile(r.full, 0.5), quantile(r.full, 0.99), quantile(r.full, 0.999))
	}
	return b.String()
}

// TestLifeguardExperiments: Lifeguard, section V, tables IV and following. The
// small grid is asserted; the full one is for people.
func TestLifeguardExperiments(t *testing.T) {
	grid := simGridSmall
	switch *simLifeguard {
	case "half":
		grid = simGridHalf
	case "full":
		grid = simGridFull
	}
	var rows []simOutcome
	byName := map[string]simOutcome{}
	for _, v := range simVariants {
		r := grid.run(t, v)
		rows = append(rows, r)
		byName[v.name] = r
		if *simLifeguard != "" {
			fmt.Printf("%s done\n", v.name)
		}
	}
	table := grid.table(rows)
	if *simLifeguard != "" {
		fmt.Println(table)
	}
	t.Log("\n" + table)

	swim, probe, suspicion := byName["SWIM"].total, byName["LHA-Probe"].total, byName["LHA-Suspicion"].total
	all, ours := byName["Lifeguard"].total, byName["ours, default"].total
	if swim.positives < 20 {
		t.Fatalf("SWIM alone has only %d false positives: this grid shows nothing", swim.positives)
	}
	if probe.positives > swim.positives {
		t.Errorf("LHA-Probe: %d false positives, SWIM %d", probe.positives, swim.positives)
	}
	if suspicion.positives > swim.positives/10 {
		t.Errorf("LHA-Suspicion: %d false positives, want a tenth of SWIM's %d at most", suspicion.positives, swim.positives)
	}
	if all.positives > swim.positives/20 {
		t.Errorf("Lifeguard: %d false positives, want a twentieth of SWIM's %d at most", all.positives, swim.positives)
	}
	if ours.positives > all.positives || ours.healthy > 0 {
		t.Errorf("ours: %d false positives, %d at healthy members; Lifeguard %d and %d", ours.positives, ours.healthy, all.positives, all.healthy)
	}
	if got, want := quantile(byName["ours, default"].first, 0.5), quantile(byName["SWIM"].first, 0.5); got > want {
		t.Errorf("ours detects after %.2f s, SWIM after %.2f s (medians)", got, want)
	}
}

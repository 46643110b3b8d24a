package detect

import (
	"fmt"
	"testing"
	"time"
)

// The experiments of the Lifeguard paper (section V): C of 128 members are
// anomalous: for a time D they neither send nor receive, then work for I, and
// so on for two minutes. What should have been sent and received waits.

// lifeguard is the outcome of one run.
type lifeguard struct {
	false        int             // deaths of members that are not anomalous
	falseHealthy int             // those of them declared at members that are not anomalous
	first, all   []time.Duration // from the block until the first, and every, healthy member knew
	load         load
}

func (r *lifeguard) add(o lifeguard) {
	r.false += o.false
	r.falseHealthy += o.falseHealthy
	r.first, r.all = append(r.first, o.first...), append(r.all, o.all...)
}

// interval is one run of the interval experiment.
func interval(t *testing.T, sys *system, n, anomalous int, d, i, lasts time.Duration, seed uint64) (r lifeguard) {
	run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
		c.startAll()
		sick := map[*node]bool{}
		for _, k := range c.rng.Perm(n)[:anomalous] {
			sick[c.nodes[k]] = true
		}
		c.watch(func(e event) {
			if !e.join && !sick[e.about] {
				r.false++
				if !sick[e.at] {
					r.falseHealthy++
				}
			}
		})
		load := c.load(n)
		for start := time.Now(); time.Since(start) < lasts; time.Sleep(i) {
			for s := range sick {
				c.network.Pause(s.name)
			}
			time.Sleep(d)
			for s := range sick {
				c.network.Resume(s.name)
			}
		}
		// What was decided while blocked is told afterwards.
		time.Sleep(20 * time.Second)
		r.load = load()
	})
	return r
}

// threshold is one run of the threshold experiment: one anomaly of length d,
// long enough to be a failure.
func threshold(t *testing.T, sys *system, n, anomalous int, d time.Duration, seed uint64) (r lifeguard) {
	run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
		c.startAll()
		sick, know := map[*node]bool{}, map[*node]int{}
		for _, k := range c.rng.Perm(n)[:anomalous] {
			sick[c.nodes[k]] = true
		}
		start := time.Now()
		c.watch(func(e event) {
			switch {
			case e.join || sick[e.at]:
			case !sick[e.about]:
				r.false++
				r.falseHealthy++
			default:
				if know[e.about]++; know[e.about] == 1 {
					r.first = append(r.first, e.when.Sub(start))
				}
				if know[e.about] == n-anomalous {
					r.all = append(r.all, e.when.Sub(start))
				}
			}
		})
		for s := range sick {
			c.network.Pause(s.name)
		}
		time.Sleep(d)
		c.watch(nil)
	})
	return r
}

func TestLifeguardInterval(t *testing.T) {
	type cell struct {
		c    int
		d, i time.Duration
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	// The paper's grid is C = 4, 8, ..., 32; D = 128, 512, 2048, 8192, 16384,
	// 32768 ms; I = 1, 4, 16, ..., 16384 ms. It takes days.
	cs, ds, is := []int{6}, []int{16384}, []int{256}
	if *full {
		cs, ds, is = []int{4, 16, 32}, []int{2048, 8192, 16384, 32768}, []int{4, 256, 4096}
	}
	cs, ds, is = numbers(t, *gridC, cs...), numbers(t, *gridD, ds...), numbers(t, *gridI, is...)
	n, lasts := sized(48, 128), time.Duration(sized(60, 120))*time.Second
	all := systems(incumbent, current, tolerant)
	head := []string{"C", "D", "I"}
	for _, sys := range all {
		head = append(head, sys.name+": all", "at healthy", "packets, bytes/node·s")
	}
	tb := newTable(t, head...)
	sums := map[*system]*lifeguard{}
	for _, sys := range all {
		sums[sys] = new(lifeguard)
	}
	var loads = map[*system][]load{}
	for _, c := range cs {
		for _, d := range ds {
			for _, i := range is {
				x := cell{c, ms(d), ms(i)}
				row := []string{count(x.c), x.d.String(), x.i.String()}
				results := each(t, len(all)*pick(1, 1), func(t *testing.T, k uint64) lifeguard {
					sys := all[int(k)%len(all)]
					return interval(t, sys, n, x.c, x.d, x.i, lasts, k/uint64(len(all)))
				})
				of := map[*system]*lifeguard{}
				for k, r := range results {
					sys := all[k%len(all)]
					if of[sys] == nil {
						of[sys] = new(lifeguard)
					}
					of[sys].add(r)
					of[sys].load = r.load
					sums[sys].add(r)
					loads[sys] = append(loads[sys], r.load)
				}
				for _, sys := range all {
					r := of[sys]
					row = append(row, count(r.false), count(r.falseHealthy), fmt.Sprintf("%.2f, %.0f", r.load.packets, r.load.bytes))
				}
				tb.row(row...)
			}
		}
	}
	row := []string{"sum", "", ""}
	for _, sys := range all {
		l := meanLoad(loads[sys])
		row = append(row, count(sums[sys].false), count(sums[sys].falseHealthy), fmt.Sprintf("%.2f, %.0f", l.packets, l.bytes))
	}
	tb.row(row...)
	tb.print()
	reference, ran := sums[incumbent]
	if o := sums[current]; o != nil && (o.falseHealthy > 0 || ran && 15*o.false > reference.false) {
		t.Errorf("ours: %d false positives, %d at healthy members; the incumbent has %d", o.false, o.falseHealthy, reference.false)
	}
	if o := sums[tolerant]; o != nil && ran && (o.false > reference.false || o.falseHealthy > reference.falseHealthy) {
		t.Errorf("with PauseTolerance: %d false positives, %d at healthy members; the incumbent has %d and %d",
			o.false, o.falseHealthy, reference.false, reference.falseHealthy)
	}
}

func TestLifeguardThreshold(t *testing.T) {
	tb := newTable(t, "C", "system", "first healthy member knows: median", "99 %", "99.9 %", "all healthy members know: median", "99 %", "99.9 %", "found", "false deaths")
	n, cs := sized(48, 128), []int{6}
	if *full {
		cs = []int{1, 4, 16, 32}
	}
	cs = numbers(t, *gridC, cs...)
	for _, c := range cs {
		p50 := map[*system]time.Duration{}
		for _, sys := range systems(incumbent, current, tolerant) {
			runs := pick(1, max(4, 64/c))
			var sum lifeguard
			for _, r := range each(t, runs, func(t *testing.T, seed uint64) lifeguard { return threshold(t, sys, n, c, 60*time.Second, seed) }) {
				sum.add(r)
			}
			f, a := sum.first, sum.all
			tb.row(count(c), sys.name, secs(quantile(f, 0.5)), secs(quantile(f, 0.99)), secs(quantile(f, 0.999)),
				secs(quantile(a, 0.5)), secs(quantile(a, 0.99)), secs(quantile(a, 0.999)), fmt.Sprintf("%d of %d", len(a), c*runs), count(sum.false))
			p50[sys] = quantile(a, 0.5)
			if sys != incumbent && (len(a) < c*runs || sum.false > 0) {
				t.Errorf("%s: %d of %d blocked members found by all, %d false deaths", sys.name, len(a), c*runs, sum.false)
			}
		}
		if r := p50[incumbent]; r > 0 && p50[current] > r {
			t.Errorf("C = %d: ours %v, incumbent %v", c, p50[current], r)
		}
	}
	tb.print()
}

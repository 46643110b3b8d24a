package detect

import (
	"fmt"
	"testing"
	"time"
)

// crashed is what came of crashes at one moment.
type crashed struct {
	took  time.Duration // until every survivor knew of all of them
	ok    bool          // within the limit
	false int           // leave events about survivors
	load  load          // of the survivors, in crashWindow from the crash on
}

// crashWindow is long enough for either library to find a crash, which takes
// the incumbent up to 15 s, and to stop passing it on.
const crashWindow = 30 * time.Second

func crash(t *testing.T, sys *system, n, crashes int, seed uint64) (r crashed) {
	run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
		c.startAll()
		c.watch(func(e event) {
			if !e.join && e.about.up {
				r.false++
			}
		})
		load := c.load(n - crashes)
		start := time.Now()
		for _, i := range c.rng.Perm(n)[:crashes] {
			c.crash(c.nodes[i])
		}
		r.took, r.ok = c.untilAgreed(start, 3*time.Minute)
		if r.took+time.Second <= crashWindow {
			time.Sleep(time.Until(start.Add(crashWindow)))
		}
		r.load = load()
	})
	return r
}

func TestCrash(t *testing.T) {
	tb := newTable(t, "crash of", "system", "known to all p50", "p99", "false deaths", "packets/node·s", "bytes/node·s", "to the incumbent's")
	type target struct{ p50, p99 time.Duration }
	n := sized(64, 128)
	for _, tt := range []struct {
		crashes int
		runs    int
		systems []*system
		targets map[*system]target
	}{
		{1, pick(2, 60), []*system{incumbent, current, mixed, tolerant}, map[*system]target{
			current: {9400 * time.Millisecond, 11 * time.Second}, tolerant: {3 * time.Second, 5500 * time.Millisecond}}},
		{n / 20, pick(1, 20), []*system{incumbent, current, mixed, tolerant}, map[*system]target{
			current: {12500 * time.Millisecond, 12500 * time.Millisecond}, tolerant: {7 * time.Second, 7 * time.Second}}},
		{n / 5, pick(1, 20), []*system{incumbent, current, mixed, tolerant}, map[*system]target{
			current: {12500 * time.Millisecond, 12500 * time.Millisecond}, tolerant: {7 * time.Second, 7 * time.Second}}},
	} {
		what := fmt.Sprintf("%d of %d", tt.crashes, n)
		var reference load
		for _, sys := range systems(tt.systems...) {
			if sys == mixed && !*full {
				continue
			}
			var took []time.Duration
			var loads []load
			false := 0
			for _, r := range each(t, tt.runs, func(t *testing.T, seed uint64) crashed { return crash(t, sys, n, tt.crashes, seed) }) {
				took, loads, false = append(took, r.took), append(loads, r.load), false+r.false
				if !r.ok && sys != incumbent {
					t.Errorf("%s: not known to all after %v", sys.name, r.took)
				}
			}
			p50, p99, l := quantile(took, 0.5), quantile(took, 0.99), meanLoad(loads)
			if sys == incumbent {
				reference = l
			}
			tb.row(what, sys.name, secs(p50), secs(p99), count(false), fmt.Sprintf("%.2f", l.packets), fmt.Sprintf("%.0f", l.bytes),
				ratio(l.packets, reference.packets)+" "+ratio(l.bytes, reference.bytes))
			if x, ok := tt.targets[sys]; ok && (*full && p50 > x.p50 || p99 > x.p99 || false > 0) {
				t.Errorf("crash of %s, %s: p50 %v, p99 %v, %d false deaths; targets %v, %v, 0", what, sys.name, p50, p99, false, x.p50, x.p99)
			}
			// The fewer members, the more of each one's packets are about the crash.
			most := 1.15
			if !*full {
				most = 1.6
			}
			if reference.packets > 0 && tt.crashes == 1 && sys == current && (l.packets > most*reference.packets || l.bytes > most*reference.bytes) {
				t.Errorf("crash of %s: %+v is more than %v times %+v", what, l, most, reference)
			}
		}
	}
	tb.print()
}

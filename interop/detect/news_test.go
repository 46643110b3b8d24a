package detect

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// update gives each of the chosen nodes new metadata at the same moment, and
// follows who knows of it: the moments at which 99 % and all of the pairs knew.
type update struct {
	most, all time.Duration
	ok        bool
	unknown   int // pairs that did not know when the limit was over
	load      load
}

func spread(c *cluster, chosen []*node, limit time.Duration) (u update) {
	n := len(c.nodes)
	want := len(chosen) * (n - 1)
	fresh := map[*node]string{}
	known := map[[2]*node]bool{}
	done := make(chan struct{})
	start := time.Now()
	c.mu.Lock()
	for _, x := range chosen {
		x.meta++
		fresh[x] = fmt.Sprint(x.meta)
	}
	c.onMeta = func(at, about *node, meta []byte) {
		pair := [2]*node{at, about}
		if at == about || fresh[about] == "" || string(meta) != fresh[about] || known[pair] {
			return
		}
		known[pair] = true
		if len(known) == (want*99+99)/100 {
			u.most = time.Since(start)
		}
		if len(known) == want {
			u.all, u.ok = time.Since(start), true
			close(done)
		}
	}
	c.mu.Unlock()
	var updates sync.WaitGroup
	for _, x := range chosen {
		updates.Go(func() { x.m.UpdateNode(limit) })
	}
	load := c.load(n)
	select {
	case <-done:
	case <-time.After(limit):
	}
	c.mu.Lock()
	c.onMeta = nil
	u.unknown = want - len(known)
	c.mu.Unlock()
	updates.Wait()
	if !u.ok {
		u.all = limit
	}
	time.Sleep(time.Until(start.Add(10 * time.Second))) // until nobody passes it on any more
	u.load = load()
	return u
}

// TestUpdate has one member of a big cluster change its metadata. Each cluster
// does so several times, between periodic push/pulls or not, as it comes.
func TestUpdate(t *testing.T) {
	n, times := 64, sized(3, 10)
	if *full {
		n = 256
	}
	tb := newTable(t, "members", "system", "updates", "99 % know p50", "p99", "all know p50", "p99", "not all within 20 s", "packets, bytes/node·s")
	sizes := []int{n}
	if *full {
		sizes = append(sizes, 1000)
	}
	for _, n := range sizes {
		for _, sys := range systems(incumbent, current, mixed) {
			if n == 1000 && sys == mixed || !*full && sys == mixed {
				continue
			}
			runs := pick(1, 4)
			if n == 1000 {
				runs, times = 2, 20
			}
			var most, all []time.Duration
			var loads []load
			missed := 0
			for _, us := range each(t, runs, func(t *testing.T, seed uint64) (us []update) {
				run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
					c.startAll()
					for range times {
						us = append(us, spread(c, []*node{c.nodes[c.rng.IntN(n)]}, 20*time.Second))
						time.Sleep(time.Duration(c.rng.Int64N(int64(time.Second))))
					}
				})
				return us
			}) {
				for _, u := range us {
					loads = append(loads, u.load)
					if u.unknown > (n-1)/100 {
						u.most = 20 * time.Second
					}
					if !u.ok {
						missed++
					}
					most, all = append(most, u.most), append(all, u.all)
				}
			}
			l := meanLoad(loads)
			tb.row(count(n), sys.name, count(len(all)), secs(quantile(most, 0.5)), secs(quantile(most, 0.99)), secs(quantile(all, 0.5)), secs(quantile(all, 0.99)),
				count(missed), fmt.Sprintf("%.2f, %.0f", l.packets, l.bytes))
			if sys == current && (quantile(most, 0.99) > 50*time.Millisecond || quantile(all, 0.99) > 400*time.Millisecond) {
				t.Errorf("%d members: 99 %% after %v, all after %v", n, quantile(most, 0.99), quantile(all, 0.99))
			}
		}
	}
	tb.print()
}

// TestManyUpdates lets 100 of 128 members change their metadata at once, or in
// the ordinary run 50 of 64.
func TestManyUpdates(t *testing.T) {
	n := sized(64, 128)
	chosen := n * 100 / 128
	tb := newTable(t, "system", "runs", "all know all p50", "p99", "unknown after 10 s, of all pairs", "packets, bytes/node·s")
	for _, sys := range systems(incumbent, current, mixed) {
		if !*full && sys == mixed {
			continue
		}
		runs := pick(1, 20)
		var all []time.Duration
		var loads []load
		unknown := 0
		for _, u := range each(t, runs, func(t *testing.T, seed uint64) (u update) {
			run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
				c.startAll()
				u = spread(c, c.nodes[:chosen], 10*time.Second)
			})
			return u
		}) {
			all, loads, unknown = append(all, u.all), append(loads, u.load), unknown+u.unknown
		}
		l := meanLoad(loads)
		share := float64(unknown) / float64(runs*chosen*(n-1))
		p50, p99 := quantile(all, 0.5), quantile(all, 0.99)
		took := func(d time.Duration) string {
			if d >= 10*time.Second {
				return "> 10 s"
			}
			return secs(d)
		}
		tb.row(sys.name, count(runs), took(p50), took(p99), fmt.Sprintf("%.2f %%", 100*share), fmt.Sprintf("%.2f, %.0f", l.packets, l.bytes))
		if sys == current && (unknown > 0 || p50 > time.Second || p99 > 3*time.Second) {
			t.Errorf("%d updates: p50 %v, p99 %v, %d unknown", chosen, p50, p99, unknown)
		}
	}
	tb.print()
}

package detect

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestJoinStorm lets everybody join through one member within 100 ms.
func TestJoinStorm(t *testing.T) {
	tb := newTable(t, "members", "system", "runs", "all know all p50", "most", "packets/node", "bytes/node", "stream bytes/node")
	sizes := []int{64}
	if *full {
		sizes = []int{128, 256, 512}
	}
	type result struct {
		took time.Duration
		load load
	}
	targets := map[int]time.Duration{64: 2 * time.Second, 128: 2 * time.Second, 256: 3 * time.Second, 512: 5 * time.Second}
	for _, n := range sizes {
		for _, sys := range systems(incumbent, current, mixed) {
			if !*full && sys == mixed || n == 512 && sys == mixed {
				continue
			}
			runs := pick(1, 1000/n)
			var took []time.Duration
			var sum load
			for _, r := range each(t, runs, func(t *testing.T, seed uint64) (r result) {
				run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
					c.start(c.nodes[0], false)
					time.Sleep(time.Second)
					wait := make([]time.Duration, n)
					for i := range wait {
						wait[i] = time.Duration(c.rng.Int64N(int64(100 * time.Millisecond)))
					}
					start := time.Now()
					var all sync.WaitGroup
					for _, node := range c.nodes[1:] {
						all.Go(func() {
							time.Sleep(wait[node.i])
							c.start(node, false)
							c.join(node, c.nodes[0])
						})
					}
					all.Wait()
					r.took, _ = c.untilAgreed(start, 10*time.Minute)
					time.Sleep(time.Until(start.Add(10 * time.Second)))
					s := c.network.Stats()
					r.load = load{float64(s.Sent) / float64(n), float64(s.SentBytes) / float64(n), float64(s.StreamBytes) / float64(n)}
				})
				return r
			}) {
				took = append(took, r.took)
				sum.packets += r.load.packets / float64(runs)
				sum.bytes += r.load.bytes / float64(runs)
				sum.streamBytes += r.load.streamBytes / float64(runs)
			}
			tb.row(count(n), sys.name, count(runs), secs(quantile(took, 0.5)), secs(quantile(took, 1)),
				fmt.Sprintf("%.0f", sum.packets), fmt.Sprintf("%.0f", sum.bytes), fmt.Sprintf("%.0f", sum.streamBytes))
			if sys == current && quantile(took, 0.5) > targets[n] {
				t.Errorf("join storm of %d: %v, target %v", n, quantile(took, 0.5), targets[n])
			}
		}
	}
	tb.print()
}

// TestChurn lets members come and go: every 2 s one leaves and one joins, every
// 10 s one crashes and returns a second later under its name at a new address.
func TestChurn(t *testing.T) {
	n := sized(32, 64)
	tb := newTable(t, "minutes", "system", "runs", "wrong views meanwhile", "all true after it stopped, at most", "never within 5 min")
	type result struct {
		wrong, views int
		took         time.Duration
		ok           bool
	}
	minutes, reference := 5, 0.0
	if !*full {
		minutes = 1
	}
	for _, sys := range systems(incumbent, current, mixed) {
		if !*full && sys == mixed {
			continue
		}
		runs := pick(1, 4)
		var sum result
		never := 0
		for _, r := range each(t, runs, func(t *testing.T, seed uint64) (r result) {
			run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
				c.startAll()
				r = churn(c, time.Duration(minutes)*time.Minute)
			})
			return r
		}) {
			sum.wrong, sum.views = sum.wrong+r.wrong, sum.views+r.views
			if r.ok {
				sum.took = max(sum.took, r.took)
			} else {
				never++
			}
		}
		share := float64(sum.wrong) / float64(sum.views)
		tb.row(count(minutes), sys.name, count(runs), fmt.Sprintf("%.2f %%", 100*share), secs(sum.took), count(never))
		if sys == incumbent {
			reference = share
		}
		if sys == current && (share > reference && reference > 0 || never > 0) {
			t.Errorf("churn: %.2f %% wrong, true after %v, %d never", 100*share, sum.took, never)
		}
	}
	tb.print()
}

func churn(c *cluster, lasts time.Duration) (r struct {
	wrong, views int
	took         time.Duration
	ok           bool
}) {
	pickUp := func(leaving map[*node]bool) *node {
		for {
			if x := c.nodes[c.rng.IntN(len(c.nodes))]; x.up && !leaving[x] {
				return x
			}
		}
	}
	leaving := map[*node]bool{}
	gone := map[*node]bool{} // by crash, to come back
	pending := 0             // leaves and returns under way
	left := make(chan *node, 1024)
	back := make(chan *node, 1024)
	drain := func() {
		for {
			select {
			case x := <-left:
				pending--
				x.m.Shutdown()
			case x := <-back:
				pending--
				delete(gone, x)
				via := pickUp(leaving) // before x runs: it must not join itself
				c.start(x, true)
				go c.join(x, via) // ends when it has joined, or with the cluster
			default:
				return
			}
		}
	}
	start := time.Now()
	for tick := 1; time.Since(start) < lasts; tick++ {
		time.Sleep(100 * time.Millisecond)
		drain()
		if tick%20 == 0 {
			x := pickUp(leaving)
			leaving[x] = true
			c.mu.Lock()
			c.setUp(x, false) // from now on others should not list it
			c.mu.Unlock()
			pending++
			go func() { x.m.Leave(5 * time.Second); left <- x }() // ends in 5 s at most
			c.mu.Lock()
			y := c.add()
			c.mu.Unlock()
			c.start(y, false)
			via := pickUp(leaving)
			for via == y {
				via = pickUp(leaving)
			}
			go c.join(y, via)
		}
		if tick%100 == 0 {
			x := pickUp(leaving)
			gone[x] = true
			c.crash(x)
			pending++
			time.AfterFunc(time.Second, func() { back <- x })
		}
		if tick%10 == 5 {
			wrong, views := c.wrongViews()
			r.wrong, r.views = r.wrong+wrong, r.views+views
		}
	}
	stopped := time.Now()
	for pending > 0 {
		time.Sleep(100 * time.Millisecond)
		drain()
	}
	if r.took, r.ok = c.untilAgreed(stopped, 5*time.Minute); !r.ok {
		c.t.Logf("%s, seed %d: after churn,%s", c.sys.name, c.seed, c.disagreement())
	}
	return r
}

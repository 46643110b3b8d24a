package detect

import (
	"testing"
	"time"

	"github.com/swimguard/memberlist/memberlisttest"
)

// TestLoss counts members that are declared dead because packets get lost.
func TestLoss(t *testing.T) {
	n := sized(32, 64)
	tb := newTable(t, "loss", "system", "runs", "minutes each", "false deaths", "most in one run")
	for _, loss := range []float64{0.05, 0.10, 0.20, 0.30} {
		if !*full && loss != 0.20 {
			continue
		}
		minutes := sized(1, 5)
		deaths := map[*system]int{}
		for _, sys := range systems(incumbent, current, mixed, tolerant) {
			if !*full && (sys == mixed || sys == tolerant) {
				continue
			}
			runs, most := pick(1, 4), 0
			for _, d := range each(t, runs, func(t *testing.T, seed uint64) (deaths int) {
				run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
					c.startAll()
					c.watch(func(e event) {
						if !e.join {
							deaths++
						}
					})
					c.network.SetFaults(memberlisttest.Faults{Latency: latency, Loss: loss})
					time.Sleep(time.Duration(minutes) * time.Minute)
				})
				return deaths
			}) {
				deaths[sys] += d
				most = max(most, d)
			}
			tb.row(percent(loss), sys.name, count(runs), count(minutes), count(deaths[sys]), count(most))
		}
		if loss <= 0.20 && deaths[current] > 0 || 20*deaths[current] > deaths[incumbent] && deaths[incumbent] > 0 {
			t.Errorf("loss of %s: %d false deaths, the incumbent has %d", percent(loss), deaths[current], deaths[incumbent])
		}
	}
	tb.print()
}

// halfDeaf is what events there were about healthy members at healthy ones,
// and about the sick one at healthy ones. Each leave and each join counts.
type halfDeaf struct{ healthy, sick int }

// TestHalfDeaf has members that lose most of what they receive, or send.
func TestHalfDeaf(t *testing.T) {
	n := sized(50, 100)
	tb := newTable(t, "fault", "system", "runs", "minutes each", "transitions about healthy members at healthy ones", "about the sick")
	for _, what := range []string{"one loses 80 % of ingress", "one loses 80 % of egress", "one-way cut, 10 to 10 members", "20 s one-way flip-flop of one"} {
		runs, minutes := pick(1, 3), 5
		if !*full {
			minutes = 2
		}
		if !*full && what != "one loses 80 % of ingress" && what != "one loses 80 % of egress" {
			continue
		}
		sums := map[*system]halfDeaf{}
		for _, sys := range systems(incumbent, current, mixed, tolerant) {
			if !*full && (sys == mixed || sys == tolerant) {
				continue
			}
			var sum halfDeaf
			for _, r := range each(t, runs, func(t *testing.T, seed uint64) (r halfDeaf) {
				run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
					c.startAll()
					bad := c.nodes[7]
					lossy := memberlisttest.Faults{Latency: latency, Loss: 0.8}
					switch what {
					case "one loses 80 % of ingress":
						c.network.SetLink(memberlisttest.Any, bad.name, lossy)
					case "one loses 80 % of egress":
						c.network.SetLink(bad.name, memberlisttest.Any, lossy)
					case "one-way cut, 10 to 10 members":
						bad = nil
						for i := range 10 {
							for j := 10; j < 20; j++ {
								c.network.Cut(c.nodes[i].name, c.nodes[j].name)
							}
						}
					}
					c.watch(func(e event) {
						if e.about == bad {
							r.sick++
						} else if e.at != bad {
							r.healthy++
						}
					})
					for end := time.Now().Add(time.Duration(minutes) * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Second) {
						if what != "20 s one-way flip-flop of one" {
							continue
						}
						c.network.Cut(memberlisttest.Any, bad.name)
						time.Sleep(20 * time.Second)
						c.network.Mend(memberlisttest.Any, bad.name)
					}
				})
				return r
			}) {
				sum.healthy += r.healthy
				sum.sick += r.sick
			}
			sums[sys] = sum
			tb.row(what, sys.name, count(runs), count(minutes), count(sum.healthy), count(sum.sick))
		}
		ours, reference := sums[current], sums[incumbent]
		if ours.healthy > 0 || 20*ours.sick > reference.sick && reference.sick > 0 {
			t.Errorf("%s: ours %+v, the incumbent %+v", what, ours, reference)
		}
	}
	tb.print()
}

// TestCutOff takes one member off the network for a while; its own clock runs
// on. (A process that does not run at all is in sim_detect_test.go: clocks in a
// synctest bubble cannot stop for one of many.)
func TestCutOff(t *testing.T) {
	const n = 32
	tb := newTable(t, "one member hears and says nothing for", "system", "runs", "deaths it declared", "at others: deaths of it", "deaths of others", "all know all after, at most")
	type result struct {
		declared, sick, others int
		back                   time.Duration
	}
	for _, off := range []time.Duration{5 * time.Second, 60 * time.Second} {
		for _, sys := range systems(incumbent, current, mixed, tolerant) {
			if !*full && (sys == mixed || sys == tolerant) {
				continue
			}
			var sum result
			runs := pick(2, 20)
			for _, r := range each(t, runs, func(t *testing.T, seed uint64) (r result) {
				run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
					c.startAll()
					sick := c.nodes[3]
					c.watch(func(e event) {
						switch {
						case e.join:
						case e.at == sick:
							r.declared++
						case e.about == sick:
							r.sick++
						default:
							r.others++
						}
					})
					c.network.Pause(sick.name)
					time.Sleep(off)
					c.network.Resume(sick.name)
					r.back, _ = c.untilAgreed(time.Now(), 5*time.Minute)
				})
				return r
			}) {
				sum.declared, sum.sick, sum.others = sum.declared+r.declared, sum.sick+r.sick, sum.others+r.others
				sum.back = max(sum.back, r.back)
			}
			tb.row(off.String(), sys.name, count(runs), count(sum.declared), count(sum.sick), count(sum.others), secs(sum.back))
			if sys == current && (sum.others > 0 || off == 5*time.Second && sum != result{} || sum.back > 3*time.Second && off > 5*time.Second && sum.declared == 0) {
				t.Errorf("cut off for %v: %+v", off, sum)
			}
		}
	}
	tb.print()
}

// TestPartition parts a cluster and heals it.
func TestPartition(t *testing.T) {
	const n = 32
	// The incumbent's halves find each other by Join only, which nobody calls.
	const patience = 5 * time.Minute
	tb := newTable(t, "partition", "for", "system", "runs", "all know all after the heal, at most", "never, of the runs")
	type result struct {
		took time.Duration
		ok   bool
	}
	for _, minority := range []int{n / 2, 1} {
		for _, outage := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, 24 * time.Hour} {
			if !*full && outage != time.Minute {
				continue
			}
			limit := 30 * time.Second
			if outage > time.Minute {
				limit = 90 * time.Second
			}
			for _, sys := range systems(incumbent, current, mixed) {
				if outage == 24*time.Hour && sys != current || !*full && sys == mixed {
					continue
				}
				runs := pick(1, 10)
				if outage == 24*time.Hour {
					runs = 1
				}
				worst, never := time.Duration(0), 0
				for _, r := range each(t, runs, func(t *testing.T, seed uint64) (r result) {
					run(t, options{sys: sys, nodes: n, seed: seed}, func(c *cluster) {
						c.startAll()
						var few []string
						for _, n := range c.nodes[:minority] {
							few = append(few, n.name)
						}
						c.network.Partition(few)
						time.Sleep(outage)
						c.network.Heal()
						r.took, r.ok = c.untilAgreed(time.Now(), patience)
					})
					return r
				}) {
					if r.ok {
						worst = max(worst, r.took)
					} else {
						never++
					}
				}
				tb.row(count(minority)+" of "+count(n), outage.String(), sys.name, count(runs), secs(worst), count(never))
				if sys == current && (worst > limit || never > 0) {
					t.Errorf("partition %d|%d for %v: %v, %d never; target %v", minority, n-minority, outage, worst, never, limit)
				}
			}
		}
	}
	tb.print()
}

func percent(x float64) string { return count(int(x*100+0.5)) + " %" }

//go:build !race

package memberlist

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var simAblation = flag.Bool("sim.ablation", false, "print what each mechanism is worth")

// simMechanisms names every mechanism in the order of the table.
var simMechanisms = []struct {
	name string
	off  mechanism
}{
	{"all on", 0},
	{"awareness", mechAwareness}, {"confirmations", mechConfirmations}, {"buddy", mechBuddy},
	{"eager gossip", mechEagerGossip}, {"pause check", mechPauseCheck}, {"last look", mechVerify},
	{"adaptive timeout", mechAdaptiveTimeout}, {"deafness", mechDeafness}, {"coordinated probes", mechCoordinated},
	{"follow-up probes", mechFollowUp}, {"gossip pattern", mechPattern}, {"telling the accused", mechTellAccused},
	{"round robin", mechRoundRobin}, {"repeated refutation", mechRefuteAgain}, {"moving names", mechMove},
	{"damping", mechDamping}, {"calling out", mechCallOut}, {"brake", mechBrake},
	{"quiet joins", mechQuietJoin}, {"second ping", mechPingAgain},
	{"quiet confirmations", mechQuietConfirm}, {"stand-ins", mechStandIn},
}

// TestEveryMechanismHasALine keeps the table complete.
func TestEveryMechanismHasALine(t *testing.T) {
	var all mechanism
	for _, m := range simMechanisms {
		if all&m.off != 0 {
			t.Errorf("%s is listed twice", m.name)
		}
		all |= m.off
	}
	if all != mechAll {
		t.Errorf("mechanisms %b are not in the table", mechAll&^all)
	}
}

// TestEveryMechanismHasItsBounds keeps the other one complete.
func TestEveryMechanismHasItsBounds(t *testing.T) {
	doc, err := os.ReadFile("docs/detection.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "### Bounds")
	names := []string{"PauseTolerance", "round trips", "evidence", "self-healing", "ConfirmNewcomers"}
	for _, m := range simMechanisms[1:] {
		names = append(names, m.name)
	}
	for _, name := range names {
		if !strings.Contains(table, "\n| "+name) {
			t.Errorf("no line says what %s may cost at most", name)
		}
	}
}

// TestAblation prints one line for each mechanism, with only that one off: the
// table in docs/detection.md.
func TestAblation(t *testing.T) {
	if !*simAblation {
		t.Skip("needs -sim.ablation")
	}
	fmt.Println("| off | crash of one | of a fifth | messages | news | flip-flop | cut off | on waking | churn | suspected |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, m := range simMechanisms {
		change := func(p *params) { p.off = m.off }
		var one []time.Duration
		sent := 0
		for seed := range uint64(5) {
			took, load := crashKnownToAll(64, 1, seed, change)
			one = append(one, took)
			for _, n := range load.messages {
				sent += n
			}
		}
		fifth, _ := crashKnownToAll(64, 13, 1, change)
		fmt.Printf("| %s | %.1f s | %.1f s | %d | %d ms | %d | %d | %d | %.1f %% | %d |\n", m.name,
			durationQuantile(one, 0.5).Seconds(), fifth.Seconds(), sent/5, ablationNews(change).Milliseconds(),
			ablationFlipFlop(change), ablationCutOff(change), ablationFrozen(change), ablationChurn(change), ablationLoss(change))
	}
}

// ablationNews is how long one update takes to reach all of 64.
func ablationNews(change func(*params)) time.Duration {
	c := warmCluster(64, 1, fixedLink, change)
	from := c.nodes[5]
	c.updateMeta(from, 20)
	start := c.net.Now()
	c.runUntil(time.Minute, time.Millisecond, func() bool {
		for _, n := range c.nodes {
			if n.core.table.named(from.name).incarnation < from.core.incarnation {
				return false
			}
		}
		return true
	})
	return c.net.Now() - start
}

// ablationCount counts joins and leaves, about n7 at others, or at n7 about others.
func ablationCount(c *simCluster, at7 bool) *int {
	count := new(int)
	c.onEvent = func(n *simNode, x notice) {
		if (x.kind == noticeLeave || x.kind == noticeJoin && !at7) && (n.name == "n7") == at7 && (x.node.Name == "n7") != at7 {
			*count++
		}
	}
	return count
}

// ablationFlipFlop cuts the way to one of 32 for 20 s of every 40 s, for six minutes.
func ablationFlipFlop(change func(*params)) int {
	c := warmCluster(32, 1, fixedLink, change)
	count := ablationCount(c, false)
	for range 9 {
		for i := range c.nodes {
			c.net.Cut(i, 7)
		}
		c.run(20 * time.Second)
		c.net.Heal()
		c.run(20 * time.Second)
	}
	return *count
}

// ablationCutOff is how many one of 32 declares dead when it is cut off for a minute.
func ablationCutOff(change func(*params)) int {
	c := warmCluster(32, 1, fixedLink, change)
	count := ablationCount(c, true)
	c.net.Partition(1, 7)
	c.run(time.Minute)
	c.net.Heal()
	c.run(30 * time.Second)
	return *count
}

// ablationFrozen is how many a process declares dead that did not run for a minute.
func ablationFrozen(change func(*params)) int {
	c := warmCluster(32, 1, fixedLink, change)
	count := ablationCount(c, true)
	c.net.Pause(7, true)
	c.run(time.Minute)
	c.net.Resume(7)
	c.run(30 * time.Second)
	return *count
}

// ablationChurn is the share of wrong views, in percent, while for two minutes
// every five seconds one of 32 crashes and comes back at another address.
func ablationChurn(change func(*params)) float64 {
	c := warmCluster(32, 1, fixedLink, change)
	wrong, views := 0, 0
	for range 24 {
		n := c.nodes[c.rng.IntN(len(c.nodes))]
		c.crash(n)
		c.run(time.Second)
		c.restart(n, true)
		c.run(4 * time.Second)
		for _, at := range c.nodes {
			for _, other := range c.nodes {
				views++
				if m := at.core.table.named(other.name); m == nil || m.gone() || m.node.Port != other.port {
					wrong++
				}
			}
		}
	}
	return 100 * float64(wrong) / float64(views)
}

// ablationLoss is how often one of 32 is suspected by another within a minute
// in which three of ten packets are lost.
func ablationLoss(change func(*params)) (suspected int) {
	link := fixedLink
	link.Loss = 0.3
	c := warmCluster(32, 1, link, change)
	c.onTrace = func(_ *simNode, e traceEvent) {
		if e.kind == traceSuspect {
			suspected++
		}
	}
	c.run(time.Minute)
	return suspected
}

package interop

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
)

var full = flag.Bool("full", false, "every proportion of 2 to 12 nodes in every mode")

// maxNodes is the size of the largest cluster.
const maxNodes = 12

// TestMain lets many clusters on sockets wait at the same time, since they do
// little else, and lets garbage lie for longer: the incumbent makes a new
// compressor for each packet.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		flag.Set("test.parallel", "32")
	}
	debug.SetGCPercent(800)
	code := m.Run()
	fmt.Print(&results)
	os.Exit(code)
}

// TestMemory lets nodes of both kinds live together in every mode, on a network
// in memory and a fake clock. One cluster at a time: each keeps several
// processors busy anyway.
func TestMemory(t *testing.T) {
	for i, md := range modes {
		row := results.row("memory, " + md.name)
		for _, p := range memorySizes(i) {
			t.Run(md.name+"/"+p.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) { live(t, row, newMemory(), md, fakePace, p) })
			})
		}
	}
}

// memorySizes are the clusters of the i-th mode.
func memorySizes(i int) (sizes []proportion) {
	if *full {
		return everyProportion(i)
	}
	if i == 0 {
		sizes = []proportion{{1, 1, theirs}, {2, 2, ours}, {4, 8, theirs}}
	}
	return append(sizes, proportion{1, 1, kind(i % 2)}, proportion{1, 2, ours}, proportion{2, 1, theirs}, proportion{2 + i%3, 4 - i%3, kind(i % 2)})
}

// everyProportion of 2 to maxNodes nodes; which kind is first, changes.
func everyProportion(i int) (all []proportion) {
	for n := 2; n <= maxNodes; n++ {
		for a := 1; a < n; a++ {
			all = append(all, proportion{a, n - a, kind((a + n + i) % 2)})
		}
	}
	return all
}

// TestSockets is the same over loopback, on the real clock.
func TestSockets(t *testing.T) {
	needLoopback(t)
	t.Parallel()
	for i, md := range modes {
		for _, gated := range []bool{true, false} {
			name := "loopback, " + md.name
			if !gated {
				name += ", own transports"
			}
			row := results.row(name)
			for _, p := range socketSizes(i, gated) {
				t.Run(name+"/"+p.String(), func(t *testing.T) {
					t.Parallel()
					realTime(t, func(t tester) { live(t, row, newLoopback(gated), md, realPace, p) })
				})
			}
		}
	}
}

// socketSizes are the clusters of the i-th mode, behind gates or with their own
// transports.
func socketSizes(i int, gated bool) []proportion {
	switch mine := (proportion{1 + i%2, 2 - i%2, kind(i % 2)}); {
	case gated && *full:
		return everyProportion(i)
	case gated && i == 0:
		return []proportion{mine, {3, 2, ours}}
	case gated, *full, i%5 == 0:
		return []proportion{mine}
	}
	return nil
}

// needLoopback skips a test where the system gives no more of 127.0.0.0/8 than
// one address.
func needLoopback(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs all of 127.0.0.0/8, which Linux alone gives")
	}
}

// TestRolling replaces an incumbent cluster node by node by ours, and back.
func TestRolling(t *testing.T) {
	for _, md := range modes {
		for _, how := range []replacement{gracefully, abruptly} {
			t.Run("memory/"+md.name+"/"+string(how), func(t *testing.T) {
				bubble(t, func(t *testing.T) { roll(t, newMemory(), md, fakePace, how) })
			})
			sampled := md.name == "plain" && how == gracefully || md.name == "AES-256, label" && how == abruptly
			if !*full && !sampled {
				continue
			}
			t.Run("loopback/"+md.name+"/"+string(how), func(t *testing.T) {
				needLoopback(t)
				t.Parallel()
				realTime(t, func(t tester) { roll(t, newLoopback(false), md, realPace, how) })
			})
		}
	}
}

// live takes one cluster through all that can be checked on it.
func live(t tester, row *tallyRow, m medium, md mode, pc pace, p proportion) {
	c := newCluster(t, m, md, pc, p)
	defer c.close()
	c.start()
	for _, ck := range checks {
		if ck.faults && !m.faults() || !ck.possible(c) {
			continue
		}
		held := results.try(row, ck.name, p)
		if ck.run(c); t.Failed() {
			t.Fatalf("%s: %s", ck.name, p)
		}
		held()
	}
	results.done(row, p)
}

// bubble runs f on a fake clock. It forgives goroutines that are left behind for
// ever: a probe of the incumbent that Shutdown interrupts is one, sometimes.
func bubble(t *testing.T, f func(t *testing.T)) {
	defer func() {
		if r := recover(); r != nil {
			if !strings.Contains(fmt.Sprint(r), "blocked goroutines remain") {
				panic(r)
			}
			t.Log("the incumbent left a goroutine behind")
		}
	}()
	synctest.Test(t, f)
}

package memberlist

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if leaked := waitForGoroutines(2 * time.Second); leaked != "" {
			fmt.Fprintf(os.Stderr, "goroutines outlive the tests:\n\n%s\n", leaked)
			code = 1
		}
	}
	os.Exit(code)
}

// waitForGoroutines returns the goroutines of this package that are left when
// the time is up.
func waitForGoroutines(timeout time.Duration) string {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(timeout); ; <-tick.C {
		leaked := ourGoroutines()
		if leaked == "" || time.Now().After(end) {
			return leaked
		}
	}
}

// ourGoroutines lists the goroutines that run code of this package, but for
// the one that asks and those of tests.
//
// A goroutine that has said that it is done may still have to return: it gets
// the processor for that, many times over.
func ourGoroutines() (left string) {
	for range 1000 {
		if left = goroutinesOfOurs(); left == "" {
			return ""
		}
		runtime.Gosched()
	}
	return left
}

func goroutinesOfOurs() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var ours []string
	for i, g := range strings.Split(string(buf), "\n\n") {
		if i > 0 && strings.Contains(g, "swimguard/memberlist.") && !strings.Contains(g, "testing.tRunner(") {
			ours = append(ours, g)
		}
	}
	return strings.Join(ours, "\n\n")
}

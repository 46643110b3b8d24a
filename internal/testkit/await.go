package testkit

import (
	"testing"
	"time"
)

// Await asks again and again, every so often, until the answer is yes. When
// patience is over the test fails, with what was awaited and the last answer.
func Await(t testing.TB, what string, every, patience time.Duration, ask func() (got any, ok bool)) {
	t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		got, ok := ask()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waiting for %s, have %+v", what, got)
		}
	}
}

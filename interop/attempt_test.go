package interop

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// tester is what a cluster needs of a *testing.T. On the real clock it is an
// attempt.
type tester interface {
	Helper()
	Failed() bool
	FailNow()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// attempt is a test on the real clock that says nothing when the machine did
// not let this process run: then it is made again.
type attempt struct {
	failed bool
	log    strings.Builder
}

func (a *attempt) Helper()      {}
func (a *attempt) Failed() bool { return a.failed }
func (a *attempt) FailNow()     { a.failed = true; runtime.Goexit() }
func (a *attempt) Error(args ...any) {
	a.failed = true
	fmt.Fprintln(&a.log, args...)
}
func (a *attempt) Errorf(format string, args ...any) {
	a.failed = true
	a.Logf(format, args...)
}
func (a *attempt) Fatalf(format string, args ...any) {
	a.Errorf(format, args...)
	a.FailNow()
}
func (a *attempt) Logf(format string, args ...any) {
	fmt.Fprintf(&a.log, format+"\n", args...)
}

const (
	attempts = 5

	// starved is for how long a process may not run without that being an
	// excuse. Suspicions last longer than four seconds on sockets, and what
	// happens meanwhile takes several turns of several goroutines.
	starved = time.Second
)

// realTime runs f on the real clock, again if it failed on a machine that stood
// still meanwhile.
func realTime(t *testing.T, f func(t tester)) {
	for i := 1; ; i++ {
		a := new(attempt)
		watch := watchClock()
		ended := make(chan struct{})
		go func() { // so that FailNow ends the attempt and not the test
			defer close(ended)
			f(a)
		}()
		<-ended
		paused := watch.end()
		switch {
		case !a.failed:
			t.Log(a.log.String())
			return
		case paused < starved:
			t.Fatal(a.log.String())
		case i == attempts:
			t.Skipf("nothing was found out: in each of %d attempts this process did not run for a second or more, lately for %v, and then\n%s", attempts, paused, a.log.String())
		}
		t.Logf("attempt %d failed while this process did not run for %v; again", i, paused)
	}
}

// clockWatch measures for how long this process does not run.
type clockWatch struct {
	stop  chan struct{}
	worst chan time.Duration
}

func watchClock() *clockWatch {
	w := &clockWatch{make(chan struct{}), make(chan time.Duration)}
	go w.loop()
	return w
}

// loop ends with end.
func (w *clockWatch) loop() {
	const tick = 50 * time.Millisecond
	var worst time.Duration
	for {
		asleep := time.Now()
		select {
		case <-w.stop:
			w.worst <- worst
			return
		case <-time.After(tick):
			worst = max(worst, time.Since(asleep)-tick)
		}
	}
}

// end returns the longest pause.
func (w *clockWatch) end() time.Duration {
	close(w.stop)
	return <-w.worst
}

package simnet

import (
	"testing"
	"time"
)

func TestStreamTakesTwoRoundTrips(t *testing.T) {
	n := New(1, 2, steady(10*ms))
	n.Open(0, 1, 7, 100, time.Second)
	if ev, _ := n.Next(); ev.Kind != Stream || ev.Node != 1 || ev.ID != 7 || n.Now() != 30*ms {
		t.Fatalf("request arrived as %+v at %v", ev, n.Now())
	}
	n.Respond(1, 7, 100)
	check(t, n, "40ms stream 7 at 0")
}

func TestStreamEndsInEveryCase(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(n *Network) // after the opening; the request is under way
		want []string
	}{
		{"answered never", func(n *Network) {}, []string{"30ms stream 7 at 1", "1s stream 7 failed at 0"}},
		{"refused", func(n *Network) { n.Crash(1) }, []string{"40ms stream 7 failed at 0"}},
		{"listener restarted", func(n *Network) { n.Crash(1); n.Restart(1, false) }, []string{"40ms stream 7 failed at 0"}},
		{"opener gone", func(n *Network) { n.Crash(0); n.Restart(0, false) }, []string{"30ms stream 7 at 1"}},
		{"listener paused", func(n *Network) { n.Pause(1, false) }, []string{"1s stream 7 failed at 0"}},
		{"opener stopped", func(n *Network) { n.Pause(0, true); until(n, 2*time.Second); n.Resume(0) }, []string{"2s stream 7 failed at 0"}},
		{"aborted", func(n *Network) { until(n, 30*ms); n.Abort(1, 7) }, []string{"40ms stream 7 failed at 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := New(1, 2, steady(10*ms))
			n.Open(0, 1, 7, 100, time.Second)
			tt.do(n)
			check(t, n, tt.want...)
			if len(n.open) != 0 && tt.name != "opener gone" {
				t.Errorf("%d streams still open", len(n.open))
			}
		})
	}
}

func TestStreamNeedsBothDirections(t *testing.T) {
	for _, back := range []bool{false, true} {
		n := New(1, 2, steady(ms))
		if back {
			n.Cut(1, 0)
		} else {
			n.Cut(0, 1)
		}
		n.Open(0, 1, 7, 1, time.Second)
		check(t, n, "1s stream 7 failed at 0")
	}
}

func TestStreamWaitsForAPausedOpener(t *testing.T) {
	n := New(1, 2, steady(ms))
	n.Pause(0, false)
	n.Open(0, 1, 7, 1, time.Second)
	until(n, 500*ms)
	n.Resume(0)
	check(t, n, "503ms stream 7 at 1", "1s stream 7 failed at 0")
}

func TestLossDelaysStreams(t *testing.T) {
	const runs = 2000
	n := New(3, 2, Link{Loss: 0.1})
	var late, failed int
	for i := range runs {
		start := n.Now()
		n.Open(0, 1, uint64(i+1), 1, start+10*time.Second)
		if ev, _ := n.Next(); ev.Kind == StreamFailed {
			failed++
		} else if n.Now() > start {
			late++
		}
		trace(n)
	}
	// Three packets have to arrive: 1 - 0.9³ = 27 %.
	if share := float64(late) / runs; share < 0.24 || share > 0.30 {
		t.Errorf("%.3f of the streams were late, want 0.27", share)
	}
	if failed > runs/100 {
		t.Errorf("%d of %d failed within ten seconds", failed, runs)
	}
}

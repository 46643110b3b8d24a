package memberlist

import (
	"fmt"
	"testing"
	"time"
)

func TestSuspicionTimes(t *testing.T) {
	for _, tt := range []struct {
		mult, maxMult, n int
		probe            time.Duration
		k                int
		min, max         time.Duration
	}{
		{4, 6, 1, time.Second, 0, 4 * time.Second, 24 * time.Second},
		{4, 6, 3, time.Second, 0, 4 * time.Second, 24 * time.Second},
		{4, 6, 4, time.Second, 2, 4 * time.Second, 24 * time.Second},
		{4, 6, 10, time.Second, 2, 4 * time.Second, 24 * time.Second},
		{4, 6, 11, time.Second, 2, 4164 * time.Millisecond, 6 * 4164 * time.Millisecond},
		{4, 6, 50, time.Second, 2, 6792 * time.Millisecond, 6 * 6792 * time.Millisecond},
		{4, 6, 100, time.Second, 2, 8 * time.Second, 48 * time.Second},
		{4, 6, 1000, time.Second, 2, 12 * time.Second, 72 * time.Second},
		{6, 6, 100, 5 * time.Second, 4, 60 * time.Second, 360 * time.Second},
		{1, 6, 2, 50 * time.Millisecond, 0, 50 * time.Millisecond, 300 * time.Millisecond},
		// A node that does not probe still judges what it hears.
		{4, 6, 10, 0, 2, 4 * time.Second, 24 * time.Second},
	} {
		k, lo, hi := suspicionTimes(tt.mult, tt.maxMult, tt.n, tt.probe)
		if k != tt.k || lo != tt.min || hi != tt.max {
			t.Errorf("mult %d, %d members, probes every %v: k=%d %v..%v, want k=%d %v..%v",
				tt.mult, tt.n, tt.probe, k, lo, hi, tt.k, tt.min, tt.max)
		}
	}
}

// TestSuspicionDeadlines has the examples of Lifeguard's schedule: each
// further accuser counts for less.
func TestSuspicionDeadlines(t *testing.T) {
	start := time.Unix(0, 0)
	for _, tt := range []struct {
		k        int
		min, max time.Duration
		timeouts []time.Duration // after 0, 1, 2, ... confirmations
	}{
		{0, 4 * time.Second, 24 * time.Second, []time.Duration{4 * time.Second, 4 * time.Second}},
		{2, 4 * time.Second, 24 * time.Second, []time.Duration{24 * time.Second, 11381 * time.Millisecond, 4 * time.Second, 4 * time.Second}},
		{3, 2 * time.Second, 30 * time.Second, []time.Duration{30 * time.Second, 16 * time.Second, 7810 * time.Millisecond, 2 * time.Second}},
	} {
		s := newSuspicion(start, "first", tt.k, tt.min, tt.max)
		for c, want := range tt.timeouts {
			if c > 0 {
				s.confirm(fmt.Sprint("accuser ", c))
			}
			if got := s.deadline().Sub(start).Truncate(time.Millisecond); got != want {
				t.Errorf("k=%d, %d confirmations: %v, want %v", tt.k, c, got, want)
			}
		}
	}
}

func TestSuspicionCountsEachAccuserOnce(t *testing.T) {
	s := newSuspicion(time.Unix(0, 0), "a", 2, time.Second, 6*time.Second)
	for _, tt := range []struct {
		from string
		news bool
	}{{"a", false}, {"b", true}, {"b", false}, {"a", false}, {"c", true}, {"d", false}} {
		if got := s.confirm(tt.from); got != tt.news {
			t.Errorf("confirm(%s) = %v, want %v", tt.from, got, tt.news)
		}
	}
	if len(s.from) != 2 {
		t.Errorf("%d confirmers kept, want k = 2", len(s.from))
	}
}

package memberlist

import (
	"testing"
	"time"
)

func TestRoundTripFollowsWhatIsMeasured(t *testing.T) {
	var r roundTrip
	for range 50 {
		r.observe(2 * time.Millisecond)
	}
	if got := r.timeout(); got < 2*time.Millisecond || got > 3*time.Millisecond {
		t.Errorf("timeout after steady 2 ms: %v", got)
	}
	r.observe(50 * time.Millisecond)
	if got := r.timeout(); got < 30*time.Millisecond {
		t.Errorf("timeout after an outlier of 50 ms: %v, which would call the next one late", got)
	}
	for range 50 {
		r.observe(10 * time.Millisecond)
	}
	if got := r.timeout(); got < 9*time.Millisecond || got > 15*time.Millisecond {
		t.Errorf("timeout after steady 10 ms: %v", got)
	}
	r.observe(-time.Second) // a clock that went back
	r.observe(1000 * time.Hour)
	if r.timeout() <= 0 {
		t.Errorf("timeout %v after absurd measurements", r.timeout())
	}
}

func TestAckTimeoutStaysBetweenFloorAndProbeTimeout(t *testing.T) {
	s := newSwim(params{name: "me", probeTimeout: 500 * time.Millisecond, awarenessMax: 8}, nil)
	m := &member{}
	check := func(what string, want time.Duration) {
		t.Helper()
		if got := s.ackTimeout(m); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("never measured", 500*time.Millisecond)
	m.rtt.mean = 1000
	check("fast", 100*time.Millisecond)
	m.rtt = roundTrip{mean: 150_000, deviation: 10_000}
	check("slow", 190*time.Millisecond)
	s.health.apply(1)
	check("slow, and we are unwell", 380*time.Millisecond)
	s.health.apply(6)
	check("and never more than ProbeTimeout", 500*time.Millisecond)
	s.health.score, s.p.off = 0, mechAdaptiveTimeout
	check("switched off", 500*time.Millisecond)
}

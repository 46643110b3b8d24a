package main

import (
	"testing"
	"time"

	"github.com/swimguard/memberlist"
)

func TestPredictedSuspicion(t *testing.T) {
	ms := time.Millisecond
	for _, tc := range []struct {
		table    int
		min, max time.Duration
		confirms int
	}{
		{2, 4000 * ms, 4000 * ms, 0}, // nobody to ask
		{3, 4000 * ms, 4000 * ms, 0},
		{4, 4000 * ms, 24000 * ms, 2},
		{10, 4000 * ms, 24000 * ms, 2},
		{11, 4164 * ms, 24984 * ms, 2},
		{50, 6792 * ms, 40752 * ms, 2},
		{100, 8000 * ms, 48000 * ms, 2},
		{1000, 12000 * ms, 72000 * ms, 2},
	} {
		d := predictDetection(memberlist.DefaultLANConfig(), tc.table, tc.table)
		if d.min.Round(ms) != tc.min || d.max.Round(ms) != tc.max || d.confirms != tc.confirms {
			t.Errorf("%d members: suspicion %v to %v with %d confirmations, want %v to %v with %d",
				tc.table, d.min, d.max, d.confirms, tc.min, tc.max, tc.confirms)
		}
		if d.earliest > d.usual || d.usual > d.latest {
			t.Errorf("%d members: %v, %v and %v are out of order", tc.table, d.earliest, d.usual, d.latest)
		}
	}
}

func TestPredictedDetection(t *testing.T) {
	ms := time.Millisecond
	d := predictDetection(memberlist.DefaultLANConfig(), 4, 4)
	want := detection{
		soonest: 300 * ms, verdict: 1000 * ms, confirms: 2, min: 4000 * ms, max: 24000 * ms,
		earliest: (300 + 4000) * ms,
		usual:    (1000 + 300 + 4000) * ms,
		latest:   (5*1000 + 1000 + 24000 + 500) * ms,
	}
	if d != want {
		t.Errorf("got %+v\nwant %+v", d, want)
	}

	// With two members there is nobody to help, or to confirm.
	d = predictDetection(memberlist.DefaultLANConfig(), 2, 2)
	want = detection{
		soonest: 1000 * ms, verdict: 1000 * ms, min: 4000 * ms, max: 4000 * ms,
		earliest: (1000 + 4000) * ms,
		usual:    (1000 + 1000 + 4000) * ms,
		latest:   (1000 + 1000 + 4000 + 500) * ms,
	}
	if d != want {
		t.Errorf("two members: got %+v\nwant %+v", d, want)
	}
}

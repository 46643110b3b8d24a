package memberlist

import "time"

// awareness is this node's local health multiplier (Lifeguard, section IV-A:
// LHA-Probe). The score rises while probes fail in ways that point at
// ourselves, and stretches the time we give others to answer.
type awareness struct {
	score int // 0 healthy, at most max-1
	max   int
}

// apply adds delta, keeps the score within its range and reports a change.
func (a *awareness) apply(delta int) (changed bool) {
	before := a.score
	a.score = min(max(a.score+delta, 0), max(a.max-1, 0))
	return a.score != before
}

// scale stretches d by the score.
func (a awareness) scale(d time.Duration) time.Duration {
	return d * time.Duration(a.score+1)
}

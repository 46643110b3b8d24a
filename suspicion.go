package memberlist

import (
	"math"
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
)

// suspicion is one accusation under examination. Its deadline is a pure
// function of when it began and of how many members accused independently
// (Lifeguard, section IV-B: LHA-Suspicion):
//
//	max ┤●
//	    │  ╲           each further accuser counts for less:
//	    │    ●         timeout = max - (max-min) · log(c+1)/log(k+1)
//	min ┤       ╲●────
//	    └─┬───┬───┬──► c confirmations
//	      0   1   k
type suspicion struct {
	start    time.Time
	min, max time.Duration
	k        int       // confirmations that bring the timeout down to min
	accuser  string    // who began it; empty when known only by hearsay
	from     []string  // distinct confirmers, at most k
	look     *lastLook // the last ping before the burial, while it is out
	answered time.Time // when the accused last answered a probe of ours
	spared   int       // how often an answer has put the burial off
	verdict  bool      // another member declared it dead; passed on already
	declared string    // which member; empty when the message did not say
	timer    deadline.Item[timer]
}

func newSuspicion(now time.Time, accuser string, k int, min, max time.Duration) *suspicion {
	return &suspicion{start: now, accuser: accuser, k: k, min: min, max: max}
}

// counts reports whether this member is among the accusers counted so far.
func (s *suspicion) counts(from string) bool {
	return from == s.accuser || slices.Contains(s.from, from)
}

// confirm counts an accusation by another member and reports whether it was
// news: not counted before, and more than k change nothing.
func (s *suspicion) confirm(from string) bool {
	if len(s.from) >= s.k || s.counts(from) {
		return false
	}
	s.from = append(s.from, from)
	return true
}

// deadline is when the accused is declared dead unless it refutes. It only
// ever moves closer.
func (s *suspicion) deadline() time.Time {
	if s.k < 1 {
		return s.start.Add(s.min)
	}
	lo, hi := s.min.Seconds(), s.max.Seconds()
	share := math.Log(float64(len(s.from))+1) / math.Log(float64(s.k)+1)
	timeout := time.Duration(math.Floor(1000*(hi-share*(hi-lo)))) * time.Millisecond
	return s.start.Add(max(timeout, s.min))
}

// suspicionTimes gives the confirmations sought and the shortest and longest
// timeout in a table of n members. The shortest grows with log10(n), the
// order of the time that gossip needs to reach everybody, so that a
// refutation has the time to arrive (SWIM, section 4.2). A node that does not
// probe still hears accusations: it judges them as with the default interval.
func suspicionTimes(mult, maxMult, n int, probeInterval time.Duration) (k int, min, max time.Duration) {
	if k = mult - 2; n-2 < k || k < 0 {
		k = 0
	}
	if probeInterval <= 0 {
		probeInterval = time.Second
	}
	scale := math.Max(1, math.Log10(math.Max(1, float64(n))))
	min = time.Duration(mult) * time.Duration(scale*1000) * probeInterval / 1000
	return k, min, time.Duration(maxMult) * min
}

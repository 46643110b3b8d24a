package memberlist

import "time"

// roundTrip estimates how long a member takes to answer, as TCP does (Jacobson
// 1988): a smoothed mean and a smoothed deviation. The zero value knows nothing.
type roundTrip struct {
	mean, deviation uint32 // microseconds; a mean of 0: not measured
}

// observe takes in one measured round trip.
func (r *roundTrip) observe(rtt time.Duration) {
	x := uint32(min(max(rtt.Microseconds(), 1), 1<<30))
	if r.mean == 0 {
		r.mean, r.deviation = x, x/2
		return
	}
	diff := int64(x) - int64(r.mean)
	r.mean = uint32(max(int64(r.mean)+diff/8, 1))
	if diff < 0 {
		diff = -diff
	}
	r.deviation = uint32(int64(r.deviation) + (diff-int64(r.deviation))/4)
}

// duration is the mean; 0 when not measured.
func (r roundTrip) duration() time.Duration { return time.Duration(r.mean) * time.Microsecond }

// timeout is when an answer is late: hardly ever that of a healthy member.
func (r roundTrip) timeout() time.Duration {
	return time.Duration(r.mean)*time.Microsecond + 4*time.Duration(r.deviation)*time.Microsecond
}

// ackTimeoutFloor is the share of ProbeTimeout below which no ack is late: a
// garbage collection or a busy scheduler on the other side is no failure.
const ackTimeoutFloor = 5

// roundTripOf is m's round trip or, while it has not been measured, that of all.
func (s *swim) roundTripOf(m *member) roundTrip {
	if m.rtt.mean == 0 {
		return s.rtt
	}
	return m.rtt
}

// ackTimeout is how long to wait for m's ack before doing more: ProbeTimeout at
// most, less for a member known to answer faster, or, while it has not been
// measured, when all others do. Our own ill health stretches
// it (Lifeguard, LHA-Probe).
func (s *swim) ackTimeout(m *member) time.Duration {
	longest, rtt := s.p.probeTimeout, s.roundTripOf(m)
	if !s.p.has(mechAdaptiveTimeout) || rtt.mean == 0 {
		return longest
	}
	return min(longest, max(longest/ackTimeoutFloor, s.health.scale(rtt.timeout())))
}

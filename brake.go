package memberlist

import "time"

// The brake: a node whose own judgement is in doubt keeps most accusations to
// itself. Its judgement is in doubt when its probes fail one after the other,
// whoever is probed, or when those it accuses refute one after the other. What
// others accuse is not held back, and an answer to a probe, or the death of one
// that it accused, ends the doubt.
//
//	probes     ✓✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗✗…
//	accused      !!!!!!       !       !      one in brakePace intervals, for brakeFor
//
// Many failures at once are no reason: when a fifth of a cluster crashes, four
// of five probes still succeed; in a half of a partition, one of two.
const (
	brakeFailed   = 7           // failed probes in a row
	brakeMistaken = 3           // refuted accusations in a row,
	brakeMistakes = time.Minute // within this time
	brakePace     = 8           // probe intervals in which one accusation is let through
	brakeFor      = time.Minute // then the others may be gone indeed
)

// brake is what a node knows of its own judgement.
type brake struct {
	failed   int       // probes without an answer since the last one with
	mistaken int       // accusations refuted since one proved right
	refuted  time.Time // the last one
	since    time.Time // when the doubt began; zero: none
	accused  time.Time // when an accusation was last let through
}

// doubtful reports whether accusations are held back.
func (b *brake) doubtful(now time.Time) bool {
	return b.failed >= brakeFailed || b.mistaken >= brakeMistaken && now.Sub(b.refuted) < brakeMistakes
}

// withhold decides that this node keeps to itself that m failed a probe.
func (s *swim) withhold(now time.Time, m *member) bool {
	b := &s.brake
	if !s.p.has(mechBrake) {
		return false
	}
	if !b.doubtful(now) {
		b.since = time.Time{}
		return false
	}
	if b.since.IsZero() {
		b.since = now
		s.trace(traceEvent{kind: traceDoubtful})
	}
	if sp := m.rare().suspicion; sp != nil && sp.counts(s.p.name) {
		return false // it is accused already, which must not use up what is let through
	}
	if now.Sub(b.since) > brakeFor || now.Sub(b.accused) >= brakePace*s.p.probeInterval {
		b.accused = now
		return false
	}
	s.trace(traceEvent{kind: traceWithheld, node: m.node.Name})
	s.note(now, m, Evidence{Kind: EvidenceWithheld})
	return true
}

// proved takes in how an accusation of ours ended.
func (s *swim) proved(now time.Time, sp *suspicion, right bool) {
	switch {
	case sp == nil || sp.accuser != s.p.name:
	case right:
		s.brake.mistaken = 0
	default:
		s.brake.mistaken++
		s.brake.refuted = now
	}
}

// inDoubt reports whether this node holds accusations back.
func (s *swim) inDoubt(now time.Time) bool {
	return s.p.has(mechBrake) && s.brake.doubtful(now) && !s.brake.since.IsZero() && now.Sub(s.brake.since) <= brakeFor
}

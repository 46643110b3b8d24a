package memberlist

import (
	"math"
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
)

// Members that users are not told of. To the protocol such a member is like any
// other: it is probed, gossiped with and gossiped about. But neither events nor
// the list of members show it, until it has proved itself.
//
//	damped       it died again and again within minutes; its returns are held
//	             down until it has stayed for a while, longer each time
//	not admitted Config.ConfirmNewcomers is set, this node probes, and it has not
//	             answered a ping
//
//	shown      ■■■■■■     ■■■■■■     ■■■■■■                            ■■■■■■
//	alive      ■■■■■■     ■■■■■■     ■■■■■■     ▒▒▒▒▒▒     ▒▒▒▒▒▒▒▒▒▒▒▒▒■■■■■
//	deaths         1          2          3          4
//	returns              at once    at once    held 30 s   held 60 s, stays
//
// A death is worth one penalty point, which decays by half in flapHalfLife. The
// first two within minutes, and the returns after them, are reported at once.
const (
	flapHalfLife = 5 * time.Minute
	flapLimit    = 2.2 // penalty that is borne: two deaths, and a rest of older ones
	flapHoldMax  = 20  // the first hold is FlapHold; it doubles with each further death up to so many times that

	// When more than a share of all members, and more than two, die within
	// flapTogether, that is the network or this node, and not held against them.
	flapTogether = 30 * time.Second
	flapShare    = 8

	// maxFlaps bounds the names that are remembered, each with about 150 bytes,
	// for some half-lives beyond their stay in the table.
	maxFlaps = 1024
)

// flap is what is held against a name.
type flap struct {
	name    string
	penalty float64 // at the time at
	at      time.Time
	timer   deadline.Item[timer] // scheduled while the member is held down
}

// burst is how many members have died lately, each counted once.
type burst struct {
	since  time.Time
	deaths int
}

// now is the penalty that is left.
func (f *flap) now(now time.Time) float64 {
	return f.penalty * math.Exp2(-now.Sub(f.at).Seconds()/flapHalfLife.Seconds())
}

// died adds a point to the penalty of a name.
func (s *swim) died(now time.Time, name string) {
	if !s.p.has(mechDamping) || s.p.flapHold == 0 {
		s.forgive(name)
		return
	}
	f := s.flaps[name]
	if f != nil {
		s.timers.Remove(&f.timer) // there is nobody to be shown
	}
	if now.Sub(s.burst.since) >= flapTogether {
		s.burst = burst{since: now}
	}
	if f == nil || f.at.Before(s.burst.since) {
		s.burst.deaths++
	}
	if s.burst.deaths > max(2, s.table.len()/flapShare) {
		return
	}
	if f == nil {
		if len(s.flaps) >= maxFlaps && !s.forgiveOne(now) {
			return
		}
		f = &flap{name: name}
		f.timer.Value = timer{kind: timerHold, flap: f}
		s.flaps[name] = f
	}
	f.penalty, f.at = f.now(now)+1, now
}

// forgive drops what is held against a name. Whoever leaves in good order does
// not flap.
func (s *swim) forgive(name string) {
	if f := s.flaps[name]; f != nil {
		s.timers.Remove(&f.timer)
		delete(s.flaps, name)
	}
}

// forgiveOne makes room for another name: the least penalty goes.
func (s *swim) forgiveOne(now time.Time) bool {
	var least *flap
	for _, f := range s.flaps {
		if f.timer.Scheduled() {
			continue
		}
		if least == nil || f.now(now) < least.now(now) || f.now(now) == least.now(now) && f.name < least.name {
			least = f
		}
	}
	if least == nil {
		return false
	}
	delete(s.flaps, least.name)
	return true
}

// flapHoldFor is how long a return is held at this penalty; 0: not at all.
func (s *swim) flapHoldFor(penalty float64) time.Duration {
	if penalty <= flapLimit {
		return 0
	}
	times := math.Exp2(math.Round(penalty) - 3)
	return time.Duration(float64(s.p.flapHold) * min(max(1, times), flapHoldMax))
}

// conceal decides that a member that has just become one, or has returned, is
// not shown yet. The caller has not announced it.
func (s *swim) conceal(now time.Time, m *member) {
	if m == s.self {
		return
	}
	if f := s.flaps[m.node.Name]; f != nil {
		if hold := s.flapHoldFor(f.now(now)); hold > 0 {
			m.setHidden(true)
			s.timers.Set(&f.timer, now.Add(hold))
			s.trace(traceEvent{kind: traceHeld, node: m.node.Name, d: hold})
			s.note(now, m, Evidence{Kind: EvidenceHeld, D: hold})
			return
		}
	}
	if s.p.confirmNewcomers && s.p.probeInterval > 0 { // or one lost ping would hide it for ever
		m.setHidden(true)
	}
}

// holdOver shows a member that has stayed alive as long as was asked for. One
// that is in doubt right then is held for as long again.
func (s *swim) holdOver(now time.Time, f *flap) {
	m := s.table.named(f.name)
	if m == nil || !m.rare().hidden {
		return
	}
	if m.node.State != StateAlive && s.p.flapHold > 0 {
		s.timers.Set(&f.timer, now.Add(max(s.p.flapHold, s.flapHoldFor(f.now(now)))))
		return
	}
	s.note(now, m, Evidence{Kind: EvidenceShown})
	s.reveal(m)
}

// answered admits a newcomer that has completed a round trip.
func (s *swim) answered(m *member) {
	if !m.rare().hidden {
		return
	}
	if f := s.flaps[m.node.Name]; f == nil || !f.timer.Scheduled() {
		s.reveal(m)
	}
}

// reveal tells users of a member that was hidden.
func (s *swim) reveal(m *member) {
	m.setHidden(false)
	s.notify(noticeJoin, m, nil)
}

// heldUntil is when a damped member is shown at the earliest; zero: not damped.
func (s *swim) heldUntil(name string) time.Time {
	if f := s.flaps[name]; f != nil && f.timer.Scheduled() {
		return f.timer.At()
	}
	return time.Time{}
}

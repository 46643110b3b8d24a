package memberlist

import "time"

// A process that did not run (garbage collection, SIGSTOP, a suspended
// machine, a starved CPU) finds all its deadlines passed and answers waiting
// unread. What it believes to have missed says nothing about others.

// pauseAfter is the share of ProbeTimeout by which the earliest deadline must
// be late to count as a pause, and not as ordinary scheduling delay.
const pauseAfter = 1

// checkPause notices that this process was not running when its earliest
// deadline came, and gives back what was lost. Nobody is buried in this step.
func (s *swim) checkPause(now time.Time) {
	due := s.timers.Next()
	if due.IsZero() || !s.p.has(mechPauseCheck) {
		return
	}
	late := now.Sub(due)
	if late <= pauseAfter*s.p.probeTimeout {
		return
	}
	s.trace(traceEvent{kind: tracePaused, d: late})
	s.adjustHealth(1)
	s.giveBack(now, late)
	// If it was time enough for a probe to fail and a suspicion to end, others may
	// have given us up. One exchange tells, and brings us back.
	_, shortest, _ := suspicionTimes(s.p.suspicionMult, s.p.suspicionMaxMult, s.table.len(), s.p.probeInterval)
	if late > s.p.probeInterval+shortest && s.pushPullTimer.Scheduled() {
		s.timers.Set(&s.pushPullTimer, now)
	}
}

// giveBack undoes what lost time did to others: probes in flight end without a
// verdict, and every suspicion gets the time back, and one ProbeTimeout more in
// which what has arrived meanwhile can be read.
func (s *swim) giveBack(now time.Time, lost time.Duration) {
	for _, m := range s.table.all {
		r := m.rare()
		if r.probe != nil || r.suspicion != nil {
			s.note(now, m, Evidence{Kind: EvidencePaused, D: lost})
		}
		if p := r.probe; p != nil {
			s.endProbe(now, p, 0)
		}
		if m.history().move != nil {
			s.endMove(m.history().move)
		}
		if sp := r.suspicion; sp != nil {
			sp.start = sp.start.Add(lost + s.p.probeTimeout)
			// A deaf node has put the end off already: not once more.
			if sp.look != nil {
				s.timers.Set(&sp.timer, sp.timer.At().Add(lost+s.p.probeTimeout))
			} else {
				s.awaitEnd(now, m)
			}
		}
	}
}

// hearing is what this node knows of its own ears.
type hearing struct {
	last time.Time // when anything arrived from anybody
	lost time.Time // since when nothing has, as a probe found out; zero: not deaf
}

// heard notes that something has arrived, from whomever.
func (s *swim) heard(now time.Time) {
	s.hearing.last = now
	if s.hearing.lost.IsZero() {
		return
	}
	lost := now.Sub(s.hearing.lost)
	s.hearing.lost = time.Time{}
	s.giveBack(now, lost)
}

// deafTo judges a probe without an answer. Helpers were asked, and not even a
// nack came, nor anything else from anybody, since before the probe began: then
// we are the one who is cut off, and the probe says nothing about its target
// (Lifeguard, section IV-A, goes as far as stretching the next probe).
func (s *swim) deafTo(now time.Time, p *probe) bool {
	if !s.p.has(mechDeafness) || len(p.helpers) == 0 || s.hearing.last.After(p.sent) {
		return false
	}
	if s.hearing.lost.IsZero() {
		s.hearing.lost = p.sent
		s.trace(traceEvent{kind: traceDeaf})
	}
	s.callOut(now)
	return s.deaf(now)
}

// callOutFor is how many shortest suspicion timeouts a deaf node goes on
// refuting in advance.
const callOutFor = 2

// callOut refutes what others are about to say. Who hears nothing cannot hear
// that it is suspected either; but perhaps it can be heard, and then a short
// fault in one direction is no reason to bury it. It costs one message for each
// failed probe. After callOutFor shortest suspicion timeouts a node that still
// cannot hear is given up like one that is silent.
func (s *swim) callOut(now time.Time) {
	if !s.p.has(mechCallOut) || s.self == nil || s.leaving || now.Sub(s.announced) < s.p.probeInterval {
		return
	}
	_, shortest, _ := suspicionTimes(s.p.suspicionMult, s.p.suspicionMaxMult, s.table.len(), s.p.probeInterval)
	if now.Sub(s.hearing.lost) > callOutFor*shortest {
		return
	}
	if s.renew(0) {
		s.announce(now)
	}
}

// deaf reports that nothing is heard from anybody. After the shortest suspicion
// timeout it does so no longer: then the others may be gone indeed, and a node
// that is the last of its cluster may take that much longer to say so.
func (s *swim) deaf(now time.Time) bool {
	if s.hearing.lost.IsZero() {
		return false
	}
	_, shortest, _ := suspicionTimes(s.p.suspicionMult, s.p.suspicionMaxMult, s.table.len(), s.p.probeInterval)
	return now.Sub(s.hearing.lost) <= shortest
}

package memberlist

import (
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
	"github.com/swimguard/memberlist/internal/wire"
)

// Look before you bury: before a member that was believed alive is declared
// dead, because its suspicion runs out or because others say so, it is pinged
// once more, and over a stream when that stays unanswered. The ping carries
// the accusation, so that the accused hears of it at once and can refute in the
// ack. The news is passed on meanwhile as always.
//
//	accused                                                   dead
//	├──────────────────── suspicion ─────────────────────────────┤
//	                                       ping ── stream ── end ┘
//
// The look ends with the suspicion, so it costs no time; but a verdict of others
// is borne for one ack timeout. A dead member costs each node one ping and one
// stream or a second ping. A living one that some sick node has accused is spared.
// An answer to any probe since the suspicion began counts as much as one to the
// last ping.

// maxSpared is how often one accusation can be put off by an answer. A member
// that answers but does not refute for so long hears us no better than the
// others say.
const maxSpared = 3

// lastLook is the ping before a burial, and what happens without an answer.
type lastLook struct {
	seq    uint32
	member *member
	stream dialID
	timer  deadline.Item[timer] // when to try a stream, or once more
}

// mayLook reports whether a last look at a suspect is wanted and has not been
// taken too often.
func (s *swim) mayLook(sp *suspicion) bool { return s.p.has(mechVerify) && sp.spared < maxSpared }

// awaitEnd sets the time for the last look at m, or for its end without one.
func (s *swim) awaitEnd(now time.Time, m *member) {
	s.timers.Set(&m.rare().suspicion.timer, maxTime(now, s.lookDue(m)))
}

// lookDue is when to look at a suspect a last time, so that the look and the
// suspicion end together; the end when there is no look.
func (s *swim) lookDue(m *member) time.Time {
	sp := m.rare().suspicion
	due := sp.deadline()
	if s.mayLook(sp) {
		due = due.Add(-s.ackTimeout(m))
	}
	return maxTime(sp.start, due)
}

// lookAgain pings m a last time before it is buried. It returns false when
// the look is not wanted or has been taken too often. m must be suspect.
func (s *swim) lookAgain(now time.Time, m *member) bool {
	sp := m.rare().suspicion
	if sp.look != nil {
		return true
	}
	if !s.mayLook(sp) {
		return false
	}
	timeout := s.ackTimeout(m)
	l := &lastLook{seq: s.newSeq(), member: m}
	sp.look = l
	s.looks[l.seq] = l
	s.timers.Set(&sp.timer, now.Add(timeout))
	l.timer.Value = timer{kind: timerLook, look: l}
	s.timers.Set(&l.timer, now.Add(timeout/2))

	s.note(now, m, Evidence{Kind: EvidenceLastLook, D: timeout})
	s.pingLast(l)
	return true
}

// pingLast sends the ping, with the accusation before it as in pingTarget.
func (s *swim) pingLast(l *lastLook) {
	m, sp := l.member, l.member.rare().suspicion
	name := wire.Bytes(m.node.Name)
	if !sp.verdict {
		s.sendTo(m, s.encoded(s.appendSuspect(s.fx.buf, m)))
	} else {
		s.sendTo(m, s.encoded(wire.Dead{Incarnation: m.incarnation, Node: name, From: wire.Bytes(sp.declared)}.Append(s.fx.buf)))
	}
	s.attach(s.appendPing(s.fx.buf, l.seq, name))
}

// lookLate tries a stream when the last ping stays unanswered, or another ping
// where streams are not used.
func (s *swim) lookLate(now time.Time, l *lastLook) {
	m := l.member
	if !s.streamPings(&m.node.Node) {
		s.pingLast(l)
		return
	}
	l.stream = s.dial(dial{kind: dialPing, to: m.endpoint(), seq: l.seq, deadline: m.rare().suspicion.timer.At()}, nil)
	s.dials[l.stream] = pendingDial{kind: dialPing, look: l}
}

// answeredMeanwhile puts the burial off when the accused has answered a probe
// of ours since its suspicion began: it lives, and has a refutation to send.
func (s *swim) answeredMeanwhile(now time.Time, m *member) bool {
	sp := m.rare().suspicion
	if !s.mayLook(sp) || !sp.answered.After(sp.start) {
		return false
	}
	s.startAnew(now, m, sp.answered)
	return true
}

// endLook forgets the last look at a member.
func (s *swim) endLook(l *lastLook) {
	s.timers.Remove(&l.timer)
	delete(s.looks, l.seq)
	delete(s.dials, l.stream)
	l.member.rare().suspicion.look = nil
}

// spare puts the burial off: the member has answered during its last look.
func (s *swim) spare(now time.Time, l *lastLook) {
	s.endLook(l)
	s.startAnew(now, l.member, now)
}

// startAnew lets the suspicion of a member that has answered begin with its
// answer: it has that long to refute.
func (s *swim) startAnew(now time.Time, m *member, answered time.Time) {
	sp := m.rare().suspicion
	s.trace(traceEvent{kind: traceSpared, node: m.node.Name, from: sp.declared})
	s.note(now, m, Evidence{Kind: EvidenceSpared})
	sp.spared++
	sp.start = answered
	s.awaitEnd(now, m)
}

package memberlist

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// This file decides what becomes of a member. Exactly one function makes a
// member alive, one suspect and one dead; gossip, events and timers follow
// from there and nowhere else.
//
//	            alive, higher incarnation
//	        ┌───────────────────────────────┐
//	        ▼                               │
//	unknown ──► alive ──► suspect ──► dead ─┤
//	              │           │             │
//	              └───────────┴────► left ──┘   a dead from the node itself

// handleAlive takes in a claim that a member is alive at an incarnation.
func (s *swim) handleAlive(now time.Time, a *wire.Alive) {
	s.heard(now)
	m := s.table.find(a.Node)
	if m == nil {
		s.welcome(now, a)
		return
	}
	if m == s.self && s.leaving {
		return
	}
	if badVersions(a.Vsn) {
		s.trace(traceEvent{kind: traceVersion, node: m.node.Name})
		return
	}
	port := s.portOf(a.Port)
	claimed := addrPort(a.Addr, port)
	if !claimed.IsValid() || len(a.Meta) > MetaMaxSize {
		s.dropped("alive: bad address or metadata")
		return
	}
	reclaimed := false
	if mine := addrPort(m.node.Addr, m.node.Port); claimed != mine {
		if !s.reclaimable(now, m) {
			s.claimed(now, m, a, port)
			return
		}
		reclaimed = true
		s.trace(traceEvent{kind: traceReclaimed, node: m.node.Name, from: fmt.Sprintf("from %v to %v", mine, claimed)})
	}
	if m == s.self {
		same := slices.Equal(a.Meta, m.node.Meta) && slices.Equal(a.Vsn, m.node.vsn())
		if a.Incarnation > m.incarnation || a.Incarnation == m.incarnation && !same {
			s.refute(now, a.Incarnation, "alive", m.node.Name)
		}
		return
	}
	if a.Incarnation > m.incarnation || reclaimed {
		s.alive(now, m, a, port)
	}
}

// welcome inserts a member never heard of, or forgotten.
func (s *swim) welcome(now time.Time, a *wire.Alive) {
	switch {
	case s.leaving && string(a.Node) == s.p.name:
		return
	case len(a.Vsn) < 6 || badVersions(a.Vsn):
		// Without versions the member could take part in no push/pull, and
		// unmodified peers would refuse ours because of it.
		s.trace(traceEvent{kind: traceVersion, node: string(a.Node[:min(len(a.Node), maxNameLen)])})
		return
	case a.Incarnation == 0 || !addrPort(a.Addr, 0).IsValid() || len(a.Meta) > MetaMaxSize || len(a.Node) > maxNameLen:
		s.dropped("alive: incarnation 0, bad address, or a name or metadata too long")
		return
	case s.table.len() >= maxMembers:
		s.dropped("alive: member table full")
		return
	case !s.merging && !s.newcomers.admit(now, s.table.len()):
		s.dropped("alive: too many newcomers")
		return
	}
	// alive replaces the record at once, so that one for all does.
	s.unknown = nodeRecord{Node: Node{Name: string(a.Node), State: StateDead}}
	m := s.table.insert(&s.unknown, 0, now, s.rng)
	s.alive(now, m, a, s.portOf(a.Port))
}

// newcomers is how many more may come by gossip in the window that began at
// since.
type newcomers struct {
	since time.Time
	left  int
}

// admit lets one more come to so many members, unless too many have in this
// window.
func (n *newcomers) admit(now time.Time, members int) bool {
	if n.since.IsZero() || now.Sub(n.since) >= newcomerTime {
		*n = newcomers{now, max(maxNewcomers, members)}
	}
	n.left--
	return n.left >= 0
}

// alive makes m alive as the message says. The caller has judged it.
func (s *swim) alive(now time.Time, m *member, a *wire.Alive, port uint16) {
	s.proved(now, m.rare().suspicion, false)
	s.endSuspicion(m)
	s.find(m.node.Name)
	if kept := m.rare().kept; kept != nil {
		kept.silent = false
	}
	m.incarnation = a.Incarnation
	if m.node.State != StateAlive && m.history().evidence != nil {
		s.note(now, m, Evidence{Kind: EvidenceRefuted, From: m.node.Name, N: int(a.Incarnation)})
	}
	s.trace(traceEvent{kind: traceAlive})
	old := m.node
	metaChanged := !slices.Equal(a.Meta, old.Meta)
	if old.State == StateAlive && !metaChanged && port == old.Port && slices.Equal(a.Addr, old.Addr) &&
		(len(a.Vsn) < 6 || slices.Equal(a.Vsn[:6], old.vsn())) {
		s.queueAlive(now, m)
		return // a new incarnation and nothing else: readers see no change
	}
	n := old.at(a.Addr)
	n.State, n.Port = StateAlive, port
	if metaChanged {
		n.Meta = slices.Clone(a.Meta)
	}
	if len(a.Vsn) >= 6 {
		copy(n.vsn(), a.Vsn)
	}
	moved := addrPort(n.Addr, n.Port) != addrPort(old.Addr, old.Port)
	kind, was := noticeChanged, old
	switch {
	case m.gone():
		kind, was = noticeJoin, nil // users do not see old, and unknown is used again
	case metaChanged || moved:
		kind = noticeUpdate
	}
	if kind == noticeJoin {
		s.conceal(now, m)
	}
	if moved {
		r := m.rare()
		m.rtt, r.nackTime = roundTrip{}, roundTrip{}
		m.setRare(r)
	}
	s.table.set(m, n, now)
	if kind == noticeJoin {
		s.queueNewcomer(now, m)
	} else {
		s.queueAlive(now, m)
	}
	s.notify(kind, m, was)
	if r := m.rare(); r.hidden && kind == noticeJoin && r.probe == nil && s.heldUntil(m.node.Name).IsZero() {
		s.startProbe(now, m) // an answer is all that is missing
	}
}

// handleSuspect takes in an accusation by another member.
func (s *swim) handleSuspect(now time.Time, m *wire.Suspect) {
	s.heard(now)
	if m.Incarnation == math.MaxUint32 {
		// Nobody could refute it: there is no higher incarnation.
		s.dropped("suspect: incarnation at its maximum")
		return
	}
	t := s.table.find(m.Node)
	if t == nil || t.gone() {
		return
	}
	if m.Incarnation < t.incarnation {
		s.stale(now, t, m.From)
		return
	}
	if len(m.From) > maxNameLen {
		s.dropped("suspect: accuser's name too long")
		return
	}
	s.suspect(now, t, m.Incarnation, string(m.From))
}

// suspect makes m suspect, or counts one more independent accuser.
func (s *swim) suspect(now time.Time, m *member, incarnation uint32, from string) {
	if incarnation < m.incarnation {
		return
	}
	s.outlived(now, m, incarnation)
	if sp := m.rare().suspicion; sp != nil {
		if sp.confirm(from) {
			if sp.look == nil {
				// A late accuser may bring the end to where it is past. A deadline
				// there would look as if this process had not run: see checkPause.
				s.awaitEnd(now, m)
			}
			s.note(now, m, Evidence{Kind: EvidenceConfirmed, From: from, N: len(sp.from), D: max(0, sp.deadline().Sub(now))})
			if !sp.verdict { // or the verdict would go unsaid
				s.queueConfirmation(now, m, incarnation, from)
			}
		}
		return
	}
	if m.gone() {
		return
	}
	if m == s.self {
		s.refute(now, incarnation, "suspect", from)
		return
	}
	s.queueSuspect(now, m, incarnation, from, 0)
	s.beginSuspicion(now, m, incarnation, from)
}

// hearsay takes in a push/pull entry that calls a member suspect or dead. The
// entry does not say who accused, so it confirms nothing and is not gossiped
// under our name, which would make one accuser look like many. The accused is
// told directly instead and can refute.
func (s *swim) hearsay(now time.Time, m *member, incarnation uint32) {
	if incarnation < m.incarnation || incarnation == math.MaxUint32 || m.gone() {
		return
	}
	s.outlived(now, m, incarnation)
	if m.rare().suspicion != nil {
		return
	}
	if m == s.self {
		s.refute(now, incarnation, "suspect", "push/pull")
		return
	}
	s.beginSuspicion(now, m, incarnation, "")
	s.sendTo(m, s.encoded(s.appendSuspect(s.fx.buf, m)))
}

func (s *swim) beginSuspicion(now time.Time, m *member, incarnation uint32, accuser string) *suspicion {
	m.incarnation = incarnation
	n := m.node.clone()
	n.State = StateSuspect
	s.notify(noticeChanged, m, s.table.set(m, n, now))
	s.trace(traceEvent{kind: traceSuspect})
	k, shortest, longest := suspicionTimes(s.p.suspicionMult, s.p.suspicionMaxMult, s.table.len(), s.p.probeInterval)
	if !s.p.has(mechConfirmations) {
		k = 0
	}
	if tolerance := s.p.pauseTolerance; tolerance > 0 && k > 0 {
		shortest = min(shortest, tolerance)
		if accuser != s.p.name {
			s.lookForOurselves(now, m, k)
		}
	}
	r := m.rare()
	sp := newSuspicion(now, accuser, k, shortest, longest)
	r.suspicion = sp
	m.setRare(r)
	sp.timer.Value = timer{kind: timerSuspicion, member: m}
	s.awaitEnd(now, m)
	kind := EvidenceAccused
	if accuser == "" {
		kind = EvidenceHearsay
	}
	s.note(now, m, Evidence{Kind: kind, From: accuser, D: sp.deadline().Sub(now)})
	s.followUp(now)
	return sp
}

// lookForOurselves probes a suspect at once, with a probability that makes
// about twice as many members do so as confirmations are sought: with a
// PauseTolerance it is they who bring the verdict, not the passing of time.
func (s *swim) lookForOurselves(now time.Time, m *member, k int) {
	if m.rare().probe == nil && s.rng.IntN(max(1, s.table.live())) < 2*(k+1) {
		s.startProbe(now, m)
	}
}

func (s *swim) endSuspicion(m *member) {
	r := m.rare()
	if r.suspicion == nil {
		return
	}
	if r.suspicion.look != nil {
		s.endLook(r.suspicion.look)
	}
	s.timers.Remove(&r.suspicion.timer)
	r.suspicion = nil
	m.setRare(r)
}

// outlived ends the suspicion of m when somebody speaks of a later life: m has
// refuted it, and the refutation was lost on its way here. Whoever accuses the
// new life begins a suspicion, and does not confirm one that has nearly run out.
func (s *swim) outlived(now time.Time, m *member, incarnation uint32) {
	if sp := m.rare().suspicion; sp != nil && incarnation > m.incarnation {
		s.proved(now, sp, false)
		s.endSuspicion(m)
	}
}

// suspicionExpired takes the last look at m, or buries it after that: nobody
// refuted in time.
func (s *swim) suspicionExpired(now time.Time, m *member) {
	sp := m.rare().suspicion
	if s.deaf(now) {
		s.timers.Set(&sp.timer, now.Add(max(s.p.probeInterval, s.p.probeTimeout)))
		return
	}
	if sp.look == nil {
		if due := s.lookDue(m); now.Before(due) {
			s.timers.Set(&sp.timer, due) // its ack timeout has become shorter
			return
		}
		if s.answeredMeanwhile(now, m) || s.lookAgain(now, m) {
			return
		}
	}
	if !sp.verdict {
		s.note(now, m, Evidence{Kind: EvidenceExpired, N: len(sp.from)})
	}
	s.proved(now, sp, true)
	s.endSuspicion(m)
	s.bury(now, m, StateDead, m.incarnation)
	if !sp.verdict {
		s.trace(traceEvent{kind: traceSuspicionFail, node: m.node.Name, n: len(sp.from), d: time.Duration(sp.k)})
		s.queueDead(now, m, s.p.name)
	}
}

// handleDead takes in a claim that a member is dead, or has left when it says so itself.
func (s *swim) handleDead(now time.Time, d *wire.Dead) {
	s.heard(now)
	m := s.table.find(d.Node)
	if m == nil {
		return
	}
	if d.Incarnation < m.incarnation {
		s.stale(now, m, d.From)
		return
	}
	if d.Incarnation == math.MaxUint32 && m.incarnation != math.MaxUint32 {
		s.dropped("dead: incarnation at its maximum")
		return
	}
	if len(d.From) > maxNameLen {
		s.dropped("dead: accuser's name too long")
		return
	}
	s.dead(now, m, d.Incarnation, string(d.From))
}

// dead makes m dead, or left when the news comes from m itself.
func (s *swim) dead(now time.Time, m *member, incarnation uint32, from string) {
	state := StateDead
	if from == m.node.Name {
		state = StateLeft
	}
	if m == s.self {
		if !s.leaving {
			s.refute(now, incarnation, "dead", from)
		}
		return
	}
	if m.gone() {
		s.deadAgain(now, m, state, incarnation, from)
		return
	}
	if state == StateDead {
		s.declaredDead(now, m, incarnation, from)
		return
	}
	s.endSuspicion(m)
	s.bury(now, m, state, incarnation)
	s.queueDead(now, m, from)
}

// declaredDead passes on another member's verdict that m, alive or suspect
// here, is dead, and buries m unless it answers a last look. The verdict keeps
// arriving while it spreads: that is no reason to pass it on again, nor to
// count one more answer against a member that has just been spared.
func (s *swim) declaredDead(now time.Time, m *member, incarnation uint32, from string) {
	sp := m.rare().suspicion
	if sp != nil && sp.verdict && incarnation <= m.incarnation {
		return
	}
	m.incarnation = incarnation
	s.queueDead(now, m, from)
	if sp == nil {
		sp = s.beginSuspicion(now, m, incarnation, from)
	}
	sp.verdict, sp.declared = true, from
	s.note(now, m, Evidence{Kind: EvidenceDeclared, From: from})
	if !s.lookAgain(now, m) {
		s.proved(now, sp, true)
		s.endSuspicion(m)
		s.bury(now, m, StateDead, incarnation)
	}
}

// bury records the end of a member that was alive or suspect.
func (s *swim) bury(now time.Time, m *member, state NodeStateType, incarnation uint32) {
	m.incarnation = incarnation
	n := m.node.clone()
	n.State = state
	was := s.table.set(m, n, now)
	kind := EvidenceDead
	if state == StateLeft {
		kind = EvidenceLeft
	}
	s.note(now, m, Evidence{Kind: kind})
	if !m.rare().hidden {
		why := s.explanation(now, m)
		s.fx.notices = append(s.fx.notices, notice{kind: noticeLeave, node: n, was: was, why: &why})
	}
	m.setHidden(false) // users believe it gone, and now it is
	s.trace(traceEvent{kind: traceDead})
	if state == StateDead {
		s.died(now, n.Name)
		s.lose(now, &n.Node)
	} else {
		s.forgive(n.Name)
	}
	s.armReaper(now)
}

// deadAgain takes in further news about a member already gone: a higher
// incarnation, so that older claims of life cannot bring it back, and that a
// member believed dead has in fact left. When it died does not change.
func (s *swim) deadAgain(now time.Time, m *member, state NodeStateType, incarnation uint32, from string) {
	upgraded := state == StateLeft && m.node.State == StateDead
	if !upgraded && incarnation == m.incarnation {
		return
	}
	m.incarnation = incarnation
	if upgraded {
		since, n := m.since, m.node.clone()
		n.State = StateLeft
		was := s.table.set(m, n, now)
		m.since = since
		s.find(n.Name)
		s.forgive(n.Name)
		s.notify(noticeChanged, m, was)
	}
	s.queueDead(now, m, from)
}

// refute answers a claim about this node with a higher incarnation (SWIM,
// section 4.2). That somebody had reason to doubt us counts against our health.
func (s *swim) refute(now time.Time, accused uint32, kind, from string) {
	if !s.renew(accused) {
		return // whoever does not believe us by now never will
	}
	s.adjustHealth(1)
	s.trace(traceEvent{kind: traceRefuted, node: from, from: kind})
	s.announce(now)
}

// renew takes an incarnation above the present one and above the one given,
// which somebody else has said of us. There is none above the last: then it
// reports false and changes nothing.
func (s *swim) renew(above uint32) bool {
	if s.incarnation == math.MaxUint32 {
		return false
	}
	s.incarnation = max(s.incarnation, above)
	if s.incarnation < math.MaxUint32 {
		s.incarnation++
	}
	s.self.incarnation = s.incarnation
	return true
}

// stale takes in an accusation of a past life of m, which m has refuted. When
// it is this node's, the accuser has missed every copy of the refutation, and
// goes on until it buries us: it is announced again, under the same
// incarnation, and the accuser told directly, because the others have heard it
// and do not pass it on. While it is still gossiped, and for a ProbeInterval, the
// accusation is taken for one that is still on its way. So whoever replays old
// accusations makes us queue one message and send one packet per ProbeInterval,
// no more.
func (s *swim) stale(now time.Time, m *member, accuser []byte) {
	if m != s.self || s.leaving || !s.p.has(mechRefuteAgain) || m.news != nil || now.Sub(s.announced) < s.p.probeInterval {
		return
	}
	s.announce(now)
	if a := s.table.find(accuser); a != nil && a != s.self && !a.gone() {
		s.sendTo(a, s.encoded(s.appendSelf(s.fx.buf)))
	}
}

// announce queues an alive message about this node.
func (s *swim) announce(now time.Time) {
	s.announced = now
	s.queueAlive(now, s.self)
}

// updateMeta announces new metadata, which the caller never modifies again.
// The ticket completes when the news has been sent as often as the retransmit
// limit says; it is zero when there is nobody to tell, or when this node was
// refused or is leaving and nothing is announced.
func (s *swim) updateMeta(now time.Time, meta []byte) ticket {
	if s.self == nil || s.leaving {
		return 0
	}
	s.renew(0)
	s.trace(traceEvent{kind: traceAlive})
	if old := s.self.node; !slices.Equal(old.Meta, meta) {
		n := old.clone()
		n.Meta = meta
		s.notify(noticeUpdate, s.self, s.table.set(s.self, n, now))
	}
	s.announce(now)
	return s.awaitNews()
}

// leave announces that this node leaves. The ticket completes as for updateMeta.
func (s *swim) leave(now time.Time) ticket {
	if s.leaving {
		return 0
	}
	s.leaving = true
	s.scheduleHeal(now)
	if s.self == nil {
		return 0
	}
	s.bury(now, s.self, StateLeft, s.incarnation)
	s.queueDead(now, s.self, s.p.name)
	wait := s.awaitNews()
	if wait != 0 {
		s.sayGoodbye(wait)
	}
	return wait
}

// goodbyeTold is how many members are told directly that we leave. When all
// of them have confirmed it, the news is in enough hands to reach everybody
// without us, as it was when an indirect probe asked for so many.
const goodbyeTold = 3

// sayGoodbye tells a few members that we leave in pings, which they answer: a
// process that ends as soon as Leave returns must not have told only those whom
// the network has lost the news for. The wait is over when all have answered,
// or when the gossip about it has been sent as often as it is ever sent.
//
// Who has joined only just now may not be known to them yet, and they would not
// care who leaves: so first of all they are told who it is, as far as there is
// room.
func (s *swim) sayGoodbye(wait ticket) {
	told := s.choose(goodbyeTold, func(m *member) bool { return m != s.self && m.node.State == StateAlive })
	if len(told) == 0 {
		return
	}
	s.goodbyes = make(map[uint32]ticket, len(told))
	alive := s.appendSelf(nil)
	dead := wire.Dead{Incarnation: s.incarnation, Node: wire.Bytes(s.p.name), From: wire.Bytes(s.p.name)}.Append(nil)
	for _, m := range told {
		seq := s.newSeq()
		s.goodbyes[seq] = wait
		msg := s.encoded(s.appendPing(s.fx.buf, seq, wire.Bytes(m.node.Name)))
		s.sendTo(m, msg)
		if len(msg)+len(alive)+len(dead)+3*wire.CompoundPartLen <= s.p.packetRoom {
			s.attach(append(s.fx.buf, alive...))
		}
		s.attach(append(s.fx.buf, dead...))
	}
}

// goodbyeHeard takes in the answer of a member that was told.
func (s *swim) goodbyeHeard(seq uint32) {
	wait := s.goodbyes[seq]
	delete(s.goodbyes, seq)
	if len(s.goodbyes) == 0 {
		s.fx.completed = append(s.fx.completed, completion{ticket: wait, ok: true})
	}
}

// appendSuspect appends an accusation of m, in its present life, by this node.
func (s *swim) appendSuspect(dst []byte, m *member) []byte {
	return wire.Suspect{Incarnation: m.incarnation, Node: wire.Bytes(m.node.Name), From: wire.Bytes(s.p.name)}.Append(dst)
}

// appendSelf appends the announcement of this node.
func (s *swim) appendSelf(dst []byte) []byte {
	self := news{kind: wire.TypeAlive, about: s.self, incarnation: s.incarnation}
	return self.appendTo(dst)
}

// goodbyeConfirmed reports that all who were told have answered.
func (s *swim) goodbyeConfirmed() bool { return s.goodbyes != nil && len(s.goodbyes) == 0 }

// awaitNews is a ticket that waits for the news about this node to have been
// sent, zero when no other member lives.
func (s *swim) awaitNews() ticket {
	others := s.table.live()
	if !s.self.gone() {
		others--
	}
	if others == 0 {
		return 0
	}
	wait := s.newTicket()
	s.gossip.await(s.self, wait)
	return wait
}

// reclaimable reports whether m's name may move to another address: at once
// when m has left, after DeadNodeReclaimTime when it died.
func (s *swim) reclaimable(now time.Time, m *member) bool {
	if m == s.self {
		return false
	}
	return m.node.State == StateLeft ||
		m.node.State == StateDead && s.p.reclaim > 0 && s.table.stateAge(now, m) > s.p.reclaim
}

func (s *swim) conflict(m *member, a *wire.Alive, port uint16) {
	other := &Node{Name: m.node.Name, Addr: slices.Clone(a.Addr), Port: port, Meta: slices.Clone(a.Meta)}
	s.fx.notices = append(s.fx.notices, notice{kind: noticeConflict, node: m.node, other: other})
	s.trace(traceEvent{kind: traceConflict, node: m.node.Name,
		from: fmt.Sprintf("Mine: %s Theirs: %s Old state: %d", m.node.Address(), other.Address(), m.node.State)})
}

// armReaper makes sure that somebody gone will be forgotten.
func (s *swim) armReaper(now time.Time) {
	if !s.reapTimer.Scheduled() {
		s.timers.Set(&s.reapTimer, now.Add(s.p.gossipToDead+time.Nanosecond))
	}
}

// reap forgets members gone for longer than GossipToTheDeadTime. This node
// remembers itself for ever. The next call comes when the next one is due, but
// not within a second, so that a mass departure costs few passes.
func (s *swim) reap(now time.Time) {
	longest := time.Duration(-1) // that somebody left has been gone
	s.table.removeIf(func(m *member) bool {
		if !m.gone() || m == s.self {
			return false
		}
		age := s.table.stateAge(now, m)
		if age > s.p.gossipToDead {
			s.gossip.drop(m) // who comes back under this name is another member
			return true
		}
		longest = max(longest, age)
		return false
	})
	s.explained = slices.DeleteFunc(s.explained, func(m *member) bool { return s.table.named(m.node.Name) != m })
	if longest >= 0 {
		due := now.Add(s.p.gossipToDead + time.Nanosecond - longest)
		if soonest := now.Add(min(time.Second, s.p.gossipToDead)); due.Before(soonest) {
			due = soonest
		}
		s.timers.Set(&s.reapTimer, due)
	}
}

func (s *swim) queueAlive(now time.Time, m *member) {
	s.queue(now, news{kind: wire.TypeAlive, about: m, incarnation: m.incarnation}, 0)
}

// queueNewcomer queues the news of a newcomer, to be sent a little less often than
// other news. When hundreds join it is most of what is sent, and who misses it makes
// up for it when it exchanges tables, as newcomers do soon.
func (s *swim) queueNewcomer(now time.Time, m *member) {
	n := news{kind: wire.TypeAlive, about: m, incarnation: m.incarnation}
	s.queueWithoutHurry(now, n, min(2, s.transmitLimit()/newcomerSaving))
}

// newcomerSaving is what share of the transmissions of news about a newcomer is saved,
// up to two. With a seventh all know all after a join storm as soon as with none; with
// a third, a second later.
const newcomerSaving = 7

func (s *swim) queueSuspect(now time.Time, m *member, incarnation uint32, from string, made int) {
	s.queue(now, news{kind: wire.TypeSuspect, about: m, incarnation: incarnation, from: &from}, made)
}

// queueConfirmation queues a further accusation of a suspect. It is sent half as
// often as the first: all have heard that one, which takes a refutation to all,
// and who misses this one hears the verdict from those who have not. As long as
// the accusation before it is being sent, it takes that one's place.
func (s *swim) queueConfirmation(now time.Time, m *member, incarnation uint32, from string) {
	made := 0
	if s.p.has(mechQuietConfirm) {
		made = s.transmitLimit() / 2
		if m.news != nil {
			made = min(made, int(m.news.transmits))
		}
	}
	s.queueSuspect(now, m, incarnation, from, made)
}

func (s *swim) queueDead(now time.Time, m *member, from string) {
	s.queue(now, news{kind: wire.TypeDead, about: m, incarnation: m.incarnation, from: &from}, 0)
}

// portOf honours ports whatever version is spoken: clusters in which they
// differ would break otherwise.
func (s *swim) portOf(port uint16) uint16 {
	if port == 0 {
		return s.p.bindPort
	}
	return port
}

func (s *swim) dropped(reason string) { s.trace(traceEvent{kind: traceDropped, from: reason}) }

// badVersions reports version numbers that contradict themselves.
func badVersions(vsn []byte) bool {
	return len(vsn) >= 3 && (vsn[0] == 0 || vsn[1] == 0 || vsn[0] > vsn[1])
}

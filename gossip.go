package memberlist

import (
	"math"
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// gossipBatch is the share of GossipInterval that fresh news waits for more to
// come when a round is not owed yet: one packet can then carry a burst.
const gossipBatch = 40

// gossipBurst is how many rounds may follow one another at the pace of
// gossipBatch after a quiet time. The average stays one per GossipInterval:
// each round uses up the credit of one interval, of which so many are kept.
// A round that only asks the Delegate, and gets nothing, is free: otherwise a
// program with a Delegate would never get back the credit it has used.
// News then travels at the pace of the network, not of the interval.
//
// Rounds that are about newcomers only leave the others their burst: when
// hundreds join, they take up every round for a minute, and what else happens
// would go at the pace of GossipInterval.
const gossipBurst = 64

// gossipOverdraft is for how many intervals at most all wait for the next round
// when newcomers and other news have used up a burst each.
const gossipOverdraft = 5

// encoded keeps what a message was appended to, s.fx.buf, and returns the
// message. Its bytes live as long as the effects. (Passing the message itself,
// behind an interface, would cost an allocation for each.)
func (s *swim) encoded(buf []byte) []byte {
	from := len(s.fx.buf)
	s.fx.buf = buf
	return buf[from:len(buf):len(buf)]
}

// emit emits msg alone and returns the datagram, for the caller to say where it
// goes and how: filled in where it lies, a ping takes an eighth less.
func (s *swim) emit(msg []byte) *datagram {
	fx := &s.fx
	at := len(fx.msgs)
	fx.msgs = append(fx.msgs, msg)
	fx.datagrams = append(fx.datagrams, datagram{lo: at, hi: at + 1})
	return &fx.datagrams[len(fx.datagrams)-1]
}

// send emits msg alone to somebody.
func (s *swim) send(to endpoint, msg []byte) *datagram {
	d := s.emit(msg)
	d.to = to
	return d
}

// sendTo emits msg alone to a member, with a checksum if it reads that.
func (s *swim) sendTo(m *member, msg []byte) *datagram {
	d := s.send(m.endpoint(), msg)
	d.checksum = m.node.PMax >= 5
	return d
}

// attach adds a message to the datagram sent last, given as for encoded.
func (s *swim) attach(buf []byte) {
	s.fx.msgs = append(s.fx.msgs, s.encoded(buf))
	s.fx.datagrams[len(s.fx.datagrams)-1].hi++
}

// sendPiggyback emits msg with as much gossip as fits behind it.
func (s *swim) sendPiggyback(to endpoint, msg []byte, seq uint32) {
	s.send(to, msg).seq = seq
	s.fill()
}

// fill adds as much gossip as fits to the datagram sent last. Nothing can be
// attached to it afterwards.
func (s *swim) fill() {
	d := &s.fx.datagrams[len(s.fx.datagrams)-1]
	d.room = s.p.packetRoom
	for _, msg := range s.fx.msgs[d.lo:] {
		d.room -= len(msg) + wire.CompoundPartLen
	}
	d.room = max(0, d.room)
	if s.gossip.len() > 0 { // or the limit, which takes a logarithm, is of no use
		d.room -= s.gossip.fill(&s.fx, wire.CompoundPartLen, d.room, s.transmitLimit(), false)
	}
	d.hi = len(s.fx.msgs)
}

func (s *swim) transmitLimit() int { return transmitLimit(s.p.retransmitMult, s.table.len()) }

// queue adds news about a member to the gossip, in place of older news about
// it, and makes sure that rounds will take it along. So many transmissions are
// taken for made.
func (s *swim) queue(now time.Time, n news, made int) {
	s.gossipHurry = math.MaxInt // the next round makes it as many as the news is to be sent in
	s.queueWithoutHurry(now, n, made)
}

// queueWithoutHurry is queue for news of newcomers.
func (s *swim) queueWithoutHurry(now time.Time, n news, made int) {
	// Its length decides about its place. The message itself is forgotten again.
	from := len(s.fx.buf)
	s.fx.buf = n.appendTo(s.fx.buf)
	size := len(s.fx.buf) - from
	s.fx.buf = s.fx.buf[:from]
	if replaced := s.gossip.push(n, size, made); replaced != 0 {
		s.fx.completed = append(s.fx.completed, completion{ticket: replaced, ok: true})
	}
	s.wakeGossip(now)
	if n.about == s.self {
		s.unheard = false
	} else if s.unheard && !s.leaving {
		s.announce(now)
	}
}

// wakeGossip schedules the next round: after a short batching time while there
// is credit, otherwise when there is again. So news never waits for a tick, and
// a quiet node never wakes up.
func (s *swim) wakeGossip(now time.Time) {
	paid := s.gossipPaid
	if s.gossipHurry > 0 {
		paid = s.hurryPaid
	}
	due := paid.Add(-(gossipBurst - 1) * s.p.gossipInterval)
	if !s.p.has(mechEagerGossip) {
		due = s.gossiped.Add(s.p.gossipInterval)
		if missed := now.Sub(due); missed > 0 {
			due = due.Add(missed.Truncate(s.p.gossipInterval) + s.p.gossipInterval)
		}
	}
	if soonest := now.Add(s.p.gossipInterval / gossipBatch); due.Before(soonest) {
		due = soonest
	}
	s.gossipAt(due)
}

// gossipAt makes sure that a round is sent by then.
func (s *swim) gossipAt(due time.Time) {
	if s.p.gossipInterval <= 0 || s.p.gossipNodes <= 0 {
		return
	}
	if !s.gossipTimer.Scheduled() || due.Before(s.gossipTimer.At()) {
		s.timers.Set(&s.gossipTimer, due)
	}
}

// gossipRound sends what is queued to GossipNodes members, at random or by the
// pattern: the living, and the dead of the last GossipToTheDeadTime, who may
// still refute. Every datagram is a draw of its own from the queue.
func (s *swim) gossipRound(now time.Time) {
	s.gossiped = now
	if s.gossip.len() > 0 || s.gossipOwed {
		s.gossipPaid = maxTime(s.gossipPaid, now).Add(s.p.gossipInterval)
		if s.gossipHurry > 0 {
			s.hurryPaid = maxTime(s.hurryPaid, now).Add(s.p.gossipInterval)
			most := now.Add((gossipBurst - 1 + gossipOverdraft) * s.p.gossipInterval)
			if s.gossipPaid.After(most) {
				s.gossipPaid = most
			}
		}
	}
	s.gossipOwed = false
	s.trace(traceEvent{kind: traceGossip})
	limit := s.transmitLimit()
	s.gossipHurry = max(0, min(s.gossipHurry, limit/max(1, s.p.gossipNodes))-1)
	s.gossipRounds++
	targets := s.choose(s.p.gossipNodes, func(m *member) bool { return s.listens(now, m) })
	for i, m := range targets {
		if p := s.patternTarget(now, i, limit); p != nil {
			at := slices.Index(targets, p)
			if at > i {
				targets[at] = m
			}
			// Who has got a packet of this round gets another one only if all that
			// is new does not fit into one.
			if at < 0 || at > i || s.gossip.leastSent() == 0 {
				m, targets[i] = p, p
			}
		}
		room := s.p.packetRoom
		if s.p.userGossip && i == 0 {
			// However much news there is, users get half of one packet in
			// each round.
			room /= 2
		}
		d := datagram{to: m.endpoint(), lo: len(s.fx.msgs), ifAny: true, checksum: m.node.PMax >= 5}
		d.room = s.p.packetRoom - s.gossip.fill(&s.fx, wire.CompoundPartLen, room, limit, true)
		d.room = max(0, d.room)
		if s.table.stateAge(now, m) < s.p.gossipInterval {
			// It is taking in the user state of its join, which may say what it
			// need not hear: Serf tells newcomers which events are too old.
			d.room = 0
		}
		d.hi = len(s.fx.msgs)
		if d.lo == d.hi && !s.p.userGossip {
			break
		}
		s.fx.datagrams = append(s.fx.datagrams, d)
	}
	if len(targets) == 0 {
		s.dropGossip()
	}
	if s.gossip.len() > 0 {
		s.wakeGossip(now)
	}
	s.wakeForUser()
}

// listens reports whether gossip is of use to m.
func (s *swim) listens(now time.Time, m *member) bool {
	switch {
	case m == s.self || m.node.State == StateLeft:
		return false
	case m.node.State == StateDead:
		return s.table.stateAge(now, m) <= s.p.gossipToDead
	}
	return true
}

// patternTarget is who gets packet i of a round, nil for the one chosen at random.
//
// Every second transmission of a piece of news, from its first, goes to the member
// at one of a few distances in the order of ranks, in which the gone do not count,
// and for a while all nodes use the same distance for the same transmission. So
// whoever has the news passes it to the same relative places, and everybody is in
// such a place of that many others: nobody is missed by chance, as random targets
// alone miss one in e^-λ after λ transmissions, but only if all of these are missed
// too. When there is more news than fits into a packet, all that is new goes the
// same way.
func (s *swim) patternTarget(now time.Time, i, limit int) *member {
	n := s.table.live()
	if n < 2 || s.self == nil || !s.p.has(mechPattern) || s.selection.pool != nil || s.selection.preferred != "" {
		return nil
	}
	steps := (limit + patternStep - 1) / patternStep
	step := s.gossipRounds % max(1, steps) // of what the Delegate sends, one in each round
	if made := s.gossip.leastSent(); made >= 0 && made%patternStep == 0 {
		step = made / patternStep
	} else if i > 0 || !s.p.userGossip {
		return nil
	}
	pattern := uint64(now.UnixNano() / int64(patternLasts))
	h := (pattern*uint64(steps) + uint64(step)) * 0x9e3779b97f4a7c15 // Knuth's multiplicative hash
	m := s.table.presentAfter(s.self, 1+int(h>>32%uint64(n-1)))
	if !s.listens(now, m) {
		return nil
	}
	return m
}

// patternStep: one of so many transmissions follows the pattern. Random ones are
// faster, since they reach fewer who know already.
const patternStep = 2

// patternLasts is how long all nodes use the same distances: much longer than
// news takes, and not so long that a bad pattern does harm.
const patternLasts = 10 * time.Second

// wakeForUser keeps a round per GossipInterval going while a Delegate may have
// broadcasts, which we only learn by asking.
func (s *swim) wakeForUser() {
	if s.p.userGossip {
		s.gossipAt(s.gossiped.Add(s.p.gossipInterval))
	}
}

// userNews says that the Delegate has broadcasts, or probably has: user
// messages have arrived, which it may pass on, or it had some when it was last
// asked. They travel at the pace of other news then. It returns until when there
// is no need to say so again.
func (s *swim) userNews(now time.Time) (until time.Time) {
	if !s.p.userGossip || s.p.gossipInterval <= 0 {
		return now.Add(time.Second) // tunables may change
	}
	s.gossipOwed = true
	s.gossipHurry = max(1, s.gossipHurry)
	s.wakeGossip(now)
	return s.gossipTimer.At()
}

// dropGossip empties the queue when there is nobody to tell, and ends the
// waits for it. Whoever joins later gets the table by push/pull. What this node
// has said of itself to nobody is said again when there is other news: the
// member it joins may not be the one to pass it on, if a NodeSelectionDelegate
// chooses whom that tells.
func (s *swim) dropGossip() {
	if s.self != nil && s.self.news != nil && s.self.news.transmits == 0 {
		s.unheard = true
	}
	s.gossip.clear(&s.fx)
}

package memberlist

import (
	"net/netip"
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
	"github.com/swimguard/memberlist/internal/wire"
)

// The failure detector (SWIM, section 3.1, with Lifeguard's changes):
//
//	0             ack late                         ProbeInterval·(health+1)
//	├─ ping, ping ───┼─ indirect pings and a stream ping ──────┤ verdict
//	        ack ◄────┘       ack ◄── relay     nack at 80 % of the relay's timeout
//
// The verdict comes sooner when all helpers have sent nacks, or are known to
// answer sooner: then there is nothing left to wait for.
//
// Rounds start every ProbeInterval whether or not earlier probes have ended:
// a dead target costs itself, never the next one.

// probe is one of our probes in flight.
type probe struct {
	seq            uint32
	member         *member
	incarnation    uint32 // when the probe began; an accusation concerns that life
	sent, deadline time.Time
	late           time.Time // when the direct ack is late
	again          uint32    // sequence number of the second ping; seq before it is sent
	sentAgain      time.Time // when
	indirect       bool      // the direct ack is late and helpers have been asked
	asked          time.Time // when
	helpers        []helper  // those asked for a nack
	nacks          int
	stream         dialID
	streamAnswered bool
	timer          deadline.Item[timer]
}

// helper is a member that was asked to ping a target for us and to say so if it
// hears nothing.
type helper struct {
	member *member
	nacked bool
}

// probeRound probes the next member and schedules the next round on the same
// grid; rounds missed while this process did not run are not made up for.
func (s *swim) probeRound(now, due time.Time) {
	if s.p.probeInterval <= 0 {
		return
	}
	next := due.Add(s.p.probeInterval)
	if missed := now.Sub(next); missed > 0 {
		next = next.Add(missed.Truncate(s.p.probeInterval) + s.p.probeInterval)
	}
	s.timers.Set(&s.probeTimer, next)
	s.extra = 0
	if m := s.nextTarget(now); m != nil {
		s.startProbe(now, m)
	}
	s.standIn(now)
}

// nextTarget is the next member to probe, nil when there is none that is not
// being probed already.
func (s *swim) nextTarget(now time.Time) *member {
	if s.p.has(mechCoordinated) && s.self != nil {
		if m := s.coordinatedTarget(now, s.self); m != nil {
			return m
		}
	}
	return s.ringTarget()
}

// coordinatedTarget lets all members together probe each member once per
// interval: in the interval that the wall clock is in, everybody probes the
// member so many ranks behind itself. The distance goes through all n-1 in an
// order that depends on nothing but n, so that each member is probed by each
// within n-1 rounds (SWIM, section 4.3) and by somebody at each.
//
//	           rank  0   1   2   3   4   5
//	interval 7       └───────┴─► distance 2: 0 probes 2, 1 probes 3, ...
//	interval 8       └───────────────┴─► distance 4
//
// With random targets a member is missed by everybody for a whole interval
// with probability 1/e, and for five with 0.7 %: the tail of the detection
// time. Nodes whose clocks or tables differ choose as good as at random.
func (s *swim) coordinatedTarget(now time.Time, prober *member) *member {
	n := s.table.len()
	if n < 2 {
		return nil
	}
	round := uint64(now.UnixNano() / int64(s.p.probeInterval))
	// 2654435761 is prime and larger than any table, so every distance comes up
	// once in n-1 rounds, in an order without pattern.
	distance := 1 + int(round*2654435761%uint64(n-1))
	m := s.table.after(prober, distance)
	if m == s.self || m.gone() || m.rare().probe != nil {
		return nil
	}
	return m
}

// standIn probes those whose turn it is with the members right after this one in
// the order of ranks, as far as these are suspect or gone and so may probe
// nobody: after a fifth of the members have failed at once, one in a hundred of
// them would otherwise be left to failed ones for three intervals.
func (s *swim) standIn(now time.Time) {
	if !s.p.has(mechStandIn) || !s.p.has(mechCoordinated) || s.self == nil {
		return
	}
	for i := 1; i <= extraProbes && s.extra < extraProbes; i++ {
		failed := s.table.after(s.self, i)
		if failed == s.self || failed.node.State == StateAlive {
			return
		}
		if m := s.coordinatedTarget(now, failed); m != nil {
			s.extra++
			s.startProbe(now, m)
		}
	}
}

// extraProbes bounds the probes beyond the regular one in an interval.
const extraProbes = 2

// followUp probes one more member, because somebody has just been found
// failing: what takes one member down (a rack, a switch, a bad release) often
// takes others with it, and they are found sooner this way.
func (s *swim) followUp(now time.Time) {
	if !s.p.has(mechFollowUp) || s.p.probeInterval <= 0 || s.extra >= extraProbes {
		return
	}
	if m := s.ringTarget(); m != nil {
		s.extra++
		s.startProbe(now, m)
	}
}

// ringTarget walks the ring, which is shuffled after each full round: each
// member is probed within 2n-1 rounds (SWIM, section 4.3).
func (s *swim) ringTarget() *member {
	t := &s.table
	for range 2 * len(t.ring) {
		if t.next >= len(t.ring) {
			t.shuffle(s.rng)
		}
		m := t.all[t.ring[t.next]]
		t.next++
		if !s.p.has(mechRoundRobin) {
			m = t.all[t.ring[s.rng.IntN(len(t.ring))]]
		}
		if m != s.self && !m.gone() && m.rare().probe == nil {
			return m
		}
	}
	return nil
}

func (s *swim) startProbe(now time.Time, m *member) {
	s.trace(traceEvent{kind: traceProbeStart, node: m.node.Name, n: s.health.score})
	p := &probe{
		seq: s.newSeq(), member: m, incarnation: m.incarnation,
		sent: now, deadline: now.Add(s.health.scale(s.p.probeInterval)),
	}
	p.again, p.sentAgain = p.seq, now
	m.setProbe(p)
	s.probes[p.seq] = p
	p.timer.Value = timer{kind: timerAck, probe: p}
	timeout := s.ackTimeout(m)
	p.late = now.Add(timeout)
	s.timers.Set(&p.timer, now.Add(s.patience(m, timeout)))
	s.pingTarget(p, p.seq)
}

// patience is how much of the ack timeout passes until the ping is sent once
// more, because it or its ack may be lost: half of it, or all and it is not
// sent again when this member may need that long.
func (s *swim) patience(m *member, timeout time.Duration) time.Duration {
	if again := timeout / 2; s.p.has(mechPingAgain) && s.health.scale(s.roundTripOf(m).timeout()) <= again {
		return again
	}
	return timeout
}

// pingAgain sends a second ping, with a number of its own, so that its ack
// tells the round trip.
func (s *swim) pingAgain(now time.Time, p *probe) {
	p.again, p.sentAgain = s.newSeq(), now
	s.probes[p.again] = p
	s.pingTarget(p, p.again)
}

// pingTarget sends a ping of a probe. It carries gossip, or the accusation when
// it goes to a suspect; a second one carries no gossip, of which there would be
// less for those who answer.
func (s *swim) pingTarget(p *probe, seq uint32) {
	m := p.member
	name := wire.Bytes(m.node.Name)
	switch {
	case m.node.State != StateAlive && s.p.has(mechBuddy):
		// The suspect hears of the accusation with the ping and can refute at
		// once (Lifeguard, section IV-C: the buddy system). It stands before the
		// ping, so that the ack takes the refutation along.
		s.sendTo(m, s.encoded(s.appendSuspect(s.fx.buf, m))).seq = seq
		s.attach(s.appendPing(s.fx.buf, seq, name))
	case seq != p.seq:
		s.send(m.endpoint(), s.encoded(s.appendPing(s.fx.buf, seq, name))).seq = seq
	default:
		s.sendPiggyback(m.endpoint(), s.encoded(s.appendPing(s.fx.buf, seq, name)), seq)
	}
}

// streamPings reports whether a node that does not answer packets is pinged
// over a stream: that takes version 3 of the protocol.
func (s *swim) streamPings(n *Node) bool { return s.p.streamPings && n.PMax >= 3 }

// appendPing appends a ping of the member of that name.
func (s *swim) appendPing(dst []byte, seq uint32, name []byte) []byte {
	ping := wire.Ping{SeqNo: seq, Node: name}
	ping.SourceAddr, ping.SourcePort, ping.SourceNode = s.source()
	return ping.Append(dst)
}

// source is how we present ourselves in pings: where acks are to go.
func (s *swim) source() (addr []byte, port uint16, name []byte) {
	if s.self == nil {
		return nil, 0, nil
	}
	n := s.self.node
	return n.Addr, n.Port, wire.Bytes(n.Name)
}

// ackLate goes from the direct to the indirect phase, or to the verdict.
func (s *swim) ackLate(now time.Time, p *probe) {
	if !p.indirect && now.Before(p.late) {
		s.timers.Set(&p.timer, p.late)
		s.pingAgain(now, p)
		return
	}
	if !p.indirect {
		s.trace(traceEvent{kind: traceProbeTimeout, node: p.member.node.Name})
		s.note(now, p.member, Evidence{Kind: EvidenceAckLate, D: now.Sub(p.sent), RTT: p.member.rtt.duration()})
		s.askHelpers(now, p)
		return
	}
	s.verdict(now, p)
}

func maxTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// helpersLate is when everything that could still come has come: the ack by
// way of a helper, which is twice as far, and the nacks, as fast as these
// helpers have been so far. Until that is known it is the end of the probe.
// Helpers differ by much: those of other implementations let all of their
// ProbeTimeout pass first.
func (s *swim) helpersLate(now time.Time, p *probe) time.Time {
	if !s.p.has(mechAdaptiveTimeout) || len(p.helpers) == 0 {
		return p.deadline
	}
	wait := 2 * s.ackTimeout(p.member)
	for _, h := range p.helpers {
		nackTime := h.member.rare().nackTime
		if nackTime.mean == 0 {
			return p.deadline
		}
		wait = max(wait, s.health.scale(nackTime.timeout()))
	}
	if due := now.Add(wait); due.Before(p.deadline) {
		return due
	}
	return p.deadline
}

// verdict ends a probe that got no ack.
func (s *swim) verdict(now time.Time, p *probe) {
	name := p.member.node.Name
	if p.streamAnswered {
		s.trace(traceEvent{kind: traceStreamSaved, node: name})
		s.note(now, p.member, Evidence{Kind: EvidenceStreamOK})
		s.answered(p.member)
		s.brake.failed = 0
		s.endProbe(now, p, -1)
		return
	}
	// A nack that did not come means that a helper did not hear from us or we
	// not from it: then some of the blame may be ours.
	delta := 1
	if len(p.helpers) > 0 {
		delta = max(0, len(p.helpers)-p.nacks)
	}
	s.trace(traceEvent{kind: traceProbeFailed, node: name})
	s.note(now, p.member, Evidence{Kind: EvidenceProbeFailed, D: now.Sub(p.sent), N: s.health.score})
	s.brake.failed++
	deaf := s.deafTo(now, p)
	s.endProbe(now, p, delta)
	if !deaf && !s.withhold(now, p.member) {
		s.suspect(now, p.member, p.incarnation, s.p.name)
	}
}

// askHelpers asks other members to ping the target, and tries a stream.
func (s *swim) askHelpers(now time.Time, p *probe) {
	p.indirect = true
	p.asked = now
	target := &p.member.node.Node
	helpers := s.table.pick(s.p.indirectChecks, s.rng, func(m *member) bool {
		return m != s.self && m != p.member && m.node.State == StateAlive
	})
	for _, h := range helpers {
		nack := h.node.PMax >= 4 && s.p.has(mechAwareness)
		if nack {
			p.helpers = append(p.helpers, helper{member: h})
		}
		req := wire.IndirectPing{
			SeqNo: p.seq, Target: target.Addr, Port: target.Port, Node: wire.Bytes(target.Name), Nack: nack,
		}
		req.SourceAddr, req.SourcePort, req.SourceNode = s.source()
		s.sendPiggyback(h.endpoint(), s.encoded(req.Append(s.fx.buf)), 0)
	}
	s.timers.Set(&p.timer, s.helpersLate(now, p))
	if len(helpers) > 0 {
		s.note(now, p.member, Evidence{Kind: EvidenceHelpers, N: len(helpers)})
	}
	if s.streamPings(target) {
		p.stream = s.dial(dial{kind: dialPing, to: p.member.endpoint(), seq: p.seq, deadline: p.deadline}, p)
	}
}

func (s *swim) endProbe(now time.Time, p *probe, health int) {
	s.timers.Remove(&p.timer)
	delete(s.probes, p.seq)
	delete(s.probes, p.again)
	delete(s.dials, p.stream)
	p.member.setProbe(nil)
	s.trace(traceEvent{kind: traceProbeEnd, node: p.member.node.Name, d: now.Sub(p.sent)})
	s.adjustHealth(health)
}

// sendFailed reports that the ping with this sequence number never left this
// host: there is no ack to wait for. Whether the target or our own network is
// at fault shows when the helpers answer, or do not.
func (s *swim) sendFailed(now time.Time, seq uint32) {
	if p := s.probes[seq]; p != nil && !p.indirect {
		s.askHelpers(now, p)
	}
	if u := s.pings[seq]; u != nil {
		s.endPing(u, false, 0)
	}
}

// handleAck takes in an ack, which arrived at the time received.
func (s *swim) handleAck(now, received time.Time, m *wire.Ack) {
	s.heard(now)
	if p := s.probes[m.SeqNo]; p != nil {
		sent := p.sent
		if m.SeqNo == p.again {
			sent = p.sentAgain
		}
		if !p.indirect {
			p.member.rtt.observe(received.Sub(sent))
			s.rtt.observe(received.Sub(sent))
			if !p.member.rare().hidden {
				s.fx.notices = append(s.fx.notices, notice{
					kind: noticePong, node: p.member.node, rtt: received.Sub(sent), payload: slices.Clone(m.Payload),
				})
			}
		} else {
			s.note(now, p.member, Evidence{Kind: EvidenceAck, D: received.Sub(p.sent)})
		}
		if sp := p.member.rare().suspicion; sp != nil {
			sp.answered = now
			if sp.look != nil {
				s.spare(now, sp.look)
			}
		}
		s.answered(p.member)
		s.brake.failed = 0
		s.endProbe(now, p, -1)
	} else if l := s.looks[m.SeqNo]; l != nil {
		s.spare(now, l)
	} else if v := s.moves[m.SeqNo]; v != nil {
		s.stillThere(now, v)
	} else if to, ok := s.heal.attempts[m.SeqNo]; ok {
		delete(s.heal.attempts, m.SeqNo)
		s.dial(dial{kind: dialHeal, to: to}, nil)
	} else if r := s.relays[m.SeqNo]; r != nil {
		s.endRelay(r)
		s.reply(r.to, r.member, s.encoded(wire.Ack{SeqNo: r.seq}.Append(s.fx.buf)))
	} else if u := s.pings[m.SeqNo]; u != nil {
		s.endPing(u, true, received.Sub(u.sent))
	} else if s.goodbyes[m.SeqNo] != 0 {
		s.goodbyeHeard(m.SeqNo)
	}
}

// handleNack takes in word that a helper works but got no ack.
func (s *swim) handleNack(now time.Time, from endpoint, m *wire.Nack) {
	s.heard(now)
	p := s.probes[m.SeqNo]
	if p == nil || p.nacks == len(p.helpers) || !s.nacked(now, from, p) {
		return
	}
	p.nacks++
	s.note(now, p.member, Evidence{Kind: EvidenceNack})
	if p.nacks == len(p.helpers) && s.p.has(mechAdaptiveTimeout) {
		// All have answered. Only the target's own late ack is left to
		// wait for, and what the stream finds.
		if due := p.asked.Add(2 * s.ackTimeout(p.member)); due.Before(p.timer.At()) {
			s.timers.Set(&p.timer, maxTime(now, due))
		}
	}
}

// nacked notes how long a helper took, and reports whether this is its first
// nack. A nack from an address where no helper lives counts too: transports and
// translated addresses may not show who sent it.
func (s *swim) nacked(now time.Time, from endpoint, p *probe) bool {
	for i := range p.helpers {
		h := &p.helpers[i]
		if h.member.endpoint().addr != from.addr {
			continue
		}
		if h.nacked {
			return false
		}
		h.nacked = true
		r := h.member.rare()
		r.nackTime.observe(now.Sub(p.asked))
		h.member.setRare(r)
		break
	}
	return true
}

// handlePing answers a ping. from is where the packet came from.
func (s *swim) handlePing(now time.Time, from *endpoint, m *wire.Ping, ackPayload []byte) {
	s.heard(now)
	if len(m.Node) > 0 && string(m.Node) != s.p.name {
		s.trace(traceEvent{kind: traceOtherNode, node: string(m.Node[:min(len(m.Node), maxNameLen)]), from: from.String()})
		return
	}
	d := s.emit(s.encoded(wire.Ack{SeqNo: m.SeqNo, Payload: ackPayload}.Append(s.fx.buf)))
	member := s.replyTo(&d.to, from, m.SourceAddr, m.SourcePort, m.SourceNode)
	if member != nil {
		s.accuse(member)
		if !member.gone() { // anyone can ping in its name, and use up the gossip on nobody
			s.fill()
		}
	}
}

// accuse tells a member that pings us what is believed about it, behind the
// answer just sent, unless it is believed alive. It can refute at once, also
// when the news of its death is no longer gossiped.
func (s *swim) accuse(m *member) {
	if !s.p.has(mechTellAccused) {
		return
	}
	switch m.node.State {
	case StateLeft: // nobody gossips to it any more: a forged goodbye would stand
		s.attach(wire.Dead{Incarnation: m.incarnation, Node: wire.Bytes(m.node.Name), From: wire.Bytes(m.node.Name)}.Append(s.fx.buf))
	case StateSuspect:
		s.attach(s.appendSuspect(s.fx.buf, m))
	case StateDead:
		s.attach(wire.Dead{Incarnation: m.incarnation, Node: wire.Bytes(m.node.Name), From: wire.Bytes(s.p.name)}.Append(s.fx.buf))
	}
}

// reply sends what a message asked for. Only members get gossip with it: the
// retransmit budget is theirs, and strangers could use it up.
func (s *swim) reply(to endpoint, member bool, msg []byte) {
	if member {
		s.sendPiggyback(to, msg, 0)
	} else {
		s.send(to, msg)
	}
}

// replyTo fills in where an answer goes, and returns the member who lives there,
// if any. The claimed source is believed when it is that member's address or lies
// on the host that sent the packet. Otherwise the answer goes back where the
// packet came from: a forged source cannot direct it at third parties.
func (s *swim) replyTo(to, from *endpoint, addr []byte, port uint16, name []byte) *member {
	var claimed netip.AddrPort
	if port != 0 {
		claimed = addrPort(addr, port)
	}
	m := s.table.find(name)
	if m != nil {
		to.name = m.node.Name
		if mine := m.endpoint().addr; claimed == mine || !claimed.IsValid() && from.addr == mine {
			to.addr = mine
			return m
		}
	} else if len(name) <= maxNameLen {
		to.name = string(name)
	}
	// A custom transport may have no IP address for the sender to compare with.
	if claimed.IsValid() && (!from.addr.IsValid() || claimed.Addr() == from.addr.Addr()) {
		to.addr = claimed
	} else {
		to.addr, to.host = from.addr, from.host
	}
	return nil
}

// relay is a ping that we sent on behalf of another member.
type relay struct {
	seq    uint32   // the requester's
	ours   uint32   // ours
	to     endpoint // the requester
	member bool     // the requester is a member
	nack   bool     // it wants a nack, not sent yet
	expiry time.Time
	timer  deadline.Item[timer]
}

// handleIndirectPing pings a target for another member. At least one of the
// two must be known here: strangers cannot use us to reach strangers.
func (s *swim) handleIndirectPing(now time.Time, from *endpoint, m *wire.IndirectPing) {
	s.heard(now)
	var to endpoint
	member := s.replyTo(&to, from, m.SourceAddr, m.SourcePort, m.SourceNode)
	target := endpoint{addr: addrPort(m.Target, s.portOf(m.Port))}
	known := s.table.find(m.Node)
	there := known != nil && known.endpoint().addr == target.addr
	switch {
	case there:
		target.name = known.node.Name
	case member == nil || !target.addr.IsValid() || len(m.Node) > maxNameLen:
		s.dropped("indirect ping: neither requester nor target known, or a bad target")
		return
	default:
		target.name = string(m.Node)
	}
	if len(s.relays) >= maxRelays {
		s.dropped("indirect ping: too many at once")
		return
	}
	r := &relay{seq: m.SeqNo, ours: s.newSeq(), to: to, member: member != nil && !member.gone(), nack: m.Nack, expiry: now.Add(s.p.probeTimeout)}
	s.relays[r.ours] = r
	r.timer.Value = timer{kind: timerRelay, relay: r}
	due := r.expiry
	if r.nack {
		timeout := s.p.probeTimeout
		if known != nil {
			timeout = s.ackTimeout(known)
		}
		due = now.Add(time.Duration(nackShare * float64(timeout)))
	}
	s.timers.Set(&r.timer, due)
	// Anyone can name a member and its address: a packet must not make us send
	// more than a ping to wherever it says.
	s.reply(target, there && !known.gone(), s.encoded(s.appendPing(s.fx.buf, r.ours, m.Node)))
}

// relayLate sends the nack when the ack is late, and later gives up. An ack in
// between is still worth forwarding.
func (s *swim) relayLate(now time.Time, r *relay) {
	if !r.nack {
		s.endRelay(r)
		return
	}
	r.nack = false
	s.timers.Set(&r.timer, r.expiry)
	s.reply(r.to, r.member, s.encoded(wire.Nack{SeqNo: r.seq}.Append(s.fx.buf)))
}

func (s *swim) endRelay(r *relay) {
	s.timers.Remove(&r.timer)
	delete(s.relays, r.ours)
}

// userPing is a call of Memberlist.Ping.
type userPing struct {
	seq    uint32
	ticket ticket
	sent   time.Time
	timer  deadline.Item[timer]
}

// ping sends one ping for Memberlist.Ping. The ticket completes with the round
// trip time, or not ok after ProbeTimeout (ProbeInterval when that is
// shorter); it is zero when too many calls wait already.
func (s *swim) ping(now time.Time, to endpoint) ticket {
	if len(s.pings) >= maxPings {
		return 0
	}
	u := &userPing{seq: s.newSeq(), ticket: s.newTicket(), sent: now}
	s.pings[u.seq] = u
	u.timer.Value = timer{kind: timerPing, ping: u}
	wait := s.p.probeTimeout
	if s.p.probeInterval > 0 {
		wait = min(wait, s.p.probeInterval)
	}
	s.timers.Set(&u.timer, now.Add(wait))
	s.sendPiggyback(to, s.encoded(s.appendPing(s.fx.buf, u.seq, wire.Bytes(to.name))), u.seq)
	return u.ticket
}

func (s *swim) endPing(u *userPing, ok bool, rtt time.Duration) {
	s.timers.Remove(&u.timer)
	delete(s.pings, u.seq)
	s.fx.completed = append(s.fx.completed, completion{ticket: u.ticket, ok: ok, rtt: rtt})
}

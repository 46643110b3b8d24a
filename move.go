package memberlist

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
	"github.com/swimguard/memberlist/internal/wire"
)

// A name that is claimed from a second address is one of two things: two nodes
// were given the same name, or one node came back elsewhere before its failure
// was noticed. The known address is asked. If it answers, that is a conflict
// and users are told; if it does not, the name has moved.
//
//	alive b at 10.0.0.20 ─► ping b at 10.0.0.2 ─┬─ ack ───► conflict, 10.0.0.2 stays
//	                        again, or a stream  └─ silence ► b is at 10.0.0.20
//
// A claim is accepted only under a higher incarnation than the one known: the
// node that came back sees its older record when it joins, and raises its own.
// So a late copy of an old record moves a name back only while that is still
// the higher one and the true address is silent, until the next refutation. The
// name of a dead member moves likewise unless DeadNodeReclaimTime says how long
// it may not.
//
// A check costs two pings, or one and a stream, and one ack timeout. There is
// one at a time for each name, one per ProbeInterval, and after an answer one
// per conflictPause, whatever is claimed. Silence is remembered until the next
// may begin: the first claim of a node that came back is seldom newer, and the
// one that is follows at once.

// conflictPause is how long a known address that has answered is not asked
// again. Claims during that time are conflicts at once.
const conflictPause = 30 * time.Second

// move is a name claimed from another address while the known one is asked.
type move struct {
	seq     uint32
	member  *member
	claim   wire.Alive // its bytes are our own; Port is set
	expires time.Time
	late    bool // asked twice
	stream  dialID
	timer   deadline.Item[timer]
}

// claimed takes in an alive message for m from another address than the one
// known, which it may not simply replace.
func (s *swim) claimed(now time.Time, m *member, a *wire.Alive, port uint16) {
	from := addrPort(a.Addr, port)
	switch {
	case !s.p.has(mechMove) || m.node.State == StateDead && s.p.reclaim > 0:
		s.conflict(m, a, port)
		return
	case from == m.history().previous && a.Incarnation <= m.incarnation:
		return // it was there once; that news is late
	case m.history().move != nil:
		if a.Incarnation > m.history().move.claim.Incarnation {
			m.history().move.claim = claimOf(a, port)
		}
	case now.Before(m.history().checkAgain) && m.history().silent:
		s.moveTo(now, m, a, port)
		return
	case now.Before(m.history().checkAgain):
		s.conflict(m, a, port)
		return
	default:
		s.askKnown(now, m, a, port)
	}
	if m == s.self && a.Incarnation >= s.incarnation {
		s.outdate(now, a.Incarnation)
	}
}

// claimOf copies what a claim says out of the borrowed message.
func claimOf(a *wire.Alive, port uint16) wire.Alive {
	c := *a
	c.Port = port
	c.Addr, c.Meta, c.Vsn = slices.Clone(a.Addr), slices.Clone(a.Meta), slices.Clone(a.Vsn)
	c.Node = nil
	return c
}

// askKnown pings the known address of a name that another one claims. When the
// name is ours, the known address to ask is the other one.
func (s *swim) askKnown(now time.Time, m *member, a *wire.Alive, port uint16) {
	v := &move{seq: s.newSeq(), member: m, claim: claimOf(a, port)}
	h := m.keep()
	h.move, h.silent, h.checkAgain = v, false, now.Add(s.p.probeInterval)
	s.moves[v.seq] = v
	timeout := s.ackTimeout(m)
	v.expires = now.Add(timeout)
	v.timer.Value = timer{kind: timerMove, move: v}
	s.timers.Set(&v.timer, now.Add(timeout/2))
	s.pingKnown(v)
}

// known is where the owner of the name so far lives.
func (s *swim) known(v *move) endpoint {
	if v.member == s.self {
		return endpoint{addr: addrPort(v.claim.Addr, v.claim.Port), name: s.p.name}
	}
	return v.member.endpoint()
}

func (s *swim) pingKnown(v *move) {
	ping := wire.Ping{SeqNo: v.seq, Node: wire.Bytes(v.member.node.Name)}
	if v.member != s.self { // the other owner of our name would answer itself
		ping.SourceAddr, ping.SourcePort, ping.SourceNode = s.source()
	}
	s.send(s.known(v), s.encoded(ping.Append(s.fx.buf)))
}

// moveLate asks once more, or decides.
func (s *swim) moveLate(now time.Time, v *move) {
	if !v.late {
		v.late = true
		s.timers.Set(&v.timer, v.expires)
		if s.streamPings(&v.member.node.Node) {
			v.stream = s.dial(dial{kind: dialPing, to: s.known(v), seq: v.seq, deadline: v.expires}, nil)
			s.dials[v.stream] = pendingDial{kind: dialPing, move: v}
		} else {
			s.pingKnown(v)
		}
		return
	}
	m := v.member
	s.endMove(v)
	if s.deaf(now) || s.table.named(m.node.Name) != m {
		return
	}
	if m == s.self {
		m.keep().previous = addrPort(v.claim.Addr, v.claim.Port)
		return
	}
	m.keep().silent = true
	v.claim.Node = wire.Bytes(m.node.Name)
	s.moveTo(now, m, &v.claim, v.claim.Port)
}

// moveTo lets a name move whose known address is silent. A claim that is not
// newer than what is known waits for one that is: the node that came back
// raises its incarnation when it hears of its older record.
func (s *swim) moveTo(now time.Time, m *member, a *wire.Alive, port uint16) {
	mine, claimed := addrPort(m.node.Addr, m.node.Port), addrPort(a.Addr, port)
	if a.Incarnation <= m.incarnation || claimed == mine {
		return
	}
	s.trace(traceEvent{kind: traceReclaimed, node: m.node.Name, from: fmt.Sprintf("from %v to %v", mine, claimed)})
	m.keep().previous = mine
	s.alive(now, m, a, port)
}

// stillThere ends a check whose answer has come: the name has two owners.
func (s *swim) stillThere(now time.Time, v *move) {
	s.endMove(v)
	v.member.keep().checkAgain = now.Add(conflictPause)
	s.conflict(v.member, &v.claim, v.claim.Port)
}

func (s *swim) endMove(v *move) {
	s.timers.Remove(&v.timer)
	delete(s.moves, v.seq)
	delete(s.dials, v.stream)
	v.member.keep().move = nil
}

// outdate makes our own record newer than one of the same name at another
// address, so that others can tell which one came later.
func (s *swim) outdate(now time.Time, incarnation uint32) {
	if incarnation == math.MaxUint32 {
		return
	}
	s.renew(incarnation)
	s.announce(now)
}

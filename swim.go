package memberlist

import (
	"math/rand/v2"
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
)

// swim is one node's view of the cluster and everything it will do about it.
// It is deterministic: the same inputs in the same order, from the same seed,
// give the same effects. It has no goroutine, lock, clock, socket or logger.
// Not safe for concurrent use; Memberlist.mu guards it.
//
// Its methods come in three kinds. Inputs (start, the handle methods, expire,
// merge, updateMeta, leave, ping, dialed, sendFailed) take the time, which
// never decreases, and leave what they ask for in the effects; bytes passed in
// are borrowed. take hands the effects out. The rest are queries.
type swim struct {
	p           params
	rng         *rand.Rand // the only source of chance
	table       memberTable
	self        *member // nil when an AliveDelegate refused this node
	incarnation uint32
	announced   time.Time // when this node last gossiped about itself
	leaving     bool
	health      awareness
	rtt         roundTrip // of all members together
	extra       int       // probes beyond one per interval, in this interval
	hearing     hearing
	newcomers   newcomers
	flaps       map[string]*flap // names that died lately
	burst       burst
	explained   []*member // those with evidence, in the order in which they came to it
	brake       brake
	merging     bool       // inside merge
	unknown     nodeRecord // the record of a newcomer until it is alive

	heal         healer
	selection    selection
	gossip       gossipQueue
	gossiped     time.Time // when the last gossip round was sent
	gossipRounds int
	gossipPaid   time.Time // until when the rounds sent have used up the budget; past: credit
	gossipOwed   bool      // the Delegate has broadcasts, so the next round uses up budget
	gossipHurry  int       // so many rounds to come have news that is not of newcomers
	hurryPaid    time.Time // gossipPaid of these rounds
	unheard      bool      // nobody was there when this node announced itself

	seq        uint32
	probes     map[uint32]*probe    // ours, in flight, by sequence number
	looks      map[uint32]*lastLook // before burials, by sequence number
	moves      map[uint32]*move     // names claimed from a second address, by sequence number
	relays     map[uint32]*relay    // pings on behalf of others, by our sequence number
	pings      map[uint32]*userPing // Ping calls, by sequence number
	goodbyes   map[uint32]ticket    // members told directly that we leave, by sequence number of the ping
	dials      map[dialID]pendingDial
	syncing    int  // periodic push/pulls in progress
	synced     bool // the exchange after joining has been scheduled
	lastDial   dialID
	lastTicket ticket

	timers        deadline.Queue[timer]
	probeTimer    deadline.Item[timer]
	gossipTimer   deadline.Item[timer]
	pushPullTimer deadline.Item[timer]
	reapTimer     deadline.Item[timer]

	fx effects
}

type timerKind uint8

const (
	timerProbe     timerKind = iota // the next round of the prober
	timerAck                        // a probe's direct ack is late, or its verdict is due
	timerRelay                      // a relayed ping: send the nack, or give up
	timerPing                       // a Ping call runs out
	timerSuspicion                  // a suspicion has not been refuted
	timerGossip
	timerPushPull
	timerReap
	timerHeal
	timerLook // the last ping before a burial is late
	timerMove // the known address of a name claimed from another does not answer
	timerHold // a member that came back too often has stayed long enough
)

// timer is the meaning of a deadline; the pointer that belongs to its kind is set.
type timer struct {
	kind   timerKind
	probe  *probe
	relay  *relay
	ping   *userPing
	look   *lastLook
	move   *move
	flap   *flap
	member *member
}

// newSwim returns a core that knows nobody; rng decides every choice.
func newSwim(p params, rng *rand.Rand) *swim {
	s := &swim{
		p:      p,
		rng:    rng,
		health: awareness{max: p.awarenessMax},
		probes: map[uint32]*probe{},
		looks:  map[uint32]*lastLook{},
		moves:  map[uint32]*move{},
		relays: map[uint32]*relay{},
		flaps:  map[string]*flap{},
		pings:  map[uint32]*userPing{},
		dials:  map[dialID]pendingDial{},
	}
	s.probeTimer.Value.kind = timerProbe
	s.gossipTimer.Value.kind = timerGossip
	s.pushPullTimer.Value.kind = timerPushPull
	s.reapTimer.Value.kind = timerReap
	s.heal.timer.Value.kind = timerHeal
	return s
}

// configure replaces the tunables; the identity stays.
func (s *swim) configure(p params) {
	p.name = s.p.name
	s.p = p
	s.health.max = p.awarenessMax
	if p.gossipInterval <= 0 {
		s.timers.Remove(&s.gossipTimer) // set while there was gossip
	}
}

// start announces self, at incarnation 1, and begins probing, gossip and
// push/pull, each at a random phase so that nodes started together do not act
// together. self is nil when an AliveDelegate refused it: this node then
// watches the cluster without being a member.
func (s *swim) start(now time.Time, self *Node) {
	s.gossiped = now.Add(-s.randomUpTo(s.p.gossipInterval))
	if self != nil {
		s.incarnation = 1
		m := s.table.insert(self.clone(), 1, now, s.rng)
		s.self = m
		s.notify(noticeJoin, m, nil)
		s.trace(traceEvent{kind: traceAlive})
		s.announce(now)
	}
	s.wakeForUser()
	if s.p.probeInterval > 0 {
		s.timers.Set(&s.probeTimer, now.Add(s.randomUpTo(s.p.probeInterval)))
	}
	if s.p.pushPullInterval > 0 {
		s.timers.Set(&s.pushPullTimer, now.Add(s.randomUpTo(s.p.pushPullInterval)+s.pushPullPause()))
	}
}

// expire does everything that is due. Calling it early or twice is harmless;
// calling it late is noticed, and the time lost is not held against others.
func (s *swim) expire(now time.Time) {
	s.checkPause(now)
	for it := s.timers.Pop(now); it != nil; it = s.timers.Pop(now) {
		switch t := it.Value; t.kind {
		case timerProbe:
			s.probeRound(now, it.At())
		case timerAck:
			s.ackLate(now, t.probe)
		case timerRelay:
			s.relayLate(now, t.relay)
		case timerPing:
			s.endPing(t.ping, false, 0)
		case timerSuspicion:
			s.suspicionExpired(now, t.member)
		case timerGossip:
			s.gossipRound(now)
		case timerPushPull:
			s.pushPullRound(now)
		case timerReap:
			s.reap(now)
		case timerHeal:
			s.healRound(now)
		case timerLook:
			s.lookLate(now, t.look)
		case timerMove:
			s.moveLate(now, t.move)
		case timerHold:
			s.holdOver(now, t.flap)
		}
	}
	s.wakeForUser()
}

// nextDeadline is when expire wants to be called; zero when nothing is scheduled.
func (s *swim) nextDeadline() time.Time { return s.timers.Next() }

// healthScore is 0 when this node believes itself healthy, at most awarenessMax-1.
func (s *swim) healthScore() int { return s.health.score }

// queued is the number of membership broadcasts waiting.
func (s *swim) queued() int { return s.gossip.len() }

// counts is the number of table entries by NodeStateType.
func (s *swim) counts() [4]int { return s.table.counts }

// selfNode is the record of this node, nil when it was refused.
func (s *swim) selfNode() *Node {
	if s.self == nil {
		return nil
	}
	return &s.self.node.Node
}

// take swaps the accumulated effects for the caller's empty, reused ones.
func (s *swim) take(fx *effects) { s.fx, *fx = *fx, s.fx }

func (s *swim) trace(e traceEvent) { s.fx.trace = append(s.fx.trace, e) }

// notify tells users of a change of a member, unless it is hidden. was is the
// record that it had before, nil if users do not know that one.
func (s *swim) notify(kind noticeKind, m *member, was *nodeRecord) {
	if !m.rare().hidden {
		s.fx.notices = append(s.fx.notices, notice{kind: kind, node: m.node, was: was})
	}
}

func (s *swim) adjustHealth(delta int) {
	if s.p.has(mechAwareness) && s.health.apply(delta) {
		s.trace(traceEvent{kind: traceHealth, n: s.health.score})
	}
}

func (s *swim) newTicket() ticket {
	s.lastTicket++
	return s.lastTicket
}

// pendingDial is a stream asked for.
type pendingDial struct {
	kind  dialKind
	probe *probe    // dialPing in a probe
	look  *lastLook // dialPing before a burial
	move  *move     // dialPing to the known address of a name
	to    endpoint
}

// dial asks the shell for a stream.
func (s *swim) dial(d dial, p *probe) dialID {
	s.lastDial++
	d.id = s.lastDial
	s.dials[d.id] = pendingDial{kind: d.kind, probe: p, to: d.to}
	s.fx.dials = append(s.fx.dials, d)
	return d.id
}

// newSeq returns a sequence number that nothing in flight uses, also after
// the counter has wrapped. What is in flight is bounded far below its range.
func (s *swim) newSeq() uint32 {
	for {
		s.seq++
		_, healing := s.heal.attempts[s.seq]
		if s.probes[s.seq] == nil && s.looks[s.seq] == nil && s.moves[s.seq] == nil && s.relays[s.seq] == nil && s.pings[s.seq] == nil && s.goodbyes[s.seq] == 0 && !healing {
			return s.seq
		}
	}
}

func (s *swim) randomUpTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(s.rng.Int64N(int64(d)))
}

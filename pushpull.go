package memberlist

import (
	"math"
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// Push/pull exchanges whole tables over a stream. It repairs what gossip
// missed and is how a node joins.

// pushPullScale is the cluster size up to which PushPullInterval holds. Each
// doubling beyond it lengthens the pause by one interval, because the bytes of
// one exchange grow with the cluster too.
const pushPullScale = 32

// pushPullPause is the time between two of our exchanges.
func (s *swim) pushPullPause() time.Duration {
	n := s.table.len()
	if n <= pushPullScale {
		return s.p.pushPullInterval
	}
	times := math.Ceil(math.Log2(float64(n))-math.Log2(pushPullScale)) + 1
	return time.Duration(times) * s.p.pushPullInterval
}

// pushPullRound exchanges tables with a random member. A node that has left
// does not begin any: nobody tells it news, so what it says is old.
func (s *swim) pushPullRound(now time.Time) {
	if s.p.pushPullInterval <= 0 || s.leaving {
		return
	}
	targets := s.choose(max(1, s.p.pushPullNodes), func(m *member) bool { return m != s.self && m.node.State == StateAlive })
	if len(targets) == 0 {
		s.timers.Set(&s.pushPullTimer, now.Add(s.pushPullPause()))
		return
	}
	// dialed sets the timer again, so that one round at most is in flight.
	for _, m := range targets {
		s.syncing++
		s.dial(dial{kind: dialPushPull, to: m.endpoint()}, nil)
	}
}

// newcomerSync is about when a newcomer exchanges tables a second time.
const newcomerSync = time.Second

// syncAgain follows the first exchange that made this node a newcomer with
// another one, soon and with whomever: news that was on its way while it joined
// did not know of it, and gossip is over long before the next regular exchange.
func (s *swim) syncAgain(now time.Time) {
	if s.synced || !s.pushPullTimer.Scheduled() {
		return
	}
	s.synced = true
	s.timers.Set(&s.pushPullTimer, now.Add(newcomerSync+s.randomUpTo(newcomerSync)))
}

// quietJoin is how many times less often than others a node passes on what it
// has learned by joining: those whom it joins know most of that. When hundreds
// join at once through one, they learn of one another both ways, and this saves
// a quarter of the bytes and nobody waits for it.
const quietJoin = 3

// quieten takes most transmissions of what this node has just learned by joining
// for made.
func (s *swim) quieten() {
	told := s.transmitLimit() * (quietJoin - 1) / quietJoin
	for _, m := range s.table.all {
		if m != s.self {
			s.gossip.skip(m, told)
		}
	}
}

// dialed reports how a stream asked for in effects.dials ended. Unknown
// ids are ignored.
func (s *swim) dialed(now time.Time, id dialID, ok bool) {
	d, known := s.dials[id]
	if !known {
		return
	}
	delete(s.dials, id)
	switch d.kind {
	case dialPing:
		if d.probe != nil {
			d.probe.streamAnswered = ok
			if !ok {
				s.note(now, d.probe.member, Evidence{Kind: EvidenceStreamFailed})
			}
		} else if ok && d.look != nil {
			s.spare(now, d.look)
		} else if ok {
			s.stillThere(now, d.move)
		}
	case dialPushPull:
		if s.syncing--; s.syncing == 0 && s.p.pushPullInterval > 0 {
			s.timers.Set(&s.pushPullTimer, now.Add(s.pushPullPause()))
		}
	case dialHeal:
		if ok {
			s.healed(now, d.to)
		}
	case dialSeed:
		s.heal.dialing = false
		if ok {
			s.heal.missing = false
		}
	}
}

// record is a table entry at one moment.
type record struct {
	node        *Node
	incarnation uint32
}

// appendRecords appends every table entry, in the order in which they came: so
// they lie in memory, too, ours and those of whoever learns them from us.
func (s *swim) appendRecords(dst []record) []record {
	dst = slices.Grow(dst, s.table.len())
	for _, m := range s.table.all {
		dst = append(dst, record{&m.node.Node, m.incarnation})
	}
	return dst
}

// state is the record as it is sent. Its byte slices belong to the immutable
// node: they stay valid and are not to be modified.
func (r record) state() wire.NodeState {
	n := r.node
	return wire.NodeState{
		Name: wire.Bytes(n.Name), Addr: n.Addr, Port: n.Port, Meta: n.Meta,
		Incarnation: r.incarnation, State: int(n.State), Vsn: n.vsn(),
	}
}

// compatible says whether this node can take part in the cluster whose states
// are given. It cannot when it and no living member there speak a common
// version: then err says why, and is nil if no member lives there. A few
// incompatible members among others are no reason: merge skips them, so that
// one broken announcement cannot stop a whole cluster's exchanges.
func (s *swim) compatible(remote []wire.NodeState) (ok bool, err error) {
	for i := range remote {
		r := &remote[i]
		if NodeStateType(r.State) != StateAlive || string(r.Name) == s.p.name {
			continue
		}
		reason := s.versionError(r)
		if reason == nil {
			return true, nil
		}
		if err == nil {
			err = reason
		}
	}
	return false, err
}

// versionError says why this node and the one described cannot understand
// each other: each must speak a version that the other understands.
func (s *swim) versionError(r *wire.NodeState) error {
	if len(r.Vsn) < 6 {
		return &VersionError{Node: string(r.Name), Min: ProtocolVersionMin, Max: ProtocolVersionMax}
	}
	pMin, pMax, pCur, dMin, dMax, dCur := r.Vsn[0], r.Vsn[1], r.Vsn[2], r.Vsn[3], r.Vsn[4], r.Vsn[5]
	switch {
	case pCur < ProtocolVersionMin || pCur > ProtocolVersionMax:
		return &VersionError{Node: string(r.Name), Version: pCur, Min: ProtocolVersionMin, Max: ProtocolVersionMax}
	case s.p.protocolVersion < pMin || s.p.protocolVersion > pMax:
		return &VersionError{Node: s.p.name, Version: s.p.protocolVersion, Min: pMin, Max: pMax}
	case dCur < s.p.delegateMin || dCur > s.p.delegateMax:
		return &VersionError{Node: string(r.Name), Delegate: true, Version: dCur, Min: s.p.delegateMin, Max: s.p.delegateMax}
	case s.p.delegateVersion < dMin || s.p.delegateVersion > dMax:
		return &VersionError{Node: s.p.name, Delegate: true, Version: s.p.delegateVersion, Min: dMin, Max: dMax}
	}
	return nil
}

// reserve makes room at once for what is new in a remote table of n entries, of
// which sample is every sampleStep-th, encoded: lists that grow step by step take a sixth of the
// time of a merge, and leave as much garbage as they hold. It returns for how many
// members.
func (s *swim) reserve(sample [][]byte, n int) (members int) {
	unknown := 0
	for _, b := range sample {
		var r wire.NodeState
		if _, err := r.Decode(b); err == nil && NodeStateType(r.State) == StateAlive && s.table.find(r.Name) == nil {
			unknown++
		}
	}
	members = s.table.len() + min(n, unknown*sampleStep)
	members = min(members+members/64+8, maxMembers) // the sample says it roughly
	s.table.reserve(members)
	return members
}

// merge takes in the states of a remote table, after the user's veto. What it
// calls dead is only suspected here, so that the member can refute.
func (s *swim) merge(now time.Time, remote []wire.NodeState) {
	s.heard(now)
	before := s.table.len()
	s.merging = true
	defer func() {
		s.merging = false
		if before == 1 && s.self != nil && len(remote) > 1 && s.p.has(mechQuietJoin) {
			s.quieten()
		}
		if s.table.len() > before {
			s.syncAgain(now)
		}
	}()
	for i := range remote {
		r := &remote[i]
		switch NodeStateType(r.State) {
		case StateAlive:
			if string(r.Name) != s.p.name && s.versionError(r) != nil {
				s.trace(traceEvent{kind: traceVersion, node: string(r.Name[:min(len(r.Name), 64)])})
				continue
			}
			s.handleAlive(now, &wire.Alive{
				Incarnation: r.Incarnation, Node: r.Name, Addr: r.Addr, Port: r.Port, Meta: r.Meta, Vsn: r.Vsn,
			})
		case StateSuspect, StateDead:
			if m := s.table.find(r.Name); m != nil {
				s.hearsay(now, m, r.Incarnation)
			}
		case StateLeft:
			s.handleDead(now, &wire.Dead{Incarnation: r.Incarnation, Node: r.Name, From: r.Name})
		}
	}
}

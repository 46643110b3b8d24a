package memberlist

import (
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/deadline"
	"github.com/swimguard/memberlist/internal/wire"
)

// Healing: members lost by failure, not by leaving, are remembered beyond
// their stay in the table and contacted now and then until they are seen
// again. The two halves of a partition find each other this way, however long
// it lasted, and so does a node that was cut off alone.
//
// Contacting costs one ping to one lost member, chosen at random, per attempt.
// It carries the name, so that a node of another cluster that has got the
// address meanwhile does not answer. An answer is followed by a push/pull, and
// what that brings to light is refuted and gossiped as always.
const (
	maxLost = 256 // lost members remembered; beyond that a random one gives way

	// Attempts begin healFirst·ProbeInterval after a loss; the pause doubles up
	// to HealInterval and is jittered by up to a half of itself either way.
	healFirst = 3

	// With more than this many members each looks more rarely.
	healTogether = 32
)

// lost is a member that we hope to see again.
type lost struct {
	node    *Node
	since   time.Time
	reached bool // it answered once, and is lost all the same
}

// healer is the part of the core that looks for lost members.
type healer struct {
	lost     []lost
	pause    time.Duration       // the last one, before jitter; 0 after a loss
	seeds    bool                // the shell knows addresses that Join was given
	missing  bool                // one of them has never been reached
	dialing  bool                // one of them is being tried
	attempts map[uint32]endpoint // pings out, by sequence number
	timer    deadline.Item[timer]
}

// lose remembers a member declared dead.
func (s *swim) lose(now time.Time, n *Node) {
	if s.p.healInterval <= 0 {
		return
	}
	s.find(n.Name)
	if len(s.heal.lost) < maxLost {
		s.heal.lost = append(s.heal.lost, lost{node: n, since: now})
	} else {
		s.heal.lost[s.rng.IntN(maxLost)] = lost{node: n, since: now}
	}
	s.heal.pause = 0
	s.scheduleHeal(now)
}

// find drops the member of that name from those looked for, and reports
// whether it was among them.
func (s *swim) find(name string) bool {
	before := len(s.heal.lost)
	s.heal.lost = slices.DeleteFunc(s.heal.lost, func(l lost) bool { return l.node.Name == name })
	return len(s.heal.lost) < before
}

// forget makes the core forget a member that is gone: it is no longer looked
// for. It reports whether there was such a member.
func (s *swim) forget(name string) bool { return s.find(name) }

// setSeeds says whether there are addresses to join, and whether one of them
// has not been reached yet.
func (s *swim) setSeeds(now time.Time, seeds, missing bool) {
	s.heal.seeds, s.heal.missing = seeds, missing
	s.heal.pause = 0
	s.scheduleHeal(now)
}

// seedWorthwhile: contacting a seed when all of them are members, or were, and
// somebody is left to talk to, would only cost.
func (s *swim) seedWorthwhile() bool {
	return s.heal.seeds && (s.heal.missing || s.table.live() <= 1)
}

// scheduleHeal sets the time of the next attempt. The pause grows with the
// number of those who look, so that what a lost member receives from all of
// them together does not depend on the size of the cluster.
func (s *swim) scheduleHeal(now time.Time) {
	h := &s.heal
	if s.leaving || s.p.healInterval <= 0 || len(h.lost) == 0 && !s.seedWorthwhile() {
		s.timers.Remove(&h.timer)
		return
	}
	longest := s.p.healInterval * time.Duration(1+s.table.live()/healTogether)
	if h.pause == 0 {
		h.pause = max(healFirst*s.p.probeInterval, time.Second)
	} else {
		h.pause *= 2
	}
	h.pause = min(h.pause, longest)
	due := now.Add(h.pause/2 + s.randomUpTo(h.pause))
	// A new loss brings the next attempt closer but never puts it off, or a
	// steady trickle of failures would keep us from ever looking.
	if !h.timer.Scheduled() || due.Before(h.timer.At()) {
		s.timers.Set(&h.timer, due)
	}
}

// healRound contacts one lost member, or a seed.
func (s *swim) healRound(now time.Time) {
	h := &s.heal
	clear(h.attempts) // whoever has not answered by now is not there
	h.lost = slices.DeleteFunc(h.lost, func(l lost) bool { return now.Sub(l.since) > s.p.healFor })
	choices := len(h.lost)
	// To try one can take TCPTimeout for each of its addresses.
	if s.seedWorthwhile() && !h.dialing {
		choices++
	}
	if choices == 0 {
		s.scheduleHeal(now)
		return
	}
	if i := s.rng.IntN(choices); i < len(h.lost) {
		n := h.lost[i].node
		to := endpoint{addr: addrPort(n.Addr, n.Port), name: n.Name}
		seq := s.newSeq()
		if h.attempts == nil {
			h.attempts = map[uint32]endpoint{}
		}
		h.attempts[seq] = to
		s.send(to, s.encoded(s.appendPing(s.fx.buf, seq, wire.Bytes(n.Name)))).checksum = n.PMax >= 5
	} else {
		h.dialing = true
		s.dial(dial{kind: dialSeed}, nil)
	}
	s.scheduleHeal(now)
}

// healed follows a push/pull with a member that was lost. Both sides have by
// now refuted what the other said about them. We tell it directly, because it
// may not be a member here yet that gossip would reach.
func (s *swim) healed(now time.Time, to endpoint) {
	if s.self == nil || s.leaving {
		return
	}
	// There may be more to find. But one that answers and is never taken for a
	// member again, because a delegate refuses it, is looked for ever more rarely.
	i := slices.IndexFunc(s.heal.lost, func(l lost) bool { return l.node.Name == to.name })
	if i < 0 || !s.heal.lost[i].reached {
		s.heal.pause = 0
		s.scheduleHeal(now)
	}
	if i >= 0 {
		s.heal.lost[i].reached = true
	}
	s.send(to, s.encoded(s.appendSelf(s.fx.buf)))
}

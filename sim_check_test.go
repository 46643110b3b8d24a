package memberlist

import (
	"bytes"
	"fmt"

	"github.com/swimguard/memberlist/internal/deadline"
	"github.com/swimguard/memberlist/internal/wire"
)

// simChecker watches the rules that must hold after every step of every node,
// whatever the network does.
type simChecker struct {
	c    *simCluster
	seen []map[*member]simSeen // by node: what each entry said after the last step
}

// simSeen is what may only change in one direction.
type simSeen struct {
	incarnation uint32
	port        uint16
	life        int // of the process that has the entry
	gone        bool
}

func newSimChecker(c *simCluster) *simChecker { return &simChecker{c: c} }

// left takes in that a member went during a step: one push/pull may say that it
// left and that its name has another owner.
func (k *simChecker) left(n *simNode, name string) {
	if n.i >= len(k.seen) {
		return
	}
	m := n.core.table.named(name)
	if old, known := k.seen[n.i][m]; known {
		old.gone = true
		k.seen[n.i][m] = old
	}
}

// node checks one node after a step of its own.
func (k *simChecker) node(n *simNode) {
	for len(k.seen) < len(k.c.nodes) {
		k.seen = append(k.seen, map[*member]simSeen{})
	}
	s := n.core
	k.self(n)
	seen := k.seen[n.i]
	var counts [4]int
	var suspicions, probed, looks, listed int
	for _, m := range s.table.all {
		counts[m.node.State]++
		if s.table.named(m.node.Name) != m {
			k.c.broken(n, "%s is in the ring but not found by its name", m.node.Name)
		}
		k.suspicion(n, m)
		if m.rare().suspicion != nil {
			suspicions++
			if m.rare().suspicion.look != nil {
				looks++
			}
		}
		if m.rare().probe != nil {
			probed++
		}
		old, known := seen[m]
		if known && old.life == n.life && old.port == m.node.Port && m.incarnation < old.incarnation {
			k.c.broken(n, "incarnation of %s fell from %d to %d", m.node.Name, old.incarnation, m.incarnation)
		}
		// While packets get lost, silence at the true address may be believed.
		if other := k.c.nodeOf(m.node.Name); k.c.net.Now() > k.c.quiet && known && old.life == n.life && old.port != m.node.Port && !old.gone && other.up && other.port == old.port {
			k.c.broken(n, "%s moved from port %d, where it is, to %d", m.node.Name, old.port, m.node.Port)
		}
		seen[m] = simSeen{m.incarnation, m.node.Port, n.life, m.gone()}
		if joined := n.events[m.node.Name]; joined == (m.gone() || m.rare().hidden) {
			k.c.broken(n, "%s is %s but the last event said joined=%v", m.node.Name, stateName(m.node.State), joined)
		}
		if place := int(m.node.place); place > 0 {
			if listed++; place > len(n.view.nodes) || n.view.nodes[place-1] != &m.node.Node {
				k.c.broken(n, "%s is not where it believes to be listed", m.node.Name)
			}
		} else if !m.gone() && !m.rare().hidden {
			k.c.broken(n, "the record of %s is not what is listed", m.node.Name)
		}
	}
	if len(seen) > 4*len(k.c.nodes) {
		clear(seen) // entries long reaped
	}
	if listed != len(n.view.nodes) {
		k.c.broken(n, "%d of %d listed records are current", listed, len(n.view.nodes))
	}
	if counts != s.table.counts {
		k.c.broken(n, "table counts %v, has %v", s.table.counts, counts)
	}
	for seq, p := range s.probes {
		if seq != p.seq && seq != p.again || s.probes[p.seq] != p {
			k.c.broken(n, "a probe of %s has lost its number", p.member.node.Name)
		}
		if seq != p.seq {
			continue
		}
		if s.table.named(p.member.node.Name) != p.member {
			probed++ // reaped meanwhile
		}
		if p.member.rare().probe != p || !p.timer.Scheduled() {
			k.c.broken(n, "a probe of %s has lost its member or its deadline", p.member.node.Name)
		}
	}
	if probes := s.probing(); probed != probes {
		k.c.broken(n, "%d members are being probed by %d probes", probed, probes)
	}
	if looks != len(s.looks) {
		k.c.broken(n, "%d suspects have a last look, of which %d are out", looks, len(s.looks))
	}
	k.bounds(n, suspicions)
	k.forget(n)
}

// self checks what a node believes about itself.
func (k *simChecker) self(n *simNode) {
	s := n.core
	if s.self == nil || s.table.named(n.name) != s.self {
		k.c.broken(n, "has lost itself")
		return
	}
	if want := StateAlive; !s.leaving && s.self.node.State != want {
		k.c.broken(n, "believes itself %s", stateName(s.self.node.State))
	}
	if s.self.incarnation != s.incarnation {
		k.c.broken(n, "own incarnation %d, in the table %d", s.incarnation, s.self.incarnation)
	}
	if s.health.score < 0 || s.health.score >= max(1, s.p.awarenessMax) {
		k.c.broken(n, "health score %d", s.health.score)
	}
}

// suspicion checks that a suspect has exactly one deadline and others none.
func (k *simChecker) suspicion(n *simNode, m *member) {
	if (m.rare().suspicion != nil) != (m.node.State == StateSuspect) {
		k.c.broken(n, "%s is %s with suspicion %v", m.node.Name, stateName(m.node.State), m.rare().suspicion != nil)
		return
	}
	if sp := m.rare().suspicion; sp != nil {
		if !sp.timer.Scheduled() || sp.timer.Value.member != m {
			k.c.broken(n, "the suspicion of %s has no deadline of its own", m.node.Name)
		}
		// The last look begins an ack timeout before the end, which may have been
		// another when that was decided. A deaf node waits longer, until it hears
		// again or the shortest timeout has passed.
		late, p := sp.timer.At().Sub(sp.deadline()), &n.core.p
		if late < 0 && (n.core.mayLook(sp) && -late <= p.probeTimeout || sp.timer.At().Equal(sp.start)) {
			late = 0
		}
		_, shortest, _ := suspicionTimes(p.suspicionMult, p.suspicionMaxMult, n.largest, p.probeInterval)
		// A late accuser may bring the end to where it is past: it is now then, or at
		// a node that has been deaf within an interval.
		end := k.c.now(n)
		if !n.core.hearing.lost.IsZero() {
			end = end.Add(max(p.probeInterval, p.probeTimeout))
		}
		if late > 0 && !sp.timer.At().After(end) {
			late = 0
		}
		if sp.look == nil && (late < 0 || late > 0 && n.core.hearing.lost.IsZero() || late > shortest+max(p.probeInterval, p.probeTimeout)) {
			k.c.broken(n, "the suspicion of %s ends at %v, not at its deadline %v", m.node.Name, sp.timer.At(), sp.deadline())
		}
		if sp.look != nil && (sp.look.member != m || n.core.looks[sp.look.seq] != sp.look) {
			k.c.broken(n, "the last look at %s is lost", m.node.Name)
		}
		if len(sp.from) > sp.k {
			k.c.broken(n, "the suspicion of %s counts %d of %d accusers", m.node.Name, len(sp.from), sp.k)
		}
	}
}

// bounds checks that nothing grows beyond what there is to know.
func (k *simChecker) bounds(n *simNode, suspicions int) {
	s := n.core
	n.largest = max(n.largest, s.table.len())
	if s.table.len() > len(k.c.nodes) || s.table.len() != s.table.names.len() {
		k.c.broken(n, "%d entries, %d names, in a cluster of %d", s.table.len(), s.table.names.len(), len(k.c.nodes))
	}
	if s.queued() > len(k.c.nodes) {
		k.c.broken(n, "%d messages queued about %d names", s.queued(), len(k.c.nodes))
	}
	timers := suspicions + s.probing() + len(s.relays) + len(s.pings) + len(s.moves)
	for _, l := range s.heal.lost {
		if m := s.table.named(l.node.Name); m != nil && !m.gone() {
			k.c.broken(n, "still looks for %s, which is here", l.node.Name)
		}
	}
	for _, t := range []*deadline.Item[timer]{&s.probeTimer, &s.gossipTimer, &s.pushPullTimer, &s.reapTimer, &s.heal.timer} {
		if t.Scheduled() {
			timers++
		}
	}
	hidden := 0
	for _, f := range s.flaps {
		if f.timer.Scheduled() {
			timers++
			hidden++
			if m := s.table.named(f.name); m == nil || !m.rare().hidden || m.gone() {
				k.c.broken(n, "%s is held down though it is not here", f.name)
			}
		}
	}
	for _, m := range s.table.all {
		if m.rare().hidden {
			hidden--
		}
	}
	if len(s.flaps) > maxFlaps || hidden != 0 && !s.p.confirmNewcomers {
		k.c.broken(n, "%d names have a penalty, %d more are held down than hidden", len(s.flaps), hidden)
	}
	for _, l := range s.looks {
		if l.timer.Scheduled() {
			timers++
		}
	}
	if timers != s.timers.Len() {
		k.c.broken(n, "%d deadlines for %d reasons", s.timers.Len(), timers)
	}
	if s.queued() > 0 && s.p.gossipInterval > 0 && s.p.gossipNodes > 0 && !s.gossipTimer.Scheduled() {
		k.c.broken(n, "%d messages queued and no gossip round to come", s.queued())
	}
	// One stream for each probe and last look at most, one push/pull, and what
	// healing has begun while a stream lasts.
	if len(s.dials) > s.probing()+len(s.looks)+len(s.moves)+simMaxHeals {
		k.c.broken(n, "%d streams for %d probes and %d last looks", len(s.dials), len(s.probes), len(s.looks))
	}
	if len(s.heal.lost) > maxLost || len(s.heal.attempts) > 1 {
		k.c.broken(n, "%d lost members, %d attempts to reach them", len(s.heal.lost), len(s.heal.attempts))
	}
	if tiers := s.gossip.queue.tiers; len(tiers) > 0 {
		if most, limit := int(tiers[len(tiers)-1].transmits), k.limit(n); most >= limit {
			k.c.broken(n, "news stays queued after %d of %d transmissions", most, limit)
		}
	}
}

func (k *simChecker) limit(n *simNode) int { return transmitLimit(n.core.p.retransmitMult, n.largest) }

// simMaxHeals is how many streams besides probes may be under way: one
// push/pull, and those of healing, of which one begins every second at most.
const simMaxHeals = 16

// probing is the number of probes in flight; some are there under two numbers.
func (s *swim) probing() (probes int) {
	for seq, p := range s.probes {
		if seq == p.seq {
			probes++
		}
	}
	return probes
}

// simSent is how often a message has been sent while it was queued as the
// latest news about the member of that name. The same words can be queued
// again: then they have another place in the queue.
type simSent struct {
	about string
	place uint64 // the id of the queue's entry; 0 until the step is over
	times int
}

// datagram counts the transmissions of each queued message. Not counted is
// what a member is told directly: about itself, with pings and answers (the
// buddy system), or about us, when it was lost and has been found, or when we
// leave.
func (k *simChecker) datagram(n *simNode, d *datagram, msgs [][]byte) {
	n.largest = max(n.largest, n.core.table.len())
	for _, msg := range msgs {
		about, err := subject(msg)
		if err != nil {
			k.c.broken(n, "sends an unreadable message: %v", err)
		}
		goodbye := about == n.name && n.core.leaving && wire.Type(msgs[0][0]) == wire.TypePing
		if about == "" || about == d.to.name || goodbye || len(msgs) == 1 && !d.ifAny {
			continue
		}
		s := n.sent[string(msg)]
		s = simSent{about, s.place, s.times + 1}
		n.sent[string(msg)] = s
		limit := k.limit(n)
		if e := n.newsOf(about); e != nil && s.place != 0 && s.place != e.id && string(e.value.appendTo(nil)) == string(msg) {
			limit += int(e.transmits) // it was sent for the last time and queued anew in one step
		}
		if s.times > limit {
			k.c.broken(n, "sends %q the %d. time of %d", messageText(msg), s.times, limit)
		}
	}
}

// newsOf is what is queued about the member of that name, if anything.
func (n *simNode) newsOf(name string) *entry[news] {
	if m := n.core.table.named(name); m != nil {
		return m.news
	}
	return nil
}

// forget stops counting what is no longer queued. The same words may be queued
// again, at once by a node that has to repeat its refutation, and later about a
// member that was forgotten and came back.
func (k *simChecker) forget(n *simNode) {
	for msg, s := range n.sent {
		e := n.newsOf(s.about)
		switch {
		case e == nil || string(e.value.appendTo(nil)) != msg:
			delete(n.sent, msg)
		case s.place != e.id: // of those in this step, some may belong to an earlier place
			n.sent[msg] = simSent{s.about, e.id, min(s.times, int(e.transmits))}
		}
	}
}

// subject is whom news is about, empty when the message is no news.
func subject(msg []byte) (string, error) {
	switch body := msg[1:]; wire.Type(msg[0]) {
	case wire.TypeAlive:
		var m wire.Alive
		_, err := m.Decode(body)
		return string(m.Node), err
	case wire.TypeSuspect:
		var m wire.Suspect
		_, err := m.Decode(body)
		return string(m.Node), err
	case wire.TypeDead:
		var m wire.Dead
		_, err := m.Decode(body)
		return string(m.Node), err
	}
	return "", nil
}

// truth is the nodes that run and mean to be members.
func (c *simCluster) truth() []*simNode {
	var live []*simNode
	for _, n := range c.nodes {
		if n.up && !n.leaving {
			live = append(live, n)
		}
	}
	return live
}

// disagreement says where one of the nodes given does not see exactly these
// nodes, as they are; it is empty when they all agree.
func (c *simCluster) disagreement(nodes []*simNode) string {
	in := map[*simNode]bool{}
	for _, n := range nodes {
		in[n] = true
	}
	for _, n := range nodes {
		seen := 0
		for _, m := range n.core.table.all {
			if m.gone() {
				continue
			}
			other := c.nodeAt(m.endpoint().addr)
			switch {
			case other == nil || other.name != m.node.Name || !in[other]:
				return fmt.Sprintf("%s sees %s %s at %v", n.name, m.node.Name, stateName(m.node.State), m.endpoint())
			case m.node.State != StateAlive:
				return fmt.Sprintf("%s suspects %s", n.name, other.name)
			case m.incarnation != other.core.incarnation || !bytes.Equal(m.node.Meta, other.core.self.node.Meta):
				return fmt.Sprintf("%s knows %s at incarnation %d, which is at %d", n.name, other.name, m.incarnation, other.core.incarnation)
			}
			seen++
		}
		if seen != len(nodes) {
			return fmt.Sprintf("%s sees %d of %d members", n.name, seen, len(nodes))
		}
	}
	return ""
}

// components groups the nodes given by who has a true entry, not gone, about
// whom: along these lines news can travel.
func (c *simCluster) components(nodes []*simNode) [][]*simNode {
	group := map[*simNode]int{}
	for i, n := range nodes {
		group[n] = i
	}
	for _, n := range nodes {
		for _, m := range n.core.table.all {
			other := c.nodeAt(m.endpoint().addr)
			if m.gone() || other == nil || other.name != m.node.Name {
				continue
			}
			if to, ok := group[other]; ok && to != group[n] {
				from := group[n]
				for x, g := range group {
					if g == from {
						group[x] = to
					}
				}
			}
		}
	}
	byGroup := map[int][]*simNode{}
	for _, n := range nodes {
		byGroup[group[n]] = append(byGroup[group[n]], n)
	}
	var out [][]*simNode
	for _, n := range nodes {
		if g := byGroup[group[n]]; g[0] == n {
			out = append(out, g)
		}
	}
	return out
}

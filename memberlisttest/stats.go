package memberlisttest

import (
	"fmt"
	"strings"
)

// Stats count what a network, or a part of it, has done since it was made.
// Bytes are payload, without any header.
type Stats struct {
	Sent           uint64 // packets written by nodes
	SentBytes      uint64
	Duplicated     uint64 // copies made by the network
	Delivered      uint64 // packets handed over, copies included
	DeliveredBytes uint64
	Dropped        Drops

	Dials       uint64 // streams that were attempted
	DialsFailed uint64 // those that were refused or given up
	StreamBytes uint64 // bytes written to streams
}

// Drops count packets that were not delivered, by reason.
type Drops struct {
	Loss      uint64 // Faults.Loss
	Cut       uint64 // Network.Cut or Network.Partition
	NoNode    uint64 // nobody at that address, or shut down before it arrived
	Inbox     uint64 // the receiver's inbox was full: it does not read, or is paused
	Outbox    uint64 // the paused sender's outbox was full
	Paused    uint64 // Network.DropBacklog
	Bandwidth uint64 // too many bytes were before it
	Sender    uint64 // the sender was shut down while paused
}

// Total is the sum over all reasons.
func (d Drops) Total() uint64 {
	return d.Loss + d.Cut + d.NoNode + d.Inbox + d.Outbox + d.Paused + d.Bandwidth + d.Sender
}

// Pending is the number of packets that are under way or wait for a paused node.
func (s Stats) Pending() uint64 {
	return s.Sent + s.Duplicated - s.Delivered - s.Dropped.Total()
}

// String is one line with everything that is not zero, for test logs.
func (s Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sent %d (%d bytes), delivered %d (%d bytes)", s.Sent, s.SentBytes, s.Delivered, s.DeliveredBytes)
	for _, c := range []struct {
		name  string
		count uint64
	}{
		{"duplicated", s.Duplicated}, {"pending", s.Pending()},
		{"lost", s.Dropped.Loss}, {"cut", s.Dropped.Cut}, {"to nobody", s.Dropped.NoNode}, {"inbox full", s.Dropped.Inbox},
		{"outbox full", s.Dropped.Outbox}, {"backlog dropped", s.Dropped.Paused},
		{"over bandwidth", s.Dropped.Bandwidth}, {"sender gone", s.Dropped.Sender},
		{"dials", s.Dials}, {"dials failed", s.DialsFailed}, {"stream bytes", s.StreamBytes},
	} {
		if c.count > 0 {
			fmt.Fprintf(&b, ", %s %d", c.name, c.count)
		}
	}
	return b.String()
}

func (s *Stats) add(o *Stats) {
	s.Sent += o.Sent
	s.SentBytes += o.SentBytes
	s.Duplicated += o.Duplicated
	s.Delivered += o.Delivered
	s.DeliveredBytes += o.DeliveredBytes
	s.Dropped.Loss += o.Dropped.Loss
	s.Dropped.Cut += o.Dropped.Cut
	s.Dropped.NoNode += o.Dropped.NoNode
	s.Dropped.Inbox += o.Dropped.Inbox
	s.Dropped.Outbox += o.Dropped.Outbox
	s.Dropped.Paused += o.Dropped.Paused
	s.Dropped.Bandwidth += o.Dropped.Bandwidth
	s.Dropped.Sender += o.Dropped.Sender
	s.Dials += o.Dials
	s.DialsFailed += o.DialsFailed
	s.StreamBytes += o.StreamBytes
}

// Stats is the sum over all links.
func (n *Network) Stats() Stats {
	return n.sum(func(linkKey) bool { return true })
}

// StatsFrom is the sum over the links from a node: what it sent, and what
// became of it.
func (n *Network) StatsFrom(name string) Stats {
	return n.sum(func(k linkKey) bool { return k.from == name })
}

// StatsTo is the sum over the links to a node: what was sent to it, and what
// it got.
func (n *Network) StatsTo(name string) Stats {
	return n.sum(func(k linkKey) bool { return k.to == name })
}

// LinkStats is what one node sent to another. What was sent to addresses that
// no node ever had counts under the empty name.
func (n *Network) LinkStats(from, to string) Stats {
	return n.sum(func(k linkKey) bool { return k == linkKey{from, to} })
}

func (n *Network) sum(include func(linkKey) bool) Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	var sum Stats
	for key, l := range n.links {
		if include(key) {
			sum.add(&l.stats)
		}
	}
	return sum
}

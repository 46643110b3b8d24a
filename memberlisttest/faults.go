package memberlisttest

import (
	"time"
)

// Faults are what one direction of a link does to what travels on it. The
// zero value delivers everything at once. Values out of range count as the
// nearest value in range.
type Faults struct {
	// Latency is how long everything takes, streams included. Dialing takes
	// it in both directions.
	Latency time.Duration

	// Jitter is the most that is added to Latency, evenly distributed.
	// Packets whose delays cross arrive out of order; streams keep theirs.
	Jitter time.Duration

	// Loss is the chance, from 0 to 1, that a packet does not arrive. Streams
	// lose nothing: Loss 1 in both directions is a link that passes streams
	// only, like a firewall that blocks UDP.
	Loss float64

	// Duplicate is the chance that a packet arrives twice. The copy has its
	// own delay.
	Duplicate float64

	// Reorder is the chance that a packet, or its copy, takes up to ReorderBy
	// longer, so that later ones overtake it.
	Reorder float64

	// ReorderBy is the longest detour of a reordered packet. Zero means 10 ms.
	ReorderBy time.Duration

	// Bandwidth is how many bytes a second pass, packets and streams
	// together; zero is without limit. What has to wait its turn is delayed;
	// a packet that would wait more than two seconds is dropped.
	Bandwidth int

	// BlockStreams stops streams as a cut does, while packets pass.
	BlockStreams bool
}

const defaultReorderBy = 10 * time.Millisecond

func (f Faults) valid() Faults {
	f.Latency = max(f.Latency, 0)
	f.Jitter = max(f.Jitter, 0)
	f.Loss = chance(f.Loss)
	f.Duplicate = chance(f.Duplicate)
	f.Reorder = chance(f.Reorder)
	if f.ReorderBy <= 0 {
		f.ReorderBy = defaultReorderBy
	}
	f.Bandwidth = max(f.Bandwidth, 0)
	return f
}

// chance makes p a probability; not a number is zero.
func chance(p float64) float64 {
	if !(p > 0) {
		return 0
	}
	return min(p, 1)
}

// topology is who can reach whom, and how well. Network.mu guards it.
type topology struct {
	faults Faults
	byLink map[linkKey]Faults
	cuts   map[linkKey]struct{}
	groups map[string]int // nil: no partition; absent: the rest, group 0
	paused map[string]struct{}
}

// cut reports whether nothing passes from one node to another.
func (t *topology) cut(from, to string) bool {
	if len(t.cuts) > 0 {
		for _, k := range patterns(from, to) {
			if _, ok := t.cuts[k]; ok {
				return true
			}
		}
	}
	return t.groups != nil && t.groups[from] != t.groups[to]
}

// streamBlocked reports whether a stream's bytes stand still.
func (t *topology) streamBlocked(from, to string) bool {
	return t.isPaused(from) || t.isPaused(to) || t.cut(from, to) || t.on(from, to).BlockStreams
}

func (t *topology) isPaused(name string) bool {
	_, ok := t.paused[name]
	return ok
}

// on is the faults of a link: the most specific that were set.
func (t *topology) on(from, to string) Faults {
	if len(t.byLink) > 0 {
		for _, k := range patterns(from, to) {
			if f, ok := t.byLink[k]; ok {
				return f
			}
		}
	}
	return t.faults
}

// patterns are the keys under which a rule for a link can be found, the most
// specific first.
func patterns(from, to string) [4]linkKey {
	return [4]linkKey{{from, to}, {from, Any}, {Any, to}, {Any, Any}}
}

// SetFaults replaces the faults of every link that has none of its own.
// Packets under way keep the delay they were sent with.
func (n *Network) SetFaults(f Faults) {
	n.change(func(time.Time) { n.topology.faults = f.valid() })
}

// SetLink gives the link from one node to another faults of its own; the way
// back is another link. Either may be [Any]. The most specific rule holds:
// SetLink(a, b) before SetLink(a, Any), SetLink(Any, b), SetLink(Any, Any)
// and SetFaults. The nodes need not exist yet.
func (n *Network) SetLink(from, to string, f Faults) {
	n.change(func(time.Time) {
		if n.topology.byLink == nil {
			n.topology.byLink = make(map[linkKey]Faults)
		}
		n.topology.byLink[linkKey{from, to}] = f.valid()
	})
}

// ResetLink undoes the SetLink with the same arguments, if there was one.
func (n *Network) ResetLink(from, to string) {
	n.change(func(time.Time) { delete(n.topology.byLink, linkKey{from, to}) })
}

// Cut stops everything from one node to another; the way back stays open.
// Either may be [Any]: Cut(name, Any) makes a node mute, Cut(Any, name) deaf,
// also towards a namesake. From the moment it returns nothing arrives any
// more, not even what is under way: packets are dropped, and the bytes of
// streams wait for the link to be mended. Dialing takes both directions.
func (n *Network) Cut(from, to string) {
	n.change(func(time.Time) {
		if n.topology.cuts == nil {
			n.topology.cuts = make(map[linkKey]struct{})
		}
		n.topology.cuts[linkKey{from, to}] = struct{}{}
	})
}

// Mend undoes the Cut with the same arguments, if there was one.
func (n *Network) Mend(from, to string) {
	n.change(func(time.Time) { delete(n.topology.cuts, linkKey{from, to}) })
}

// Partition lets nodes reach only those of their own group, in both
// directions, as if every pair of groups had been cut. The nodes that are in
// no group, also those still to come, form one more. So Partition([]string{"a"})
// isolates a. It replaces an earlier partition and leaves single cuts in
// place. A name in several groups belongs to the last; without groups there is
// no partition.
func (n *Network) Partition(groups ...[]string) {
	n.change(func(time.Time) {
		n.topology.groups = nil
		for i, group := range groups {
			if n.topology.groups == nil {
				n.topology.groups = make(map[string]int)
			}
			for _, name := range group {
				n.topology.groups[name] = i + 1
			}
		}
	})
}

// Heal undoes every Cut and Partition. Faults and pauses stay.
func (n *Network) Heal() {
	n.change(func(time.Time) {
		n.topology.cuts, n.topology.groups = nil, nil
	})
}

// Pause stops a node's network as if the machine were suspended: what is sent
// to it waits at its door and what it sends waits inside, at most
// [Options.Inbox] packets each way, until [Network.Resume]. Its streams stand
// still; dialing it, or from it, waits. Packets that were handed to PacketCh
// or sent before are out of reach. The node's own timers run on, since they
// are not the network's: to the node it looks as if everybody else had
// stopped. The node need not exist yet.
func (n *Network) Pause(name string) {
	n.change(func(time.Time) {
		if n.topology.paused == nil {
			n.topology.paused = make(map[string]struct{})
		}
		n.topology.paused[name] = struct{}{}
	})
}

// Resume ends a Pause. What waited is delivered and sent in order, at once;
// call [Network.DropBacklog] before to throw it away.
func (n *Network) Resume(name string) {
	n.change(func(now time.Time) {
		if !n.topology.isPaused(name) {
			return
		}
		delete(n.topology.paused, name)
		for _, t := range n.named(name) {
			t.release(now)
		}
	})
}

// DropBacklog throws away the packets that wait because the node is paused,
// in both directions, and returns how many they were. Drops.Paused counts them.
func (n *Network) DropBacklog(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	dropped := 0
	for _, t := range n.named(name) {
		dropped += t.dropBacklog()
	}
	return dropped
}

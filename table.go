package memberlist

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// member is what this node believes about one node, itself included.
type member struct {
	node        *Node // the published record with the state: replaced on change, never modified
	incarnation uint32
	rank        uint32       // upper half of rankOf its name
	place       int32        // where users see it; the published list's own, which guards it
	hidden      bool         // users are not told of it
	probe       *probe       // ours, in flight
	rtt         roundTrip    // how fast it answers
	nackTime    roundTrip    // from asking it for help to its nack
	since       time.Time    // when the state last changed
	suspicion   *suspicion   // non-nil exactly while the state is StateSuspect
	news        *entry[news] // to be gossiped; nil: nothing
	kept        *history     // what few members give reason to keep; nil: nothing
}

// history is what a member leaves behind that was in doubt, or moved.
type history struct {
	move       *move          // the name is claimed from another address, and this one asked
	checkAgain time.Time      // before, it is not asked again
	silent     bool           // it did not answer then, and nothing newer was heard of it
	previous   netip.AddrPort // where the name was before it moved here
	evidence   []Evidence     // since the member was last in doubt, at most maxEvidence
}

// history is for reading.
func (m *member) history() history {
	if m.kept == nil {
		return history{}
	}
	return *m.kept
}

// keep is the history to write to.
func (m *member) keep() *history {
	if m.kept == nil {
		m.kept = new(history)
	}
	return m.kept
}

// gone reports that the member is dead or has left.
func (m *member) gone() bool { return m.node.State >= StateDead }

// endpoint is where the member listens.
func (m *member) endpoint() endpoint {
	return endpoint{addr: addrPort(m.node.Addr, m.node.Port), name: m.node.Name}
}

// addrPort is the address in its one canonical form: the same IPv4 address in
// 4 and in 16 bytes is equal. It is invalid unless ip has one of these lengths.
func addrPort(ip []byte, port uint16) netip.AddrPort {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), port)
}

// memberTable holds every member known, the dead and left ones included until
// they are reaped. Orders are lists of places in all: they take half the memory
// of pointers, and the garbage collector need not look at them.
type memberTable struct {
	byName map[string]*member
	all    []*member // in the order in which they came; iterate this, never the map
	ring   []uint32  // all in probe order
	next   int       // index into ring of the next probe target
	ranked []uint32  // all by rank; see byRank
	sorted int       // so many of ranked are in order, then newcomers follow
	counts [4]int    // members by NodeStateType
	picked []*member // scratch of pick
}

func (t *memberTable) len() int { return len(t.all) }

// live is the number of members that are alive or suspect.
func (t *memberTable) live() int { return t.counts[StateAlive] + t.counts[StateSuspect] }

// insert adds a member at a random place of the ring, so that a newcomer is
// probed within one round and nobody's round is predictable (SWIM, section 4.3).
func (t *memberTable) insert(n *Node, incarnation uint32, now time.Time, rng *rand.Rand) *member {
	m := &member{node: n, incarnation: incarnation, rank: uint32(rankOf(n.Name) >> 32), since: now}
	t.byName[n.Name] = m
	place := uint32(len(t.all))
	t.all = append(t.all, m)
	t.ring = append(t.ring, place)
	i, last := rng.IntN(len(t.ring)), len(t.ring)-1
	t.ring[i], t.ring[last] = t.ring[last], t.ring[i]
	t.ranked = append(t.ranked, place)
	t.counts[n.State]++
	return m
}

// byRank returns all members in an order that is the same at every node and has
// nothing to do with the order of names, which often follows racks and roles.
// Newcomers are sorted in when somebody asks, not one by one: that would move
// half of a large table for each of them.
func (t *memberTable) byRank() []uint32 {
	if t.sorted == len(t.ranked) {
		return t.ranked
	}
	fresh := slices.Clone(t.ranked[t.sorted:])
	slices.SortFunc(fresh, func(a, b uint32) int { return t.all[a].compareRank(t.all[b]) })
	// Merged from behind, where there is room.
	old, at := t.sorted, len(t.ranked)
	for len(fresh) > 0 {
		at--
		if last := fresh[len(fresh)-1]; old == 0 || t.all[t.ranked[old-1]].compareRank(t.all[last]) < 0 {
			t.ranked[at], fresh = last, fresh[:len(fresh)-1]
		} else {
			old--
			t.ranked[at] = t.ranked[old]
		}
	}
	t.sorted = len(t.ranked)
	return t.ranked
}

// after is the member so many places after m in the order of ranks, which
// begins again at its end. m must be in the table.
func (t *memberTable) after(m *member, distance int) *member {
	ranked := t.byRank()
	at, _ := slices.BinarySearchFunc(ranked, m, func(place uint32, m *member) int { return t.all[place].compareRank(m) })
	return t.all[ranked[(at+distance)%len(ranked)]]
}

// compareRank compares the members' ranks, of which rank is the upper half, and
// for the sake of completeness their names.
func (m *member) compareRank(other *member) int {
	if m.rank != other.rank {
		return cmp.Compare(m.rank, other.rank)
	}
	return cmp.Or(cmp.Compare(rankOf(m.node.Name), rankOf(other.node.Name)), cmp.Compare(m.node.Name, other.node.Name))
}

// rankOf is FNV-1a.
func rankOf(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// set replaces the member's record.
func (t *memberTable) set(m *member, n *Node, now time.Time) {
	if n.State != m.node.State {
		t.counts[m.node.State]--
		t.counts[n.State]++
		m.since = now
	}
	m.node = n
}

// removeIf drops every member for which drop says so, keeping all orders.
func (t *memberTable) removeIf(drop func(*member) bool) {
	const gone = math.MaxUint32
	kept, places := t.all[:0], make([]uint32, len(t.all)) // where each of them is then
	for i, m := range t.all {
		if !drop(m) {
			places[i] = uint32(len(kept))
			kept = append(kept, m)
			continue
		}
		places[i] = gone
		delete(t.byName, m.node.Name)
		t.counts[m.node.State]--
	}
	if len(kept) == len(t.all) {
		return
	}
	clear(t.all[len(kept):])
	t.all = kept
	keep := func(order []uint32) []uint32 {
		left := order[:0]
		for _, place := range order {
			if place = places[place]; place != gone {
				left = append(left, place)
			}
		}
		return left
	}
	done, todo := len(keep(t.ring[:t.next])), keep(t.ring[t.next:])
	t.ring = append(t.ring[:done], todo...)
	t.next = done
	sorted, fresh := len(keep(t.ranked[:t.sorted])), keep(t.ranked[t.sorted:])
	t.ranked = append(t.ranked[:sorted], fresh...)
	t.sorted = sorted
}

// shuffle starts a new probe round in a new order (SWIM, section 4.3).
func (t *memberTable) shuffle(rng *rand.Rand) {
	rng.Shuffle(len(t.ring), func(i, j int) { t.ring[i], t.ring[j] = t.ring[j], t.ring[i] })
	t.next = 0
}

// pick returns up to k distinct members for which eligible holds, every subset
// equally likely. The slice is valid until the next call. Random draws serve
// large tables with few exceptions; when they do not find enough, one pass
// over the whole table does (reservoir sampling), so that a small or mostly
// dead cluster never yields fewer than it has.
func (t *memberTable) pick(k int, rng *rand.Rand, eligible func(*member) bool) []*member {
	t.picked = t.picked[:0]
	if k <= 0 {
		return t.picked
	}
	if n := len(t.ring); n > 4*k {
		for range 3 * k {
			m := t.all[t.ring[rng.IntN(n)]]
			if eligible(m) && !contains(t.picked, m) {
				if t.picked = append(t.picked, m); len(t.picked) == k {
					return t.picked
				}
			}
		}
		t.picked = t.picked[:0]
	}
	seen := 0
	for _, place := range t.ring {
		m := t.all[place]
		if !eligible(m) {
			continue
		}
		seen++
		if len(t.picked) < k {
			t.picked = append(t.picked, m)
		} else if i := rng.IntN(seen); i < k {
			t.picked[i] = m
		}
	}
	rng.Shuffle(len(t.picked), func(i, j int) { t.picked[i], t.picked[j] = t.picked[j], t.picked[i] })
	return t.picked
}

func contains(ms []*member, m *member) bool {
	for _, other := range ms {
		if other == m {
			return true
		}
	}
	return false
}

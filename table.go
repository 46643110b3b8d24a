package memberlist

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// member is what this node believes about one node, itself included. It is 48
// bytes, and there may be very many: a size that memory comes in, 64 is the next.
type member struct {
	node        *nodeRecord // the published record with the state: replaced on change, never modified
	incarnation uint32
	hash        uint32        // of its name; the index's own
	rtt         roundTrip     // how fast it answers
	since       time.Duration // when the state last changed; see stateAge
	news        *entry[news]  // to be gossiped; nil: nothing
	seldom      *rare         // nil: nothing; see rare and setRare
}

// rare is what few members have at a time.
type rare struct {
	probe     *probe     // ours, in flight
	suspicion *suspicion // non-nil exactly while the state is StateSuspect
	kept      *history   // nil: nothing
	nackTime  roundTrip  // from asking it for help to its nack
	hidden    bool       // users are not told of it
}

// rare is for reading.
func (m *member) rare() rare {
	if m.seldom == nil {
		return rare{}
	}
	return *m.seldom
}

// setRare is for writing.
func (m *member) setRare(r rare) {
	switch {
	case r == rare{}:
		m.seldom = nil
	case m.seldom == nil:
		m.seldom = new(rare)
		fallthrough
	default:
		*m.seldom = r
	}
}

func (m *member) setProbe(p *probe) {
	r := m.rare()
	r.probe = p
	m.setRare(r)
}

func (m *member) setHidden(hidden bool) {
	r := m.rare()
	r.hidden = hidden
	m.setRare(r)
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
	if kept := m.rare().kept; kept != nil {
		return *kept
	}
	return history{}
}

// keep is the history to write to.
func (m *member) keep() *history {
	r := m.rare()
	if r.kept == nil {
		r.kept = new(history)
		m.setRare(r)
	}
	return r.kept
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
	names  nameIndex // places of all by name
	all    []*member // in the order in which they came
	ring   []uint32  // all in probe order
	next   int       // index into ring of the next probe target
	ranked []uint32  // all in the order of byRank
	sorted int       // so many of ranked are in order, then newcomers follow
	counts [4]int    // members by NodeStateType
	epoch  time.Time // when the first member came; their since counts from it
	picked []*member // scratch of pick
}

func (t *memberTable) len() int { return len(t.all) }

// live is the number of members that are alive or suspect.
func (t *memberTable) live() int { return t.counts[StateAlive] + t.counts[StateSuspect] }

// find returns the member of that name, nil if there is none.
func (t *memberTable) find(name []byte) *member { return t.names.find(name, t.all) }

// named is find for a string.
func (t *memberTable) named(name string) *member { return t.find(wire.Bytes(name)) }

// insert adds a member at a random place of the ring, so that a newcomer is
// probed within one round and nobody's round is predictable (SWIM, section 4.3).
func (t *memberTable) insert(n *nodeRecord, incarnation uint32, now time.Time, rng *rand.Rand) *member {
	if t.epoch.IsZero() {
		t.epoch = now
	}
	m := &member{node: n, incarnation: incarnation, since: now.Sub(t.epoch)}
	place := uint32(len(t.all))
	t.all = append(t.all, m)
	t.names.add(t.all)
	t.ring = append(t.ring, place)
	i, last := rng.IntN(len(t.ring)), len(t.ring)-1
	t.ring[i], t.ring[last] = t.ring[last], t.ring[i]
	t.ranked = append(t.ranked, place)
	t.counts[n.State]++
	return m
}

// reserve makes room for n members together when there are far fewer.
func (t *memberTable) reserve(n int) {
	t.all, t.ring, t.ranked = reserved(t.all, n), reserved(t.ring, n), reserved(t.ranked, n)
	t.names.reserve(n, t.all)
}

// reserved is the list with room for n entries together, unless append is about
// to make as much.
func reserved[T any](list []T, n int) []T {
	if n <= cap(list)+cap(list)/4 {
		return list
	}
	return append(make([]T, 0, n), list...)
}

// byRank returns all members in an order that is the same at every node and has
// nothing to do with the order of names, which often follows racks and roles.
// Newcomers are sorted in when somebody asks, not one by one: that would move
// half of a large table for each of them.
func (t *memberTable) byRank() []uint32 {
	if t.sorted == len(t.ranked) {
		return t.ranked
	}
	fresh := make([]ranking, 0, len(t.ranked)-t.sorted)
	for _, place := range t.ranked[t.sorted:] {
		fresh = append(fresh, rankingOf(t.all[place], place))
	}
	slices.SortFunc(fresh, ranking.compare)
	// Merged from behind, where there is room. Each newcomer's place is looked for
	// in steps that double, since there are a few of them or very many.
	for old := t.sorted; len(fresh) > 0; {
		last := len(fresh) - 1
		from := old
		for step := 1; from > 0; step *= 2 {
			from = max(0, from-step)
			if t.compareRank(t.ranked[from], fresh[last]) < 0 {
				break
			}
		}
		below, _ := slices.BinarySearchFunc(t.ranked[from:old], fresh[last], t.compareRank)
		below += from
		copy(t.ranked[below+last+1:], t.ranked[below:old])
		t.ranked[below+last] = fresh[last].place
		old, fresh = below, fresh[:last]
	}
	t.sorted = len(t.ranked)
	return t.ranked
}

// after is the member so many places after m in the order of ranks, which
// begins again at its end. m must be in the table.
func (t *memberTable) after(m *member, distance int) *member {
	ranked := t.byRank()
	at, _ := slices.BinarySearchFunc(ranked, rankingOf(m, 0), t.compareRank)
	return t.all[ranked[(at+distance)%len(ranked)]]
}

// presentAfter is after that leaves out those who are gone. There must be one
// who is not besides m.
func (t *memberTable) presentAfter(m *member, distance int) *member {
	if t.live() == len(t.all) {
		return t.after(m, distance)
	}
	ranked := t.byRank()
	at, _ := slices.BinarySearchFunc(ranked, rankingOf(m, 0), t.compareRank)
	for {
		at = (at + 1) % len(ranked)
		if m = t.all[ranked[at]]; !m.gone() {
			if distance--; distance == 0 {
				return m
			}
		}
	}
}

// ranking is where a member stands in the order of ranks.
type ranking struct {
	rank  uint64
	name  string // for the sake of completeness
	place uint32
}

func rankingOf(m *member, place uint32) ranking {
	return ranking{rankOf(m.node.Name), m.node.Name, place}
}

func (r ranking) compare(other ranking) int {
	return cmp.Or(cmp.Compare(r.rank, other.rank), cmp.Compare(r.name, other.name))
}

func (t *memberTable) compareRank(place uint32, r ranking) int {
	return rankingOf(t.all[place], place).compare(r)
}

// rankOf is FNV-1a.
func rankOf(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// set replaces the member's record and returns the one that it had.
func (t *memberTable) set(m *member, n *nodeRecord, now time.Time) (was *nodeRecord) {
	if n.State != m.node.State {
		t.counts[m.node.State]--
		t.counts[n.State]++
		m.since = now.Sub(t.epoch)
	}
	was, m.node = m.node, n
	return was
}

// stateAge is how long the member has been in its state.
func (t *memberTable) stateAge(now time.Time, m *member) time.Duration {
	return now.Sub(t.epoch) - m.since
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
		t.counts[m.node.State]--
	}
	if len(kept) == len(t.all) {
		return
	}
	clear(t.all[len(kept):])
	t.all = kept
	t.names.rebuild(len(t.all), t.all)
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
	n := len(t.ring)
	if k = min(k, n); k <= 0 {
		return t.picked
	}
	if n > 4*k {
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

package memberlist

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/swimguard/memberlist/internal/wire"
)

// check panics if an invariant of the queue does not hold.
func (q *transmitQueue[T]) check() {
	assert := func(ok bool, what string, args ...any) {
		if !ok {
			panic("transmitQueue: " + fmt.Sprintf(what, args...))
		}
	}
	n := 0
	ids := map[uint64]bool{}
	for i := range q.tiers {
		t := &q.tiers[i]
		assert(i == 0 || q.tiers[i-1].transmits < t.transmits, "tiers out of order at %d", i)
		assert(len(t.buckets) > 0, "empty tier %d", t.transmits)
		for j, b := range t.buckets {
			assert(j == 0 || t.buckets[j-1].size < b.size, "buckets out of order at %d", j)
			assert(b.top != nil, "empty bucket %d", b.size)
			assert(b.top.prev == nil && b.top.next == nil, "top with siblings")
			for _, e := range b.top.appendTo(nil) {
				n++
				assert(e.id != 0, "an entry is linked but not queued")
				assert(!ids[e.id], "id %d twice", e.id)
				ids[e.id] = true
				assert(e.id <= q.lastID, "id %d from the future", e.id)
				assert(e.transmits == t.transmits, "entry %d in the wrong tier", e.id)
				assert(int(e.size) == b.size, "entry %d in the wrong bucket", e.id)
				prev := e
				for c := e.child; c != nil; prev, c = c, c.next {
					assert(c.prev == prev, "entry %d with a wrong back link", c.id)
					assert(c.id < e.id, "entry %d above the newer %d", e.id, c.id)
				}
			}
		}
	}
	assert(n == q.n, "n = %d with %d entries", q.n, n)
	assert(len(q.spare) <= maxSpareTiers, "%d spare tiers", len(q.spare))
	for _, s := range q.spare {
		assert(len(s) == 0 && cap(s) <= maxSpareBuckets, "spare of %d, %d", len(s), cap(s))
	}
}

// testQueue is a gossipQueue of messages that may be any bytes.
type testQueue struct {
	queue transmitQueue[testNews]
	names map[string]*entry[testNews]
}

type testNews struct {
	name string // replaces nothing when empty
	msg  []byte
	wait ticket
}

func (q *testQueue) push(name string, msg []byte, wait ticket) (replaced ticket) {
	e := q.names[name]
	if e == nil {
		e = new(entry[testNews])
		if q.names == nil {
			q.names = map[string]*entry[testNews]{}
		}
		if name != "" {
			q.names[name] = e
		}
	}
	replaced, e.value = e.value.wait, testNews{name, msg, wait}
	q.queue.add(e, len(msg), 0)
	return replaced
}

func (q *testQueue) fill(fx *effects, overhead, room, limit int, alone bool) (used int) {
	chosen, used := q.queue.next(overhead, room, alone)
	for chosen != nil {
		e := chosen
		chosen = e.next
		fx.msgs = append(fx.msgs, e.value.msg)
		if q.queue.sent(e, limit) {
			delete(q.names, e.value.name)
			if e.value.wait != 0 {
				fx.completed = append(fx.completed, completion{ticket: e.value.wait, ok: true})
			}
		}
	}
	return used
}

// slowQueue says in the plainest way what a transmitQueue does: an unordered
// list that is searched for everything.
type slowQueue[T any] struct {
	entries []slowEntry[T]
	lastID  int
}

type slowEntry[T any] struct {
	msg       []byte
	name      string
	value     T
	id        int
	transmits int
}

// before is the order of the queue.
func (a slowEntry[T]) before(b slowEntry[T]) int {
	return cmp.Or(
		cmp.Compare(a.transmits, b.transmits),
		-cmp.Compare(len(a.msg), len(b.msg)),
		-cmp.Compare(a.id, b.id),
	)
}

func (q *slowQueue[T]) add(name string, msg []byte, value T) (replaced T, ok bool) {
	for i, e := range q.entries {
		if name != "" && e.name == name {
			replaced, ok = e.value, true
			q.entries = slices.Delete(q.entries, i, i+1)
			break
		}
	}
	q.lastID++
	q.entries = append(q.entries, slowEntry[T]{msg, name, value, q.lastID, 0})
	return replaced, ok
}

// transmit returns the messages for one datagram and the values of those
// that are done.
func (q *slowQueue[T]) transmit(overhead, room, limit int) (msgs [][]byte, done []T) {
	slices.SortFunc(q.entries, slowEntry[T].before)
	var taken []slowEntry[T]
	for {
		i := slices.IndexFunc(q.entries, func(e slowEntry[T]) bool {
			return room-overhead > 0 && len(e.msg)+overhead <= room
		})
		if i < 0 {
			break
		}
		taken = append(taken, q.entries[i])
		room -= len(q.entries[i].msg) + overhead
		q.entries = slices.Delete(q.entries, i, i+1)
	}
	return q.sent(taken, limit)
}

// transmitOversize does the same for the first message that does not fit.
func (q *slowQueue[T]) transmitOversize(overhead, room, limit int) (msgs [][]byte, done []T) {
	slices.SortFunc(q.entries, slowEntry[T].before)
	for i, e := range q.entries {
		if room-overhead <= 0 || len(e.msg)+overhead > room {
			q.entries = slices.Delete(q.entries, i, i+1)
			return q.sent([]slowEntry[T]{e}, limit)
		}
	}
	return nil, nil
}

func (q *slowQueue[T]) sent(taken []slowEntry[T], limit int) (msgs [][]byte, done []T) {
	for _, e := range taken {
		msgs = append(msgs, e.msg)
		if e.transmits++; e.transmits < limit {
			q.entries = append(q.entries, e)
		} else {
			done = append(done, e.value)
		}
	}
	return msgs, done
}

// prune removes entries from the end of the order and returns their values.
func (q *slowQueue[T]) prune(retain int) (removed []T) {
	slices.SortFunc(q.entries, slowEntry[T].before)
	for len(q.entries) > retain {
		last := len(q.entries) - 1
		removed = append(removed, q.entries[last].value)
		q.entries = q.entries[:last]
	}
	return removed
}

// numbered returns a message of that size (at least 4) like no other.
func numbered(n, size int) []byte {
	msg := make([]byte, size)
	binary.BigEndian.PutUint32(msg, uint32(n))
	return msg
}

func equalMessages(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, func(a, b []byte) bool { return slices.Equal(a, b) })
}

func TestGossipQueueAgreesWithSlowModel(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var q testQueue
		var slow slowQueue[ticket]
		var fx effects
		owed := false
		maxSize := 1 + rng.IntN(40)
		pushes := 1 + rng.IntN(9) // of 10 steps
		for step := range 1000 {
			fail := func(what string, got, want any) {
				t.Helper()
				t.Fatalf("seed %d, step %d: %s is %v, want %v", seed, step, what, got, want)
			}
			if rng.IntN(10) < pushes && q.queue.n < 300 {
				name := ""
				if rng.IntN(4) > 0 {
					name = fmt.Sprint(rng.IntN(40))
				}
				msg := numbered(step, 4+rng.IntN(maxSize))
				wait := ticket(step * rng.IntN(2))
				got := q.push(name, msg, wait)
				want, _ := slow.add(name, msg, wait)
				if got != want {
					fail("replaced ticket", got, want)
				}
			} else {
				fx.reset()
				overhead := rng.IntN(4)
				room := rng.IntN(4 * (maxSize + 4))
				limit := rng.IntN(6)
				alone := rng.IntN(2) == 0
				used := q.fill(&fx, overhead, room, limit, alone)
				var msgs [][]byte
				var done []ticket
				if alone && owed {
					msgs, done = slow.transmitOversize(overhead, room, limit)
				}
				if alone {
					owed = msgs == nil
				}
				if msgs == nil {
					msgs, done = slow.transmit(overhead, room, limit)
				}
				if msgs == nil && alone {
					msgs, done = slow.transmitOversize(overhead, room, limit)
				}
				if !equalMessages(fx.msgs, msgs) {
					fail("filling", fx.msgs, msgs)
				}
				done = slices.DeleteFunc(done, func(w ticket) bool { return w == 0 })
				var completed []ticket
				for _, c := range fx.completed {
					completed = append(completed, c.ticket)
					if !c.ok {
						fail("completion", c, "ok")
					}
				}
				if !slices.Equal(completed, done) {
					fail("completed", completed, done)
				}
				cost := 0
				for _, m := range msgs {
					cost += len(m) + overhead
				}
				if used != cost {
					fail("used", used, cost)
				}
			}
			if q.queue.n != len(slow.entries) {
				fail("len", q.queue.n, len(slow.entries))
			}
			q.queue.check()
		}
	}
}

func TestGossipQueueFill(t *testing.T) {
	type push struct {
		name string
		size int
	}
	tests := []struct {
		what                  string
		push                  []push
		overhead, room, limit int
		alone                 bool
		fills                 [][]int // numbers of the messages in push, for each fill
	}{
		{
			what: "an empty queue gives nothing",
			room: 100, limit: 1, fills: [][]int{{}},
		},
		{
			what: "the longest that fits first, then the newest, as often as the limit says",
			push: []push{{"m0", 4}, {"m1", 4}, {"m2", 4}, {"m3", 4}, {"m4", 4}, {"long", 10}},
			// 13 of 20 used by the long one; 7 are left for one of 4.
			overhead: 3, room: 20, limit: 2,
			fills: [][]int{{5, 4}, {3, 2}, {1, 0}, {5, 4}, {3, 2}, {1, 0}, {}},
		},
		{
			what: "a message that exactly fits is sent",
			push: []push{{"a", 8}}, overhead: 2, room: 10, limit: 1, fills: [][]int{{0}, {}},
		},
		{
			what: "a message one byte too long is not, and stays",
			push: []push{{"a", 9}}, overhead: 2, room: 10, limit: 1, fills: [][]int{{}, {}},
		},
		{
			what: "what was sent less often goes first although it is shorter",
			push: []push{{"a", 8}, {"b", 4}}, room: 8, limit: 2, fills: [][]int{{0}, {1}, {0}, {1}, {}},
		},
		{
			what: "at least once, whatever the limit",
			push: []push{{"a", 8}, {"b", 8}}, room: 8, limit: -3, fills: [][]int{{1}, {0}, {}},
		},
		{
			what: "newer news replaces older of that name",
			push: []push{{"a", 8}, {"b", 6}, {"a", 4}}, room: 99, limit: 1, fills: [][]int{{1, 2}, {}},
		},
		{
			what: "no name replaces nothing",
			push: []push{{"", 8}, {"", 8}}, room: 99, limit: 1, fills: [][]int{{1, 0}, {}},
		},
		{
			what: "at most once per fill, with room for more",
			push: []push{{"a", 4}}, room: 99, limit: 3, fills: [][]int{{0}, {0}, {0}, {}},
		},
		{
			what: "too long for any datagram: alone, in turn with the others (H14)",
			push: []push{{"a", 4}, {"huge", 40}, {"b", 4}}, room: 4, limit: 2, alone: true,
			fills: [][]int{{2}, {1}, {0}, {1}, {2}, {0}, {}},
		},
		{
			what: "too long for any datagram: not unless alone",
			push: []push{{"a", 4}, {"huge", 40}}, room: 30, limit: 1, fills: [][]int{{0}, {}, {}},
		},
		{
			what: "too long for any datagram: one at a time",
			push: []push{{"a", 40}, {"b", 50}, {"c", 40}}, room: 30, limit: 1, alone: true,
			fills: [][]int{{1}, {2}, {0}, {}},
		},
		{
			what: "no room at all",
			push: []push{{"a", 4}}, overhead: 2, room: -5, limit: 1, alone: true, fills: [][]int{{0}, {}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			var q testQueue
			for i, p := range tt.push {
				q.push(p.name, numbered(i, p.size), 0)
			}
			for i, want := range tt.fills {
				var fx effects
				q.fill(&fx, tt.overhead, tt.room, tt.limit, tt.alone)
				got := []int{}
				for _, m := range fx.msgs {
					got = append(got, int(binary.BigEndian.Uint32(m)))
				}
				if !slices.Equal(got, want) {
					t.Fatalf("fill %d gives %v, want %v", i, got, want)
				}
				q.queue.check()
			}
		})
	}
}

var theAccuser = "accuser"

// newsOf is news about a member of that name.
func newsOf(m *member) news {
	return news{kind: wire.TypeDead, about: m, incarnation: 1, from: &theAccuser}
}

func TestGossipQueueCompletesTickets(t *testing.T) {
	var q gossipQueue
	a, b := &member{node: &nodeRecord{Node: Node{Name: "a"}}}, &member{node: &nodeRecord{Node: Node{Name: "b"}}}
	if got := q.push(newsOf(a), 8, 0); got != 0 {
		t.Fatalf("first push replaced ticket %d", got)
	}
	q.await(a, 1)
	if got := q.push(newsOf(b), 8, 0); got != 0 {
		t.Fatalf("news about another replaced ticket %d", got)
	}
	if got := q.push(newsOf(a), 8, 0); got != 1 {
		t.Fatalf("second push replaced ticket %d, want 1", got)
	}
	q.await(a, 2)
	var completed []completion
	for range 3 {
		var fx effects
		q.fill(&fx, 2, 100, 2, false)
		completed = append(completed, fx.completed...)
	}
	if want := []completion{{ticket: 2, ok: true}}; !slices.Equal(completed, want) {
		t.Fatalf("completed %v, want %v", completed, want)
	}
	if got := q.push(newsOf(a), 8, 0); got != 0 {
		t.Fatalf("pushing after completion replaced ticket %d", got)
	}
	q.await(a, 3)
	var fx effects
	q.push(newsOf(b), 8, 0)
	q.clear(&fx)
	if want := []completion{{ticket: 3, ok: true}}; !slices.Equal(fx.completed, want) || q.len() != 0 || len(fx.msgs) != 0 {
		t.Fatalf("emptying it completed %v, want %v; %d queued, %d sent", fx.completed, want, q.len(), len(fx.msgs))
	}
}

// TestNewsIsOfItsTime: what is said of a member later does not change what has
// been queued about it.
func TestNewsIsOfItsTime(t *testing.T) {
	m := &member{node: &nodeRecord{Node: Node{Name: "a", Addr: []byte{1, 2, 3, 4}, Port: 5, Meta: []byte("meta"), PMin: 1, PMax: 5, PCur: 2}}, incarnation: 7}
	var q gossipQueue
	q.push(news{kind: wire.TypeAlive, about: m, incarnation: m.incarnation}, 80, 0)
	m.incarnation = 9
	m.node = m.node.clone()
	m.node.State = StateSuspect
	var fx effects
	q.fill(&fx, 2, 100, 1, false)
	want := wire.Alive{Incarnation: 7, Node: []byte("a"), Addr: []byte{1, 2, 3, 4}, Port: 5, Meta: []byte("meta"), Vsn: []byte{1, 5, 2, 0, 0, 0}}.Append(nil)
	if len(fx.msgs) != 1 || !slices.Equal(fx.msgs[0], want) {
		t.Errorf("sends %q, want %q", fx.msgs, want)
	}
	if m.news != nil {
		t.Error("the member still has news")
	}
}

// With nobody to send to, news piles up; but only the latest of each member,
// however often it changes. Afterwards it takes no memory.
func TestGossipQueueWithoutPeersIsBounded(t *testing.T) {
	var q gossipQueue
	members := make([]member, newsBlock+1)
	for i := range 10_000 {
		m := &members[i%len(members)]
		m.node = &nodeRecord{Node: Node{Name: "m"}}
		q.push(newsOf(m), 20+i%50, 0)
	}
	if q.len() != len(members) || q.made != 2*newsBlock {
		t.Errorf("%d messages queued, %d entries made, want %d, %d", q.len(), q.made, len(members), 2*newsBlock)
	}
	if got := cap(q.queue.tiers[0].buckets); got > 64 {
		t.Errorf("room for %d buckets", got)
	}
	q.queue.check()
	for i := range members {
		q.drop(&members[i])
		q.drop(&members[i]) // which has none any more
	}
	if q.len() != 0 || q.made != 0 || q.free != nil {
		t.Errorf("%d messages queued, %d entries kept", q.len(), q.made)
	}
	q.queue.check()
}

// With news arriving all the time, a message that is too long for a datagram
// still gets its turn.
func TestOversizeNewsIsNotStarved(t *testing.T) {
	var q testQueue
	q.push("huge", make([]byte, 5000), 7)
	for i := range 100 {
		q.push(fmt.Sprint(i), make([]byte, 50), 0)
		var fx effects
		for range 3 {
			q.fill(&fx, 2, 1400, 8, true)
		}
		if len(fx.completed) > 0 {
			if i > 10 {
				t.Fatalf("took %d rounds", i)
			}
			return
		}
	}
	t.Fatal("never sent often enough")
}

func TestFillDoesNotAllocate(t *testing.T) {
	var q gossipQueue
	members := make([]*member, 500)
	push := func(i int) { q.push(newsOf(members[i%len(members)]), 40+i%100, 0) }
	for i := range members {
		members[i] = &member{node: &nodeRecord{Node: Node{Name: fmt.Sprint("node-", i)}}}
		push(i)
	}
	var fx effects
	i := 0
	step := func() {
		for range 20 {
			push(i)
			i++
		}
		fx.reset()
		q.fill(&fx, 2, 1300, 8, true)
	}
	for range 200 {
		step() // until there have been all tiers
	}
	if got := testing.AllocsPerRun(200, step); got > 0.5 {
		t.Errorf("%v allocations for 20 replacements and a fill", got)
	}
	if got := testing.AllocsPerRun(100, func() { fx.reset(); q.fill(&fx, 2, 1300, 8, true) }); got > 0 {
		t.Errorf("%v allocations for a fill", got)
	}
}

func TestTransmitLimit(t *testing.T) {
	for _, tt := range []struct{ mult, n, smooth, stepped int }{
		{4, 1, 4, 4},
		{4, 2, 6, 4},
		{4, 5, 7, 4},
		{4, 9, 8, 4},
		{4, 10, 8, 8},
		{4, 50, 11, 8},
		{4, 99, 12, 8},
		{4, 100, 12, 12},
		{4, 999, 16, 12},
		{4, 1000, 16, 16},
		{4, 10_000, 20, 20},
		{4, 1_000_000, 28, 28},
		{2, 1, 2, 2},
		{2, 99, 6, 4},
		{1, 1, 1, 1},
		{1, 0, 1, 1},
		{4, 0, 4, 1},
		{4, -7, 4, 1},
		{0, 100, 1, 1},
		{-4, 100, 1, 1},
		{math.MaxInt, 1, math.MaxInt32, math.MaxInt},
		{math.MaxInt, 100, math.MaxInt32, math.MaxInt},
		{math.MinInt, math.MaxInt, 1, 1},
	} {
		if got := transmitLimit(tt.mult, tt.n); got != tt.smooth {
			t.Errorf("transmitLimit(%d, %d) = %d, want %d", tt.mult, tt.n, got, tt.smooth)
		}
		if got := steppedTransmitLimit(tt.mult, tt.n); got != tt.stepped {
			t.Errorf("steppedTransmitLimit(%d, %d) = %d, want %d", tt.mult, tt.n, got, tt.stepped)
		}
	}
}

func TestTransmitLimitIsSmoothAndNeverBelowTheSteps(t *testing.T) {
	for mult := 1; mult <= 6; mult++ {
		for n := 1; n <= 20_000; n++ {
			limit := transmitLimit(mult, n)
			if step := steppedTransmitLimit(mult, n); limit < step {
				t.Fatalf("transmitLimit(%d, %d) = %d, less than %d", mult, n, limit, step)
			}
			next := transmitLimit(mult, n+1)
			if next < limit || n >= mult && next > limit+1 {
				t.Fatalf("transmitLimit(%d, %d) = %d, but %d for one member more", mult, n, limit, next)
			}
		}
	}
}

// SWIM, section 4.1: λ log n transmissions reach everybody with high
// probability; here with at least 99 % for each piece of news, at any size.
func TestTransmitLimitReachesEverybody(t *testing.T) {
	reached := func(n, limit int) float64 { return math.Exp(-float64(n) * math.Exp(-float64(limit))) }
	for n := 2; n <= 100_000; n++ {
		if p := reached(n, transmitLimit(4, n)); p < 0.99 {
			t.Fatalf("%d members are all reached with probability %.4f", n, p)
		}
	}
	if p := reached(99, steppedTransmitLimit(4, 99)); p > 0.97 {
		t.Fatalf("the steps reach 99 members with probability %.4f: what is the curve for?", p)
	}
}

func TestPairingHeapSurvivesAnyOrder(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		const n = 64
		entries := make([]*entry[int], n)
		var top *entry[int]
		for _, i := range rng.Perm(n) {
			entries[i] = &entry[int]{id: uint64(i + 1)}
			top = meld(top, entries[i])
		}
		left := map[uint64]bool{}
		for _, e := range entries {
			left[e.id] = true
		}
		for len(left) > 0 {
			var newest uint64
			for id := range left {
				newest = max(newest, id)
			}
			if top.id != newest {
				t.Fatalf("seed %d: %d on top, want %d", seed, top.id, newest)
			}
			e := entries[rng.IntN(n)]
			switch {
			case e == top || !left[e.id]:
				e = top
				top = meldAll(top.child)
				e.child = nil
			default:
				top = meld(top, e.cut())
			}
			delete(left, e.id)
			if e.child != nil || e.next != nil || e.prev != nil {
				t.Fatalf("seed %d: %d left the heap with links", seed, e.id)
			}
		}
	}
}

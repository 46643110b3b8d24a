package memberlist

import (
	"cmp"
	"math"
	"slices"

	"github.com/swimguard/memberlist/internal/wire"
)

// gossipQueue holds the membership news that this node still has to pass on.
// The zero value is ready. Not safe for concurrent use; it is part of the core.
type gossipQueue struct {
	queue    transmitQueue[news]
	free     *entry[news] // not used, chained by next
	made     int          // entries in the queue and in free together
	awaited  *entry[news] // that somebody waits for; nil: nobody
	awaiting ticket
}

// news is what is to be said of a member. It is put into words when it is sent,
// which takes some ten nanoseconds and a third of the memory that the words
// would occupy for all the time that it waits. Its entry is 64 bytes.
type news struct {
	about       *member // whose address, metadata and versions never change without news
	from        *string // suspect, dead: who says so
	incarnation uint32
	kind        wire.Type // alive, suspect or dead
}

// appendTo appends the message.
func (n *news) appendTo(dst []byte) []byte {
	m := n.about.node
	switch n.kind {
	case wire.TypeSuspect:
		return wire.Suspect{Incarnation: n.incarnation, Node: wire.Bytes(m.Name), From: wire.Bytes(*n.from)}.Append(dst)
	case wire.TypeDead:
		return wire.Dead{Incarnation: n.incarnation, Node: wire.Bytes(m.Name), From: wire.Bytes(*n.from)}.Append(dst)
	}
	return wire.Alive{
		Incarnation: n.incarnation, Node: wire.Bytes(m.Name), Addr: m.Addr, Port: m.Port, Meta: m.Meta, Vsn: m.vsn(),
	}.Append(dst)
}

// push queues the latest news about a member, which is size bytes long as a
// message, in place of any older news about it of whatever kind. So many
// transmissions, fewer than the limit, are taken for made. It returns the
// ticket that waited for the older one (0 if none): there is nothing left for
// it to wait for.
func (q *gossipQueue) push(n news, size, made int) (replaced ticket) {
	e := n.about.news
	if e == nil {
		e = q.new()
		n.about.news = e
	} else if e == q.awaited {
		replaced, q.awaited, q.awaiting = q.awaiting, nil, 0
	}
	e.value = n
	q.queue.add(e, size, made)
	return replaced
}

// await has a ticket wait for the news about m to have been sent. Only one can
// wait at a time: nobody waits for what is said of others.
func (q *gossipQueue) await(m *member, wait ticket) { q.awaited, q.awaiting = m.news, wait }

// leastSent is how often the news that is sent next has been sent, -1 without news.
func (q *gossipQueue) leastSent() int {
	if len(q.queue.tiers) == 0 {
		return -1
	}
	return int(q.queue.tiers[0].transmits)
}

// skip takes so many transmissions of the news about m, fewer than the limit, for
// made, if fewer have been.
func (q *gossipQueue) skip(m *member, made int) {
	e := m.news
	if e == nil || int(e.transmits) >= made {
		return
	}
	q.queue.unlink(e)
	e.transmits = int32(made)
	q.queue.link(e)
}

// newsBlock is how many entries are made at once: one allocation for so many. They
// and what the allocator adds fill a piece of 2,048 bytes.
const newsBlock = 31

// new returns an entry that is not in use.
func (q *gossipQueue) new() *entry[news] {
	if q.free == nil {
		block := make([]entry[news], newsBlock)
		for i := range block {
			block[i].next, q.free = q.free, &block[i]
		}
		q.made += newsBlock
	}
	e := q.free
	q.free, e.next = e.next, nil
	return e
}

// done ends the life of news that has left the queue. An empty queue does not
// hold on to what a flood of news took.
func (q *gossipQueue) done(e *entry[news]) {
	e.value.about.news = nil
	*e = entry[news]{next: q.free}
	q.free = e
	if q.queue.n == 0 && q.made > newsBlock {
		q.free, q.made = nil, 0
	}
}

// fill appends to fx.msgs the messages for one datagram that has room bytes
// left, each costing overhead more than its length, and returns what they cost
// together. Every one of them has then been transmitted once more; after limit
// transmissions, and after one at least, it leaves the queue and its ticket is
// completed. For alone see transmitQueue.next.
func (q *gossipQueue) fill(fx *effects, overhead, room, limit int, alone bool) (used int) {
	chosen, used := q.queue.next(overhead, room, alone)
	for chosen != nil {
		e := chosen
		chosen = e.next
		from := len(fx.buf)
		fx.buf = e.value.appendTo(fx.buf)
		fx.msgs = append(fx.msgs, fx.buf[from:len(fx.buf):len(fx.buf)])
		if q.queue.sent(e, limit) {
			q.finish(fx, e)
		}
	}
	return used
}

// finish is done for news that has been sent often enough, or to nobody.
func (q *gossipQueue) finish(fx *effects, e *entry[news]) {
	if e == q.awaited {
		fx.completed = append(fx.completed, completion{ticket: q.awaiting, ok: true})
		q.awaited, q.awaiting = nil, 0
	}
	q.done(e)
}

// clear empties the queue and ends the waits.
func (q *gossipQueue) clear(fx *effects) {
	chosen, _, _ := q.queue.choose(0, math.MaxInt)
	for chosen != nil {
		e := chosen
		chosen = e.next
		q.queue.sent(e, 0)
		q.finish(fx, e)
	}
}

// drop takes the news about a member out of the queue, which nobody waits for.
func (q *gossipQueue) drop(m *member) {
	if e := m.news; e != nil {
		q.queue.remove(e)
		q.done(e)
	}
}

// len is the number of messages queued.
func (q *gossipQueue) len() int { return q.queue.n }

// transmitLimit is how often each member passes on one piece of news when
// there are n members: mult * (1 + log10(n)), rounded up, and once at least.
//
// When every member sends news on λ times to members chosen at random, each
// member misses it with probability e^-λ, so all n are reached with
// probability exp(-n e^-λ). λ must therefore grow with log(n) (SWIM, section
// 4.1). The usual mult * ceil(log10(n+1)) grows in steps: with mult = 4 it
// leaves 99 members with 8 transmissions and a 3.3 % chance that somebody
// hears nothing before the next push/pull, but gives 100 members 12, and 0.06 %.
// This is the smooth curve through the upper corner of each step, at 1, 10,
// 100 and 1000 members. It is nowhere below the steps, so nobody is worse
// off, and costs most where they are least safe:
//
//	members               1   5   9  10  50  99  100  999  1000
//	mult=4, steps         4   4   4   8   8   8   12   12    16
//	mult=4, this          4   7   8   8  11  12   12   16    16
func transmitLimit(mult, n int) int {
	if mult <= 0 {
		return 1
	}
	// At powers of ten the logarithm may come out a little above the integer
	// it stands for, which must not cost another transmission.
	const rounding = 1e-9
	limit := math.Ceil(float64(mult)*(1+math.Log10(float64(max(n, 1)))) - rounding)
	return int(min(limit, math.MaxInt32))
}

// steppedTransmitLimit is mult * ceil(log10(n+1)), which is mult for each
// decimal digit of n, and at least 1. Users of TransmitLimitedQueue compute
// with it, so there it stays as it is.
func steppedTransmitLimit(mult, n int) int {
	digits := 0
	for ; n > 0; n /= 10 {
		digits++
	}
	if digits > 0 && mult > math.MaxInt/digits {
		return math.MaxInt
	}
	return max(mult*digits, 1)
}

// transmitQueue orders messages by how much they need to be sent: those
// transmitted least often first; among these the longest, because the short
// ones will find room beside it; among equals the newest, because the older
// ones have had their chance. The zero value is ready.
//
// The order is kept in three levels, each of which makes its question cheap:
//
//	tiers    one per number of transmissions, ascending   "which is next?"
//	buckets  one per length in a tier, ascending          "what is the longest that fits?"
//	heap     the messages of a bucket                     "which is the newest?"
//
// There are few tiers (at most as many as transmissions allowed) and seldom
// more than some hundred buckets in each (membership news has about so many
// different lengths), so both are sorted slices. A heap may hold every message
// there is, so it is a pairing heap, built of the entries themselves: adding
// is O(1), removing O(log n) amortized, and O(1) in the usual order of events,
// last in, first out. A B-tree of all messages takes several times as long for
// each step. It only wins when some 10,000 messages have as many lengths, all
// far longer than a datagram: then the slices cost about 10 µs a message.
//
// Invariants: no tier and no bucket is empty; a heap's parents are newer than
// their children; ids are never used twice, so that no two entries are equal
// in order.
type transmitQueue[T any] struct {
	tiers  []tier[T]
	n      int           // entries queued
	lastID uint64        // of the newest entry; never reset
	spare  [][]bucket[T] // emptied storage of past tiers, at most maxSpareTiers
	owed   bool          // the last datagram offered to a message alone went to others
}

// Bounds of the storage kept for reuse when a tier has emptied: messages climb
// from tier to tier, so a tier disappears and another appears all the time.
const (
	maxSpareTiers   = 16
	maxSpareBuckets = 1024 // capacity of one; each takes 16 bytes
)

// tier holds the entries that have been transmitted equally often.
type tier[T any] struct {
	transmits int32
	buckets   []bucket[T]
}

// bucket holds the entries of a tier whose messages are equally long.
type bucket[T any] struct {
	size int
	top  *entry[T] // the newest
}

// entry is one message in a transmitQueue. All but the links is fixed while
// it is queued, except that transmits counts.
type entry[T any] struct {
	value     T
	id        uint64 // greater is newer; 0 when it is not queued
	size      int32  // bytes of the message
	transmits int32

	// Links of the pairing heap. prev is the parent for the first child, the
	// sibling before for others, and nil at the top. Entries chosen for a
	// datagram are in no heap and chained by next.
	child, next, prev *entry[T]
}

// add queues e, whose message has size bytes, as the newest and as transmitted so
// often, whether or not it is queued already.
func (q *transmitQueue[T]) add(e *entry[T], size, transmits int) {
	if e.id != 0 {
		q.unlink(e)
	} else {
		q.n++
	}
	q.lastID++
	*e = entry[T]{value: e.value, id: q.lastID, size: int32(min(size, math.MaxInt32)), transmits: int32(transmits)}
	q.link(e)
}

// next takes out of the order what goes into a datagram with room bytes, as
// choose does and with the same duty.
//
// If alone is true the datagram is empty so far, and may carry a single message
// that is longer than its room: the result then costs more than that. A message
// longer than any datagram would otherwise stay for ever, and who waits for it
// too. Such messages get every second datagram offered to them and any that
// nothing else is chosen for. If they had to wait until there is nothing else, a
// cluster with steady news would never send them; if they came first, several
// of them would hold up everything else.
func (q *transmitQueue[T]) next(overhead, room int, alone bool) (first *entry[T], used int) {
	if alone && q.owed {
		first, used = q.chooseOversize(overhead, room)
	}
	if alone {
		q.owed = first == nil
	}
	if first == nil {
		first, _, used = q.choose(overhead, room)
	}
	if first == nil && alone {
		first, used = q.chooseOversize(overhead, room)
	}
	return first, used
}

// choose takes out of the order what goes into a datagram with room bytes, of
// which each message costs overhead more than its length. It starts with the
// messages transmitted least often and takes, as long as there is one, the
// first that fits. It returns them chained by next in the order chosen, their
// number and their cost. Each must be handed to sent before anything else is
// done with the queue.
func (q *transmitQueue[T]) choose(overhead, room int) (first *entry[T], n, used int) {
	last := &first
	for i := 0; i < len(q.tiers) && room-used-overhead > 0; {
		t := &q.tiers[i]
		for at := len(t.buckets); room-used-overhead > 0; {
			// What was too long before is too long now, so the search goes
			// down from where it was. If the bucket there has emptied, a
			// longer one is at its index.
			at = t.longest(min(at+1, len(t.buckets)), room-used-overhead)
			if at < 0 {
				break
			}
			e := t.pop(at)
			*last, last = e, &e.next
			n++
			used += int(e.size) + overhead
		}
		if len(t.buckets) == 0 {
			q.removeTier(i)
		} else {
			i++
		}
	}
	return first, n, used
}

// chooseOversize takes out of the order the first message for which choose
// would not find enough room. It must be handed to sent likewise. The result
// is nil if there is none.
func (q *transmitQueue[T]) chooseOversize(overhead, room int) (e *entry[T], used int) {
	for i := range q.tiers {
		t := &q.tiers[i]
		at := len(t.buckets) - 1
		if free := room - overhead; free > 0 && t.buckets[at].size <= free {
			continue
		}
		e = t.pop(at)
		if len(t.buckets) == 0 {
			q.removeTier(i)
		}
		return e, int(e.size) + overhead
	}
	return nil, 0
}

// sent puts back an entry that choose had taken, after one more transmission.
// If that was the last of limit transmissions it leaves the queue instead, and
// sent returns true.
func (q *transmitQueue[T]) sent(e *entry[T], limit int) (done bool) {
	e.next = nil
	e.transmits++
	if int(e.transmits) >= limit {
		q.forget(e)
		return true
	}
	q.link(e)
	return false
}

// remove takes e out of the queue and reports whether it was still there.
func (q *transmitQueue[T]) remove(e *entry[T]) bool {
	if e.id == 0 {
		return false
	}
	q.unlink(e)
	q.forget(e)
	return true
}

// forget ends the stay of an entry that has been taken out of the order.
func (q *transmitQueue[T]) forget(e *entry[T]) {
	e.id = 0
	q.n--
}

// removeLast removes the last n entries of the order, but at most all there
// are, and returns them, the very last first.
func (q *transmitQueue[T]) removeLast(n int) []*entry[T] {
	n = max(min(n, q.n), 0)
	removed := make([]*entry[T], 0, n)
	for len(removed) < n {
		t := q.tiers[len(q.tiers)-1]
		oldest := t.buckets[0].top.appendTo(nil)
		slices.SortFunc(oldest, func(a, b *entry[T]) int { return cmp.Compare(a.id, b.id) })
		for _, e := range oldest[:min(len(oldest), n-len(removed))] {
			q.remove(e)
			removed = append(removed, e)
		}
	}
	return removed
}

// link puts e into the order.
func (q *transmitQueue[T]) link(e *entry[T]) {
	i, ok := q.findTier(e.transmits)
	if !ok {
		t := tier[T]{transmits: e.transmits}
		if last := len(q.spare) - 1; last >= 0 {
			t.buckets, q.spare[last], q.spare = q.spare[last], nil, q.spare[:last]
		}
		q.tiers = slices.Insert(q.tiers, i, t)
	}
	t := &q.tiers[i]
	at := t.longest(len(t.buckets), int(e.size))
	if at >= 0 && t.buckets[at].size == int(e.size) {
		t.buckets[at].top = meld(t.buckets[at].top, e)
	} else {
		t.buckets = slices.Insert(t.buckets, at+1, bucket[T]{int(e.size), e})
	}
}

// unlink takes e out of the order.
func (q *transmitQueue[T]) unlink(e *entry[T]) {
	i, _ := q.findTier(e.transmits)
	t := &q.tiers[i]
	at := t.longest(len(t.buckets), int(e.size))
	if e.prev == nil {
		t.pop(at)
	} else {
		t.buckets[at].top = meld(t.buckets[at].top, e.cut())
	}
	if len(t.buckets) == 0 {
		q.removeTier(i)
	}
}

// findTier returns the index of the tier of that many transmissions, or the
// one it would have, and whether it is there.
func (q *transmitQueue[T]) findTier(transmits int32) (int, bool) {
	lo, hi := 0, len(q.tiers)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if q.tiers[mid].transmits < transmits {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(q.tiers) && q.tiers[lo].transmits == transmits
}

// removeTier removes the tier with index i, which must be empty.
func (q *transmitQueue[T]) removeTier(i int) {
	buckets := q.tiers[i].buckets
	q.tiers = slices.Delete(q.tiers, i, i+1)
	if len(q.spare) < maxSpareTiers && cap(buckets) <= maxSpareBuckets {
		q.spare = append(q.spare, buckets)
	}
}

// longest returns the index of the longest bucket among the first n that is
// not longer than size, or -1.
func (t *tier[T]) longest(n, size int) int {
	if n > 0 && t.buckets[n-1].size <= size {
		return n - 1 // the usual case: room for any
	}
	lo, hi := 0, n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if t.buckets[mid].size <= size {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// pop takes the newest entry out of the bucket with index at, and removes the
// bucket if it was the only one.
func (t *tier[T]) pop(at int) *entry[T] {
	e := t.buckets[at].top
	if e.child == nil {
		t.buckets = slices.Delete(t.buckets, at, at+1)
		return e
	}
	t.buckets[at].top = meldAll(e.child)
	e.child = nil
	return e
}

// cut takes e, which must not be the top, out of its heap and returns a heap
// of those below it.
func (e *entry[T]) cut() *entry[T] {
	if e.prev.child == e {
		e.prev.child = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	below := meldAll(e.child)
	e.child, e.next, e.prev = nil, nil, nil
	return below
}

// appendTo appends e and all entries below it to dst.
func (e *entry[T]) appendTo(dst []*entry[T]) []*entry[T] {
	i := len(dst)
	dst = append(dst, e)
	for ; i < len(dst); i++ {
		for c := dst[i].child; c != nil; c = c.next {
			dst = append(dst, c)
		}
	}
	return dst
}

// meld makes one heap of two, either of which may be nil. Their tops must have
// no siblings.
func meld[T any](a, b *entry[T]) *entry[T] {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	if a.id < b.id {
		a, b = b, a
	}
	b.prev, b.next = a, a.child
	if b.next != nil {
		b.next.prev = b
	}
	a.child = b
	return a
}

// meldAll makes one heap of siblings that have lost their parent: in pairs
// from the first to the last, then from the last pair to the first, which is
// what bounds the cost of a pairing heap.
func meldAll[T any](first *entry[T]) *entry[T] {
	var pairs *entry[T] // chained by next, the last first
	for first != nil {
		a, b := first, first.next
		first = nil
		if b != nil {
			first = b.next
			b.next, b.prev = nil, nil
		}
		a.next, a.prev = nil, nil
		a = meld(a, b)
		a.next, pairs = pairs, a
	}
	var top *entry[T]
	for pairs != nil {
		rest := pairs.next
		pairs.next = nil
		top = meld(top, pairs)
		pairs = rest
	}
	return top
}

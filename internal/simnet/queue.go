package simnet

// body is what an event is about. Bodies live in slots that are reused with
// their payload buffers, so that a running simulation allocates nothing.
type body struct {
	payload  []byte
	id       uint64
	node     int32 // where it happens
	from     int32
	address  uint32 // packets: the address of node that was meant
	life     uint32 // streams: the process at node that was meant
	size     int32  // streams: bytes of the message
	deadline int64  // streams
	kind     Kind
	late     bool // has been through the slow receiver already
	opens    bool // streams: the message that opens it
}

// key is a body's place in the heap: due at a time and, among equals, in the
// order scheduled. The low slotBits of order are the body's slot, which never
// decides because the number above it is unique.
type key struct {
	at    int64
	order uint64
}

const (
	slotBits = 24
	// maxPending is how many events may be under way at once: 1.6 GB of full
	// packets. Packets beyond it are lost and counted.
	maxPending = 1<<slotBits - 1
)

func (k key) slot() int32 { return int32(k.order & maxPending) }

func (k key) before(o key) bool { return k.at < o.at || k.at == o.at && k.order < o.order }

// queue is a 4-ary min-heap of small keys beside a slab of bodies: sifting
// touches a quarter of the cache lines that a binary heap of whole events does.
type queue struct {
	heap   []key
	bodies []body
	free   []int32
	count  uint64 // events scheduled so far
}

// take returns a free slot, or false when too much is pending. The body keeps
// the payload buffer of its former use; everything else is zero.
func (q *queue) take() (int32, bool) {
	if last := len(q.free) - 1; last >= 0 {
		slot := q.free[last]
		q.free = q.free[:last]
		b := &q.bodies[slot]
		*b = body{payload: b.payload[:0]}
		return slot, true
	}
	if len(q.bodies) >= maxPending {
		return 0, false
	}
	q.bodies = append(q.bodies, body{})
	return int32(len(q.bodies) - 1), true
}

func (q *queue) release(slot int32) { q.free = append(q.free, slot) }

func (q *queue) push(at int64, slot int32) {
	q.count++
	k := key{at: at, order: q.count<<slotBits | uint64(slot)}
	q.heap = append(q.heap, k)
	h, i := q.heap, len(q.heap)-1
	for i > 0 {
		parent := (i - 1) / 4
		if !k.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = k
}

// pop removes the earliest event. The queue must not be empty.
func (q *queue) pop() key {
	h := q.heap
	top, last := h[0], len(h)-1
	k := h[last]
	h = h[:last]
	q.heap = h
	if last == 0 {
		return top
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= last {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, last); c++ {
			if h[c].before(h[least]) {
				least = c
			}
		}
		if !h[least].before(k) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = k
	return top
}

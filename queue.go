package memberlist

import (
	"slices"
	"sync"
)

// Broadcast is a message to be gossiped by way of a TransmitLimitedQueue. Its
// methods are called from whatever goroutine uses the queue, never with a lock
// held: they may call any method of the same queue.
type Broadcast interface {
	// Invalidates reports whether this broadcast, about to be queued, makes b,
	// already queued, pointless, so that b can be removed. It is only asked
	// about broadcasts that are neither NamedBroadcast nor UniqueBroadcast,
	// and only if the receiver is not one of these either (a NamedBroadcast
	// whose name is empty is asked too). If other goroutines use the queue at
	// the same time, b may be finished in the meantime.
	Invalidates(b Broadcast) bool

	// Message returns the message. The queue asks once, when the broadcast is
	// queued, and hands out that very slice each time the message is to be
	// sent. It must not be modified any more: even after Finished, what
	// GetBroadcasts returned last may still be on its way.
	Message() []byte

	// Finished is called exactly once, when the broadcast has left the queue:
	// because it has been transmitted as often as it should, was invalidated
	// or replaced by another, or was removed by Prune or Reset.
	Finished()
}

// NamedBroadcast is a Broadcast about the thing it names. It replaces an older
// one of the same name. This is found by look-up and does not ask Invalidates,
// so it costs the same however much is queued. With an empty name it neither
// replaces others nor is replaced, but when queued is asked about plain
// broadcasts with Invalidates, as if it were one.
type NamedBroadcast interface {
	Broadcast

	// Name is what the broadcast is about. It is asked for once, when the
	// broadcast is queued.
	Name() string
}

// UniqueBroadcast is a Broadcast that neither invalidates others nor is ever
// invalidated, which is therefore not asked. A type that also has a name
// counts as a NamedBroadcast.
type UniqueBroadcast interface {
	Broadcast

	// UniqueBroadcast is never called. It marks the type.
	UniqueBroadcast()
}

// TransmitLimitedQueue queues messages to be gossiped, hands them out to fill
// packets, and drops each when it has been handed out as often as it takes for
// a cluster of that size to hear of it. Messages handed out least often come
// first; among these the longest that fits; among equals the newest. Typically
// it is what Delegate.GetBroadcasts draws on.
//
// The two fields must be set before GetBroadcasts is first called; nothing
// else reads them. Apart from that the zero value is ready for use. It must
// not be copied after first use. All methods may be called from any goroutine
// and do not block; NumNodes and the methods of broadcasts are called without
// a lock, and so may call the same queue.
//
// The number of queued messages is not limited: nobody but GetBroadcasts (or
// Prune) takes them out, so without peers, or if more is queued than sent, it
// grows. A message that is longer than every limit given to GetBroadcasts
// stays until it is replaced, or removed by Prune or Reset.
type TransmitLimitedQueue struct {
	// NumNodes returns the number of members in the cluster. It is called by
	// GetBroadcasts unless the queue is empty. If it is nil, each message is
	// handed out once.
	NumNodes func() int

	// RetransmitMult scales how often a message is handed out:
	// RetransmitMult * ceil(log10(NumNodes() + 1)), and at least once. With 1
	// to 9 members that is RetransmitMult, with 10 to 99 twice that, and so
	// on. More makes it likelier that everybody hears the message, and takes
	// more bandwidth in proportion. If zero or less, it is handed out once.
	RetransmitMult int

	mu    sync.Mutex
	queue transmitQueue[queuedBroadcast]
	names map[string]*entry[queuedBroadcast] // those with a name that is not empty
	plain []*entry[queuedBroadcast]          // those that may be invalidated, in no order
}

// queuedBroadcast is what a TransmitLimitedQueue knows of a broadcast.
type queuedBroadcast struct {
	Broadcast
	msg     []byte
	name    string
	plainAt int // index in plain; -1 if named or unique
}

// QueueBroadcast queues b, which then counts as never transmitted, after
// removing what it replaces or invalidates. The cost does not depend on what
// is queued if b is named or unique; otherwise it grows with it, as each plain
// broadcast in the queue is compared. It does nothing if b is nil.
func (q *TransmitLimitedQueue) QueueBroadcast(b Broadcast) {
	if b == nil {
		return
	}
	named, isNamed := b.(NamedBroadcast)
	_, isUnique := b.(UniqueBroadcast)
	name := ""
	if isNamed {
		name = named.Name()
	}
	plain := !isNamed && !isUnique
	compares := plain || isNamed && name == ""
	msg := b.Message()

	// Those that b may invalidate are noted in the same step in which b is
	// queued. So of two plain broadcasts queued at the same time, the later
	// one sees the earlier one.
	q.mu.Lock()
	var older []*entry[queuedBroadcast]
	if compares {
		older = slices.Clone(q.plain)
	}
	e := q.names[name]
	var replaced Broadcast
	if e != nil {
		replaced = e.value.Broadcast
	} else {
		e = new(entry[queuedBroadcast])
	}
	e.value = queuedBroadcast{b, msg, name, -1}
	q.queue.add(e, len(msg), 0)
	if plain {
		e.value.plainAt = len(q.plain)
		q.plain = append(q.plain, e)
	}
	if name != "" && replaced == nil {
		if q.names == nil {
			q.names = make(map[string]*entry[queuedBroadcast])
		}
		q.names[name] = e
	}
	q.mu.Unlock()

	if replaced != nil {
		replaced.Finished()
	}
	invalid := older[:0]
	for _, e := range older {
		if b.Invalidates(e.value.Broadcast) {
			invalid = append(invalid, e)
		}
	}
	if len(invalid) == 0 {
		return
	}

	q.mu.Lock()
	removed := invalid[:0]
	for _, e := range invalid {
		if q.queue.remove(e) { // else somebody else has, and finishes it
			q.left(e)
			removed = append(removed, e)
		}
	}
	q.mu.Unlock()
	finish(removed)
}

// left takes e, which has left the queue, out of names and plain as well. q.mu
// must be held.
func (q *TransmitLimitedQueue) left(e *entry[queuedBroadcast]) {
	if e.value.name != "" {
		delete(q.names, e.value.name)
	}
	at, last := e.value.plainAt, len(q.plain)-1
	if at < 0 {
		return
	}
	q.plain[at] = q.plain[last]
	q.plain[at].value.plainAt = at
	q.plain[last] = nil
	q.plain = q.plain[:last]
}

// GetBroadcasts returns messages to be sent in one packet. Each costs overhead
// bytes more than its length, and together they cost at most limit. A message
// is returned at most once per call, and counts as transmitted then; the last
// time, its broadcast is finished before GetBroadcasts returns. The slices are
// those of the broadcasts and must not be modified. The result is nil if
// nothing fits.
func (q *TransmitLimitedQueue) GetBroadcasts(overhead, limit int) [][]byte {
	if q.NumQueued() == 0 {
		return nil
	}
	nodes := 0
	if q.NumNodes != nil {
		nodes = q.NumNodes()
	}
	transmits := steppedTransmitLimit(q.RetransmitMult, nodes)

	q.mu.Lock()
	chosen, n, _ := q.queue.choose(overhead, limit)
	if n == 0 {
		q.mu.Unlock()
		return nil
	}
	msgs := make([][]byte, 0, n)
	var finished *entry[queuedBroadcast] // chained by next
	last := &finished
	for chosen != nil {
		e := chosen
		chosen = e.next
		msgs = append(msgs, e.value.msg)
		if q.queue.sent(e, transmits) {
			q.left(e)
			*last, last = e, &e.next
		}
	}
	q.mu.Unlock()

	for e := finished; e != nil; e = e.next {
		e.value.Finished()
	}
	return msgs
}

// NumQueued returns the number of queued messages.
func (q *TransmitLimitedQueue) NumQueued() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queue.n
}

// Prune removes messages until at most maxRetain remain, and finishes them:
// first those handed out most often, among these the shortest, among equals
// the oldest. If maxRetain is zero or less it removes all.
func (q *TransmitLimitedQueue) Prune(maxRetain int) {
	q.mu.Lock()
	removed := q.queue.removeLast(q.queue.n - max(maxRetain, 0))
	for _, e := range removed {
		q.left(e)
	}
	q.mu.Unlock()
	finish(removed)
}

// Reset removes all messages and finishes them.
func (q *TransmitLimitedQueue) Reset() {
	q.Prune(0)
}

// finish tells the broadcasts of entries that have left the queue so. No lock
// may be held.
func finish(entries []*entry[queuedBroadcast]) {
	for _, e := range entries {
		e.value.Finished()
	}
}

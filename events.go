package memberlist

import (
	"context"
	"sync"
)

// eventQueue holds what delegates have still to be told, in the order in which
// it was decided. The protocol may not wait for a slow delegate, and whoever may
// speak for members can make them change more quickly than it is told. So from
// eventQueueKeep on a member has few entries: see absorb. The length is visible
// (Memberlist.EventBacklog).
type eventQueue struct {
	mu      sync.Mutex // taken under Memberlist.mu; over it only view.mu
	queue   []notice   // queue[head:] waits
	head    int
	taken   uint64            // how many entries have been taken out of the queue
	newest  map[string]uint64 // by member its newest entry that came since the queue is long: taken when its turn comes
	active  bool              // an eventLoop runs, or is about to
	stopped bool              // nothing is delivered any more
	call    uint64            // number of the callback in progress, 0 when there is none
	calls   uint64            // callbacks begun so far
	turns   turns             // of the notices
}

// pushNotices adds the notices of one step. It is called with Memberlist.mu held, so
// that the order of events is the order of decisions, and reports whether the
// caller must start an eventLoop once it has unlocked.
func (m *Memberlist) pushNotices(notices []notice) (start bool) {
	if len(notices) == 0 {
		return false
	}
	q := &m.events
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return false
	}
	for _, n := range notices {
		if !q.active && !m.wanted(n.kind) {
			// Nobody is to be told and nothing waits in front: no need to
			// wake a goroutine.
			m.publish(n)
			continue
		}
		if long := len(q.queue)-q.head >= eventQueueKeep; long {
			if q.absorb(n) {
				continue
			}
			if q.newest == nil {
				q.newest = make(map[string]uint64)
			}
			q.newest[n.node.Name] = q.taken + uint64(len(q.queue)-q.head)
		}
		if n.kind == noticeLeave && n.node.Name != m.name {
			n.after = m.users.turns.last() // before push, see turns
		}
		q.queue = append(q.queue, n)
		q.turns.push()
		if !q.active {
			q.active, start = true, true
		}
	}
	return start
}

// noticeNone is what is left of a join and a leave that nobody needs to hear of.
const noticeNone = noticePong + 1

// absorb makes one entry of a notice and the newest one about the same member
// that waits, and reports whether it could: what is told is the newer state, and
// of a member that comes and goes meanwhile nothing. So a member that is there has
// two entries at most, a leave and a join. Conflicts and round trips are left out.
func (q *eventQueue) absorb(n notice) bool {
	if n.kind == noticeConflict || n.kind == noticePong {
		return true
	}
	number, ok := q.newest[n.node.Name]
	if !ok {
		return false
	}
	w := &q.queue[q.head+int(number-q.taken)]
	switch {
	case n.kind == noticeJoin && w.kind != noticeNone:
		return false // that it left comes first
	case n.kind == noticeJoin:
		*w = n
	case w.node.State >= StateDead: // it is gone anyway
	case n.kind == noticeLeave && w.kind == noticeJoin:
		*w = notice{kind: noticeNone, node: n.node}
	case n.kind == noticeLeave:
		w.kind, w.node, w.why = noticeLeave, n.node, n.why
	default:
		if w.kind == noticeChanged {
			w.kind = n.kind
		}
		w.node = n.node
	}
	return true
}

// wanted reports whether a delegate is set that is told of such notices.
func (m *Memberlist) wanted(kind noticeKind) bool {
	switch kind {
	case noticeJoin, noticeLeave, noticeUpdate:
		return m.config.Events != nil
	case noticeConflict:
		return m.config.Conflict != nil
	case noticePong:
		return m.config.Ping != nil
	default:
		return false
	}
}

// publish lets readers see the change.
func (m *Memberlist) publish(n notice) {
	if n.kind == noticeConflict || n.kind == noticePong || n.kind == noticeNone {
		return
	}
	if n.node.Name == m.name {
		m.self.Store(&n.node.Node)
	}
	m.view.publish(n.was, n.node)
}

// eventLoop tells delegates what has happened, one callback at a time, and
// then lets readers see it. It is started by a step that finds none running,
// and ends when the queue is empty or, after the callback in progress, with
// Shutdown. At most one runs.
//
// Shutdown waits for it, but only shutdownGrace, because the callback may be
// what called Shutdown.
func (m *Memberlist) eventLoop() {
	defer m.workers.leave()
	for {
		m.users.turns.letPass(m.events.nextAfter())
		n, ok := m.nextNotice()
		if !ok {
			return
		}
		m.deliver(n)
		m.finishNotice(n)
	}
}

// nextAfter is the user message that the oldest notice lets pass.
func (q *eventQueue) nextAfter() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.queue) {
		return 0
	}
	return q.queue[q.head].after
}

// nextNotice takes the oldest notice out of the queue.
func (m *Memberlist) nextNotice() (notice, bool) {
	q := &m.events
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped || q.head == len(q.queue) {
		q.active = false
		clear(q.queue)
		q.queue, q.head = q.queue[:0], 0
		if cap(q.queue) > eventQueueKeep {
			q.queue, q.newest = nil, nil
		}
		return notice{}, false
	}
	n := q.queue[q.head]
	q.queue[q.head] = notice{}
	q.head++
	if number, ok := q.newest[n.node.Name]; ok && number == q.taken {
		delete(q.newest, n.node.Name)
	}
	q.taken++
	if q.head >= eventQueueKeep && q.head*2 >= len(q.queue) {
		// Under constant load the queue is never empty, so move up in time.
		kept := copy(q.queue, q.queue[q.head:])
		clear(q.queue[kept:])
		q.queue, q.head = q.queue[:kept], 0
	}
	q.calls++
	q.call = q.calls
	return n, true
}

// eventQueueKeep is how many entries an empty queue keeps room for, and from how
// many on it is long.
const eventQueueKeep = 1024

// deliver tells the delegate that is configured now.
func (m *Memberlist) deliver(n notice) {
	if !m.callbacks.enter() {
		return
	}
	defer m.callbacks.leave()
	switch n.kind {
	case noticeJoin:
		if d := m.config.Events; d != nil {
			d.NotifyJoin(&n.node.Node)
		}
	case noticeLeave:
		if d := m.config.Events; d != nil {
			if v, ok := d.(VerdictDelegate); ok {
				v.NotifyVerdict(&n.node.Node, *n.why)
			}
			d.NotifyLeave(&n.node.Node)
		}
	case noticeUpdate:
		if d := m.config.Events; d != nil {
			d.NotifyUpdate(&n.node.Node)
		}
	case noticeConflict:
		if d := m.config.Conflict; d != nil {
			d.NotifyConflict(&n.node.Node, n.other)
		}
	case noticePong:
		if d := m.config.Ping; d != nil {
			d.NotifyPingComplete(&n.node.Node, n.rtt, n.payload)
		}
	}
}

// finishNotice publishes what has been delivered and ends waits for it.
func (m *Memberlist) finishNotice(n notice) {
	q := &m.events
	q.mu.Lock()
	defer q.mu.Unlock()
	q.call = 0
	if q.stopped {
		return
	}
	m.publish(n)
	q.turns.finish()
}

// stop ends delivery and all waits.
func (q *eventQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.turns.stop()
	clear(q.queue)
	q.queue, q.head, q.newest = nil, 0, nil
}

// inCallback identifies the event callback in progress, if any. Methods that
// end with awaitEvents call it first.
func (m *Memberlist) inCallback() uint64 {
	m.events.mu.Lock()
	defer m.events.mu.Unlock()
	return m.events.call
}

// awaitEvents waits until everything decided so far has been delivered and
// published, so that what a method did is visible when it returns.
//
// entry is what inCallback said when the method began. If that very callback
// is still in progress the method may have been called by it, and waiting
// would be waiting for oneself; so then it does not wait. Goroutines of our own,
// which no callback waits for, pass 0.
func (m *Memberlist) awaitEvents(ctx context.Context, entry uint64) {
	q := &m.events
	q.mu.Lock()
	last := q.turns.last()
	own := entry != 0 && q.call == entry
	q.mu.Unlock()
	if !own {
		q.turns.await(ctx, last)
	}
}

// EventBacklog returns how many notifications for the Events, Conflict and
// Ping delegates have been decided and not yet delivered. It is zero most of the
// time. A delegate that blocks makes it grow, to a thousand and then by few for each
// member, and Members shows an older state of the cluster meanwhile. It never blocks.
func (m *Memberlist) EventBacklog() int {
	m.events.mu.Lock()
	defer m.events.mu.Unlock()
	return len(m.events.queue) - m.events.head
}

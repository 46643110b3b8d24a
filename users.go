package memberlist

import (
	"bytes"
	"sync"
	"sync/atomic"
)

// userQueue holds user messages that arrived in packets until NotifyMsg has
// been called for them. It is bounded by Config.HandoffQueueDepth, above which
// messages are dropped and counted: gossip is sent more than once, and a slow
// delegate must not delay acks. It is bounded in bytes, too, since compression
// lets a small packet hold a large message.
type userQueue struct {
	mu      sync.Mutex // leaf
	queue   []userMsg  // queue[head:] waits
	head    int
	bytes   int  // of the messages that wait
	active  bool // a userLoop runs, or is about to
	stopped bool
	dropped atomic.Uint64
	turns   turns  // of the messages, whose order among the events it keeps
	loop    func() // userLoop, made once
}

// handoffBytes bounds the bytes of user messages that wait. One message is
// always taken, however long.
const handoffBytes = 16 << 20

// userMsg is a user message and its place among the events.
type userMsg struct {
	buf   []byte
	after uint64 // the event that comes first
}

// pushUsers queues the user messages of one packet, which borrow from it. The
// last one is delivered first: senders pack the newest news first, and
// programs rely on the order in which that puts successive messages.
func (m *Memberlist) pushUsers(msgs [][]byte, sender from) {
	if len(msgs) == 0 || m.config.Delegate == nil {
		return
	}
	depth := m.config.handoffQueueDepth()
	q := &m.users
	dropped, start := 0, false
	after := m.events.turns.last()
	q.mu.Lock()
	for i := len(msgs) - 1; i >= 0 && !q.stopped; i-- {
		if waiting := len(q.queue) - q.head; waiting >= depth || waiting > 0 && q.bytes+len(msgs[i]) > handoffBytes {
			dropped++
			continue
		}
		msg := bytes.Clone(msgs[i])
		if msg == nil {
			msg = []byte{}
		}
		q.queue = append(q.queue, userMsg{msg, after})
		q.bytes += len(msg)
		q.turns.push()
		if !q.active {
			q.active, start = true, true
		}
	}
	if start && q.loop == nil {
		q.loop = m.userLoop
	}
	q.mu.Unlock()
	if start && m.workers.enter() {
		go q.loop()
	}
	if dropped > 0 {
		q.dropped.Add(uint64(dropped))
		for range dropped {
			m.meter.dropped("queue full")
		}
		if m.log.limited(logQueueFull) {
			m.log.warnf("handler queue full, dropping message (user) %s", sender)
		}
	}
}

// userLoop hands user messages to NotifyMsg, one at a time. It is started by
// the packet that finds none running, and ends when the queue is empty or,
// after the callback in progress, with Shutdown, which waits for it, but only
// shutdownGrace. At most one runs.
func (m *Memberlist) userLoop() {
	defer m.workers.leave()
	var hand [userHandful]userMsg
	var passed uint64 // the newest event that is known to be done with
	for {
		n := m.users.take(&hand)
		if n == 0 {
			return
		}
		for i := range hand[:n] {
			if msg := &hand[i]; msg.after > passed {
				m.events.turns.letPass(msg.after)
				passed = msg.after
			}
			m.notifyMsg(hand[i].buf)
			m.users.turns.finish()
		}
		clear(hand[:n])
	}
}

// userHandful is how many messages userLoop takes at once, in addition to those
// that wait: one by one, the queue's lock would cost more than the rest.
const userHandful = 16

// take moves the oldest messages into hand and returns how many. When there are
// none the loop must end.
func (q *userQueue) take(hand *[userHandful]userMsg) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.queue) {
		q.queue, q.head, q.active = q.queue[:0], 0, false
		return 0
	}
	n := copy(hand[:], q.queue[q.head:])
	for i := range n {
		q.bytes -= len(hand[i].buf)
	}
	clear(q.queue[q.head : q.head+n])
	q.head += n
	if q.head*2 >= cap(q.queue) {
		// Move up, so that the slice stays about as long as the bound.
		kept := copy(q.queue, q.queue[q.head:])
		clear(q.queue[kept:])
		q.queue, q.head = q.queue[:kept], 0
	}
	return n
}

// stop forgets what has not been delivered.
func (q *userQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.queue, q.head, q.bytes = nil, 0, 0
	q.turns.stop()
}

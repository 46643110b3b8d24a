package memberlist

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// turns numbers the entries of a queue that is worked off one by one, so that
// others can wait for an entry to be done with.
//
// Events and user messages have a queue and a goroutine each, lest a slow
// callback of one kind holds up the other. But they come from the same packets,
// and programs rely on the order: serf calls a member failed, not left, when
// NotifyLeave overtakes its message that says so, and forgets that message when
// it overtakes NotifyJoin. So a user message lets the events in front of it
// pass, and NotifyLeave the user messages in front of it. They wait for
// nothing newer than themselves, hence never for one another.
//
// Every message and every event is counted here, and hardly ever does anybody
// wait, so counting costs no lock.
type turns struct {
	pushed  atomic.Uint64 // entries so far
	done    atomic.Uint64 // of which are done with; done+1 is in progress
	waiting atomic.Int64  // len(waiters), or one more for a moment

	mu      sync.Mutex // leaf; guards what follows
	late    uint64     // the entry that letPass waited for in vain
	stopped bool
	waiters []turnWaiter // by ascending number
}

// turnWaiter waits until done reaches its number.
type turnWaiter struct {
	number uint64
	done   chan struct{}
}

// turnPatience is how long one callback may hold up the other queue. It is
// many times what a callback takes that does not wait for anything, and well
// below the time that users of a membership notice.
const turnPatience = 100 * time.Millisecond

// push counts one more entry.
func (t *turns) push() { t.pushed.Add(1) }

// last is the number of the newest entry.
func (t *turns) last() uint64 { return t.pushed.Load() }

// finish ends the entry in progress. Whoever begins to wait meanwhile either is
// seen here or sees that the entry is done with.
func (t *turns) finish() {
	t.done.Add(1)
	if t.waiting.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.waiters) > 0 && t.waiters[0].number <= t.done.Load() {
		close(t.waiters[0].done)
		t.waiters = t.waiters[1:]
	}
	t.waiting.Store(int64(len(t.waiters)))
}

// stop ends all waits, now and later.
func (t *turns) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for _, w := range t.waiters {
		close(w.done)
	}
	t.waiters = nil
	t.waiting.Store(0)
}

// await waits until an entry is done with, or ctx ends.
func (t *turns) await(ctx context.Context, number uint64) {
	if done := t.waiter(number, false); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			// The entry in waiters is closed in its turn; it holds nothing else.
		}
	}
}

// letPass waits until an entry is done with, for turnPatience at most, and only
// once for the same callback.
func (t *turns) letPass(number uint64) {
	done := t.waiter(number, true)
	if done == nil {
		return
	}
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		t.mu.Lock()
		defer t.mu.Unlock()
		t.late = t.done.Load() + 1
	}
}

// waiter returns what is closed when an entry is done with, or nil if there is
// nothing to wait for.
func (t *turns) waiter(number uint64, impatient bool) <-chan struct{} {
	if t.done.Load() >= number {
		return nil // the usual case
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting.Store(int64(len(t.waiters) + 1)) // before done is read, see finish
	done := t.done.Load()
	if t.stopped || done >= number || impatient && t.late == done+1 {
		t.waiting.Store(int64(len(t.waiters)))
		return nil
	}
	w := turnWaiter{number, make(chan struct{})}
	at, _ := slices.BinarySearchFunc(t.waiters, number+1, func(w turnWaiter, n uint64) int {
		if w.number < n {
			return -1
		}
		return 1
	})
	t.waiters = slices.Insert(t.waiters, at, w)
	return w.done
}

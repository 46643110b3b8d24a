package memberlist

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// shutdownGrace is how long Shutdown waits for user code that is running:
	// for callbacks, and for writes inside a transport that is not ours. It is
	// there for code that has only just been entered or is about to return;
	// whatever blocks longer is left to itself, because it may be what called
	// Shutdown.
	shutdownGrace = 10 * time.Millisecond

	// slowQuery is how long AckPayload and GetBroadcasts may take before it is
	// logged and counted: packets wait for them.
	slowQuery = 10 * time.Millisecond
)

// gate counts who is inside and lets nobody in any more once it is closed.
// Callbacks and messages pass it all the time, so that costs no lock.
type gate struct {
	state atomic.Int64  // who is inside, minus gateClosed once it is closed
	mu    sync.Mutex    // leaf
	empty chan struct{} // closed when the last one leaves a closed gate; made by left
}

// gateClosed is more than can ever be inside.
const gateClosed = 1 << 32

// enter reports whether the gate is open; leave must follow then.
func (g *gate) enter() bool {
	if g.state.Add(1) > 0 {
		return true
	}
	g.leave() // who is turned away has been counted for a moment
	return false
}

func (g *gate) leave() {
	if g.state.Add(-1) != -gateClosed {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// close lets nobody in any more. It is called once.
func (g *gate) close() { g.state.Add(-gateClosed) }

// left returns a channel that is closed when nobody is inside any more. The gate
// must be closed.
func (g *gate) left() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	empty := g.empty
	switch {
	case g.state.Load() == -gateClosed:
		empty = make(chan struct{})
		close(empty)
	case empty == nil:
		empty = make(chan struct{})
		g.empty = empty
	}
	return empty
}

// The methods below call user code. None does so after Shutdown has returned,
// all read the delegate from the Config at the time of the call, and none may
// be called with a lock held.

// nodeMeta asks for this node's metadata and copies it.
func (m *Memberlist) nodeMeta() ([]byte, error) {
	d := m.config.Delegate
	if d == nil || !m.callbacks.enter() {
		return nil, nil
	}
	defer m.callbacks.leave()
	meta := d.NodeMeta(MetaMaxSize)
	if len(meta) > MetaMaxSize {
		return nil, metaTooLarge(len(meta))
	}
	return bytes.Clone(meta), nil
}

// ackPayload asks what to add to an ack. The result belongs to the user.
func (m *Memberlist) ackPayload() []byte {
	d := m.config.Ping
	if d == nil || !m.callbacks.enter() {
		return nil
	}
	defer m.callbacks.leave()
	defer m.timeQuery("AckPayload", 1, time.Now())
	return d.AckPayload()
}

// userBroadcasts asks for messages that fill a packet. They belong to the user.
// now is when they are asked for, or zero if that is not to be timed.
func (m *Memberlist) userBroadcasts(room int, now time.Time) [][]byte {
	d := m.config.Delegate
	if d == nil || room <= userOverhead || !m.callbacks.enter() {
		return nil
	}
	defer m.callbacks.leave()
	if !now.IsZero() {
		defer m.timeQuery("GetBroadcasts", 1, now)
	}
	return d.GetBroadcasts(userOverhead, room)
}

// userOverhead is what a user message costs in a packet besides its bytes: two
// for its length and one for its type.
const userOverhead = 3

// timeQuery complains about a query, or several in a row, that made packets wait.
func (m *Memberlist) timeQuery(name string, times int, began time.Time) {
	took := time.Since(began)
	if took <= slowQuery {
		return
	}
	m.slowQueries.Add(1)
	m.meter.dropped("slow query")
	if m.log.limited(logSlow) {
		if times > 1 {
			name = fmt.Sprintf("%s, %d times,", name, times)
		}
		m.log.warnf("%s took %v; it must not block, because packets wait for it", name, took)
	}
}

// localState asks for the user's part of a push/pull; it belongs to the user.
func (m *Memberlist) localState(join bool) []byte {
	d := m.config.Delegate
	if d == nil || !m.callbacks.enter() {
		return nil
	}
	defer m.callbacks.leave()
	return d.LocalState(join)
}

// mergeRemoteState hands over the other side's part of a push/pull, unless it
// is empty.
func (m *Memberlist) mergeRemoteState(buf []byte, join bool) {
	d := m.config.Delegate
	if d == nil || len(buf) == 0 || !m.callbacks.enter() {
		return
	}
	defer m.callbacks.leave()
	d.MergeRemoteState(buf, join)
}

// notifyMsg hands over a user message.
func (m *Memberlist) notifyMsg(msg []byte) {
	d := m.config.Delegate
	if d == nil || !m.callbacks.enter() {
		return
	}
	defer m.callbacks.leave()
	d.NotifyMsg(msg)
}

// notifyAlive asks whether to accept an alive record. n is private to the call.
func (m *Memberlist) notifyAlive(d AliveDelegate, n *Node) error {
	if !m.callbacks.enter() {
		return ErrShutdown
	}
	defer m.callbacks.leave()
	return d.NotifyAlive(n)
}

// notifyMerge asks whether to merge; nodes are private to the call.
func (m *Memberlist) notifyMerge(nodes func() []*Node) error {
	d := m.config.Merge
	if d == nil {
		return nil
	}
	if !m.callbacks.enter() {
		return ErrShutdown
	}
	defer m.callbacks.leave()
	if err := d.NotifyMerge(nodes()); err != nil {
		return mergeRejected(err)
	}
	return nil
}

// askSelection asks the NodeSelectionDelegate, if there is one.
func (m *Memberlist) askSelection() (sel selection) {
	d := m.config.NodeSelection
	if d == nil || !m.callbacks.enter() {
		return selection{}
	}
	defer m.callbacks.leave()
	defer m.timeQuery("SelectNodes", 1, time.Now())
	m.mu.Lock()
	states := m.swim.appendNodeStates(m.clock.now(), nil)
	m.mu.Unlock()
	selected, preferred := d.SelectNodes(states)
	sel.pool = make(map[string]bool, len(selected))
	for _, n := range selected {
		if n != nil {
			sel.pool[n.Name] = true
		}
	}
	if preferred != nil {
		sel.preferred = preferred.Name
	}
	return sel
}

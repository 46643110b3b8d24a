package memberlist

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// view is the member list as readers see it: every node that is neither dead
// nor left. It follows the protocol's own table at the pace of the event
// delegate: a change appears here when the delegate has been told of it, and
// never before.
//
// Published nodes are never modified; a change replaces the pointer.
type view struct {
	count atomic.Int64 // len(nodes)

	mu    sync.Mutex // leaf; held for one copy of nodes at most
	nodes []*Node
	// whose are the members whose records are in nodes: whose[i].place is i+1.
	whose []*member
}

// publish makes visible what was believed about a member when its record was n.
func (v *view) publish(m *member, n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch gone := n.State == StateDead || n.State == StateLeft; {
	case gone && m.place != 0:
		last := len(v.nodes) - 1
		v.put(m.place-1, v.whose[last], v.nodes[last])
		v.nodes[last], v.whose[last] = nil, nil
		v.nodes, v.whose = v.nodes[:last], v.whose[:last]
		m.place = 0
	case gone:
	case m.place != 0:
		v.nodes[m.place-1] = n
	default:
		// At a random position, so that programs which always begin with the
		// first member do not all begin with the same one.
		v.nodes, v.whose = append(v.nodes, n), append(v.whose, m)
		last := len(v.nodes) - 1
		i := rand.Int32N(int32(len(v.nodes)))
		v.put(int32(last), v.whose[i], v.nodes[i])
		v.put(i, m, n)
	}
	v.count.Store(int64(len(v.nodes)))
}

// put stores a member's record at a position; mu must be held.
func (v *view) put(i int32, m *member, n *Node) {
	v.nodes[i], v.whose[i] = n, m
	m.place = i + 1
}

// members returns a slice that belongs to the caller.
func (v *view) members() []*Node {
	for {
		// Allocate before locking, so that a reader never makes the protocol
		// wait for the garbage collector.
		out := make([]*Node, v.count.Load())
		v.mu.Lock()
		if n := len(v.nodes); n <= len(out) {
			copy(out, v.nodes)
			v.mu.Unlock()
			return out[:n:n]
		}
		v.mu.Unlock()
	}
}

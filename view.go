package memberlist

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"unsafe"
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
	nodes []*Node    // each in a nodeRecord, whose place is its index + 1
}

// publish makes visible what was believed about a member when its record was n,
// in place of the record that it had before. That is nil, or is not listed, when
// the member was not.
func (v *view) publish(was, n *nodeRecord) {
	v.mu.Lock()
	defer v.mu.Unlock()
	listed := was != nil && was.place != 0
	switch gone := n.State == StateDead || n.State == StateLeft; {
	case gone && listed:
		last := len(v.nodes) - 1
		v.put(was.place, v.record(last))
		v.nodes[last] = nil
		v.nodes = v.nodes[:last]
		was.place = 0
	case gone:
	case listed:
		v.put(was.place, n)
		was.place = 0
	default:
		// At a random position, so that programs which always begin with the
		// first member do not all begin with the same one.
		v.nodes = append(v.nodes, &n.Node)
		i := rand.IntN(len(v.nodes))
		v.put(int32(len(v.nodes)), v.record(i))
		v.put(int32(i)+1, n)
	}
	v.count.Store(int64(len(v.nodes)))
}

// reserve makes room for n nodes together.
func (v *view) reserve(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.nodes = reserved(v.nodes, n)
}

// put lists a record at a place; mu must be held.
func (v *view) put(place int32, n *nodeRecord) {
	v.nodes[place-1] = &n.Node
	n.place = place
}

// record is what the node at an index is the first field of.
func (v *view) record(i int) *nodeRecord { return (*nodeRecord)(unsafe.Pointer(v.nodes[i])) }

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

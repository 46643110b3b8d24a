// Package simnet is a network in one goroutine: a virtual clock, a heap of
// events, and links and nodes that fail as told. Everything that happens is
// decided by the seed and by the calls made, so a run can be repeated exactly.
//
// A driver asks for the Next event, lets the node that it concerns act, and
// hands what the node sends back to the network. Nodes are numbers; what they
// are is the driver's business. Times are durations since the start.
//
// Nothing here may be used from more than one goroutine at a time.
package simnet

import (
	"math"
	"math/rand/v2"
	"time"
)

// Kind says what an Event is.
type Kind uint8

const (
	Wake         Kind = iota + 1 // the time given to WakeAt has come
	Packet                       // a packet has arrived
	Stream                       // a message of a stream has arrived
	StreamFailed                 // Node's stream ID is over: refused, reset or too late
	Mark                         // the time given to At has come; Node is -1
)

// Event is one thing that happens to one node.
type Event struct {
	Kind    Kind
	Node    int
	From    int    // Packet and Stream: who sent it
	ID      uint64 // streams: the opener's; Mark: the caller's
	Payload []byte // Packet: valid until the next call of Next
}

// Stats counts what became of packets.
type Stats struct {
	Events    uint64 // events delivered by Next
	Sent      uint64
	Delivered uint64
	Lost      uint64 // by links, cuts and partitions
	Overflow  uint64 // by full queues: bandwidth, paused nodes
	Nobody    uint64 // no process listened at the address
}

// Load is what a node has sent.
type Load struct{ Packets, Bytes uint64 }

const never = math.MaxInt64

// maxHeld is how many packets wait in each direction at a paused node before
// further ones are lost: about what kernels buffer for one socket. SetBuffers
// changes it.
const maxHeld = 4096

type node struct {
	down, paused, timersStop bool

	address, life uint32
	group         int32

	wake       int64 // when to wake the node
	wakeQueued int64 // the earliest wake-up in the heap; others are stale
	skew       int64 // the node's clock minus ours
	clock      int64 // what its clock showed last: clocks do not run backwards

	inbox, outbox []int32 // slots held while paused, in order

	slow     Delay // how late packets are read
	slowing  bool
	lastRead int64

	bandwidth float64
	backlog   int64
	sending   int64 // when the last packet has left

	load Load
}

// Network is the world that nodes run in.
type Network struct {
	now   int64
	rng   *rand.Rand
	queue queue
	nodes []node
	link  Link
	links map[pair]Link
	cuts  map[pair]struct{}
	open  map[uint64]streamEnd
	holds [2]int // packets held at a paused node: inbox, outbox
	last  int32  // slot whose payload the driver may still read; -1 none
	stats Stats
}

// New returns a network of so many running nodes, all pairs of which have the
// same link.
func New(seed uint64, nodes int, link Link) *Network {
	n := &Network{
		rng:  NewRand(seed, 0x5157494d),
		link: link, open: map[uint64]streamEnd{}, last: -1, holds: [2]int{maxHeld, maxHeld},
	}
	for range nodes {
		n.AddNode()
	}
	return n
}

// NewRand is a generator for one purpose among many of one seed. Seeds are
// usually small numbers next to each other, from which PCG would make streams
// that are alike, so they are scrambled first (with SplitMix64's finalizer).
func NewRand(seed, purpose uint64) *rand.Rand {
	scramble := func(x uint64) uint64 {
		x += 0x9E3779B97F4A7C15
		x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
		x = (x ^ x>>27) * 0x94D049BB133111EB
		return x ^ x>>31
	}
	return rand.New(rand.NewPCG(scramble(seed), scramble(scramble(seed)^purpose)))
}

// AddNode adds a running node and returns its number.
func (n *Network) AddNode() int {
	n.nodes = append(n.nodes, node{wake: never, wakeQueued: never})
	return len(n.nodes) - 1
}

// Len is the number of nodes.
func (n *Network) Len() int { return len(n.nodes) }

// Now is the true time.
func (n *Network) Now() time.Duration { return time.Duration(n.now) }

// Stats counts what has happened so far.
func (n *Network) Stats() Stats { return n.stats }

// Load is what the node has sent since it was added.
func (n *Network) Load(node int) Load { return n.nodes[node].load }

// Clock is the time that the node's own clock shows.
func (n *Network) Clock(node int) time.Duration {
	nd := &n.nodes[node]
	nd.clock = max(nd.clock, n.now+nd.skew)
	return time.Duration(nd.clock)
}

// Send sends a packet, which may get lost, wait, arrive late, twice, or after
// packets sent later. The payload is copied.
func (n *Network) Send(from, to int, payload []byte) {
	nd := &n.nodes[from]
	if nd.down {
		return
	}
	n.stats.Sent++
	nd.load.Packets++
	nd.load.Bytes += uint64(len(payload))
	if nd.paused && len(nd.outbox) >= n.holds[1] {
		n.stats.Overflow++
		return
	}
	slot, ok := n.queue.take()
	if !ok {
		n.stats.Overflow++
		return
	}
	b := &n.queue.bodies[slot]
	b.kind, b.node, b.from, b.address = Packet, int32(to), int32(from), n.nodes[to].address
	b.payload = append(b.payload, payload...)
	if nd.paused {
		nd.outbox = append(nd.outbox, slot)
		return
	}
	n.transmit(slot)
}

// transmit decides the fate of a packet at the moment that it leaves its sender.
func (n *Network) transmit(slot int32) {
	b := &n.queue.bodies[slot]
	left, ok := n.serialize(b.from, len(b.payload))
	if !ok {
		n.stats.Overflow++
		n.queue.release(slot)
		return
	}
	link := n.linkOf(b.from, b.node)
	if n.severed(b.from, b.node) || link.Loss > 0 && n.rng.Float64() < link.Loss {
		n.stats.Lost++
		n.queue.release(slot)
		return
	}
	if link.Duplicate > 0 && n.rng.Float64() < link.Duplicate {
		if twin, ok := n.queue.take(); ok {
			b = &n.queue.bodies[slot] // take may have moved it
			t := &n.queue.bodies[twin]
			payload := append(t.payload, b.payload...)
			*t = *b
			t.payload = payload
			n.queue.push(left+n.delay(&link), twin)
		}
	}
	n.queue.push(left+n.delay(&link), slot)
}

func (n *Network) delay(l *Link) int64 {
	d := l.Latency.draw(n.rng)
	if l.Reorder > 0 && n.rng.Float64() < l.Reorder {
		d += int64(n.rng.Float64() * float64(l.reorderBy()))
	}
	return d
}

// WakeAt asks for a Wake event when the node's own clock shows the time
// given, or at once if that has passed. It replaces what was asked before.
func (n *Network) WakeAt(node int, local time.Duration) {
	nd := &n.nodes[node]
	if nd.down {
		return
	}
	nd.wake = max(int64(local)-nd.skew, n.now)
	n.queueWake(int32(node))
}

// NoWake withdraws the wake-up asked for.
func (n *Network) NoWake(node int) { n.nodes[node].wake = never }

// queueWake makes sure that the heap holds a wake-up that is early enough. One
// that is too early moves itself when it is due, so that putting a wake-up
// off, which happens with nearly every packet, costs nothing.
func (n *Network) queueWake(node int32) {
	nd := &n.nodes[node]
	if nd.wake >= nd.wakeQueued {
		return
	}
	slot, ok := n.queue.take()
	if !ok {
		return
	}
	b := &n.queue.bodies[slot]
	b.kind, b.node = Wake, node
	nd.wakeQueued = nd.wake
	n.queue.push(nd.wake, slot)
}

// At asks for a Mark event with the id given, at once if the time has passed.
func (n *Network) At(t time.Duration, id uint64) {
	if slot, ok := n.queue.take(); ok {
		b := &n.queue.bodies[slot]
		b.kind, b.node, b.id = Mark, -1, id
		n.queue.push(max(int64(t), n.now), slot)
	}
}

// Next moves the clock to the next event and returns it, or false when nothing
// will ever happen again.
func (n *Network) Next() (Event, bool) {
	if n.last >= 0 {
		n.queue.release(n.last)
		n.last = -1
	}
	for len(n.queue.heap) > 0 {
		k := n.queue.pop()
		n.now = k.at
		slot := k.slot()
		happens, keep := n.arrive(slot)
		if happens {
			n.last = slot
			n.stats.Events++
			b := &n.queue.bodies[slot]
			return Event{Kind: b.kind, Node: int(b.node), From: int(b.from), ID: b.id, Payload: b.payload}, true
		}
		if !keep {
			n.queue.release(slot)
		}
	}
	return Event{}, false
}

// arrive decides whether the event in the slot happens now; otherwise, whether
// its slot is still in use.
func (n *Network) arrive(slot int32) (happens, keep bool) {
	b := &n.queue.bodies[slot]
	switch b.kind {
	case Mark:
		return true, false
	case Wake:
		return n.arriveWake(b.node), false
	case StreamFailed:
		return n.arriveFailure(slot)
	}
	nd := &n.nodes[b.node]
	if b.kind == Packet && (nd.down || nd.address != b.address) {
		n.stats.Nobody++
		return false, false
	}
	if b.kind == Stream && !n.listening(b) {
		return false, false
	}
	if nd.paused {
		if len(nd.inbox) >= n.holds[0] {
			n.stats.Overflow++
			return false, false
		}
		nd.inbox = append(nd.inbox, slot)
		return false, true
	}
	if nd.slowing && !b.late {
		b.late = true
		nd.lastRead = max(nd.lastRead, n.now+nd.slow.draw(n.rng))
		n.queue.push(nd.lastRead, slot)
		return false, true
	}
	if b.kind == Packet {
		n.stats.Delivered++
	}
	return true, false
}

func (n *Network) arriveWake(i int32) bool {
	nd := &n.nodes[i]
	if n.now != nd.wakeQueued {
		return false // an earlier one has replaced it
	}
	nd.wakeQueued = never
	if nd.down || nd.paused && nd.timersStop {
		return false
	}
	if nd.wake > n.now {
		n.queueWake(i)
		return false
	}
	nd.wake = never
	return true
}

package simnet

import (
	"math"
	"math/rand/v2"
	"time"
)

// Shape says how a Delay varies above its minimum.
type Shape uint8

const (
	Uniform     Shape = iota // evenly between Min and Min+Spread
	Exponential              // Min plus an exponential of mean Spread
	LogNormal                // Min plus Spread times a log-normal of median 1 and sigma 1: a long tail
)

// Delay is a distribution of durations. The zero value is always zero.
type Delay struct {
	Min, Spread time.Duration
	Shape       Shape
}

// maxDelay bounds a single draw of a distribution with a tail.
const maxDelay = time.Minute

func (d Delay) draw(rng *rand.Rand) int64 {
	if d.Spread <= 0 {
		return int64(d.Min)
	}
	spread := float64(d.Spread)
	switch d.Shape {
	case Exponential:
		spread *= rng.ExpFloat64()
	case LogNormal:
		spread *= math.Exp(rng.NormFloat64())
	default:
		spread *= rng.Float64()
	}
	return int64(d.Min) + int64(min(spread, float64(maxDelay)))
}

// Link is how packets fare in one direction between two nodes. Shares lie
// between 0 and 1. The zero value is a perfect link without delay.
type Link struct {
	Latency   Delay
	Loss      float64       // share of packets lost
	Duplicate float64       // share that arrives twice, each with a delay of its own
	Reorder   float64       // share that takes up to ReorderBy longer and is overtaken
	ReorderBy time.Duration // 0: ten times the typical latency
}

func (l *Link) reorderBy() int64 {
	if l.ReorderBy > 0 {
		return int64(l.ReorderBy)
	}
	return 10 * int64(l.Latency.Min+l.Latency.Spread)
}

// SetLink replaces the link from one node to another; nil restores the
// network's default. The other direction stays as it is.
func (n *Network) SetLink(from, to int, l *Link) {
	if l == nil {
		delete(n.links, pair{int32(from), int32(to)})
		return
	}
	if n.links == nil {
		n.links = map[pair]Link{}
	}
	n.links[pair{int32(from), int32(to)}] = *l
}

// SetDefault replaces the link of all pairs that have none of their own.
func (n *Network) SetDefault(l Link) { n.link = l }

// Default is the link of all pairs that have none of their own.
func (n *Network) Default() Link { return n.link }

type pair struct{ from, to int32 }

func (n *Network) linkOf(from, to int32) Link {
	if n.links != nil {
		if l, ok := n.links[pair{from, to}]; ok {
			return l
		}
	}
	return n.link
}

// Cut loses everything sent from one node to another; the other direction
// stays open. What is under way arrives.
func (n *Network) Cut(from, to int) {
	if n.cuts == nil {
		n.cuts = map[pair]struct{}{}
	}
	n.cuts[pair{int32(from), int32(to)}] = struct{}{}
}

// Mend undoes Cut.
func (n *Network) Mend(from, to int) { delete(n.cuts, pair{int32(from), int32(to)}) }

// Partition puts the nodes given into a group of their own: nothing passes
// between them and nodes of other groups. Group 0 is where everybody starts.
func (n *Network) Partition(group int, nodes ...int) {
	for _, i := range nodes {
		n.nodes[i].group = int32(group)
	}
}

// Heal undoes all cuts and partitions.
func (n *Network) Heal() {
	clear(n.cuts)
	for i := range n.nodes {
		n.nodes[i].group = 0
	}
}

func (n *Network) severed(from, to int32) bool {
	if n.nodes[from].group != n.nodes[to].group {
		return true
	}
	if len(n.cuts) > 0 {
		_, cut := n.cuts[pair{from, to}]
		return cut
	}
	return false
}

// SetBandwidth limits what a node can send to a number of bytes per second,
// 0 for no limit. A packet that would wait longer than backlog is lost.
func (n *Network) SetBandwidth(node int, bytesPerSecond float64, backlog time.Duration) {
	nd := &n.nodes[node]
	nd.bandwidth, nd.backlog = bytesPerSecond, int64(backlog)
}

// serialize is when size bytes that node sends now have left it, or not ok
// when its queue is full.
func (n *Network) serialize(node int32, size int) (at int64, ok bool) {
	nd := &n.nodes[node]
	if nd.bandwidth <= 0 {
		return n.now, true
	}
	start := max(n.now, nd.sending)
	if start-n.now > nd.backlog {
		return 0, false
	}
	nd.sending = start + int64(float64(size)/nd.bandwidth*float64(time.Second))
	return nd.sending, true
}

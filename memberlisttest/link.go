package memberlisttest

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"time"
)

// linkKey names one direction between two nodes.
type linkKey struct{ from, to string }

// link is one direction between two nodes, by name, so that it outlives their
// restarts. Each has its own randomness: what happens on it depends on the
// seed and on the packets written to it, not on how goroutines that use other
// links interleave. Network.mu guards it.
type link struct {
	linkKey
	packets rand.PCG
	streams rand.PCG
	seq     uint64    // packets launched, copies included
	free    time.Time // when the bytes accepted so far have left, with a bandwidth
	stats   Stats
}

// link finds or makes a link. n.mu is held.
func (n *Network) link(from, to string) *link {
	key := linkKey{from, to}
	l := n.links[key]
	if l == nil {
		l = &link{linkKey: key}
		l.packets.Seed(n.seed^hash(from, "packets"), hash(to, ""))
		l.streams.Seed(n.seed^hash(from, "streams"), hash(to, ""))
		n.links[key] = l
	}
	return l
}

func hash(name, salt string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write([]byte(salt))
	return h.Sum64()
}

// draw is all the chance that one packet uses. Every packet draws the whole,
// so that changing a fault does not change the luck of later packets.
type draw struct {
	loss, duplicate float64
	delay, again    delayDraw // of the packet and of its copy
}

type delayDraw struct{ jitter, reorder, detour float64 }

func (l *link) draw() draw {
	r := rand.New(&l.packets)
	return draw{
		loss: r.Float64(), duplicate: r.Float64(),
		delay: delayDraw{r.Float64(), r.Float64(), r.Float64()},
		again: delayDraw{r.Float64(), r.Float64(), r.Float64()},
	}
}

func (f *Faults) delay(d delayDraw) time.Duration {
	sum := f.Latency + time.Duration(d.jitter*float64(f.Jitter))
	if d.reorder < f.Reorder {
		sum += 1 + time.Duration(d.detour*float64(f.ReorderBy))
	}
	return sum
}

// depart is when size bytes written now have left, given the bandwidth.
func (l *link) depart(now time.Time, f *Faults, size int) time.Time {
	if f.Bandwidth == 0 {
		return now
	}
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(size) / float64(f.Bandwidth) * float64(time.Second)))
	return l.free
}

// full reports whether a packet would have to wait too long for its turn.
func (l *link) full(now time.Time, f *Faults) bool {
	return f.Bandwidth > 0 && l.free.Sub(now) > maxBacklog
}

// arrival is when part of a stream that is written now arrives.
func (l *link) arrival(now time.Time, f *Faults, size int) time.Time {
	jitter := time.Duration(rand.New(&l.streams).Float64() * float64(f.Jitter))
	return l.depart(now, f, size).Add(f.Latency + jitter)
}

// parcel is a packet on its way. buf belongs to it.
type parcel struct {
	due  time.Time
	seq  uint64
	link *link
	from netip.AddrPort
	to   netip.AddrPort
	buf  []byte
}

// transmit puts a packet on its link: it decides about it and schedules its
// arrival. n.mu is held.
func (n *Network) transmit(now time.Time, p parcel) {
	l := p.link
	luck := l.draw()
	f := n.topology.on(l.from, l.to)
	to := n.live[p.to]
	switch {
	case n.topology.cut(l.from, l.to):
		l.stats.Dropped.Cut++
		return
	case to == nil:
		l.stats.Dropped.NoNode++
		return
	case luck.loss < f.Loss:
		l.stats.Dropped.Loss++
		return
	case l.full(now, &f):
		l.stats.Dropped.Bandwidth++
		return
	}
	departure := l.depart(now, &f, len(p.buf))
	var again parcel
	double := luck.duplicate < f.Duplicate
	if double {
		// The receiver may decrypt in place: each gets its own bytes.
		l.stats.Duplicated++
		again = p
		again.buf = bytes.Clone(p.buf)
	}
	to.launch(now, p, departure.Add(f.delay(luck.delay)))
	if double {
		to.launch(now, again, departure.Add(f.delay(luck.again)))
	}
}

// flight is a heap of parcels. Of those due at the same instant the order
// depends on names and on the order of each link, not on who took the lock first.
type flight []parcel

func (f flight) Len() int      { return len(f) }
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f flight) Less(i, j int) bool {
	a, b := &f[i], &f[j]
	switch {
	case !a.due.Equal(b.due):
		return a.due.Before(b.due)
	case a.link.from != b.link.from:
		return a.link.from < b.link.from
	}
	return a.seq < b.seq
}
func (f *flight) Push(x any) { *f = append(*f, x.(parcel)) }
func (f *flight) Pop() any {
	last := len(*f) - 1
	p := (*f)[last]
	(*f)[last] = parcel{}
	*f = (*f)[:last]
	return p
}

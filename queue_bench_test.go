package memberlist

import (
	"fmt"
	"math"
	"testing"

	"github.com/swimguard/memberlist/internal/wire"
)

// benchSizes are the numbers of queued messages to measure with.
var benchSizes = []int{100, 1_000, 10_000, 100_000}

// benchBroadcasts returns n broadcasts with names and messages of 20 to 119
// bytes, as membership news has.
func benchBroadcasts(n int) []*namedBroadcast {
	bs := make([]*namedBroadcast, n)
	for i := range bs {
		bs[i] = &namedBroadcast{name: fmt.Sprint("node-", i)}
		bs[i].msg = make([]byte, 20+i*37%100)
	}
	return bs
}

// One operation is the life of n messages, each of which is queued, replaced by
// a newer one of its name, and transmitted eight times.
func BenchmarkQueueLifeCycle(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bs := benchBroadcasts(n)
			q := TransmitLimitedQueue{NumNodes: nodes(50), RetransmitMult: 4}
			b.ReportAllocs()
			for b.Loop() {
				for range 2 {
					for _, m := range bs {
						q.QueueBroadcast(m)
					}
				}
				for q.NumQueued() > 0 {
					q.GetBroadcasts(2, 1398)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/msg")
		})
	}
}

// One operation fills a packet with some 13 messages of 100 bytes.
func BenchmarkQueueGetBroadcasts(b *testing.B) {
	for _, lengths := range []int{1, 50} {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("lengths=%d/%d", lengths, n), func(b *testing.B) {
				bs := benchBroadcasts(n)
				q := TransmitLimitedQueue{NumNodes: nodes(1), RetransmitMult: math.MaxInt32}
				for i, m := range bs {
					m.msg = make([]byte, 100-lengths/2+i%lengths)
					q.QueueBroadcast(m)
				}
				b.ReportAllocs()
				msgs := 0
				for b.Loop() {
					msgs += len(q.GetBroadcasts(2, 1398))
				}
				b.ReportMetric(float64(msgs)/float64(b.N), "msgs/op")
			})
		}
	}
}

// The worst there is for sorted slices: each message has a length of its own,
// and all of them fit.
func BenchmarkQueueDistinctLengths(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			buf := make([]byte, n)
			q := TransmitLimitedQueue{NumNodes: nodes(1), RetransmitMult: math.MaxInt32}
			for i := range n {
				q.QueueBroadcast(unique(string(buf[:i])))
			}
			b.ReportAllocs()
			for b.Loop() {
				q.GetBroadcasts(2, 13*n)
			}
		})
	}
}

// One operation replaces news that is queued.
func BenchmarkQueueReplace(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bs := benchBroadcasts(n)
			var q TransmitLimitedQueue
			for _, m := range bs {
				q.QueueBroadcast(m)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				q.QueueBroadcast(bs[i%n])
				i++
			}
		})
	}
}

// One operation queues a plain broadcast that is compared with all queued.
func BenchmarkQueuePlain(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var q TransmitLimitedQueue
			msg := make([]byte, 50)
			for range n {
				q.QueueBroadcast(&plainBroadcast{msg: msg})
			}
			var last Broadcast
			b.ReportAllocs()
			for b.Loop() {
				prev := last
				p := &plainBroadcast{msg: msg, invalidates: func(old Broadcast) bool { return old == prev }}
				q.QueueBroadcast(p)
				last = p
			}
		})
	}
}

// One operation fills a datagram of the core and queues what left the queue.
func BenchmarkGossipQueueFill(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var q gossipQueue
			all := make([]news, n)
			size := func(i int) int { return len(all[i].appendTo(nil)) }
			for i := range all {
				all[i] = news{kind: wire.TypeAlive, incarnation: 1, about: &member{node: &nodeRecord{Node: Node{
					Name: fmt.Sprint("node-", i), Addr: []byte{10, 0, 0, 1}, Port: 7946, Meta: make([]byte, i*37%50),
				}}}}
				q.push(all[i], size(i), 0)
			}
			sizes := make([]int, n)
			for i := range sizes {
				sizes[i] = size(i)
			}
			var fx effects
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				fx.reset()
				q.fill(&fx, 2, 1398, 8, true)
				for q.len() < n {
					q.push(all[i%n], sizes[i%n], 0)
					i++
				}
			}
		})
	}
}

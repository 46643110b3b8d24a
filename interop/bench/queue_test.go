package bench

import (
	"fmt"
	"math"
	"testing"
)

// named is a broadcast that replaces older ones of its name.
type named struct {
	name string
	msg  []byte
}

func (n *named) Invalidates(other Broadcast) bool {
	o, ok := other.(*named)
	return ok && o.name == n.name
}
func (n *named) Name() string    { return n.name }
func (n *named) Message() []byte { return n.msg }
func (n *named) Finished()       {}

// namedBroadcasts are n broadcasts of 20 to 119 bytes, as membership news has.
func namedBroadcasts(n int) []*named {
	bs := make([]*named, n)
	for i := range bs {
		bs[i] = &named{name: fmt.Sprint("node-", i), msg: make([]byte, 20+i*37%100)}
	}
	return bs
}

var queueSizes = []int{100, 1_000, 10_000, 100_000}

// BenchmarkQueueLife: messages are queued, replaced by newer ones of their
// names, and sent until they leave the queue. One operation is one message.
func BenchmarkQueueLife(b *testing.B) {
	for _, size := range queueSizes {
		b.Run(fmt.Sprintf("queued=%d", size), func(b *testing.B) {
			onOneProcessor(b)
			bs := namedBroadcasts(size)
			q := TransmitLimitedQueue{NumNodes: func() int { return 50 }, RetransmitMult: 2}
			lives := b.N * max(1, 2_000/size)
			w := newStopwatch(b)
			w.start()
			for range lives {
				for range 2 {
					for _, m := range bs {
						q.QueueBroadcast(m)
					}
				}
				sent := 0
				for q.NumQueued() > 0 {
					sent += len(q.GetBroadcasts(2, 1398))
				}
				if sent != 4*size {
					b.Fatalf("%d messages sent, expected %d", sent, 4*size)
				}
			}
			w.stop()
			w.report(lives * size)
		})
	}
}

// BenchmarkQueueGet: one operation takes the 13 messages of 100 bytes that fill
// a packet.
func BenchmarkQueueGet(b *testing.B) {
	for _, size := range queueSizes {
		b.Run(fmt.Sprintf("queued=%d", size), func(b *testing.B) {
			onOneProcessor(b)
			bs := namedBroadcasts(size)
			q := TransmitLimitedQueue{NumNodes: func() int { return 1 }, RetransmitMult: math.MaxInt32}
			for _, m := range bs {
				m.msg = make([]byte, 100)
				q.QueueBroadcast(m)
			}
			const calls = 2000
			w := newStopwatch(b)
			w.start()
			for range b.N * calls {
				if got := len(q.GetBroadcasts(2, 1398)); got != 13 {
					b.Fatalf("%d messages, expected 13", got)
				}
			}
			w.stop()
			w.report(b.N * calls)
			if q.NumQueued() != size {
				b.Fatalf("%d queued, expected %d", q.NumQueued(), size)
			}
		})
	}
}

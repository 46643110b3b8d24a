package bench

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkGossip measures gossip packets, built and sent, while so many
// pieces of news are queued. One operation is a packet; without news there are
// none, and one operation is a gossip interval that passes.
func BenchmarkGossip(b *testing.B) {
	const interval = time.Millisecond
	for _, f := range []framing{plain, byDefault} {
		for _, queued := range []int{0, 100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/queued=%d", f.name, queued), func(b *testing.B) {
				onOneProcessor(b)
				n := newTestNode(b, f, func(c *Config) {
					c.GossipInterval = interval
					// News is sent for ever, or once, so that none is left.
					if c.RetransmitMult = 1 << 20; queued == 0 {
						c.RetransmitMult = 0
					}
				})
				n.fill(max(queued, 500)+1, nil)
				w := newStopwatch(b)
				if queued == 0 {
					n.quiet(100 * interval)
					heapInUse() // so that no garbage of the preparation is swept meanwhile
					const intervals = 500
					sent := n.t.sent.Load()
					w.start()
					time.Sleep(time.Duration(b.N) * intervals * interval)
					w.stop()
					w.report(b.N * intervals)
					if now := n.t.sent.Load(); now != sent {
						b.Fatalf("%d packets although there is nothing to say", now-sent)
					}
					return
				}
				const packets = 600
				for range b.N {
					n.expectSent(packets)
					w.start()
					n.awaitSent()
					w.stop()
				}
				w.report(b.N * packets)
			})
		}
	}
}

// quiet waits until nothing has been sent for so long.
func (n *testNode) quiet(pause time.Duration) {
	n.b.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		sent := n.t.sent.Load()
		time.Sleep(pause)
		if n.t.sent.Load() == sent {
			return
		}
	}
	n.b.Fatal("the node does not become quiet")
}

package bench

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// batch is how many messages stand for one iteration of a benchmark. The
// command vs runs one iteration, so that each side does the same work after
// one preparation, whatever that takes.
const batch = 2000

// window is how many packets are handed in before waiting. It hides the cost
// of switching between the benchmark and the library.
const window = 1000

// pingWindow is the same for packets that are answered: ours keeps a bounded
// number for each peer that a transport has not taken yet.
const pingWindow = 100

var full = flag.Bool("full", false, "measure every framing at every size of the table")

// BenchmarkPacket measures a packet from the transport to its effect: every
// framing at 1,000 members, and the most usual ones at other sizes. The works follow one another on one node; what they leave behind is counted
// by none.
func BenchmarkPacket(b *testing.B) {
	works := []struct {
		name string
		run  func(*testing.B, *testNode)
	}{
		{"ping", benchPing}, // first, while there is nothing to take along
		{"stale", benchStale},
		{"newer", benchNewer},
		{"suspect+refute", benchSuspectRefute},
		{"compound20", benchCompound},
		{"user", benchUser},
		{"join", benchJoin}, // last, since the table grows
	}
	for _, f := range framings {
		b.Run(f.name, func(b *testing.B) {
			for _, size := range []int{10, 1_000, 10_000} {
				if size != 1_000 && f.name != plain.name && f.name != byDefault.name && !*full {
					continue
				}
				b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
					onOneProcessor(b)
					n := newTestNode(b, f)
					n.fill(size, nil)
					n.drain(size)
					for _, w := range works {
						b.Run(w.name, func(b *testing.B) { w.run(b, n) })
					}
				})
			}
		})
	}
}

// drain empties the gossip queue, by acks that take it along.
func (n *testNode) drain(size int) {
	n.b.Helper()
	n.t.keep.Store(true)
	for range 1 + size {
		n.expectSent(1)
		n.inject(n.f.seal(ping(1)))
		n.awaitSent()
		if len(*n.t.last.Load()) < 100 {
			n.t.keep.Store(false)
			return
		}
	}
	n.b.Fatal("the gossip queue does not drain")
}

// windows runs f for b.N batches of packets, a window at a time, and reports
// what one packet cost.
func windows(b *testing.B, batch, window int, f func(w *stopwatch)) {
	w := newStopwatch(b)
	for left := b.N * batch; left > 0; left -= window {
		f(w)
	}
	w.report(b.N * batch)
}

// benchPing: one operation is a ping and its ack.
func benchPing(b *testing.B, n *testNode) {
	pings := make([]*Packet, pingWindow)
	windows(b, batch, pingWindow, func(w *stopwatch) {
		for i := range pings {
			n.seq++
			pings[i] = n.packet(ping(n.seq))
		}
		n.expectSent(pingWindow)
		w.start()
		for _, p := range pings {
			n.give(p)
		}
		n.awaitSent()
		w.stop()
	})
}

// packets measures handing in messages, each made by msg.
func packets(b *testing.B, n *testNode, msg func() []byte) {
	ps := make([]*Packet, window)
	windows(b, batch, window, func(w *stopwatch) {
		for i := range ps {
			ps[i] = n.packet(msg())
		}
		w.start()
		for _, p := range ps {
			n.give(p)
		}
		n.settle()
		w.stop()
	})
}

// benchStale: an alive that says nothing new, as most gossip does.
func benchStale(b *testing.B, n *testNode) {
	packets(b, n, func() []byte { return alive(n.nextMember(), 1, nil) })
	n.check(0)
}

// benchNewer: an alive with a higher incarnation, which is passed on.
func benchNewer(b *testing.B, n *testNode) {
	packets(b, n, func() []byte {
		i := n.nextMember()
		n.incarnations[i]++
		return alive(i, n.incarnations[i], nil)
	})
	n.check(0)
}

// benchJoin: an alive of a member not heard of before.
func benchJoin(b *testing.B, n *testNode) {
	size := n.m.NumMembers()
	w := newStopwatch(b)
	for i := range b.N {
		if i > 0 {
			// The number of newcomers is limited.
			n = newTestNode(b, n.f)
			n.fill(size, nil)
		}
		for range joins / window {
			ps := make([]*Packet, window)
			for j := range ps {
				ps[j] = n.packet(alive(len(n.incarnations), 1, nil))
				n.incarnations = append(n.incarnations, 1)
			}
			w.start()
			for _, p := range ps {
				n.give(p)
			}
			n.settle()
			w.stop()
		}
		if got := n.m.NumMembers(); got != size+joins {
			b.Fatalf("%d members, expected %d", got, size+joins)
		}
	}
	w.report(b.N * joins)
}

// joins is the batch of benchJoin. Ours lets in 4,096 newcomers a minute, or
// as many as there are members.
const joins = 3000

// benchSuspectRefute: an accusation and the refutation.
func benchSuspectRefute(b *testing.B, n *testNode) {
	size := n.m.NumMembers()
	most := min(size-1, window)
	suspects, alives := make([]*Packet, most), make([]*Packet, most)
	counters := listen(b, "memberlist.msg.suspect", "memberlist.msg.alive")
	w := newStopwatch(b)
	goroutines := runtime.NumGoroutine()
	total := 0
	for ; total < b.N*batch; total += most {
		for i := range most {
			old := n.incarnations[1+i]
			suspects[i] = n.packet(suspect(1+i, old, "accuser"))
			alives[i] = n.packet(alive(1+i, old+1, nil))
		}
		counters[0].expect(most)
		counters[1].expect(most)
		w.start()
		for _, p := range suspects {
			n.give(p)
		}
		counters[0].await(b)
		w.stop()
		if total == 0 {
			n.check(most)
		}
		w.start()
		for _, p := range alives {
			n.give(p)
		}
		counters[1].await(b)
		w.stop()
		for i := range most {
			n.incarnations[1+i]++
		}
	}
	w.report(total)
	n.settle()
	n.check(0)
	for began := time.Now(); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Since(began) > 10*time.Second {
			b.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
}

// benchCompound: a gossip packet with 20 messages, of which two are news.
// Those that are not urgent come in reverse order with the incumbent, so the
// user message in front is the last to be dealt with.
func benchCompound(b *testing.B, n *testNode) {
	ps := make([]*Packet, window/4)
	windows(b, batch/4, len(ps), func(w *stopwatch) {
		for i := range ps {
			msgs := make([][]byte, 20)
			for j := range msgs {
				switch {
				case j == 0:
					msgs[j] = user("a message of some forty bytes for the user")
				case j <= 2:
					n.incarnations[j]++
					msgs[j] = alive(j, n.incarnations[j], nil)
				case j%3 == 0:
					msgs[j] = suspect(n.nextMember(), 0, "accuser")
				default:
					msgs[j] = alive(n.nextMember(), 1, nil)
				}
			}
			ps[i] = n.packet(compound(msgs))
		}
		n.expectUsers(len(ps))
		w.start()
		for _, p := range ps {
			n.give(p)
		}
		n.awaitUsers()
		w.stop()
	})
	n.settle()
	n.check(0)
}

// benchUser: a message for the program.
func benchUser(b *testing.B, n *testNode) {
	msg := user("a message of some forty bytes for the user")
	ps := make([]*Packet, window)
	windows(b, batch, window, func(w *stopwatch) {
		for i := range ps {
			ps[i] = n.packet(msg)
		}
		n.expectUsers(window)
		w.start()
		for _, p := range ps {
			n.give(p)
		}
		n.awaitUsers()
		w.stop()
	})
}

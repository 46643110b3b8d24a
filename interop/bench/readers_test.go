package bench

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkReaders measures what programs ask for all the time.
func BenchmarkReaders(b *testing.B) {
	for _, size := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			n := newTestNode(b, plain)
			n.fill(size, nil)
			n.drain(size)
			members := func() {
				if got := len(n.m.Members()); got != size {
					b.Fatalf("%d members, expected %d", got, size)
				}
			}
			b.Run("Members", func(b *testing.B) { benchReader(b, members) })
			b.Run("MembersUnderUpdates", func(b *testing.B) { benchUnderUpdates(b, n, members) })
			b.Run("NumMembers", func(b *testing.B) {
				benchReader(b, func() {
					if got := n.m.NumMembers(); got != size {
						b.Fatalf("%d members, expected %d", got, size)
					}
				})
			})
			b.Run("LocalNode", func(b *testing.B) {
				benchReader(b, func() {
					if n.m.LocalNode().Name != nodeName {
						b.Fatal("another node")
					}
				})
			})
		})
	}
}

// benchReader calls f for some time.
func benchReader(b *testing.B, f func()) {
	onOneProcessor(b)
	const atOnce = 50
	calls := 0
	w := newStopwatch(b)
	w.start()
	for began := time.Now(); time.Since(began) < time.Duration(b.N)*50*time.Millisecond; calls += atOnce {
		for range atOnce {
			f()
		}
	}
	w.stop()
	w.report(calls)
}

// benchUnderUpdates calls f while the node takes in updates as fast as it can.
// It reports how long the slowest hundredth of the calls takes, and how long an
// update does compared with one while nobody reads.
func benchUnderUpdates(b *testing.B, n *testNode, f func()) {
	const updates = 3_000
	update := func() time.Duration {
		ps := make([]*Packet, updates)
		for i := range ps {
			m := n.nextMember()
			n.incarnations[m]++
			ps[i] = n.packet(alive(m, n.incarnations[m], []byte(fmt.Sprint(n.incarnations[m]))))
		}
		began := time.Now()
		for _, p := range ps {
			n.give(p)
		}
		n.settle()
		return time.Since(began)
	}
	var alone, read time.Duration
	var took []time.Duration
	for range b.N {
		alone += update()
		var stop atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			for !stop.Load() || len(took) < 100 {
				began := time.Now()
				f()
				took = append(took, time.Since(began))
				time.Sleep(20 * time.Microsecond) // a program does something with what it reads
			}
		}()
		read += update()
		stop.Store(true)
		<-done
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(read.Nanoseconds())/float64(b.N*updates), "update-ns")
	b.ReportMetric(float64(read)/float64(alone), "slowdown-of-updates")
	b.ReportMetric(0, "ns/op")
}

package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"
)

// BenchmarkIdle measures a cluster of real nodes on loopback, in the default
// configuration, in which nothing happens. All figures are for one node.
func BenchmarkIdle(b *testing.B) {
	for _, size := range []int{100} {
		b.Run(fmt.Sprintf("nodes=%d", size), func(b *testing.B) {
			goroutines := runtime.NumGoroutine()
			resident := residentBytes(b)
			nodes := make([]*Memberlist, size)
			for i := range nodes {
				m, err := create(loopback(fmt.Sprintf("node-%03d", i), io.Discard))
				if err != nil {
					b.Fatal(err)
				}
				nodes[i] = m
				b.Cleanup(func() { m.Shutdown() })
				if i > 0 {
					if _, err := m.Join([]string{nodes[0].LocalNode().Address()}); err != nil {
						b.Fatal(err)
					}
				}
			}
			// Again, so that all know all: gossip may have missed somebody.
			for _, m := range nodes {
				if _, err := m.Join([]string{nodes[0].LocalNode().Address()}); err != nil {
					b.Fatal(err)
				}
			}
			know := func() {
				b.Helper()
				known := 0
				for _, m := range nodes {
					known += m.NumMembers()
				}
				// On a busy machine a node may just be taken for dead.
				if known < size*size*95/100 {
					b.Fatalf("the nodes know %d members on average, expected %d", known/size, size)
				}
			}
			know()
			time.Sleep(5 * time.Second) // gossip about the joins ends
			w, n := measureIdle(b, size)
			running := float64(runtime.NumGoroutine()-goroutines) / float64(size)
			know()
			b.ReportMetric(float64(w.bytes)/n, "B/node/s")
			b.ReportMetric(float64(w.mallocs)/n, "allocs/node/s")
			b.ReportMetric(running, "goroutines/node")
			b.ReportMetric(float64(residentBytes(b)-resident)/float64(size), "rss-bytes/node")
		})
	}
}

// measureIdle lets so many nodes be for a while, and reports the processor time
// that takes. n is for how many seconds, of all nodes together.
func measureIdle(b *testing.B, nodes int) (w *stopwatch, n float64) {
	const measured = 5 * time.Second
	heapInUse()
	w = newStopwatch(b)
	w.start()
	time.Sleep(time.Duration(b.N) * measured)
	w.stop()
	n = float64(b.N) * measured.Seconds() * float64(nodes)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(w.cpu.Nanoseconds())/n, "cpu-ns/node/s")
	return w, n
}

// residentBytes is the memory of this process, or zero where there is no
// /proc.
func residentBytes(b *testing.B) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// BenchmarkCreate: one operation is Create and Shutdown, on sockets.
func BenchmarkCreate(b *testing.B) {
	onOneProcessor(b)
	const nodes = 50
	w := newStopwatch(b)
	goroutines := runtime.NumGoroutine()
	for range b.N * nodes {
		c := loopback(nodeName, io.Discard)
		w.start()
		m, err := create(c)
		if err != nil {
			b.Fatal(err)
		}
		w.stop()
		if m.NumMembers() != 1 {
			b.Fatalf("%d members, expected 1", m.NumMembers())
		}
		w.start()
		if err := m.Shutdown(); err != nil {
			b.Fatal(err)
		}
		w.stop()
	}
	w.report(b.N * nodes)
	// The incumbent's goroutines outlive Shutdown for a moment.
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
}

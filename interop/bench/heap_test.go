package bench

import (
	"fmt"
	"testing"
)

// BenchmarkHeap measures what a member costs in memory, and what it costs more
// while news about it is queued.
func BenchmarkHeap(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		for _, meta := range []int{0, 64, 512} {
			b.Run(fmt.Sprintf("members=%d/meta=%d", size, meta), func(b *testing.B) {
				var members, queued uint64
				for range b.N {
					n := newTestNode(b, plain)
					before := heapInUse()
					n.fill(size+1, make([]byte, meta))
					n.incarnations = nil
					full := heapInUse()
					n.drain(size)
					n.t.last.Store(nil)
					drained := heapInUse()
					members += drained - before
					queued += full - drained
					n.m.Shutdown()
				}
				b.ReportMetric(0, "ns/op") // means nothing here
				b.ReportMetric(float64(members)/float64(b.N*size), "heap-bytes/member")
				b.ReportMetric(float64(queued)/float64(b.N*size), "queued-bytes/member")
			})
		}
	}
}

package bench

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Every benchmark reports cpu-ns/op besides ns/op: the processor time of all
// threads of the process, which says what the work costs also on a machine
// that is busy with other things.

// stopwatch measures stretches of a benchmark. It replaces the benchmark's
// own timer, which does not know processor time and costs some to start.
type stopwatch struct {
	b       *testing.B
	cpu     time.Duration
	mallocs uint64
	bytes   uint64
	wall    time.Duration

	cpu0  time.Duration
	mem0  runtime.MemStats
	wall0 time.Time
}

// newStopwatch returns one that stands still.
func newStopwatch(b *testing.B) *stopwatch { return &stopwatch{b: b} }

func (s *stopwatch) start() {
	runtime.ReadMemStats(&s.mem0)
	s.cpu0, s.wall0 = processorTime(), time.Now()
}

func (s *stopwatch) stop() {
	s.wall += time.Since(s.wall0)
	s.cpu += processorTime() - s.cpu0
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.mallocs += m.Mallocs - s.mem0.Mallocs
	s.bytes += m.TotalAlloc - s.mem0.TotalAlloc
}

// report divides by the number of operations.
func (s *stopwatch) report(operations int) {
	n := float64(operations)
	s.b.ReportAllocs() // or the testing package would not print ours
	s.b.ReportMetric(float64(s.wall.Nanoseconds())/n, "ns/op")
	s.b.ReportMetric(float64(s.cpu.Nanoseconds())/n, "cpu-ns/op")
	s.b.ReportMetric(float64(s.bytes)/n, "B/op")
	s.b.ReportMetric(float64(s.mallocs)/n, "allocs/op")
}

// onOneProcessor runs the rest of a benchmark on one processor, so that the
// price of waking another one, which depends on how busy the machine is, is
// counted for neither side.
func onOneProcessor(b *testing.B) {
	old := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// processorTime is what this process has used so far, in and for user code.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heapInUse is the size of what is reachable.
func heapInUse() uint64 {
	// The first collection may only begin what finalizers and pools let go.
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

package bench

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-metrics"
)

// counter waits for what both implementations count in the same metric. It
// shows that work was done of which no delegate is told.
type counter struct {
	n, target atomic.Int64
	reached   chan struct{} // the target-th was counted
}

func (c *counter) expect(k int) { c.target.Store(c.n.Load() + int64(k)) }

func (c *counter) await(b testing.TB) {
	select {
	case <-c.reached:
	case <-time.After(time.Minute):
		b.Fatalf("counted %d, expected %d", c.n.Load(), c.target.Load())
	}
}

// counters is a sink for metrics that counts those named.
type counters struct {
	metrics.BlackholeSink
	byName map[string]*counter
}

func (s *counters) IncrCounterWithLabels(key []string, _ float32, _ []metrics.Label) {
	if c := s.byName[strings.Join(key, ".")]; c != nil && c.n.Add(1) == c.target.Load() {
		c.reached <- struct{}{}
	}
}

// listen counts metrics until the benchmark ends.
func listen(b *testing.B, names ...string) []*counter {
	s := &counters{byName: map[string]*counter{}}
	var list []*counter
	for _, name := range names {
		c := &counter{reached: make(chan struct{}, 1)}
		s.byName[name] = c
		list = append(list, c)
	}
	global := func(sink metrics.MetricSink) {
		c := metrics.DefaultConfig("")
		c.EnableRuntimeMetrics, c.EnableHostname = false, false
		if _, err := metrics.NewGlobal(c, sink); err != nil {
			b.Fatal(err)
		}
	}
	global(s)
	b.Cleanup(func() { global(&metrics.BlackholeSink{}) })
	return list
}

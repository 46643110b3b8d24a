package memberlist

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// metricsSink writes down what it is told about metrics with the label
// test=<name>, so that other Memberlists in the process do not interfere.
type metricsSink struct {
	metrics.BlackholeSink
	test string
	mu   sync.Mutex
	got  []string
}

func (s *metricsSink) note(kind string, key []string, val float32, labels []metrics.Label) {
	if !slices.Contains(labels, metrics.Label{Name: "test", Value: s.test}) {
		return
	}
	line := fmt.Sprintf("%s %s %v", kind, strings.Join(key, "."), val)
	for _, l := range labels {
		if l.Name != "test" {
			line += " " + l.Name + "=" + l.Value
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, line)
}

func (s *metricsSink) SetGaugeWithLabels(key []string, val float32, labels []metrics.Label) {
	s.note("gauge", key, val, labels)
}
func (s *metricsSink) IncrCounterWithLabels(key []string, val float32, labels []metrics.Label) {
	s.note("counter", key, val, labels)
}
func (s *metricsSink) AddSampleWithLabels(key []string, val float32, labels []metrics.Label) {
	s.note("sample", key, val, labels)
}

// useMetricsSink makes the sink the process-wide one until the test ends.
func useMetricsSink(t *testing.T) *metricsSink {
	t.Helper()
	s := &metricsSink{test: t.Name()}
	conf := metrics.DefaultConfig("")
	conf.EnableHostname, conf.EnableRuntimeMetrics = false, false
	listenToMetrics(t, conf, s)
	return s
}

// listenToMetrics tells a sink about metrics until the test ends. Afterwards
// they are free again, as the tests that count allocations need them: what
// go-metrics leaves behind has no sink, but is not what it started with.
func listenToMetrics(t *testing.T, conf *metrics.Config, sink metrics.MetricSink) {
	t.Helper()
	if _, err := metrics.NewGlobal(conf, sink); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shutDownMetrics)
}

func shutDownMetrics() {
	metrics.Shutdown()
	silent = metrics.Default()
}

func TestMetricsHaveTheDocumentedNamesAndKinds(t *testing.T) {
	m := newMeter([]metrics.Label{{Name: "test", Value: t.Name()}})
	m.healthScore(1) // nobody listens yet: the sink is looked up at each event
	s := useMetricsSink(t)
	m.healthScore(3)
	m.queueBroadcasts(4)
	m.tcpAccept()
	m.tcpConnect()
	m.tcpSent(5)
	m.udpSent(6)
	m.udpReceived(7)
	m.nodeInstances([4]int{StateAlive: 1, StateSuspect: 2, StateDead: 3, StateLeft: 4})
	m.sizeLocal(1234)
	m.sizeRemote(4321)
	m.degradedProbe()
	m.degradedTimeout()
	m.msgAlive()
	m.msgSuspect()
	m.msgDead()
	m.compressAttempt(CompressionAlgorithmLZW)
	m.compressSkipped(CompressionAlgorithmSnappy)
	m.decompressAttempt("zip")
	m.decompressError(CompressionAlgorithmLZW)
	m.dropped("queue full")
	want := []string{
		"gauge memberlist.health.score 3",
		"sample memberlist.queue.broadcasts 4",
		"counter memberlist.tcp.accept 1",
		"counter memberlist.tcp.connect 1",
		"counter memberlist.tcp.sent 5",
		"counter memberlist.udp.sent 6",
		"counter memberlist.udp.received 7",
		"gauge memberlist.node.instances 1 node_state=alive",
		"gauge memberlist.node.instances 2 node_state=suspect",
		"gauge memberlist.node.instances 3 node_state=dead",
		"gauge memberlist.node.instances 4 node_state=left",
		"gauge memberlist.size.local 1234",
		"sample memberlist.size.remote 4321",
		"counter memberlist.degraded.probe 1",
		"counter memberlist.degraded.timeout 1",
		"counter memberlist.msg.alive 1",
		"counter memberlist.msg.suspect 1",
		"counter memberlist.msg.dead 1",
		"counter memberlist.compress.attempts_total 1 algo=lzw",
		"counter memberlist.compress.skipped_total 1 algo=snappy reason=size_worse_than_original",
		"counter memberlist.decompress.attempts_total 1 algo=unknown",
		"counter memberlist.decompress.errors_total 1 algo=lzw",
		"counter memberlist.dropped 1 reason=queue full",
	}
	if !slices.Equal(s.got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(s.got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestTimersReportMilliseconds(t *testing.T) {
	m := newMeter([]metrics.Label{{Name: "test", Value: t.Name()}})
	s := useMetricsSink(t)
	m.probeNode(1500 * time.Millisecond)
	m.gossip(2 * time.Second)
	m.pushPullNode(3 * time.Second)
	var name string
	var ms float64
	for i, want := range []struct {
		name string
		ms   float64
	}{{"memberlist.probeNode", 1500}, {"memberlist.gossip", 2000}, {"memberlist.pushPullNode", 3000}} {
		if _, err := fmt.Sscanf(s.got[i], "sample %s %g", &name, &ms); err != nil || name != want.name || ms < want.ms || ms > want.ms+1000 {
			t.Errorf("got %q, want %v", s.got[i], want)
		}
	}
}

// go-metrics appends to the slices that it is given: with spare capacity two
// goroutines would write to the same array (run with -race).
func TestLabelsAreCopiedWithoutSpareCapacity(t *testing.T) {
	labels := make([]metrics.Label, 1, 8)
	labels[0] = metrics.Label{Name: "test", Value: t.Name()}
	m := newMeter(labels)
	labels[0].Value = "changed"
	s := &metricsSink{test: t.Name()}
	conf := metrics.DefaultConfig("service")
	conf.EnableRuntimeMetrics, conf.EnableHostnameLabel, conf.EnableServiceLabel, conf.EnableTypePrefix = false, true, true, true
	listenToMetrics(t, conf, s)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				m.tcpAccept()
				m.nodeInstances([4]int{})
				m.dropped("a reason")
			}
		})
	}
	wg.Wait()
	if len(s.got) != 4*100*6 {
		t.Errorf("%d events", len(s.got))
	}
}

func TestDropReasonsAreBounded(t *testing.T) {
	m := newMeter([]metrics.Label{{Name: "test", Value: t.Name()}})
	s := useMetricsSink(t)
	for i := range 10 * dropReasonsMax {
		m.dropped(fmt.Sprint("reason ", i))
	}
	if len(m.reasons) > dropReasonsMax+1 {
		t.Errorf("%d reasons are kept", len(m.reasons))
	}
	slices.Sort(s.got)
	if n := len(slices.Compact(slices.Clone(s.got))); n != dropReasonsMax+1 {
		t.Errorf("%d time series", n)
	}
	m.dropped("reason 0")
	if got, want := s.got[len(s.got)-1], "counter memberlist.dropped 1 reason=reason 0"; got != want {
		t.Errorf("a known reason became %q", got)
	}
}

// Counters per packet must cost nothing in the many programs that have no sink.
func TestMetricsWithoutASinkDoNotAllocate(t *testing.T) {
	metrics.Shutdown()
	t.Cleanup(shutDownMetrics)
	for _, labels := range [][]metrics.Label{nil, {}} {
		m := newMeter(labels)
		for name, f := range map[string]func(){
			"udpSent":   func() { m.udpSent(1400) },
			"msgAlive":  func() { m.msgAlive() },
			"probeNode": func() { m.probeNode(time.Second) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	}
}

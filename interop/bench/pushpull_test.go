package bench

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// BenchmarkPushPull: a peer sends its table, the node answers with its own and
// merges. The stream is in memory, and costs one copy in each direction.
func BenchmarkPushPull(b *testing.B) {
	for _, f := range []framing{plain, {name: "encrypted+compressed", key: benchKey, compress: true}} {
		for _, size := range []int{100, 1_000, 10_000, 50_000} {
			for _, kind := range []string{"identical", "half", "disjoint"} {
				b.Run(fmt.Sprintf("%s/members=%d/%s", f.name, size, kind), func(b *testing.B) {
					benchPushPull(b, f, size, kind)
				})
			}
		}
	}
}

func benchPushPull(b *testing.B, f framing, size int, kind string) {
	onOneProcessor(b)
	w := newStopwatch(b)
	exchanges := max(1, 2_000/size)
	answer := 0
	for range b.N * exchanges {
		n := newTestNode(b, f)
		n.fill(size, nil)
		request, members := n.peerTable(size, kind)
		c := newRecordedConn(n.streamFrame(pushPull(request)), make([]byte, 0, 200*size))
		w.start()
		n.t.streams <- c
		n.awaitMerged()
		<-c.closed
		w.stop()
		n.checkMerged(c.answer, size, members, kind)
		answer = len(c.answer)
		n.m.Shutdown()
	}
	w.report(b.N * exchanges)
	b.ReportMetric(float64(answer), "answer-bytes")
	if size == 10_000 {
		b.ReportMetric(float64(peakOfPushPull(b, f, size, kind)), "peak-heap-bytes")
	}
}

// peerTable is the table of a peer of a node that is filled to size, and how
// many members there are when the node has merged it.
func (n *testNode) peerTable(size int, kind string) (states []wire.NodeState, members int) {
	switch kind {
	case "identical":
		return nodeStates(1, size, 1, nil), size
	case "half":
		// The second half of the members is at a higher incarnation there, and
		// has metadata.
		states = nodeStates(1, size/2, 1, nil)
		return append(states, nodeStates(size/2, size, 2, []byte("metadata"))...), size
	case "disjoint":
		return nodeStates(size, 2*size, 1, nil), 2 * size
	}
	panic(kind)
}

// checkMerged checks the answer of a node, which is its table from before, and
// its table after.
func (n *testNode) checkMerged(answer []byte, size, members int, kind string) {
	n.b.Helper()
	if got := len(decodeStates(n.b, n.openFrame(answer))); got != size {
		n.b.Fatalf("%d states in the answer, expected %d", got, size)
	}
	if got := n.m.NumMembers(); got != members {
		n.b.Fatalf("%d members, expected %d", got, members)
	}
	if kind != "half" {
		return
	}
	newer := 0
	for _, m := range n.m.Members() {
		if string(m.Meta) == "metadata" {
			newer++
		}
	}
	if newer != size-size/2 {
		n.b.Fatalf("%d members with new metadata, expected %d", newer, size-size/2)
	}
}

// peakOfPushPull is by how much the heap grows during one exchange, with a
// collector that lets no garbage lie about. What stays in the table is part of it.
func peakOfPushPull(b *testing.B, f framing, size int, kind string) uint64 {
	n := newTestNode(b, f)
	defer n.m.Shutdown()
	n.fill(size, nil)
	request, _ := n.peerTable(size, kind)
	c := newRecordedConn(n.streamFrame(pushPull(request)), make([]byte, 0, 200*size))
	request = nil
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // for the observer
	before := heapInUse()
	peak, done := uint64(0), make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(sample)
			peak = max(peak, sample[1].Value.Uint64())
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	n.t.streams <- c
	n.awaitMerged()
	<-c.closed
	close(stop)
	<-done
	return max(peak, before) - before
}

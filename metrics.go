package memberlist

import (
	"slices"
	"sync"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// Keys of the metrics. They are literals, so without spare capacity: go-metrics
// appends to the slices that it is given.
var (
	keyHealthScore     = []string{"memberlist", "health", "score"}
	keyQueueBroadcasts = []string{"memberlist", "queue", "broadcasts"}
	keyTCPAccept       = []string{"memberlist", "tcp", "accept"}
	keyTCPConnect      = []string{"memberlist", "tcp", "connect"}
	keyTCPSent         = []string{"memberlist", "tcp", "sent"}
	keyUDPSent         = []string{"memberlist", "udp", "sent"}
	keyUDPReceived     = []string{"memberlist", "udp", "received"}
	keyNodeInstances   = []string{"memberlist", "node", "instances"}
	keySizeLocal       = []string{"memberlist", "size", "local"}
	keySizeRemote      = []string{"memberlist", "size", "remote"}
	keyProbeNode       = []string{"memberlist", "probeNode"}
	keyDegradedProbe   = []string{"memberlist", "degraded", "probe"}
	keyDegradedTimeout = []string{"memberlist", "degraded", "timeout"}
	keyGossip          = []string{"memberlist", "gossip"}
	keyPushPullNode    = []string{"memberlist", "pushPullNode"}
	keyMsgAlive        = []string{"memberlist", "msg", "alive"}
	keyMsgSuspect      = []string{"memberlist", "msg", "suspect"}
	keyMsgDead         = []string{"memberlist", "msg", "dead"}

	keyCompressAttempts   = []string{"memberlist", "compress", "attempts_total"}
	keyCompressSkipped    = []string{"memberlist", "compress", "skipped_total"}
	keyDecompressAttempts = []string{"memberlist", "decompress", "attempts_total"}
	keyDecompressErrors   = []string{"memberlist", "decompress", "errors_total"}

	// The incumbent has no counter for what it refuses.
	keyDropped = []string{"memberlist", "dropped"}
	// Nor does it hold anything down.
	keyHeld = []string{"memberlist", "held"}
	// Nor keep anything to itself.
	keyWithheld = []string{"memberlist", "withheld"}
)

// silent is the instance that go-metrics starts with. It has no sink and never
// gets one: programs that listen install another.
var silent = metrics.Default()

// heard reports whether anything listens to metrics. Asking first makes them
// free for programs in which nothing does; go-metrics itself copies labels
// before it throws them away.
func heard() bool { return metrics.Default() != silent }

// dropReasonsMax bounds the values of the label "reason", each of which is a
// time series in whatever stores the metrics.
const dropReasonsMax = 64

// meter reports the metrics of one Memberlist to the process-wide go-metrics
// instance, which programs may replace at any time, so it is looked up at each
// event. All methods are safe for concurrent use, and cost and allocate nothing
// while nothing listens.
type meter struct {
	labels []metrics.Label    // Config.MetricLabels, a copy without spare capacity
	states [4][]metrics.Label // labels and node_state, by NodeStateType
	algos  map[string][]metrics.Label
	skips  map[string][]metrics.Label // algos and why compression was not used

	mu      sync.RWMutex
	reasons map[string][]metrics.Label
}

// newMeter copies the labels.
func newMeter(labels []metrics.Label) *meter {
	t := &meter{
		labels:  slices.Clip(append([]metrics.Label(nil), labels...)), // nil if there are none
		algos:   map[string][]metrics.Label{},
		skips:   map[string][]metrics.Label{},
		reasons: map[string][]metrics.Label{},
	}
	for state, name := range map[NodeStateType]string{
		StateAlive: "alive", StateSuspect: "suspect", StateDead: "dead", StateLeft: "left",
	} {
		t.states[state] = t.with(metrics.Label{Name: "node_state", Value: name})
	}
	for _, algo := range []string{string(CompressionAlgorithmLZW), string(CompressionAlgorithmSnappy), "unknown"} {
		label := metrics.Label{Name: "algo", Value: algo}
		t.algos[algo] = t.with(label)
		t.skips[algo] = t.with(label, metrics.Label{Name: "reason", Value: "size_worse_than_original"})
	}
	return t
}

// with returns the labels and more, without spare capacity.
func (t *meter) with(more ...metrics.Label) []metrics.Label {
	return slices.Clip(slices.Concat(t.labels, more))
}

func (t *meter) count(key []string, n int) {
	if heard() {
		metrics.IncrCounterWithLabels(key, float32(n), t.labels)
	}
}

func (t *meter) sample(key []string, n int) {
	if heard() {
		metrics.AddSampleWithLabels(key, float32(n), t.labels)
	}
}

func (t *meter) gauge(key []string, n int) {
	if heard() {
		metrics.SetGaugeWithLabels(key, float32(n), t.labels)
	}
}

func (t *meter) timer(key []string, d time.Duration) {
	if heard() {
		metrics.MeasureSinceWithLabels(key, time.Now().Add(-d), t.labels)
	}
}

// healthScore reports a new score; 0 is healthy.
func (t *meter) healthScore(score int) { t.gauge(keyHealthScore, score) }

// queueBroadcasts reports how many membership broadcasts are waiting.
func (t *meter) queueBroadcasts(n int) { t.sample(keyQueueBroadcasts, n) }

// tcpAccept counts an inbound stream.
func (t *meter) tcpAccept() { t.count(keyTCPAccept, 1) }

// tcpConnect counts an outbound push/pull that got a connection.
func (t *meter) tcpConnect() { t.count(keyTCPConnect, 1) }

// tcpSent counts bytes of stream frames without the label header.
func (t *meter) tcpSent(n int) { t.count(keyTCPSent, n) }

// udpSent counts bytes of packets without the label header.
func (t *meter) udpSent(n int) { t.count(keyUDPSent, n) }

// udpReceived counts bytes of packets as they came.
func (t *meter) udpReceived(n int) { t.count(keyUDPReceived, n) }

// nodeInstances reports the size of the member table by NodeStateType.
func (t *meter) nodeInstances(counts [4]int) {
	for state, n := range counts {
		if heard() {
			metrics.SetGaugeWithLabels(keyNodeInstances, float32(n), t.states[state])
		}
	}
}

// sizeLocal reports the bytes of the state that this node sends in a push/pull.
func (t *meter) sizeLocal(n int) { t.gauge(keySizeLocal, n) }

// sizeRemote reports the announced bytes of an encrypted inbound frame.
func (t *meter) sizeRemote(n int) { t.sample(keySizeRemote, n) }

// probeNode reports how long a probe took, whatever its end.
func (t *meter) probeNode(d time.Duration) { t.timer(keyProbeNode, d) }

// degradedProbe counts a probe stretched by this node's own ill health.
func (t *meter) degradedProbe() { t.count(keyDegradedProbe, 1) }

// degradedTimeout counts a suspicion that ran out with fewer confirmations
// than were sought.
func (t *meter) degradedTimeout() { t.count(keyDegradedTimeout, 1) }

// held counts returns of members that were not reported, because they had
// failed again and again.
func (t *meter) held() { t.count(keyHeld, 1) }

// withheld counts members that were not accused though their probes failed,
// because this node's own judgement was in doubt.
func (t *meter) withheld() { t.count(keyWithheld, 1) }

// gossip reports how long a gossip tick took.
func (t *meter) gossip(d time.Duration) { t.timer(keyGossip, d) }

// pushPullNode reports how long an outbound push/pull took.
func (t *meter) pushPullNode(d time.Duration) { t.timer(keyPushPullNode, d) }

// msgAlive counts an accepted alive, msgSuspect a new suspicion and msgDead a
// death or leave.
func (t *meter) msgAlive()   { t.count(keyMsgAlive, 1) }
func (t *meter) msgSuspect() { t.count(keyMsgSuspect, 1) }
func (t *meter) msgDead()    { t.count(keyMsgDead, 1) }

// algo names the labels for a compression algorithm.
func (t *meter) algo(by map[string][]metrics.Label, name CompressionAlgorithm) []metrics.Label {
	if labels, ok := by[string(name)]; ok {
		return labels
	}
	return by["unknown"]
}

// compressAttempt and compressSkipped count outbound messages that were tried,
// and that were not smaller compressed. Compression itself cannot fail here.
func (t *meter) compressAttempt(name CompressionAlgorithm) {
	if heard() {
		metrics.IncrCounterWithLabels(keyCompressAttempts, 1, t.algo(t.algos, name))
	}
}
func (t *meter) compressSkipped(name CompressionAlgorithm) {
	if heard() {
		metrics.IncrCounterWithLabels(keyCompressSkipped, 1, t.algo(t.skips, name))
	}
}

// decompressAttempt and decompressError count inbound messages.
func (t *meter) decompressAttempt(name CompressionAlgorithm) {
	if heard() {
		metrics.IncrCounterWithLabels(keyDecompressAttempts, 1, t.algo(t.algos, name))
	}
}
func (t *meter) decompressError(name CompressionAlgorithm) {
	if heard() {
		metrics.IncrCounterWithLabels(keyDecompressErrors, 1, t.algo(t.algos, name))
	}
}

// dropped counts input that was refused. The reason is one of few fixed
// texts, never something received.
func (t *meter) dropped(reason string) {
	t.mu.RLock()
	labels, ok := t.reasons[reason]
	t.mu.RUnlock()
	if !ok {
		t.mu.Lock()
		if len(t.reasons) >= dropReasonsMax {
			reason = "other"
		}
		if labels, ok = t.reasons[reason]; !ok {
			labels = t.with(metrics.Label{Name: "reason", Value: reason})
			t.reasons[reason] = labels
		}
		t.mu.Unlock()
	}
	if heard() {
		metrics.IncrCounterWithLabels(keyDropped, 1, labels)
	}
}

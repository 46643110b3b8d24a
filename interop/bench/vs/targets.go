package main

import (
	"regexp"
	"slices"
	"strings"
)

// target is what one figure of a benchmark must be. At least one of the limits
// is set.
type target struct {
	work  string
	row   string  // the benchmark, without "Benchmark" and the number of processors
	unit  string  // of the figure
	times float64 // the incumbent's figure is at least so many times ours
	most  float64 // ours is at most this
	none  bool    // ours is zero, whatever the incumbent's is
}

const (
	cpu    = "cpu-ns/op"
	allocs = "allocs/op"
	space  = "B/op"
)

// targets are the floors that were set before anything was measured.
//
// The packet that is given away to a custom transport is one allocation.
var targets = []target{
	{"ping→ack, plain", "Packet/plain/members=1000/ping", cpu, 8, 0, false},
	{"ping→ack, encrypted", "Packet/encrypted/members=1000/ping", cpu, 6, 0, false},
	{"ping→ack, default", "Packet/default/members=1000/ping", cpu, 30, 0, false},
	{"ping→ack, default", "Packet/default/members=1000/ping", allocs, 0, 1, false},
	{"ping→ack over loopback UDP, default", "Flood", cpu, 12, 0, false},
	{"ping→ack over loopback UDP, default", "Flood", space, 100, 0, false},
	{"stale alive", "Packet/plain/members=1000/stale", cpu, 10, 0, false},
	{"stale alive", "Packet/plain/members=1000/stale", allocs, 0, 0, true},
	{"new alive, newer incarnation", "Packet/plain/members=1000/newer", cpu, 5, 0, false},
	{"new alive, newer incarnation", "Packet/plain/members=1000/newer", allocs, 0, 3, false},
	{"new alive, unknown member", "Packet/plain/members=1000/join", cpu, 5, 0, false},
	{"new alive, unknown member", "Packet/plain/members=1000/join", allocs, 0, 3, false},
	{"suspect + refuting alive", "Packet/plain/members=1000/suspect+refute", cpu, 5, 0, false},
	{"compound of 20 mixed", "Packet/plain/members=1000/compound20", cpu, 8, 0, false},
	{"user message", "Packet/plain/members=1000/user", cpu, 1, 0, false},
	{"gossip packet, 1,000 queued, plain", "Gossip/plain/queued=1000", cpu, 6, 0, false},
	{"gossip packet, 1,000 queued, default", "Gossip/default/queued=1000", cpu, 25, 0, false},
	{"gossip packet, 1,000 queued, default", "Gossip/default/queued=1000", allocs, 0, 3, false},
	{"push/pull 10,000, identical", "PushPull/plain/members=10000/identical", cpu, 6, 0, false},
	{"push/pull 10,000, identical", "PushPull/plain/members=10000/identical", allocs, 50, 0, false},
	{"push/pull 10,000, identical", "PushPull/plain/members=10000/identical", "answer-bytes", 1, 0, false},
	{"push/pull 10,000, disjoint", "PushPull/plain/members=10000/disjoint", cpu, 4, 0, false},
	{"push/pull 10,000, disjoint", "PushPull/plain/members=10000/disjoint", "peak-heap-bytes", 2.5, 0, false},
	{"push/pull 10,000, encrypted and compressed", "PushPull/encrypted+compressed/members=10000/identical", cpu, 3, 0, false},
	{"push/pull 10,000, encrypted and compressed", "PushPull/encrypted+compressed/members=10000/identical", "peak-heap-bytes", 2.5, 0, false},
	{"heap per member, 10,000, no metadata", "Heap/members=10000/meta=0", "heap-bytes/member", 1 / 0.75, 0, false},
	{"more heap per member while news about it is queued", "Heap/members=10000/meta=0", "queued-bytes/member", 2.5, 0, false},
	{"Members of 10,000", "Readers/members=10000/Members", cpu, 1.5, 0, false},
	{"Members of 10,000 under updates, p99", "Readers/members=10000/MembersUnderUpdates", "p99-ns", 10, 0, false},
	{"an update while Members is called", "Readers/members=10000/MembersUnderUpdates", "update-ns", 1, 0, false},
	{"NumMembers of 10,000", "Readers/members=10000/NumMembers", cpu, 100, 0, false},
	{"LocalNode of 10,000", "Readers/members=10000/LocalNode", cpu, 1, 0, false},
	{"TransmitLimitedQueue, 10,000 named, life cycle", "QueueLife/queued=10000", cpu, 3, 0, false},
	{"TransmitLimitedQueue, 10,000, GetBroadcasts of 13", "QueueGet/queued=10000", cpu, 4, 0, false},
	{"idle node of 100: CPU", "Idle/nodes=100", "cpu-ns/node/s", 1 / 0.3, 0, false},
	{"idle node of 100: bytes allocated", "Idle/nodes=100", "B/node/s", 100, 0, false},
	{"idle node of 100: goroutines", "Idle/nodes=100", "goroutines/node", 1 / 0.6, 0, false},
}

// withTargets returns a pattern for each benchmark function that runs what has
// a target, and little else: of each element, whatever occurs in one.
func withTargets() (patterns []string) {
	var names []string
	elements := map[string][][]string{}
	for _, t := range targets {
		path := strings.Split(t.row, "/")
		name := path[0]
		if elements[name] == nil {
			names = append(names, name)
			elements[name] = make([][]string, 0, len(path))
		}
		for i, e := range path[1:] {
			if i == len(elements[name]) {
				elements[name] = append(elements[name], nil)
			}
			if quoted := regexp.QuoteMeta(e); !slices.Contains(elements[name][i], quoted) {
				elements[name][i] = append(elements[name][i], quoted)
			}
		}
	}
	for _, name := range names {
		pattern := "^Benchmark" + name + "$"
		for _, alternatives := range elements[name] {
			pattern += "/^(" + strings.Join(alternatives, "|") + ")$"
		}
		patterns = append(patterns, pattern)
	}
	return patterns
}

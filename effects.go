package memberlist

import (
	"net/netip"
	"time"
)

// endpoint is where a datagram or stream goes. The name is empty when it is
// not known. host replaces addr for custom transports whose addresses are not
// an IP and a port; addr is then invalid.
type endpoint struct {
	addr netip.AddrPort
	host string
	name string
}

func (e endpoint) String() string {
	if e.addr.IsValid() {
		return e.addr.String()
	}
	return e.host
}

// ticket identifies a wait that an API call began. Zero means that there is
// nothing to wait for.
type ticket uint64

// dialID identifies a stream that the core asked for.
type dialID uint64

type dialKind uint8

const (
	dialPushPull dialKind = iota // exchange states; join is false
	dialPing                     // fallback probe over a stream
	dialHeal                     // a lost member answered: exchange states; join is true
	dialSeed                     // try an address that Join could not reach, or any when alone; join is true
)

// dial is a stream to open; how it ended is reported with swim.dialed.
type dial struct {
	id       dialID
	kind     dialKind
	to       endpoint
	seq      uint32    // dialPing: sequence number of the ping
	deadline time.Time // dialPing: when the answer is of no more use
}

// datagram is a packet under construction: the shell adds user broadcasts,
// frames, seals and sends it. Its messages are effects.msgs[lo:hi].
type datagram struct {
	to       endpoint
	lo, hi   int
	room     int    // bytes left for user broadcasts, each message costing 2+1 more than its length; 0: leave as it is
	checksum bool   // the recipient's record says protocol 5 or later
	ifAny    bool   // gossip: drop when there is nothing to say after all
	seq      uint32 // non-zero: report a failed send with swim.sendFailed
}

type noticeKind uint8

const (
	noticeChanged  noticeKind = iota // node's record changed and no delegate is told (suspect, alive again, new address or version)
	noticeJoin                       // NotifyJoin(node)
	noticeLeave                      // NotifyLeave(node): node.State is StateDead or StateLeft
	noticeUpdate                     // NotifyUpdate(node)
	noticeConflict                   // NotifyConflict(node, other); nothing becomes visible
	noticePong                       // NotifyPingComplete(node, rtt, payload); nothing becomes visible
)

// notice is something for delegates and for the published member list, in
// the order decided. node is immutable. Readers see the node after the
// delegate has been told.
type notice struct {
	kind    noticeKind
	node    *nodeRecord
	was     *nodeRecord // which node replaces, when something becomes visible; nil: none
	other   *Node
	rtt     time.Duration
	payload []byte
	why     *Explanation // noticeLeave
	after   uint64       // noticeLeave: the user message that comes first; the shell's
}

// completion ends the wait that ticket stands for.
type completion struct {
	ticket ticket
	ok     bool          // ping: answered; broadcasts: always true
	rtt    time.Duration // ping only
}

type traceKind uint8

const (
	traceProbeStart    traceKind = iota // n: health score; the metric degraded.probe when n > 0
	traceProbeEnd                       // node; d: how long it took; the metric probeNode
	traceProbeTimeout                   // node: no direct ack in time (DEBUG)
	traceProbeFailed                    // node: neither acks nor relays nor the stream answered (INFO)
	traceStreamSaved                    // node: the stream answered, packets did not (WARN)
	traceSuspicionFail                  // node, n confirmations: marked failed; d: k, the confirmations sought (INFO; metric degraded.timeout when n < k)
	traceRefuted                        // node = accuser or self, kind in from: "alive", "suspect", "dead" (WARN)
	traceConflict                       // node: name; from: text with both addresses and the old state (ERR)
	traceReclaimed                      // node; from: text "from old to new" (INFO)
	traceVersion                        // node: alive ignored for its versions (WARN)
	tracePaused                         // d: this process did not run for so long (WARN)
	traceDeaf                           // nothing is heard from anybody (WARN)
	traceDoubtful                       // this node's own judgement is in doubt; it keeps accusations to itself (WARN)
	traceWithheld                       // node: not accused though its probe failed (metric withheld)
	traceSpared                         // node: was to be buried and has answered a ping since it was accused (INFO)
	traceHeld                           // node, d: died again and again; its return is not shown for so long (INFO; metric held)
	traceOtherNode                      // node: ping for another node's name; from: sender (WARN)
	traceHealth                         // n: new health score (gauge)
	traceAlive                          // counter msg.alive
	traceSuspect                        // counter msg.suspect
	traceDead                           // counter msg.dead
	traceGossip                         // a gossip tick ran
	traceDropped                        // input refused; from: reason (counted, DEBUG)
)

// traceEvent is a line for logs, metrics and scripts. Names are the core's own copies.
type traceEvent struct {
	kind traceKind
	node string
	from string
	n    int
	d    time.Duration
}

// effects is everything one step asks of the outside world; performed after
// unlocking, then reused.
type effects struct {
	datagrams []datagram
	msgs      [][]byte // encoded messages; never modified once here, some backed by buf
	buf       []byte
	dials     []dial
	notices   []notice
	completed []completion
	trace     []traceEvent
}

// empty reports that there is nothing to do.
func (fx *effects) empty() bool {
	return len(fx.datagrams)+len(fx.dials)+len(fx.notices)+len(fx.completed)+len(fx.trace) == 0
}

// reset empties the effects for reuse and drops what they point to.
func (fx *effects) reset() {
	clear(fx.datagrams)
	clear(fx.msgs)
	clear(fx.dials)
	clear(fx.notices)
	clear(fx.trace)
	*fx = effects{
		datagrams: fx.datagrams[:0], msgs: fx.msgs[:0], buf: fx.buf[:0], dials: fx.dials[:0],
		notices: fx.notices[:0], completed: fx.completed[:0], trace: fx.trace[:0],
	}
}

package memberlist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"github.com/swimguard/memberlist/internal/simnet"
	"github.com/swimguard/memberlist/internal/wire"
)

// simCluster is a whole cluster in one goroutine: one core per node on one
// virtual network. It does what the shell does, without sockets, goroutines
// and locks: decode packets, wake the cores, perform their effects.
type simCluster struct {
	opts    simOptions
	net     *simnet.Network
	rng     *rand.Rand // for what the driver itself decides: user messages
	nodes   []*simNode
	streams map[uint64]*simStream
	lastID  uint64 // of streams and marks
	marks   map[uint64]func()
	fx      effects
	frame   []byte
	states  [][]wire.NodeState // for reuse
	check   *simChecker        // nil: nothing is checked
	err     error              // the first rule broken
	rule    string             // which
	ends    map[simWait]func() // waits for completions
	onEvent func(n *simNode, x notice)
	onTrace func(n *simNode, e traceEvent)
	counts  simCounts
	quiet   time.Duration // when the last fault has stopped to tell; maxQuiet: not yet
}

// maxQuiet is never: faults are under way.
const maxQuiet = time.Duration(math.MaxInt64)

// simCounts says what the cluster has sent, beyond simnet's own statistics.
type simCounts struct {
	messages  [wire.TypeLabel]int // by type, in packets
	pushPulls int                 // exchanges completed
	oversize  int                 // packets with a single message too long for one
}

type simOptions struct {
	nodes  int
	seed   uint64
	link   simnet.Link
	params func(p *params) // changes what DefaultLANConfig gives
	warm   bool            // begin as a cluster in which everybody knows everybody
	checks bool
	trace  *simTrace // nil: none is kept
	// How long a stream may take; 0 is the default of Config.TCPTimeout.
	streamTimeout time.Duration
}

// simNode is a host that runs one process, or none, at a time.
type simNode struct {
	i       int
	name    string
	core    *swim
	up      bool
	leaving bool
	mute    bool // every packet fails to be sent
	port    uint16
	life    int // processes so far
	meta    int // updates of metadata so far
	joined  bool
	events  map[string]bool    // names announced as members by NotifyJoin
	view    *view              // what Members would return, while checked
	sent    map[string]simSent // transmissions of each queued message, while checked
	largest int                // table size seen, which the retransmit budget depends on
}

// simWait is a ticket of one process.
type simWait struct {
	node   *simNode
	life   int
	ticket ticket
}

// simEpoch is what a node's clock shows at the start. The core takes the zero
// time for none at all.
var simEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const simPort = 7946

// simLink is a decent local network: 0.5 to 1.5 ms, no loss.
var simLink = simnet.Link{Latency: simnet.Delay{Min: time.Millisecond / 2, Spread: time.Millisecond}}

func newSimCluster(o simOptions) *simCluster {
	if o.streamTimeout == 0 {
		o.streamTimeout = defaultTCPTimeout
	}
	c := &simCluster{
		opts:    o,
		net:     simnet.New(o.seed, o.nodes, o.link),
		rng:     simnet.NewRand(o.seed, 1<<60),
		streams: map[uint64]*simStream{},
		marks:   map[uint64]func(){},
		ends:    map[simWait]func(){},
	}
	if o.link.Loss > 0 {
		c.quiet = maxQuiet
	}
	if o.checks {
		c.check = newSimChecker(c)
	}
	for i := range o.nodes {
		c.nodes = append(c.nodes, &simNode{i: i, name: "n" + strconv.Itoa(i), port: simPort})
		c.net.Crash(i) // nothing runs before boot
	}
	if o.warm {
		c.warmStart()
	}
	return c
}

// warmStart starts all nodes as members of one another, with nothing left to gossip.
func (c *simCluster) warmStart() {
	for _, n := range c.nodes {
		c.boot(n)
	}
	for _, n := range c.nodes {
		for _, other := range c.nodes {
			if other != n {
				record := other.core.self.node
				if c.check != nil {
					record = record.clone() // a record is in one list at most
					n.view.publish(nil, record)
				}
				n.core.table.insert(record, 1, simEpoch, n.core.rng)
				n.events[other.name] = true
			}
		}
		n.core.gossip.clear(&n.core.fx)
		n.joined = true
		n.core.timers.Remove(&n.core.gossipTimer)
		c.wake(n)
	}
}

// boot starts a new process at n. It knows nobody but itself.
func (c *simCluster) boot(n *simNode) {
	p := DefaultLANConfig().coreParams()
	p.name = n.name
	if c.opts.params != nil {
		c.opts.params(&p)
	}
	c.net.Restart(n.i, n.core != nil && n.port != n.core.self.node.Port)
	n.life++
	n.up, n.leaving, n.mute, n.joined = true, false, false, false
	n.events, n.view = map[string]bool{}, new(view)
	n.sent, n.largest = map[string]simSent{}, 1
	n.core = newSwim(p, simnet.NewRand(c.opts.seed, uint64(n.i)<<20|uint64(n.life)))
	self := &Node{
		Name: n.name, Addr: []byte{10, byte(n.i >> 16), byte(n.i >> 8), byte(n.i)}, Port: n.port,
		PMin: ProtocolVersionMin, PMax: ProtocolVersionMax, PCur: p.protocolVersion,
		DMin: p.delegateMin, DMax: p.delegateMax, DCur: p.delegateVersion,
	}
	n.core.start(c.now(n), self)
	c.perform(n)
}

// bootAll starts every node at a random moment of the first probe interval,
// and lets each join through node 0.
func (c *simCluster) bootAll() {
	for _, n := range c.nodes {
		c.after(time.Duration(c.rng.Int64N(int64(time.Second))), func() {
			c.boot(n)
			if n.i != 0 {
				c.join(n, c.nodes[0])
			} else {
				n.joined = true
			}
		})
	}
}

// now is what n's clock shows.
func (c *simCluster) now(n *simNode) time.Time { return simEpoch.Add(c.net.Clock(n.i)) }

// after calls f when so much true time has passed.
func (c *simCluster) after(d time.Duration, f func()) {
	c.lastID++
	c.marks[c.lastID] = f
	c.net.At(c.net.Now()+d, c.lastID)
}

// step lets the next thing happen; false when nothing ever will or a rule has
// been broken.
func (c *simCluster) step() bool {
	if c.err != nil {
		return false
	}
	ev, ok := c.net.Next()
	if !ok {
		return false
	}
	if c.opts.trace != nil {
		c.opts.trace.event(c, ev)
	}
	if ev.Kind == simnet.Mark {
		f := c.marks[ev.ID]
		delete(c.marks, ev.ID)
		f()
		return c.err == nil
	}
	n := c.nodes[ev.Node]
	switch ev.Kind {
	case simnet.Wake:
		n.core.expire(c.now(n))
	case simnet.Packet:
		c.receive(n, c.nodes[ev.From], ev.Payload)
	case simnet.Stream:
		c.streamArrived(n, ev.ID)
	case simnet.StreamFailed:
		c.streamFailed(n, ev.ID)
	}
	if n.up {
		c.perform(n)
	}
	return c.err == nil
}

// run lets so much time pass.
func (c *simCluster) run(d time.Duration) {
	over := false
	c.after(d, func() { over = true })
	for !over && c.step() {
	}
}

// runUntil lets time pass until done holds, which is asked every interval, and
// reports whether it came true within the limit.
func (c *simCluster) runUntil(limit, interval time.Duration, done func() bool) bool {
	for end := c.net.Now() + limit; c.net.Now() < end && c.err == nil; c.run(interval) {
		if done() {
			return true
		}
	}
	return c.err == nil && done()
}

// perform does what the core of n asks for, and sets its alarm.
func (c *simCluster) perform(n *simNode) {
	for again := true; again; {
		again = false
		n.core.take(&c.fx)
		fx := &c.fx
		var failed []uint32
		for i := range fx.datagrams {
			if d := &fx.datagrams[i]; !c.sendDatagram(n, d, fx.msgs[d.lo:d.hi]) && d.seq != 0 {
				failed = append(failed, d.seq)
			}
		}
		for _, x := range fx.notices {
			if c.opts.trace != nil {
				c.opts.trace.notice(c, n, x)
			}
			c.noticed(n, x)
			if c.check != nil && x.kind == noticeLeave {
				c.check.left(n, x.node.Name)
			}
		}
		if c.onTrace != nil {
			for _, e := range fx.trace {
				c.onTrace(n, e)
			}
		}
		for _, d := range fx.dials {
			c.dial(n, d)
		}
		for _, done := range fx.completed {
			w := simWait{n, n.life, done.ticket}
			if f := c.ends[w]; f != nil {
				delete(c.ends, w)
				c.after(0, f)
			}
		}
		fx.reset()
		for _, seq := range failed {
			n.core.sendFailed(c.now(n), seq)
			again = true
		}
	}
	if c.check != nil {
		c.check.node(n)
	}
	c.wake(n)
}

func (c *simCluster) wake(n *simNode) {
	if next := n.core.nextDeadline(); next.IsZero() {
		c.net.NoWake(n.i)
	} else {
		c.net.WakeAt(n.i, next.Sub(simEpoch))
	}
}

// noticed keeps the log of joins and leaves.
func (c *simCluster) noticed(n *simNode, x notice) {
	switch x.kind {
	case noticeJoin:
		if n.events[x.node.Name] {
			c.broken(n, "joined twice without leaving: %s", x.node.Name)
		}
		n.events[x.node.Name] = true
	case noticeLeave:
		if !n.events[x.node.Name] {
			c.broken(n, "left without having joined: %s", x.node.Name)
		}
		n.events[x.node.Name] = false
	}
	if c.check != nil && x.kind != noticeConflict && x.kind != noticePong {
		n.view.publish(x.was, x.node)
	}
	if c.onEvent != nil {
		c.onEvent(n, x)
	}
}

// broken records that a rule is broken, which ends the run.
func (c *simCluster) broken(n *simNode, format string, args ...any) {
	if c.err == nil {
		c.rule = format
		c.err = fmt.Errorf("at %v, %s: %s", c.net.Now(), n.name, fmt.Sprintf(format, args...))
	}
}

// crash ends the process at n without a word.
func (c *simCluster) crash(n *simNode) {
	n.up = false
	c.net.Crash(n.i)
}

// restart starts a process again, at the same address or a new one, and joins
// it through another live node.
func (c *simCluster) restart(n *simNode, moved bool) {
	if moved {
		n.port++
	}
	c.boot(n)
	if via := c.anotherNode(n); via != nil {
		c.join(n, via)
	} else {
		n.joined = true
	}
}

// anotherNode is some node that runs, other than n.
func (c *simCluster) anotherNode(n *simNode) *simNode {
	for i := 1; i < len(c.nodes); i++ {
		if other := c.nodes[(n.i+i)%len(c.nodes)]; other.up && !other.leaving {
			return other
		}
	}
	return nil
}

// leaveTimeout is how long a leaving node waits for its news to be sent.
const leaveTimeout = 5 * time.Second

// leave lets n leave the cluster and then stops it.
func (c *simCluster) leave(n *simNode) {
	n.leaving = true
	wait := n.core.leave(c.now(n))
	life := n.life
	stop := func() {
		if n.up && n.life == life {
			c.crash(n)
		}
	}
	c.after(leaveTimeout, stop)
	if wait != 0 {
		c.ends[simWait{n, life, wait}] = stop
	}
	c.perform(n)
}

// updateMeta gives n new metadata of so many bytes.
func (c *simCluster) updateMeta(n *simNode, size int) {
	n.meta++
	meta := make([]byte, size)
	copy(meta, strconv.Itoa(n.meta))
	n.core.updateMeta(c.now(n), meta)
	c.perform(n)
}

// nodeAt is the node whose address it is, nil when nobody has it any more.
func (c *simCluster) nodeAt(addr netip.AddrPort) *simNode {
	if !addr.Addr().Is4() {
		return nil
	}
	b := addr.Addr().As4()
	i := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if b[0] != 10 || i >= len(c.nodes) || c.nodes[i].port != addr.Port() {
		return nil
	}
	return c.nodes[i]
}

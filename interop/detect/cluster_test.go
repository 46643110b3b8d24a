package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/memberlisttest"
)

const (
	probeInterval = time.Second // of DefaultLANConfig, on both sides
	latency       = time.Millisecond
)

// cluster is a cluster of real Memberlists in a synctest bubble.
type cluster struct {
	t       *testing.T
	sys     *system
	seed    uint64
	rng     *rand.Rand // of the scenario; used by its goroutine only
	network *memberlisttest.Network
	nodes   []*node
	byName  map[string]*node
	closed  bool

	mu      sync.Mutex // held for moments; nothing waits while holding it
	wrong   int        // views of running nodes that are not true, see node.sees
	settled time.Time  // when wrong fell to zero last
	onEvent func(e event)
	onMeta  func(at, about *node, meta []byte)
	started time.Time
}

// node is a name and what runs under it.
type node struct {
	i    int
	name string
	m    member
	life int // processes so far
	addr string
	meta int
	// cluster.mu guards what follows.
	up   bool
	sees map[*node]bool // those it lists as members, itself too
}

// event is a join or a leave at a running node, of which another is the subject.
type event struct {
	at, about *node
	join      bool
	when      time.Time
}

type options struct {
	sys   *system
	nodes int
	seed  uint64
	loss  float64
}

// run has f play a scenario on a cluster whose members do not run yet.
func run(t *testing.T, o options, f func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{
			t: t, sys: o.sys, seed: o.seed, rng: rand.New(rand.NewPCG(o.seed, uint64(o.nodes))),
			byName: map[string]*node{}, started: time.Now(),
			network: memberlisttest.New(memberlisttest.Options{
				Seed: o.seed, Faults: memberlisttest.Faults{Latency: latency, Loss: o.loss},
			}),
		}
		for range o.nodes {
			c.add()
		}
		f(c)
		c.close()
	})
}

func (c *cluster) add() *node {
	n := &node{i: len(c.nodes), name: "n" + strconv.Itoa(len(c.nodes)), sees: map[*node]bool{}}
	c.nodes = append(c.nodes, n)
	c.byName[n.name] = n
	return n
}

// start runs a process under n's name, at its last address or a new one.
func (c *cluster) start(n *node, moved bool) {
	var t *memberlisttest.Transport
	if moved {
		var err error
		if t, err = c.network.TransportAt(n.name, netip.AddrPort{}); err != nil {
			c.t.Fatal(err)
		}
	} else {
		t = c.network.Transport(n.name)
	}
	n.addr = t.Addr()
	c.mu.Lock()
	n.life++
	life := n.life
	c.setUp(n, true)
	c.mu.Unlock()
	m, err := c.sys.create(n.i, n.name, t, hooks{
		joined:  func(name string) { c.heard(n, life, name, true) },
		left:    func(name string) { c.heard(n, life, name, false) },
		updated: func(name string, meta []byte) { c.heardMeta(n, life, name, meta) },
		meta:    func() []byte { return fmt.Appendf(nil, "%d", n.meta) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n.m = m
}

// setUp keeps the count of wrong views. c.mu is held.
func (c *cluster) setUp(n *node, up bool) {
	if n.up == up {
		return
	}
	for _, o := range c.nodes {
		if !o.up || o == n {
			continue
		}
		// What o thinks of n becomes right or wrong, and what n thinks of all
		// others begins or ceases to count.
		if o.sees[n] == up {
			c.wrong--
		} else {
			c.wrong++
		}
	}
	if !up {
		for _, o := range c.nodes {
			if o != n && o.up != n.sees[o] {
				c.wrong--
			}
		}
	}
	n.up = up
	if up {
		clear(n.sees)
		for _, o := range c.nodes {
			if o != n && o.up {
				c.wrong++
			}
		}
	}
	c.check()
}

// check notes when all views became true. c.mu is held.
func (c *cluster) check() {
	if c.wrong == 0 {
		c.settled = time.Now()
	}
}

// heard takes in a join or leave event.
func (c *cluster) heard(at *node, life int, name string, join bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	about := c.byName[name]
	if !at.up || at.life != life || about == nil || at.sees[about] == join {
		return
	}
	at.sees[about] = join
	if about != at {
		if join == about.up {
			c.wrong--
			c.check()
		} else {
			c.wrong++
		}
	}
	if c.onEvent != nil {
		c.onEvent(event{at, about, join, time.Now()})
	}
}

func (c *cluster) heardMeta(at *node, life int, name string, meta []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if about := c.byName[name]; c.onMeta != nil && about != nil && at.up && at.life == life {
		c.onMeta(at, about, meta)
	}
}

// watch sets who is told of events from now on.
func (c *cluster) watch(f func(event)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onEvent = f
}

// startAll starts everybody at a random moment of a probe interval, lets them
// join through the first, and returns when all know all, some seconds later.
func (c *cluster) startAll() {
	first := c.nodes[0]
	c.start(first, false)
	wait := make([]time.Duration, len(c.nodes))
	for i := range wait {
		wait[i] = time.Duration(c.rng.Int64N(int64(probeInterval)))
	}
	var all sync.WaitGroup
	for _, n := range c.nodes[1:] {
		all.Go(func() {
			time.Sleep(wait[n.i])
			c.start(n, false)
			c.join(n, first)
		})
	}
	all.Wait()
	if !c.until(10*time.Minute, c.agreed) {
		c.t.Fatalf("%s, seed %d: the cluster does not come together", c.sys.name, c.seed)
	}
	time.Sleep(5*time.Second + time.Duration(c.rng.Int64N(int64(probeInterval))))
}

func (c *cluster) join(n, via *node) {
	for range 5 {
		if _, err := n.m.Join([]string{via.addr}); err == nil {
			return
		}
	}
}

func (c *cluster) agreed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong == 0
}

func (c *cluster) wrongViews() (wrong, of int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	up := 0
	for _, n := range c.nodes {
		if n.up {
			up++
		}
	}
	return c.wrong, up * (up - 1)
}

// disagreement names views that are wrong, the first few of them.
func (c *cluster) disagreement() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, n := range c.nodes {
		for _, o := range c.nodes {
			if n.up && n != o && n.sees[o] != o.up {
				if b.Len() > 500 {
					return b.String() + " ..."
				}
				fmt.Fprintf(&b, " %s sees %s: %v;", n.name, o.name, n.sees[o])
			}
		}
	}
	return b.String()
}

// until lets time pass until done holds, and reports whether it did in time.
func (c *cluster) until(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}

// untilAgreed is how long after start all views are true and stay so for a
// second; false when the limit passes before.
func (c *cluster) untilAgreed(start time.Time, limit time.Duration) (time.Duration, bool) {
	for time.Since(start) < limit {
		time.Sleep(100 * time.Millisecond)
		c.mu.Lock()
		wrong, settled := c.wrong, c.settled
		c.mu.Unlock()
		if wrong == 0 && time.Since(settled) >= time.Second {
			return max(0, settled.Sub(start)), true
		}
	}
	return limit, false
}

// crash ends a process without a word to anybody.
func (c *cluster) crash(n *node) {
	c.mu.Lock()
	c.setUp(n, false)
	c.mu.Unlock()
	c.network.Cut(n.name, memberlisttest.Any)
	c.network.Cut(memberlisttest.Any, n.name)
	n.m.Shutdown()
	c.network.Mend(n.name, memberlisttest.Any)
	c.network.Mend(memberlisttest.Any, n.name)
}

// close ends everything that runs.
func (c *cluster) close() {
	c.mu.Lock()
	c.onEvent, c.onMeta = nil, nil
	c.mu.Unlock()
	c.network.Close()
	for _, n := range c.nodes {
		if n.up {
			n.m.Shutdown()
		}
	}
	// The incumbent has goroutines that outlive its Shutdown by some timeouts.
	time.Sleep(time.Hour)
}

// load is what all members sent.
type load struct{ packets, bytes, streamBytes float64 }

// load measures from one call of it to the call of the result, per node and second.
func (c *cluster) load(nodes int) func() load {
	before, start := c.network.Stats(), time.Now()
	return func() load {
		s := c.network.Stats()
		per := 1 / (float64(nodes) * time.Since(start).Seconds())
		return load{
			packets:     per * float64(s.Sent-before.Sent),
			bytes:       per * float64(s.SentBytes-before.SentBytes),
			streamBytes: per * float64(s.StreamBytes-before.StreamBytes),
		}
	}
}

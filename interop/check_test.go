package interop

import (
	"fmt"
	"slices"
	"time"
)

// check is one promise, tried on a living cluster, which it leaves whole.
type check struct {
	name   string
	faults bool // needs links to be cut
	// possible says whether the cluster is such that there is something to see.
	possible func(c *cluster) bool
	run      func(c *cluster)
}

func always(*cluster) bool { return true }

// told waits until every node has been told what it should be.
func (c *cluster) told(since map[node]mark, want func(node) event) {
	c.t.Helper()
	c.eventually(c.unit, "news", func() string {
		for _, n := range c.nodes {
			if got := n.book().eventsSince(since[n]); !slices.Contains(got, want(n)) {
				return fmt.Sprintf("%s was told %v, not %v", n.name(), got, want(n))
			}
		}
		return ""
	})
}

func atLeast(n int) func(*cluster) bool { return func(c *cluster) bool { return len(c.nodes) >= n } }

// checks run in this order.
var checks = []check{
	{"join", false, always, checkJoin},
	{"meta", false, always, checkMeta},
	{"packet", false, atLeast(2), checkPackets},
	{"stream", false, atLeast(2), checkStreams},
	{"gossip", false, atLeast(2), checkGossip},
	{"pushpull", false, atLeast(2), checkPushPull},
	{"relay", true, canRelay, checkRelay},
	{"refute", true, atLeast(2), checkRefute},
	{"partition", true, atLeast(2), checkPartition},
	{"crash", false, atLeast(2), checkCrash},
	{"migrate", false, func(c *cluster) bool { return c.mode.migrate != nil }, func(c *cluster) { c.mode.migrate(c) }},
	{"leave", false, atLeast(2), checkLeave},
	{"truth", false, always, checkTruth},
}

// checkJoin: every node joins through one of the other kind, if there is one,
// and afterwards a node of each kind joins one of the other again.
func checkJoin(c *cluster) {
	c.t.Helper()
	for i, n := range c.nodes[1:] {
		seed := c.nodes[0]
		if j := slices.IndexFunc(c.nodes[:i+1], func(m node) bool { return m.kind() != n.kind() }); j >= 0 {
			seed = c.nodes[j]
		}
		if err := n.join(seed.addr()); err != nil {
			c.t.Fatalf("%s joins %s: %v", n.name(), seed.name(), err)
		}
		if len(n.members()) < 2 {
			c.t.Fatalf("%s joined %s and sees %v", n.name(), seed.name(), n.members())
		}
	}
	c.eventually(3*c.unit, "join", agree(c.nodes))
	if c.mixed() {
		a, b := c.of(ours)[0], c.of(theirs)[0]
		for _, pair := range [][2]node{{a, b}, {b, a}} {
			if err := pair[0].join(pair[1].addr()); err != nil {
				c.t.Fatalf("%s joins %s again: %v", pair[0].name(), pair[1].name(), err)
			}
		}
	}
}

// checkMeta: every node changes its metadata, and all see it and are told.
func checkMeta(c *cluster) {
	c.t.Helper()
	since := c.marks()
	for _, n := range c.nodes {
		n.book().setMeta("new meta of " + n.name())
		if err := n.updateNode(3 * c.unit * c.pace.patience); err != nil {
			c.t.Fatalf("%s updates: %v", n.name(), err)
		}
	}
	c.eventually(3*c.unit, "metadata", agree(c.nodes))
	c.eventually(c.unit, "news of metadata", func() string {
		for n, m := range since {
			for _, other := range c.nodes {
				if !slices.Contains(n.book().eventsSince(m), event{"update", other.name(), false}) {
					return fmt.Sprintf("%s was not told of the new metadata of %s", n.name(), other.name())
				}
			}
		}
		return ""
	})
}

func checkPackets(c *cluster) { sendAll(c, "packet", node.sendPacket) }
func checkStreams(c *cluster) { sendAll(c, "stream", node.sendStream) }

// sendAll: a node of each kind sends to all others, which get it once.
func sendAll(c *cluster, how string, send func(from, to node, msg string) error) {
	c.t.Helper()
	c.words++
	text := func(from, to node) string {
		return fmt.Sprintf("%s %d from %s to %s", how, c.words, from.name(), to.name())
	}
	for _, from := range c.speakers() {
		for _, to := range c.nodes {
			if from == to {
				continue
			}
			if err := send(from, to, text(from, to)); err != nil {
				c.t.Fatalf("%s: %v", text(from, to), err)
			}
		}
	}
	c.eventually(c.unit, how, func() string {
		for _, from := range c.speakers() {
			for _, to := range c.nodes {
				if n := to.book().received(text(from, to)); from != to && n != 1 {
					return fmt.Sprintf("%s: received %d times", text(from, to), n)
				}
			}
		}
		return ""
	})
}

// checkGossip: a user broadcast of each kind reaches everybody.
func checkGossip(c *cluster) {
	c.t.Helper()
	for _, from := range c.speakers() {
		c.words++
		text := fmt.Sprintf("gossip %d of %s", c.words, from.name())
		from.book().addGossip(text)
		c.eventually(c.unit, text, func() string {
			for _, to := range c.nodes {
				if to.book().received(text) == 0 {
					return to.name() + " has not got it"
				}
			}
			return ""
		})
	}
}

// checkPushPull: the user state of each kind reaches everybody by periodic
// push/pull alone.
func checkPushPull(c *cluster) {
	c.t.Helper()
	for _, from := range c.speakers() {
		text := fmt.Sprintf("state of %s among %d", from.name(), len(c.nodes))
		from.book().addState(text)
		c.eventually(12*c.unit, text, func() string {
			for _, to := range c.nodes {
				if !to.book().hasState(text) {
					return to.name() + " has not got it"
				}
			}
			return ""
		})
	}
}

// relayed chooses who probes, whom it cannot reach, and what to cut so that
// only nodes of the other kind can relay.
func relayed(c *cluster, prober kind) (p, target node, relays []node) {
	mine, others := c.of(prober), c.of(prober.other())
	switch {
	case len(mine) >= 2 && len(others) >= 1:
		return mine[0], mine[1], others
	case len(mine) == 1 && len(others) >= 2:
		return mine[0], others[0], others[1:]
	}
	return nil, nil, nil
}

func canRelay(c *cluster) bool { return c.mixed() && len(c.nodes) >= 3 }

// checkRelay: nodes that cannot reach one another directly, in neither packets
// nor streams, keep each other alive through relays of the other kind.
func checkRelay(c *cluster) {
	c.t.Helper()
	for _, k := range []kind{ours, theirs} {
		p, target, relays := relayed(c, k)
		if p == nil {
			continue
		}
		since := c.marks()
		for _, n := range c.nodes {
			if n != p && !slices.Contains(relays, n) {
				c.medium.cut(p, n)
			}
		}
		c.wait(20*c.pace.probe + c.pace.lasts(len(c.nodes)))
		if why := c.nobodyLeft(since); why != "" {
			c.t.Errorf("%s and %s through %d relays: %s", p.name(), target.name(), len(relays), why)
		}
		for n, m := range since {
			if !c.pace.exact() {
				break // a busy machine may be too slow for a probe
			}
			if lines := n.book().logSince(m, "has failed, no acks received"); len(lines) > 0 {
				c.t.Errorf("%s and %s through %d relays: %s logged %q", p.name(), target.name(), len(relays), n.name(), lines)
			}
		}
		c.medium.heal()
	}
	c.eventually(6*c.unit, "relay: afterwards", agree(c.nodes))
}

// checkRefute: a node of each kind is cut off until it is suspected, then
// reached again, and refutes.
func checkRefute(c *cluster) {
	c.t.Helper()
	for _, accused := range c.speakers() {
		since := c.marks()
		for _, n := range c.nodes {
			if n != accused {
				c.medium.cut(accused, n)
			}
		}
		suspected := "Suspect " + accused.name() + " has failed, no acks received"
		c.eventually(time.Duration(4*len(c.nodes)+10)*c.pace.probe, "suspect", func() string {
			for n, m := range since {
				if n != accused && len(n.book().logSince(m, suspected)) > 0 {
					return ""
				}
			}
			return accused.name() + " is not suspected"
		})
		c.medium.heal()
		// Whoever is not refuted is declared dead by then. (There may be no word
		// about it: ours refute in advance when they hear nobody.)
		c.wait(c.pace.lasts(len(c.nodes)))
		// The incumbent, cut off, buries others, and says so afterwards.
		meant := func(name string) bool { return accused.kind() == ours || name == accused.name() }
		if why := c.left(since, meant); why != "" {
			c.t.Errorf("refutation by %s: %s", accused.name(), why)
			c.dump()
		}
	}
}

// checkPartition: the cluster is cut in two for longer than the dead are
// remembered, along the kinds and across them, and becomes one again: by
// itself if a node of ours is there.
func checkPartition(c *cluster) {
	c.t.Helper()
	half := func(side func(i int, n node) bool) (a, b []node) {
		for i, n := range c.nodes {
			if side(i, n) {
				a = append(a, n)
			} else {
				b = append(b, n)
			}
		}
		return a, b
	}
	splits := []func(int, node) bool{func(_ int, n node) bool { return n.kind() == ours }}
	if len(c.nodes) > 2 {
		splits = append(splits, func(i int, _ node) bool { return i < len(c.nodes)/2 })
	}
	if !c.pace.exact() && !*full {
		splits = splits[:1]
	}
	for _, split := range splits {
		a, b := half(split)
		for _, x := range a {
			for _, y := range b {
				c.medium.cut(x, y)
			}
		}
		for _, side := range [][]node{a, b} {
			c.eventually(time.Duration(10*len(c.nodes)+60)*c.pace.probe+c.pace.lasts(len(c.nodes)), "partition", agree(side))
		}
		c.wait(2 * c.pace.gossipToDead)
		c.medium.heal()
		c.eventually(time.Duration(60+10*len(c.nodes))*c.unit, "healed partition", agree(c.nodes))
		// Suspicions that the merge spread have to be refuted and be over.
		c.wait(c.pace.lasts(len(c.nodes)))
		c.eventually(6*c.unit, "after the healed partition", agree(c.nodes))
	}
}

// checkCrash: a node of each kind crashes. All others find out, those that
// asked relays without blaming themselves, since every relay sends a nack.
func checkCrash(c *cluster) {
	c.t.Helper()
	for i, victim := range c.speakers() {
		if len(c.nodes) < 2 {
			return
		}
		// A probe of the last victim may still wait for a nack of the next.
		c.wait(3 * c.pace.probe)
		// What came before may have hurt: health returns with each good probe.
		c.eventually(100*c.pace.probe, "health before the crash", func() string {
			for _, n := range c.nodes {
				if h := n.health(); h > 0 {
					return fmt.Sprintf("the health score of %s is %d", n.name(), h)
				}
			}
			return ""
		})
		since := c.marks()
		for _, n := range c.nodes {
			if n != victim {
				c.medium.cut(victim, n)
			}
		}
		victim.shutdown()
		c.remove(victim)
		agreed := agree(c.nodes)
		worst, who := 0, node(nil)
		c.eventually(time.Duration(10*len(c.nodes)+60)*c.pace.probe+c.pace.lasts(len(c.nodes)), "crash of "+victim.name(), func() string {
			for _, n := range c.nodes {
				if h := n.health(); h > worst {
					worst, who = h, n
				}
			}
			return agreed()
		})
		// Without relays a prober has nobody to ask and doubts itself.
		if len(c.nodes) >= 2 && worst > 0 && c.pace.exact() {
			c.t.Errorf("crash of %s: the health score of %s rose to %d although relays nacked\n%v", victim.name(), who.name(), worst, who.book().logSince(since[who], ""))
		}
		c.told(since, func(node) event { return event{"leave", victim.name(), false} })
		c.medium.heal()
		// A new node takes its place.
		s := victim.config()
		s.name += "-again"
		s.meta = fmt.Sprintf("after crash %d", i)
		seed := c.nodes[0]
		n := c.add(victim.kind(), s)
		if err := n.join(seed.addr()); err != nil {
			c.t.Fatalf("%s joins %s: %v", n.name(), seed.name(), err)
		}
		c.eventually(6*c.unit, "join after the crash", agree(c.nodes))
	}
}

// checkLeave: a node of each kind leaves, and all others learn that from its
// announcement and not from a probe.
func checkLeave(c *cluster) {
	c.t.Helper()
	for _, leaver := range c.speakers() {
		if len(c.nodes) < 2 {
			return
		}
		since := c.marks()
		if err := leaver.leave(3 * c.unit * c.pace.patience); err != nil {
			c.t.Fatalf("%s leaves: %v", leaver.name(), err)
		}
		c.remove(leaver)
		// Gossip reaches nearly always everybody, and push/pull the rest.
		c.eventually(3*c.unit, "leave of "+leaver.name(), agree(c.nodes))
		leaver.shutdown()
		c.told(since, func(n node) event { return event{"leave", leaver.name(), n.kind() == ours} })
		for _, n := range c.nodes {
			if !c.pace.exact() {
				break
			}
			if lines := n.book().logSince(since[n], "Suspect "+leaver.name()); len(lines) > 0 {
				c.t.Errorf("%s suspected one that left: %q", n.name(), lines)
			}
		}
	}
}

// checkTruth: in the end every view is the truth, and stays it.
func checkTruth(c *cluster) {
	c.t.Helper()
	c.eventually(3*c.unit, "truth", agree(c.nodes))
	since := c.marks()
	c.wait(2 * c.unit)
	if why := agree(c.nodes)(); why != "" {
		c.t.Error(why)
	}
	if why := c.nobodyLeft(since); why != "" {
		c.t.Error(why)
	}
}

package interop

import (
	"fmt"
	"slices"
)

// replacedNodes is the size of the cluster that is replaced.
const replacedNodes = 7

// replacement is how a node makes room for its successor, which has its name
// and address.
type replacement string

const (
	gracefully replacement = "leaving"   // Leave, then Shutdown
	abruptly   replacement = "restarted" // Shutdown alone: back before anybody suspects
)

// roll replaces the nodes of an incumbent cluster one by one by ours under user
// traffic, and then back.
func roll(t tester, m medium, md mode, pc pace, how replacement) {
	c := newCluster(t, m, md, pc, proportion{theirs: replacedNodes, first: theirs})
	defer c.close()
	for i := range c.plan {
		c.plan[i] = c.setup(fmt.Sprintf("node-%d", i), i%2 == 0)
	}
	c.start()
	for _, n := range c.nodes[1:] {
		if err := n.join(c.nodes[0].addr()); err != nil {
			t.Fatalf("%s joins: %v", n.name(), err)
		}
	}
	c.eventually(3*c.unit, "join", agree(c.nodes))
	users := c.talk()
	for _, k := range []kind{ours, theirs} {
		for _, s := range c.plan {
			i := slices.IndexFunc(c.nodes, func(n node) bool { return n.name() == s.name })
			c.replace(users, c.nodes[i], k, s, how)
		}
		if got := len(c.of(k)); got != replacedNodes {
			t.Fatalf("%d nodes are %s", got, k)
		}
	}
	checkTruth(c)
	t.Logf("%d reliable messages, none lost", users.end())
}

// replace puts a node of a kind in the place of another of that name.
func (c *cluster) replace(users *traffic, old node, k kind, s setup, how replacement) {
	c.t.Helper()
	since := c.marks()
	delete(since, old)
	addr := old.addr()
	if how == gracefully {
		if err := old.leave(3 * c.unit * c.pace.patience); err != nil {
			c.t.Fatalf("%s leaves: %v", old.name(), err)
		}
		c.remove(old)
		// The incumbent's gossip misses somebody now and then; push/pull reaches the rest.
		c.eventually(3*c.unit, "leave", agree(c.nodes))
	}
	c.remove(old)
	users.without(old)
	old.shutdown()
	n := c.add(k, s)
	if n.addr() != addr {
		c.t.Fatalf("%s was at %v and is now at %v", n.name(), addr, n.addr())
	}
	if err := n.join(c.nodes[0].addr()); err != nil {
		c.t.Fatalf("%s joins: %v", n.name(), err)
	}
	c.eventually(6*c.unit, "replacement", agree(c.nodes))
	users.with(n)
	for m, mark := range since {
		c.unharmed(m, mark, old.name(), how)
	}
}

// unharmed checks what a node was told while another was replaced: nothing but
// that this one left, if it did, and came back.
func (c *cluster) unharmed(n node, since mark, replaced string, how replacement) {
	c.t.Helper()
	leaves := 0
	for _, e := range n.book().eventsSince(since) {
		switch {
		case e.kind != "leave":
		case e.name != replaced:
			c.t.Errorf("%s was told that %s is gone, while %s was replaced", n.name(), e.name, replaced)
		case n.kind() == ours && !e.left:
			c.t.Errorf("%s was told that %s failed; it left", n.name(), replaced)
		default:
			leaves++
		}
	}
	if want := map[replacement]int{gracefully: 1, abruptly: 0}[how]; leaves != want {
		c.t.Errorf("%s was told %d times that %s is gone, not %d times", n.name(), leaves, replaced, want)
	}
	accusations := []string{" as failed, "}
	if c.pace.exact() && how == gracefully { // who restarts may owe somebody an ack
		accusations = append(accusations, "no acks received")
	}
	for _, a := range accusations {
		if lines := n.book().logSince(since, a); len(lines) > 0 {
			c.t.Errorf("%s logged %q while %s was replaced", n.name(), lines, replaced)
		}
	}
}

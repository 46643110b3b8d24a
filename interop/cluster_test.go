package interop

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// cluster is nodes of both kinds on one medium.
type cluster struct {
	t      tester
	medium medium
	mode   mode
	pace   pace
	nodes  []node // the living
	plan   []setup
	kinds  []kind
	unit   time.Duration // of waiting: about a round of everything
	words  int           // said so far, see say
}

// proportion is how many nodes of each kind there are, and which kind starts.
// Neither number is zero: such a cluster is not mixed.
type proportion struct {
	ours, theirs int
	first        kind
}

func (p proportion) String() string {
	if p.first == ours {
		return fmt.Sprintf("%d ours + %d theirs", p.ours, p.theirs)
	}
	return fmt.Sprintf("%d theirs + %d ours", p.theirs, p.ours)
}

// kinds mixes the two as evenly as they go.
func (p proportion) kinds() (kinds []kind) {
	left := [2]int{p.ours, p.theirs}
	next := p.first
	for left[0]+left[1] > 0 {
		if left[next] == 0 {
			next = next.other()
		}
		kinds = append(kinds, next)
		left[next]--
		next = next.other()
	}
	return kinds
}

func newCluster(t tester, m medium, md mode, pc pace, p proportion) *cluster {
	c := &cluster{t: t, medium: m, mode: md, pace: pc, kinds: p.kinds(), unit: pc.pushPull}
	counts := [2]int{}
	for i, k := range c.kinds {
		// Of each kind, every second node has already migrated.
		c.plan = append(c.plan, c.setup(fmt.Sprintf("%s-%d", k, counts[k]), counts[k]%2 == 0 != (i%2 == 0)))
		counts[k]++
	}
	return c
}

// setup is that of a node in this mode.
func (c *cluster) setup(name string, migrated bool) setup {
	s := setup{name: name, meta: "meta of " + name, compress: true, protocol: 2, verifyIn: true, verifyOut: true, pace: c.pace}
	c.mode.configure(&s, migrated)
	return s
}

// start runs all nodes, each a cluster of its own still.
func (c *cluster) start() {
	c.t.Helper()
	for i, s := range c.plan {
		c.add(c.kinds[i], s)
	}
}

func (c *cluster) add(k kind, s setup) node {
	c.t.Helper()
	n, err := c.medium.start(k, s)
	if err != nil {
		c.t.Fatalf("start %s: %v", s.name, err)
	}
	c.nodes = append(c.nodes, n)
	return n
}

// close stops everything. Streams in flight may take TCPTimeout to end.
func (c *cluster) close() {
	for _, n := range c.nodes {
		n.shutdown()
	}
	c.medium.close()
}

// remove takes a node out of the truth.
func (c *cluster) remove(n node) {
	c.nodes = slices.DeleteFunc(c.nodes, func(m node) bool { return m == n })
}

// of returns the living nodes of a kind.
func (c *cluster) of(k kind) (found []node) {
	for _, n := range c.nodes {
		if n.kind() == k {
			found = append(found, n)
		}
	}
	return found
}

// mixed reports whether there are nodes of both kinds.
func (c *cluster) mixed() bool { return len(c.of(ours)) > 0 && len(c.of(theirs)) > 0 }

// speakers is one node of each kind there is.
func (c *cluster) speakers() (found []node) {
	for _, k := range []kind{ours, theirs} {
		if of := c.of(k); len(of) > 0 {
			found = append(found, of[len(of)-1])
		}
	}
	return found
}

// wait lets time pass.
func (c *cluster) wait(d time.Duration) { <-time.After(d) }

// eventually waits for something to become true, which why explains otherwise.
// A real clock gets patience: the machine may be busy.
func (c *cluster) eventually(within time.Duration, what string, why func() string) {
	c.t.Helper()
	within *= c.pace.patience
	deadline := time.Now().Add(within)
	for {
		reason := why()
		if reason == "" {
			return
		}
		if time.Now().After(deadline) {
			c.t.Errorf("%s: not within %v: %s", what, within, reason)
			c.dump()
			c.t.FailNow()
		}
		c.wait(c.pace.gossip / 2)
	}
}

// dump shows what the nodes have to say.
func (c *cluster) dump() {
	for _, n := range c.nodes {
		log := n.book().logSince(mark{}, "")
		log = log[max(0, len(log)-60):]
		c.t.Logf("%s sees %v\n%v", n.name(), slices.Sorted(maps.Keys(n.members())), log)
	}
}

// truth is what every node should see. No book is open while a library is asked:
// the incumbent holds its lock when it writes its log there.
func truth(nodes []node) map[string]string {
	want := map[string]string{}
	for _, n := range nodes {
		want[n.name()] = n.addr().String() + " " + string(n.book().NodeMeta(0))
	}
	return want
}

// agree explains where a node's view differs from the truth about these nodes.
func agree(nodes []node) func() string {
	want := truth(nodes)
	return func() string {
		for _, n := range nodes {
			if got := n.members(); !maps.Equal(got, want) {
				return fmt.Sprintf("%s sees %v, not %v", n.name(), got, want)
			}
		}
		return ""
	}
}

// marks notes how far the record of every node has got.
func (c *cluster) marks() map[node]mark {
	m := map[node]mark{}
	for _, n := range c.nodes {
		m[n] = n.book().mark()
	}
	return m
}

// nobodyLeft explains which living node was reported as gone.
func (c *cluster) nobodyLeft(since map[node]mark) string {
	return c.left(since, func(string) bool { return true })
}

// left explains which of the nodes meant was reported as gone.
func (c *cluster) left(since map[node]mark, meant func(name string) bool) string {
	for n, m := range since {
		for _, e := range n.book().eventsSince(m) {
			if e.kind == "leave" && meant(e.name) {
				return fmt.Sprintf("%s was told that %s is gone", n.name(), e.name)
			}
		}
	}
	return ""
}

func first(keys [][]byte) []byte {
	if len(keys) == 0 {
		return nil
	}
	return keys[0]
}

// joined is the result of joining one address.
func joined(n int, err error) error {
	if err == nil && n != 1 {
		err = errors.New("joined nobody")
	}
	return err
}

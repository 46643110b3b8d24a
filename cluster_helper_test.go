package memberlist_test

import (
	"fmt"
	"log"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// cluster is real members on a network in memory, in virtual time.
type cluster struct {
	t       *testing.T
	network *memberlisttest.Network
	edit    func(*memberlist.Config) // nil, or changes each member's configuration
	members []*member                // running, in the order of their start
}

// member is one node of a cluster with everything that it was told.
type member struct {
	*memberlist.Memberlist
	name   string
	events *memberlisttest.Events
	user   *userData
}

// clusterSizes are those that matter: no suspicion can be confirmed, some can,
// the formulas' logarithm sets in, and the news needs several hops.
var clusterSizes = []int{3, 8, 16, 64}

// inCluster runs a test with n members that know each other, in a bubble.
func inCluster(t *testing.T, n int, edit func(*memberlist.Config), f func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, edit: edit, network: memberlisttest.New(memberlisttest.Options{
			Seed:   uint64(n),
			Faults: memberlisttest.Faults{Latency: time.Millisecond, Jitter: time.Millisecond},
		})}
		t.Cleanup(func() { c.network.Close() })
		for i := range n {
			c.start(memberName(i), c.network.Transport(memberName(i)))
		}
		// Each of the n·n pieces of news may miss its addressee, which is rare
		// when each member passes it on more than ten times.
		const strays = 4
		c.settle(gossipTime)
		missing := 0
		for _, m := range c.members {
			missing += n - m.NumMembers()
		}
		if missing > strays {
			t.Errorf("%v after the last join, members miss %d others in all", gossipTime, missing)
		}
		c.until(repairTime, "all to know each other", func() bool {
			return c.everyone(func(m *member) bool { return m.NumMembers() == n })
		})
		f(t, c)
	})
}

// eachSize runs a test with clusters of every size.
func eachSize(t *testing.T, f func(t *testing.T, c *cluster)) {
	for _, n := range clusterSizes {
		t.Run(fmt.Sprintf("%d members", n), func(t *testing.T) { inCluster(t, n, nil, f) })
	}
}

func memberName(i int) string { return fmt.Sprintf("m%02d", i) }

// start runs one more member, which joins the first.
func (c *cluster) start(name string, transport *memberlisttest.Transport) *member {
	c.t.Helper()
	m := &member{name: name, events: new(memberlisttest.Events), user: new(userData)}
	conf := memberlist.DefaultLANConfig()
	conf.Name = name
	conf.Transport = transport
	conf.Events = m.events
	conf.Delegate = m.user
	conf.Logger = log.New(c.t.Output(), name+" ", log.Ltime|log.Lmicroseconds)
	if c.edit != nil {
		c.edit(conf)
	}
	m.user.queue.RetransmitMult = 2 * conf.RetransmitMult // no push/pull repairs what gossip misses
	m.user.queue.NumNodes = func() int { return len(c.members) }
	created, err := memberlist.Create(conf)
	if err != nil {
		c.t.Fatal(err)
	}
	m.Memberlist = created
	c.t.Cleanup(func() { created.Shutdown() })
	c.members = append(c.members, m)
	if _, err := m.Join([]string{c.members[0].LocalNode().Address()}); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// stop takes a member out of the list of those that run, and returns it.
func (c *cluster) stop(i int) *member {
	m := c.members[i]
	c.members = slices.Delete(c.members, i, i+1)
	return m
}

// crash ends a member without a word: not even its streams end.
func (c *cluster) crash(i int) *member {
	m := c.stop(i)
	c.network.Cut(m.name, memberlisttest.Any)
	c.network.Cut(memberlisttest.Any, m.name)
	m.Shutdown()
	return m
}

// settle lets virtual time pass.
func (c *cluster) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until lets time pass in small steps until done, and fails the test after the limit.
func (c *cluster) until(limit time.Duration, what string, done func() bool) time.Duration {
	c.t.Helper()
	start := time.Now()
	for {
		synctest.Wait()
		if done() {
			return time.Since(start)
		}
		if time.Since(start) >= limit {
			c.t.Fatalf("after %v: not yet: %s", limit, what)
		}
		time.Sleep(step)
	}
}

// spread requires that news reaches everybody: by gossip, which may miss one
// member, or else by push/pull.
func (c *cluster) spread(what string, knows func(m *member) bool) {
	c.t.Helper()
	ignorant := func() int {
		count := 0
		for _, m := range c.members {
			if !knows(m) {
				count++
			}
		}
		return count
	}
	c.until(gossipTime, what+" by gossip", func() bool { return ignorant() <= min(1, len(c.members)/8) })
	c.until(repairTime, what+" by push/pull", func() bool { return ignorant() == 0 })
}

const (
	// gossipTime is enough for gossip to end: a member passes news on up to
	// three times per 200 ms, a dozen times in all, in a few hops.
	gossipTime = 5 * time.Second

	// repairTime is enough for a push/pull of every member: the interval of
	// 30 s doubles beyond 32 members.
	repairTime = 70 * time.Second
)

// calm is how long nothing may change once news has spread. A minute of 64
// members is seconds of a processor under the race detector.
func (c *cluster) calm() time.Duration {
	if len(c.members) > 32 {
		return 40 * time.Second // longer than the dead and left are remembered
	}
	return 2 * time.Minute
}

// step is how often until looks.
const step = 50 * time.Millisecond

// all requires that every running member sees n members, all alive.
func (c *cluster) all(n int) {
	c.t.Helper()
	for _, m := range c.members {
		alive := 0
		for _, node := range m.Members() {
			if node.State == memberlist.StateAlive {
				alive++
			}
		}
		if alive != n || m.NumMembers() != n {
			c.t.Errorf("%s sees %d members, %d of them alive, want %d", m.name, m.NumMembers(), alive, n)
		}
	}
}

// told requires what every other running member was told about a name, such
// as "[join m01 fail m01]".
func (c *cluster) told(about, want string) {
	c.t.Helper()
	for _, m := range c.members {
		if m.name == about {
			continue
		}
		if got := fmt.Sprint(m.events.About(about)); got != want {
			c.t.Errorf("%s was told %s, want %s", m.name, got, want)
		}
	}
}

// quiet requires that nobody was told that anybody failed or left.
func (c *cluster) quiet() {
	c.t.Helper()
	for _, m := range c.members {
		for _, e := range m.events.All() {
			if e.Kind == memberlist.NodeLeave {
				c.t.Errorf("%s was told %q", m.name, e)
			}
		}
	}
}

// everyone reports whether a condition holds at all running members.
func (c *cluster) everyone(ok func(m *member) bool) bool {
	for _, m := range c.members {
		if !ok(m) {
			return false
		}
	}
	return true
}

// lookup is what a member believes about another; nil if it is not a member.
func (m *member) lookup(name string) *memberlist.Node {
	for _, node := range m.Members() {
		if node.Name == name {
			return node
		}
	}
	return nil
}

// suspects reports whether a member suspects another.
func (m *member) suspects(name string) bool {
	node := m.lookup(name)
	return node != nil && node.State == memberlist.StateSuspect
}

// suspected reports whether anybody suspects a member.
func (c *cluster) suspected(name string) bool {
	return !c.everyone(func(m *member) bool { return !m.suspects(name) })
}

// suspicionBounds are the shortest and the longest suspicion with LAN defaults
// in a table of n members.
func suspicionBounds(n int) (shortest, longest time.Duration) {
	const mult, maxMult = 4, 6
	scale := max(1, math.Log10(float64(n)))
	shortest = mult * time.Duration(1000*scale) * time.Millisecond
	if n-2 < mult-2 {
		return shortest, shortest
	}
	return shortest, maxMult * shortest
}

// userData is a Delegate with metadata, broadcasts and a record of messages.
type userData struct {
	queue memberlist.TransmitLimitedQueue

	mu       sync.Mutex
	meta     string
	messages []string
}

func (u *userData) setMeta(meta string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.meta = meta
}

func (u *userData) NodeMeta(int) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	return []byte(u.meta)
}

func (u *userData) NotifyMsg(msg []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.messages = append(u.messages, string(msg))
}

func (u *userData) received(msg string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	count := 0
	for _, m := range u.messages {
		if m == msg {
			count++
		}
	}
	return count
}

func (u *userData) GetBroadcasts(overhead, limit int) [][]byte {
	return u.queue.GetBroadcasts(overhead, limit)
}
func (u *userData) LocalState(bool) []byte        { return nil }
func (u *userData) MergeRemoteState([]byte, bool) {}

// broadcast is a user message that is gossiped on by whoever receives it first.
type broadcast string

func (b broadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b broadcast) Message() []byte                       { return []byte(b) }
func (b broadcast) Finished()                             {}

package serf

import (
	"log"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/serf/serf"
	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/internal/testkit"
)

// patience is how long a test waits for an event that must come. It only ever
// runs out in a test that fails.
const patience = 60 * time.Second

// node is one Serf instance and every event it has delivered.
type node struct {
	*serf.Serf
	name string
	t    *testing.T

	mu   sync.Mutex
	seen []serf.Event
	more chan struct{} // closed and replaced with each event
}

// start creates a Serf instance on a free port of the loopback interface. It
// runs ten times faster than in a LAN, with a wide margin for a busy machine.
func start(t *testing.T, name string, tags map[string]string, change func(*serf.Config)) *node {
	t.Helper()
	n := &node{name: name, t: t, more: make(chan struct{})}
	events := make(chan serf.Event)

	conf := serf.DefaultConfig()
	conf.NodeName = name
	conf.Tags = tags
	conf.EventCh = events
	conf.ReapInterval = 100 * time.Millisecond
	conf.ReconnectInterval = 200 * time.Millisecond
	conf.LeavePropagateDelay = 200 * time.Millisecond
	conf.Logger = log.New(testkit.NewLog(t, name+" "), "", log.Lmicroseconds)

	conf.MemberlistConfig = memberlist.DefaultLocalConfig()
	conf.MemberlistConfig.BindAddr = "127.0.0.1"
	conf.MemberlistConfig.BindPort = 0
	conf.MemberlistConfig.GossipInterval = 20 * time.Millisecond
	conf.MemberlistConfig.ProbeInterval = 200 * time.Millisecond
	conf.MemberlistConfig.ProbeTimeout = 150 * time.Millisecond
	conf.MemberlistConfig.Logger = conf.Logger
	if change != nil {
		change(conf)
	}

	s, err := serf.Create(conf)
	if err != nil {
		t.Fatal(err)
	}
	n.Serf = s
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case e := <-events:
				n.record(e)
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() {
		s.Shutdown()
		close(stop)
		reading.Wait()
	})
	return n
}

// record keeps an event, and answers a query as every node here does: with its
// own name and what it was asked.
func (n *node) record(e serf.Event) {
	if q, ok := e.(*serf.Query); ok {
		if err := q.Respond([]byte(n.name + " heard " + string(q.Payload))); err != nil {
			n.t.Errorf("%s cannot respond: %v", n.name, err)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, e)
	close(n.more)
	n.more = make(chan struct{})
}

// count returns how many of the events so far match, and a channel that is
// closed when there is another event.
func (n *node) count(match func(serf.Event) bool) (int, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := 0
	for _, e := range n.seen {
		if match(e) {
			c++
		}
	}
	return c, n.more
}

// await waits until match has been true for count events.
func (n *node) await(what string, count int, match func(serf.Event) bool) {
	n.t.Helper()
	deadline := time.After(patience)
	for {
		got, more := n.count(match)
		if got >= count {
			return
		}
		select {
		case <-more:
		case <-deadline:
			n.t.Fatalf("%s has seen %s %d times, want %d; members: %v\nevents: %v", n.name, what, got, count, n.states(), n.events())
		}
	}
}

func (n *node) events() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, e := range n.seen {
		line := e.String()
		if m, ok := e.(serf.MemberEvent); ok {
			for _, one := range m.Members {
				line += " " + one.Name
			}
		}
		out = append(out, line)
	}
	return out
}

func (n *node) address() string { return n.Memberlist().LocalNode().Address() }

// meet makes n know to, and waits until each of everybody, n and to included,
// knows n and is known to it.
func (n *node) meet(to *node, everybody ...*node) {
	n.t.Helper()
	if got, err := n.Join([]string{to.address()}, false); err != nil || got != 1 {
		n.t.Fatalf("%s joins %s: %d, %v", n.name, to.name, got, err)
	}
	for _, o := range everybody {
		if o != n {
			o.await("the join of "+n.name, 1, members(serf.EventMemberJoin, n.name))
			n.await("the join of "+o.name, 1, members(serf.EventMemberJoin, o.name))
		}
	}
}

// states is what n believes about everybody, by name.
func (n *node) states() map[string]string {
	out := map[string]string{}
	for _, m := range n.Members() {
		out[m.Name] = m.Status.String()
	}
	return out
}

// member returns what n knows of the member called name.
func (n *node) member(name string) serf.Member {
	n.t.Helper()
	for _, m := range n.Members() {
		if m.Name == name {
			return m
		}
	}
	n.t.Fatalf("%s does not know %s", n.name, name)
	return serf.Member{}
}

// members matches member events of one kind about one member.
func members(kind serf.EventType, name string) func(serf.Event) bool {
	return func(e serf.Event) bool {
		m, ok := e.(serf.MemberEvent)
		if !ok || m.Type != kind {
			return false
		}
		for _, one := range m.Members {
			if one.Name == name {
				return true
			}
		}
		return false
	}
}

// userEvents matches user events by name and payload.
func userEvents(name, payload string) func(serf.Event) bool {
	return func(e serf.Event) bool {
		u, ok := e.(serf.UserEvent)
		return ok && u.Name == name && string(u.Payload) == payload
	}
}

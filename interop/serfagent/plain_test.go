package serfagent

import (
	"bytes"
	"fmt"
	"log"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/swimguard/memberlist"
)

// plain is a node of this library with nothing of Serf but what doc.go says a
// plain node needs.
type plain struct {
	*memberlist.Memberlist
	t *testing.T

	mu       sync.Mutex
	tags     map[string]string
	events   []memberlist.NodeEvent
	messages [][]byte
	queue    memberlist.TransmitLimitedQueue
	more     chan struct{} // closed and replaced when there is something new
}

func startPlain(t *testing.T, name string, tags map[string]string) *plain {
	t.Helper()
	p := &plain{t: t, tags: tags, more: make(chan struct{})}
	c := memberlist.DefaultLocalConfig()
	c.Name = name
	c.BindAddr, c.BindPort = "127.0.0.1", 0
	c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion = 2, 5, 5
	c.Delegate, c.Events = p, p
	c.Logger = log.New(t.Output(), name+" ", log.Lmicroseconds)
	m, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Memberlist = m
	p.queue.NumNodes, p.queue.RetransmitMult = m.NumMembers, 4
	return p
}

func (p *plain) setTags(tags map[string]string) {
	p.t.Helper()
	p.mu.Lock()
	p.tags = tags
	p.mu.Unlock()
	if err := p.UpdateNode(patience); err != nil {
		p.t.Fatal(err)
	}
}

// shown is how Serf is to show p.
func (p *plain) shown(status string) shown {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.LocalNode()
	return shown{Name: n.Name, Addr: n.Address(), Status: status, Tags: p.tags}
}

// await waits for an event about a member, and returns the member as it was then.
func (p *plain) await(kind memberlist.NodeEventType, name string, ok func(*memberlist.Node) bool) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		more := p.more
		for _, e := range p.events {
			if e.Event == kind && e.Node.Name == name && ok(e.Node) {
				p.mu.Unlock()
				return
			}
		}
		all := fmt.Sprintf("%+v", p.events)
		p.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("no event %d about %s that fits among %s", kind, name, all)
		}
	}
}

// awaitMessage waits for a user message that contains all of these.
func (p *plain) awaitMessage(parts ...string) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		more, messages := p.more, p.messages
		p.mu.Unlock()
	next:
		for _, m := range messages {
			for _, part := range parts {
				if !bytes.Contains(m, []byte(part)) {
					continue next
				}
			}
			return
		}
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("no message with %q among %q", parts, messages)
		}
	}
}

func (p *plain) event(kind memberlist.NodeEventType, n *memberlist.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, memberlist.NodeEvent{Event: kind, Node: n})
	p.news()
}

// news wakes those who wait; it expects the lock.
func (p *plain) news() {
	close(p.more)
	p.more = make(chan struct{})
}

func (p *plain) NotifyJoin(n *memberlist.Node)   { p.event(memberlist.NodeJoin, n) }
func (p *plain) NotifyLeave(n *memberlist.Node)  { p.event(memberlist.NodeLeave, n) }
func (p *plain) NotifyUpdate(n *memberlist.Node) { p.event(memberlist.NodeUpdate, n) }

func (p *plain) NotifyMsg(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, bytes.Clone(b))
	p.news()
}

func (p *plain) NodeMeta(int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return encodeTags(p.tags)
}

func (p *plain) GetBroadcasts(overhead, limit int) [][]byte {
	return p.queue.GetBroadcasts(overhead, limit)
}
func (p *plain) LocalState(bool) []byte        { return nil }
func (p *plain) MergeRemoteState([]byte, bool) {}

// hasTags matches nodes with these tags of Serf's.
func hasTags(t *testing.T, want map[string]string) func(*memberlist.Node) bool {
	return func(n *memberlist.Node) bool { return maps.Equal(decodeTags(t, n.Meta), want) }
}

func inState(state memberlist.NodeStateType) func(*memberlist.Node) bool {
	return func(n *memberlist.Node) bool { return n.State == state }
}

// tagsMagic precedes tags in a Serf member's metadata.
const tagsMagic = 255

func encodeTags(tags map[string]string) []byte {
	b := bytes.NewBuffer([]byte{tagsMagic})
	if err := codec.NewEncoder(b, new(codec.MsgpackHandle)).Encode(tags); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func decodeTags(t *testing.T, meta []byte) map[string]string {
	t.Helper()
	if len(meta) == 0 || meta[0] != tagsMagic {
		t.Errorf("not tags: %q", meta)
		return nil
	}
	var tags map[string]string
	if err := codec.NewDecoderBytes(meta[1:], new(codec.MsgpackHandle)).Decode(&tags); err != nil {
		t.Errorf("tags %q: %v", meta, err)
	}
	return tags
}

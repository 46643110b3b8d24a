package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/swimguard/memberlist"
)

// demoMember is one member of the demo's cluster and what it was told.
type demoMember struct {
	name    string
	list    *memberlist.Memberlist
	talk    *chat
	running bool // false once it has left or was killed

	mu       sync.Mutex
	messages []toldMessage
	updates  map[string]toldUpdate // the latest for each name
	goodbyes map[string]toldGoodbye
}

type toldMessage struct {
	at time.Time
	chatMessage
}

type toldUpdate struct {
	at   time.Time
	meta string
}

type toldGoodbye struct {
	at    time.Time
	state memberlist.NodeStateType
}

// demoConfig is the LAN profile at double speed, on a port of the system's
// choice.
func demoConfig(name string, logs io.Writer) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = name
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.ProbeInterval /= 2
	c.ProbeTimeout /= 2
	c.GossipInterval /= 2
	// News reaches everybody with high probability, and the next push/pull
	// repairs the rest. With eight members and the LAN profile that rest is
	// about one piece of news in a thousand; the demo does not wait for its
	// repair, so it makes it rarer still.
	c.RetransmitMult *= 2
	c.LogOutput = logs
	return c
}

// startMember creates a member that knows nobody.
func startMember(c *memberlist.Config, meta string) (*demoMember, error) {
	m := &demoMember{
		name:     c.Name,
		running:  true,
		updates:  make(map[string]toldUpdate),
		goodbyes: make(map[string]toldGoodbye),
	}
	m.talk = newChat(c.Name, []byte(meta), m.heard)
	c.Delegate, c.Events = m.talk, m
	list, err := memberlist.Create(c)
	if err != nil {
		return nil, fmt.Errorf("%s could not start: %w", c.Name, err)
	}
	m.list = list
	m.talk.attach(list)
	return m, nil
}

func (m *demoMember) heard(msg chatMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, toldMessage{time.Now(), msg})
}

// NotifyJoin implements memberlist.EventDelegate.
func (m *demoMember) NotifyJoin(n *memberlist.Node) {}

// NotifyUpdate implements memberlist.EventDelegate.
func (m *demoMember) NotifyUpdate(n *memberlist.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.updates[n.Name] = toldUpdate{time.Now(), string(n.Meta)}
}

// NotifyLeave implements memberlist.EventDelegate.
func (m *demoMember) NotifyLeave(n *memberlist.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.goodbyes[n.Name] = toldGoodbye{time.Now(), n.State}
}

// heardText reports when this member heard that text, if it did.
func (m *demoMember) heardText(from, text string) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range m.messages {
		if msg.From == from && msg.Text == text {
			return msg.at, true
		}
	}
	return time.Time{}, false
}

// updated reports when this member learned that name has that metadata.
func (m *demoMember) updated(name, meta string) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.updates[name]
	return u.at, ok && u.meta == meta
}

// goodbye reports whether and how this member was told that name is gone.
func (m *demoMember) goodbye(name string) (toldGoodbye, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.goodbyes[name]
	return g, ok
}

// believes returns this member's record of name, nil when it is not listed.
func (m *demoMember) believes(name string) *memberlist.Node {
	for _, n := range m.list.Members() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

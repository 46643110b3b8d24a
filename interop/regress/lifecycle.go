package main

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/swimguard/memberlist/internal/wire"
)

func membersInCallback() string {
	e := new(ether)
	p := e.newPort()
	var m atomic.Pointer[memberlist.Memberlist]
	done := make(chan struct{})
	m.Store(create(config("a", p, &user{joined: func(n *memberlist.Node) {
		if n.Name == "x" {
			m.Load().Members()
			close(done)
		}
	}})))
	p.inject(stranger, alive("x", 1, "").Append(nil))
	if hangs(func() { <-done }) {
		return "Members hangs inside NotifyJoin"
	}
	return ""
}

func blockedCallback() string {
	e := new(ether)
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	a, _, _, portB := pair(e,
		func(c *memberlist.Config) { c.ProbeInterval, c.ProbeTimeout = time.Hour, 2*time.Second },
		func(c *memberlist.Config) {
			c.Events = &user{joined: func(n *memberlist.Node) {
				if n.Name == "x" {
					close(entered)
					<-release
				}
			}}
		})
	portB.inject(stranger, alive("x", 1, "").Append(nil))
	<-entered
	if err := ping(a, portB, "b"); err != nil {
		return fmt.Sprintf("no answer while a callback blocks: %v", err)
	}
	return ""
}

func publishedNode() string {
	e := new(ether)
	p := e.newPort()
	m := create(config("a", p, nil))
	p.inject(stranger, alive("x", 1, "old").Append(nil))
	if !soon(func() bool { return has(m, "x") }) {
		fail("x is not believed in")
	}
	published := find(m, "x")
	p.inject(stranger, alive("x", 2, "new").Append(nil))
	if !soon(func() bool { return bytes.Equal(find(m, "x").Meta, []byte("new")) }) {
		fail("x is not updated")
	}
	if got := string(published.Meta); got != "old" {
		return fmt.Sprintf("a node that Members had returned changed under its reader, to %q", got)
	}
	return ""
}

func lateCallback() string {
	e := new(ether)
	p := e.newPort()
	down := new(atomic.Bool)
	late := make(chan string, 10)
	c := config("a", p, &user{left: func(n *memberlist.Node) {
		if down.Load() {
			late <- n.Name
		}
	}})
	c.ProbeInterval, c.ProbeTimeout, c.SuspicionMult = 300*time.Millisecond, 100*time.Millisecond, 2
	m := create(c)
	p.inject(stranger, alive("x", 1, "").Append(nil))
	if !soon(func() bool { return has(m, "x") }) {
		fail("x is not believed in")
	}
	p.inject(stranger, suspect("x", 1))
	p.inject(stranger, alive("marker", 1, "").Append(nil))
	if !soon(func() bool { return has(m, "marker") }) {
		fail("the marker is not believed in")
	}
	if !has(m, "x") {
		fail("x was given up at once")
	}
	if err := m.Shutdown(); err != nil {
		fail("Shutdown: %v", err)
	}
	down.Store(true)
	select {
	case name := <-late:
		return "NotifyLeave about " + name + " after Shutdown had returned"
	case <-time.After(4 * time.Second):
		return ""
	}
}

// settled is the number of goroutines once those that are ending have ended.
func settled() int {
	time.Sleep(50 * time.Millisecond)
	return runtime.NumGoroutine()
}

func goroutinesLeft() string {
	before := settled()
	e := new(ether)
	asked := make(chan struct{}, 100)
	p := e.newPort()
	c := config("a", p, nil)
	c.GossipInterval = 0 // so that what is sent is a probe
	c.ProbeInterval, c.ProbeTimeout = time.Second, time.Second
	m := create(c)
	p.inject(stranger, alive("x", 1, "").Append(nil))
	e.set(func() {
		e.wrote = func(_, _ string, packet []byte) {
			if packet[0] == byte(wire.TypePing) || packet[0] == byte(wire.TypeCompound) {
				asked <- struct{}{}
			}
		}
	})
	<-asked // and now the probe waits for its ack
	if err := m.Shutdown(); err != nil {
		fail("Shutdown: %v", err)
	}
	if after := settled(); after > before {
		return fmt.Sprintf("%d goroutines more than before after Shutdown", after-before)
	}
	return ""
}

func pushPullGoesOn() string {
	e := new(ether)
	dials := new(atomic.Int32)
	e.dial = func(string) (net.Conn, error) { dials.Add(1); return nil, net.ErrClosed }
	p := e.newPort()
	c := config("a", p, nil)
	c.GossipInterval, c.PushPullInterval = 0, 50*time.Millisecond
	m := create(c)
	p.inject(stranger, alive("x", 1, "").Append(nil))
	if !soon(func() bool { return dials.Load() > 2 }) {
		fail("no push/pull")
	}
	if err := m.Shutdown(); err != nil {
		fail("Shutdown: %v", err)
	}
	before := dials.Load()
	time.Sleep(time.Second)
	if n := dials.Load() - before; n > 1 { // one may have been under way
		return fmt.Sprintf("%d push/pulls in the second after Shutdown", n)
	}
	return ""
}

// loopback is a configuration with sockets on 127.0.0.1.
func loopback(name string) *memberlist.Config {
	c := config(name, nil, nil)
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	return c
}

// freePort is an address on loopback where nobody listens just now.
func freePort() *net.TCPAddr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("%v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr)
}

func portsLeft() string {
	at := freePort()
	c := loopback("a")
	c.BindPort, c.AdvertiseAddr = at.Port, "not an address"
	if _, err := memberlist.Create(c); err == nil {
		fail("Create succeeds with a bad AdvertiseAddr")
	}
	again, err := net.Listen("tcp", at.String())
	if err != nil {
		return fmt.Sprintf("after Create failed: %v", err)
	}
	again.Close()
	return ""
}

func emptyKeyring() string {
	ring, err := memberlist.NewKeyring(nil, nil)
	if err != nil {
		fail("%v", err)
	}
	ring.RemoveKey(key)
	return ""
}

func sharedKeyring() string {
	other, primary := bytes.Repeat([]byte{2}, 16), bytes.Repeat([]byte{3}, 16)
	ring, err := memberlist.NewKeyring([][]byte{key, other}, primary)
	if err != nil {
		fail("%v", err)
	}
	keys := ring.GetKeys()
	before := fmt.Sprint(keys)
	if err := ring.RemoveKey(keys[1]); err != nil {
		fail("%v", err)
	}
	if fmt.Sprint(keys) != before {
		return "the keys that GetKeys had returned changed"
	}
	return ""
}

func stalledPeer() string {
	e := new(ether)
	a, b, _, portB := pair(e, nil, nil)
	target := b.LocalNode()
	e.set(func() {
		delete(e.ports, portB.addr)
		e.dial = func(string) (net.Conn, error) { near, _ := net.Pipe(); return near, nil }
	})
	if hangs(func() { a.SendReliable(target, []byte("hello")) }) {
		return "SendReliable hangs for ever at a peer that does not read"
	}
	return ""
}

func earlyCallback() string {
	e := new(ether)
	p := e.newPort()
	p.inject(stranger, []byte{byte(wire.TypeUser), '.'})
	creating := new(atomic.Bool) // it has not had the answer of NodeMeta yet
	creating.Store(true)
	early := make(chan struct{}, 1)
	create(config("a", p, &user{
		meta: func(int) []byte {
			time.Sleep(500 * time.Millisecond)
			creating.Store(false)
			return nil
		},
		heard: func([]byte) {
			if creating.Load() {
				early <- struct{}{}
			}
		},
	}))
	select {
	case <-early:
		return "NotifyMsg before NodeMeta has returned"
	case <-time.After(500 * time.Millisecond):
		return ""
	}
}

func mockDeadlock() string {
	var network memberlist.MockNetwork
	nodes := make([]*memberlist.Memberlist, 2)
	for i := range nodes {
		name := fmt.Sprint("n", i)
		c := config(name, nil, nil)
		c.Transport = network.NewTransport(name)
		c.ProbeInterval, c.ProbeTimeout = time.Hour, 100*time.Millisecond
		nodes[i] = create(c)
	}
	var asked sync.WaitGroup
	for i, n := range nodes {
		other := nodes[1-i].LocalNode()
		for range 50 {
			asked.Go(func() {
				for range 20 { // at most 2 s, even if no answer comes
					n.Ping(other.Name, &net.UDPAddr{IP: other.Addr, Port: int(other.Port)})
				}
			})
		}
	}
	if hangs(asked.Wait) {
		return "two nodes that ping each other: a Ping hangs"
	}
	return ""
}

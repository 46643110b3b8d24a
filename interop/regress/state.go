package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/swimguard/memberlist/internal/wire"
)

// versions are those of a node of today.
var versions = []byte{1, 5, 2, 0, 0, 0}

// alive, suspect and dead are messages about x, or about whoever is named.
func alive(name string, incarnation uint32, meta string) wire.Alive {
	return wire.Alive{Incarnation: incarnation, Node: []byte(name), Addr: []byte{198, 18, 9, 9}, Port: portNumber, Meta: []byte(meta), Vsn: versions}
}

func suspect(name string, incarnation uint32) []byte {
	return wire.Suspect{Incarnation: incarnation, Node: []byte(name), From: []byte("y")}.Append(nil)
}

func dead(name string, incarnation uint32, from string) []byte {
	return wire.Dead{Incarnation: incarnation, Node: []byte(name), From: []byte(from)}.Append(nil)
}

func stateOfTheDead() string {
	e := new(ether)
	verdict := make(chan memberlist.NodeStateType, 1)
	_, b, _, portB := pair(e, func(c *memberlist.Config) {
		u := &user{left: func(n *memberlist.Node) { verdict <- n.State }}
		probing(c).Events = u
	}, nil)
	e.set(func() { e.cut = func(from, to string) bool { return from == portB.addr || to == portB.addr } })
	defer b.Shutdown()
	select {
	case state := <-verdict:
		if state == memberlist.StateAlive {
			return "NotifyLeave says alive"
		}
	case <-time.After(10 * time.Second):
		fail("b is not found to have failed")
	}
	return ""
}

func suspectAtTheMaximum() string {
	e := new(ether)
	both := func(c *memberlist.Config) { probing(c) }
	_, b, portA, portB := pair(e, both, both)
	message := suspect("a", 1<<32-1)
	portB.inject(stranger, message)
	portA.inject(stranger, append([]byte(nil), message...))
	if within(4*time.Second, func() bool { return !has(b, "a") }) {
		time.Sleep(time.Second) // it may come back
		if !has(b, "a") {
			return "a, who is alive and answers, is given up by b"
		}
	}
	return ""
}

func staleAlive() string {
	e := new(ether)
	p := e.newPort()
	m := create(probing(config("a", p, nil)))
	in := func(packet []byte, done func() bool) {
		p.inject(stranger, packet)
		if !soon(done) {
			fail("the message %x has no effect", packet)
		}
	}
	in(alive("x", 1, "").Append(nil), func() bool { return has(m, "x") })
	in(dead("x", 1, "y"), func() bool { return !has(m, "x") })
	// What is queued behind the others comes after them.
	p.inject(stranger, dead("x", 10, "y"))
	in(suspect("marker", 1), func() bool { time.Sleep(200 * time.Millisecond); return true })
	p.inject(stranger, alive("x", 2, "").Append(nil))
	in(alive("marker", 1, "").Append(nil), func() bool { return has(m, "marker") })
	if has(m, "x") {
		return "x is alive again at incarnation 2"
	}
	return ""
}

func twoFormsOfAnAddress() string {
	e := new(ether)
	p := e.newPort()
	m := create(config("a", p, nil))
	p.inject(stranger, alive("x", 1, "old").Append(nil))
	if !soon(func() bool { return has(m, "x") }) {
		fail("x is not believed in")
	}
	long := alive("x", 2, "new")
	long.Addr = []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 18, 9, 9}
	p.inject(stranger, long.Append(nil))
	if !within(time.Second, func() bool { return string(find(m, "x").Meta) == "new" }) {
		return "x is not updated: the same address counts as another"
	}
	return ""
}

func takeover() string {
	e := new(ether)
	usual := func(c *memberlist.Config) { probing(c).PushPullInterval = time.Second }
	a, _, portA, portB := pair(e, usual, usual)
	conf := config("c", e.newPort(), nil)
	usual(conf)
	c := create(conf)
	join(c, portA)
	right := func(m *memberlist.Memberlist) bool { n := find(m, "b"); return n != nil && n.Address() == portB.addr }
	all := func() bool { return right(a) && right(c) }
	if !soon(all) {
		fail("b is not known")
	}
	portA.inject(stranger, dead("b", 5, "b"))
	if !soon(func() bool { return !has(a, "b") }) {
		return "" // the goodbye was not believed
	}
	portA.inject(stranger, alive("b", 0, "").Append(nil))
	if !within(8*time.Second, all) {
		return "b, who lives, has lost its name"
	}
	return ""
}

func partition() string {
	e := new(ether)
	var lists []*memberlist.Memberlist
	var ports []*port
	for i := range 6 {
		p := e.newPort()
		c := probing(config(fmt.Sprint("n", i), p, nil))
		c.GossipToTheDeadTime, c.PushPullInterval = time.Second, time.Second
		try(c, "HealInterval", time.Second)
		m := create(c)
		if i > 0 {
			join(m, ports[0])
		}
		lists, ports = append(lists, m), append(ports, p)
	}
	know := func(n int) func() bool {
		return func() bool {
			for _, m := range lists {
				if m.NumMembers() != n {
					return false
				}
			}
			return true
		}
	}
	if !soon(know(6)) {
		fail("six do not find each other")
	}
	left := map[string]bool{ports[0].addr: true, ports[1].addr: true, ports[2].addr: true}
	e.set(func() { e.cut = func(from, to string) bool { return left[from] != left[to] } })
	if !within(10*time.Second, know(3)) {
		fail("the halves do not give each other up")
	}
	time.Sleep(2 * time.Second) // longer than gossip to the dead
	e.set(func() { e.cut = nil })
	if !within(6*time.Second, know(6)) {
		return "the cluster does not heal"
	}
	return ""
}

func hearsay() string {
	e := new(ether)
	portA := e.newPort()
	c := config("a", portA, nil)
	c.ProbeInterval, c.ProbeTimeout = 500*time.Millisecond, 450*time.Millisecond
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = 3, 30 // 1.5 s when confirmed by one, 45 s when not
	m := create(c)
	var states []wire.NodeState
	for i := range 6 {
		p := e.newPort()
		go p.answer()
		x := alive(fmt.Sprint("x", i), 1, "")
		x.Addr = p.ip
		portA.inject(stranger, x.Append(nil))
		states = append(states, wire.NodeState{Name: x.Node, Addr: x.Addr, Port: x.Port, Incarnation: 1, Vsn: versions})
	}
	if !soon(func() bool { return m.NumMembers() == 7 }) {
		fail("%d members", m.NumMembers())
	}
	portA.inject(stranger, wire.Suspect{Incarnation: 1, Node: []byte("x0"), From: []byte("x1")}.Append(nil))
	const suspected = 1
	states[0].State = suspected
	for range 3 {
		pushPull(portA, states)
	}
	if within(5*time.Second, func() bool { return !has(m, "x0") }) {
		return "x0 is given up after one accusation, as if others had confirmed it"
	}
	return ""
}

func flapping() string {
	e := new(ether)
	usual := func(name string) (*memberlist.Config, *port) {
		p := e.newPort()
		c := probing(config(name, p, nil))
		c.PushPullInterval = 500 * time.Millisecond
		return c, p
	}
	events := new(atomic.Int32)
	count := func(n *memberlist.Node) {
		if n.Name == "b" {
			events.Add(1)
		}
	}
	c, portA := usual("a")
	c.Events = &user{joined: count, left: count}
	a := create(c)
	for i := range 3 {
		c, _ := usual(fmt.Sprint("c", i))
		join(create(c), portA)
	}
	c, portB := usual("b")
	b := create(c)
	join(b, portA)
	if !soon(func() bool { return a.NumMembers() == 5 && b.NumMembers() == 5 }) {
		fail("five do not find each other")
	}
	e.set(func() { e.cut = func(_, to string) bool { return to == portB.addr } })
	defer b.Shutdown()
	time.Sleep(20 * time.Second)
	if n := events.Load(); n > 7 {
		return fmt.Sprintf("%d events about b in 20 s", n)
	}
	return ""
}

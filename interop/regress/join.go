package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

func joinAfterLeave() string {
	e := new(ether)
	a, b, portA, _ := pair(e, nil, nil)
	if err := b.Leave(5 * time.Second); err != nil {
		fail("Leave: %v", err)
	}
	if !soon(func() bool { return !has(a, "b") }) {
		fail("a does not hear that b left")
	}
	if _, err := b.Join([]string{portA.addr}); err == nil && !within(time.Second, func() bool { return has(a, "b") }) {
		return "Join returned no error, and b is not a member"
	}
	return ""
}

func deadSeeds() string {
	const timeout, dead = 500 * time.Millisecond, 6
	e := &ether{dial: func(string) (net.Conn, error) {
		time.Sleep(timeout) // packets vanish
		return nil, errors.New("timeout")
	}}
	living := e.newPort()
	create(config("a", living, nil))
	c := config("b", e.newPort(), nil)
	c.TCPTimeout = timeout
	b := create(c)
	var seeds []string
	for i := range dead {
		seeds = append(seeds, fmt.Sprintf("198.18.8.%d:%d", i+1, portNumber))
	}
	began := time.Now()
	if _, err := b.Join(append(seeds, living.addr)); err != nil {
		fail("Join: %v", err)
	}
	if took := time.Since(began); took > (dead-1)*timeout {
		return fmt.Sprintf("asked one after the other, for %v", took)
	}
	return ""
}

// refusing is a MergeDelegate.
type refusing struct{}

func (refusing) NotifyMerge([]*memberlist.Node) error { return errors.New("not you") }

func refusedMerge() string {
	e := new(ether)
	portA, portB := e.newPort(), e.newPort()
	ca := config("a", portA, nil)
	ca.Merge = refusing{}
	a, b := create(ca), create(config("b", portB, nil))
	_, err := b.Join([]string{portA.addr})
	if err == nil && has(b, "a") && !has(a, "b") {
		return "b has joined although a refused"
	}
	return ""
}

// poisoned is whether a newcomer can join somebody who has heard of a member
// with these versions.
func poisoned(vsn []byte) string {
	e := new(ether)
	portA, portB := e.newPort(), e.newPort()
	a, b := create(config("a", portA, nil)), create(config("b", portB, nil))
	x := alive("x", 1, "")
	x.Vsn = vsn
	portA.inject(stranger, x.Append(nil))
	portA.inject(stranger, alive("marker", 1, "").Append(nil))
	if !soon(func() bool { return has(a, "marker") }) {
		fail("the marker is not believed in")
	}
	if _, err := b.Join([]string{portA.addr}); err != nil {
		return fmt.Sprintf("b cannot join: %v", err)
	}
	return ""
}

func versionPoison() string { return poisoned([]byte{5, 5, 5, 5, 5, 5}) }
func noVersions() string    { return poisoned(nil) }

func leaveAfterShutdown() string {
	e := new(ether)
	_, b, _, _ := pair(e, nil, nil)
	b.Shutdown()
	b.Leave(time.Second)
	return ""
}

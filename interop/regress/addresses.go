package main

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

func portForgotten() string {
	c := loopback("a")
	c.BindPort, c.AdvertiseAddr = freePort().Port, "127.0.0.1"
	m := create(c)
	defer m.Shutdown()
	if m.LocalNode().Port == 0 {
		return "advertises port 0"
	}
	return ""
}

func zeroMultiplier() string {
	e := new(ether)
	p := e.newPort()
	c := config("a", p, nil)
	c.ProbeInterval, c.ProbeTimeout = time.Second, 500*time.Millisecond
	c.SuspicionMult = 0
	m := create(c)
	p.inject(stranger, alive("x", 1, "").Append(nil))
	if !soon(func() bool { return has(m, "x") }) {
		fail("x is not believed in")
	}
	p.inject(stranger, suspect("x", 1))
	if within(500*time.Millisecond, func() bool { return !has(m, "x") }) {
		return "who is suspected is declared dead at once"
	}
	return ""
}

func pingWithoutProbing() string {
	e := new(ether)
	a, _, _, portB := pair(e, func(c *memberlist.Config) { c.ProbeTimeout = 2 * time.Second }, nil)
	if err := ping(a, portB, "b"); err != nil {
		return fmt.Sprintf("no answer: %v", err)
	}
	return ""
}

func emptyName() string {
	m, err := memberlist.Create(config("", new(ether).newPort(), nil))
	if err == nil {
		m.Shutdown()
		return "an empty name is accepted"
	}
	return ""
}

func longMetadata() string {
	long := new(atomic.Bool)
	m := create(config("a", new(ether).newPort(), &user{meta: func(limit int) []byte {
		if long.Load() {
			return make([]byte, limit+1)
		}
		return nil
	}}))
	long.Store(true)
	m.UpdateNode(time.Second)
	return ""
}

func labelMismatch() string {
	e := new(ether)
	portA, portB := e.newPort(), e.newPort()
	ca, cb := config("a", portA, nil), config("b", portB, nil)
	ca.Label = "blue"
	create(ca)
	_, err := create(cb).Join([]string{portA.addr})
	if err == nil {
		fail("Join succeeds")
	}
	if strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "label") {
		return fmt.Sprintf("says only: %v", err)
	}
	return ""
}

func bindToAll() string {
	c := loopback("a")
	c.BindAddr, c.AdvertiseAddr, c.AdvertisePort = "localhost.", "127.0.0.1", 1
	m, err := memberlist.Create(c)
	if err != nil {
		return ""
	}
	defer m.Shutdown()
	elsewhere := fmt.Sprintf("127.0.0.2:%d", c.BindPort)
	if conn, err := net.Dial("tcp", elsewhere); err == nil {
		conn.Close()
		return "listens at " + elsewhere + " when told to bind to localhost."
	}
	return ""
}

func advertisedUnspecified() string {
	c := loopback("a")
	c.BindAddr = "::"
	m, err := memberlist.Create(c)
	if err != nil {
		if contains(err, "no private IP") {
			return "" // this host has no address to advertise
		}
		fail("Create: %v", err)
	}
	defer m.Shutdown()
	if m.LocalNode().Addr.IsUnspecified() {
		return "advertises " + m.LocalNode().Addr.String()
	}
	return ""
}

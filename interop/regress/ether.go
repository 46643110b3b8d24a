package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/swimguard/memberlist/internal/wire"
)

// ether is a network in memory. It loses nothing unless it is cut.
type ether struct {
	mu    sync.Mutex
	ports map[string]*port                     // by address
	cut   func(from, to string) bool           // by address; nil: nothing is
	wrote func(from, to string, packet []byte) // is told of every packet that is sent; may be nil
	dial  func(to string) (net.Conn, error)    // answers dials to addresses that are nobody's; nil: refuse
}

// port is a transport on the ether.
type port struct {
	on      *ether
	ip      net.IP
	addr    string
	packets chan *memberlist.Packet
	streams chan net.Conn
}

const portNumber = 7946

func (e *ether) newPort() *port {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ports == nil {
		e.ports = map[string]*port{}
	}
	p := &port{on: e, ip: net.IPv4(198, 18, 0, byte(len(e.ports)+1)).To4(), packets: make(chan *memberlist.Packet, 4096), streams: make(chan net.Conn)}
	p.addr = fmt.Sprintf("%s:%d", p.ip, portNumber)
	e.ports[p.addr] = p
	return p
}

// set changes the network while nodes use it.
func (e *ether) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

// reach returns the port at an address, or nil if nobody can be heard there.
func (e *ether) reach(from, to string) *port {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cut != nil && e.cut(from, to) {
		return nil
	}
	return e.ports[to]
}

// inject delivers a packet to the port as if it came from an address.
func (p *port) inject(from string, packet []byte) {
	addr, err := net.ResolveUDPAddr("udp", from)
	if err != nil {
		panic(err)
	}
	p.packets <- &memberlist.Packet{Buf: packet, From: addr, Timestamp: time.Now()}
}

// stranger is an address that is nobody's.
const stranger = "198.18.9.9:7946"

func (p *port) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return p.ip, portNumber, nil }

func (p *port) WriteTo(b []byte, addr string) (time.Time, error) {
	packet := append([]byte(nil), b...)
	p.on.mu.Lock()
	wrote := p.on.wrote
	p.on.mu.Unlock()
	if wrote != nil {
		wrote(p.addr, addr, packet)
	}
	now := time.Now()
	if to := p.on.reach(p.addr, addr); to != nil {
		select {
		case to.packets <- &memberlist.Packet{Buf: packet, From: &net.UDPAddr{IP: p.ip, Port: portNumber}, Timestamp: now}:
		default: // a full buffer
		}
	}
	return now, nil
}

func (p *port) PacketCh() <-chan *memberlist.Packet { return p.packets }

func (p *port) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	to := p.on.reach(p.addr, addr)
	if to == nil {
		p.on.mu.Lock()
		dial := p.on.dial
		p.on.mu.Unlock()
		if dial != nil {
			return dial(addr)
		}
		return nil, errors.New("nobody there")
	}
	near, far := net.Pipe()
	select {
	case to.streams <- addressed{far, p.addr}:
		return addressed{near, addr}, nil
	case <-time.After(timeout):
		return nil, context.DeadlineExceeded
	}
}

func (p *port) StreamCh() <-chan net.Conn { return p.streams }
func (p *port) Shutdown() error           { return nil }

// addressed is a connection whose other end has an address of the ether.
type addressed struct {
	net.Conn
	remote string
}

func (c addressed) RemoteAddr() net.Addr {
	addr, _ := net.ResolveTCPAddr("tcp", c.remote)
	return addr
}

// answer acks every ping that comes to the port, and does nothing else.
func (p *port) answer() {
	for packet := range p.packets {
		b, err := wire.CutChecksum(packet.Buf)
		if err != nil {
			fail("%v", err)
		}
		msgs := [][]byte{b}
		if wire.Type(b[0]) == wire.TypeCompound {
			msgs = nil
			parts, err := wire.Parts(b[1:])
			if err != nil {
				fail("%v", err)
			}
			for part, ok := parts.Next(); ok; part, ok = parts.Next() {
				msgs = append(msgs, part)
			}
		}
		for _, msg := range msgs {
			var ping wire.Ping
			if wire.Type(msg[0]) != wire.TypePing {
				continue
			}
			if _, err := ping.Decode(msg[1:]); err != nil {
				fail("%v", err)
			}
			p.WriteTo(wire.Ack{SeqNo: ping.SeqNo}.Append(nil), packet.From.String())
		}
	}
}

// pushPull gives the states to the node at the port, and takes its own.
func pushPull(to *port, states []wire.NodeState) {
	conn, err := to.DialTimeout(to.addr, time.Second)
	if err != nil {
		fail("%v", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	msg := wire.PushPullHeader{Nodes: len(states)}.Append(nil)
	for _, s := range states {
		msg = s.Append(msg)
	}
	go conn.Write(msg)
	io.Copy(io.Discard, conn) // to its end, or until it has said all
}

// user is a Delegate and an EventDelegate made of functions, any of which may
// be missing.
type user struct {
	meta       func(limit int) []byte
	heard      func(msg []byte)
	broadcasts func(overhead, limit int) [][]byte
	joined     func(*memberlist.Node)
	left       func(*memberlist.Node)
	updated    func(*memberlist.Node)
}

func (u *user) NodeMeta(limit int) []byte {
	if u.meta == nil {
		return nil
	}
	return u.meta(limit)
}

func (u *user) NotifyMsg(msg []byte) {
	if u.heard != nil {
		u.heard(msg)
	}
}

func (u *user) GetBroadcasts(overhead, limit int) [][]byte {
	if u.broadcasts == nil {
		return nil
	}
	return u.broadcasts(overhead, limit)
}

func (u *user) LocalState(bool) []byte        { return nil }
func (u *user) MergeRemoteState([]byte, bool) {}

func (u *user) NotifyJoin(n *memberlist.Node) {
	if u.joined != nil {
		u.joined(n)
	}
}

func (u *user) NotifyLeave(n *memberlist.Node) {
	if u.left != nil {
		u.left(n)
	}
}

func (u *user) NotifyUpdate(n *memberlist.Node) {
	if u.updated != nil {
		u.updated(n)
	}
}

// config is for a node without compression that gossips often and neither
// probes nor syncs unless the scenario says so.
func config(name string, p *port, u *user) *memberlist.Config {
	c := memberlist.DefaultLocalConfig()
	c.Name, c.LogOutput = name, io.Discard
	if p != nil {
		c.Transport = p
	}
	if u != nil {
		c.Delegate, c.Events = u, u
	}
	c.EnableCompression = false
	c.ProbeInterval, c.PushPullInterval = 0, 0
	c.GossipInterval = 20 * time.Millisecond
	c.TCPTimeout = time.Second
	return c
}

// probing makes the node find out quickly who is gone.
func probing(c *memberlist.Config) *memberlist.Config {
	c.ProbeInterval, c.ProbeTimeout = 100*time.Millisecond, 50*time.Millisecond
	return c
}

// try sets a field of the Config that only one of the libraries has.
func try(c *memberlist.Config, field string, value any) {
	if f := reflect.ValueOf(c).Elem().FieldByName(field); f.IsValid() {
		f.Set(reflect.ValueOf(value))
	}
}

func create(c *memberlist.Config) *memberlist.Memberlist {
	m, err := memberlist.Create(c)
	if err != nil {
		fail("Create: %v", err)
	}
	return m
}

// pair is two nodes, a and b, that know each other.
func pair(e *ether, confA, confB func(*memberlist.Config)) (a, b *memberlist.Memberlist, portA, portB *port) {
	portA, portB = e.newPort(), e.newPort()
	ca, cb := config("a", portA, nil), config("b", portB, nil)
	if confA != nil {
		confA(ca)
	}
	if confB != nil {
		confB(cb)
	}
	a, b = create(ca), create(cb)
	join(b, portA)
	if !soon(func() bool { return has(a, "b") && has(b, "a") }) {
		fail("a and b do not find each other")
	}
	return a, b, portA, portB
}

func join(m *memberlist.Memberlist, to *port) {
	if _, err := m.Join([]string{to.addr}); err != nil {
		fail("Join: %v", err)
	}
}

// fail ends the scenario: it could not be set up, which says nothing about
// the defect.
func fail(format string, args ...any) {
	panic("scenario: " + fmt.Sprintf(format, args...))
}

// soon waits for a condition, for some seconds at most.
func soon(holds func() bool) bool {
	return within(5*time.Second, holds)
}

func within(d time.Duration, holds func() bool) bool {
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		if holds() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// hangs reports whether f does not return within some seconds.
func hangs(f func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return false
	case <-time.After(4 * time.Second):
		return true
	}
}

// has reports whether a member is alive or suspect in the view of m.
func has(m *memberlist.Memberlist, name string) bool { return find(m, name) != nil }

func find(m *memberlist.Memberlist, name string) *memberlist.Node {
	for _, n := range m.Members() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

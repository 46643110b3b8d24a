package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/testkit"
	"github.com/swimguard/memberlist/internal/wire"
)

// loopback is the Config of a node on sockets.
func loopback(name string) *Config {
	c := DefaultLocalConfig()
	c.Name, c.BindAddr, c.BindPort = name, "127.0.0.1", 0
	c.Logger = log.New(io.Discard, "", 0)
	return c
}

func TestShutdownFreesThePortAtOnce(t *testing.T) {
	c := loopback("a")
	for range 5 {
		m, err := Create(c) // on the port of the round before
		if err != nil {
			t.Fatal(err)
		}
		if n, err := m.Join([]string{m.LocalNode().Address()}); n != 1 || err != nil {
			t.Error(n, err)
		}
		m.Shutdown()
		if left := ourGoroutines(); left != "" {
			t.Fatalf("after Shutdown:\n%s", left)
		}
	}
}

// Regression 88 (unkey#5139).
func TestFailedCreateLeavesNothingBound(t *testing.T) {
	port := testkit.FreePort(t)
	c := loopback("a")
	c.BindPort = port
	d := &userDelegate{meta: make([]byte, MetaMaxSize+1)}
	c.Delegate = d
	if m, err := Create(c); m != nil || !errors.Is(err, ErrMetaTooLarge) {
		t.Errorf("got %v, %v", m, err)
	}
	if left := ourGoroutines(); left != "" {
		t.Errorf("left:\n%s", left)
	}
	d.meta = d.meta[:MetaMaxSize]
	m, err := Create(c)
	if err != nil {
		t.Fatalf("the port is still bound: %v", err)
	}
	defer m.Shutdown()
	if len(m.LocalNode().Meta) != MetaMaxSize {
		t.Errorf("%d bytes of metadata", len(m.LocalNode().Meta))
	}

	taken := loopback("b")
	taken.BindPort = port
	if m, err := Create(taken); m != nil || err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestFailedCreateLeavesTheCallersTransportAlone(t *testing.T) {
	c, tap := tapConfig("a")
	c.Delegate = &userDelegate{meta: make([]byte, MetaMaxSize+1)}
	if _, err := Create(c); !errors.Is(err, ErrMetaTooLarge) {
		t.Error(err)
	}
	if tap.down {
		t.Error("it was shut down")
	}
}

func TestMetadataLimitOfUpdateNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := tapConfig("a")
		d := &userDelegate{meta: []byte("old")}
		c.Delegate = d
		m := start(t, c)
		d.meta = make([]byte, MetaMaxSize+1)
		if err := m.UpdateNode(0); !errors.Is(err, ErrMetaTooLarge) {
			t.Error(err)
		}
		if got := string(m.LocalNode().Meta); got != "old" {
			t.Errorf("metadata is now %q", got)
		}
		d.meta = make([]byte, MetaMaxSize)
		if err := m.UpdateNode(0); err != nil || len(m.LocalNode().Meta) != MetaMaxSize {
			t.Errorf("%v, %d bytes", err, len(m.LocalNode().Meta))
		}
		d.meta[0] = 'x' // the user's own again
		if m.LocalNode().Meta[0] == 'x' {
			t.Error("the user's slice was published")
		}
	})
}

func TestUpdateNodeCanBeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := tapConfig("a")
		d := &userDelegate{}
		d.listenTo(c)
		m := start(t, c)
		no := errors.New("no")
		d.refuse = func(string) error { return no }
		d.meta = []byte("new")
		if err := m.UpdateNode(0); !errors.Is(err, no) || len(m.LocalNode().Meta) > 0 {
			t.Errorf("%v, metadata %q", err, m.LocalNode().Meta)
		}
	})
}

// Regressions 83 to 86: whatever is in flight, nothing is left.
func TestShutdownWithEverythingInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		c.ProbeInterval, c.PushPullInterval, c.GossipInterval = time.Second, time.Second, 100*time.Millisecond
		d := &userDelegate{state: []byte("state")}
		d.listenTo(c)
		tap.dialed = func(Address, time.Duration) (net.Conn, error) {
			near, far := net.Pipe() // opened, and then nothing
			t.Cleanup(func() { far.Close() })
			return near, nil
		}
		m := start(t, c)
		release := make(chan struct{})
		d.setOn(func(call string) {
			if strings.HasPrefix(call, "NotifyJoin") || strings.HasPrefix(call, "NotifyMsg") {
				<-release
			}
		})
		for i := range 5 {
			tap.packets <- &Packet{Buf: aliveMessage(fmt.Sprint("peer", i), byte(10+i)), From: &MockAddress{port: 1}}
		}
		tap.packets <- &Packet{Buf: []byte("\x08one"), From: &MockAddress{port: 1}}
		silent, far := net.Pipe()
		defer silent.Close()
		tap.streams <- far
		joined := make(chan error, 1)
		go func() { joined <- second(m.Join([]string{"10.0.0.1:1", "10.0.0.2:1"})) }()
		reliable := make(chan error, 1)
		go func() { reliable <- m.SendReliable(&Node{Name: "x", Addr: net.IPv4(10, 0, 0, 9)}, []byte("hello")) }()
		pinged := make(chan error, 1)
		go func() { pinged <- second(m.Ping("x", &MockAddress{port: 9})) }()
		time.Sleep(400 * time.Millisecond)
		left := make(chan error, 1)
		go func() { left <- m.Leave(0) }()
		synctest.Wait()

		began := time.Now()
		m.Shutdown()
		if took := time.Since(began); took > 10*shutdownGrace {
			t.Errorf("Shutdown took %v", took)
		}
		for what, result := range map[string]chan error{"Join": joined, "SendReliable": reliable, "Ping": pinged, "Leave": left} {
			synctest.Wait()
			select {
			case err := <-result:
				if !errors.Is(err, ErrShutdown) {
					t.Errorf("%s: %v", what, err)
				}
			default:
				t.Errorf("%s is still waiting", what)
			}
		}
		calls := len(d.take())
		// Only the two callbacks that block are left, and none comes after them.
		if left := ourGoroutines(); strings.Count(left, "goroutine ") == 0 || strings.Contains(left, "timerLoop") || strings.Contains(left, "runDial") {
			t.Errorf("after Shutdown:\n%s", left)
		}
		close(release)
		synctest.Wait()
		if left := ourGoroutines(); left != "" {
			t.Errorf("in the end:\n%s", left)
		}
		if more := d.take(); len(more) > 0 {
			t.Errorf("after %d calls, once Shutdown had returned: %q", calls, more)
		}
		if !tap.down {
			t.Error("the transport is still up")
		}
	})
}

// aliveMessage announces a member at 10.0.0.x:7946.
func aliveMessage(name string, x byte) []byte {
	return encodeAlive(name, 1, net.IPv4(10, 0, 0, x).To4())
}

func TestEverythingFailsCleanlyAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		a, b := start(t, testConfig(&network, "a")), start(t, testConfig(&network, "b"))
		join(t, a, b)
		a.Shutdown()
		a.Shutdown()
		peer := b.LocalNode()
		for what, err := range map[string]error{
			"Join":           second(a.Join([]string{address(b)})),
			"Leave":          a.Leave(0),
			"UpdateNode":     a.UpdateNode(0),
			"Ping":           second(a.Ping("b", mockAddrOf(b))),
			"SendBestEffort": a.SendBestEffort(peer, []byte("x")),
			"SendReliable":   a.SendReliable(peer, []byte("x")),
			"SendToAddress":  a.SendToAddress(peer.FullAddress(), []byte("x")),
			"SendTo":         a.SendTo(mockAddrOf(b), []byte("x")),
		} {
			if !errors.Is(err, ErrShutdown) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if a.LocalNode().Name != "a" || a.NumMembers() != len(a.Members()) {
			t.Error("the getters are broken")
		}
	})
}

// Regression 35 (ml#140, ml#217).
func TestAfterLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		d := &userDelegate{}
		c := testConfig(&network, "a")
		c.Delegate = d
		a, b := start(t, c), start(t, testConfig(&network, "b"))
		join(t, a, b)
		if err := a.Leave(0); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Join([]string{address(b)}); !errors.Is(err, ErrLeft) {
			t.Error("Join:", err)
		}
		if err := a.UpdateNode(0); !errors.Is(err, ErrLeft) {
			t.Error("UpdateNode:", err)
		}
		if err := a.Leave(0); err != nil {
			t.Error("Leave:", err)
		}
		// It goes on answering.
		if _, err := b.Ping("a", mockAddrOf(a)); err != nil {
			t.Error("Ping:", err)
		}
		if err := b.SendReliable(a.LocalNode(), []byte{1}); err != nil {
			t.Error("SendReliable:", err)
		}
		time.Sleep(time.Minute)
		if calls := d.take(); !slices.Contains(calls, "NotifyMsg 01") {
			t.Errorf("calls %q", calls)
		}
	})
}

// Regression 36 (mimir#2401, ml#215): who exits when Leave returns has left.
func TestLeaveIsOutWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		var nodes []*Memberlist
		for i := range 10 {
			nodes = append(nodes, start(t, testConfig(&network, string(rune('a'+i)))))
			join(t, nodes[i], nodes[0])
		}
		time.Sleep(5 * time.Second)
		gone := nodes[5]
		if err := gone.Leave(0); err != nil {
			t.Fatal(err)
		}
		gone.Shutdown()
		time.Sleep(time.Minute)
		for _, m := range nodes {
			if m != gone && m.NumMembers() != 9 {
				t.Errorf("%s has %d members", m.name, m.NumMembers())
			}
			m.mu.Lock()
			if e := m.swim.table.named(gone.name); m != gone && e != nil && e.node.State != StateLeft {
				t.Errorf("%s: state %d", m.name, e.node.State)
			}
			m.mu.Unlock()
		}
	})
}

// Those who are told may not know yet who has joined only just now.
func TestLeaveRightAfterJoinIsNoFailure(t *testing.T) {
	for _, members := range []int{1, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			var network MockNetwork
			var nodes []*Memberlist
			for i := range members {
				nodes = append(nodes, start(t, testConfig(&network, string(rune('a'+i)))))
				join(t, nodes[i], nodes[0])
			}
			time.Sleep(5 * time.Second)
			brief := start(t, testConfig(&network, "brief"))
			join(t, brief, nodes[0])
			if err := brief.Leave(0); err != nil {
				t.Fatal(err)
			}
			brief.Shutdown()
			time.Sleep(20 * time.Second)
			for _, m := range nodes {
				if why, known := m.Explain("brief"); known && why.State != StateLeft {
					t.Errorf("%s of %d: state %d", m.name, members, why.State)
				}
			}
		})
	}
}

// A goodbye is no longer than packets may be.
func TestGoodbyesFitIntoAPacket(t *testing.T) {
	for length, told := range map[int]bool{100: true, 800: false} {
		s, now := loneCore(nil)
		s.handleAlive(now, newcomer("b"))
		n := s.self.node.clone()
		n.Meta = make([]byte, length)
		s.table.set(s.self, n, now)
		s.p.packetRoom = 600
		s.leave(now)
		var fx effects
		s.take(&fx)
		d := fx.datagrams[len(fx.datagrams)-1]
		alive := slices.ContainsFunc(fx.msgs[d.lo:d.hi], func(msg []byte) bool { return wire.Type(msg[0]) == wire.TypeAlive })
		if last := fx.msgs[d.hi-1]; alive != told || wire.Type(last[0]) != wire.TypeDead {
			t.Errorf("metadata of %d bytes: %d messages", length, d.hi-d.lo)
		}
	}
}

// slowTransport takes its time for packets to one address.
type slowTransport struct {
	*MockTransport
	slow string
}

func (t slowTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	if a.Addr == t.slow {
		time.Sleep(2 * time.Second)
		return time.Now(), nil
	}
	return t.MockTransport.WriteToAddress(b, a)
}

// What is confirmed is out, whatever else waits for the transport: gossip to a
// member that has died, say.
func TestConfirmedLeaveDoesNotWaitForTheTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		a := start(t, testConfig(&network, "a"))
		c := testConfig(&network, "b")
		c.Transport = slowTransport{c.Transport.(*MockTransport), "10.0.0.9:7946"}
		b := start(t, c)
		join(t, b, a)
		b.step(func(s *swim, now time.Time) {
			s.handleAlive(now, aliveAt("dead", 1, 9))
			s.handleDead(now, &wire.Dead{Incarnation: 1, Node: []byte("dead"), From: []byte("a")})
		})
		time.Sleep(5 * time.Second)
		began := time.Now()
		if err := b.Leave(time.Minute); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		b.Shutdown()
		time.Sleep(5 * time.Minute) // for what waits for the transport
	})
}

// What methods wait for ends with Shutdown, the transport too.
func TestShutdownEndsALeaveThatTheTransportHoldsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		c.GossipInterval = time.Second
		stuck := make(chan struct{})
		defer close(stuck)
		tap.write = func([]byte, Address) error { <-stuck; return nil }
		m := start(t, c)
		befriend(m)
		left := make(chan error, 1)
		go func() { left <- m.Leave(0) }()
		time.Sleep(time.Minute)
		m.Shutdown()
		synctest.Wait()
		select {
		case <-left:
		default:
			t.Error("Leave still waits")
		}
	})
}

// Regression 84.
func TestPushPullAloneStopsWithShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		c := testConfig(&network, "a")
		c.ProbeInterval, c.GossipInterval = 0, 0
		c.PushPullInterval = time.Second
		a, b := start(t, c), start(t, testConfig(&network, "b"))
		join(t, a, b)
		time.Sleep(10 * time.Second)
		a.Shutdown()
		if left := ourGoroutines(); strings.Count(left, "timerLoop") > 1 {
			t.Errorf("left:\n%s", left)
		}
	})
}

func TestTransportsThatMisbehaveAreBorneWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		c.CIDRsAllowed, _ = ParseCIDRs([]string{"0.0.0.0/0"})
		d := &userDelegate{}
		c.Delegate = d
		m := start(t, c)
		silence(m)
		tap.dialed = func(Address, time.Duration) (net.Conn, error) { return nil, nil }
		if _, err := m.Join([]string{"127.0.0.1:1"}); !errors.Is(err, errNoConnection) {
			t.Errorf("neither a connection nor an error: %v", err)
		}
		tap.packets <- nil
		tap.packets <- &Packet{}
		tap.packets <- &Packet{Buf: []byte{}}
		ping := []byte("\x00\x82\xa4Node\xa1a\xa5SeqNo\x01")
		tap.packets <- &Packet{Buf: append([]byte(nil), ping...)} // from nobody, to nobody
		tap.packets <- &Packet{Buf: aliveMessage("b", 2)}
		tap.streams <- nil
		tap.packets <- &Packet{Buf: []byte("\x08x"), From: (*net.UDPAddr)(nil)}
		synctest.Wait()
		if calls := d.take(); len(calls) != 1 || m.NumMembers() != 1 {
			t.Errorf("calls %q, members %v", calls, m.Members())
		}
		close(tap.packets)
		close(tap.streams)
		synctest.Wait()
		if err := m.UpdateNode(0); err != nil {
			t.Error(err)
		}
		m.Shutdown()
	})
}

// blockingTransport never finishes a write to one address.
type blockingTransport struct {
	*MockTransport
	stuck string
	stop  chan struct{}
}

func (t *blockingTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	if a.Addr == t.stuck {
		<-t.stop
	}
	return t.MockTransport.WriteToAddress(b, a)
}

func TestPeerThatBlocksTheTransportHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		ca := testConfig(&network, "a")
		blocking := &blockingTransport{MockTransport: ca.Transport.(*MockTransport), stop: make(chan struct{})}
		ca.Transport = blocking
		a, b, c := start(t, ca), start(t, testConfig(&network, "b")), start(t, testConfig(&network, "c"))
		blocking.stuck = b.LocalNode().Address()
		join(t, a, b)
		join(t, a, c)
		for range 60 {
			time.Sleep(time.Second)
			if _, err := c.Ping("a", mockAddrOf(a)); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.pushPacket(&endpoint{host: blocking.stuck}, outPacket{buf: make([]byte, writerBytes+1)}); err != nil {
			t.Error("the first packet to a destination was refused:", err)
		}
		if find(c, "a") == nil {
			t.Error("c lost a")
		}
		a.Shutdown()
		close(blocking.stop)
	})
}

func TestPacketsForAStuckDestinationAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		stop := make(chan struct{})
		tap.write = func([]byte, Address) error { <-stop; return nil }
		m := start(t, c)
		to := endpoint{host: "x"}
		var err error
		n := 0
		for ; err == nil && n < 2*writerPackets; n++ {
			err = m.pushPacket(&to, outPacket{buf: []byte("x")})
			synctest.Wait()
		}
		if !errors.Is(err, errWriteQueueFull) || n < writerPackets {
			t.Errorf("%v after %d packets", err, n)
		}
		if err := m.pushPacket(&endpoint{host: "y"}, outPacket{buf: []byte("x")}); err != nil {
			t.Error("another destination:", err)
		}
		close(stop)
		m.writers.flush(context.Background())
		if err := m.pushPacket(&to, outPacket{buf: []byte("x")}); err != nil {
			t.Error("after it got going again:", err)
		}
	})
}

// Any error of a write counts as a failed probe, whatever its type.
func TestFailedWritesMakeThePeerSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		c.ProbeInterval = time.Second
		tap.write = func([]byte, Address) error { return fmt.Errorf("wrapped: %w", errors.New("no route")) }
		m := start(t, c)
		tap.packets <- &Packet{Buf: aliveMessage("b", 2), From: &MockAddress{port: 1}}
		time.Sleep(3 * time.Second)
		if n := find(m, "b"); n == nil || n.State != StateSuspect {
			t.Errorf("b is %+v", n)
		}
		if _, err := m.Ping("b", &MockAddress{port: 1}); err == nil || !strings.Contains(err.Error(), "no route") {
			t.Error("Ping:", err)
		}
		time.Sleep(time.Minute)
		if m.NumMembers() != 1 {
			t.Errorf("members %v", m.Members())
		}
	})
}

func TestPingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		ca := testConfig(&network, "a")
		ca.ProbeInterval = 0 // regression 104
		a, b := start(t, ca), start(t, testConfig(&network, "b"))
		if rtt, err := a.Ping("b", mockAddrOf(b)); err != nil || rtt < 0 {
			t.Error(rtt, err)
		}
		b.Shutdown()
		var silence NoPingResponseError
		if _, err := a.Ping("b", mockAddrOf(b)); !errors.As(err, &silence) || !errors.Is(err, ErrTimeout) || err.Error() != "No response from node b" {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := a.PingContext(ctx, "b", mockAddrOf(b)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := a.Ping("b", nil); err == nil {
			t.Error("a ping to no address")
		}
	})
}

// The last answer of NodeMeta wins, however calls overtake one another.
func TestConcurrentUpdatesAnnounceTheNewestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := tapConfig("a")
		slow := make(chan struct{})
		asked := make(chan struct{}, 1)
		version := byte(1)
		hold := false
		c.Delegate = metaFunc(func() []byte {
			meta := []byte{version}
			if hold {
				hold = false
				asked <- struct{}{}
				<-slow
			}
			return meta
		})
		m := start(t, c)
		hold = true
		first := make(chan error, 1)
		go func() { first <- m.UpdateNode(0) }()
		<-asked // the first call has been told 1, and sits on it
		version = 2
		if err := m.UpdateNode(0); err != nil {
			t.Error(err)
		}
		close(slow)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if got := m.LocalNode().Meta; len(got) != 1 || got[0] != 2 {
			t.Errorf("announced %v", got)
		}
	})
}

// metaFunc is a Delegate for metadata.
type metaFunc func() []byte

func (f metaFunc) NodeMeta(int) []byte             { return f() }
func (f metaFunc) NotifyMsg([]byte)                {}
func (f metaFunc) GetBroadcasts(int, int) [][]byte { return nil }
func (f metaFunc) LocalState(bool) []byte          { return nil }
func (f metaFunc) MergeRemoteState([]byte, bool)   {}

func TestIdleNodeHasFewGoroutines(t *testing.T) {
	c := loopback("a")
	d := &userDelegate{}
	d.listenTo(c)
	m := start(t, c)
	if _, err := m.Join([]string{m.LocalNode().Address()}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var ours string
	for range 400 {
		if ours = ourGoroutines(); strings.Count(ours, "\ngoroutine ")+1 <= 5 {
			return
		}
		<-tick.C
	}
	t.Errorf("more than two for the transport and three more:\n%s", ours)
}

// Regression 89 (am#5182, weave#1329).
func TestJoiningDeadPeersForDaysLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		c := testConfig(&network, "a")
		c.ProbeInterval, c.GossipInterval = 0, 0
		m := start(t, c)
		dead := network.NewTransport("dead")
		dead.Shutdown()
		before := ourGoroutines()
		for range 500 {
			if n, err := m.Join([]string{"dead/127.0.0.1:2", "127.0.0.1:77"}); n != 0 || err == nil {
				t.Fatal(n, err)
			}
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if after := ourGoroutines(); strings.Count(after, "goroutine ") > strings.Count(before, "goroutine ")+3 {
			t.Errorf("goroutines:\n%s", after)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.waits) > 0 || len(m.swim.table.all) != 1 {
			t.Errorf("%d waits, %d members", len(m.waits), len(m.swim.table.all))
		}
	})
}

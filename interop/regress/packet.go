package main

import (
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/swimguard/memberlist/internal/wire"
)

// ping asks b through a's Ping.
func ping(a *memberlist.Memberlist, b *port, name string) error {
	_, err := a.Ping(name, &net.UDPAddr{IP: b.ip, Port: portNumber})
	return err
}

func tinyBroadcasts() string {
	e := new(ether)
	offer := new(atomic.Bool)
	tiny := func(overhead, limit int) (msgs [][]byte) {
		for range 300 {
			if limit -= overhead + 1; !offer.Load() || limit < 0 {
				break
			}
			msgs = append(msgs, []byte{'.'})
		}
		return msgs
	}
	a, _, _, portB := pair(e, func(c *memberlist.Config) {
		c.GossipInterval, c.ProbeInterval, c.ProbeTimeout = 0, time.Hour, time.Second
		c.Delegate = &user{broadcasts: tiny}
	}, nil)
	offer.Store(true)
	if err := ping(a, portB, "b"); err != nil {
		return fmt.Sprintf("no answer to a ping with tiny broadcasts: %v", err)
	}
	return ""
}

func longPart() string {
	const long = 70000
	e := new(ether)
	rounds := new(atomic.Int32)
	heard := make(chan int, 1000)
	large := func(c *memberlist.Config) { c.UDPBufferSize = 4 * long }
	pair(e, func(c *memberlist.Config) {
		large(c)
		c.Delegate = &user{broadcasts: func(overhead, limit int) [][]byte {
			if limit < 2*long || rounds.Add(1) > 20 {
				return nil
			}
			return [][]byte{{'.'}, make([]byte, long)}
		}}
	}, func(c *memberlist.Config) {
		large(c)
		c.Delegate = &user{heard: func(msg []byte) { heard <- len(msg) }}
	})
	for over := time.After(2 * time.Second); ; {
		select {
		case n := <-heard:
			if n != 1 && n != long {
				return fmt.Sprintf("%d bytes arrived as %d", long, n)
			}
		case <-over:
			return ""
		}
	}
}

func packetSize() string {
	e := new(ether)
	longest, sent := new(atomic.Int64), new(atomic.Int64)
	pair(e, func(c *memberlist.Config) {
		c.Delegate = &user{broadcasts: func(overhead, limit int) (msgs [][]byte) {
			for ; limit > overhead+100; limit -= overhead + 100 {
				msgs = append(msgs, make([]byte, 100))
			}
			if limit > overhead {
				msgs = append(msgs, make([]byte, limit-overhead))
			}
			return msgs
		}}
	}, nil)
	e.set(func() {
		e.wrote = func(_, _ string, packet []byte) {
			sent.Add(1)
			for n := int64(len(packet)); ; {
				if old := longest.Load(); n <= old || longest.CompareAndSwap(old, n) {
					return
				}
			}
		}
	})
	if !soon(func() bool { return sent.Load() > 50 }) {
		fail("%d packets", sent.Load())
	}
	size := memberlist.DefaultLocalConfig().UDPBufferSize
	if n := longest.Load(); n > int64(size) {
		return fmt.Sprintf("a packet of %d bytes with UDPBufferSize %d", n, size)
	}
	return ""
}

func starvedUsers() string {
	e := new(ether)
	heard := new(atomic.Int32)
	a, _, portA, portB := pair(e, func(c *memberlist.Config) {
		c.GossipNodes = 1
		c.RetransmitMult = 4
		c.Delegate = &user{broadcasts: func(overhead, limit int) [][]byte {
			if limit < overhead+100 {
				return nil
			}
			return [][]byte{make([]byte, 100)}
		}}
	}, func(c *memberlist.Config) {
		c.Delegate = &user{heard: func([]byte) { heard.Add(1) }}
	})
	// So much news that every packet could be filled with it; wherever it
	// sends them, they come to b.
	flood := func(round uint32) {
		for i := range 40 {
			m := alive(fmt.Sprint("x", i), round, string(make([]byte, 400)))
			m.Addr = portB.ip
			portA.inject(stranger, m.Append(nil))
		}
	}
	flood(1)
	if !soon(func() bool { return a.NumMembers() == 42 }) {
		fail("%d members", a.NumMembers())
	}
	before := heard.Load()
	for round := uint32(2); round < 62; round++ {
		flood(round)
		time.Sleep(50 * time.Millisecond)
	}
	if got := heard.Load() - before; got < 5 {
		return fmt.Sprintf("%d user messages got through in three seconds of churn", got)
	}
	return ""
}

func pruneUnused() string {
	q := &memberlist.TransmitLimitedQueue{NumNodes: func() int { return 1 }, RetransmitMult: 1}
	q.Prune(1)
	return ""
}

func compressedAcks() string {
	e := new(ether)
	compress := func(c *memberlist.Config) {
		c.EnableCompression = true
		c.GossipInterval, c.ProbeInterval, c.ProbeTimeout = 0, time.Hour, time.Second
	}
	a, _, _, portB := pair(e, compress, compress)
	const pings = 200
	took := allocated(func() {
		for range pings {
			if err := ping(a, portB, "b"); err != nil {
				fail("Ping: %v", err)
			}
		}
	}) / pings
	if took > 40<<10 {
		return fmt.Sprintf("%d bytes for a ping and its ack", took)
	}
	return ""
}

// allocated is how many bytes the process has asked for during f.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func newsSpentOnStrangers() string {
	e := new(ether)
	a, b, portA, _ := pair(e, func(c *memberlist.Config) { c.GossipInterval = time.Second }, nil)
	portA.inject(stranger, alive("x", 1, "").Append(nil))
	if !soon(func() bool { return has(a, "x") }) {
		fail("x is not believed in")
	}
	for i := range uint32(200) {
		portA.inject(stranger, wire.Ping{SeqNo: i, Node: []byte("a")}.Append(nil))
	}
	if !soon(func() bool { return has(b, "x") }) {
		return "b has not heard of x: the news went out with answers to a stranger"
	}
	return ""
}

func pinnedBuffers() string {
	const messages = 1000
	entered, release := make(chan struct{}, messages), make(chan struct{})
	defer close(release)
	c := loopback("a")
	c.Delegate = &user{heard: func([]byte) { entered <- struct{}{}; <-release }}
	m := create(c)
	conn, err := net.Dial("udp", m.LocalNode().Address())
	if err != nil {
		fail("%v", err)
	}
	conn.Write([]byte{byte(wire.TypeUser), '.'})
	<-entered
	inUse := func() int {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools hold goes with the second
		runtime.ReadMemStats(&s)
		return int(s.HeapAlloc)
	}
	before := inUse()
	for range messages {
		conn.Write([]byte{byte(wire.TypeUser), '.'})
		time.Sleep(100 * time.Microsecond) // the socket holds some hundred
	}
	time.Sleep(200 * time.Millisecond)
	if grown := inUse() - before; grown > 16<<20 {
		return fmt.Sprintf("%d MB for at most %d messages of a byte", grown>>20, messages)
	}
	return ""
}

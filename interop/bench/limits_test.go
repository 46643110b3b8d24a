package bench

import (
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"
)

// BenchmarkLimits measures what no implementation can do without: one write and
// one read of a datagram over loopback, AES-GCM over a full packet, and a copy
// of one.
func BenchmarkLimits(b *testing.B) {
	const size, calls = 1400, 2000
	measure := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			onOneProcessor(b)
			w := newStopwatch(b)
			w.start()
			for range b.N * calls {
				f()
			}
			w.stop()
			w.report(b.N * calls)
		})
	}
	packet, buf := make([]byte, size), make([]byte, 2*size)
	measure("copy", func() {
		if copy(buf, packet) != size {
			b.Fatal("not copied")
		}
	})
	g, nonce := aead(benchKey), make([]byte, 12)
	measure("seal", func() {
		if len(g.Seal(buf[:0], nonce, packet, nil)) != size+16 {
			b.Fatal("not sealed")
		}
	})
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	self := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	small := packet[:70] // a ping or an ack
	measure("write and read", func() {
		if _, err := conn.WriteToUDPAddrPort(small, self); err != nil {
			b.Fatal(err)
		}
		if n, _, err := conn.ReadFromUDPAddrPort(buf); err != nil || n != len(small) {
			b.Fatal(n, err)
		}
	})
}

// BenchmarkIdleLimit measures what BenchmarkIdle can not do without: per node
// and second, one timer, one datagram to another node, and the answer to it.
func BenchmarkIdleLimit(b *testing.B) {
	const nodes = 100
	conns := make([]*net.UDPConn, nodes)
	for i := range conns {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		conns[i] = conn
		b.Cleanup(func() { conn.Close() })
	}
	stop := make(chan struct{})
	b.Cleanup(func() { close(stop) })
	for i, conn := range conns {
		to := conns[(i+1)%nodes].LocalAddr().(*net.UDPAddr).AddrPort()
		go func() { // answers, until the socket is closed
			buf := make([]byte, 1500)
			for {
				n, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				if n == pingSize {
					conn.WriteToUDPAddrPort(buf[:ackSize], from)
				}
			}
		}()
		go func() { // asks, until stop is closed
			ping := make([]byte, pingSize)
			timer := time.NewTimer(rand.N(time.Second))
			for {
				select {
				case <-timer.C:
				case <-stop:
					return
				}
				timer.Reset(time.Second)
				conn.WriteToUDPAddrPort(ping, to)
			}
		}()
	}
	time.Sleep(2 * time.Second)
	measureIdle(b, nodes)
}

// pingSize and ackSize are about what a ping and an ack take.
const pingSize, ackSize = 90, 40

// BenchmarkFloodLimit measures what BenchmarkFlood can not do without: the same
// pings, answered in a loop.
func BenchmarkFloodLimit(b *testing.B) { benchFlood(b, floodLoop) }

// BenchmarkWakeLimit measures what BenchmarkGossip can not do without: a timer
// every millisecond. One operation is one third of what such a wake-up takes,
// since three packets are sent then.
func BenchmarkWakeLimit(b *testing.B) {
	onOneProcessor(b)
	w := newStopwatch(b)
	const wakes = 200
	w.start()
	for range b.N * wakes {
		time.Sleep(time.Millisecond)
	}
	w.stop()
	w.report(b.N * wakes * 3)
}

// BenchmarkPingLimit measures what BenchmarkPacket/plain/.../ping can not do
// without: taking packets from a channel and giving as many away.
func BenchmarkPingLimit(b *testing.B) {
	onOneProcessor(b)
	n := &testNode{b: b, t: newMemTransport(), f: plain}
	stop := make(chan struct{})
	b.Cleanup(func() { close(stop) })
	go func() { // until stop is closed
		for {
			select {
			case <-n.t.packets:
				n.t.WriteTo(make([]byte, ackSize), "")
			case <-stop:
				return
			}
		}
	}()
	benchPing(b, n)
}

// BenchmarkMembersLimit measures what Members can not do without: a slice that
// belongs to the caller, beside a node with as many members. Nothing is locked
// and nothing asked.
func BenchmarkMembersLimit(b *testing.B) {
	const size = 10_000
	n := newTestNode(b, plain)
	n.fill(size, nil)
	n.drain(size)
	list := n.m.Members()
	clone := func() {
		if got := slices.Clone(list); len(got) != size || got[size-1] != list[size-1] {
			b.Fatal("not copied")
		}
	}
	b.Run("alone", func(b *testing.B) { benchReader(b, clone) })
	b.Run("under updates", func(b *testing.B) { benchUnderUpdates(b, n, clone) })
}

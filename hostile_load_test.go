package memberlist

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// Load tests on loopback: a node and its five healthy peers, and somebody who
// means ill. The node keeps its verdicts while it lasts, its memory stays
// bounded, and afterwards it is as before within hostileRecovery.
const (
	hostilePeers    = 5
	hostileLasts    = time.Second // at least, and until there are
	hostileSamples  = 20          // pings and as many accusations to judge by
	hostileRecovery = 2 * time.Second

	// hostileMemory is what an attack may add to the heap of the whole test
	// process, attackers and six nodes together, in bytes.
	hostileMemory = 256 << 20
)

func TestFloodsChangeNoVerdict(t *testing.T) {
	forged := new(atomic.Uint32)
	name := func() []byte { return fmt.Appendf(nil, "forged%d", forged.Add(1)) }
	junk := make([]byte, 1200)
	rand.Read(junk)
	zeros := append([]byte{byte(wire.TypeUser)}, make([]byte, 39<<20)...)
	bomb, smallBomb := wire.AppendCompressed(nil, zeros), wire.AppendCompressed(nil, zeros[:560<<10])
	for _, flood := range []struct {
		name   string
		attack func(ctx context.Context, to *net.TCPAddr)
	}{
		{"junk", packetFlood(func() []byte { return junk })},
		{"bombs, 300 KB a second", pacedFlood(300e3, bomb)},
		{"bombs, 30 MB a second", pacedFlood(30e6, bomb)},
		{"small bombs, 30 MB a second", pacedFlood(30e6, smallBomb)},
		{"decodable junk", packetFlood(func() []byte { return wire.Ack{SeqNo: forged.Add(1)}.Append(nil) })},
		{"alive", packetFlood(func() []byte {
			return wire.Alive{Incarnation: 1, Node: name(), Addr: []byte{127, 0, 0, 9}, Port: 9, Vsn: []byte{1, 5, 2, 0, 0, 0}}.Append(nil)
		})},
		{"suspect", packetFlood(func() []byte { return wire.Suspect{Incarnation: 1, Node: name(), From: name()}.Append(nil) })},
		{"dead", packetFlood(func() []byte { return wire.Dead{Incarnation: 1, Node: name(), From: name()}.Append(nil) })},
		{"silent streams", streamFlood(nil, false)},
		{"streams that begin and stop", streamFlood(wire.PushPullHeader{Nodes: wire.MaxNodeStates}.Append(nil), false)},
		{"streams that are closed at once", streamFlood([]byte("\x00"), true)},
		{"exchanges that stop before their user state", streamFlood(wire.PushPullHeader{UserStateLen: 1 << 20}.Append(nil), false)},
		{"exchanges that come byte by byte", tricklingFlood},
	} {
		t.Run(flood.name, func(t *testing.T) {
			if raceEnabled && strings.Contains(flood.name, "bombs") {
				t.Skip("the race detector slows decompression far below inflationRate")
			}
			m, peers := hostileCluster(t)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(m.LocalNode().Port)}
			sent.Store(0)
			began, used, waited := time.Now(), cpuTime(), waitedForCPU()
			enough := func(n int) bool {
				return time.Since(began) >= hostileLasts && (n >= hostileSamples || raceEnabled)
			}
			var attack, samples sync.WaitGroup
			attack.Go(func() { flood.attack(ctx, addr) })
			var asked, answered, accused, refuted int
			samples.Go(func() { asked, answered = pingUntil(enough, peers[0], m) })
			samples.Go(func() { accused, refuted = accuseUntil(enough, m, addr) })
			samples.Wait()
			lasted := time.Since(began)
			used, waited = cpuTime()-used, waitedForCPU()-waited
			cancel()
			attack.Wait()
			runtime.ReadMemStats(&after)
			t.Logf("%.1f MB/s in packets for %.1f s; %.1f s on processors and %.1f s waiting for them; %d of %d pings answered and %d of %d accusations refuted meanwhile; heap %+d MB",
				float64(sent.Load())/1e6/lasted.Seconds(), lasted.Seconds(), used.Seconds(), waited.Seconds(), answered, asked, refuted, accused, (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20)
			// Packets are lost before anybody reads them when the race detector
			// makes the node, but not the kernel, ten times slower, and when others
			// have the processors: then the shares say nothing about the node.
			if judged := !raceEnabled && waited < 2*used; judged {
				if refuted < accused/4 {
					t.Errorf("%d of %d accusations were refuted", refuted, accused)
				}
				if answered < asked/2 { // R72
					t.Errorf("%d of %d pings were answered", answered, asked)
				}
			}
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > hostileMemory {
				t.Errorf("the heap grew by %d MB", grown>>20)
			}
			for _, peer := range peers {
				if n := find(m, peer.name); n == nil {
					t.Errorf("%s was lost", peer.name)
				}
			}
			if why, ok := recovers(m, peers); !ok {
				t.Error(why)
			}
		})
	}
}

// hostileCluster is a node with peers that know each other.
func hostileCluster(t *testing.T) (m *Memberlist, peers []*Memberlist) {
	for i := range hostilePeers + 1 {
		c := loopback(fmt.Sprint("node", i))
		c.TCPTimeout = 2 * time.Second
		n := start(t, c)
		if i == 0 {
			m = n
			continue
		}
		peers = append(peers, n)
		join(t, n, m)
	}
	return m, peers
}

// recovers reports whether the node answers every peer and knows it alive
// before hostileRecovery is over. Time in which others have the processors does
// not count, up to a minute of it.
func recovers(m *Memberlist, peers []*Memberlist) (why string, ok bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began, waited := time.Now(), waitedForCPU()
	over := func() bool {
		took := time.Since(began)
		return took > time.Minute || took-(waitedForCPU()-waited) > hostileRecovery
	}
	for ; ; <-tick.C {
		why = ""
		for _, p := range peers {
			if _, err := p.Ping(m.name, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(m.LocalNode().Port)}); err != nil {
				why = fmt.Sprintf("%s gets no answer: %v", p.name, err)
			}
			if n := find(m, p.name); n == nil || n.State != StateAlive {
				why = fmt.Sprintf("%s is %+v", p.name, n)
			}
		}
		if why == "" || over() {
			return why, why == ""
		}
	}
}

// pingUntil pings m all the time, and counts.
func pingUntil(enough func(asked int) bool, from, m *Memberlist) (asked, answered int) {
	for !enough(asked) {
		asked++
		if _, err := from.Ping(m.name, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(m.LocalNode().Port)}); err == nil {
			answered++
		}
	}
	return asked, answered
}

// accuseUntil tells m all the time that it is suspect, and counts how often it
// refutes within a fifth of a second.
func accuseUntil(enough func(accused int) bool, m *Memberlist, addr *net.TCPAddr) (accused, refuted int) {
	conn, err := net.Dial("udp", addr.String())
	if err != nil {
		return hostileSamples, 0
	}
	defer conn.Close()
	incarnation := func() uint32 {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.swim.incarnation
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !enough(accused) {
		now := incarnation()
		accused++
		conn.Write(wire.Suspect{Incarnation: now, Node: []byte(m.name), From: []byte("node1")}.Append(nil))
		for end := time.Now().Add(200 * time.Millisecond); ; <-tick.C {
			if incarnation() > now {
				refuted++
				break
			}
			if time.Now().After(end) {
				break
			}
		}
	}
	return accused, refuted
}

// sent is the bytes that a flood of packets has sent.
var sent atomic.Int64

// packetFlood sends packets as fast as one socket lets it.
func packetFlood(packet func() []byte) func(context.Context, *net.TCPAddr) {
	return func(ctx context.Context, to *net.TCPAddr) {
		conn, err := net.Dial("udp", to.String())
		if err != nil {
			return
		}
		defer conn.Close()
		for ctx.Err() == nil {
			n, _ := conn.Write(packet()) // refused packets are lost ones
			sent.Add(int64(n))
		}
	}
}

// pacedFlood sends a packet so often that it makes so many bytes a second.
func pacedFlood(bytesPerSecond float64, packet []byte) func(context.Context, *net.TCPAddr) {
	return func(ctx context.Context, to *net.TCPAddr) {
		conn, err := net.Dial("udp", to.String())
		if err != nil {
			return
		}
		defer conn.Close()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for began := time.Now(); ctx.Err() == nil; <-tick.C {
			for float64(sent.Load()) < bytesPerSecond*time.Since(began).Seconds() && ctx.Err() == nil {
				n, _ := conn.Write(packet)
				sent.Add(int64(max(n, 1)))
			}
		}
	}
}

// streamFlood opens more streams than are served, says begin on each, and
// holds or closes them.
func streamFlood(begin []byte, hangUp bool) func(context.Context, *net.TCPAddr) {
	return func(ctx context.Context, to *net.TCPAddr) {
		var conns []net.Conn
		for ctx.Err() == nil && len(conns) < maxStreamsPerSource+100 {
			conn, err := net.DialTimeout("tcp", to.String(), 100*time.Millisecond)
			if err != nil {
				continue
			}
			conn.Write(begin)
			if hangUp {
				conn.Close()
				continue
			}
			conns = append(conns, conn)
		}
		<-ctx.Done()
		for _, c := range conns {
			c.Close()
		}
	}
}

// tricklingFlood is a streamFlood of exchanges that never end, though a byte of
// each comes every 50 ms.
func tricklingFlood(ctx context.Context, to *net.TCPAddr) {
	var conns []net.Conn
	for ctx.Err() == nil && len(conns) < maxStreamsPerSource {
		conn, err := net.DialTimeout("tcp", to.String(), 100*time.Millisecond)
		if err != nil {
			continue
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, b := range append(wire.PushPullHeader{UserStateLen: 1 << 20}.Append(nil), make([]byte, 1<<20)...) {
		for _, conn := range conns {
			conn.Write([]byte{b})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Five hundred joins at once: each ends, and the node keeps its verdicts.
func TestManyConcurrentJoins(t *testing.T) {
	m, peers := hostileCluster(t)
	addr := m.LocalNode().Address()
	var wg sync.WaitGroup
	var answered atomic.Int32
	for i := range 500 {
		wg.Go(func() {
			conn, err := net.DialTimeout("tcp", addr, 2*time.Second)
			if err != nil {
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			b := wire.PushPullHeader{Nodes: 1, Join: true}.Append(nil)
			b = wire.NodeState{
				Name: fmt.Appendf(nil, "joiner%d", i), Addr: []byte{127, 0, 0, 1}, Port: 1, Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0},
			}.Append(b)
			conn.Write(b)
			if n, _ := io.Copy(io.Discard, conn); n > 0 {
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	if answered.Load() < maxPushPulls {
		t.Errorf("%d joins were answered", answered.Load())
	}
	if why, ok := recovers(m, peers); !ok {
		t.Error(why)
	}
}

// An endless stream of a message that announces its length is refused at the
// length, and one that announces none at maxFrame.
func TestEndlessFramesEnd(t *testing.T) {
	m, peers := hostileCluster(t)
	conn, err := net.Dial("tcp", m.LocalNode().Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	conn.Write(binary.BigEndian.AppendUint32([]byte{byte(wire.TypeEncrypt)}, 1<<31))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Error("the stream was not ended:", err)
	}
	if why, ok := recovers(m, peers); !ok {
		t.Error(why)
	}
}

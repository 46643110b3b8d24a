package memberlist

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// These benchmarks drive packetReader as packetLoop does, so that they show
// what a packet costs us without the transport and without waking anybody.

// idle is a node that does nothing by itself, and the reader of its packets.
// Its members are member-000001 and so on. All of them live at peer's address,
// so that whatever is sent arrives somewhere.
type idle struct {
	m      *Memberlist
	r      packetReader
	peer   *net.UDPConn
	from   *net.UDPAddr // of peer
	packet Packet
	buf    []byte // of packet
	out    []byte // of sealed
}

func newIdle(tb testing.TB, members int, set ...func(*Config)) *idle {
	tb.Helper()
	c := DefaultLANConfig()
	c.Name = "node-under-test"
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.ProbeInterval, c.GossipInterval, c.PushPullInterval, c.RetransmitMult = 0, 0, 0, 0
	c.Logger = log.New(io.Discard, "", 0)
	for _, f := range set {
		f(c)
	}
	m, err := Create(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Shutdown() })
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { peer.Close() })
	n := &idle{m: m, r: packetReader{m: m}, peer: peer, from: peer.LocalAddr().(*net.UDPAddr)}
	for i := 1; i < members; i++ {
		n.handle(n.sealed(n.alive(i, 1)))
	}
	if got := m.NumMembers(); got != members {
		tb.Fatalf("%d members, expected %d", got, members)
	}
	m.step(func(s *swim, _ time.Time) { s.dropGossip() })
	return n
}

// handle has a packet dealt with, of which it makes a copy, since opening
// overwrites it.
func (n *idle) handle(packet []byte) {
	n.buf = append(n.buf[:0], packet...)
	n.packet = Packet{Buf: n.buf, From: n.from, Timestamp: time.Unix(1, 0)}
	n.r.handle(&n.packet)
}

// sealed is a packet as peers send it, valid until the next one.
func (n *idle) sealed(msg []byte) []byte {
	b := append(n.out[:0], n.m.labelHeader...)
	if ring := n.m.config.Keyring; ring.enabled() {
		var err error
		if b, err = ring.seal(b, sealUnpadded, msg, n.m.label); err != nil {
			panic(err)
		}
	} else {
		b = append(b, msg...)
	}
	n.out = b
	return b
}

// answered reports whether the peer has got a packet.
func (n *idle) answered() bool {
	n.peer.SetReadDeadline(time.Now().Add(10 * time.Second))
	k, err := n.peer.Read(make([]byte, 2048))
	return err == nil && k > 0
}

// incarnation is what the node believes about member i.
func (n *idle) incarnation(i int) uint32 {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	return n.m.swim.table.find(idleName(i)).incarnation
}

func idleName(i int) []byte { return fmt.Appendf(nil, "member-%06d", i) }

func (n *idle) alive(i int, incarnation uint32) []byte {
	a := wire.Alive{
		Incarnation: incarnation, Node: idleName(i), Addr: n.from.IP, Port: uint16(n.from.Port), Vsn: []byte{1, 5, 5, 0, 0, 0},
	}
	return a.Append(nil)
}

func (n *idle) ping() []byte {
	return wire.Ping{
		SeqNo: 70000, Node: []byte("node-under-test"),
		SourceAddr: n.from.IP, SourcePort: uint16(n.from.Port), SourceNode: idleName(1),
	}.Append(nil)
}

// compound is 20 messages that say nothing new.
func (n *idle) compound() []byte {
	var msgs [][]byte
	for i := 1; i <= 20; i++ {
		if i%3 == 0 {
			msgs = append(msgs, wire.Suspect{Node: idleName(i), From: idleName(i + 1)}.Append(nil))
		} else {
			msgs = append(msgs, n.alive(i, 1))
		}
	}
	return wire.AppendCompound(nil, msgs)
}

// Settings to measure under. Compression is on by default.
func withKey(c *Config)      { c.SecretKey = []byte("0123456789abcdef") }
func withLabel(c *Config)    { c.Label = "cluster" }
func uncompressed(c *Config) { c.EnableCompression = false }

func BenchmarkPacketIn(b *testing.B) {
	for _, config := range []struct {
		name string
		set  []func(*Config)
	}{{"plain", []func(*Config){uncompressed}}, {"encrypted", []func(*Config){uncompressed, withKey}}, {"default", nil}} {
		for _, work := range []struct {
			name string
			msg  func(*idle) []byte
		}{
			{"ping", (*idle).ping},
			{"stale", func(n *idle) []byte { return n.alive(7, 1) }},
			{"compound20", (*idle).compound},
		} {
			b.Run(work.name+"/"+config.name, func(b *testing.B) {
				n := newIdle(b, 1000, config.set...)
				packet := bytes.Clone(n.sealed(work.msg(n)))
				b.ReportAllocs()
				for b.Loop() {
					n.handle(packet)
				}
			})
		}
	}
}

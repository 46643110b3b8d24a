package memberlist

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// benchNode is a quiet node on loopback that knows n others.
func benchNode(b *testing.B, n int, change func(c *Config)) *Memberlist {
	c := loopback("a")
	quiet(c)
	change(c)
	m, err := Create(c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Shutdown() })
	m.step(func(s *swim, now time.Time) {
		for i := range n {
			s.handleAlive(now, &wire.Alive{
				Incarnation: 1, Node: fmt.Appendf(nil, "node-%d", i), Addr: []byte{10, 0, byte(i >> 8), byte(i)}, Port: 7946,
				Vsn: []byte{1, 5, 2, 0, 0, 0},
			})
		}
	})
	silence(m)
	return m
}

// knownAlives is a packet about members 0 to n-1 of a benchNode.
func knownAlives(n int) []byte {
	msgs := make([][]byte, n)
	for i := range msgs {
		msgs[i] = encodeAlive(fmt.Sprint("node-", i), 1, net.IPv4(10, 0, 0, byte(i)).To4())
	}
	return wire.AppendCompound(nil, msgs)
}

func BenchmarkEmptyStep(b *testing.B) {
	m := benchNode(b, 0, func(*Config) {})
	b.ReportAllocs()
	for b.Loop() {
		m.step(func(*swim, time.Time) {})
	}
}

func BenchmarkMembers(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := benchNode(b, n, func(*Config) {})
			b.ReportAllocs()
			for b.Loop() {
				m.Members()
			}
		})
	}
}

func BenchmarkNumMembers(b *testing.B) {
	m := benchNode(b, 1000, func(*Config) {})
	for b.Loop() {
		m.NumMembers()
	}
}

// BenchmarkReceive is the way of a packet in, from the transport to the table.
func BenchmarkReceive(b *testing.B) {
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 9}
	ping := wire.Ping{SeqNo: 1, Node: []byte("a"), SourceAddr: []byte{127, 0, 0, 1}, SourcePort: 9, SourceNode: []byte("x")}.Append(nil)
	for _, bench := range []struct {
		name      string
		packet    []byte
		encrypted bool
	}{
		{"five known alives", knownAlives(5), false},
		{"five known alives sealed", knownAlives(5), true},
		{"ping and ack", ping, false},
		{"ping and ack sealed", ping, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			m := benchNode(b, 100, func(c *Config) {
				if bench.encrypted {
					c.SecretKey = make([]byte, 32)
				}
			})
			packet := bench.packet
			if bench.encrypted {
				var err error
				if packet, err = m.config.Keyring.seal(nil, sealUnpadded, packet, nil); err != nil {
					b.Fatal(err)
				}
			}
			r := packetReader{m: m}
			buf := make([]byte, len(packet))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, packet) // which is opened in place
				r.handle(&Packet{Buf: buf, From: from, Timestamp: time.Time{}})
			}
		})
	}
}

// BenchmarkMerge is a push/pull of a cluster that is known already.
func BenchmarkMerge(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := benchNode(b, n, func(*Config) {})
			message := m.localMessage(false).appendTo(nil)
			frame, err := m.encodeFrame(whole(message), m.label)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				r, remote := readPushPull(b, m, frame)
				m.mergeNodes(remote)
				r.close()
			}
		})
	}
}

package bench

import (
	"net"
	"testing"
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

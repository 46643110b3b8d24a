package memberlist

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// R72, H3: what all packets together may decompress to in a second is bounded;
// what members send is not held up by that.
func TestDecompressionInASecondIsBounded(t *testing.T) {
	message := func(n int) []byte {
		return wire.AppendCompressed(nil, append([]byte{byte(wire.TypeUser)}, make([]byte, n-1)...))
	}
	large, usual := message(packetExpansion), message(inflationFree)
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		heard := 0
		c.Delegate = msgFunc(func([]byte) { heard++ })
		start(t, c)
		deliver := func(b []byte, times int) int {
			heard = 0
			for range times {
				tap.packets <- &Packet{Buf: b, From: &MockAddress{port: 1}}
				synctest.Wait()
			}
			return heard
		}
		const inASecond = inflationRate / packetExpansion
		if n := deliver(large, 20); n != inASecond {
			t.Errorf("%d of 20 at once", n)
		}
		if n := deliver(usual, 1000); n != 1000 {
			t.Errorf("%d of 1000 ordinary ones after that", n)
		}
		time.Sleep(time.Second / 2)
		if n := deliver(large, 20); n != inASecond/2 {
			t.Errorf("%d of 20 half a second later", n)
		}
		time.Sleep(time.Hour)
		if n := deliver(large, 20); n != inASecond {
			t.Errorf("%d of 20 after an hour", n)
		}
	})
}

// H3: what breaks off at its end has cost as much as what does not.
func TestDecompressionInVainCounts(t *testing.T) {
	for name, compress := range map[string]func(dst, src []byte) []byte{"lzw": wire.AppendCompressed, "snappy": wire.AppendSnappy} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 1 << 20
				user := append([]byte{byte(wire.TypeUser)}, make([]byte, size-1)...)
				var whole wire.Compressed
				if _, err := whole.Decode(compress(nil, user)[1:]); err != nil {
					t.Fatal(err)
				}
				cut := whole.Buf[:len(whole.Buf)-3]
				broken := append([]byte{byte(wire.TypeCompress)}, canonicalCompressed...)
				broken[len("\x09\x82\xa4Algo")] = whole.Algo
				broken = binary.BigEndian.AppendUint16(append(broken, 0xda), uint16(len(cut)))
				broken = append(broken, cut...)

				c, _ := tapConfig("a")
				m := start(t, c)
				// Only so many fit into what a packet may decompress to.
				packet := wire.AppendCompound(nil, [][]byte{broken, broken, broken, broken, broken, broken})
				room := max(packetExpansion, packetExpansionFactor*len(packet))
				m.receive(&Packet{Buf: packet, From: &MockAddress{port: 1}})
				if used := m.reader.inflation.used; used > room || used < 3*size {
					t.Errorf("%d bytes used up, room for %d", used, room)
				}
				for range inflationRate/size + 1 {
					m.receive(&Packet{Buf: bytes.Clone(broken), From: &MockAddress{port: 1}})
				}
				if left := m.reader.inflation.left(time.Now()); left > size/8 {
					t.Errorf("%d bytes left", left)
				}
			})
		})
	}
}

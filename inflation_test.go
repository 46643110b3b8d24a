package memberlist

import (
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

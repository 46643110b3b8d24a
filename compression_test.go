package memberlist

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/swimguard/memberlist/internal/wire"
)

// TestCompressionAlgorithm: the configured algorithm is the one on packets and
// streams, and members with different ones understand each other.
func TestCompressionAlgorithm(t *testing.T) {
	text := []byte(strings.Repeat("all members hear of it, ", 30))
	for algo, number := range map[CompressionAlgorithm]uint8{
		"":                         wire.AlgoLZW,
		CompressionAlgorithmLZW:    wire.AlgoLZW,
		CompressionAlgorithmSnappy: wire.AlgoSnappy,
	} {
		synctest.Test(t, func(t *testing.T) {
			var network MockNetwork
			c := testConfig(&network, "a")
			c.CompressionAlgorithm = algo
			a := start(t, c)
			d := new(userDelegate)
			c = testConfig(&network, "b")
			c.Delegate = d
			b := start(t, c)
			join(t, a, b)

			user := append([]byte{byte(wire.TypeUser)}, text...)
			packet, _, err := a.frame(new(packet), make([]byte, 0, 2000), [][]byte{user}, false)
			if err != nil {
				t.Fatal(err)
			}
			frame, err := a.encodeFrame(whole(user), a.label)
			if err != nil {
				t.Fatal(err)
			}
			for what, got := range map[string][]byte{"packet": packet, "frame": frame} {
				var m wire.Compressed
				if wire.Type(got[0]) != wire.TypeCompress {
					t.Fatalf("%q: %s is of type %d", algo, what, got[0])
				}
				if _, err := m.Decode(got[1:]); err != nil || m.Algo != number {
					t.Errorf("%q: %s has algorithm %d, %v, want %d", algo, what, m.Algo, err, number)
				}
				if plain, err := wire.Decompress(nil, &m, len(user)); err != nil || !bytes.Equal(plain, user) {
					t.Errorf("%q: %s holds %q, %v", algo, what, plain, err)
				}
			}

			synctest.Wait()
			d.take()
			for _, send := range []func(*Node, []byte) error{a.SendBestEffort, a.SendReliable} {
				if err := send(b.LocalNode(), text); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			arrived := 0
			for _, call := range d.take() {
				if strings.HasPrefix(call, "NotifyMsg ") {
					arrived++
				}
			}
			if arrived != 2 {
				t.Errorf("%q: %d of 2 messages arrived", algo, arrived)
			}
			a.Shutdown()
			b.Shutdown()
		})
	}
}

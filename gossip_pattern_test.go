package memberlist

import (
	"fmt"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// As long as all that is new fits into a packet, nobody gets two of a round.
func TestRoundTellsEachOnce(t *testing.T) {
	s, now := crowdedCore(3, func(p *params) { p.probeInterval, p.pushPullInterval = 0, 0 })
	for i := range 100 {
		now = pass(s, now, time.Minute) // another pattern
		s.handleAlive(now, aliveAt("m0", uint32(i+2), 0))
		told := map[endpoint]bool{}
		for len(told) == 0 {
			now = watch(s, now, time.Millisecond, func(fx *effects) {
				for _, d := range fx.datagrams {
					told[d.to] = true
				}
			})
		}
		if len(told) != 3 {
			t.Fatalf("pattern %d: a round of three packets told %d of three others", i, len(told))
		}
	}
}

// However much is new at once, the first transmission of each piece goes to the
// same relative place: so everybody hears of all of it from one and the same member,
// and none of it depends on chance.
func TestFirstTransmissionsFollowThePattern(t *testing.T) {
	s, now := crowdedCore(100, func(p *params) { p.probeInterval, p.pushPullInterval = 0, 0 })
	now = pass(s, now, time.Minute)
	for i := range 100 {
		a := aliveAt(fmt.Sprint("m", i), 2, byte(i))
		a.Meta = make([]byte, 100)
		s.handleAlive(now, a)
	}
	first, packets := map[string]endpoint{}, 0
	watch(s, now, time.Second, func(fx *effects) {
		for _, d := range fx.datagrams {
			packets++
			for _, msg := range fx.msgs[d.lo:d.hi] {
				var a wire.Alive
				if _, err := a.Decode(msg[1:]); err != nil {
					t.Fatal(err)
				}
				if _, sent := first[string(a.Node)]; !sent {
					first[string(a.Node)] = d.to
				}
			}
		}
	})
	places := map[endpoint]int{}
	for _, to := range first {
		places[to]++
	}
	if len(first) != 100 || len(places) != 1 || packets < 100 {
		t.Errorf("%d of 100 pieces sent, first to %v, in %d packets", len(first), places, packets)
	}
}

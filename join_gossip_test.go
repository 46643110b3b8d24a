package memberlist

import (
	"fmt"
	"testing"

	"github.com/swimguard/memberlist/internal/wire"
)

// A node passes on what it has learned by joining a third as often as other
// news, and newcomers that it hears of later six sevenths as often; itself in full.
func TestJoiningIsQuiet(t *testing.T) {
	s, now := loneCore(nil)
	states := func(from, to int) (remote []wire.NodeState) {
		for i := from; i < to; i++ {
			remote = append(remote, wire.NodeState{
				Name: fmt.Append(nil, "n", i), Addr: []byte{10, 0, 1, byte(i)}, Port: 7946, Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0},
			})
		}
		return remote
	}
	s.merge(now, states(0, 99))
	s.merge(now, states(50, 150))
	limit := transmitLimit(s.p.retransmitMult, 99)
	for i := range 150 {
		want := limit / newcomerSaving
		if i < 99 {
			want = limit * 2 / 3
		}
		if got := int(s.table.named(fmt.Sprint("n", i)).news.transmits); got != want {
			t.Errorf("n%d: %d of %d transmissions are taken for made, want %d", i, got, limit, want)
		}
	}
	if got := s.self.news.transmits; got != 0 {
		t.Errorf("the joiner itself: %d", got)
	}
}

// Who is alone with the one whom it joins has nobody to leave the news to.
func TestJoiningAnotherThatIsAloneIsNotQuiet(t *testing.T) {
	s, now := loneCore(nil)
	s.merge(now, []wire.NodeState{{Name: []byte("b"), Addr: []byte{10, 0, 0, 2}, Port: 7946, Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}})
	if got := s.table.named("b").news.transmits; got != 0 {
		t.Errorf("%d transmissions are taken for made", got)
	}
}

package memberlist

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/swimguard/memberlist/internal/wire"
)

// TestTableStateInPieces puts the pieces of a push/pull together, of small and
// large tables and user states.
func TestTableStateInPieces(t *testing.T) {
	for _, c := range []struct{ members, meta, user int }{
		{0, 0, 0}, {1, 0, 1}, {3, 512, 100}, {1000, 0, 0}, {1000, 100, 17}, {1000, 512, pieceSize}, {2, 0, 5 * pieceSize},
	} {
		local := tableState{user: bytes.Repeat([]byte{'u'}, c.user), join: c.members > 1}
		want := wire.PushPullHeader{Nodes: c.members, UserStateLen: c.user, Join: c.members > 1}.Append(nil)
		for i := range c.members {
			n := &Node{Name: fmt.Sprint("member-", i), Addr: []byte{10, 0, 0, 1}, Port: uint16(i), Meta: make([]byte, c.meta), State: NodeStateType(i % 4), PMax: 5}
			r := record{n, uint32(i) << (i % 25)}
			local.records = append(local.records, r)
			want = r.state().Append(want)
		}
		want = append(want, local.user...)
		msg := local.message()
		for range 2 { // it may be gone through again
			if got := msg.appendTo(nil); !bytes.Equal(got, want) || len(got) != msg.size {
				t.Errorf("%+v: %d bytes, size %d, expected %d", c, len(got), msg.size, len(want))
			}
		}
		for piece := range msg.pieces {
			if len(piece) > pieceSize+1<<10 && len(piece) != c.user {
				t.Errorf("%+v: a piece of %d bytes", c, len(piece))
			}
			break // a stream that breaks takes no more
		}
	}
}

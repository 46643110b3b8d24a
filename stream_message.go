package memberlist

import (
	"iter"

	"github.com/swimguard/memberlist/internal/wire"
)

// streamMessage is a message for a stream, in pieces: put together, a large table
// would take more memory than all else that an exchange needs.
type streamMessage struct {
	size   int              // bytes of all pieces together
	pieces iter.Seq[[]byte] // each is valid until the next; may be gone through again
}

// whole is a message in one piece.
func whole(msg []byte) streamMessage {
	return streamMessage{len(msg), func(yield func([]byte) bool) { yield(msg) }}
}

// appendTo appends all pieces.
func (o streamMessage) appendTo(dst []byte) []byte {
	for piece := range o.pieces {
		dst = append(dst, piece...)
	}
	return dst
}

// tableState is our side of a push/pull: the table at one moment.
type tableState struct {
	records []record
	user    []byte
	join    bool
	size    int // of the message, once it has been made
}

// message is the state as it is sent.
func (s *tableState) message() streamMessage {
	s.size = len(s.header().Append(nil)) + len(s.user)
	for _, r := range s.records {
		s.size += r.state().Len()
	}
	return streamMessage{s.size, s.pieces}
}

func (s *tableState) header() wire.PushPullHeader {
	return wire.PushPullHeader{Nodes: len(s.records), UserStateLen: len(s.user), Join: s.join}
}

// pieceSize is how many bytes are sent at once, by and large.
const pieceSize = 16 << 10

func (s *tableState) pieces(yield func([]byte) bool) {
	b := s.header().Append(make([]byte, 0, min(s.size, pieceSize+1<<10)))
	for _, r := range s.records {
		if b = r.state().Append(b); len(b) >= pieceSize {
			if !yield(b) {
				return
			}
			b = b[:0]
		}
	}
	if len(b)+len(s.user) <= cap(b) {
		yield(append(b, s.user...))
		return
	}
	if yield(b) {
		yield(s.user)
	}
}

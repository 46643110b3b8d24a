package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// decoders make an empty value for each decoder there is.
var decoders = []func() message{
	func() message { return new(Ping) },
	func() message { return new(IndirectPing) },
	func() message { return new(Ack) },
	func() message { return new(Nack) },
	func() message { return new(Suspect) },
	func() message { return new(Dead) },
	func() message { return new(Alive) },
	func() message { return new(NodeState) },
	func() message { return new(PushPullHeader) },
	func() message { return new(UserHeader) },
	func() message { return new(ErrorResponse) },
	func() message { return new(Compressed) },
}

// FuzzDecode gives all bytes to every decoder: what is one message may well be
// read as another, and one target finds odd inputs for all of them.
func FuzzDecode(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, make := range decoders {
			checkDecode(t, make, b)
		}
	})
}

// checkDecode checks everything a decoder promises, on any bytes: no panic,
// the same verdict and values as the reference codec, a rest that is the end
// of the input, ErrShort for exactly those errors that more input could cure,
// and a value that survives being encoded and decoded again.
func checkDecode(t *testing.T, make func() message, b []byte) {
	t.Helper()
	m, theirs := make(), oracle(make())
	rest, err := m.Decode(b)
	if claimsGigabytes(b) {
		if err != nil {
			checkError(t, m, b, err)
		}
		return
	}
	theirRest, theirErr := oracleDecode(theirs, b)
	if (err == nil) != (theirErr == nil) {
		t.Fatalf("%T %x: error %v, reference: %v", m, b, err, theirErr)
	}
	if err != nil {
		checkError(t, m, b, err)
		return
	}
	if len(rest) != len(theirRest) || !bytes.HasSuffix(b, rest) {
		t.Fatalf("%T %x: rest %x, reference: %x", m, b, rest, theirRest)
	}
	if diff := difference(m, theirs); diff != "" {
		t.Fatalf("%T %x: %s", m, b, diff)
	}

	// Encoded, it is what the reference encodes, and means what it meant.
	encoded := m.Append(nil)
	body := encoded
	if _, bare := m.(*NodeState); !bare {
		body = encoded[1:]
	}
	want, err := oracleEncode(theirs)
	if err != nil {
		t.Fatalf("%T %x: reference: %v", m, b, err)
	}
	if !bytes.Equal(body, want) {
		t.Fatalf("%T %x: encoded\n%x, reference:\n%x", m, b, body, want)
	}
	if s, ok := m.(*NodeState); ok && s.Len() != len(encoded) {
		t.Fatalf("%x: encoded to %d bytes, Len says %d", b, len(encoded), s.Len())
	}
	again := make()
	if rest := mustDecode(t, again, body); len(rest) != 0 {
		t.Fatalf("%T %x: %x left over after encoding", m, b, rest)
	}
	// The fields of a ping that are left out when empty come back as nil, so
	// the bytes are compared, which is what a third node would see.
	if second := again.Append(nil); !bytes.Equal(second, encoded) {
		t.Fatalf("%T %x: encoded once more\n%x, want\n%x", m, b, second, encoded)
	}
}

// claimsGigabytes reports whether b may hold a 32-bit extension header that
// claims more than a megabyte. The reference takes that memory before it looks
// for the bytes, up to 4 GiB for an input of a dozen bytes, and is not asked.
func claimsGigabytes(b []byte) bool {
	for i, c := range b {
		if c == 0xc9 && len(b) > i+4 && binary.BigEndian.Uint32(b[i+1:]) > 1<<20 {
			return true
		}
	}
	return false
}

// checkError checks that err is one of the two kinds, and the right one.
func checkError(t *testing.T, m message, b []byte, err error) {
	t.Helper()
	if err == ErrShort {
		return
	}
	var malformed *MalformedError
	if !errors.As(err, &malformed) || !errors.Is(err, ErrMalformed) || malformed.Message == "" || malformed.Reason == "" {
		t.Fatalf("%T %x: error %#v", m, b, err)
	}
	// Malformed is final: no continuation may be accepted.
	if _, err := m.Decode(append(b[:len(b):len(b)], bytes.Repeat([]byte{0x80}, 64)...)); !errors.Is(err, ErrMalformed) {
		t.Fatalf("%T %x: malformed, but with more input %v", m, b, err)
	}
}

// seeds are bodies worth starting from: those in the golden vectors, the first
// states of each table there, and oddities of every row of what is accepted.
func seeds(f testing.TB) [][]byte {
	var all [][]byte
	for _, v := range append(vectors(f, "packets.json"), vectors(f, "malformed.json")...) {
		b := v.bytes(f)
		if len(b) == 0 || len(b) > 2000 {
			continue
		}
		if messages[Type(b[0])] != nil && !strings.HasPrefix(v.Channel, "stream") {
			all = append(all, b[1:])
		}
	}
	for _, v := range vectors(f, "streams.json") {
		b := v.bytes(f)
		if Type(b[0]) != TypePushPull {
			continue
		}
		var h PushPullHeader
		rest := mustDecode(f, &h, b[1:])
		for i := 0; i < h.Nodes && i < 3; i++ {
			next := mustDecode(f, new(NodeState), rest)
			all = append(all, rest[:len(rest)-len(next)])
			rest = next
		}
	}
	return all
}

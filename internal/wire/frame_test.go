package wire

import (
	"bytes"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

func TestLabel(t *testing.T) {
	long := strings.Repeat("l", MaxLabelLen)
	for _, label := range []string{"", "b", "blue", "étiquette", "\x00", long} {
		b, err := AppendLabel([]byte("before"), label)
		if err != nil {
			t.Fatalf("append %q: %v", label, err)
		}
		header := 0
		if label != "" {
			header = LabelHeaderLen
		}
		if len(b) != len("before")+header+len(label) {
			t.Errorf("label %q takes %d bytes", label, len(b)-len("before"))
		}
		got, rest, err := CutLabel(append(b[len("before"):], "rest"...))
		if err != nil || string(got) != label || string(rest) != "rest" {
			t.Errorf("cut %q: %q, %q, %v", label, got, rest, err)
		}
	}

	b, err := AppendLabel([]byte("before"), long+"l")
	if err == nil || err.Error() != `label "`+long+`l" is too long` || string(b) != "before" {
		t.Errorf("append a label of 256 bytes: %q, %v", b, err)
	}

	for _, c := range []struct {
		in, label, rest string
		err             error
	}{
		{"", "", "", nil},
		{"\x00ping", "", "\x00ping", nil},
		{"\xf4", "", "", ErrLabelTruncated},
		{"\xf4\x00", "", "", ErrLabelEmpty},
		{"\xf4\x00rest", "", "", ErrLabelEmpty},
		{"\xf4\x04blu", "", "", ErrLabelTruncated},
		{"\xf4\x04blue", "blue", "", nil},
		{"\xf4\x04blue\xf4\x04blue", "blue", "\xf4\x04blue", nil}, // no second one
		{"\xf4\xff" + long[1:], "", "", ErrLabelTruncated},
	} {
		label, rest, err := CutLabel([]byte(c.in))
		if string(label) != c.label || string(rest) != c.rest || err != c.err {
			t.Errorf("cut %q: %q, %q, %v", c.in, label, rest, err)
		}
	}
	if got := ErrLabelTruncated.Error(); got != "cannot decode label; packet has been truncated" {
		t.Error(got)
	}
	if got := ErrLabelEmpty.Error(); got != "label header cannot be empty when present" {
		t.Error(got)
	}
}

func TestChecksum(t *testing.T) {
	for _, payload := range []string{"", "x", "\x08hello", strings.Repeat("long", 1000)} {
		b := append(make([]byte, ChecksumLen), payload...)
		PutChecksum(b)
		got, err := CutChecksum(b)
		if err != nil || string(got) != payload {
			t.Errorf("payload %q: %q, %v", payload, got, err)
		}
		b[len(b)-1] ^= 1 // of the payload, or of the checksum when there is none
		got, err = CutChecksum(b)
		var sum *ChecksumError
		if got != nil || !errors.As(err, &sum) || !errors.Is(err, ErrMalformed) || sum.Computed != crc32.ChecksumIEEE(b[ChecksumLen:]) {
			t.Errorf("payload %q damaged: %q, %v", payload, got, err)
		}
	}
	for _, in := range []string{"", "\x00", "\x08\x00\x00\x00\x00\x00", "\x0c", "\x0c\x00\x00\x00"} {
		if got, err := CutChecksum([]byte(in)); err != nil || string(got) != in {
			t.Errorf("%q without checksum: %q, %v", in, got, err)
		}
	}
}

// collect returns the parts of a compound body.
func collect(t testing.TB, body []byte) (parts [][]byte, truncated int) {
	t.Helper()
	p, err := Parts(body)
	if err != nil {
		t.Fatal(err)
	}
	for part, ok := p.Next(); ok; part, ok = p.Next() {
		parts = append(parts, part)
	}
	if part, ok := p.Next(); ok || part != nil {
		t.Errorf("%x: a part after the last", body)
	}
	return parts, p.Truncated()
}

func TestCompound(t *testing.T) {
	many := make([][]byte, MaxCompoundParts)
	for i := range many {
		many[i] = []byte{byte(TypeUser), byte(i)}
	}
	for _, msgs := range [][][]byte{
		nil,
		{{}},
		{[]byte("one")},
		{[]byte("one"), {}, []byte("three")},
		{bytes.Repeat([]byte{'x'}, MaxPartLen), []byte("y")},
		many,
	} {
		b := AppendCompound([]byte("before"), msgs)[len("before"):]
		size := CompoundHeaderLen
		for _, msg := range msgs {
			size += CompoundPartLen + len(msg)
		}
		if len(b) != size || Type(b[0]) != TypeCompound {
			t.Errorf("%d messages take %d bytes, want %d", len(msgs), len(b), size)
		}
		parts, truncated := collect(t, append(b[1:], "ignored"...))
		if truncated != 0 || len(parts) != len(msgs) {
			t.Fatalf("%d messages came out as %d and %d", len(msgs), len(parts), truncated)
		}
		for i, part := range parts {
			if !bytes.Equal(part, msgs[i]) {
				t.Errorf("message %d of %d came out as %q", i, len(msgs), part)
			}
		}
	}
}

// TestCompoundLeavesOutWhatDoesNotFit: neither a 256th message nor a long one
// may garble the others (regressions 45 to 47).
func TestCompoundLeavesOutWhatDoesNotFit(t *testing.T) {
	msgs := make([][]byte, MaxCompoundParts+3)
	for i := range msgs {
		msgs[i] = []byte{byte(i), byte(i >> 8)}
	}
	msgs[1] = make([]byte, MaxPartLen+1)
	parts, truncated := collect(t, AppendCompound(nil, msgs)[1:])
	if len(parts) != MaxCompoundParts || truncated != 0 {
		t.Fatalf("%d parts, %d truncated", len(parts), truncated)
	}
	want := append(msgs[:1:1], msgs[2:]...)[:MaxCompoundParts]
	for i, part := range parts {
		if !bytes.Equal(part, want[i]) {
			t.Errorf("part %d is %x, want %x", i, part, want[i])
		}
	}
}

func TestParts(t *testing.T) {
	for _, c := range []struct {
		body      string
		parts     string // joined by commas
		truncated int
		err       error
	}{
		{"", "", 0, ErrCompoundLength},
		{"\x00", "", 0, nil},
		{"\x00rest", "", 0, nil},
		{"\x01", "", 0, ErrCompoundTruncated},
		{"\x01\x00", "", 0, ErrCompoundTruncated},
		{"\x02\x00\x01\x00", "", 0, ErrCompoundTruncated},
		{"\x01\x00\x01", "", 1, nil},
		{"\x01\x00\x01a", "a", 0, nil},
		{"\x01\x00\x01ab", "a", 0, nil},
		{"\x02\x00\x01\x00\x02ab", "a", 1, nil},
		{"\x03\x00\x01\xff\xff\x00\x01abc", "a", 2, nil}, // the third cannot be found
		{"\x02\x00\x00\x00\x01b", ",b", 0, nil},
	} {
		p, err := Parts([]byte(c.body))
		if err != c.err {
			t.Errorf("%q: error %v, want %v", c.body, err, c.err)
		}
		var parts []string
		for part, ok := p.Next(); ok; part, ok = p.Next() {
			parts = append(parts, string(part))
		}
		if got := strings.Join(parts, ","); got != c.parts || p.Truncated() != c.truncated {
			t.Errorf("%q: %q and %d truncated, want %q and %d", c.body, got, p.Truncated(), c.parts, c.truncated)
		}
	}
}

func TestPartsBorrow(t *testing.T) {
	b := AppendCompound(nil, [][]byte{[]byte("one"), []byte("two")})
	before := bytes.Clone(b)
	p, _ := Parts(b[1:])
	part, _ := p.Next()
	_ = append(part, "XXX"...)
	if !bytes.Equal(b, before) {
		t.Errorf("appending to a part changed the packet to %q", b)
	}
}

// FuzzFraming gives all bytes to everything that takes a packet apart.
func FuzzFraming(f *testing.F) {
	for _, v := range append(vectors(f, "packets.json"), vectors(f, "malformed.json")...) {
		if len(v.Hex) < 4000 {
			f.Add(v.bytes(f))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkCutLabel(t, b)
		checkCutChecksum(t, b)
		checkParts(t, b)
		if len(b) > 0 {
			checkParts(t, b[1:]) // the seeds begin with a type
		}
	})
}

func checkCutLabel(t *testing.T, b []byte) {
	t.Helper()
	label, rest, err := CutLabel(b)
	if err != nil {
		if label != nil || rest != nil || (err != ErrLabelEmpty && err != ErrLabelTruncated) {
			t.Fatalf("%x: %x, %x, %v", b, label, rest, err)
		}
		return
	}
	again, err := AppendLabel(nil, string(label))
	if err != nil || !bytes.Equal(append(again, rest...), b) {
		t.Fatalf("%x: label %x, rest %x, %v", b, label, rest, err)
	}
}

func checkCutChecksum(t *testing.T, b []byte) {
	t.Helper()
	if payload, err := CutChecksum(b); err == nil && !bytes.HasSuffix(b, payload) {
		t.Fatalf("%x: payload %x", b, payload)
	}
	framed := append(make([]byte, ChecksumLen), b...)
	PutChecksum(framed)
	if payload, err := CutChecksum(framed); err != nil || !bytes.Equal(payload, b) {
		t.Fatalf("%x: framed and cut: %x, %v", b, payload, err)
	}
}

func checkParts(t *testing.T, body []byte) {
	t.Helper()
	p, err := Parts(body)
	if err != nil {
		return
	}
	var parts [][]byte
	for part, ok := p.Next(); ok; part, ok = p.Next() {
		parts = append(parts, part)
	}
	if len(parts)+p.Truncated() != int(body[0]) {
		t.Fatalf("%x: %d parts and %d truncated", body, len(parts), p.Truncated())
	}
	if b := AppendCompound(nil, parts)[1:]; p.Truncated() == 0 && !bytes.HasPrefix(body, b) {
		t.Fatalf("%x: encoded again %x", body, b)
	}
}

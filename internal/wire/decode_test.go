package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// unhex makes bytes of hexadecimal digits; '…' in quotes is text, and blanks
// are ignored.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var b []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		b = append(b, raw...)
	}
	return b
}

const (
	short     = "short"
	malformed = "malformed"
)

// TestDecodeForms is the table of everything a decoder accepts and does not,
// protocol section 3.3, row by row. Each input is shown to the reference
// codec, too.
func TestDecodeForms(t *testing.T) {
	ping := func() message { return new(Ping) }
	indirect := func() message { return new(IndirectPing) }
	ack := func() message { return new(Ack) }
	alive := func() message { return new(Alive) }
	header := func() message { return new(PushPullHeader) }
	nested := func(n int) string { return strings.Repeat("91", n) + "c0" }
	wide := func(n int) string { return fmt.Sprintf("df%08x", n) + strings.Repeat("a178c0", n) }

	for _, c := range []struct {
		row  string
		new  func() message
		in   string
		want string // the fields, or short, or malformed and its text
	}{
		{"keys in emitted order", ping, "82 a4'Node' a162 a5'SeqNo' 07", `Ping 7 "b" nil 0 ""`},
		{"keys in any order", ping, "82 a5'SeqNo' 07 a4'Node' a162", `Ping 7 "b" nil 0 ""`},
		{"missing keys", ping, "81 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"no keys", ping, "80", `Ping 0 "" nil 0 ""`},
		{"unknown key, integer", ping, "82 a3'Zed' cd0100 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, nil and booleans", ping, "84 a158c0 a158c2 a158c3 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, floats", ping, "83 a158ca00000000 a158cb0000000000000000 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, all integers", ping, "8b a15801 a158cc01 a158cd0101 a158ce01010101 a158cf0101010101010101 a158d001 a158d10101 a158d201010101 a158d30101010101010101 a158ff a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, strings", ping, "86 a158a131 a158d90131 a158da000131 a158db0000000131 a158c40131 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, bin", ping, "84 a158c40131 a158c5000131 a158c60000000131 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, fixed ext", ping, "86 a158d4010a a158d5010a0b a158d6010a0b0c0d a158d7010102030405060708 a158d80101020304050607080102030405060708 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, ext", ping, "84 a158c702010a0b a158c80001020a a158c90000000103ff a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, ext without body", ping, "82 a158c70001 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, timestamps", ping, "84 a158d6ff00000000 a158d7ff0000000000000000 a158c70cff000000000000000000000000 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, timestamp of 3 bytes", ping, "82 a158c703ff000000 a5'SeqNo' 07", `malformed ping: field "X": invalid timestamp`},
		{"unknown key, timestamp of 1 byte", ping, "82 a158d4ff00 a5'SeqNo' 07", `malformed ping: field "X": invalid timestamp`},
		{"unknown key, containers", ping, "83 a158 92 81a161c0 9301a0c2 a158 dc0001 de0001 0102 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"unknown key, reserved byte", ping, "82 a158c1 a5'SeqNo' 07", `malformed ping: field "X": reserved descriptor c1`},
		{"nested 1022 deep", ping, "82 a158" + nested(1022) + "a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"nested 1023 deep", ping, "82 a158" + nested(1023) + "a5'SeqNo' 07", `malformed ping: field "X": nested too deeply`},
		{"nested 1022 deep in maps", ping, "82 a158" + strings.Repeat("81a161", 1022) + "c0 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"nested 1023 deep in maps", ping, "82 a158" + strings.Repeat("81a161", 1023) + "c0 a5'SeqNo' 07", `malformed ping: field "X": nested too deeply`},
		{"nested 1022 deep in a surplus element", ack, "93 07 c0" + nested(1022), `Ack 7 nil`},
		{"nested 1023 deep in a surplus element", ack, "93 07 c0" + nested(1023), `malformed ack: nested too deeply`},
		{"duplicate key", ping, "82 a5'SeqNo' 07 a5'SeqNo' 08", `Ping 8 "" nil 0 ""`},
		{"duplicate key, then nil", ping, "82 a5'SeqNo' 07 a5'SeqNo' c0", `Ping 0 "" nil 0 ""`},
		{"duplicate byte slice, then nil", ack, "82 a7'Payload' a161 a7'Payload' c0", `Ack 0 nil`},
		{"other case is unknown", ping, "82 a5'seqno' 07 a5'SEQNO' 07", `Ping 0 "" nil 0 ""`},
		{"map16", ping, "de0001 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"map32", ping, "df00000001 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"more pairs than there are fields", ping, wide(70000), `Ping 0 "" nil 0 ""`},
		{"key as str8", ping, "81 d905'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as str16", ping, "81 da0005'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as str32", ping, "81 db00000005'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as bin8", ping, "81 c405'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as bin16", ping, "81 c50005'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as bin32", ping, "81 c600000005'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as array of integers", ping, "81 95'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as array of wide integers", ping, "81 dc0005 cc53 cd0065 d071 d1004e ce0000006f 07", `Ping 7 "" nil 0 ""`},
		{"longest key as array", header, "81 9c'UserStateLen' 07", `PushPullHeader 0 7 false`},
		{"longest key as array, and one byte", header, "81 9d'UserStateLenX' 07", `PushPullHeader 0 0 false`},
		{"long unknown key as array", ping, "82 dc0020'an unknown key of 32 bytes......' 07 a5'SeqNo' 07", `Ping 7 "" nil 0 ""`},
		{"key as array with no byte in it", ping, "81 92 cd0100 01 07", `malformed ping: out of range`},
		{"key as array of strings", ping, "81 91 a153 07", `malformed ping: not an integer`},
		{"key integer", ping, "81 05 07", `malformed ping: key is not a string`},
		{"key nil", ping, "81 c0 07", `malformed ping: key is not a string`},
		{"key map", ping, "81 80 07", `malformed ping: key is not a string`},
		{"key boolean", ping, "81 c2 07", `malformed ping: key is not a string`},
		{"key ext", ping, "81 d40101 07", `malformed ping: key is not a string`},
		{"key empty string", ping, "81 a0 07", `malformed ping: empty key`},
		{"key empty array", ping, "81 90 07", `malformed ping: empty key`},
		{"struct as fixarray", ping, "92 07 a162", `Ping 7 "b" nil 0 ""`},
		{"struct as array16", ping, "dc0002 07 a162", `Ping 7 "b" nil 0 ""`},
		{"struct as array32", ping, "dd00000002 07 a162", `Ping 7 "b" nil 0 ""`},
		{"struct as array, all of it", indirect, "98 07 a401020304 cd1f0a a162 c3 a405060708 09 a161", `IndirectPing 7 "\x01\x02\x03\x04" 7946 "b" true "\x05\x06\a\b" 9 "a"`},
		{"struct as empty array", ping, "90", `Ping 0 "" nil 0 ""`},
		{"struct as array, nil elements", ping, "95 c0 c0 c0 c0 c0", `Ping 0 "" nil 0 ""`},
		{"struct as array, surplus", ack, "95 07 a161 01 81a1c0c0 c0", `Ack 7 "a"`},
		{"struct as array, surplus malformed", ack, "93 07 a161 c1", `malformed ack: reserved descriptor c1`},
		{"struct nil", ping, "c0", `Ping 0 "" nil 0 ""`},
		{"struct integer", ping, "05", `malformed ping: neither map nor array`},
		{"struct string", ping, "a0", `malformed ping: neither map nor array`},
		{"struct bin", ping, "c400", `malformed ping: neither map nor array`},
		{"struct boolean", ping, "c3", `malformed ping: neither map nor array`},
		{"struct float", ping, "ca00000000", `malformed ping: neither map nor array`},
		{"struct ext", ping, "d40101", `malformed ping: neither map nor array`},
		{"struct reserved byte", ping, "c1", `malformed ping: neither map nor array`},
		{"nothing", ping, "", short},
		{"more pairs than data", ping, "82 a5'SeqNo' 07", short},
		{"more elements than data", ping, "92 07", short},
		{"2^32-1 pairs", ping, "dfffffffff a5'SeqNo' 07", short},
		{"2^32-1 elements", ping, "ddffffffff 07", short},
		{"fewer pairs than data", ping, "81 a5'SeqNo' 07 a4'Node' a162", `Ping 7 "" nil 0 "" + a44e6f6465a162`},
		{"bytes after", ping, "80 ffff", `Ping 0 "" nil 0 "" + ffff`},

		{"string nil", ping, "81 a4'Node' c0", `Ping 0 "" nil 0 ""`},
		{"string str8", ping, "81 a4'Node' d90162", `Ping 0 "b" nil 0 ""`},
		{"string str16", ping, "81 a4'Node' da000162", `Ping 0 "b" nil 0 ""`},
		{"string str32", ping, "81 a4'Node' db0000000162", `Ping 0 "b" nil 0 ""`},
		{"string bin8", ping, "81 a4'Node' c40162", `Ping 0 "b" nil 0 ""`},
		{"string bin16", ping, "81 a4'Node' c5000162", `Ping 0 "b" nil 0 ""`},
		{"string bin32", ping, "81 a4'Node' c60000000162", `Ping 0 "b" nil 0 ""`},
		{"string as integers", ping, "81 a4'Node' 93 62 ccff d000", `Ping 0 "b\xff\x00" nil 0 ""`},
		{"string as array16", ping, "81 a4'Node' dc0001 62", `Ping 0 "b" nil 0 ""`},
		{"string as array32", ping, "81 a4'Node' dd00000001 62", `Ping 0 "b" nil 0 ""`},
		{"string as empty array", ping, "81 a4'Node' 90", `Ping 0 "" nil 0 ""`},
		{"string as nil elements", ping, "81 a4'Node' 92 c0 62", `Ping 0 "\x00b" nil 0 ""`},
		{"string as integers too large", ping, "81 a4'Node' 91 cd0100", `malformed ping: field "Node": out of range`},
		{"string as negative integers", ping, "81 a4'Node' 91 ff", `malformed ping: field "Node": negative`},
		{"string as map", ping, "81 a4'Node' 80", `malformed ping: field "Node": not a string`},
		{"string integer", ping, "81 a4'Node' 05", `malformed ping: field "Node": not a string`},
		{"string boolean", ping, "81 a4'Node' c3", `malformed ping: field "Node": not a string`},
		{"string ext", ping, "81 a4'Node' d40162", `malformed ping: field "Node": not a string`},
		{"string reserved byte", ping, "81 a4'Node' c1", `malformed ping: field "Node": not a string`},
		{"string invalid UTF-8 and NUL", ping, "81 a4'Node' a3 ff00c0", `Ping 0 "\xff\x00\xc0" nil 0 ""`},
		{"string longer than the data", ping, "81 a4'Node' a3 62", short},
		{"string of 4 GiB", ping, "81 a4'Node' dbffffffff 62", short},
		{"string of 4 Gi integers", ping, "81 a4'Node' ddffffffff 62", short},
		{"byte slice of 8 Gi integers", ack, "81 a7'Payload' dfffffffff 62", short},

		{"byte slice nil", ack, "81 a7'Payload' c0", `Ack 0 nil`},
		{"byte slice empty", ack, "81 a7'Payload' a0", `Ack 0 ""`},
		{"byte slice empty bin", ack, "81 a7'Payload' c400", `Ack 0 ""`},
		{"byte slice empty array", ack, "81 a7'Payload' 90", `Ack 0 ""`},
		{"byte slice empty map", ack, "81 a7'Payload' 80", `Ack 0 ""`},
		{"byte slice bin", ack, "81 a7'Payload' c40161", `Ack 0 "a"`},
		{"byte slice as integers", ack, "81 a7'Payload' 92 61 cd0062", `Ack 0 "ab"`},
		{"byte slice as map", ack, "81 a7'Payload' 82 61 62 c0 64", `Ack 0 "ab\x00d"`},
		{"byte slice as map16", ack, "81 a7'Payload' de0001 61 62", `Ack 0 "ab"`},
		{"byte slice as map32", ack, "81 a7'Payload' df00000001 61 62", `Ack 0 "ab"`},
		{"byte slice as map of strings", ack, "81 a7'Payload' 81 a161 62", `malformed ack: field "Payload": not an integer`},
		{"byte slice as nested array", ack, "81 a7'Payload' 91 90", `malformed ack: field "Payload": not an integer`},
		{"byte slice integer", ack, "81 a7'Payload' 05", `malformed ack: field "Payload": not a byte string`},
		{"byte slice boolean", ack, "81 a7'Payload' c2", `malformed ack: field "Payload": not a byte string`},
		{"version bytes as integers", alive, "81 a3'Vsn' 96 01 05 02 00 00 00", `Alive 0 "" nil 0 nil "\x01\x05\x02\x00\x00\x00"`},

		{"integer nil", ack, "81 a5'SeqNo' c0", `Ack 0 nil`},
		{"integer uint8", ack, "81 a5'SeqNo' cc2a", `Ack 42 nil`},
		{"integer uint16", ack, "81 a5'SeqNo' cd002a", `Ack 42 nil`},
		{"integer uint32", ack, "81 a5'SeqNo' ce0000002a", `Ack 42 nil`},
		{"integer uint64", ack, "81 a5'SeqNo' cf000000000000002a", `Ack 42 nil`},
		{"integer int8", ack, "81 a5'SeqNo' d02a", `Ack 42 nil`},
		{"integer int16", ack, "81 a5'SeqNo' d1002a", `Ack 42 nil`},
		{"integer int32", ack, "81 a5'SeqNo' d20000002a", `Ack 42 nil`},
		{"integer int64", ack, "81 a5'SeqNo' d3000000000000002a", `Ack 42 nil`},
		{"unsigned largest", ack, "81 a5'SeqNo' ceffffffff", `Ack 4294967295 nil`},
		{"unsigned too large", ack, "81 a5'SeqNo' cf0000000100000000", `malformed ack: field "SeqNo": out of range`},
		{"unsigned 2^64-1", ack, "81 a5'SeqNo' cfffffffffffffffff", `malformed ack: field "SeqNo": out of range`},
		{"unsigned negative fixint", ack, "81 a5'SeqNo' ff", `malformed ack: field "SeqNo": negative`},
		{"unsigned negative int8", ack, "81 a5'SeqNo' d0ff", `malformed ack: field "SeqNo": negative`},
		{"unsigned negative int16", ack, "81 a5'SeqNo' d18000", `malformed ack: field "SeqNo": negative`},
		{"unsigned negative int32", ack, "81 a5'SeqNo' d280000000", `malformed ack: field "SeqNo": negative`},
		{"unsigned negative int64", ack, "81 a5'SeqNo' d38000000000000000", `malformed ack: field "SeqNo": negative`},
		{"uint16 largest", alive, "81 a4'Port' cdffff", `Alive 0 "" nil 65535 nil nil`},
		{"uint16 too large", alive, "81 a4'Port' ce00010000", `malformed alive: field "Port": out of range`},
		{"uint8 too large", func() message { return new(Compressed) }, "81 a4'Algo' cd0100", `malformed compressed message: field "Algo": out of range`},
		{"signed negative", header, "81 a5'Nodes' ff", `PushPullHeader -1 0 false`},
		{"signed negative int8", header, "81 a5'Nodes' d080", `PushPullHeader -128 0 false`},
		{"signed negative int16", header, "81 a5'Nodes' d18000", `PushPullHeader -32768 0 false`},
		{"signed negative int32", header, "81 a5'Nodes' d280000000", `PushPullHeader -2147483648 0 false`},
		{"signed unsigned", header, "81 a5'Nodes' ce7fffffff", `PushPullHeader 2147483647 0 false`},
		{"signed 2^64-1 wraps", header, "81 a5'Nodes' cfffffffffffffffff", `PushPullHeader -1 0 false`},
		{"integer float", ack, "81 a5'SeqNo' ca42280000", `malformed ack: field "SeqNo": not an integer`},
		{"integer double", ack, "81 a5'SeqNo' cb4045000000000000", `malformed ack: field "SeqNo": not an integer`},
		{"integer boolean", ack, "81 a5'SeqNo' c3", `malformed ack: field "SeqNo": not an integer`},
		{"integer string", ack, "81 a5'SeqNo' a13432", `malformed ack: field "SeqNo": not an integer`},
		{"integer array", ack, "81 a5'SeqNo' 9101", `malformed ack: field "SeqNo": not an integer`},
		{"integer ext", ack, "81 a5'SeqNo' d40101", `malformed ack: field "SeqNo": not an integer`},
		{"integer reserved byte", ack, "81 a5'SeqNo' c1", `malformed ack: field "SeqNo": not an integer`},

		{"boolean false", header, "81 a4'Join' c2", `PushPullHeader 0 0 false`},
		{"boolean true", header, "81 a4'Join' c3", `PushPullHeader 0 0 true`},
		{"boolean nil", header, "81 a4'Join' c0", `PushPullHeader 0 0 false`},
		{"boolean 0", header, "81 a4'Join' 00", `PushPullHeader 0 0 false`},
		{"boolean 1", header, "81 a4'Join' 01", `PushPullHeader 0 0 true`},
		{"boolean 2", header, "81 a4'Join' 02", `malformed push/pull header: field "Join": not a boolean`},
		{"boolean 1 as uint8", header, "81 a4'Join' cc01", `malformed push/pull header: field "Join": not a boolean`},
		{"boolean string", header, "81 a4'Join' a0", `malformed push/pull header: field "Join": not a boolean`},
		{"boolean reserved byte", header, "81 a4'Join' c1", `malformed push/pull header: field "Join": not a boolean`},
	} {
		t.Run(c.row, func(t *testing.T) {
			in := unhex(t, c.in)
			m := c.new()
			rest, err := m.Decode(in)
			var got string
			switch {
			case err == ErrShort:
				got = short
			case err != nil:
				got = err.Error()
			default:
				got = describe(m)
				if len(rest) > 0 {
					got += fmt.Sprintf(" + %x", rest)
				}
			}
			if got != c.want {
				t.Errorf("decoded %s\n%s, want\n%s", c.in[:min(len(c.in), 100)], got, c.want)
			}
			checkDecode(t, c.new, in)
		})
	}
}

// describe prints the fields of m, strings as text and byte slices so that nil shows.
func describe(m message) string {
	str := func(b []byte) string { return fmt.Sprintf("%q", b) }
	raw := func(b []byte) string {
		if b == nil {
			return "nil"
		}
		return str(b)
	}
	switch m := m.(type) {
	case *Ping:
		return fmt.Sprint("Ping ", m.SeqNo, " ", str(m.Node), " ", raw(m.SourceAddr), " ", m.SourcePort, " ", str(m.SourceNode))
	case *IndirectPing:
		return fmt.Sprint("IndirectPing ", m.SeqNo, " ", raw(m.Target), " ", m.Port, " ", str(m.Node), " ", m.Nack, " ",
			raw(m.SourceAddr), " ", m.SourcePort, " ", str(m.SourceNode))
	case *Ack:
		return fmt.Sprint("Ack ", m.SeqNo, " ", raw(m.Payload))
	case *Alive:
		return fmt.Sprint("Alive ", m.Incarnation, " ", str(m.Node), " ", raw(m.Addr), " ", m.Port, " ", raw(m.Meta), " ", raw(m.Vsn))
	case *PushPullHeader:
		return fmt.Sprint("PushPullHeader ", m.Nodes, " ", m.UserStateLen, " ", m.Join)
	}
	return fmt.Sprintf("%+v", m)
}

// TestDecodeTruncated cuts every body of the golden vectors at every place: a
// stream reader relies on ErrShort to know that it has to read more.
func TestDecodeTruncated(t *testing.T) {
	bodies := 0
	for _, v := range vectors(t, "packets.json") {
		b := v.bytes(t)
		if len(b) == 0 || len(b) > 1000 || messages[Type(b[0])] == nil || Type(b[0]) == TypeUser {
			continue
		}
		bodies++
		for n := range len(b) - 1 {
			if _, err := messages[Type(b[0])]().Decode(b[1 : 1+n]); err != ErrShort {
				t.Fatalf("%s cut to %d bytes: %v, want ErrShort", v.Name, n, err)
			}
		}
	}
	if bodies < 80 {
		t.Errorf("only %d bodies", bodies)
	}
}

func TestDecodeResets(t *testing.T) {
	m := Alive{1, []byte("n"), []byte("a"), 2, []byte("m"), []byte("v")}
	mustDecode(t, &m, []byte{0x80})
	if got, want := describe(&m), describe(&Alive{}); got != want {
		t.Errorf("decoding nothing left %s", got)
	}
}

// TestDecodeBorrows checks that decoded bytes are those of the packet, and
// that whoever appends to them does not write into the packet.
func TestDecodeBorrows(t *testing.T) {
	b := Ack{7, []byte("abc")}.Append(nil)[1:]
	before := bytes.Clone(b)
	var m Ack
	mustDecode(t, &m, b)
	_ = append(m.Payload, "XYZ"...)
	if !bytes.Equal(b, before) {
		t.Errorf("appending to the payload changed the packet to %x", b)
	}
	copy(m.Payload, "xyz")
	if !bytes.Contains(b, []byte("xyz")) {
		t.Error("the payload is a copy")
	}
}

// TestDecodeBoundsAllocation has a kilobyte announce gigabytes.
func TestDecodeBoundsAllocation(t *testing.T) {
	for _, in := range []string{"dbffffffff", "c6ffffffff", "ddffffffff", "dfffffffff", "dd00000500"} {
		b := append(unhex(t, "82 a3'Buf'"+in), make([]byte, 1000)...)
		var m Compressed
		if n := testing.AllocsPerRun(10, func() {
			if _, err := m.Decode(b); err != ErrShort {
				t.Fatalf("%s: %v", in, err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", in, n)
		}
	}
}

// TestMalformedErrorQuotesLittle keeps a hostile key out of the log.
func TestMalformedErrorQuotesLittle(t *testing.T) {
	b := append(unhex(t, "81 da03e8"), bytes.Repeat([]byte{'x', 0}, 500)...)
	_, err := new(Ping).Decode(append(b, 0xc1))
	if !errors.Is(err, ErrMalformed) || len(err.Error()) > 200 || strings.Contains(err.Error(), "\x00") {
		t.Errorf("error %q", err)
	}
}

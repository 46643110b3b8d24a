package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// samples are messages and packets as they occur, and extremes.
func samples(t testing.TB) map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 1400)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	s := map[string][]byte{
		"empty":        {},
		"one byte":     {8},
		"zeros 24":     make([]byte, 24),
		"zeros 25":     make([]byte, 25),
		"zeros 1400":   make([]byte, 1400),
		"zeros 70000":  make([]byte, 70000),
		"random 1400":  random,
		"text":         []byte(strings.Repeat("all members of the cluster hear of it ", 30)),
		"large":        bytes.Repeat(random, 100),
		"alternating":  []byte(strings.Repeat("ab", 20)),
		"one new pair": []byte(strings.Repeat("a", 40) + "b"),
	}
	for _, v := range vectors(t, "packets.json") {
		s[v.Name] = v.bytes(t)
	}
	for _, v := range vectors(t, "streams.json") {
		s[v.Name] = v.bytes(t)
	}
	return s
}

func TestCompress(t *testing.T) {
	for name, src := range samples(t) {
		b := AppendCompressed([]byte("before"), src)
		if !bytes.HasPrefix(b, []byte("before\x09")) {
			t.Fatalf("%s: begins with %q", name, b[:min(len(b), 10)])
		}
		b = b[len("before"):]
		checkCompressed(t, b, src)
		var m Compressed
		mustDecode(t, &m, b[1:])
		if again := m.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("%s: not in canonical form", name)
		}
	}
}

// checkCompressed checks that the type-9 message b decompresses to want, also
// when appended to something, and that the limit is exact.
func checkCompressed(t testing.TB, b, want []byte) {
	t.Helper()
	var m Compressed
	if rest := mustDecode(t, &m, b[1:]); len(rest) != 0 {
		t.Fatalf("%d bytes behind the compressed message", len(rest))
	}
	for _, dst := range [][]byte{nil, make([]byte, 3), make([]byte, 3, 5), make([]byte, 3, 3+len(want)), make([]byte, 3, 10+2*len(want))} {
		got, err := Decompress(dst, &m, len(want))
		if err != nil || !bytes.Equal(got[len(dst):], want) || !bytes.Equal(got[:len(dst)], dst) {
			t.Fatalf("decompressed to %d bytes, %v, want %d", len(got), err, len(want))
		}
		got, err = Decompress(dst, &m, len(want)-1)
		if err != ErrTooLarge || len(got) != len(dst) {
			t.Fatalf("decompressed %d bytes with a limit of one less: %d bytes, %v", len(want), len(got), err)
		}
	}
}

func TestDecompressErrors(t *testing.T) {
	hello := AppendCompressed(nil, []byte("\x08hello hello hello"))
	var whole Compressed
	mustDecode(t, &whole, hello[1:])
	for _, c := range []struct {
		name string
		m    Compressed
		eof  bool
	}{
		{"nil", Compressed{}, true},
		{"empty", Compressed{Buf: []byte{}}, true},
		{"truncated", Compressed{Buf: whole.Buf[:len(whole.Buf)-2]}, true},
		{"clear code only", Compressed{Buf: []byte{0, 1}}, true},
		{"code not in the table", Compressed{Buf: []byte{0xff, 0xff, 0xff}}, false},
		{"algorithm", Compressed{Algo: 77, Buf: whole.Buf}, false},
	} {
		got, err := Decompress([]byte("before"), &c.m, 1000)
		if !errors.Is(err, ErrMalformed) || errors.Is(err, io.ErrUnexpectedEOF) != c.eof || string(got) != "before" {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	for _, c := range []struct {
		name string
		buf  []byte
		want string
	}{
		{"bytes after the end code", append(bytes.Clone(whole.Buf), 1, 2, 3), "\x08hello hello hello"},
		{"no clear code", []byte{0x08, 0xd0, 0xa4, 0x09, 0x08}, "\x08hi"},
	} {
		got, err := Decompress(nil, &Compressed{Buf: c.buf}, 1000)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// TestDecompressBomb: megabytes out of a few kilobytes are refused at the
// limit, having allocated little more than that.
func TestDecompressBomb(t *testing.T) {
	bomb := AppendCompressed(nil, make([]byte, 4<<20))
	if len(bomb) > 10<<10 {
		t.Fatalf("a bomb of %d bytes", len(bomb))
	}
	var m Compressed
	mustDecode(t, &m, bomb[1:])
	const limit = 64 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Decompress(nil, &m, limit); err != ErrTooLarge {
		t.Errorf("with a limit of 64 KiB: %v", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8*limit {
		t.Errorf("%d bytes allocated to find that there are more than %d", n, limit)
	}
}

// TestMaxDecompressed: no limit of the caller's raises that of the protocol.
func TestMaxDecompressed(t *testing.T) {
	for _, n := range []int{MaxDecompressed, MaxDecompressed + 1} {
		b := AppendSnappy(nil, make([]byte, n))
		var m Compressed
		mustDecode(t, &m, b[1:])
		got, err := Decompress(nil, &m, math.MaxInt)
		if n <= MaxDecompressed && (err != nil || len(got) != n) || n > MaxDecompressed && err != ErrTooLarge {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
	}
	if _, err := Decompress(nil, &Compressed{Algo: AlgoSnappy, Buf: []byte{0}}, -1); err != ErrTooLarge {
		t.Errorf("negative limit: %v", err)
	}
}

// TestTooShort tries the best case, one byte repeated.
func TestTooShort(t *testing.T) {
	for n := range 200 {
		if got := len(AppendCompressed(nil, make([]byte, n))); (got < n) != (n > TooShort) {
			t.Errorf("%d equal bytes become %d", n, got)
		}
	}
}

// FuzzCompress packs all bytes in every way there is.
func FuzzCompress(f *testing.F) {
	for _, src := range samples(f) {
		if len(src) < 2000 {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		checkLZW(t, src)
		checkCompressed(t, AppendCompressed(nil, src), src)
		checkCompressed(t, AppendSnappy(nil, src), src)
	})
}

// FuzzDecompress unpacks all bytes in every way there is, and LZW as peers do.
func FuzzDecompress(f *testing.F) {
	for _, src := range samples(f) {
		if len(src) < 2000 {
			var m Compressed
			mustDecode(f, &m, AppendCompressed(nil, src)[1:])
			f.Add(m.Algo, m.Buf)
			mustDecode(f, &m, AppendSnappy(nil, src)[1:])
			f.Add(m.Algo, m.Buf)
		}
	}
	f.Fuzz(func(t *testing.T, other uint8, buf []byte) {
		const limit = 10_000
		for _, algo := range []uint8{AlgoLZW, AlgoSnappy, other} {
			got, err := Decompress(nil, &Compressed{Algo: algo, Buf: buf}, limit)
			if len(got) > limit {
				t.Fatalf("%d bytes, with a limit of %d", len(got), limit)
			}
			if err != nil && (got != nil || (err != ErrTooLarge && !errors.Is(err, ErrMalformed))) {
				t.Fatalf("%d bytes, error %v", len(got), err)
			}
		}
		checkUnLZW(t, buf, 10)
		checkUnLZW(t, buf, limit)
	})
}

package wire

import (
	"bytes"
	"compress/lzw"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// referenceLZW is what peers send for src.
func referenceLZW(t testing.TB, src []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lzw.NewWriter(&b, lzw.LSB, 8)
	_, err := w.Write(src)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// referenceUnLZW is what peers make of src, at most limit bytes.
func referenceUnLZW(src []byte, limit int) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(lzw.NewReader(bytes.NewReader(src), lzw.LSB, 8), int64(limit)+1))
	switch {
	case len(out) > limit:
		return nil, ErrTooLarge
	case err != nil:
		return nil, err
	}
	return out, nil
}

// checkLZW compares what is made of src, and of what that becomes, with what
// peers make of it.
func checkLZW(t testing.TB, src []byte) {
	t.Helper()
	packed := appendLZW([]byte("before"), src)[len("before"):]
	if want := referenceLZW(t, src); !bytes.Equal(packed, want) {
		t.Fatalf("%d bytes become %d, which differ from the reference's %d", len(src), len(packed), len(want))
	}
	pieces := slices.Chunk(src, 1+len(src)/3)
	if got, want := AppendCompressedPieces(nil, len(src), pieces), AppendCompressed(nil, src); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes become %d in one piece and %d in several", len(src), len(want), len(got))
	}
	checkUnLZW(t, packed, len(src))
	checkUnLZW(t, src, 5000) // hardly ever valid
}

func checkUnLZW(t testing.TB, src []byte, limit int) {
	t.Helper()
	want, wantErr := referenceUnLZW(src, limit)
	got, err := Decompress([]byte("before"), &Compressed{Buf: src}, limit)
	if !bytes.Equal(got, append([]byte("before"), want...)) || (err == nil) != (wantErr == nil) {
		t.Fatalf("%d bytes become %d (%v), the reference's are %d (%v)", len(src), len(got), err, len(want), wantErr)
	}
	for _, kind := range []error{ErrTooLarge, io.ErrUnexpectedEOF} {
		if errors.Is(err, kind) != errors.Is(wantErr, kind) {
			t.Fatalf("%v, and the reference says %v", err, wantErr)
		}
	}
}

// TestLZWIsThePeers': the same bytes as compress/lzw in both directions,
// around each size at which codes grow or run out.
func TestLZWIsThePeers(t *testing.T) {
	for _, src := range samples(t) {
		checkLZW(t, src)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for _, codes := range []int{1, 253, 254, 255, 256, 766, 767, 768, 1790, 1791, 1792, 3836, 3837, 3838, 3839, 9000} {
		// Random bytes take a code each, nearly.
		for _, letters := range []int{1, 2, 256} {
			for more := range 3 {
				src := make([]byte, codes+more)
				for i := range src {
					src[i] = byte(rng.IntN(letters))
				}
				checkLZW(t, src)
			}
		}
	}
}

// TestLZWWithoutClearCodes: peers of other kinds may go on when all codes have
// been given away, or begin without a clear code.
func TestLZWWithoutClearCodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		w := lzwWriter{width: lzwMinWidth}
		codes := 0
		for range 6000 {
			// Any code that there is, that to come included.
			code := uint32(rng.IntN(min(lzwEnd+codes, lzwMaxCode) + 1))
			if code == lzwClear || code == lzwEnd {
				code = 'x'
			}
			w.put(code)
			if codes++; lzwEnd+codes == 1<<w.width && w.width < lzwMaxWidth {
				w.width++
			}
		}
		w.put(lzwEnd)
		checkUnLZW(t, w.end(), 10<<20)
	}
}

// BenchmarkLZW compares with compress/lzw at its best: made once, and with
// readers and writers of memory.
func BenchmarkLZW(b *testing.B) {
	srcs := packets(b)
	var table []byte // as a push/pull has it
	for i := range 2000 {
		table = NodeState{
			Name: fmt.Appendf(nil, "member-%06d", i), Addr: []byte{10, byte(i >> 16), byte(i >> 8), byte(i)}, Port: 7946,
			Incarnation: uint32(i % 7), Vsn: []byte{1, 5, 2, 0, 0, 0},
		}.Append(table)
	}
	srcs["table"] = table
	for name, src := range srcs {
		packed := appendLZW(nil, src)
		buf := make([]byte, 0, 2*len(src)+100)
		measure := func(what string, f func()) {
			b.Run(fmt.Sprintf("%s/%s", name, what), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					f()
				}
			})
		}
		measure("pack/ours", func() { appendLZW(buf, src) })
		writer := lzw.NewWriter(nil, lzw.LSB, 8).(*lzw.Writer)
		measure("pack/reference", func() {
			out := bytes.NewBuffer(buf)
			writer.Reset(out, lzw.LSB, 8)
			writer.Write(src)
			writer.Close()
		})
		measure("unpack/ours", func() { decompressLZW(buf, packed, len(src)) })
		reader := lzw.NewReader(nil, lzw.LSB, 8).(*lzw.Reader)
		measure("unpack/reference", func() {
			reader.Reset(bytes.NewReader(packed), lzw.LSB, 8)
			io.ReadFull(reader, buf[:len(src)])
		})
	}
}

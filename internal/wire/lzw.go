package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sync"
)

// LZW as in GIF, over bytes and least significant bit first, in the variant of
// Go's compress/lzw, which is what peers use. It is our own because most of
// what the general one costs here is its readers and writers of single bytes
// and the table it clears for each message: BenchmarkLZW shows both.
//
// A code of up to 12 bits stands for a byte, or for a phrase that has occurred
// since the last clear code: an earlier one and the byte behind it.
const (
	lzwClear    = 256 // begin anew, with empty tables and codes of lzwMinWidth bits
	lzwEnd      = 257
	lzwFirst    = 258 // of the phrases
	lzwMinWidth = 9
	lzwMaxWidth = 12
	lzwMaxCode  = 1<<lzwMaxWidth - 1
)

// lzwTable finds phrases: an open hash table of those that have a code. A slot
// holds the code of the phrase but for its last byte (12 bits), that byte (8),
// and the code of the whole (12); zero is free. At most a quarter of it is used.
type lzwTable [4 * (lzwMaxCode + 1)]uint32

var lzwTables = sync.Pool{New: func() any { return new(lzwTable) }}

// lzwEncoder compresses what is written to it.
type lzwEncoder struct {
	w     lzwWriter
	table *lzwTable
	mask  uint32 // of the part of the table that is in use
	last  uint32 // the code given away last
	code  uint32 // of the phrase in hand
	begun bool   // there is one
}

// appendLZW appends src, compressed, to dst.
func appendLZW(dst, src []byte) []byte {
	e := beginLZW(dst, len(src))
	e.write(src)
	return e.end()
}

// beginLZW returns an encoder that appends size bytes, compressed, to dst.
func beginLZW(dst []byte, size int) lzwEncoder {
	table := lzwTables.Get().(*lzwTable)
	// A short message needs only a part of the table, and to clear only that.
	width := bits.Len(uint(min(4*size, len(table)-1)))
	clear(table[:1<<width])
	e := lzwEncoder{w: lzwWriter{out: dst, width: lzwMinWidth}, table: table, mask: 1<<width - 1, last: lzwEnd}
	e.w.put(lzwClear)
	return e
}

func (e *lzwEncoder) write(src []byte) {
	if len(src) > 0 && !e.begun {
		e.begun = true
		e.code, src = uint32(src[0]), src[1:]
	}
	table, mask, code := e.table, e.mask, e.code
bytes:
	for _, c := range src {
		phrase := code<<8 | uint32(c)
		// No multiplication that waits for the code, since that is what the
		// next one waits for.
		at := (code<<2 ^ uint32(c)*0x9e5) & mask
		slot := table[at]
		for ; slot != 0; slot = table[at] {
			if slot>>lzwMaxWidth == phrase {
				code = slot & lzwMaxCode
				continue bytes
			}
			at = (at + 1) & mask
		}
		e.w.put(code)
		if e.last = e.w.count(e.last); e.last == lzwEnd {
			clear(table[:mask+1])
		} else {
			table[at] = phrase<<lzwMaxWidth | e.last
		}
		code = uint32(c)
	}
	e.code = code
}

// end returns what was compressed, behind what it was to be appended to.
func (e *lzwEncoder) end() []byte {
	if e.begun {
		e.w.put(e.code)
		e.w.count(e.last)
	}
	e.w.put(lzwEnd)
	lzwTables.Put(e.table)
	return e.w.end()
}

// lzwWriter packs codes.
type lzwWriter struct {
	out   []byte
	bits  uint64 // not in out yet
	n     int    // of bits
	width int    // of the next code
}

func (w *lzwWriter) put(code uint32) {
	w.bits |= uint64(code) << w.n
	if w.n += w.width; w.n >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.bits))
		w.bits >>= 32
		w.n -= 32
	}
}

// count gives away the code after last. When there is none left it clears, and
// returns lzwEnd.
func (w *lzwWriter) count(last uint32) uint32 {
	last++
	if last == 1<<w.width {
		w.width++
	}
	if last == lzwMaxCode {
		w.put(lzwClear)
		w.width, last = lzwMinWidth, lzwEnd
	}
	return last
}

// end fills up the last byte.
func (w *lzwWriter) end() []byte {
	for ; w.n > 0; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
	return w.out
}

// lzwStarts is where in the output each code since the last clear code began.
// That is all there is to know: the phrase that got a code with the n-th of
// them goes from where that one's predecessor began to its own first byte.
type lzwStarts [lzwMaxCode - lzwEnd + 1]uint32

var lzwStartsPool = sync.Pool{New: func() any { return new(lzwStarts) }}

// decompressLZW appends what src stands for to dst, at most limit bytes.
func decompressLZW(dst, src []byte, limit int) ([]byte, error) {
	starts := lzwStartsPool.Get().(*lzwStarts)
	defer lzwStartsPool.Put(starts)
	out := dst
	limit += len(dst)
	var (
		acc   uint32 // bits of src, of which
		have  int    // are not used yet
		width = lzwMinWidth
		n     = 0 // codes since the last clear code, as far as starts has room
	)
	for {
		for ; have < width; have += 8 {
			if len(src) == 0 {
				return out, fmt.Errorf("decompress: %w: %w", ErrMalformed, io.ErrUnexpectedEOF)
			}
			acc |= uint32(src[0]) << have
			src = src[1:]
		}
		code := int(acc & (1<<width - 1))
		acc >>= width
		have -= width

		if n < len(starts) {
			starts[n] = uint32(len(out))
		}
		switch {
		case code < lzwClear:
			if len(out) == limit {
				return out, ErrTooLarge
			}
			if len(out) == cap(out) {
				out = growLZW(out, len(dst), len(src), 1, limit)
			}
			out = append(out, byte(code))
		case code == lzwClear:
			width, n = lzwMinWidth, 0
			continue
		case code == lzwEnd:
			return out, nil
		case code-lzwEnd > n:
			return out, fmt.Errorf("decompress: %w: no such code: %d", ErrMalformed, code)
		default:
			from, end := int(starts[code-lzwFirst]), int(starts[code-lzwEnd])+1
			if end-from > limit-len(out) {
				return out, ErrTooLarge
			}
			if end-from > cap(out)-len(out) {
				out = growLZW(out, len(dst), len(src), end-from, limit)
			}
			at := len(out)
			out = out[:at+end-from]
			// Most are too short for copy to pay, and one that got its code just
			// now ends with the first byte of itself, which is written here first.
			for i, c := range out[from:end] {
				out[at+i] = c
			}
		}
		if n < len(starts) {
			n++
		}
		if lzwEnd+n == 1<<width && width < lzwMaxWidth {
			width++
		}
	}
}

// growLZW makes room for more bytes, and for what is likely to follow, but not
// beyond limit. left is how many compressed bytes are left.
func growLZW(out []byte, start, left, more, limit int) []byte {
	const minGrowth = 512
	more = max(more, min(max(minGrowth, 4*left, len(out)-start), limit-len(out)))
	grown := make([]byte, len(out), len(out)+more)
	copy(grown, out)
	return grown
}

package wire

import (
	"encoding/binary"
	"slices"
)

// The block format of Snappy: the length of what was compressed as a varint,
// then elements that begin with a tag. Its low two bits say what it is:
//
//	00  literal bytes: their number less one in the upper six bits, or, when
//	    those are 60..63, in the 1..4 bytes that follow
//	01  copy of 4..11 earlier bytes, from up to 2047 bytes back
//	10  copy of 1..64 earlier bytes, from up to 64 KiB back
//	11  copy of 1..64 earlier bytes, from anywhere
//
// A copy may reach into the bytes it produces, and so repeat a pattern.
const (
	snappyLiteral = 0
	snappyCopy1   = 1
	snappyCopy2   = 2

	snappyMaxCopy    = 64
	snappyMaxOffset1 = 1<<11 - 1
	snappyMaxOffset2 = 1<<16 - 1
	snappyMaxGrowth  = 22 // 64 bytes out of 3 is the most an element yields
)

// appendSnappy compresses src. It finds earlier bytes through a table of the
// last place where four bytes of the same hash were seen.
func appendSnappy(dst, src []byte) []byte {
	const hashBits = 11
	var last [1 << hashBits]uint32 // one more than the place
	dst = binary.AppendUvarint(dst, uint64(len(src)))
	literal := 0 // where the bytes begin that are not yet in dst
	for i := 0; i+4 <= len(src); {
		four := binary.LittleEndian.Uint32(src[i:])
		h := four * 0x1e35a7bd >> (32 - hashBits)
		from := int(last[h]) - 1
		last[h] = uint32(i + 1)
		if from < 0 || i-from > snappyMaxOffset2 || binary.LittleEndian.Uint32(src[from:]) != four {
			i += 1 + (i-literal)/32 // give up sooner on what does not compress
			continue
		}
		n := 4
		for i+n < len(src) && src[from+n] == src[i+n] {
			n++
		}
		dst = appendSnappyLiteral(dst, src[literal:i])
		dst = appendSnappyCopy(dst, i-from, n)
		i += n
		literal = i
	}
	return appendSnappyLiteral(dst, src[literal:])
}

func appendSnappyLiteral(dst, s []byte) []byte {
	if len(s) == 0 {
		return dst
	}
	switch n := len(s) - 1; {
	case n < 60:
		dst = append(dst, byte(n)<<2|snappyLiteral)
	case n < 1<<8:
		dst = append(dst, 60<<2|snappyLiteral, byte(n))
	case n < 1<<16:
		dst = append(dst, 61<<2|snappyLiteral, byte(n), byte(n>>8))
	default: // 4 bytes do where 3 would, too
		dst = binary.LittleEndian.AppendUint32(append(dst, 63<<2|snappyLiteral), uint32(n))
	}
	return append(dst, s...)
}

func appendSnappyCopy(dst []byte, offset, n int) []byte {
	for n > 0 {
		if n >= 4 && n <= 11 && offset <= snappyMaxOffset1 {
			return append(dst, byte(offset>>8)<<5|byte(n-4)<<2|snappyCopy1, byte(offset))
		}
		step := min(n, snappyMaxCopy)
		dst = append(dst, byte(step-1)<<2|snappyCopy2, byte(offset), byte(offset>>8))
		n -= step
	}
	return dst
}

var errSnappy = &MalformedError{Message: "compressed message", Field: "Buf", Reason: "corrupt snappy data"}

// decompressSnappy appends what src holds to dst, at most limit bytes.
func decompressSnappy(dst, src []byte, limit int) ([]byte, error) {
	announced, k := binary.Uvarint(src)
	if k <= 0 {
		return dst, errSnappy
	}
	src = src[k:]
	if announced > uint64(limit) {
		return dst, ErrTooLarge
	}
	if announced > snappyMaxGrowth*uint64(len(src)) {
		return dst, errSnappy // do not allocate for what cannot come
	}
	start, want := len(dst), len(dst)+int(announced)
	out := slices.Grow(dst, int(announced))
	for len(src) > 0 {
		tag := src[0]
		upper := tag >> 2
		extra := 0 // bytes between the tag and what follows the element's head
		switch kind := tag & 3; {
		case kind != snappyLiteral:
			extra = 1 << (kind - 1)
		case upper >= 60:
			extra = int(upper) - 59
		}
		if len(src) <= extra {
			return out, errSnappy
		}
		var number uint32
		for i := extra; i > 0; i-- {
			number = number<<8 | uint32(src[i])
		}
		src = src[1+extra:]

		if tag&3 == snappyLiteral {
			if extra == 0 {
				number = uint32(upper)
			}
			if uint64(number) >= uint64(min(len(src), want-len(out))) {
				return out, errSnappy
			}
			out = append(out, src[:number+1]...)
			src = src[number+1:]
			continue
		}
		n := 1 + int(upper)
		if tag&3 == snappyCopy1 {
			n = 4 + int(upper&7)
			number |= uint32(tag>>5) << 8
		}
		if number == 0 || uint64(number) > uint64(len(out)-start) || n > want-len(out) {
			return out, errSnappy
		}
		for range n { // one at a time: it may repeat what it produces
			out = append(out, out[len(out)-int(number)])
		}
	}
	if len(out) != want {
		return out, errSnappy
	}
	return out, nil
}

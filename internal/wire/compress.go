package wire

import (
	"fmt"
	"iter"
)

// Compression algorithms: the Algo of Compressed.
const (
	AlgoLZW    = 0 // LZW as in GIF: least significant bit first, literals of 8 bits
	AlgoSnappy = 1 // Snappy's block format; only peers of the Grafana fork and of our kind know it
)

// AppendCompressed appends the message src, compressed with LZW, to dst, type
// byte and all. It may well be longer than src.
func AppendCompressed(dst, src []byte) []byte {
	dst, start := beginCompressed(dst, AlgoLZW)
	return endCompressed(appendLZW(dst, src), start)
}

// AppendCompressedPieces does the same with a message of size bytes in pieces,
// each of which is valid until the next.
func AppendCompressedPieces(dst []byte, size int, pieces iter.Seq[[]byte]) []byte {
	dst, start := beginCompressed(dst, AlgoLZW)
	e := beginLZW(dst, size)
	for piece := range pieces {
		e.write(piece)
	}
	return endCompressed(e.end(), start)
}

// AppendSnappy does the same with Snappy, which is several times faster and
// compresses less. Peers have to be known to understand it.
func AppendSnappy(dst, src []byte) []byte {
	dst, start := beginCompressed(dst, AlgoSnappy)
	return endCompressed(appendSnappy(dst, src), start)
}

// compressedRoom is kept free for the header of a string of up to 64 KiB.
const compressedRoom = 3

// beginCompressed appends all that goes before the compressed bytes, which
// have to be appended next and start at the index returned.
func beginCompressed(dst []byte, algo byte) ([]byte, int) {
	dst = append(dst, byte(TypeCompress), fixMap|2)
	dst = append(dst, "\xa4Algo"...)
	dst = append(dst, algo)
	dst = append(dst, "\xa3Buf"...)
	dst = append(dst, make([]byte, compressedRoom)...)
	return dst, len(dst)
}

// endCompressed puts in the length of the compressed bytes, and moves them if
// its header is shorter or longer than expected.
func endCompressed(dst []byte, start int) []byte {
	n := len(dst) - start
	extra := stringHeaderLen(n) - compressedRoom
	if extra > 0 {
		dst = append(dst, make([]byte, extra)...)
	}
	copy(dst[start+extra:], dst[start:start+n])
	appendStringHeader(dst[:start-compressedRoom], n)
	return dst[:start+extra+n]
}

// TooShort is the length, in bytes, up to which no message gets shorter with
// LZW: an ack, for one. Even of one byte repeated, k codes cover at most
// 1+2+...+k bytes. For 24 bytes k is 7, which makes 9 codes with clear and end,
// 11 bytes, and a message of 24.
const TooShort = 24

// Decompress appends the decompressed message to dst. The result may be empty,
// which no receiver accepts as a message.
//
// It returns ErrTooLarge when there would be more than limit bytes, or more
// than MaxDecompressed, and never holds more than twice that.
// Other errors wrap ErrMalformed.
func Decompress(dst []byte, m *Compressed, limit int) ([]byte, error) {
	out, err := DecompressPart(dst, m, limit)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// DecompressPart is Decompress for those who count what it costs: with an error
// it returns what came out until then.
func DecompressPart(dst []byte, m *Compressed, limit int) ([]byte, error) {
	if limit < 0 {
		return dst, ErrTooLarge
	}
	limit = min(limit, MaxDecompressed)
	switch m.Algo {
	case AlgoLZW:
		return decompressLZW(dst, m.Buf, limit)
	case AlgoSnappy:
		return decompressSnappy(dst, m.Buf, limit)
	}
	return dst, &MalformedError{Message: "compressed message", Field: "Algo", Reason: fmt.Sprintf("unknown algorithm %d", m.Algo)}
}

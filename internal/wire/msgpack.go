package wire

import (
	"encoding/binary"
	"math"
)

// Descriptor bytes of msgpack: each value starts with one.
const (
	fixMap   = 0x80 // low 4 bits: pairs
	fixArray = 0x90 // low 4 bits: elements
	fixStr   = 0xa0 // low 5 bits: bytes
	mpNil    = 0xc0
	mpFalse  = 0xc2
	mpTrue   = 0xc3
	bin8     = 0xc4
	bin16    = 0xc5
	bin32    = 0xc6
	ext8     = 0xc7
	ext16    = 0xc8
	ext32    = 0xc9
	float32b = 0xca
	float64b = 0xcb
	uint8b   = 0xcc
	uint16b  = 0xcd
	uint32b  = 0xce
	uint64b  = 0xcf
	int8b    = 0xd0
	int16b   = 0xd1
	int32b   = 0xd2
	int64b   = 0xd3
	fixExt1  = 0xd4
	fixExt2  = 0xd5
	fixExt4  = 0xd6
	fixExt8  = 0xd7
	fixExt16 = 0xd8
	str8     = 0xd9
	str16    = 0xda
	str32    = 0xdb
	array16  = 0xdc
	array32  = 0xdd
	map16    = 0xde
	map32    = 0xdf
	negFix   = 0xe0 // e0..ff: -32..-1
)

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, mpTrue)
	}
	return append(dst, mpFalse)
}

// appendUint encodes the unsigned fields.
func appendUint(dst []byte, v uint32) []byte {
	switch {
	case v <= 0x7f:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, uint8b, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, uint16b), uint16(v))
	default:
		return binary.BigEndian.AppendUint32(append(dst, uint32b), v)
	}
}

// appendInt encodes the signed fields. From 128 on, the reference codec uses
// the signed forms even for positive numbers, never the unsigned ones, and no
// eight-bit form above zero.
func appendInt(dst []byte, n int) []byte {
	v := int64(n)
	switch {
	case v >= -32 && v <= math.MaxInt8:
		return append(dst, byte(v))
	case v >= math.MinInt8 && v < 0:
		return append(dst, int8b, byte(v))
	case v >= math.MinInt16 && v <= math.MaxInt16:
		return binary.BigEndian.AppendUint16(append(dst, int16b), uint16(v))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(dst, int32b), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, int64b), uint64(v))
	}
}

// appendBytes encodes a byte slice, of which nil and empty are different values.
func appendBytes(dst, v []byte) []byte {
	if v == nil {
		return append(dst, mpNil)
	}
	return appendString(dst, v)
}

// appendString encodes a string, of which nil is the empty one. The peers
// know only the oldest form of msgpack strings: no str8, no bin.
func appendString(dst, v []byte) []byte {
	return append(appendStringHeader(dst, len(v)), v...)
}

func appendStringHeader(dst []byte, n int) []byte {
	switch {
	case n < 32:
		return append(dst, fixStr|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, str16), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, str32), uint32(n))
	}
}

// stringHeaderLen is the number of bytes that appendStringHeader appends.
func stringHeaderLen(n int) int {
	switch {
	case n < 32:
		return 1
	case n <= math.MaxUint16:
		return 3
	default:
		return 5
	}
}

// stringLen, uintLen and intLen are the number of bytes that a value takes.

func stringLen(v []byte) int { return stringHeaderLen(len(v)) + len(v) }

func uintLen(v uint32) int {
	var b [5]byte
	return len(appendUint(b[:0], v))
}

func intLen(n int) int {
	var b [9]byte
	return len(appendInt(b[:0], n))
}

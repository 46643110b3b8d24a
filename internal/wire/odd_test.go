package wire

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestDecodeAsReference makes bodies that are mostly right, in any form the
// format has for the same value, with some nonsense put in, and demands of
// each what the fuzz targets demand. Mutating bytes hardly ever gets there.
func TestDecodeAsReference(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	for _, make := range decoders {
		name := reflect.TypeOf(make()).Elem().Name()
		t.Run(name, func(t *testing.T) {
			accepted := 0
			for seed := range uint64(rounds) {
				g := generator{rand.New(rand.NewPCG(seed, 7))}
				body := g.body(nil, oracle(make()))
				checkDecode(t, make, body)
				if _, err := make().Decode(body); err == nil {
					accepted++
				}
			}
			if accepted < rounds/10 || accepted > rounds*95/100 {
				t.Errorf("%d of %d bodies accepted: the generator is useless", accepted, rounds)
			}
		})
	}
}

// generator makes msgpack of all kinds.
type generator struct{ *rand.Rand }

func (g generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// body appends a struct with the fields of v, which are set to anything.
func (g generator) body(b []byte, v any) []byte {
	typ := reflect.TypeOf(v).Elem()
	if g.oneIn(60) {
		return append(g.value(b, 0), 1, 2, 3)
	}
	n := g.IntN(typ.NumField() + 2)
	if g.oneIn(2) {
		n = typ.NumField()
	}
	if g.oneIn(5) { // array
		b = g.header(b, n, fixArray, 15, 0, array16, array32)
		for i := range n {
			if i < typ.NumField() {
				b = g.field(b, typ.Field(i).Type)
			} else {
				b = g.value(b, 0)
			}
		}
	} else {
		b = g.header(b, n, fixMap, 15, 0, map16, map32)
		perm := g.Perm(typ.NumField())
		for i := range n {
			if i >= len(perm) || g.oneIn(20) {
				b = g.value(g.key(b, g.name(typ)), 0)
				continue
			}
			f := typ.Field(perm[i])
			if g.oneIn(25) {
				f = typ.Field(0) // likely twice
			}
			b = g.field(g.key(b, f.Name), f.Type)
		}
	}
	for g.oneIn(3) {
		b = append(b, byte(g.Uint32()))
	}
	if g.oneIn(12) {
		b = b[:g.IntN(len(b)+1)]
	}
	if g.oneIn(12) && len(b) > 0 {
		b[g.IntN(len(b))] = byte(g.Uint32())
	}
	return b
}

// name is something close to a field's name.
func (g generator) name(typ reflect.Type) string {
	s := []byte(typ.Field(g.IntN(typ.NumField())).Name)
	switch g.IntN(5) {
	case 0:
		s[0] |= 0x20 // other case
	case 1:
		s = append(s, "more than any name has"[:g.IntN(20)]...)
	case 2:
		s = s[:g.IntN(len(s)+1)]
	}
	return string(s)
}

func (g generator) key(b []byte, name string) []byte {
	switch {
	case g.oneIn(60):
		return g.value(b, 0)
	case g.oneIn(8):
		return g.ints(g.header(b, len(name), fixArray, 15, 0, array16, array32), []byte(name))
	}
	return g.str(b, []byte(name))
}

// field appends a value for a field of type typ: nearly always a fitting one.
func (g generator) field(b []byte, typ reflect.Type) []byte {
	if g.oneIn(20) {
		return append(b, mpNil)
	}
	if g.oneIn(50) {
		return g.value(b, 0)
	}
	switch typ.Kind() {
	case reflect.Bool:
		return append(b, []byte{mpTrue, mpFalse, 0, 1}[g.IntN(4)])
	case reflect.String, reflect.Slice:
		s := make([]byte, []int{0, 1, 4, 6, 16, 31, 32, 300}[g.IntN(8)])
		for i := range s {
			s[i] = byte(g.Uint32())
		}
		switch {
		case g.oneIn(8):
			return g.ints(g.header(b, len(s), fixArray, 15, 0, array16, array32), s)
		case g.oneIn(8) && typ.Kind() == reflect.Slice:
			return g.ints(g.header(b, len(s)/2, fixMap, 15, 0, map16, map32), s[:len(s)/2*2])
		}
		return g.str(b, s)
	case reflect.Int:
		return g.int(b, int64(g.interesting()))
	default:
		bits := typ.Bits()
		v := g.interesting()
		if !g.oneIn(20) {
			v &= 1<<bits - 1
		}
		return g.int(b, int64(v))
	}
}

// interesting is an integer near a power of two, of either sign.
func (g generator) interesting() uint64 {
	v := uint64(1)<<g.IntN(64) - uint64(g.IntN(3)) + uint64(g.IntN(2))
	if g.oneIn(6) {
		v = -v
	}
	return v
}

// int appends v in any of the forms it fits, or as an unsigned 64-bit number.
func (g generator) int(b []byte, v int64) []byte {
	for {
		switch g.IntN(10) {
		case 0:
			if v >= 0 && v <= math.MaxInt8 {
				return append(b, byte(v))
			}
		case 1:
			if v >= -32 && v < 0 {
				return append(b, byte(v))
			}
		case 2:
			if v >= 0 && v <= math.MaxUint8 {
				return append(b, uint8b, byte(v))
			}
		case 3:
			if v >= 0 && v <= math.MaxUint16 {
				return binary.BigEndian.AppendUint16(append(b, uint16b), uint16(v))
			}
		case 4:
			if v >= 0 && v <= math.MaxUint32 {
				return binary.BigEndian.AppendUint32(append(b, uint32b), uint32(v))
			}
		case 5:
			return binary.BigEndian.AppendUint64(append(b, uint64b), uint64(v))
		case 6:
			if int64(int8(v)) == v {
				return append(b, int8b, byte(v))
			}
		case 7:
			if int64(int16(v)) == v {
				return binary.BigEndian.AppendUint16(append(b, int16b), uint16(v))
			}
		case 8:
			if int64(int32(v)) == v {
				return binary.BigEndian.AppendUint32(append(b, int32b), uint32(v))
			}
		case 9:
			return binary.BigEndian.AppendUint64(append(b, int64b), uint64(v))
		}
	}
}

// ints appends each byte of s as an integer of its own.
func (g generator) ints(b, s []byte) []byte {
	for _, c := range s {
		switch {
		case g.oneIn(100):
			b = g.value(b, 0)
		case g.oneIn(30):
			b = append(b, mpNil)
		default:
			b = g.int(b, int64(c))
		}
	}
	return b
}

func (g generator) str(b, s []byte) []byte {
	if g.oneIn(4) {
		return append(g.header(b, len(s), 0, -1, bin8, bin16, bin32), s...)
	}
	return append(g.header(b, len(s), fixStr, 31, str8, str16, str32), s...)
}

// header appends the length n in any form that holds it: in the low bits of
// fix up to fixMax, or in 8, 16 or 32 bits behind the descriptors given.
func (g generator) header(b []byte, n int, fix, fixMax int, d8, d16, d32 byte) []byte {
	for {
		switch g.IntN(5) {
		case 0, 1:
			if n <= fixMax {
				return append(b, byte(fix|n))
			}
		case 2:
			if n <= math.MaxUint8 && d8 != 0 {
				return append(b, d8, byte(n))
			}
		case 3:
			if n <= math.MaxUint16 {
				return binary.BigEndian.AppendUint16(append(b, d16), uint16(n))
			}
		case 4:
			return binary.BigEndian.AppendUint32(append(b, d32), uint32(n))
		}
	}
}

// value appends a value of any type.
func (g generator) value(b []byte, depth int) []byte {
	bytes := func(n int) []byte {
		for range n {
			b = append(b, byte(g.Uint32()))
		}
		return b
	}
	if depth > 4 {
		return append(b, mpNil)
	}
	switch g.IntN(9) {
	case 0:
		n := g.IntN(4)
		b = g.header(b, n, fixArray, 15, 0, array16, array32)
		for range n {
			b = g.value(b, depth+1)
		}
		return b
	case 1:
		n := g.IntN(3)
		b = g.header(b, n, fixMap, 15, 0, map16, map32)
		for range 2 * n {
			b = g.value(b, depth+1)
		}
		return b
	case 2:
		n := g.IntN(5)
		b = append(b, byte(fixExt1+n), g.extType())
		return bytes(1 << n)
	case 3:
		n := g.IntN(20)
		b = append(g.header(b, n, 0, -1, ext8, ext16, ext32), g.extType())
		return bytes(n)
	case 4:
		b = append(b, float64b)
		return bytes(8)
	case 5:
		b = append(b, float32b)
		return bytes(4)
	case 6:
		s := make([]byte, g.IntN(40))
		return g.str(b, s)
	case 7:
		return append(b, byte(mpNil+g.IntN(4)))
	default:
		return g.int(b, int64(g.interesting()))
	}
}

func (g generator) extType() byte {
	if g.oneIn(3) {
		return 0xff
	}
	return byte(g.Uint32())
}

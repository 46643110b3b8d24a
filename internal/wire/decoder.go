package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// decoder walks over one msgpack struct. It accepts all that the reference
// codec accepts, from peers of any age: keys in any order, keys nobody knows,
// structs as arrays, strings in eight forms and integers in nine.
//
// The first failure sticks: from then on every method returns zero and next
// returns false, so that a message is decoded without looking at errors.
// Nothing here allocates but the one conversion in intsAsBytes.
type decoder struct {
	b    []byte // not yet read
	err  error  // ErrShort, or errMalformed with the reason in why
	why  string
	key  []byte // name of the field whose value comes next; empty when nobody knows it
	left uint32 // pairs or elements not yet begun
	form structForm
	elem int // array form: elements begun
}

type structForm uint8

const (
	formUnread structForm = iota
	formMap               // pairs of key and value
	formArray             // values in declaration order
)

// errMalformed marks a decoder as failed; finish makes a MalformedError of it.
var errMalformed = errors.New("malformed")

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err, d.why = errMalformed, why
	}
}

func (d *decoder) short() {
	if d.err == nil {
		d.err = ErrShort
	}
}

// next moves on to the next field, whose name is then d.key, and whose value
// the caller must read or skip. fields are the names in declaration order,
// which an array of values refers to.
func (d *decoder) next(fields []string) bool {
	if d.form == formUnread {
		d.begin()
	}
	if d.err != nil || d.left == 0 {
		return false
	}
	d.left--
	if d.form == formMap {
		d.readKey(fields)
		return d.err == nil
	}
	d.key = nil // an element more than we know
	if d.elem < len(fields) {
		d.key = Bytes(fields[d.elem])
	}
	d.elem++
	return true
}

// finish returns what follows the struct, or the error.
func (d *decoder) finish(message string) ([]byte, error) {
	switch d.err {
	case nil:
		return d.b, nil
	case ErrShort:
		return nil, ErrShort
	}
	return nil, &MalformedError{
		Message: message,
		Field:   string(d.key[:min(len(d.key), maxErrorKeyLen)]),
		Reason:  d.why,
	}
}

// begin reads the header of the struct.
func (d *decoder) begin() {
	d.form = formMap
	c := d.readByte()
	switch {
	case d.err != nil, c == mpNil: // nil: every field is zero
	case c&0xf0 == fixMap:
		d.left = uint32(c & 0x0f)
	case c == map16:
		d.left = uint32(d.readUint16())
	case c == map32:
		d.left = d.readUint32()
	case c&0xf0 == fixArray:
		d.form, d.left = formArray, uint32(c&0x0f)
	case c == array16:
		d.form, d.left = formArray, uint32(d.readUint16())
	case c == array32:
		d.form, d.left = formArray, d.readUint32()
	default:
		d.fail("neither map nor array")
	}
}

// readKey reads the key of a pair into d.key.
func (d *decoder) readKey(fields []string) {
	d.key = nil
	c := d.readByte()
	if n, ok := d.stringLen(c); ok {
		if d.key = d.take(uint64(n)); n == 0 {
			d.fail("empty key")
		}
		return
	}
	n, ok := d.arrayLen(c)
	if !ok {
		d.fail("key is not a string")
		return
	}
	// The key's bytes as integers, which no peer sends either. One that is
	// longer than all our names is unknown by that, but has to be well-formed.
	if n == 0 {
		d.fail("empty key")
	}
	var name [maxNameLen]byte
	for i := uint32(0); i < n && d.err == nil; i++ {
		v := d.uint(math.MaxUint8)
		if i < maxNameLen {
			name[i] = byte(v)
		}
	}
	if n > maxNameLen {
		return
	}
	for _, field := range fields {
		if field == string(name[:n]) {
			d.key = Bytes(field)
		}
	}
}

// uint reads an unsigned integer of any width. nil is zero.
func (d *decoder) uint(limit uint64) uint64 {
	v, negative := d.integer()
	switch {
	case negative:
		d.fail("negative")
	case v > limit:
		d.fail("out of range")
	default:
		return v
	}
	return 0
}

func (d *decoder) uint8() uint8   { return uint8(d.uint(math.MaxUint8)) }
func (d *decoder) uint16() uint16 { return uint16(d.uint(math.MaxUint16)) }
func (d *decoder) uint32() uint32 { return uint32(d.uint(math.MaxUint32)) }

// int reads a signed integer of any width. nil is zero. Above 2^63-1 it wraps
// to the negative, as with the reference codec; everyone refuses those.
func (d *decoder) int() int {
	u, _ := d.integer()
	v := int64(u)
	if strconv.IntSize == 32 && int64(int32(v)) != v {
		d.fail("out of range")
		return 0
	}
	return int(v)
}

// integer reads an integer of any form as two's complement. negative
// distinguishes -1 from 2^64-1.
func (d *decoder) integer() (v uint64, negative bool) {
	c := d.readByte()
	var s int64
	switch {
	case d.err != nil || c == mpNil:
		return 0, false
	case c <= 0x7f:
		return uint64(c), false
	case c >= negFix:
		s = int64(int8(c))
	case c == uint8b:
		return uint64(d.readByte()), false
	case c == uint16b:
		return uint64(d.readUint16()), false
	case c == uint32b:
		return uint64(d.readUint32()), false
	case c == uint64b:
		return d.readUint64(), false
	case c == int8b:
		s = int64(int8(d.readByte()))
	case c == int16b:
		s = int64(int16(d.readUint16()))
	case c == int32b:
		s = int64(int32(d.readUint32()))
	case c == int64b:
		s = int64(d.readUint64())
	default:
		d.fail("not an integer")
	}
	return uint64(s), s < 0
}

// bool reads a boolean, which may be 0 or 1 in their shortest form.
func (d *decoder) bool() bool {
	switch c := d.readByte(); c {
	case mpTrue, 1:
		return true
	case mpFalse, 0, mpNil:
	default:
		d.fail("not a boolean")
	}
	return false
}

// string reads a string as bytes that borrow from the input.
func (d *decoder) string() []byte {
	c := d.readByte()
	if d.err != nil || c == mpNil {
		return nil
	}
	if n, ok := d.stringLen(c); ok {
		return d.take(uint64(n))
	}
	if n, ok := d.arrayLen(c); ok {
		return d.intsAsBytes(uint64(n))
	}
	d.fail("not a string")
	return nil
}

// bytes reads a byte slice, which borrows from the input. nil stays nil and
// empty stays empty.
func (d *decoder) bytes() []byte {
	c := d.readByte()
	if d.err != nil || c == mpNil {
		return nil
	}
	if n, ok := d.stringLen(c); ok {
		return d.take(uint64(n))
	}
	if n, ok := d.arrayLen(c); ok {
		return d.intsAsBytes(uint64(n))
	}
	if n, ok := d.mapLen(c); ok { // keys and values are equally bytes
		return d.intsAsBytes(2 * uint64(n))
	}
	d.fail("not a byte string")
	return nil
}

// intsAsBytes reads n integers as the bytes of a string. No peer sends such,
// but the reference codec reads them.
func (d *decoder) intsAsBytes(n uint64) []byte {
	if n > uint64(len(d.b)) { // each takes a byte or more: do not allocate for what is not there
		d.short()
	}
	if d.err != nil {
		return nil
	}
	v := make([]byte, n)
	for i := range v {
		v[i] = byte(d.uint(math.MaxUint8))
	}
	if d.err != nil {
		return nil
	}
	return v
}

// skip passes over a value of any type, which is under a key, or in an array
// beyond the fields, that we do not know.
func (d *decoder) skip() { d.skipValue(0) }

// skipValue skips a value that is inside depth containers.
func (d *decoder) skipValue(depth int) {
	c := d.readByte()
	if d.err != nil || c <= 0x7f || c >= negFix {
		return
	}
	if n, ok := d.stringLen(c); ok {
		d.take(uint64(n))
		return
	}
	n, ok := d.arrayLen(c)
	values := uint64(n)
	if !ok {
		n, ok = d.mapLen(c)
		values = 2 * uint64(n)
	}
	if ok {
		// Recursion is bounded here, the loop by the input: every value
		// takes a byte or fails.
		if depth == maxSkipDepth {
			d.fail("nested too deeply")
		}
		for ; values > 0 && d.err == nil; values-- {
			d.skipValue(depth + 1)
		}
		return
	}
	switch c {
	case mpNil, mpFalse, mpTrue:
	case uint8b, int8b:
		d.take(1)
	case uint16b, int16b:
		d.take(2)
	case uint32b, int32b, float32b:
		d.take(4)
	case uint64b, int64b, float64b:
		d.take(8)
	case fixExt1, fixExt2, fixExt4, fixExt8, fixExt16:
		d.skipExt(1 << (c - fixExt1))
	case ext8:
		d.skipExt(uint64(d.readByte()))
	case ext16:
		d.skipExt(uint64(d.readUint16()))
	case ext32:
		d.skipExt(uint64(d.readUint32()))
	default: // c1, the only one without meaning
		d.fail("reserved descriptor c1")
	}
}

// skipExt skips the type and the n bytes of an extension.
func (d *decoder) skipExt(n uint64) {
	const timestamp = 0xff // type -1, the one extension whose body is looked into
	kind := d.readByte()
	if kind == timestamp && n != 4 && n != 8 && n != 12 {
		d.fail("invalid timestamp")
	}
	d.take(n)
}

// stringLen reads the length of the string or binary that c begins.
func (d *decoder) stringLen(c byte) (n uint32, ok bool) {
	switch {
	case c&0xe0 == fixStr:
		return uint32(c & 0x1f), true
	case c == str8, c == bin8:
		return uint32(d.readByte()), true
	case c == str16, c == bin16:
		return uint32(d.readUint16()), true
	case c == str32, c == bin32:
		return d.readUint32(), true
	}
	return 0, false
}

// arrayLen reads the number of elements of the array that c begins.
func (d *decoder) arrayLen(c byte) (n uint32, ok bool) {
	switch {
	case c&0xf0 == fixArray:
		return uint32(c & 0x0f), true
	case c == array16:
		return uint32(d.readUint16()), true
	case c == array32:
		return d.readUint32(), true
	}
	return 0, false
}

// mapLen reads the number of pairs of the map that c begins.
func (d *decoder) mapLen(c byte) (n uint32, ok bool) {
	switch {
	case c&0xf0 == fixMap:
		return uint32(c & 0x0f), true
	case c == map16:
		return uint32(d.readUint16()), true
	case c == map32:
		return d.readUint32(), true
	}
	return 0, false
}

// take returns the next n bytes. Appending to them never writes into the input.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.short()
	}
	if d.err != nil {
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) readByte() byte {
	if len(d.b) == 0 || d.err != nil {
		d.short()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) readUint16() uint16 {
	if v := d.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (d *decoder) readUint32() uint32 {
	if v := d.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) readUint64() uint64 {
	if v := d.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

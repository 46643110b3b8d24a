package wire

import "encoding/binary"

// All members send a struct in one form: the one that Append makes. For the
// messages that make up nearly all traffic, Decode tries that form first, key
// by key, and only when it meets anything else leaves the message to decoder.
// That takes a quarter of the time. (A cursor is passed by value, so that it
// stays in registers; by reference alive takes three times as long.)

// cursor walks over a struct in the form that Append makes. The first
// difference sticks: from then on lost is set and nothing it returns means
// anything.
type cursor struct {
	b    []byte // not yet read
	lost bool
}

// key passes over a header or a key, encoded.
func (c cursor) key(k string) cursor {
	if len(c.b) < len(k) || string(c.b[:len(k)]) != k {
		return cursor{lost: true}
	}
	c.b = c.b[len(k):]
	return c
}

func (c cursor) uint32() (uint32, cursor) {
	b := c.b
	switch {
	case len(b) >= 1 && b[0] <= 0x7f:
		return uint32(b[0]), cursor{b[1:], c.lost}
	case len(b) >= 2 && b[0] == uint8b:
		return uint32(b[1]), cursor{b[2:], c.lost}
	case len(b) >= 3 && b[0] == uint16b:
		return uint32(binary.BigEndian.Uint16(b[1:])), cursor{b[3:], c.lost}
	case len(b) >= 5 && b[0] == uint32b:
		return binary.BigEndian.Uint32(b[1:]), cursor{b[5:], c.lost}
	}
	return 0, cursor{lost: true}
}

func (c cursor) uint16() (uint16, cursor) {
	v, c := c.uint32()
	c.lost = c.lost || v>>16 != 0
	return uint16(v), c
}

// bytes reads a string or a byte slice, which borrows from the input.
func (c cursor) bytes() ([]byte, cursor) {
	b := c.b
	at, n := 0, 0
	switch {
	case len(b) >= 1 && b[0]&0xe0 == fixStr:
		at, n = 1, int(b[0]&0x1f)
	case len(b) >= 3 && b[0] == str16:
		at, n = 3, int(binary.BigEndian.Uint16(b[1:]))
	case len(b) >= 1 && b[0] == mpNil:
		return nil, cursor{b[1:], c.lost}
	default:
		return nil, cursor{lost: true}
	}
	if n += at; n > len(b) {
		return nil, cursor{lost: true}
	}
	return b[at:n:n], cursor{b[n:], c.lost}
}

func (m *Ping) decodeCanonical(b []byte) (rest []byte, ok bool) {
	c := cursor{b: b}
	m.Node, c = c.key("\x85\xa4Node").bytes()
	m.SeqNo, c = c.key("\xa5SeqNo").uint32()
	m.SourceAddr, c = c.key("\xaaSourceAddr").bytes()
	m.SourceNode, c = c.key("\xaaSourceNode").bytes()
	m.SourcePort, c = c.key("\xaaSourcePort").uint16()
	return c.b, !c.lost
}

func (m *Ack) decodeCanonical(b []byte) (rest []byte, ok bool) {
	c := cursor{b: b}
	m.Payload, c = c.key("\x82\xa7Payload").bytes()
	m.SeqNo, c = c.key("\xa5SeqNo").uint32()
	return c.b, !c.lost
}

func canonicalAccusation(b []byte) (incarnation uint32, node, from, rest []byte, ok bool) {
	c := cursor{b: b}
	from, c = c.key("\x83\xa4From").bytes()
	incarnation, c = c.key("\xabIncarnation").uint32()
	node, c = c.key("\xa4Node").bytes()
	return incarnation, node, from, c.b, !c.lost
}

func (m *Alive) decodeCanonical(b []byte) (rest []byte, ok bool) {
	c := cursor{b: b}
	m.Addr, c = c.key("\x86\xa4Addr").bytes()
	m.Incarnation, c = c.key("\xabIncarnation").uint32()
	m.Meta, c = c.key("\xa4Meta").bytes()
	m.Node, c = c.key("\xa4Node").bytes()
	m.Port, c = c.key("\xa4Port").uint16()
	m.Vsn, c = c.key("\xa3Vsn").bytes()
	return c.b, !c.lost
}

func (m *NodeState) decodeCanonical(b []byte) (rest []byte, ok bool) {
	c := cursor{b: b}
	m.Addr, c = c.key("\x87\xa4Addr").bytes()
	m.Incarnation, c = c.key("\xabIncarnation").uint32()
	m.Meta, c = c.key("\xa4Meta").bytes()
	m.Name, c = c.key("\xa4Name").bytes()
	m.Port, c = c.key("\xa4Port").uint16()
	c = c.key("\xa5State")
	if len(c.b) > 0 && c.b[0] <= 0x7f { // states are small
		m.State, c.b = int(c.b[0]), c.b[1:]
	} else {
		c.lost = true
	}
	m.Vsn, c = c.key("\xa3Vsn").bytes()
	return c.b, !c.lost
}

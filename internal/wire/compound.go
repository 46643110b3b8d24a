package wire

import "encoding/binary"

// AppendCompound appends one message made of msgs, in their order:
//
//	07  count[1]  length[2] for each  msgs
//
// The format has room for MaxCompoundParts messages of at most MaxPartLen
// bytes, and callers see to that. Should they fail to, what does not fit is
// left out: a count or length cut to its low bits would make the receiver
// misread everything else in the packet.
func AppendCompound(dst []byte, msgs [][]byte) []byte {
	head := len(dst)
	dst = append(dst, byte(TypeCompound), 0)
	count := 0
	for _, msg := range msgs {
		if len(msg) <= MaxPartLen && count < MaxCompoundParts {
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(msg)))
			count++
		}
	}
	dst[head+1] = byte(count)
	for _, msg := range msgs {
		if len(msg) <= MaxPartLen && count > 0 {
			dst = append(dst, msg...)
			count--
		}
	}
	return dst
}

// PartIter walks over the parts of a compound message.
type PartIter struct {
	lengths []byte // two bytes for each part not yet returned
	parts   []byte
}

// Parts begins a walk over a compound message; body is what follows its type
// byte. No parts at all are legal. The error is ErrCompoundLength or
// ErrCompoundTruncated.
func Parts(body []byte) (PartIter, error) {
	if len(body) == 0 {
		return PartIter{}, ErrCompoundLength
	}
	n := CompoundPartLen * int(body[0])
	body = body[1:]
	if len(body) < n {
		return PartIter{}, ErrCompoundTruncated
	}
	return PartIter{lengths: body[:n], parts: body[n:]}, nil
}

// Next returns the next part, which borrows from the body and may be empty.
// ok is false after the last one, or when the next is longer than what is
// left of the packet: Truncated tells which. Bytes after the last part are
// ignored.
func (p *PartIter) Next() (part []byte, ok bool) {
	if len(p.lengths) == 0 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(p.lengths))
	if n > len(p.parts) {
		return nil, false
	}
	part = p.parts[:n:n]
	p.lengths, p.parts = p.lengths[CompoundPartLen:], p.parts[n:]
	return part, true
}

// Truncated is the number of announced parts that Next has not returned: once
// it has returned false, those that the packet does not hold.
func (p *PartIter) Truncated() int { return len(p.lengths) / CompoundPartLen }

package wire

import "unsafe"

// A struct is a msgpack map whose keys are emitted in ascending byte order,
// which is not the order of the fields; receivers accept any, but equal
// messages must have equal bytes.

// Append appends the type byte and the message to dst.
func (m Ping) Append(dst []byte) []byte {
	fields := 2 + sourceFields(m.SourceAddr, m.SourcePort, m.SourceNode)
	dst = append(dst, byte(TypePing), fixMap|byte(fields))
	dst = appendString(append(dst, "\xa4Node"...), m.Node)
	dst = appendUint(append(dst, "\xa5SeqNo"...), m.SeqNo)
	return appendSource(dst, m.SourceAddr, m.SourcePort, m.SourceNode)
}

// Append appends the type byte and the message to dst.
func (m IndirectPing) Append(dst []byte) []byte {
	fields := 5 + sourceFields(m.SourceAddr, m.SourcePort, m.SourceNode)
	dst = append(dst, byte(TypeIndirectPing), fixMap|byte(fields))
	dst = appendBool(append(dst, "\xa4Nack"...), m.Nack)
	dst = appendString(append(dst, "\xa4Node"...), m.Node)
	dst = appendUint(append(dst, "\xa4Port"...), uint32(m.Port))
	dst = appendUint(append(dst, "\xa5SeqNo"...), m.SeqNo)
	dst = appendSource(dst, m.SourceAddr, m.SourcePort, m.SourceNode)
	return appendBytes(append(dst, "\xa6Target"...), m.Target)
}

// Append appends the type byte and the message to dst.
func (m Ack) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeAck), fixMap|2)
	dst = appendBytes(append(dst, "\xa7Payload"...), m.Payload)
	return appendUint(append(dst, "\xa5SeqNo"...), m.SeqNo)
}

// Append appends the type byte and the message to dst.
func (m Nack) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeNack), fixMap|1)
	return appendUint(append(dst, "\xa5SeqNo"...), m.SeqNo)
}

// Append appends the type byte and the message to dst.
func (m Suspect) Append(dst []byte) []byte {
	return appendAccusation(append(dst, byte(TypeSuspect)), m.Incarnation, m.Node, m.From)
}

// Append appends the type byte and the message to dst.
func (m Dead) Append(dst []byte) []byte {
	return appendAccusation(append(dst, byte(TypeDead)), m.Incarnation, m.Node, m.From)
}

func appendAccusation(dst []byte, incarnation uint32, node, from []byte) []byte {
	dst = append(dst, fixMap|3)
	dst = appendString(append(dst, "\xa4From"...), from)
	dst = appendUint(append(dst, "\xabIncarnation"...), incarnation)
	return appendString(append(dst, "\xa4Node"...), node)
}

// Append appends the type byte and the message to dst.
func (m Alive) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeAlive), fixMap|6)
	dst = appendBytes(append(dst, "\xa4Addr"...), m.Addr)
	dst = appendUint(append(dst, "\xabIncarnation"...), m.Incarnation)
	dst = appendBytes(append(dst, "\xa4Meta"...), m.Meta)
	dst = appendString(append(dst, "\xa4Node"...), m.Node)
	dst = appendUint(append(dst, "\xa4Port"...), uint32(m.Port))
	return appendBytes(append(dst, "\xa3Vsn"...), m.Vsn)
}

// Append appends the entry to dst. It has no type byte.
func (m NodeState) Append(dst []byte) []byte {
	dst = append(dst, fixMap|7)
	dst = appendBytes(append(dst, "\xa4Addr"...), m.Addr)
	dst = appendUint(append(dst, "\xabIncarnation"...), m.Incarnation)
	dst = appendBytes(append(dst, "\xa4Meta"...), m.Meta)
	dst = appendString(append(dst, "\xa4Name"...), m.Name)
	dst = appendUint(append(dst, "\xa4Port"...), uint32(m.Port))
	dst = appendInt(append(dst, "\xa5State"...), m.State)
	return appendBytes(append(dst, "\xa3Vsn"...), m.Vsn)
}

// Len is the number of bytes that Append appends.
func (m NodeState) Len() int {
	const keys = len("\x87" + "\xa4Addr" + "\xabIncarnation" + "\xa4Meta" + "\xa4Name" + "\xa4Port" + "\xa5State" + "\xa3Vsn")
	return keys + stringLen(m.Addr) + uintLen(m.Incarnation) + stringLen(m.Meta) + stringLen(m.Name) +
		uintLen(uint32(m.Port)) + intLen(m.State) + stringLen(m.Vsn)
}

// Append appends the type byte and the header to dst.
func (m PushPullHeader) Append(dst []byte) []byte {
	dst = append(dst, byte(TypePushPull), fixMap|3)
	dst = appendBool(append(dst, "\xa4Join"...), m.Join)
	dst = appendInt(append(dst, "\xa5Nodes"...), m.Nodes)
	return appendInt(append(dst, "\xacUserStateLen"...), m.UserStateLen)
}

// Append appends the type byte and the header to dst.
func (m UserHeader) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeUser), fixMap|1)
	return appendInt(append(dst, "\xaaUserMsgLen"...), m.UserMsgLen)
}

// Append appends the type byte and the message to dst.
func (m ErrorResponse) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeError), fixMap|1)
	return appendString(append(dst, "\xa5Error"...), m.Error)
}

// Append appends the type byte and the message to dst. AppendCompressed
// compresses and appends in one go.
func (m Compressed) Append(dst []byte) []byte {
	dst = append(dst, byte(TypeCompress), fixMap|2)
	dst = appendUint(append(dst, "\xa4Algo"...), uint32(m.Algo))
	return appendBytes(append(dst, "\xa3Buf"...), m.Buf)
}

// sourceFields is the number of Source fields that appendSource will emit:
// the only ones that are left out when empty.
func sourceFields(addr []byte, port uint16, node []byte) (n int) {
	if len(addr) > 0 {
		n++
	}
	if port != 0 {
		n++
	}
	if len(node) > 0 {
		n++
	}
	return n
}

func appendSource(dst, addr []byte, port uint16, node []byte) []byte {
	if len(addr) > 0 {
		dst = appendBytes(append(dst, "\xaaSourceAddr"...), addr)
	}
	if len(node) > 0 {
		dst = appendString(append(dst, "\xaaSourceNode"...), node)
	}
	if port != 0 {
		dst = appendUint(append(dst, "\xaaSourcePort"...), uint32(port))
	}
	return dst
}

// Bytes returns the bytes of s without copying, so that a name kept as a
// string can be put into a message. The result must never be written to.
// Bytes("") is empty and not nil.
func Bytes(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

package wire

// Names of the fields in declaration order, which the array form of a struct
// refers to. It is part of the protocol and not the order of our structs.
var (
	pingFields         = []string{"SeqNo", "Node", "SourceAddr", "SourcePort", "SourceNode"}
	indirectPingFields = []string{"SeqNo", "Target", "Port", "Node", "Nack", "SourceAddr", "SourcePort", "SourceNode"}
	ackFields          = []string{"SeqNo", "Payload"}
	nackFields         = []string{"SeqNo"}
	accusationFields   = []string{"Incarnation", "Node", "From"}
	aliveFields        = []string{"Incarnation", "Node", "Addr", "Port", "Meta", "Vsn"}
	nodeStateFields    = []string{"Name", "Addr", "Port", "Meta", "Incarnation", "State", "Vsn"}
	pushPullFields     = []string{"Nodes", "UserStateLen", "Join"}
	userFields         = []string{"UserMsgLen"}
	errorFields        = []string{"Error"}
	compressedFields   = []string{"Algo", "Buf"}
)

// Decode reads the message that follows the type byte.
func (m *Ping) Decode(b []byte) (rest []byte, err error) {
	if rest, ok := m.decodeCanonical(b); ok {
		return rest, nil
	}
	*m = Ping{}
	d := decoder{b: b}
	for d.next(pingFields) {
		switch string(d.key) {
		case "SeqNo":
			m.SeqNo = d.uint32()
		case "Node":
			m.Node = d.string()
		case "SourceAddr":
			m.SourceAddr = d.bytes()
		case "SourcePort":
			m.SourcePort = d.uint16()
		case "SourceNode":
			m.SourceNode = d.string()
		default:
			d.skip()
		}
	}
	return d.finish("ping")
}

// Decode reads the message that follows the type byte.
func (m *IndirectPing) Decode(b []byte) (rest []byte, err error) {
	*m = IndirectPing{}
	d := decoder{b: b}
	for d.next(indirectPingFields) {
		switch string(d.key) {
		case "SeqNo":
			m.SeqNo = d.uint32()
		case "Target":
			m.Target = d.bytes()
		case "Port":
			m.Port = d.uint16()
		case "Node":
			m.Node = d.string()
		case "Nack":
			m.Nack = d.bool()
		case "SourceAddr":
			m.SourceAddr = d.bytes()
		case "SourcePort":
			m.SourcePort = d.uint16()
		case "SourceNode":
			m.SourceNode = d.string()
		default:
			d.skip()
		}
	}
	return d.finish("indirect ping")
}

// Decode reads the message that follows the type byte.
func (m *Ack) Decode(b []byte) (rest []byte, err error) {
	if rest, ok := m.decodeCanonical(b); ok {
		return rest, nil
	}
	*m = Ack{}
	d := decoder{b: b}
	for d.next(ackFields) {
		switch string(d.key) {
		case "SeqNo":
			m.SeqNo = d.uint32()
		case "Payload":
			m.Payload = d.bytes()
		default:
			d.skip()
		}
	}
	return d.finish("ack")
}

// Decode reads the message that follows the type byte.
func (m *Nack) Decode(b []byte) (rest []byte, err error) {
	*m = Nack{}
	d := decoder{b: b}
	for d.next(nackFields) {
		switch string(d.key) {
		case "SeqNo":
			m.SeqNo = d.uint32()
		default:
			d.skip()
		}
	}
	return d.finish("nack")
}

// Decode reads the message that follows the type byte.
func (m *Suspect) Decode(b []byte) (rest []byte, err error) {
	var ok bool
	if m.Incarnation, m.Node, m.From, rest, ok = canonicalAccusation(b); ok {
		return rest, nil
	}
	*m = Suspect{}
	d := decoder{b: b}
	m.Incarnation, m.Node, m.From = d.accusation()
	return d.finish("suspect")
}

// Decode reads the message that follows the type byte.
func (m *Dead) Decode(b []byte) (rest []byte, err error) {
	var ok bool
	if m.Incarnation, m.Node, m.From, rest, ok = canonicalAccusation(b); ok {
		return rest, nil
	}
	*m = Dead{}
	d := decoder{b: b}
	m.Incarnation, m.Node, m.From = d.accusation()
	return d.finish("dead")
}

// accusation reads the fields that suspect and dead have in common.
func (d *decoder) accusation() (incarnation uint32, node, from []byte) {
	for d.next(accusationFields) {
		switch string(d.key) {
		case "Incarnation":
			incarnation = d.uint32()
		case "Node":
			node = d.string()
		case "From":
			from = d.string()
		default:
			d.skip()
		}
	}
	return incarnation, node, from
}

// Decode reads the message that follows the type byte.
func (m *Alive) Decode(b []byte) (rest []byte, err error) {
	if rest, ok := m.decodeCanonical(b); ok {
		return rest, nil
	}
	*m = Alive{}
	d := decoder{b: b}
	for d.next(aliveFields) {
		switch string(d.key) {
		case "Incarnation":
			m.Incarnation = d.uint32()
		case "Node":
			m.Node = d.string()
		case "Addr":
			m.Addr = d.bytes()
		case "Port":
			m.Port = d.uint16()
		case "Meta":
			m.Meta = d.bytes()
		case "Vsn":
			m.Vsn = d.bytes()
		default:
			d.skip()
		}
	}
	return d.finish("alive")
}

// Decode reads an entry. There is no type byte before it; rest begins with
// the next entry.
func (m *NodeState) Decode(b []byte) (rest []byte, err error) {
	if rest, ok := m.decodeCanonical(b); ok {
		return rest, nil
	}
	*m = NodeState{}
	d := decoder{b: b}
	for d.next(nodeStateFields) {
		switch string(d.key) {
		case "Name":
			m.Name = d.string()
		case "Addr":
			m.Addr = d.bytes()
		case "Port":
			m.Port = d.uint16()
		case "Meta":
			m.Meta = d.bytes()
		case "Incarnation":
			m.Incarnation = d.uint32()
		case "State":
			m.State = d.int()
		case "Vsn":
			m.Vsn = d.bytes()
		default:
			d.skip()
		}
	}
	return d.finish("node state")
}

// Decode reads the header that follows the type byte; rest begins with the
// first NodeState. The numbers are as announced, of any sign and size: compare
// them with MaxNodeStates and MaxUserState.
func (m *PushPullHeader) Decode(b []byte) (rest []byte, err error) {
	*m = PushPullHeader{}
	d := decoder{b: b}
	for d.next(pushPullFields) {
		switch string(d.key) {
		case "Nodes":
			m.Nodes = d.int()
		case "UserStateLen":
			m.UserStateLen = d.int()
		case "Join":
			m.Join = d.bool()
		default:
			d.skip()
		}
	}
	return d.finish("push/pull header")
}

// Decode reads the header that follows the type byte; rest begins with the
// payload. The length is as announced, of any sign and size: compare it with
// MaxUserMessage.
func (m *UserHeader) Decode(b []byte) (rest []byte, err error) {
	*m = UserHeader{}
	d := decoder{b: b}
	for d.next(userFields) {
		switch string(d.key) {
		case "UserMsgLen":
			m.UserMsgLen = d.int()
		default:
			d.skip()
		}
	}
	return d.finish("user message header")
}

// Decode reads the message that follows the type byte.
func (m *ErrorResponse) Decode(b []byte) (rest []byte, err error) {
	*m = ErrorResponse{}
	d := decoder{b: b}
	for d.next(errorFields) {
		switch string(d.key) {
		case "Error":
			m.Error = d.string()
		default:
			d.skip()
		}
	}
	return d.finish("error response")
}

// Decode reads the message that follows the type byte. Decompress takes it from there.
func (m *Compressed) Decode(b []byte) (rest []byte, err error) {
	*m = Compressed{}
	d := decoder{b: b}
	for d.next(compressedFields) {
		switch string(d.key) {
		case "Algo":
			m.Algo = d.uint8()
		case "Buf":
			m.Buf = d.bytes()
		default:
			d.skip()
		}
	}
	return d.finish("compressed message")
}

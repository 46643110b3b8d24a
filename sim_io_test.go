package memberlist

import (
	"net/netip"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// simPacketSize is the size that no packet may exceed, unless it carries a
// single message that is longer.
const simPacketSize = defaultUDPBufferSize

// sendDatagram frames a datagram and sends it, as the shell does. It is false
// when the host could not.
func (c *simCluster) sendDatagram(n *simNode, d *datagram, msgs [][]byte) bool {
	if n.mute {
		return false
	}
	if n.core.p.userGossip && d.room > 3 && c.rng.IntN(4) == 0 {
		user := make([]byte, 1+c.rng.IntN(d.room-2))
		user[0] = byte(wire.TypeUser)
		msgs = append(msgs[:len(msgs):len(msgs)], user)
	}
	if len(msgs) == 0 {
		return true
	}
	if c.check != nil {
		c.check.datagram(n, d, msgs)
	}
	for _, m := range msgs {
		c.counts.messages[m[0]]++
	}
	frame := c.frame[:0]
	if d.checksum {
		frame = append(frame, make([]byte, wire.ChecksumLen)...)
	}
	if len(msgs) == 1 {
		frame = append(frame, msgs[0]...)
	} else {
		frame = wire.AppendCompound(frame, msgs)
	}
	if d.checksum {
		wire.PutChecksum(frame)
	}
	c.frame = frame
	if len(frame) > simPacketSize {
		c.counts.oversize++
		if len(msgs) > 1 {
			c.broken(n, "packet of %d bytes", len(frame))
		}
	}
	if to := c.nodeAt(d.to.addr); to != nil {
		c.net.Send(n.i, to.i, frame)
	}
	return true
}

// receive takes a packet apart and hands what it says to the core of n.
func (c *simCluster) receive(n, from *simNode, packet []byte) {
	body, err := wire.CutChecksum(packet)
	if err == nil && len(body) > 0 && wire.Type(body[0]) == wire.TypeCompound {
		var parts wire.PartIter
		if parts, err = wire.Parts(body[1:]); err == nil {
			for part, ok := parts.Next(); ok; part, ok = parts.Next() {
				c.handle(n, from, part)
			}
			if parts.Truncated() > 0 {
				c.broken(n, "packet from %s misses %d parts", from.name, parts.Truncated())
			}
		}
	} else if err == nil {
		c.handle(n, from, body)
	}
	if err != nil {
		c.broken(n, "packet from %s: %v", from.name, err)
	}
}

// handle decodes one message and hands it to the core of n.
func (c *simCluster) handle(n, from *simNode, msg []byte) {
	now, source := c.now(n), endpoint{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(from.i >> 16), byte(from.i >> 8), byte(from.i)}), from.port)}
	var err error
	switch body := msg[1:]; wire.Type(msg[0]) {
	case wire.TypePing:
		var m wire.Ping
		if _, err = m.Decode(body); err == nil {
			n.core.handlePing(now, &source, &m, nil)
		}
	case wire.TypeIndirectPing:
		var m wire.IndirectPing
		if _, err = m.Decode(body); err == nil {
			n.core.handleIndirectPing(now, &source, &m)
		}
	case wire.TypeAck:
		var m wire.Ack
		if _, err = m.Decode(body); err == nil {
			n.core.handleAck(now, now, &m)
		}
	case wire.TypeNack:
		var m wire.Nack
		if _, err = m.Decode(body); err == nil {
			n.core.handleNack(now, source, &m)
		}
	case wire.TypeSuspect:
		var m wire.Suspect
		if _, err = m.Decode(body); err == nil {
			n.core.handleSuspect(now, &m)
		}
	case wire.TypeAlive:
		var m wire.Alive
		if _, err = m.Decode(body); err == nil {
			n.core.handleAlive(now, &m)
		}
	case wire.TypeDead:
		var m wire.Dead
		if _, err = m.Decode(body); err == nil {
			n.core.handleDead(now, &m)
		}
	case wire.TypeUser:
	default:
		c.broken(n, "message of type %d from %s", msg[0], from.name)
	}
	if err != nil {
		c.broken(n, "message %x from %s: %v", msg, from.name, err)
	}
}

// simStream is a stream under way. What it carries are the states themselves:
// they are immutable, and the bytes are the codec's tests' business.
type simStream struct {
	opener, listener *simNode
	kind             dialKind
	dial             dialID // 0: a join, which no core asked for
	name             string // whom the dialer means to reach
	states, reply    []wire.NodeState
	answered         bool
}

// dial opens the stream that the core of n asks for.
func (c *simCluster) dial(n *simNode, d dial) {
	s := &simStream{opener: n, kind: d.kind, dial: d.id, name: d.to.name}
	deadline := c.opts.streamTimeout
	to := c.nodeAt(d.to.addr)
	switch d.kind {
	case dialPing:
		deadline = d.deadline.Sub(c.now(n))
	case dialSeed:
		to, s.name = c.seedOf(n), ""
	}
	c.open(s, to, deadline)
}

// join exchanges states with a node of which only the address is known. It is
// tried again until it works, as programs do.
func (c *simCluster) join(n, via *simNode) {
	c.open(&simStream{opener: n, kind: dialPushPull}, via, c.opts.streamTimeout)
}

// seedOf is the node whose address Join was given at n: the next one.
func (c *simCluster) seedOf(n *simNode) *simNode { return c.nodes[(n.i+1)%len(c.nodes)] }

func (c *simCluster) open(s *simStream, to *simNode, timeout time.Duration) {
	c.lastID++
	id := c.lastID
	s.listener = to
	c.streams[id] = s
	if to == nil { // nobody at that address: the host refuses
		n, life := s.opener, s.opener.life
		c.after(time.Millisecond, func() {
			if n.up && n.life == life {
				c.streamFailed(n, id)
				c.perform(n)
			} else {
				delete(c.streams, id)
			}
		})
		return
	}
	size := 50
	if s.kind != dialPing {
		s.states = c.stateOf(s.opener)
		size = stateSize(s.states)
	}
	c.net.Open(s.opener.i, to.i, id, size, c.net.Now()+timeout)
}

// streamArrived takes in the request of a stream, or its response.
func (c *simCluster) streamArrived(n *simNode, id uint64) {
	s := c.streams[id]
	if s == nil {
		return // the opener has given up
	}
	switch {
	case s.kind == dialPing && !s.answered:
		s.answered = true
		if s.name != "" && s.name != n.name {
			c.net.Abort(n.i, id)
			return
		}
		c.net.Respond(n.i, id, 30)
	case s.kind == dialPing:
		c.endStream(id, true)
	case !s.answered:
		s.answered = true
		s.reply = c.stateOf(n)
		if !c.merge(n, s.states) {
			c.net.Abort(n.i, id)
			return
		}
		c.net.Respond(n.i, id, stateSize(s.reply))
	default:
		ok := c.merge(n, s.reply)
		if ok {
			c.counts.pushPulls++
		}
		c.endStream(id, ok)
	}
}

func (c *simCluster) streamFailed(_ *simNode, id uint64) {
	if c.streams[id] != nil {
		c.endStream(id, false)
	}
}

// endStream tells the opener how its stream ended.
func (c *simCluster) endStream(id uint64, ok bool) {
	s := c.streams[id]
	delete(c.streams, id)
	c.reuse(s.states)
	c.reuse(s.reply)
	n := s.opener
	switch {
	case s.dial != 0:
		n.core.dialed(c.now(n), s.dial, ok)
	case ok:
		n.joined = true
	default:
		life := n.life
		c.after(time.Second, func() {
			if n.up && n.life == life {
				if via := c.anotherNode(n); via != nil {
					c.join(n, via)
				} else {
					n.joined = true
				}
			}
		})
	}
}

func (c *simCluster) merge(n *simNode, states []wire.NodeState) bool {
	if _, err := n.core.compatible(states); err != nil {
		return false
	}
	n.core.merge(c.now(n), states)
	return true
}

// stateOf is what n says in a push/pull.
func (c *simCluster) stateOf(n *simNode) []wire.NodeState {
	var states []wire.NodeState
	if last := len(c.states) - 1; last >= 0 {
		states, c.states = c.states[last][:0], c.states[:last]
	}
	return n.core.appendState(states)
}

func (c *simCluster) reuse(states []wire.NodeState) {
	if states != nil && len(c.states) < 64 {
		clear(states)
		c.states = append(c.states, states)
	}
}

// stateSize is about how many bytes a push/pull of these entries has.
func stateSize(states []wire.NodeState) int {
	const header, fixed = 40, 66 // the keys of an entry and its numbers
	size := header
	for i := range states {
		r := &states[i]
		size += fixed + len(r.Name) + len(r.Addr) + len(r.Meta) + len(r.Vsn)
	}
	return size
}

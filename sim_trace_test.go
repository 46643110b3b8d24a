package memberlist

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/swimguard/memberlist/internal/simnet"
	"github.com/swimguard/memberlist/internal/wire"
)

// simTrace is what happened in a run: always a hash of all of it, with which
// two runs can be compared bit for bit, and the lines themselves when wanted.
type simTrace struct {
	hash  uint64
	lines []string
	keep  int                    // how many of the last lines to keep
	about func(node string) bool // nil: lines about everybody
}

func (t *simTrace) mix(v uint64) {
	t.hash = (t.hash ^ v) * 0x9E3779B97F4A7C15
	t.hash ^= t.hash >> 29
}

func (t *simTrace) mixBytes(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		t.mix(binary.LittleEndian.Uint64(b))
	}
	for _, v := range b {
		t.mix(uint64(v) | 1<<32)
	}
}

func (t *simTrace) add(c *simCluster, node, format string, args ...any) {
	if t.keep == 0 || t.about != nil && !t.about(node) {
		return
	}
	if len(t.lines) >= 2*t.keep {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-t.keep:]...)
	}
	t.lines = append(t.lines, fmt.Sprintf("%11.6fs %-4s ", c.net.Now().Seconds(), node)+fmt.Sprintf(format, args...))
}

// tail is the last lines kept.
func (t *simTrace) tail() []string { return t.lines[max(0, len(t.lines)-t.keep):] }

func (t *simTrace) event(c *simCluster, ev simnet.Event) {
	t.mix(uint64(c.net.Now()))
	t.mix(uint64(ev.Kind)<<56 | uint64(uint32(ev.Node))<<24 | uint64(ev.From))
	t.mix(ev.ID)
	t.mixBytes(ev.Payload)
	if t.keep == 0 || ev.Kind == simnet.Mark || ev.Kind == simnet.Wake {
		return
	}
	name, from := c.nodes[ev.Node].name, c.nodes[ev.From].name
	switch ev.Kind {
	case simnet.Packet:
		t.add(c, name, "<- %s: %s", from, packetText(ev.Payload))
	case simnet.Stream:
		t.add(c, name, "<- %s: stream %d %s", from, ev.ID, c.streamText(ev.ID))
	case simnet.StreamFailed:
		t.add(c, name, "stream %d to %s failed", ev.ID, from)
	}
}

var noticeNames = [...]string{"changed", "join", "leave", "update", "conflict", "pong"}

func (t *simTrace) notice(c *simCluster, n *simNode, x notice) {
	t.mix(uint64(n.i)<<32 | uint64(x.kind)<<8 | uint64(x.node.State))
	t.mixBytes([]byte(x.node.Name))
	if x.kind != noticePong {
		t.add(c, n.name, "%s %s (%s)", noticeNames[x.kind], x.node.Name, stateName(x.node.State))
	}
}

func (c *simCluster) streamText(id uint64) string {
	s := c.streams[id]
	switch {
	case s == nil:
		return "given up"
	case s.kind == dialPing:
		return "ping"
	}
	states := s.states
	if s.answered {
		states = s.reply
	}
	var b strings.Builder
	b.WriteString("push/pull")
	for _, r := range states {
		fmt.Fprintf(&b, " %s:%d:%s", r.Name, r.Incarnation, stateName(NodeStateType(r.State)))
	}
	return b.String()
}

func packetText(packet []byte) string {
	body, err := wire.CutChecksum(packet)
	if err != nil || len(body) == 0 {
		return fmt.Sprint(err)
	}
	if wire.Type(body[0]) != wire.TypeCompound {
		return messageText(body)
	}
	parts, _ := wire.Parts(body[1:])
	var texts []string
	for part, ok := parts.Next(); ok; part, ok = parts.Next() {
		texts = append(texts, messageText(part))
	}
	return strings.Join(texts, " | ")
}

func messageText(msg []byte) string {
	switch body := msg[1:]; wire.Type(msg[0]) {
	case wire.TypePing:
		var m wire.Ping
		m.Decode(body)
		return fmt.Sprintf("ping %d", m.SeqNo)
	case wire.TypeIndirectPing:
		var m wire.IndirectPing
		m.Decode(body)
		return fmt.Sprintf("indirect %d %s", m.SeqNo, m.Node)
	case wire.TypeAck:
		var m wire.Ack
		m.Decode(body)
		return fmt.Sprintf("ack %d", m.SeqNo)
	case wire.TypeNack:
		var m wire.Nack
		m.Decode(body)
		return fmt.Sprintf("nack %d", m.SeqNo)
	case wire.TypeSuspect:
		var m wire.Suspect
		m.Decode(body)
		return fmt.Sprintf("suspect %s %d by %s", m.Node, m.Incarnation, m.From)
	case wire.TypeAlive:
		var m wire.Alive
		m.Decode(body)
		return fmt.Sprintf("alive %s %d port %d", m.Node, m.Incarnation, m.Port)
	case wire.TypeDead:
		var m wire.Dead
		m.Decode(body)
		return fmt.Sprintf("dead %s %d by %s", m.Node, m.Incarnation, m.From)
	}
	return fmt.Sprintf("type %d, %d bytes", msg[0], len(msg))
}

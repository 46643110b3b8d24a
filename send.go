package memberlist

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// The way of a packet out:
//
//	messages (+ user broadcasts) → compound → compress → checksum → seal → label → Transport

// packet is the memory in which packets are put together.
type packet struct {
	parts [][]byte // messages of the packet in hand
	rest  [][]byte // user broadcasts that must go into further packets
	users []byte   // user broadcasts with their type bytes; parts and rest point here
	buf   []byte   // the packet itself, when the transport does not keep it
	small []byte   // its body, compressed
}

var packets = sync.Pool{New: func() any { return new(packet) }}

// packetKeep bounds, in bytes, the buffers of a packet that is kept for reuse.
const packetKeep = 64 << 10

func (p *packet) release() {
	p.reset()
	if !p.large() {
		packets.Put(p)
	}
}

// reset empties the packet for reuse and drops what it points to.
func (p *packet) reset() {
	clear(p.parts)
	clear(p.rest)
	p.parts, p.rest, p.users, p.buf, p.small = p.parts[:0], p.rest[:0], p.users[:0], p.buf[:0], p.small[:0]
}

// large reports whether the packet takes too much memory to be kept.
func (p *packet) large() bool {
	return cap(p.users) > packetKeep || cap(p.buf) > packetKeep || cap(p.small) > packetKeep
}

// sendDatagram sends a packet that a step asks for, put together in p, with user
// broadcasts in the room that is left, which are asked for now. p is empty, and
// is again afterwards. direct says that the caller may wait for the transport. If
// now is zero the caller sees to it how long the Delegate takes.
func (m *Memberlist) sendDatagram(p *packet, d *datagram, msgs [][]byte, now time.Time, direct bool) error {
	defer p.reset()
	p.parts = append(p.parts, msgs...)
	if d.room > userOverhead {
		m.fill(p, d.room, now)
	}
	err := m.sendParts(p, d, p.parts, direct)
	// What a delegate returned in excess of the room goes into packets of its
	// own: the ping or ack in the first one must arrive.
	for len(p.rest) > 0 {
		n, left := 0, m.config.packetRoom()
		for n < len(p.rest) && n < wire.MaxCompoundParts {
			size := len(p.rest[n]) + wire.CompoundPartLen
			if n > 0 && (size > left || len(p.rest[n]) > wire.MaxPartLen || len(p.rest[0]) > wire.MaxPartLen) {
				break
			}
			left -= size
			n++
		}
		rest := *d
		rest.seq = 0
		if restErr := m.sendParts(p, &rest, p.rest[:n], direct); err == nil && d.seq == 0 {
			err = restErr
		}
		p.rest = p.rest[n:]
	}
	return err
}

// fill asks for user broadcasts and puts as many as fit into the packet, with
// the rest behind.
func (m *Memberlist) fill(p *packet, room int, now time.Time) {
	msgs := m.userBroadcasts(room, now)
	size := 0
	for _, msg := range msgs {
		size += wire.UserHeaderLen + len(msg)
	}
	if cap(p.users) < size {
		p.users = make([]byte, 0, size) // parts must not move
	}
	rest := p.rest[:0]
	for _, msg := range msgs {
		start := len(p.users)
		p.users = append(p.users, byte(wire.TypeUser))
		p.users = append(p.users, msg...)
		part := p.users[start:len(p.users):len(p.users)]
		if cost := len(part) + wire.CompoundPartLen; cost <= room && len(part) <= wire.MaxPartLen && len(p.parts) < wire.MaxCompoundParts {
			p.parts = append(p.parts, part)
			room -= cost
			continue
		}
		rest = append(rest, part)
	}
	p.rest = rest
}

// sendParts sends messages, in as few packets as the format allows, to where d
// goes.
func (m *Memberlist) sendParts(p *packet, d *datagram, parts [][]byte, direct bool) error {
	if len(parts) == 0 {
		return nil
	}
	if err := m.nameRequired(d.to); err != nil {
		return err
	}
	for len(parts) > wire.MaxCompoundParts {
		if err := m.sendPacket(p, d, parts[:wire.MaxCompoundParts], direct); err != nil {
			return err
		}
		parts = parts[wire.MaxCompoundParts:]
	}
	return m.sendPacket(p, d, parts, direct)
}

// sendPacket frames messages that fit into one packet, and sends it.
func (m *Memberlist) sendPacket(p *packet, d *datagram, parts [][]byte, direct bool) error {
	var buf []byte // which a transport that is not ours may keep
	if m.udp != nil {
		buf = p.buf[:0]
	}
	buf, labelled, err := m.frame(p, buf, parts, d.checksum)
	if err != nil {
		return err
	}
	m.meter.udpSent(len(buf) - labelled)
	if m.udp != nil {
		p.buf = buf
		if len(buf) > udpPayloadMax {
			return messageTooLarge(len(buf), udpPayloadMax)
		}
		if d.to.addr.IsValid() {
			return m.udp.writeAddrPort(buf, d.to.addr)
		}
		_, err := m.udp.WriteTo(buf, d.to.host)
		return err
	}
	if direct {
		return m.writeForeign(buf, Address{Addr: d.to.String(), Name: d.to.name})
	}
	return m.pushPacket(&d.to, outPacket{buf: buf, seq: d.seq})
}

// frame puts one packet made of parts into buf, which is empty, or into more
// memory if that is too small: as much as the packet takes, so that one which is
// given away costs no more. Everything happens in place. It returns the length of
// the label header too.
func (m *Memberlist) frame(p *packet, buf []byte, parts [][]byte, checksum bool) (framed []byte, labelled int, err error) {
	conf := m.config
	sealed := m.seals()
	size := m.frameOverhead(len(parts), checksum, sealed)
	for _, part := range parts {
		size += len(part)
	}
	if cap(buf) < size {
		buf = make([]byte, 0, size)
	}
	buf = append(buf, m.labelHeader...)
	labelled = len(buf)
	start := labelled // of the plaintext
	if sealed {
		start += sealHeaderSize
	}
	body := start
	if checksum {
		body += wire.ChecksumLen
	}
	buf = buf[:body]
	if len(parts) == 1 {
		buf = append(buf, parts[0]...)
	} else {
		buf = wire.AppendCompound(buf, parts)
	}
	if conf.EnableCompression && len(buf)-body > wire.TooShort {
		p.small = m.compress(p.small[:0], buf[body:])
		if len(p.small) < len(buf)-body {
			buf = append(buf[:body], p.small...)
		}
	}
	if checksum {
		wire.PutChecksum(buf[start:])
	}
	if sealed {
		buf, err = conf.Keyring.seal(buf[:labelled], conf.sealVersion(), buf[start:], m.label)
	}
	return buf, labelled, err
}

// frameOverhead is by how much a packet is longer than its parts.
func (m *Memberlist) frameOverhead(parts int, checksum, sealed bool) int {
	n := len(m.labelHeader)
	if parts > 1 {
		n += wire.CompoundHeaderLen + parts*wire.CompoundPartLen
	}
	if checksum {
		n += wire.ChecksumLen
	}
	if sealed {
		n += sealOverhead(m.config.sealVersion())
	}
	return n
}

// compress appends the compressed form of a message.
func (m *Memberlist) compress(dst, msg []byte) []byte {
	algo := m.config.compressionAlgorithm()
	n := len(dst)
	if algo == CompressionAlgorithmSnappy {
		dst = wire.AppendSnappy(dst, msg)
	} else {
		dst = wire.AppendCompressed(dst, msg)
	}
	m.compressed(algo, len(msg), len(dst)-n)
	return dst
}

// compressStream is compress for streams.
func (m *Memberlist) compressStream(dst []byte, msg streamMessage) []byte {
	algo := m.config.compressionAlgorithm()
	n := len(dst)
	if algo == CompressionAlgorithmSnappy {
		dst = wire.AppendSnappy(dst, msg.appendTo(make([]byte, 0, msg.size)))
	} else {
		dst = wire.AppendCompressedPieces(dst, msg.size, msg.pieces)
	}
	m.compressed(algo, msg.size, len(dst)-n)
	return dst
}

// compressed counts what was compressed, and what did not get shorter.
func (m *Memberlist) compressed(algo CompressionAlgorithm, before, after int) {
	m.meter.compressAttempt(algo)
	if after >= before {
		m.meter.compressSkipped(algo)
	}
}

// algorithmName names a number from the wire for metrics.
func algorithmName(algo uint8) CompressionAlgorithm {
	switch algo {
	case wire.AlgoLZW:
		return CompressionAlgorithmLZW
	case wire.AlgoSnappy:
		return CompressionAlgorithmSnappy
	default:
		return "unknown"
	}
}

// writeForeign gives a packet away to a transport that is not ours, and waits
// for it.
func (m *Memberlist) writeForeign(buf []byte, to Address) error {
	var err error
	if m.aware != nil {
		_, err = m.aware.WriteToAddress(buf, to)
	} else {
		_, err = m.transport.WriteTo(buf, to.Addr)
	}
	return err
}

// reportSendError logs a packet that did not leave this host.
func (m *Memberlist) reportSendError(to endpoint, err error) {
	if m.closing.Load() || !m.log.limited(logSend) {
		return
	}
	m.log.errf("Failed to send packet to %s: %v", to.String(), err)
}

var errNoNode = errors.New("memberlist: no node to send to")

// SendBestEffort sends msg to a node in one packet of its own, once, without
// delay. It may be lost; the receiver's Delegate.NotifyMsg gets it at most once
// unless the network duplicates packets. msg is copied, and may be empty.
//
// The node may be hand-made: Name, Addr and Port say where to send, and with
// PMax 5 or more a checksum is added. A message that does not fit into a packet
// of the NetTransport (about 64 KiB) gives ErrMessageTooLarge; one larger than
// Config.UDPBufferSize may be fragmented or lost on the way. Other errors:
// ErrNodeNameRequired, ErrShutdown, and what the transport says.
func (m *Memberlist) SendBestEffort(to *Node, msg []byte) error {
	if to == nil {
		return errNoNode
	}
	return m.sendUser(nodeEndpoint(to), to.PMax >= 5, msg)
}

// SendToAddress is SendBestEffort to an address, which need not be a member's.
// Its Addr is "host:port".
func (m *Memberlist) SendToAddress(a Address, msg []byte) error {
	return m.sendUser(parseEndpoint(a.Addr, a.Name), false, msg)
}

// SendTo is SendToAddress without a name.
//
// Deprecated: use SendToAddress, which works with transports that need names.
func (m *Memberlist) SendTo(to net.Addr, msg []byte) error {
	if to == nil {
		return errNoNode
	}
	return m.sendUser(parseEndpoint(to.String(), ""), false, msg)
}

// SendToUDP is SendBestEffort.
//
// Deprecated: use SendBestEffort.
func (m *Memberlist) SendToUDP(to *Node, msg []byte) error { return m.SendBestEffort(to, msg) }

// SendReliable sends msg to a node over a stream of its own. It returns when
// msg has been handed to the local end of the stream; nil does not mean that
// the receiver got or accepted it. Opening the stream and writing may take
// Config.TCPTimeout each. msg may be reused afterwards. An empty message is not
// delivered.
//
// Of the node, which may be hand-made, only Name, Addr and Port are used. A
// message of more than 20 MiB gives ErrMessageTooLarge, since nobody would
// accept it. Other errors: ErrNodeNameRequired, ErrShutdown, and what the
// transport says.
func (m *Memberlist) SendReliable(to *Node, msg []byte) error {
	return m.SendReliableContext(context.Background(), to, msg)
}

// SendToTCP is SendReliable.
//
// Deprecated: use SendReliable.
func (m *Memberlist) SendToTCP(to *Node, msg []byte) error { return m.SendReliable(to, msg) }

// sendUser sends one user message in one packet.
func (m *Memberlist) sendUser(to endpoint, checksum bool, msg []byte) error {
	if m.closing.Load() {
		return ErrShutdown
	}
	if err := m.nameRequired(to); err != nil {
		return err
	}
	if m.udp != nil && len(msg) > wire.MaxDecompressed {
		return messageTooLarge(len(msg), udpPayloadMax)
	}
	p := packets.Get().(*packet)
	defer p.release()
	p.users = append(append(p.users, byte(wire.TypeUser)), msg...)
	p.parts = append(p.parts, p.users)
	return m.sendPacket(p, &datagram{to: to, checksum: checksum}, p.parts, true)
}

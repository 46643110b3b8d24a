package memberlist

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// The way of a packet, on one call stack and one packet at a time, but for those
// that wait in a channel, which share a step:
//
//	Transport → cut label → open → check sum → split and decompress → decode
//	          → ask the user → step
//
// The NetTransport that we own calls receive from the goroutine that reads the
// socket; packetLoop does for every other transport, and for what a program
// hands in.
//
// What a sender can make us do with one packet is bounded by the numbers here.
const (
	// packetNesting is how deep compound and compressed messages may lie in
	// one another. Members send a compound in a compressed message: two.
	packetNesting = 4

	// packetExpansion bounds the bytes that come out of all the compressed
	// messages of one packet: that many, or packetExpansionFactor times its
	// length if that is more, as it is with transports that carry large packets.
	packetExpansion       = 4 << 20
	packetExpansionFactor = 16

	// packetMessages bounds the messages of one packet, those that hold others and
	// those without a byte among them: to refuse one takes time, too. Members send
	// 257.
	packetMessages = 1024

	// packetPings bounds the pings and indirect pings of one packet, since each
	// makes us send a packet, and where to is up to the sender. Members send one.
	packetPings = 4

	// packetBatch is how many messages are handled in one step.
	packetBatch = 32

	// packetBurst is how many packets may share a step.
	packetBurst = 16
)

var (
	errNoType       = errors.New("missing type byte")
	errTooDeep      = errors.New("messages are nested too deep")
	errTooMany      = errors.New("too many messages in one packet")
	errTooManyPings = errors.New("too many pings in one packet")
)

// packetLoop handles what the transport receives. It is started by Create, and
// ends when Shutdown closes stop and waits for it in loops. Until then it goes
// on taking packets, because a transport may wait for that, but drops them once
// Shutdown has been called.
func (m *Memberlist) packetLoop() {
	defer m.loops.leave()
	packets := m.transport.PacketCh()
	for {
		var p *Packet
		ok := true
		select {
		case p, ok = <-packets: // what waits already costs half as much to take this way
		default:
			select {
			case p, ok = <-packets:
			case <-m.stop:
				return
			}
		}
		switch {
		case !ok:
			packets = nil // closed: nothing will come any more
		case m.closing.Load():
			select {
			case <-m.stop:
				return
			default:
			}
		case p != nil:
			m.receiveWaiting(p, packets)
		}
	}
}

// receive handles a packet, which may be used again afterwards, or drops it
// once Shutdown has been called. It may have to wait for its turn.
func (m *Memberlist) receive(p *Packet) { m.receiveWaiting(p, nil) }

// receiveWaiting is receive for a packet and those that wait behind it in the
// channel's buffer. They share a step, which costs as much as the rest of a ping.
func (m *Memberlist) receiveWaiting(p *Packet, behind <-chan *Packet) {
	r := &m.reader
	r.turn.Lock()
	defer r.turn.Unlock()
	slow := m.slowQueries.Load()
	for n := 1; p != nil && !m.closing.Load(); n++ {
		r.take(p)
		p = nil
		// User code that takes its time must not hold up what came before.
		if n < packetBurst && len(behind) > 0 && m.config.Alive == nil && m.slowQueries.Load() == slow {
			select {
			case p = <-behind:
			default:
			}
		}
	}
	r.flush()
}

// packetReader takes packets apart, one at a time.
type packetReader struct {
	turn     sync.Mutex // held for as long as a packet takes, user code included
	m        *Memberlist
	source   net.Addr // of the packet in hand; may be nil
	from     endpoint // the same
	received time.Time
	room     int // bytes that may still come out of compressed messages
	free     int // of these, how many are not taken from inflation
	messages int
	pings    int
	batch    []inbound // decoded, for the next step
	users    [][]byte
	deads    [][]byte  // dead messages, undecoded
	asks     time.Time // when a round is due that will ask the Delegate for what it passes on

	inflation inflation
}

// inbound is a decoded message that waits for its step. It borrows from the
// packet.
type inbound struct {
	kind     wire.Type
	from     endpoint  // ping, indirect ping, nack: where it came from
	received time.Time // ack: when
	ping     wire.Ping
	payload  []byte // ping: what the user adds to the ack
	indirect wire.IndirectPing
	ack      wire.Ack
	nack     wire.Nack
	alive    wire.Alive
	suspect  wire.Suspect
	dead     wire.Dead
}

// take takes a packet apart, and leaves messages in the batch if nothing in the
// packet must come after them.
func (r *packetReader) take(p *Packet) {
	r.source, r.from, r.received = p.From, sourceEndpoint(p.From), p.Timestamp
	if r.received.IsZero() {
		r.received = time.Now()
	}
	r.room = max(packetExpansion, packetExpansionFactor*len(p.Buf))
	r.free = r.m.config.freeInflation()
	r.messages, r.pings = 0, 0

	if body, ok := r.unwrap(p.Buf); ok {
		r.dispatch(body, 0)
		if len(r.users)+len(r.deads) > 0 {
			r.flush()
		}
		if len(r.users) > 0 && r.m.config.Delegate != nil {
			r.m.pushUsers(r.users, from(r.from))
			// The user may pass them on: ask soon, not at the next tick.
			if !r.received.Before(r.asks) {
				r.m.step(func(s *swim, now time.Time) { r.asks = s.userNews(now) })
			}
		}
		// Deaths come last, after what the dead had to say: see turns.
		for _, b := range r.deads {
			if err := r.decode(wire.TypeDead, b); err != nil {
				r.malformed(err)
			}
		}
	}
	clear(r.users)
	clear(r.deads)
	r.users, r.deads, r.source = r.users[:0], r.deads[:0], nil
}

// unwrap removes label, encryption and checksum.
func (r *packetReader) unwrap(b []byte) (body []byte, ok bool) {
	conf := r.m.config
	label, b, err := wire.CutLabel(b)
	if err != nil {
		r.drop("label", logLabel, err)
		return nil, false
	}
	skip := conf.SkipInboundLabelCheck
	if !skip && string(label) != conf.Label {
		r.drop("label", logLabel, ErrLabelMismatch)
		return nil, false
	}
	if ring := conf.Keyring; ring.enabled() {
		keep := func() []byte {
			if (skip || !conf.GossipVerifyIncoming) && len(b) > scratchSize {
				return bytes.Clone(b) // a failed open might destroy it
			}
			return b
		}
		plain, err := ring.open(keep(), label)
		if err != nil && skip && !bytes.Equal(label, r.m.label) {
			// Something on the way has cut off the label that was authenticated.
			plain, err = ring.open(keep(), r.m.label)
		}
		switch {
		case err == nil:
			b = plain
		case conf.GossipVerifyIncoming:
			r.drop(refusal(err), logDecrypt, err)
			return nil, false
		}
	}
	if b, err = wire.CutChecksum(b); err != nil {
		r.drop("checksum", logChecksum, err)
		return nil, false
	}
	return b, true
}

// dispatch handles one message, which may hold others.
func (r *packetReader) dispatch(b []byte, depth int) {
	if r.messages++; r.messages > packetMessages {
		r.malformed(errTooMany)
		return
	}
	if len(b) == 0 {
		r.malformed(errNoType)
		return
	}
	kind, body := wire.Type(b[0]), b[1:]
	switch kind {
	case wire.TypeCompound:
		if depth >= packetNesting {
			r.malformed(errTooDeep)
			return
		}
		r.split(body, depth+1)
		return
	case wire.TypeCompress:
		if depth >= packetNesting {
			r.malformed(errTooDeep)
			return
		}
		r.decompress(body, depth+1)
		return
	}
	switch kind {
	case wire.TypeUser:
		r.users = append(r.users, body)
		return
	case wire.TypeDead:
		r.deads = append(r.deads, body)
		return
	}
	if err := r.decode(kind, body); err != nil {
		r.malformed(err)
	}
}

// split handles the parts of a compound message.
func (r *packetReader) split(body []byte, depth int) {
	parts, err := wire.Parts(body)
	if err != nil {
		r.malformed(err)
		return
	}
	for part, ok := parts.Next(); ok; part, ok = parts.Next() {
		if r.messages >= packetMessages {
			r.malformed(errTooMany)
			return
		}
		r.dispatch(part, depth)
	}
	if n := parts.Truncated(); n > 0 {
		r.m.meter.dropped("malformed")
		if r.m.log.limited(logMalformed) {
			r.m.log.warnf("Compound request had %d truncated messages %s", n, from(r.from))
		}
	}
}

// decompress handles the message inside a compressed one.
func (r *packetReader) decompress(body []byte, depth int) {
	var c wire.Compressed
	if _, err := c.Decode(body); err != nil {
		r.malformed(err)
		return
	}
	r.m.meter.decompressAttempt(algorithmName(c.Algo))
	limit := min(r.room, r.free+r.inflation.left(time.Now()))
	b, err := wire.DecompressPart(nil, &c, limit)
	exhausted := limit < r.room && errors.Is(err, wire.ErrTooLarge)
	produced := len(b) // what came to nothing has cost as much
	free := min(produced, r.free)
	r.free -= free
	r.inflation.spend(produced - free)
	r.room -= produced
	if err != nil {
		r.m.meter.decompressError(algorithmName(c.Algo))
		if exhausted {
			r.drop("decompress", logMalformed, errInflation)
		} else {
			r.malformed(err)
		}
		return
	}
	r.dispatch(b, depth)
}

// decode adds a message to the batch.
func (r *packetReader) decode(kind wire.Type, body []byte) (err error) {
	if len(r.batch) == packetBatch {
		r.flush()
	}
	// Half a kilobyte for each. flush has cleared what lies beyond the batch.
	r.batch = slices.Grow(r.batch, 1)
	r.batch = r.batch[:len(r.batch)+1]
	in := &r.batch[len(r.batch)-1]
	in.kind = kind
	keep := true
	switch kind {
	case wire.TypePing:
		if _, err = in.ping.Decode(body); err == nil {
			keep, err = r.allowPing()
			in.from = r.from
		}
		if keep && err == nil && r.m.isForUs(in.ping.Node) {
			in.payload = r.m.ackPayload()
		}
	case wire.TypeIndirectPing:
		if _, err = in.indirect.Decode(body); err == nil {
			keep, err = r.allowPing()
			in.from = r.from
		}
	case wire.TypeAck:
		_, err = in.ack.Decode(body)
		in.received = r.received
	case wire.TypeNack:
		_, err = in.nack.Decode(body)
		in.from = r.from
	case wire.TypeAlive:
		if _, err = in.alive.Decode(body); err == nil {
			keep = r.m.sourceAllowed(r.source) && r.m.admit(&in.alive)
		}
	case wire.TypeSuspect:
		_, err = in.suspect.Decode(body)
	case wire.TypeDead:
		_, err = in.dead.Decode(body)
	default:
		err = unsupportedType(kind)
	}
	if err != nil || !keep {
		*in = inbound{}
		r.batch = r.batch[:len(r.batch)-1]
	}
	return err
}

// allowPing counts what makes us answer.
func (r *packetReader) allowPing() (bool, error) {
	if r.pings++; r.pings > packetPings {
		return false, errTooManyPings
	}
	return true, nil
}

// isForUs reports whether a ping for the named node is for this one. A ping
// without a name is for whoever gets it.
func (m *Memberlist) isForUs(node []byte) bool { return len(node) == 0 || string(node) == m.name }

// flush runs the batch.
func (r *packetReader) flush() {
	if len(r.batch) == 0 {
		return
	}
	r.m.step(func(s *swim, now time.Time) {
		for i := range r.batch {
			in := &r.batch[i]
			switch in.kind {
			case wire.TypePing:
				s.handlePing(now, &in.from, &in.ping, in.payload)
			case wire.TypeIndirectPing:
				s.handleIndirectPing(now, &in.from, &in.indirect)
			case wire.TypeAck:
				s.handleAck(now, in.received, &in.ack)
			case wire.TypeNack:
				s.handleNack(now, in.from, &in.nack)
			case wire.TypeAlive:
				s.handleAlive(now, &in.alive)
			case wire.TypeSuspect:
				s.handleSuspect(now, &in.suspect)
			case wire.TypeDead:
				s.handleDead(now, &in.dead)
			}
		}
	})
	clear(r.batch)
	r.batch = r.batch[:0]
}

// malformed counts and logs bytes that make no sense.
func (r *packetReader) malformed(err error) { r.drop("malformed", logMalformed, err) }

// drop counts and logs a packet or message that is not used. reason is one of
// few.
func (r *packetReader) drop(reason string, class logClass, err error) {
	r.m.meter.dropped(reason)
	if r.m.log.limited(class) {
		r.m.log.errf("Dropped a packet or a part of it (%s): %v %s", reason, err, from(r.from))
	}
}

// unsupportedType is the error about a message that has no place here.
type unsupportedType wire.Type

func (t unsupportedType) Error() string {
	return "msg type (" + strconv.Itoa(int(t)) + ") not supported"
}

func (t unsupportedType) Is(target error) bool { return target == ErrMalformed }

// sourceAllowed reports whether alive messages from addr may be used at all.
func (m *Memberlist) sourceAllowed(addr net.Addr) bool {
	conf := m.config
	if !conf.IPMustBeChecked() {
		return true
	}
	ip := net.IP(nil)
	if addr != nil {
		text := addr.String()
		if text == "pipe" {
			return true // in memory: there is no network to restrict
		}
		if ap, err := netip.ParseAddrPort(text); err == nil && ap.Addr().Zone() == "" {
			ip = ap.Addr().Unmap().AsSlice()
		}
	}
	err := conf.IPAllowed(ip)
	if err != nil {
		m.refused("address", "Blocked alive message: %v %s", err, LogAddress(addr))
	}
	return err == nil
}

// admit decides, with the user's help, whether an alive record may be used.
func (m *Memberlist) admit(a *wire.Alive) bool {
	if a.Addr != nil && m.config.IPMustBeChecked() {
		if err := m.config.IPAllowed(net.IP(a.Addr)); err != nil {
			m.refused("address", "Rejected node %s: %v", a.Node, err)
			return false
		}
	}
	d := m.config.Alive
	if d == nil {
		return true
	}
	if len(a.Vsn) < 6 {
		m.refused("version", "ignoring alive message for '%s' because Vsn is not present", a.Node)
		return false
	}
	n := &Node{Name: string(a.Node), Addr: slices.Clone(net.IP(a.Addr)), Port: m.portOf(a.Port), Meta: bytes.Clone(a.Meta)}
	n.setVersions(a.Vsn)
	if err := m.notifyAlive(d, n); err != nil {
		m.refused("delegate", "ignoring alive message for '%s': %v", a.Node, err)
		return false
	}
	return true
}

// portOf is the port that the protocol will take an announced one for.
func (m *Memberlist) portOf(port uint16) uint16 {
	if port == 0 {
		return uint16(m.config.BindPort)
	}
	return port
}

// refused counts and logs a member that is kept out.
func (m *Memberlist) refused(reason, format string, args ...any) {
	m.meter.dropped(reason)
	if m.log.limited(logRefused) {
		m.log.warnf(format, args...)
	}
}

// sourceEndpoint is where a packet came from; the zero endpoint if unknown.
func sourceEndpoint(addr net.Addr) endpoint {
	switch a := addr.(type) {
	case nil:
		return endpoint{}
	case *net.UDPAddr:
		if a == nil {
			return endpoint{}
		}
		ap := a.AddrPort()
		return endpoint{addr: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
	default:
		return parseEndpoint(addr.String(), "")
	}
}

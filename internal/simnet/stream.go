package simnet

import "time"

// A stream is a request and a response between two nodes: reliable as long as
// both processes live and the link is open, slow when packets get lost. The
// opener learns within its deadline, in any case, how it ended.
//
//	opener          listener
//	  │ SYN ─────────► │
//	  │ ◄───── SYN,ACK │         each lost packet of these: 1 s, 2 s, 4 s, ... more
//	  │ request ─────► │ Stream  a lost packet of these: 0.2 s, 0.4 s, ... more
//	  │ ◄───── Respond │
//	  Stream, or StreamFailed
const (
	handshakeTimeout  = int64(time.Second)            // RFC 6298, section 2.1
	retransmitTimeout = int64(200 * time.Millisecond) // the usual minimum
	segmentSize       = 1400                          // bytes
	maxRetransmits    = 12                            // the 13th try would come after the longest deadline
	windowSize        = 10                            // segments that fail together
)

type streamEnd struct {
	opener, listener int32
	openerLife       uint32
	deadline         int64
}

// Open opens a stream and sends a request of so many bytes. If it arrives,
// the listener gets a Stream event with the id, which must be new. The opener
// gets Stream when the response has arrived, or StreamFailed, by the deadline.
func (n *Network) Open(from, to int, id uint64, size int, deadline time.Duration) {
	nd := &n.nodes[from]
	if nd.down {
		return
	}
	end := streamEnd{opener: int32(from), listener: int32(to), openerLife: nd.life, deadline: max(int64(deadline), n.now)}
	n.open[id] = end
	n.fail(id, end.deadline)
	n.message(from, to, id, size, true, end.deadline)
}

// Respond sends the response to a request. The stream is then over for the listener.
func (n *Network) Respond(node int, id uint64, size int) {
	if end, ok := n.open[id]; ok && !n.nodes[node].down {
		n.message(node, int(end.opener), id, size, false, end.deadline)
	}
}

// Abort ends a stream without a response: the opener learns of it one way later.
func (n *Network) Abort(node int, id uint64) {
	if end, ok := n.open[id]; ok {
		link := n.linkOf(end.listener, end.opener)
		n.fail(id, n.now+link.Latency.draw(n.rng))
	}
}

// message sends a part of a stream. Only its size travels: what it says is the
// driver's to keep by the stream's id.
func (n *Network) message(from, to int, id uint64, size int, opens bool, deadline int64) {
	slot, ok := n.queue.take()
	if !ok {
		return
	}
	nd, b := &n.nodes[from], &n.queue.bodies[slot]
	b.kind, b.node, b.from, b.id = Stream, int32(to), int32(from), id
	b.life, b.size, b.opens, b.deadline = n.nodes[to].life, int32(size), opens, deadline
	nd.load.Bytes += uint64(size)
	if nd.paused {
		if len(nd.outbox) >= n.holds[1] {
			n.queue.release(slot)
			return
		}
		nd.outbox = append(nd.outbox, slot)
		return
	}
	n.carry(slot)
}

// carry schedules the arrival of a stream's message, if it arrives at all.
func (n *Network) carry(slot int32) {
	b := &n.queue.bodies[slot]
	size := int(b.size)
	there, back := n.linkOf(b.from, b.node), n.linkOf(b.node, b.from)
	at, ok := n.serialize(b.from, size)
	if !ok || n.severed(b.from, b.node) || n.severed(b.node, b.from) {
		n.queue.release(slot) // the deadline will tell
		return
	}
	if b.opens {
		at += n.retransmits(1, handshakeTimeout, there.Loss) + there.Latency.draw(n.rng)
		at += n.retransmits(1, handshakeTimeout, back.Loss) + back.Latency.draw(n.rng)
	}
	segments := min(1+size/segmentSize, windowSize)
	at += n.retransmits(segments, retransmitTimeout, there.Loss) + there.Latency.draw(n.rng)
	if at > b.deadline {
		n.queue.release(slot)
		return
	}
	n.queue.push(at, slot)
}

// retransmits is the time lost until so many packets have all arrived.
func (n *Network) retransmits(packets int, timeout int64, loss float64) (lost int64) {
	if loss <= 0 {
		return 0
	}
	for range maxRetransmits {
		missing := 0
		for range packets {
			if n.rng.Float64() < loss {
				missing++
			}
		}
		if packets = missing; missing == 0 {
			return lost
		}
		lost += timeout
		timeout *= 2
	}
	return never / 4 // later than any deadline
}

// listening decides what becomes of a stream's message that arrives.
func (n *Network) listening(b *body) bool {
	end, ok := n.open[b.id]
	if !ok && !b.opens {
		return false
	}
	nd := &n.nodes[b.node]
	if b.opens {
		if nd.down || nd.life != b.life {
			if ok {
				link := n.linkOf(b.node, b.from)
				n.fail(b.id, n.now+link.Latency.draw(n.rng)) // refused
			}
			return false
		}
		return true
	}
	if nd.down || nd.life != end.openerLife {
		delete(n.open, b.id)
		return false
	}
	if !nd.paused && (!nd.slowing || b.late) {
		delete(n.open, b.id)
	}
	return true
}

// fail schedules the end of a stream, unless it has been answered by then.
func (n *Network) fail(id uint64, at int64) {
	if slot, ok := n.queue.take(); ok {
		end, b := n.open[id], &n.queue.bodies[slot]
		b.kind, b.node, b.from, b.id = StreamFailed, end.opener, end.listener, id
		n.queue.push(at, slot)
	}
}

// arriveFailure decides whether the opener learns of a failure now. A stopped
// process learns of nothing until it runs again.
func (n *Network) arriveFailure(slot int32) (happens, keep bool) {
	b := &n.queue.bodies[slot]
	end, ok := n.open[b.id]
	if !ok {
		return false, false
	}
	nd := &n.nodes[end.opener]
	if nd.down || nd.life != end.openerLife {
		delete(n.open, b.id)
		return false, false
	}
	if nd.paused && nd.timersStop {
		nd.inbox = append(nd.inbox, slot)
		return false, true
	}
	delete(n.open, b.id)
	return true, false
}

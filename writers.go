package memberlist

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

const (
	// Bounds on packets that wait for a transport that is not ours, for each
	// destination: a transport that blocks on one peer must not hold up what
	// goes to the others, and a peer that is stuck must not fill the memory.
	writerPackets = 128
	writerBytes   = 16 << 20

	// writerPeers bounds the destinations with packets waiting, and so the
	// goroutines.
	writerPeers = 4096

	// Bounds on what is kept for reuse.
	writerSpare = 64
	writerTexts = 4096
)

var errWriteQueueFull = errors.New("memberlist: too many packets wait for the transport")

// writers gives packets to a transport that is not ours on goroutines of their
// own, since it may block: on a connection to set up, or on a peer that does
// not read. Packets to one destination keep their order.
type writers struct {
	mu    sync.Mutex // leaf
	peers map[endpoint]*writer
	idle  chan struct{} // closed when peers becomes empty; made by flush

	// last is whose the newest packet is, or nil. Packets come in runs, and to look
	// one up takes a twentieth of a ping.
	last *writer

	// Kept so that a packet costs no allocation but its own.
	spare []*writer                 // without work, at most writerSpare
	texts map[netip.AddrPort]string // addresses as transports want them, at most writerTexts
}

// writer holds the packets that wait for one destination.
type writer struct {
	to    endpoint
	addr  Address
	queue []outPacket // queue[head:] waits
	head  int
	bytes int
	hand  [writerHandful]outPacket // taken out of the queue; writeLoop's
	loop  func()                   // writeLoop for this writer, made once
}

// writerHandful is how many packets writeLoop takes at once, in addition to those
// that wait: one by one, the lock would cost more than the rest.
const writerHandful = 8

// outPacket is a packet that is given away for good.
type outPacket struct {
	buf []byte
	seq uint32 // non-zero: report a failed write
}

// pushPacket queues a packet, and starts a goroutine for its destination when
// there is none.
func (m *Memberlist) pushPacket(to *endpoint, p outPacket) error {
	w := &m.writers
	w.mu.Lock()
	defer w.mu.Unlock()
	peer := w.last
	if peer == nil || peer.to != *to {
		peer = w.peers[*to]
	}
	if peer != nil {
		if len(peer.queue)-peer.head >= writerPackets || peer.bytes+len(p.buf) > writerBytes {
			return errWriteQueueFull
		}
		peer.push(p)
		w.last = peer
		return nil
	}
	if len(w.peers) >= writerPeers {
		return errWriteQueueFull
	}
	if !m.workers.enter() {
		return ErrShutdown
	}
	if last := len(w.spare) - 1; last >= 0 {
		peer, w.spare[last], w.spare = w.spare[last], nil, w.spare[:last]
	} else {
		peer = new(writer)
		peer.loop = func() { m.writeLoop(peer) }
	}
	peer.to, peer.addr = *to, Address{Addr: w.text(to), Name: to.name}
	peer.push(p)
	if w.peers == nil {
		w.peers = make(map[endpoint]*writer)
	}
	w.peers[*to], w.last = peer, peer
	go peer.loop()
	return nil
}

// push adds a packet. When nothing moves up, the slice grows to little more
// than writerPackets.
func (w *writer) push(p outPacket) {
	if w.head*2 > len(w.queue) {
		kept := copy(w.queue, w.queue[w.head:])
		clear(w.queue[kept:])
		w.queue, w.head = w.queue[:kept], 0
	}
	w.queue = append(w.queue, p)
	w.bytes += len(p.buf)
}

// text is to.String(), remembered.
func (w *writers) text(to *endpoint) string {
	if !to.addr.IsValid() {
		return to.host
	}
	text, ok := w.texts[to.addr]
	if !ok {
		if len(w.texts) >= writerTexts || w.texts == nil {
			w.texts = make(map[netip.AddrPort]string)
		}
		text = to.String()
		w.texts[to.addr] = text
	}
	return text
}

// writeLoop writes what waits for one destination. It is started by the first
// packet and ends when none is left. Shutdown waits for it, but only
// shutdownGrace, because it runs inside a transport that is not ours.
func (m *Memberlist) writeLoop(peer *writer) {
	defer m.workers.leave()
	for {
		n := m.writers.take(peer)
		if n == 0 {
			return
		}
		for _, p := range peer.hand[:n] {
			if m.closing.Load() {
				continue // the transport is being shut down, or has been
			}
			err := m.writeForeign(p.buf, peer.addr)
			if err == nil {
				continue
			}
			m.reportSendError(peer.to, err)
			if p.seq != 0 {
				m.step(func(s *swim, now time.Time) { s.sendFailed(now, p.seq) })
			}
		}
		clear(peer.hand[:n])
	}
}

// take moves the oldest packets into the writer's hand and returns how many. When
// there are none it lets the writer go, which must not be used any more then.
func (w *writers) take(peer *writer) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := peer.queue[peer.head:]
	n := copy(peer.hand[:], waiting)
	for _, p := range waiting[:n] {
		peer.bytes -= len(p.buf)
	}
	clear(waiting[:n])
	peer.head += n
	if n == 0 {
		delete(w.peers, peer.to)
		if w.last == peer {
			w.last = nil
		}
		if len(w.peers) == 0 && w.idle != nil {
			close(w.idle)
			w.idle = nil
		}
		if len(w.spare) < writerSpare {
			peer.to, peer.addr = endpoint{}, Address{}
			peer.queue, peer.head = peer.queue[:0], 0
			w.spare = append(w.spare, peer)
		}
	}
	return n
}

// flush waits until no packet waits for the transport.
func (w *writers) flush(ctx context.Context) {
	w.mu.Lock()
	if len(w.peers) == 0 {
		w.mu.Unlock()
		return
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

package memberlist

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// mockQueue is how many packets a MockTransport holds that nobody has read
// yet. More are dropped, as the receive buffer of a socket does.
const mockQueue = 1024

// MockNetwork connects MockTransports in memory, for tests. It loses no packet
// unless a receiver falls behind by more than 1024 packets or is shut down,
// and delivers in order and at once. It has no goroutines of its own and works
// inside a testing/synctest bubble.
//
// The zero value is an empty network. NewTransport may be called from any
// goroutine. A MockNetwork must not be copied after first use.
type MockNetwork struct {
	mu     sync.Mutex // leaf; never held while waiting
	last   int        // port given away last
	byAddr map[string]*MockTransport
	byName map[string]*MockTransport
}

// NewTransport returns a new transport on the network. It has the address
// 127.0.0.1 and the ports 1, 2, 3 and so on, and is found by its address and,
// unless empty, by its name. A name that is in use goes over to the new
// transport; the older one is still found by its address.
func (n *MockNetwork) NewTransport(name string) *MockTransport {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	t := &MockTransport{
		network: n,
		addr:    MockAddress{port: n.last},
		packets: make(chan *Packet, mockQueue),
		streams: make(chan net.Conn),
		stop:    make(chan struct{}),
	}
	if n.byAddr == nil {
		n.byAddr = make(map[string]*MockTransport)
		n.byName = make(map[string]*MockTransport)
	}
	n.byAddr[t.addr.String()] = t
	if name != "" {
		n.byName[name] = t
	}
	return t
}

// find returns the transport with the name of a or, if a has none, with its
// address.
func (n *MockNetwork) find(a Address) (*MockTransport, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.byAddr[a.Addr]
	if a.Name != "" {
		t = n.byName[a.Name]
	}
	if t == nil {
		return nil, fmt.Errorf("no route to {%s %s}", a.Addr, a.Name)
	}
	return t, nil
}

// MockTransport is a transport on a MockNetwork. It implements
// NodeAwareTransport and IngestionAwareTransport, and its methods may be
// called from any goroutine.
type MockTransport struct {
	network *MockNetwork
	addr    MockAddress
	packets chan *Packet
	streams chan net.Conn // unbuffered: a dial succeeds when it is accepted
	dropped atomic.Uint64

	stopOnce sync.Once
	stop     chan struct{} // closed by Shutdown
}

var (
	_ NodeAwareTransport      = (*MockTransport)(nil)
	_ IngestionAwareTransport = (*MockTransport)(nil)
)

// FinalAdvertiseAddr returns the transport's own address, in 16 byte form, and
// port. It ignores its arguments and never fails.
func (t *MockTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IPv4(127, 0, 0, 1), t.addr.port, nil
}

// WriteTo is WriteToAddress without a name.
func (t *MockTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, Address{Addr: addr})
}

// WriteToAddress delivers a copy of b to the transport that a names. It never
// blocks: a recipient that was shut down, or that has 1024 packets to read
// already, does not get it, and as with UDP the sender does not learn of that.
// It fails when there is no such transport or t itself was shut down.
func (t *MockTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	if t.stopped() {
		return time.Time{}, t.opError("write", net.ErrClosed)
	}
	to, err := t.network.find(a)
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	if to.stopped() {
		to.dropped.Add(1)
		return now, nil
	}
	select {
	case to.packets <- &Packet{Buf: bytes.Clone(b), From: &t.addr, Timestamp: now}:
	default:
		to.dropped.Add(1)
	}
	return now, nil
}

// Dropped returns how many packets to t were dropped, because it was shut down
// or had 1024 packets to read already.
func (t *MockTransport) Dropped() uint64 { return t.dropped.Load() }

// PacketCh returns the channel on which packets arrive. It is never closed.
func (t *MockTransport) PacketCh() <-chan *Packet { return t.packets }

// IngestPacket reads conn to its end, at most 20 MiB, and delivers what it read
// as one packet received from addr at now. It blocks until conn ends and while
// 1024 packets are waiting to be read. It fails when conn cannot be read, holds
// nothing or too much, and when t is shut down. It closes conn, also when it
// fails, if shouldClose is set.
func (t *MockTransport) IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error {
	if shouldClose {
		defer conn.Close()
	}
	if t.stopped() {
		return t.opError("ingest", net.ErrClosed)
	}
	p, err := readPacket(conn, addr, now)
	if err != nil {
		return err
	}
	select {
	case t.packets <- p:
		return nil
	case <-t.stop:
		return t.opError("ingest", net.ErrClosed)
	}
}

// DialTimeout is DialAddressTimeout without a name.
func (t *MockTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream, which is one end of a net.Pipe, to the
// transport that a names. It blocks until the other side takes its end from
// StreamCh, and fails when it does not do so within timeout, when either side
// is shut down, and when there is no such transport. Zero means no timeout.
func (t *MockTransport) DialAddressTimeout(a Address, timeout time.Duration) (net.Conn, error) {
	to, err := t.network.find(a)
	if err != nil {
		return nil, err
	}
	if t.stopped() || to.stopped() {
		return nil, t.opError("dial", net.ErrClosed)
	}
	var expired <-chan time.Time // never, when there is no timeout
	if timeout != 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	near, far := net.Pipe()
	select {
	case to.streams <- far:
		return near, nil
	case <-expired:
		err = os.ErrDeadlineExceeded
	case <-to.stop:
		err = net.ErrClosed
	case <-t.stop:
		err = net.ErrClosed
	}
	near.Close()
	far.Close()
	return nil, t.opError("dial", err)
}

// StreamCh returns the channel on which streams arrive that others dialed. It
// is never closed.
func (t *MockTransport) StreamCh() <-chan net.Conn { return t.streams }

// IngestStream delivers conn as if another transport had dialed. It blocks
// until the stream is taken from StreamCh. When t is shut down it closes conn
// and fails.
func (t *MockTransport) IngestStream(conn net.Conn) error {
	if !t.stopped() {
		select {
		case t.streams <- conn:
			return nil
		case <-t.stop:
		}
	}
	conn.Close()
	return t.opError("ingest", net.ErrClosed)
}

// Shutdown takes t off the network: later packets to it are dropped, dials
// from and to it and writes from it fail, also those that are waiting.
// Streams that are open stay so. It never blocks, returns nil, and does nothing
// the second time.
func (t *MockTransport) Shutdown() error {
	t.stopOnce.Do(func() { close(t.stop) })
	// The network keeps t for ever; it need not keep what nobody will read.
	for {
		select {
		case <-t.packets:
			t.dropped.Add(1)
		default:
			return nil
		}
	}
}

func (t *MockTransport) stopped() bool {
	select {
	case <-t.stop:
		return true
	default:
		return false
	}
}

// opError wraps err, which happened at t, as sockets do.
func (t *MockTransport) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: t.addr.Network(), Source: &t.addr, Err: err}
}

// MockAddress is the address of a MockTransport.
type MockAddress struct{ port int }

// Network returns "mock".
func (a *MockAddress) Network() string { return "mock" }

// String returns "127.0.0.1:" and the port.
func (a *MockAddress) String() string { return "127.0.0.1:" + strconv.Itoa(a.port) }

// ingestMax is the longest packet that IngestPacket accepts: what a message on
// a stream may have. Only transports with packets larger than those of UDP
// come near it.
const ingestMax = 20 << 20

// readPacket reads a packet from conn, to its end.
func readPacket(conn net.Conn, addr net.Addr, now time.Time) (*Packet, error) {
	// ReadAll grows with what arrives, so nothing is allocated on a promise.
	buf, err := io.ReadAll(io.LimitReader(conn, ingestMax+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed to read packet: %w", err)
	case len(buf) == 0:
		return nil, fmt.Errorf("packet too short (0 bytes) %s", LogAddress(addr))
	case len(buf) > ingestMax:
		return nil, fmt.Errorf("packet too long (over %d bytes) %s", ingestMax, LogAddress(addr))
	}
	return &Packet{Buf: buf, From: addr, Timestamp: now}, nil
}

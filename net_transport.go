package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

const (
	// packetQueue is how many received packets wait in memory for their reader.
	// It only saves switching between goroutines for each packet; a longer
	// backlog waits in the socket's receive buffer, and what does not fit there
	// is dropped by the system.
	packetQueue = 64

	// A failed accept or read is tried again after backoffMin, then after twice
	// that, and so on up to backoffMax, so that an error that stays, such as too
	// many open files, costs neither the CPU nor the disk that holds the log.
	backoffMin = 5 * time.Millisecond
	backoffMax = time.Second
)

// NetTransportConfig says what NewNetTransport is to open.
type NetTransportConfig struct {
	// BindAddrs are the IP addresses to listen on, at least one. "0.0.0.0" and,
	// alone, "::" mean all interfaces. Listed with other addresses, "0.0.0.0" is
	// for IPv4 and "::" for IPv6 only. The first address is the one that
	// FinalAdvertiseAddr is about.
	BindAddrs []string

	// BindPort is the port to listen on for both packets and streams, 0 to
	// 65535. With 0 the system chooses one port, which is used for all
	// addresses.
	BindPort int

	// Logger receives the errors of the sockets. Nil means standard error.
	Logger *log.Logger

	// MetricLabels are added to the metric memberlist.udp.received. They are
	// copied.
	MetricLabels []metrics.Label
}

// NetTransport carries packets over UDP and streams over TCP, both on the same
// port. It implements NodeAwareTransport and IngestionAwareTransport; node
// names are ignored. Make it with NewNetTransport. All methods may be called
// from any goroutine.
type NetTransport struct {
	log     *logger
	meter   *meter
	handler atomic.Pointer[func(*Packet)] // gets what sockets receive, if set, instead of packets
	packets chan *Packet
	streams chan net.Conn // unbuffered: a stream nobody took is still ours to close
	sockets []socketPair  // one for each bind address, at least one

	// The sockets to send packets from by the family of the destination; nil
	// when there is none.
	udp4, udp6 *net.UDPConn

	// running ends when Shutdown begins.
	running context.Context
	stop    context.CancelFunc

	shutdown sync.Once
	loops    sync.WaitGroup
}

var (
	_ NodeAwareTransport      = (*NetTransport)(nil)
	_ IngestionAwareTransport = (*NetTransport)(nil)
)

// NewNetTransport listens on all addresses of config and starts to receive. It
// fails when an address is not an IP address or cannot be bound; then
// everything that was opened is closed again. End it with Shutdown.
func NewNetTransport(config *NetTransportConfig) (*NetTransport, error) {
	addrs, err := parseBindAddrs(config.BindAddrs)
	if err != nil {
		return nil, err
	}
	if config.BindPort < 0 || config.BindPort > 65535 {
		return nil, fmt.Errorf("bind port %d is not between 0 and 65535", config.BindPort)
	}
	sockets, err := openSockets(addrs, uint16(config.BindPort), net.ListenUDP)
	if err != nil {
		return nil, err
	}
	out := config.Logger
	if out == nil {
		out = log.New(os.Stderr, "", log.LstdFlags)
	}
	t := &NetTransport{
		log:     &logger{out: out},
		meter:   newMeter(config.MetricLabels),
		packets: make(chan *Packet, packetQueue),
		streams: make(chan net.Conn),
		sockets: sockets,
	}
	t.running, t.stop = context.WithCancel(context.Background())
	for _, s := range sockets {
		if t.udp4 == nil && s.sends4 {
			t.udp4 = s.udp
		}
		if t.udp6 == nil && s.sends6 {
			t.udp6 = s.udp
		}
	}
	// Both kinds of goroutine end when Shutdown closes their socket, which waits
	// for them.
	for _, s := range sockets {
		t.loops.Go(func() { t.acceptLoop(s.tcp) })
		t.loops.Go(func() { t.receiveLoop(s.udp) })
	}
	return t, nil
}

// GetAutoBindPort returns the port that is bound, chosen by the system or not.
func (t *NetTransport) GetAutoBindPort() int { return int(t.sockets[0].port()) }

// deliverTo has what the sockets receive from now on handled by the goroutines
// that read them, which saves a switch and a copy for each packet. handle must
// not keep the packet or anything that it points to. It is for a Memberlist
// that owns t; whoever embeds a NetTransport may want to see what it receives.
func (t *NetTransport) deliverTo(handle func(*Packet)) { t.handler.Store(&handle) }

// PacketCh returns the channel on which packets arrive. It is never closed.
func (t *NetTransport) PacketCh() <-chan *Packet { return t.packets }

// StreamCh returns the channel on which streams arrive. It is never closed.
func (t *NetTransport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout opens a TCP connection to addr, which is "host:port", from any
// local address. It blocks until it is established, has failed, or timeout has
// passed; zero means no timeout but the system's. Shutdown ends it.
func (t *NetTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	if t.stopped() {
		return nil, t.closedError("dial", "tcp")
	}
	dialer := net.Dialer{Timeout: timeout}
	return dialer.DialContext(t.running, "tcp", addr)
}

// DialAddressTimeout is DialTimeout; the name in a is ignored.
func (t *NetTransport) DialAddressTimeout(a Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

// IngestPacket reads conn to its end, at most 20 MiB, and delivers what it read
// as one packet received from addr at now. It blocks until conn ends and, when
// packets are not read quickly enough, until there is room for it. It fails
// when conn cannot be read, holds nothing or too much, and when t is shut down.
// It closes conn, also when it fails, if shouldClose is set.
func (t *NetTransport) IngestPacket(conn net.Conn, addr net.Addr, now time.Time, shouldClose bool) error {
	if shouldClose {
		defer conn.Close()
	}
	if t.stopped() {
		return t.closedError("ingest", "udp")
	}
	p, err := readPacket(conn, addr, now)
	if err != nil {
		return err
	}
	select {
	case t.packets <- p:
		return nil
	case <-t.running.Done():
		return t.closedError("ingest", "udp")
	}
}

// IngestStream delivers conn as if it had been accepted. It blocks until the
// stream is taken from StreamCh. When t is shut down it closes conn and fails.
func (t *NetTransport) IngestStream(conn net.Conn) error {
	if t.deliverStream(conn) {
		return nil
	}
	return t.closedError("ingest", "tcp")
}

// Shutdown closes all sockets and returns when the goroutines that read them
// have ended and the port is free. It does not need the channels to be
// drained: what is on its way to them is dropped or closed. It always returns
// nil; called again, it waits for the first call and does nothing.
func (t *NetTransport) Shutdown() error {
	t.shutdown.Do(func() {
		t.stop()
		closeSockets(t.sockets)
		t.loops.Wait()
	})
	return nil
}

// acceptLoop delivers the streams that others open.
func (t *NetTransport) acceptLoop(listener *net.TCPListener) {
	var pause backoff
	for {
		conn, err := listener.AcceptTCP()
		if err != nil {
			if t.stopped() || errors.Is(err, net.ErrClosed) {
				return
			}
			t.log.errf("failed to accept TCP connection: %v", err)
			if !pause.wait(t.running) {
				return
			}
			continue
		}
		pause.reset()
		if !t.deliverStream(conn) {
			return
		}
	}
}

// deliverStream waits until conn is taken. When the transport is shut down
// instead, it closes conn and returns false.
func (t *NetTransport) deliverStream(conn net.Conn) bool {
	if !t.stopped() {
		select {
		case t.streams <- conn:
			return true
		case <-t.running.Done():
		}
	}
	conn.Close()
	return false
}

func (t *NetTransport) stopped() bool { return t.running.Err() != nil }

// closedError is the error of an operation after Shutdown, as sockets have it.
func (t *NetTransport) closedError(op, network string) error {
	return &net.OpError{Op: op, Net: network, Err: net.ErrClosed}
}

// backoff spaces attempts that keep failing.
type backoff struct{ delay time.Duration }

// reset is called after a success.
func (b *backoff) reset() { b.delay = 0 }

// wait blocks before the next attempt, longer each time. It returns false at
// once when ctx ends.
func (b *backoff) wait(ctx context.Context) bool {
	b.delay = min(max(2*b.delay, backoffMin), backoffMax)
	timer := time.NewTimer(b.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// parseBindAddrs refuses what is not an IP address. The system would take a
// name that it does not understand for all interfaces.
func parseBindAddrs(texts []string) ([]netip.Addr, error) {
	if len(texts) == 0 {
		return nil, errors.New("at least one bind address is required")
	}
	addrs := make([]netip.Addr, len(texts))
	for i, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("bind address %q is not an IP address", text)
		}
		addrs[i] = addr.Unmap()
	}
	return addrs, nil
}

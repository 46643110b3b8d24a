package memberlist

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// testConfig is a Config for a node on an in-memory network.
func testConfig(network *MockNetwork, name string) *Config {
	c := DefaultLANConfig()
	c.Name = name
	c.Transport = network.NewTransport(name)
	c.Logger = log.New(io.Discard, "", 0)
	return c
}

// handle does all that a packet asks for, in a step of its own.
func (r *packetReader) handle(p *Packet) {
	r.take(p)
	r.flush()
}

// readPushPull reads a push/pull message; the reader is to be closed.
func readPushPull(tb testing.TB, m *Memberlist, message []byte) (*frameReader, *remoteState) {
	tb.Helper()
	r := &frameReader{m: m, conn: &slowConn{in: message, step: 1 << 16}}
	if _, err := r.begin(); err != nil {
		tb.Fatal(err)
	}
	remote, err := m.readState(r)
	if err != nil {
		tb.Fatal(err)
	}
	return r, remote
}

// start creates a node that is shut down when the test ends.
func start(t *testing.T, c *Config) *Memberlist {
	t.Helper()
	m, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	return m
}

// join connects a node to the cluster of another.
func join(t *testing.T, m, to *Memberlist) {
	t.Helper()
	if n, err := m.Join([]string{address(to)}); n != 1 || err != nil {
		t.Fatalf("Join = %d, %v", n, err)
	}
}

// address is what to pass to Join to reach a node.
func address(m *Memberlist) string { return m.LocalNode().Name + "/" + m.LocalNode().Address() }

// userDelegate records what it is told, and lets tests act from inside each
// callback.
type userDelegate struct {
	mu    sync.Mutex
	calls []string
	on    func(call string) // called for each call, with no lock held

	meta       []byte
	state      []byte
	broadcasts func(overhead, limit int) [][]byte
	refuse     func(call string) error
}

func (d *userDelegate) record(format string, args ...any) string {
	call := fmt.Sprintf(format, args...)
	d.mu.Lock()
	d.calls = append(d.calls, call)
	on := d.on
	d.mu.Unlock()
	if on != nil {
		on(call)
	}
	return call
}

// take returns the calls so far and forgets them.
func (d *userDelegate) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return calls
}

func (d *userDelegate) setOn(on func(call string)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = on
}

func (d *userDelegate) verdict(call string) error {
	if d.refuse == nil {
		return nil
	}
	return d.refuse(call)
}

func (d *userDelegate) NodeMeta(int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.meta
}
func (d *userDelegate) setMeta(meta string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meta = []byte(meta)
}
func (d *userDelegate) NotifyMsg(msg []byte) { d.record("NotifyMsg %x", msg) }
func (d *userDelegate) GetBroadcasts(overhead, limit int) [][]byte {
	if d.broadcasts == nil {
		return nil
	}
	return d.broadcasts(overhead, limit)
}
func (d *userDelegate) LocalState(join bool) []byte {
	d.record("LocalState %v", join)
	return d.state
}
func (d *userDelegate) MergeRemoteState(buf []byte, join bool) {
	d.record("MergeRemoteState %x", buf)
}
func (d *userDelegate) NotifyJoin(n *Node)   { d.record("NotifyJoin %s", n.Name) }
func (d *userDelegate) NotifyLeave(n *Node)  { d.record("NotifyLeave %s", n.Name) }
func (d *userDelegate) NotifyUpdate(n *Node) { d.record("NotifyUpdate %s", n.Name) }
func (d *userDelegate) NotifyConflict(existing, other *Node) {
	d.record("NotifyConflict %s %s", existing.Address(), other.Address())
}
func (d *userDelegate) NotifyAlive(n *Node) error {
	return d.verdict(d.record("NotifyAlive %s", n.Name))
}
func (d *userDelegate) NotifyMerge(nodes []*Node) error {
	return d.verdict(d.record("NotifyMerge %d", len(nodes)))
}
func (d *userDelegate) AckPayload() []byte { return nil }
func (d *userDelegate) NotifyPingComplete(n *Node, _ time.Duration, _ []byte) {
	d.record("NotifyPingComplete %s", n.Name)
}

// listenTo makes d every delegate of c.
func (d *userDelegate) listenTo(c *Config) {
	c.Delegate, c.Events, c.Conflict, c.Ping, c.Merge, c.Alive = d, d, d, d, d, d
}

// tapTransport is a transport whose other side is the test.
type tapTransport struct {
	addr    net.UDPAddr
	packets chan *Packet
	streams chan net.Conn
	dialed  func(a Address, timeout time.Duration) (net.Conn, error)
	write   func(b []byte, a Address) error

	gone chan struct{} // closed by Shutdown

	mu   sync.Mutex
	sent []tapPacket
	down bool
}

type tapPacket struct {
	to  Address
	buf []byte
}

func newTap() *tapTransport {
	return &tapTransport{
		addr:    net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 7000},
		packets: make(chan *Packet),
		streams: make(chan net.Conn),
		gone:    make(chan struct{}),
	}
}

func (t *tapTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.addr.IP, t.addr.Port, nil
}
func (t *tapTransport) PacketCh() <-chan *Packet  { return t.packets }
func (t *tapTransport) StreamCh() <-chan net.Conn { return t.streams }
func (t *tapTransport) WriteTo([]byte, string) (time.Time, error) {
	panic("WriteTo of a NodeAwareTransport")
}
func (t *tapTransport) DialTimeout(string, time.Duration) (net.Conn, error) {
	panic("DialTimeout of a NodeAwareTransport")
}
func (t *tapTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	if t.write != nil {
		if err := t.write(b, a); err != nil {
			return time.Time{}, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, tapPacket{a, b})
	return time.Now(), nil
}
func (t *tapTransport) DialAddressTimeout(a Address, timeout time.Duration) (net.Conn, error) {
	if t.dialed == nil {
		return nil, fmt.Errorf("dial %s: nobody there", a.Addr)
	}
	return t.dialed(a, timeout)
}
func (t *tapTransport) Shutdown() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.down {
		close(t.gone)
	}
	t.down = true
	return nil
}

// take returns the packets sent so far and forgets them.
func (t *tapTransport) take() []tapPacket {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent := t.sent
	t.sent = nil
	return sent
}

// quiet makes a node do nothing on its own.
func quiet(c *Config) {
	c.ProbeInterval, c.GossipInterval, c.PushPullInterval = 0, 0, 0
	c.EnableCompression = false
}

// tapConfig is the Config of a quiet node on a tapTransport.
func tapConfig(name string) (*Config, *tapTransport) {
	c := DefaultLANConfig()
	tap := newTap()
	c.Name, c.Transport, c.Logger = name, tap, log.New(io.Discard, "", 0)
	quiet(c)
	return c, tap
}

// silence forgets queued gossip, so that packets hold nothing but what a test
// is about.
func silence(m *Memberlist) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.swim.gossip.clear(&m.swim.fx)
}

// isAll reports whether err matches every target.
func isAll(err error, targets ...error) bool {
	for _, target := range targets {
		if !errors.Is(err, target) {
			return false
		}
	}
	return true
}

// encodeAlive announces a member at an address, port 7946.
func encodeAlive(name string, incarnation uint32, ip net.IP) []byte {
	return wire.Alive{Incarnation: incarnation, Node: []byte(name), Addr: ip, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}}.Append(nil)
}

// text is everything written so far.
func (w *callLines) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "")
}

// appendState appends every table entry as it is sent.
func (s *swim) appendState(dst []wire.NodeState) []wire.NodeState {
	for _, r := range s.appendRecords(nil) {
		dst = append(dst, r.state())
	}
	return dst
}

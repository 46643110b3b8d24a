package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

const nodeName = "node-under-test"

// memTransport hands packets in and counts those that come out. It does as
// little as possible, so that what is measured is the library.
type memTransport struct {
	packets chan *Packet
	streams chan net.Conn
	sent    atomic.Int64
	target  atomic.Int64
	reached chan struct{} // the target-th packet was sent
	last    atomic.Pointer[[]byte]
	keep    atomic.Bool // remember the last packet
}

func newMemTransport() *memTransport {
	t := &memTransport{packets: make(chan *Packet, 1024), streams: make(chan net.Conn), reached: make(chan struct{}, 1)}
	t.target.Store(-1)
	return t
}

func (t *memTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IPv4(10, 255, 255, 254).To4(), 7946, nil
}

func (t *memTransport) WriteTo(b []byte, _ string) (time.Time, error) {
	if t.keep.Load() {
		kept := b // so that b itself stays on the stack otherwise
		t.last.Store(&kept)
	}
	if t.sent.Add(1) == t.target.Load() {
		t.reached <- struct{}{}
	}
	return time.Time{}, nil
}

func (t *memTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

func (t *memTransport) PacketCh() <-chan *Packet { return t.packets }

func (t *memTransport) DialTimeout(string, time.Duration) (net.Conn, error) {
	return nil, errors.New("nobody is there")
}

func (t *memTransport) DialAddressTimeout(Address, time.Duration) (net.Conn, error) {
	return nil, errors.New("nobody is there")
}

func (t *memTransport) StreamCh() <-chan net.Conn { return t.streams }

func (t *memTransport) Shutdown() error { return nil }

// complaints fails the benchmark when the library logs that something went
// wrong, because then it did not do the work.
type complaints struct {
	b       testing.TB
	allowed []string
}

func (c complaints) Write(p []byte) (int, error) {
	line := string(p)
	if strings.Contains(line, "[ERR]") || strings.Contains(line, "[WARN]") {
		for _, text := range c.allowed {
			if strings.Contains(line, text) {
				return len(p), nil
			}
		}
		c.b.Errorf("the library complains: %s", line)
	}
	return len(p), nil
}

// delegate counts user messages.
type delegate struct {
	messages atomic.Int64
	target   atomic.Int64
	reached  chan struct{} // the target-th message arrived
	merged   chan struct{} // a push/pull is over
}

func newDelegate() *delegate {
	return &delegate{reached: make(chan struct{}, 1), merged: make(chan struct{}, 1)}
}

func (d *delegate) NotifyMsg([]byte) {
	if d.messages.Add(1) == d.target.Load() {
		d.reached <- struct{}{}
	}
}

func (*delegate) NodeMeta(int) []byte             { return nil }
func (*delegate) GetBroadcasts(int, int) [][]byte { return nil }
func (*delegate) LocalState(bool) []byte          { return nil }

func (d *delegate) MergeRemoteState([]byte, bool) { d.merged <- struct{}{} }

// testNode is a node on a memTransport that acts only when it is told to:
// without probes, gossip and push/pulls of its own.
type testNode struct {
	b        testing.TB
	m        *Memberlist
	t        *memTransport
	f        framing
	delegate *delegate
	seq      uint32
	barrier  []byte

	incarnations []uint32 // that members have been announced with, by number; [0] is this node's
	next         int      // for nextMember
}

func newTestNode(b testing.TB, f framing, more ...func(*Config)) *testNode {
	b.Helper()
	n := &testNode{b: b, t: newMemTransport(), f: f, delegate: newDelegate()}
	c := defaultConfig()
	c.Name = nodeName
	c.Transport = n.t
	c.Delegate = n.delegate
	c.ProbeInterval, c.GossipInterval, c.PushPullInterval = time.Hour, 0, 0
	c.HandoffQueueDepth = 1 << 16
	c.RetransmitMult = 0 // each piece of news is sent once, so that the queue drains quickly
	c.Logger = log.New(complaints{b: b, allowed: []string{"Binding to public", "approaching the limit", "did not run for", "must not block"}}, "", 0)
	f.configure(c)
	for _, set := range more {
		set(c)
	}
	m, err := create(c)
	if err != nil {
		b.Fatal(err)
	}
	n.m = m
	n.barrier = f.seal(user("barrier"))
	b.Cleanup(func() { m.Shutdown() })
	return n
}

// inject hands in a copy of a packet, since the library modifies it.
func (n *testNode) inject(packet []byte) {
	n.t.packets <- &Packet{Buf: append([]byte(nil), packet...), From: peerAddr, Timestamp: time.Now()}
}

// give hands in a packet that the caller made for this purpose.
func (n *testNode) give(p *Packet) { n.t.packets <- p }

// packet makes something for give.
func (n *testNode) packet(msg []byte) *Packet {
	return &Packet{Buf: n.f.seal(msg), From: peerAddr, Timestamp: time.Now()}
}

// settle waits until everything handed in has been dealt with. Membership
// messages come before user messages with both implementations, so it is when a
// user message that was sent behind them arrives.
func (n *testNode) settle() {
	n.expectUsers(1)
	n.inject(n.barrier)
	n.awaitUsers()
}

// expectUsers arms reached for when k more user messages have arrived.
func (n *testNode) expectUsers(k int) {
	n.delegate.target.Store(n.delegate.messages.Load() + int64(k))
}

func (n *testNode) awaitUsers() {
	select {
	case <-n.delegate.reached:
	case <-time.After(time.Minute):
		n.b.Fatalf("%d user messages, expected %d", n.delegate.messages.Load(), n.delegate.target.Load())
	}
}

// expectSent arms reached for when k more packets have been sent.
func (n *testNode) expectSent(k int) {
	n.t.target.Store(n.t.sent.Load() + int64(k))
}

func (n *testNode) awaitSent() {
	select {
	case <-n.t.reached:
	case <-time.After(time.Minute):
		n.b.Fatalf("sent %d packets, expected %d", n.t.sent.Load(), n.t.target.Load())
	}
}

// fill makes the table hold this node and members 1 to size-1.
func (n *testNode) fill(size int, meta []byte) {
	n.b.Helper()
	// Neither a message nor the answer to it may be too long, and ours lets
	// gossip bring no more newcomers at once than there are members.
	const most = 25_000
	from := 1
	for ; from < min(size, 2*most); from += most {
		n.exchange(n.streamFrame(pushPull(nodeStates(from, min(from+most, size), 1, meta))))
	}
	for from < size {
		var msgs [][]byte
		for ; from < size && len(msgs) < 50; from++ {
			msgs = append(msgs, alive(from, 1, meta))
		}
		n.inject(n.f.seal(compound(msgs)))
		if from%1000 < 50 {
			n.settle()
		}
	}
	n.settle()
	if got := n.m.NumMembers(); got != size {
		n.b.Fatalf("%d members, expected %d", got, size)
	}
	n.incarnations = slices.Repeat([]uint32{1}, size)
}

// nextMember goes through the members.
func (n *testNode) nextMember() int {
	n.next = n.next%(len(n.incarnations)-1) + 1
	return n.next
}

// pull asks for the node's table by a push/pull that says nothing.
func (n *testNode) pull() map[string]wire.NodeState {
	n.b.Helper()
	states := map[string]wire.NodeState{}
	answer := n.exchange(n.streamFrame(pushPull(nil)))
	for _, s := range decodeStates(n.b, n.openFrame(answer)) {
		states[string(s.Name)] = s
	}
	return states
}

// check verifies that each member has the incarnation announced last, and that
// the first suspects, and only these, are suspect.
func (n *testNode) check(suspects int) {
	n.b.Helper()
	states := n.pull()
	for i, incarnation := range n.incarnations {
		if i == 0 {
			continue
		}
		state := 0
		if i <= suspects {
			state = 1
		}
		s, ok := states[memberName(i)]
		if !ok || s.Incarnation != incarnation || s.State != state {
			n.b.Fatalf("%s: incarnation %d, state %d, known %v; expected %d, %d", memberName(i), s.Incarnation, s.State, ok, incarnation, state)
		}
	}
}

// exchange is one stream: a push/pull, and the answer to it. It returns when
// the node has merged the request.
func (n *testNode) exchange(request []byte) []byte {
	n.b.Helper()
	c := newRecordedConn(request, nil)
	n.t.streams <- c
	n.awaitMerged()
	<-c.closed
	return c.answer
}

func (n *testNode) awaitMerged() {
	select {
	case <-n.delegate.merged:
	case <-time.After(time.Minute):
		n.b.Fatal("a push/pull is not merged")
	}
}

// recordedConn is the node's end of a stream whose other end has said all it
// has to say. Reading and writing cost one copy and never wait.
type recordedConn struct {
	net.Conn // nil: what is not below is not used
	request  []byte
	answer   []byte
	once     sync.Once
	closed   chan struct{}
}

// newRecordedConn returns one that appends the answer to buf.
func newRecordedConn(request, buf []byte) *recordedConn {
	return &recordedConn{request: request, answer: buf, closed: make(chan struct{})}
}

func (c *recordedConn) Read(b []byte) (int, error) {
	if len(c.request) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.request)
	c.request = c.request[n:]
	return n, nil
}

func (c *recordedConn) Write(b []byte) (int, error) {
	c.answer = append(c.answer, b...)
	return len(b), nil
}

func (c *recordedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (*recordedConn) RemoteAddr() net.Addr             { return peerAddr }
func (*recordedConn) SetDeadline(time.Time) error      { return nil }
func (*recordedConn) SetReadDeadline(time.Time) error  { return nil }
func (*recordedConn) SetWriteDeadline(time.Time) error { return nil }

// streamFrame wraps a message for a stream as a dialer does.
func (n *testNode) streamFrame(msg []byte) []byte {
	if n.f.compress {
		msg = wire.AppendCompressed(nil, msg)
	}
	if n.f.key != nil {
		header := make([]byte, 5)
		header[0] = byte(wire.TypeEncrypt)
		binary.BigEndian.PutUint32(header[1:], uint32(len(msg)+1+12+16))
		aad := append(append([]byte(nil), header...), n.f.label...)
		msg = sealGCM(header, n.f.key, msg, aad)
	}
	if n.f.label != "" {
		out, err := wire.AppendLabel(nil, n.f.label)
		if err != nil {
			n.b.Fatal(err)
		}
		msg = append(out, msg...)
	}
	return msg
}

// openFrame removes what streamFrame adds, but for the label, which answers do
// not have.
func (n *testNode) openFrame(b []byte) []byte {
	n.b.Helper()
	if len(b) > 0 && wire.Type(b[0]) == wire.TypeEncrypt {
		aad := append(append([]byte(nil), b[:5]...), n.f.label...)
		opened, err := aead(n.f.key).Open(nil, b[6:18], b[18:], aad)
		if err != nil {
			n.b.Fatal(err)
		}
		b = opened
	}
	if len(b) > 0 && wire.Type(b[0]) == wire.TypeCompress {
		var c wire.Compressed
		if _, err := c.Decode(b[1:]); err != nil {
			n.b.Fatal(err)
		}
		opened, err := wire.Decompress(nil, &c, wire.MaxDecompressed)
		if err != nil {
			n.b.Fatal(err)
		}
		b = opened
	}
	return b
}

func decodeStates(b testing.TB, msg []byte) []wire.NodeState {
	b.Helper()
	if len(msg) == 0 || wire.Type(msg[0]) != wire.TypePushPull {
		b.Fatalf("no push/pull in answer of %d bytes", len(msg))
	}
	var h wire.PushPullHeader
	rest, err := h.Decode(msg[1:])
	if err != nil {
		b.Fatal(err)
	}
	states := make([]wire.NodeState, h.Nodes)
	for i := range states {
		if rest, err = states[i].Decode(rest); err != nil {
			b.Fatal(fmt.Errorf("state %d: %w", i, err))
		}
	}
	return states
}

package memberlist

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/simnet"
	"github.com/swimguard/memberlist/internal/wire"
)

// fuzzKey is the key that the fuzzers know.
var fuzzKey = []byte("0123456789abcdef")

// fuzzWraps is the ways in which a fuzzed message reaches a node whose
// configuration fits: plain, and in every layer that a sender can put around it.
var fuzzWraps = []struct {
	name        string
	label       string
	sealed      bool
	sealVersion uint8
	compress    string // "lzw", "snappy" or none
	checksum    bool
}{
	{name: "plain"},
	{name: "labelled", label: "blue"},
	{name: "sealed", sealed: true, sealVersion: sealUnpadded},
	{name: "sealed with padding", sealed: true, sealVersion: sealPadded},
	{name: "compressed", compress: "lzw"},
	{name: "snappy", compress: "snappy"},
	{name: "checksum", checksum: true},
	{name: "everything", label: "blue", sealed: true, sealVersion: sealUnpadded, compress: "lzw", checksum: true},
	{name: "raw bytes to a node with a key and a label", label: "blue", sealed: true, sealVersion: 255},
}

// fuzzNode is a node without goroutines or sockets: the fuzzer calls what
// packetLoop and streamLoop would.
func fuzzNode(label string, sealed bool) (*Memberlist, *tapTransport) {
	conf, tap := tapConfig("a")
	conf.Label = label
	if sealed {
		conf.Keyring, _ = NewKeyring(nil, fuzzKey)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	m := &Memberlist{
		config: conf, name: conf.Name, label: []byte(label), transport: tap, aware: tap,
		log: newLogger(conf), meter: newMeter(nil), waits: make(map[ticket]chan<- completion),
		alarm: newAlarm(), ctx: ctx, cancel: cancel, stop: make(chan struct{}), done: make(chan struct{}),
	}
	m.streams.init()
	m.renew()
	return m, tap
}

// renew makes the node forget everything, so that each input meets the same one.
func (m *Memberlist) renew() {
	m.view = new(view)
	m.swim = newSwim(m.config.coreParams(), simnet.NewRand(1, 1))
	self := m.selfNode(net.IPv4(10, 0, 0, 1).To4(), 7946, nil)
	m.self.Store(self)
	member := *self
	m.step(func(s *swim, now time.Time) {
		s.start(now, &member)
		for _, name := range []string{"b", "c"} {
			s.handleAlive(now, &wire.Alive{Incarnation: 5, Node: []byte(name), Addr: []byte{10, 0, 0, name[0] - 'a' + 1}, Port: 7946, Vsn: []byte{1, 5, 2, 0, 0, 0}})
		}
		s.gossip.clear(&s.fx)
	})
}

// goldenInputs are the messages in testdata/wire of one kind.
func goldenInputs(f *testing.F, file string) (inputs [][]byte) {
	f.Helper()
	raw, err := os.ReadFile("testdata/wire/" + file)
	if err != nil {
		f.Fatal(err)
	}
	var vectors []struct{ Hex string }
	if err := json.Unmarshal(raw, &vectors); err != nil {
		f.Fatal(err)
	}
	for _, v := range vectors {
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) <= 2048 {
			inputs = append(inputs, b)
		}
	}
	if len(inputs) < 10 {
		f.Fatalf("only %d inputs in %s", len(inputs), file)
	}
	return inputs
}

// wrapFuzzed puts msg into the layers of w.
func wrapFuzzed(way int, msg []byte) []byte {
	w := fuzzWraps[way]
	b := bytes.Clone(msg)
	switch w.compress {
	case "lzw":
		b = wire.AppendCompressed(nil, b)
	case "snappy":
		b = wire.AppendSnappy(nil, b)
	}
	if w.checksum {
		b = append(make([]byte, wire.ChecksumLen), b...)
		wire.PutChecksum(b)
	}
	if w.sealed && w.sealVersion != 255 {
		ring, _ := NewKeyring(nil, fuzzKey)
		buf := append(make([]byte, sealHeaderSize, sealHeaderSize+len(b)+64), b...)
		b, _ = ring.seal(buf[:0], w.sealVersion, buf[sealHeaderSize:], []byte(w.label))
	}
	if w.sealVersion != 255 {
		b = append(labelHeader(w.label), b...)
	}
	return b
}

// FuzzPacketPath gives any bytes to a whole node as a packet: as they are, and
// as the innermost message of every kind of packet that the node is configured
// for. The node must not panic, must keep its tables consistent and itself
// alive, and must neither keep nor send more than one packet entitles to.
func FuzzPacketPath(f *testing.F) {
	for way := range fuzzWraps {
		f.Add(byte(way), []byte{})
	}
	for i, b := range append(goldenInputs(f, "packets.json"), goldenInputs(f, "malformed.json")...) {
		f.Add(byte(i), b)
		f.Add(byte(0), b)
	}
	type node struct {
		m   *Memberlist
		tap *tapTransport
	}
	nodes := make([]node, len(fuzzWraps))
	for i, w := range fuzzWraps {
		nodes[i].m, nodes[i].tap = fuzzNode(w.label, w.sealed)
	}
	f.Fuzz(func(t *testing.T, way byte, in []byte) {
		if len(in) > 64<<10 {
			return
		}
		i := int(way) % len(fuzzWraps)
		m, tap := nodes[i].m, nodes[i].tap
		m.renew()
		packet := wrapFuzzed(i, in)
		if len(packet) == 0 {
			return
		}
		m.writers.flush(context.Background())
		tap.take()
		r := packetReader{m: m}
		r.handle(&Packet{Buf: packet, From: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 7946}, Timestamp: time.Now()})
		m.writers.flush(context.Background())
		if r.messages > packetMessages+1 || r.room < 0 {
			t.Errorf("%d messages, %d bytes of room", r.messages, r.room)
		}
		// Each ping makes one packet; each dead message may lead to one last
		// look at a member. There are two.
		if n := len(tap.take()); n > 2*packetPings+4 {
			t.Errorf("%d packets sent for one", n)
		}
		checkFuzzed(t, m, 3+packetMessages)
	})
}

// checkFuzzed checks what a node must hold true whatever it was told.
func checkFuzzed(t *testing.T, m *Memberlist, most int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.swim
	var counts [4]int
	for _, e := range s.table.all {
		counts[e.node.State]++
		if s.table.named(e.node.Name) != e {
			t.Errorf("%q is in the ring and not in the table", e.node.Name)
		}
		if len(e.node.Name) > maxNameLen || len(e.node.Meta) > MetaMaxSize {
			t.Errorf("a name of %d bytes, metadata of %d", len(e.node.Name), len(e.node.Meta))
		}
		if (e.rare().suspicion != nil) != (e.node.State == StateSuspect) {
			t.Errorf("%q: state %d, suspicion %v", e.node.Name, e.node.State, e.rare().suspicion != nil)
		}
		if a := addrPort(e.node.Addr, e.node.Port); !a.IsValid() {
			t.Errorf("%q at an address that is none", e.node.Name)
		}
	}
	if counts != s.table.counts || s.table.names.len() != len(s.table.all) || len(s.table.all) > most {
		t.Errorf("counts %v and %v, %d names, %d entries", counts, s.table.counts, s.table.names.len(), len(s.table.all))
	}
	if s.self == nil || s.self.node.State != StateAlive {
		t.Error("the node believes itself gone")
	}
	if s.queued() > len(s.table.all) {
		t.Errorf("%d messages queued about %d members", s.queued(), len(s.table.all))
	}
}

// FuzzStreamPath gives any bytes to a whole node as an incoming stream, in
// segments of any size: as they are, and as the message of a frame of every
// kind. It must not panic or hang, must hold no slot afterwards, and must keep
// its tables consistent.
func FuzzStreamPath(f *testing.F) {
	for i, b := range append(goldenInputs(f, "streams.json"), goldenInputs(f, "malformed.json")...) {
		f.Add(byte(i), byte(i), b)
		f.Add(byte(0), byte(255), b)
	}
	type node struct {
		m   *Memberlist
		tap *tapTransport
	}
	nodes := make([]node, len(fuzzWraps))
	for i, w := range fuzzWraps {
		nodes[i].m, nodes[i].tap = fuzzNode(w.label, w.sealed)
	}
	f.Fuzz(func(t *testing.T, way, step byte, in []byte) {
		if len(in) > 256<<10 {
			return
		}
		i := int(way) % len(fuzzWraps)
		w, m := fuzzWraps[i], nodes[i].m
		m.renew()
		stream := in
		if w.sealVersion != 255 {
			plain := *m.config
			m.config.EnableCompression, m.config.CompressionAlgorithm = w.compress != "", CompressionAlgorithm(w.compress)
			if w.sealed && w.sealVersion == sealPadded {
				m.config.ProtocolVersion = 1
			}
			frame, err := m.encodeFrame(whole(in), m.label)
			*m.config = plain
			if err != nil {
				t.Fatal(err)
			}
			stream = append(labelHeader(w.label), frame...)
		}
		conn := &fuzzConn{slowConn: slowConn{in: stream, step: 1 + int(step)*int(step)}}
		if tell := m.answer(conn); tell != nil {
			tell()
		}
		if !conn.closed {
			t.Error("the stream was left open")
		}
		if n := len(m.streams.large); n != 0 || m.streams.pushPulls.Load() != 0 {
			t.Errorf("%d slots taken, %d push/pulls", n, m.streams.pushPulls.Load())
		}
		if conn.wrote > maxFrame {
			t.Errorf("answered %d bytes", conn.wrote)
		}
		m.writers.flush(context.Background())
		nodes[i].tap.take()
		checkFuzzed(t, m, 3+len(in))
	})
}

// fuzzConn is a stream that delivers bytes and takes any answer.
type fuzzConn struct {
	slowConn
	wrote  int
	closed bool
}

func (c *fuzzConn) Read(b []byte) (int, error) {
	if c.closed {
		return 0, io.ErrClosedPipe
	}
	return c.slowConn.Read(b)
}
func (c *fuzzConn) Write(b []byte) (int, error) {
	c.wrote += len(b)
	return len(b), nil
}
func (c *fuzzConn) Close() error                     { c.closed = true; return nil }
func (c *fuzzConn) SetDeadline(time.Time) error      { return nil }
func (c *fuzzConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fuzzConn) SetWriteDeadline(time.Time) error { return nil }
func (c *fuzzConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 9} }
func (c *fuzzConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 7946} }

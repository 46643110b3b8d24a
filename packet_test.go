package memberlist

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// received is what a node understood of packets.
type received struct {
	user [][]byte
	acks []uint32
}

// readBack takes packets apart as their receiver does.
func readBack(t *testing.T, c *Config, sent []tapPacket) (packets []received) {
	t.Helper()
	for _, p := range sent {
		r := packetReader{m: &Memberlist{config: c, label: []byte(c.Label), log: newLogger(c), meter: newMeter(nil), name: "reader"}}
		body, ok := r.unwrap(bytes.Clone(p.buf))
		if !ok {
			t.Fatalf("cannot unwrap %x", p.buf)
		}
		r.room = packetExpansion
		var got received
		var walk func(b []byte)
		walk = func(b []byte) {
			switch wire.Type(b[0]) {
			case wire.TypeCompound:
				parts, err := wire.Parts(b[1:])
				if err != nil {
					t.Fatal(err)
				}
				for part, ok := parts.Next(); ok; part, ok = parts.Next() {
					walk(part)
				}
				if parts.Truncated() > 0 {
					t.Fatalf("truncated compound of %d bytes", len(b))
				}
			case wire.TypeCompress:
				var c wire.Compressed
				if _, err := c.Decode(b[1:]); err != nil {
					t.Fatal(err)
				}
				inner, err := wire.Decompress(nil, &c, wire.MaxDecompressed)
				if err != nil {
					t.Fatal(err)
				}
				walk(inner)
			case wire.TypeUser:
				got.user = append(got.user, b[1:])
			case wire.TypeAck:
				var a wire.Ack
				if _, err := a.Decode(b[1:]); err != nil {
					t.Fatal(err)
				}
				got.acks = append(got.acks, a.SeqNo)
			}
		}
		walk(body)
		packets = append(packets, got)
	}
	return packets
}

// pingPacket asks the named node for an ack, in the name of a friend.
func pingPacket(name string, seq uint32) *Packet {
	ping := wire.Ping{SeqNo: seq, Node: []byte(name), SourceAddr: []byte{127, 0, 0, 1}, SourcePort: 1, SourceNode: []byte("friend")}
	return &Packet{Buf: ping.Append(nil), From: &MockAddress{port: 1}, Timestamp: time.Now()}
}

// befriend makes a member of who sends pingPackets: acks to strangers carry no
// gossip.
func befriend(m *Memberlist) {
	m.step(func(s *swim, now time.Time) {
		s.handleAlive(now, &friend)
	})
}

var friend = wire.Alive{Incarnation: 1, Node: []byte("friend"), Addr: []byte{127, 0, 0, 1}, Port: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}

// Regressions 45 to 48 and 53: whatever a delegate adds, acks arrive.
func TestUserBroadcastsNeverDamageWhatTheyRideOn(t *testing.T) {
	many := func(n, size int) [][]byte {
		msgs := make([][]byte, n)
		for i := range msgs {
			msgs[i] = bytes.Repeat([]byte{byte(i)}, size)
		}
		return msgs
	}
	for _, test := range []struct {
		name    string
		buffer  int
		msgs    [][]byte
		packets int
	}{
		{"none", 1400, nil, 1},
		{"one", 1400, many(1, 10), 1},
		{"empty ones", 1400, many(3, 0), 1},
		{"254 beside the ack", 1400, many(254, 0), 1},
		{"255 beside the ack", 1400, many(255, 0), 2},
		{"1000 tiny ones", 1400, many(1000, 1), 4},
		{"more than fits", 1400, many(3, 600), 2},
		{"one larger than a packet", 1400, many(1, 5000), 2},
		{"64 KiB less one", 10 << 20, many(2, wire.MaxPartLen-1), 1},
		{"64 KiB, which a compound cannot hold", 10 << 20, many(2, wire.MaxPartLen), 3},
		{"large and small", 10 << 20, append(many(1, 100000), many(3, 10)...), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, tap := tapConfig("a")
				c.UDPBufferSize = test.buffer
				limits := 0
				c.Delegate = &userDelegate{broadcasts: func(overhead, limit int) [][]byte {
					if overhead != 3 || limit <= overhead || limit > test.buffer {
						t.Errorf("GetBroadcasts(%d, %d)", overhead, limit)
					}
					limits++
					return test.msgs
				}}
				m := start(t, c)
				befriend(m)
				silence(m)
				tap.packets <- pingPacket("a", 7)
				synctest.Wait()
				got := readBack(t, c, tap.take())
				if len(got) != test.packets || !slices.Equal(got[0].acks, []uint32{7}) || limits != 1 {
					t.Fatalf("%d packets, acks %v, %d calls", len(got), got[0].acks, limits)
				}
				var user [][]byte
				for _, p := range got {
					user = append(user, p.user...)
				}
				slices.SortFunc(user, bytes.Compare)
				want := slices.Clone(test.msgs)
				slices.SortFunc(want, bytes.Compare)
				if !slices.EqualFunc(user, want, bytes.Equal) {
					t.Errorf("%d messages arrived, want %d", len(user), len(want))
				}
			})
		})
	}
}

// Regression 48: no packet of gossip exceeds what was configured.
func TestPacketsKeepToTheConfiguredSize(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(c *Config)
	}{
		{"plain", func(*Config) {}},
		{"label", func(c *Config) { c.Label = strings.Repeat("l", 100) }},
		{"encrypted", func(c *Config) { c.SecretKey = make([]byte, 32) }},
		{"encrypted by version 1", func(c *Config) { c.SecretKey, c.ProtocolVersion = make([]byte, 32), 1 }},
		{"all", func(c *Config) { c.SecretKey, c.Label = make([]byte, 16), "label" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, tap := tapConfig("a")
				test.change(c)
				c.GossipInterval = 100 * time.Millisecond
				largest := 0
				c.Delegate = &userDelegate{broadcasts: func(overhead, limit int) [][]byte {
					return [][]byte{make([]byte, limit-overhead)} // as full as can be
				}}
				m := start(t, c)
				m.step(func(s *swim, now time.Time) {
					s.handleAlive(now, &wire.Alive{Incarnation: 1, Node: []byte("b"), Addr: []byte{10, 0, 0, 2}, Port: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}})
				})
				time.Sleep(3 * time.Second)
				for _, p := range tap.take() {
					largest = max(largest, len(p.buf))
				}
				if largest > c.UDPBufferSize || largest < c.UDPBufferSize-30 {
					t.Errorf("the largest packet has %d bytes of %d", largest, c.UDPBufferSize)
				}
			})
		})
	}
}

func TestPacketsAreFramedAsConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, version := range []uint8{1, 2, 5} {
			for _, label := range []string{"", "blue"} {
				for _, key := range [][]byte{nil, make([]byte, 16), make([]byte, 32)} {
					for _, compress := range []bool{false, true} {
						for _, pmax := range []uint8{4, 5} {
							c, tap := tapConfig("a")
							c.ProtocolVersion, c.Label, c.SecretKey, c.EnableCompression = version, label, key, compress
							m, err := Create(c)
							if err != nil {
								t.Fatal(err)
							}
							msg := bytes.Repeat([]byte("abcdefgh"), 50)
							if err := m.SendBestEffort(&Node{Name: "b", Addr: net.IPv4(10, 0, 0, 2), Port: 2, PMax: pmax}, msg); err != nil {
								t.Error(err)
							}
							sent := tap.take()
							got := readBack(t, c, sent)
							if len(got) != 1 || len(got[0].user) != 1 || !bytes.Equal(got[0].user[0], msg) {
								t.Errorf("got %v", got)
							}
							if p := sent[0]; p.to != (Address{Addr: "10.0.0.2:2", Name: "b"}) {
								t.Errorf("sent to %v", p.to)
							}
							if b := sent[0].buf; key == nil {
								if label != "" {
									b = b[2+len(label):]
								}
								want := wire.TypeUser
								if compress {
									want = wire.TypeCompress
								}
								if pmax == 5 {
									if wire.Type(b[0]) != wire.TypeChecksum {
										t.Errorf("no checksum: %x", b[:8])
									}
									b = b[wire.ChecksumLen:]
								}
								if wire.Type(b[0]) != want {
									t.Errorf("type %d, want %d", b[0], want)
								}
							}
							m.Shutdown()
						}
					}
				}
			}
		}
	})
}

func TestEncryptionIsRolledOutStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		c.SecretKey = make([]byte, 16)
		c.GossipVerifyIncoming, c.GossipVerifyOutgoing = false, false
		m := start(t, c)
		silence(m)
		tap.packets <- pingPacket("a", 1)
		synctest.Wait()
		sent := tap.take()
		if len(sent) != 1 || wire.Type(sent[0].buf[0]) != wire.TypeAck {
			t.Fatalf("a plaintext ping got %v", sent)
		}
		sealed, err := c.Keyring.seal(nil, sealUnpadded, pingPacket("a", 2).Buf, nil)
		if err != nil {
			t.Fatal(err)
		}
		tap.packets <- &Packet{Buf: sealed, From: &MockAddress{port: 1}}
		synctest.Wait()
		if sent := tap.take(); len(sent) != 1 || wire.Type(sent[0].buf[0]) != wire.TypeAck {
			t.Fatalf("a sealed ping got %v", sent)
		}
		// Longer than what can be kept for a second try.
		long := append([]byte{byte(wire.TypeUser)}, make([]byte, scratchSize)...)
		d := &userDelegate{}
		c.Delegate = d
		tap.packets <- &Packet{Buf: wire.AppendCompound(nil, [][]byte{long[:40000], long[:40000]}), From: &MockAddress{port: 1}}
		synctest.Wait()
		if calls := d.take(); len(calls) != 2 {
			t.Errorf("%d messages from a large plaintext packet", len(calls))
		}
	})
}

// Regression 54 (ml#348).
func TestSendBestEffortAboveTheLimitIsAnError(t *testing.T) {
	c := loopback("a")
	c.EnableCompression = false
	m := start(t, c)
	d := &userDelegate{}
	got := make(chan string, 1)
	d.setOn(func(call string) { got <- call })
	c2 := loopback("b")
	c2.Delegate = d
	b := start(t, c2)
	if err := m.SendBestEffort(b.LocalNode(), make([]byte, udpPayloadMax)); !errors.Is(err, ErrMessageTooLarge) {
		t.Errorf("one byte too long: %v", err)
	}
	if err := m.SendBestEffort(b.LocalNode(), make([]byte, 100<<20)); !errors.Is(err, ErrMessageTooLarge) {
		t.Errorf("far too long: %v", err)
	}
	for _, size := range []int{0, 60000} {
		if err := m.SendBestEffort(b.LocalNode(), make([]byte, size)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if call := <-got; len(call) != len("NotifyMsg ")+2*size {
			t.Errorf("%d bytes: %d arrived", size, (len(call)-len("NotifyMsg "))/2)
		}
	}
	if err := m.SendBestEffort(nil, nil); err == nil {
		t.Error("sent to nobody")
	}
}

// nest wraps a message in compounds.
func nest(msg []byte, depth int) []byte {
	for range depth {
		msg = wire.AppendCompound(nil, [][]byte{msg})
	}
	return msg
}

// Hazard 3.
func TestNestingIsBounded(t *testing.T) {
	for _, wrap := range map[string]func(msg []byte) []byte{
		"compound": func(msg []byte) []byte { return nest(msg, 1) },
		"compress": func(msg []byte) []byte { return wire.AppendCompressed(nil, msg) },
	} {
		synctest.Test(t, func(t *testing.T) {
			c, tap := tapConfig("a")
			d := &userDelegate{}
			c.Delegate = d
			start(t, c)
			msg := []byte("\x08hello")
			for depth := range packetNesting + 2 {
				tap.packets <- &Packet{Buf: bytes.Clone(msg), From: &MockAddress{port: 1}}
				synctest.Wait()
				if calls := d.take(); len(calls) == 1 != (depth <= packetNesting) {
					t.Errorf("depth %d: %q", depth, calls)
				}
				msg = wrap(msg)
			}
		})
	}
	deep := nest([]byte("\x08x"), 15000)
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		start(t, c)
		tap.packets <- &Packet{Buf: deep, From: &MockAddress{port: 1}}
		tap.packets <- pingPacket("a", 1)
		synctest.Wait()
		if sent := tap.take(); len(sent) != 1 {
			t.Errorf("%d packets sent", len(sent))
		}
	})
}

// Regression 60 (ml#362): what comes out of one packet is bounded, however it
// is put together.
func TestDecompressionOfAPacketIsBounded(t *testing.T) {
	zeros := func(n int) []byte {
		return wire.AppendCompressed(nil, append([]byte{byte(wire.TypeUser)}, make([]byte, n-1)...))
	}
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		sizes := 0
		c.Delegate = msgFunc(func(b []byte) { sizes += len(b) })
		start(t, c)
		deliver := func(b []byte) int {
			sizes = 0
			tap.packets <- &Packet{Buf: b, From: &MockAddress{port: 1}}
			synctest.Wait()
			return sizes
		}
		if got := deliver(zeros(packetExpansion)); got != packetExpansion-1 {
			t.Errorf("at the limit %d bytes came out", got)
		}
		if got := deliver(zeros(packetExpansion + 1)); got != 0 {
			t.Errorf("over the limit %d bytes came out", got)
		}
		one := zeros(packetExpansion / 4)
		if got := deliver(wire.AppendCompound(nil, [][]byte{one, one, one, one, one, one})); got > packetExpansion {
			t.Errorf("of several %d bytes came out", got)
		}
	})
}

func TestMessagesOfAPacketAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		d := &userDelegate{}
		c.Delegate = d
		c.HandoffQueueDepth = 1 << 20
		start(t, c)
		one := []byte{byte(wire.TypeUser)}
		full := make([][]byte, 255)
		deliver := func(parts ...[]byte) int {
			tap.packets <- &Packet{Buf: wire.AppendCompound(nil, parts), From: &MockAddress{port: 1}}
			synctest.Wait()
			return len(d.take())
		}
		empty := wire.AppendCompound(nil, full)
		for i := range full {
			full[i] = one
		}
		inner := wire.AppendCompound(nil, full)
		const compounds = 1 + 4 // which count too; the fifth inner one comes too late
		if n := deliver(inner, inner, inner, inner, inner, inner); n != packetMessages-compounds {
			t.Errorf("%d messages, want %d", n, packetMessages-compounds)
		}
		// What is refused for its own sake counts: two million of them fit into a
		// packet that is compressed.
		if n := deliver(empty, empty, empty, empty, one); n != 0 {
			t.Errorf("%d messages behind %d empty ones", n, 4*len(full))
		}
		if n := deliver(empty, empty, empty, one); n != 1 {
			t.Errorf("%d messages behind %d empty ones", n, 3*len(full))
		}
	})
}

// Regression 66 (ml#371): a packet cannot make us send hundreds.
func TestPingsOfAPacketAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		m := start(t, c)
		silence(m)
		pings := make([][]byte, 255)
		for i := range pings {
			pings[i] = wire.Ping{SeqNo: uint32(i), Node: []byte("a"), SourceAddr: []byte{203, 0, 113, 1}, SourcePort: 53}.Append(nil)
		}
		tap.packets <- &Packet{Buf: wire.AppendCompound(nil, pings), From: &MockAddress{port: 1}}
		synctest.Wait()
		if n := len(tap.take()); n != packetPings {
			t.Errorf("%d answers, want %d", n, packetPings)
		}
	})
}

// Regression 58 (alloy#2916).
func TestFullQueueDropsUserMessagesVisibly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		w := &callLines{}
		c.Logger.SetOutput(w)
		c.HandoffQueueDepth = 10
		d := &userDelegate{}
		release := make(chan struct{})
		d.setOn(func(string) { <-release })
		c.Delegate = d
		m := start(t, c)
		for i := range 30 {
			tap.packets <- &Packet{Buf: []byte{byte(wire.TypeUser), byte(i)}, From: &MockAddress{port: 1}}
			synctest.Wait()
		}
		close(release)
		synctest.Wait()
		if got := len(d.take()); got != 11 { // one in hand, ten waiting
			t.Errorf("%d delivered", got)
		}
		if n := m.users.dropped.Load(); n != 19 {
			t.Errorf("%d counted", n)
		}
		if all := w.text(); !strings.Contains(all, "[WARN] memberlist: handler queue full, dropping message (user) from=127.0.0.1:1") {
			t.Errorf("log:\n%s", all)
		}
	})
}

// Regression 65 (ml#57, serf#339).
func TestUserMessagesWithoutADelegateAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		a, b := start(t, testConfig(&network, "a")), start(t, testConfig(&network, "b"))
		a.SendBestEffort(b.LocalNode(), []byte("x"))
		a.SendReliable(b.LocalNode(), []byte("x"))
		join(t, a, b)
		synctest.Wait()
		if a.NumMembers() != 2 {
			t.Error("they did not join")
		}
	})
}

func TestSlowQueriesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		w := &callLines{}
		c.Logger.SetOutput(w)
		c.Delegate = &userDelegate{broadcasts: func(int, int) [][]byte { time.Sleep(2 * slowQuery); return nil }}
		m := start(t, c)
		befriend(m)
		tap.packets <- pingPacket("a", 1)
		time.Sleep(time.Second)
		if n := m.slowQueries.Load(); n != 1 {
			t.Errorf("%d counted", n)
		}
		if all := w.text(); !strings.Contains(all, "GetBroadcasts took 20ms") {
			t.Errorf("log:\n%s", all)
		}
	})
}

func TestAckPayloadIsAskedForPingsToThisNodeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		asked := 0
		c.Ping = ackFunc(func() []byte { asked++; return []byte("payload") })
		m := start(t, c)
		silence(m)
		for i, name := range []string{"a", "other", ""} {
			tap.packets <- pingPacket(name, uint32(i))
			synctest.Wait()
		}
		sent := tap.take()
		if asked != 2 || len(sent) != 2 || !bytes.Contains(sent[0].buf, []byte("payload")) {
			t.Errorf("asked %d times, sent %v", asked, sent)
		}
	})
}

// ackFunc is a PingDelegate for acks.
type ackFunc func() []byte

func (f ackFunc) AckPayload() []byte                              { return f() }
func (f ackFunc) NotifyPingComplete(*Node, time.Duration, []byte) {}

func TestAliveRecordsAreFilteredBeforeTheyAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		d := &userDelegate{refuse: func(call string) error {
			if call == "NotifyAlive bad" {
				return errors.New("bad")
			}
			return nil
		}}
		c.Alive = d
		c.CIDRsAllowed, _ = ParseCIDRs([]string{"10.0.0.0/8", "127.0.0.0/8"})
		m := start(t, c)
		d.take()
		far := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
		near := &net.UDPAddr{IP: net.IPv4(10, 9, 9, 9), Port: 1}
		short := wire.Alive{Incarnation: 1, Node: []byte("short"), Addr: []byte{10, 0, 0, 9}, Port: 1, Vsn: []byte{1, 5, 2}}.Append(nil)
		for _, p := range []*Packet{
			{Buf: aliveMessage("good", 2), From: near},
			{Buf: aliveMessage("bad", 3), From: near},
			{Buf: aliveMessage("from afar", 4), From: far},
			{Buf: aliveMessage("from nobody", 4)},
			{Buf: encodeAlive("living afar", 1, net.IPv4(192, 0, 2, 2).To4()), From: near},
			{Buf: short, From: near},
			{Buf: wire.AppendCompound(nil, [][]byte{aliveMessage("bad", 5), aliveMessage("also good", 6)}), From: near},
		} {
			tap.packets <- p
			synctest.Wait()
		}
		var names []string
		for _, n := range m.Members() {
			names = append(names, n.Name)
		}
		slices.Sort(names)
		if want := []string{"a", "also good", "good"}; !slices.Equal(names, want) {
			t.Errorf("members %q, want %q", names, want)
		}
		if calls := d.take(); !slices.Equal(calls, []string{"NotifyAlive good", "NotifyAlive bad", "NotifyAlive bad", "NotifyAlive also good"}) {
			t.Errorf("calls %q", calls)
		}
	})
}

// Regression 79 (ml#306): readers share no memory with the protocol. It is the
// race detector that judges.
func TestMembersCanBeReadWhileTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		var nodes []*Memberlist
		var delegates []*userDelegate
		for i := range 4 {
			c := testConfig(&network, string(rune('a'+i)))
			d := &userDelegate{meta: []byte{0}}
			c.Delegate, c.Events = d, d
			delegates = append(delegates, d)
			nodes = append(nodes, start(t, c))
			join(t, nodes[i], nodes[0])
		}
		stop := make(chan struct{})
		read := func(n *Node) string { return fmt.Sprint(n.Name, n.Address(), n.State, n.Meta, n.PMax) }
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					for _, n := range nodes[0].Members() {
						read(n)
					}
					read(nodes[0].LocalNode())
					nodes[0].NumMembers()
					time.Sleep(time.Millisecond)
				}
			})
		}
		for i := range 50 {
			delegates[i%3].setMeta(string(rune(i)))
			nodes[i%3].UpdateNode(time.Second)
			accuse(nodes[1], nodes[0], 1)
			if i == 25 {
				nodes[3].Shutdown()
			}
			time.Sleep(100 * time.Millisecond)
		}
		close(stop)
		readers.Wait()
	})
}

// Regression 75: one line, no loop.
func TestHTTPOnTheGossipPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		w := &callLines{}
		c.Logger.SetOutput(w)
		start(t, c)
		for range 100 {
			near, far := net.Pipe()
			tap.streams <- far
			near.Write([]byte("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"))
			near.Close()
		}
		synctest.Wait()
		if errs := strings.Count(w.text(), "[ERR]"); errs == 0 || errs > logBurst {
			t.Errorf("%d errors logged", errs)
		}
	})
}

func TestPacketPathAllocatesLittle(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	c := loopback("a")
	quiet(c)
	m := start(t, c)
	befriend(m)
	silence(m)
	r := packetReader{m: m}
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: int(m.LocalNode().Port)}
	known := encodeAlive("b", 1, net.IPv4(10, 0, 0, 2).To4())
	for name, test := range map[string]struct {
		buf  []byte
		most float64
	}{
		"a known alive":              {known, 0},
		"a ping and its ack":         {pingPacket("a", 1).Buf, 1},
		"five known alives together": {wire.AppendCompound(nil, [][]byte{known, known, known, known, known}), 0},
	} {
		p := &Packet{Buf: test.buf, From: from, Timestamp: time.Now()}
		r.handle(p)
		silence(m)
		if n := testing.AllocsPerRun(200, func() { r.handle(p) }); n > test.most {
			t.Errorf("%s: %v allocations, at most %v", name, n, test.most)
		}
	}
}

// held starts a node that has taken a packet and stays at it, while others wait in
// the channel's buffer. release lets it go on.
func held(t *testing.T, c *Config, tap *tapTransport, waiting ...*Packet) (m *Memberlist, release func()) {
	t.Helper()
	tap.packets = make(chan *Packet, len(waiting))
	gate := make(chan struct{})
	c.Delegate.(*userDelegate).broadcasts = func(int, int) [][]byte { <-gate; return nil }
	m = start(t, c)
	befriend(m)
	silence(m)
	tap.packets <- pingPacket("a", 0)
	time.Sleep(time.Second)
	for _, p := range waiting {
		tap.packets <- p
	}
	return m, func() { close(gate) }
}

// TestPacketsThatWaitKeepTheirOrder: they share steps, but what they ask for is
// done in the order in which they came.
func TestPacketsThatWaitKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		d := &userDelegate{}
		c.Delegate = d
		const n = 5 * packetBurst
		var waiting []*Packet
		var want []string
		for i := 1; i <= n; i++ {
			p := pingPacket("a", uint32(i))
			switch i % 20 {
			case 3:
				p.Buf = wire.AppendCompound(nil, [][]byte{p.Buf, {byte(wire.TypeUser), byte(i)}})
				want = append(want, fmt.Sprintf("NotifyMsg %02x", i))
			case 7: // a batch is full in the middle of a burst
				p.Buf = wire.AppendCompound(nil, append(slices.Repeat([][]byte{friend.Append(nil)}, packetBatch), p.Buf))
			}
			waiting = append(waiting, p)
		}
		_, release := held(t, c, tap, waiting...)
		d.take()
		release()
		synctest.Wait()
		sent := readBack(t, c, tap.take())
		if len(sent) != 1+n {
			t.Fatalf("%d packets, want %d", len(sent), 1+n)
		}
		for i, packet := range sent {
			if !slices.Equal(packet.acks, []uint32{uint32(i)}) {
				t.Fatalf("packet %d acknowledges %v", i, packet.acks)
			}
		}
		if calls := d.take(); !slices.Equal(calls, want) {
			t.Errorf("%q, want %q", calls, want)
		}
	})
}

// TestSlowUserCodeDoesNotDelayWhatCameBefore: packets that wait share steps, but
// not with one that user code takes its time over.
func TestSlowUserCodeDoesNotDelayWhatCameBefore(t *testing.T) {
	const slow = 2 * slowQuery
	for _, test := range []struct {
		name string
		set  func(*Config)
		last *Packet
		want []time.Duration // when acks are sent
	}{
		{
			"AliveDelegate", func(c *Config) { c.Alive = slowAlive(slow) },
			&Packet{Buf: friend.Append(nil), From: &MockAddress{port: 1}},
			[]time.Duration{0, 0, 0},
		},
		{
			"PingDelegate", func(c *Config) { c.Ping = ackFunc(func() []byte { time.Sleep(slow); return nil }) },
			pingPacket("a", 3),
			[]time.Duration{0, slow, 2 * slow, 3 * slow},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, tap := tapConfig("a")
				c.Delegate = &userDelegate{}
				test.set(c)
				var released time.Time
				var sent []time.Duration
				tap.write = func([]byte, Address) error { sent = append(sent, time.Since(released)); return nil }
				_, release := held(t, c, tap, pingPacket("a", 1), pingPacket("a", 2), test.last)
				released = time.Now()
				release()
				time.Sleep(time.Second)
				synctest.Wait()
				if !slices.Equal(sent, test.want) {
					t.Errorf("acks after %v, want %v", sent, test.want)
				}
			})
		})
	}
}

// slowAlive is an AliveDelegate that takes its time.
type slowAlive time.Duration

func (d slowAlive) NotifyAlive(*Node) error { time.Sleep(time.Duration(d)); return nil }

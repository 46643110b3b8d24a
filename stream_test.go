package memberlist

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// slowConn delivers a few bytes with each read.
type slowConn struct {
	net.Conn
	in   []byte
	step int
}

func (c *slowConn) Read(b []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.step)], c.in)
	c.in = c.in[n:]
	return n, nil
}

// reader reads a frame from bytes.
func reader(c *Config, in []byte, step int) *frameReader {
	m := &Memberlist{config: c, label: []byte(c.Label), log: newLogger(c), meter: newMeter(nil), ctx: context.Background()}
	m.streams.init()
	return &frameReader{m: m, conn: &slowConn{in: in, step: step}}
}

func TestGoldenPushPullsAreReadWhateverTheSegments(t *testing.T) {
	raw, err := os.ReadFile("testdata/wire/streams.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Hex, Note string
		Fields          struct {
			Header struct{ Join, Nodes, UserStateLen any }
			Nodes  []struct{ Name string }
			Layers []struct{ Label string }
			Type   int
		}
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`key_hex ([0-9a-f]+)`)
	read := 0
	for _, v := range vectors {
		if v.Fields.Type != int(wire.TypePushPull) || !strings.HasPrefix(v.Name, "pushpull_") {
			continue
		}
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []int{1, 7, 1 << 20} {
			c, _ := tapConfig("a")
			if match := key.FindStringSubmatch(v.Note); match != nil {
				secret, _ := hex.DecodeString(match[1])
				c.Keyring = new(Keyring)
				if err := c.Keyring.AddKey(secret); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(v.Name, "label") {
				c.Label = "blue"
			}
			r := reader(c, bytes.Clone(b), step)
			label, err := r.readLabel()
			if want := c.Label; err != nil || label != want && !strings.HasSuffix(v.Name, "_reply") {
				t.Fatalf("%s: label %q, %v", v.Name, label, err)
			}
			kind, err := r.begin()
			if err != nil || kind != wire.TypePushPull {
				t.Fatalf("%s: type %d, %v", v.Name, kind, err)
			}
			s, err := r.m.readState(r)
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			var names, want []string
			s.batches(false, func(states []wire.NodeState) bool {
				for _, n := range states {
					names = append(names, string(n.Name))
				}
				return true
			})
			for _, n := range v.Fields.Nodes {
				want = append(want, n.Name)
			}
			if !slices.Equal(names, want) || any(float64(len(s.user))) != v.Fields.Header.UserStateLen || any(s.join) != v.Fields.Header.Join {
				t.Errorf("%s: nodes %q, want %q; user state of %d bytes; join %v", v.Name, names, want, len(s.user), s.join)
			}
			read++
		}
	}
	if read < 100 {
		t.Errorf("only %d frames", read)
	}
}

func TestFramesComeBackAsTheyWereSent(t *testing.T) {
	for _, size := range []int{0, 1, 100, 70000, largeFrame + 1, 1 << 20} {
		msg := append([]byte{byte(wire.TypeUser)}, bytes.Repeat([]byte("ab c"), size/4)...)
		for _, version := range []uint8{1, 2} {
			for _, key := range [][]byte{nil, make([]byte, 32)} {
				for _, algorithm := range []CompressionAlgorithm{"", CompressionAlgorithmLZW, CompressionAlgorithmSnappy} {
					c, _ := tapConfig("a")
					c.ProtocolVersion, c.Label = version, "blue"
					c.EnableCompression, c.CompressionAlgorithm = algorithm != "", algorithm
					if key != nil {
						c.Keyring, _ = NewKeyring(nil, key)
					}
					r := reader(c, nil, 0)
					frame, err := r.m.encodeFrame(whole(msg), r.m.label)
					if err != nil {
						t.Fatal(err)
					}
					r = reader(c, frame, 1<<14)
					kind, err := r.begin()
					if err != nil || kind != wire.TypeUser {
						t.Fatalf("size %d, version %d, key %v, %q: %d, %v", size, version, key != nil, algorithm, kind, err)
					}
					got, err := r.take(len(msg) - 1)
					if err != nil || !bytes.Equal(got, msg[1:]) {
						t.Errorf("size %d: %d bytes, %v", size, len(got), err)
					}
					r.close()
					if n := len(r.m.streams.large); n != 0 {
						t.Errorf("%d slots still taken", n)
					}
				}
			}
		}
	}
}

// Regressions 59 and 61 (ml#357, ml#361), hazards 48 and 49: what is announced
// costs nothing, what arrives is bounded.
func TestStreamsAreBounded(t *testing.T) {
	plain := func(h wire.PushPullHeader) []byte { return h.Append(nil) }
	sealedLength := func(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{byte(wire.TypeEncrypt)}, n) }
	endless := append(plain(wire.PushPullHeader{Nodes: 1}), 0x81, 0xa4, 'N', 'a', 'm', 'e', 0xdb, 0xff, 0xff, 0xff, 0xff)
	for _, test := range []struct {
		name  string
		in    []byte
		more  int // zero bytes that follow
		key   bool
		want  error
		most  int // bytes read before it is refused
		alloc uint64
	}{
		{"too many node states", plain(wire.PushPullHeader{Nodes: wire.MaxNodeStates + 1}), 0, false, ErrMalformed, 64, 1 << 20},
		{"the most node states, none of which comes", plain(wire.PushPullHeader{Nodes: wire.MaxNodeStates}), 0, false, io.ErrUnexpectedEOF, 64, 1 << 20},
		{"negative node states", plain(wire.PushPullHeader{Nodes: -1}), 0, false, ErrMalformed, 64, 1 << 20},
		{"too much user state", plain(wire.PushPullHeader{UserStateLen: wire.MaxUserState + 1}), 0, false, ErrMalformed, 64, 1 << 20},
		{"user state that does not come", plain(wire.PushPullHeader{UserStateLen: wire.MaxUserState}), 100, false, io.ErrUnexpectedEOF, 256, 1 << 20},
		{"a name without end", endless, 1 << 20, false, errFrameTooLarge, 2 * maxStruct, 1 << 20},
		{"too long an encrypted frame", sealedLength(wire.MaxCiphertext + 1), 0, true, ErrMalformed, 5, 1 << 20},
		{"an encrypted frame that does not come", sealedLength(wire.MaxCiphertext), 100, true, io.ErrUnexpectedEOF, 256, 1 << 20},
		{"an encrypted frame of nothing", sealedLength(0), 0, true, ErrDecrypt, 5, 1 << 20},
		{"a compressed frame without end", []byte("\x09\x82\xa4Algo\x00\xa3Buf\xdb\xff\xff\xff\xff"), 100, false, errFrameTooLarge, 256, 1 << 20},
		{"a compressed frame that does not come", []byte("\x09\x82\xa4Algo\x00\xa3Buf\xdb\x00\xff\xff\xff"), 100, false, io.ErrUnexpectedEOF, 256, 1 << 20},
		{"a compressed frame of nothing", []byte("\x09\x82\xa4Algo\x00\xa3Buf\xa3\x00\x03\x02"), 0, false, errFrameEmpty, 64, 1 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := tapConfig("a")
			if test.key {
				c.Keyring, _ = NewKeyring(nil, make([]byte, 16))
			}
			r := reader(c, append(bytes.Clone(test.in), make([]byte, test.more)...), 1024)
			_, err := r.begin()
			if err == nil {
				_, err = r.m.readState(r)
			}
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if r.read > test.most {
				t.Errorf("%d bytes read, at most %d", r.read, test.most)
			}
			if cap(r.buf) > int(test.alloc) {
				t.Errorf("%d bytes allocated", cap(r.buf))
			}
		})
	}
}

// Whoever opens streams does not fill the log with it.
func TestOpenedStreamsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		w := new(callLines)
		c.Logger.SetOutput(w)
		m := start(t, c)
		open := func(n int) {
			for range n {
				near, far := net.Pipe()
				tap.streams <- far
				near.Close()
			}
		}
		open(100)
		synctest.Wait()
		if n := strings.Count(w.text(), "Stream connection"); n != logBurst {
			t.Errorf("%d lines about 100 streams", n)
		}
		time.Sleep(logInterval)
		open(1)
		synctest.Wait()
		if want := "[DEBUG] memberlist: suppressed 90 log lines about opened streams\n"; !strings.Contains(w.text(), want) {
			t.Errorf("no line %q", want)
		}
		m.Shutdown()
	})
}

// What comes byte by byte is decoded anew each time: the effort is bounded.
func TestStructsThatTrickleInAreBounded(t *testing.T) {
	for _, test := range []struct {
		name, segment int
		ok            bool
	}{{maxStruct - 100, 1024, true}, {2 << 10, 1, true}, {8 << 10, 1, false}} {
		state := wire.NodeState{Name: make([]byte, test.name)}.Append(nil)
		c, _ := tapConfig("a")
		r := reader(c, append(wire.PushPullHeader{Nodes: 1}.Append(nil)[1:], state...), test.segment)
		_, err := r.m.readState(r)
		if test.ok && err != nil || !test.ok && (err != errFrameTooLarge || r.read > 4<<10) {
			t.Errorf("%d bytes, %d at a time: %v after %d", test.name, test.segment, err, r.read)
		}
	}
}

func TestUserMessageLimits(t *testing.T) {
	for _, test := range []struct {
		length int
		ok     bool
	}{{-1, false}, {wire.MaxUserMessage + 1, false}, {0, true}, {3, true}} {
		c, _ := tapConfig("a")
		r := reader(c, append(wire.UserHeader{UserMsgLen: test.length}.Append(nil)[1:], "abc"...), 100)
		if _, err := r.m.takeUserMessage(r); (err == nil) != test.ok {
			t.Errorf("length %d: %v", test.length, err)
		}
	}
}

// mismatch joins a node to another that is configured differently.
func mismatch(t *testing.T, listener, dialer func(c *Config)) error {
	t.Helper()
	var network MockNetwork
	ca, cb := testConfig(&network, "a"), testConfig(&network, "b")
	listener(ca)
	dialer(cb)
	a, b := start(t, ca), start(t, cb)
	n, err := b.Join([]string{address(a)})
	if n != 0 || a.NumMembers() != 1 || b.NumMembers() != 1 {
		t.Errorf("Join = %d, %v; %d and %d members", n, err, a.NumMembers(), b.NumMembers())
	}
	return err
}

// Regression 109 and others: the error of a join that cannot work says why.
func TestJoinErrorsSayWhatDiffers(t *testing.T) {
	nothing := func(*Config) {}
	label := func(l string) func(c *Config) { return func(c *Config) { c.Label = l } }
	key := func(b byte) func(c *Config) {
		return func(c *Config) { c.SecretKey = bytes.Repeat([]byte{b}, 16) }
	}
	for _, test := range []struct {
		name             string
		listener, dialer func(c *Config)
		want             error
		text             string
	}{
		{"labels differ", label("blue"), label("green"), ErrLabelMismatch, "EOF: the other end closed the stream without an answer; most likely its label is a different one"},
		{"only the listener has a label", label("blue"), nothing, ErrLabelMismatch, "EOF"},
		{"only the dialer has a label", nothing, label("blue"), ErrLabelMismatch, "EOF"},
		{"only the listener encrypts", key(1), nothing, ErrEncryptionNotConfigured, "remote state is encrypted and encryption is not configured"},
		{"only the dialer encrypts", nothing, key(1), ErrNotEncrypted, "encryption is configured but remote state is not encrypted"},
		{"keys differ", key(1), key(2), ErrDecrypt, "no installed key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := mismatch(t, test.listener, test.dialer)
				if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.text) {
					t.Errorf("%v, want %v with %q", err, test.want, test.text)
				}
			})
		})
	}
}

func TestVersionMismatchFailsTheJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		version := func(v uint8) func(c *Config) {
			return func(c *Config) {
				c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion = v, v, v
			}
		}
		err := mismatch(t, version(1), version(2))
		if !strings.Contains(fmt.Sprint(err), "delegate protocol version") {
			t.Error(err)
		}
	})
}

func TestSilentStreamsEndAndDoNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		m := start(t, c)
		var silent []net.Conn
		for range maxStreams {
			near, far := net.Pipe()
			tap.streams <- far
			silent = append(silent, near)
		}
		synctest.Wait()
		near, far := net.Pipe()
		tap.streams <- far
		if _, err := near.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("one too many was served: %v", err)
		}
		time.Sleep(c.TCPTimeout + time.Second)
		for _, s := range silent {
			if _, err := s.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("a silent stream is still open: %v", err)
			}
		}
		near, far = net.Pipe()
		tap.streams <- far
		near.Write(wire.Ping{SeqNo: 1, Node: []byte("a")}.Append(nil))
		if b, err := io.ReadAll(near); err != nil || wire.Type(b[0]) != wire.TypeAck {
			t.Errorf("afterwards: %x, %v", b, err)
		}
		synctest.Wait() // a stream is counted until after its end
		if n := m.streams.inbound.Load(); n != 0 {
			t.Errorf("%d streams counted", n)
		}
	})
}

// Peers that begin an exchange and never read the answer take their slots for a
// while, and nothing else.
func TestAnswersThatNobodyReadHoldUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		c.Delegate = &userDelegate{state: []byte("state")}
		m := start(t, c)
		open := func(msg []byte) net.Conn {
			near, far := net.Pipe()
			tap.streams <- far
			near.Write(msg)
			return near
		}
		for range maxPushPulls {
			defer open(append(wire.PushPullHeader{UserStateLen: 1}.Append(nil), 'x')).Close()
		}
		synctest.Wait()
		if n := m.streams.pushPulls.Load(); n != maxPushPulls {
			t.Errorf("%d exchanges wait", n)
		}
		ping := open(wire.Ping{SeqNo: 1, Node: []byte("a")}.Append(nil))
		if b, err := io.ReadAll(ping); err != nil || len(b) == 0 || wire.Type(b[0]) != wire.TypeAck {
			t.Errorf("a ping meanwhile: %x, %v", b, err)
		}
		time.Sleep(2*c.TCPTimeout + time.Second)
		if n, all := m.streams.pushPulls.Load(), m.streams.inbound.Load(); n != 0 || all != 0 {
			t.Errorf("%d exchanges and %d streams when their time is over", n, all)
		}
	})
}

func TestConcurrentPushPullsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		d := &userDelegate{state: []byte("state")}
		release := make(chan struct{})
		d.setOn(func(call string) {
			if strings.HasPrefix(call, "MergeRemoteState") {
				<-release
			}
		})
		c.Delegate = d
		m := start(t, c)
		request := append(wire.PushPullHeader{UserStateLen: 1}.Append(nil), 'x')
		ask := func() []byte {
			near, far := net.Pipe()
			tap.streams <- far
			near.Write(request)
			b, _ := io.ReadAll(near)
			return b
		}
		for i := range maxPushPulls {
			if b := ask(); len(b) == 0 {
				t.Fatalf("request %d got no answer", i)
			}
		}
		synctest.Wait()
		if b := ask(); len(b) != 0 {
			t.Errorf("one too many got %x", b)
		}
		close(release)
		synctest.Wait()
		if b := ask(); len(b) == 0 {
			t.Error("afterwards there was no answer")
		}
		synctest.Wait()
		if n := m.streams.pushPulls.Load(); n != 0 {
			t.Errorf("%d counted", n)
		}
	})
}

// Hazard 20.
func TestSendReliableDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		c.Label = "blue"
		m := start(t, c)
		var far net.Conn
		tap.dialed = func(Address, time.Duration) (net.Conn, error) {
			var near net.Conn
			near, far = net.Pipe() // nobody reads
			return near, nil
		}
		to := &Node{Name: "b", Addr: net.IPv4(10, 0, 0, 2)}
		began := time.Now()
		if err := m.SendReliable(to, []byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > 2*c.TCPTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the stream was not closed: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		if err := m.SendReliableContext(ctx, to, []byte("x")); !errors.Is(err, context.Canceled) {
			t.Error("cancelled:", err)
		}
		if err := m.SendReliable(to, make([]byte, wire.MaxUserMessage+1)); !errors.Is(err, ErrMessageTooLarge) {
			t.Error("too long:", err)
		}
		if err := m.SendReliable(nil, nil); err == nil {
			t.Error("sent to nobody")
		}
	})
}

func TestReliableMessagesArriveWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, encrypted := range []bool{false, true} {
			var network MockNetwork
			ca, cb := testConfig(&network, "a"), testConfig(&network, "b")
			if encrypted {
				ca.SecretKey = make([]byte, 32)
				cb.SecretKey = ca.SecretKey
			}
			sizes := make(chan int, 1)
			cb.Delegate = msgFunc(func(b []byte) { sizes <- len(b) })
			a, b := start(t, ca), start(t, cb)
			for _, size := range []int{1, 5000, largeFrame, 5 << 20} {
				if err := a.SendReliable(b.LocalNode(), bytes.Repeat([]byte{'x'}, size)); err != nil {
					t.Error(err)
				}
				if got := <-sizes; got != size {
					t.Errorf("%d bytes arrived of %d", got, size)
				}
			}
		}
	})
}

// msgFunc is a Delegate for messages.
type msgFunc func(b []byte)

func (f msgFunc) NotifyMsg(b []byte)              { f(b) }
func (f msgFunc) NodeMeta(int) []byte             { return nil }
func (f msgFunc) GetBroadcasts(int, int) [][]byte { return nil }
func (f msgFunc) LocalState(bool) []byte          { return nil }
func (f msgFunc) MergeRemoteState([]byte, bool)   {}

// Regressions 37 and 38 (ml#105, ml#291).
func TestJoinDoesNotWaitForDeadSeedsOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		tap.dialed = func(_ Address, timeout time.Duration) (net.Conn, error) {
			select {
			case <-time.After(timeout):
			case <-tap.gone:
			}
			return nil, os.ErrDeadlineExceeded
		}
		m := start(t, c)
		var seeds []string
		for i := range 16 {
			seeds = append(seeds, fmt.Sprintf("10.0.0.%d", i))
		}
		began := time.Now()
		n, err := m.Join(seeds)
		if took := time.Since(began); n != 0 || took > 2*c.TCPTimeout {
			t.Errorf("Join = %d after %v", n, took)
		}
		var failed *JoinError
		if !errors.As(err, &failed) || len(failed.Failures) != 16 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		for i, f := range failed.Failures {
			if want := fmt.Sprintf("10.0.0.%d:%d", i, c.BindPort); f.Address != want || f.Unresolved {
				t.Errorf("failure %d is about %s, want %s", i, f.Address, want)
			}
		}

		ctx, cancel := context.WithCancelCause(context.Background())
		cause := errors.New("changed my mind")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		began = time.Now()
		n, err = m.JoinContext(ctx, seeds)
		if took := time.Since(began); n != 0 || took > time.Second || !errors.Is(err, cause) {
			t.Errorf("cancelled: Join = %d, %v after %v", n, err, took)
		}
	})
}

func TestJoinCountsAddressesAndReportsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		a, b, c := start(t, testConfig(&network, "a")), start(t, testConfig(&network, "b")), start(t, testConfig(&network, "c"))
		if n, err := a.Join(nil); n != 0 || err != nil {
			t.Errorf("Join(nil) = %d, %v", n, err)
		}
		if n, err := a.Join([]string{address(b), "/x", address(c), address(b), "127.0.0.1:999"}); n != 3 || err != nil {
			t.Errorf("Join = %d, %v", n, err)
		}
		n, err := a.Join([]string{"127.0.0.1:999", "", "/x"})
		want := "3 errors occurred:\n\t* failed to join 127.0.0.1:999: no route to {127.0.0.1:999 }\n\t* failed to resolve : missing host in address\n" +
			"\t* failed to resolve /x: empty node name before the slash\n\n"
		if n != 0 || fmt.Sprint(err) != want {
			t.Errorf("Join = %d, %v, want %s", n, err, want)
		}
	})
}

func TestFallbackPingOverAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		b := start(t, testConfig(&network, "b"))
		c, tap := tapConfig("a") // whose packets go nowhere
		c.ProbeInterval = time.Second
		mock := network.NewTransport("a")
		tap.dialed = mock.DialAddressTimeout
		var off, asked atomic.Bool
		c.DisableTcpPingsForNode = func(name string) bool {
			asked.Store(name == "b")
			return off.Load()
		}
		d := &userDelegate{}
		c.Events = d
		m := start(t, c)
		join(t, m, b)
		time.Sleep(30 * time.Second)
		if find(m, "b") == nil {
			t.Errorf("b was lost although its stream answers: %q", d.take())
		}
		off.Store(true)
		ping := dial{kind: dialPing, to: nodeEndpoint(b.LocalNode()), seq: 1, deadline: time.Now().Add(time.Second)}
		if m.dialPing(ping) || !asked.Load() {
			t.Error("a ping that was switched off went out")
		}
		off.Store(false)
		if !m.dialPing(ping) {
			t.Error("no answer")
		}
		ping.deadline = time.Now()
		if m.dialPing(ping) {
			t.Error("an answer after the deadline")
		}
		m.Shutdown()
	})
}

// Regression 93 (consul#4511): large exchanges wait for one another.
func TestLargeFramesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l streamLimits
		l.init()
		for range largeSlots {
			if err := l.acquireLarge(context.Background(), time.Second); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := l.acquireLarge(context.Background(), time.Second); !errors.Is(err, errBusy) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.AfterFunc(time.Second, l.releaseLarge)
		if err := l.acquireLarge(context.Background(), time.Minute); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(ErrShutdown)
		if err := l.acquireLarge(ctx, time.Minute); !errors.Is(err, ErrShutdown) {
			t.Error(err)
		}
	})
}

func TestManyStatesTakeASlot(t *testing.T) {
	c, _ := tapConfig("a")
	c.EnableCompression = true
	b := wire.PushPullHeader{Nodes: largeStates + 1}.Append(nil)
	for range largeStates + 1 {
		b = wire.NodeState{}.Append(b)
	}
	frame, err := reader(c, nil, 0).m.encodeFrame(whole(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := reader(c, frame, 4096)
	if _, err := r.begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.m.readState(r); err != nil || len(r.m.streams.large) != 1 {
		t.Errorf("%v, %d slots", err, len(r.m.streams.large))
	}
	if r.close(); len(r.m.streams.large) != 0 {
		t.Error("the slot was not given back")
	}
}

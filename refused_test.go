package memberlist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metrics "github.com/hashicorp/go-metrics"

	"github.com/swimguard/memberlist/internal/wire"
)

// wiretap is a node whose frames and packets a test carries by hand.
type wiretap struct {
	*Memberlist
	tap  *tapTransport
	user *userDelegate
}

func newWiretap(t *testing.T, name string, sink *metricsSink, configure func(*Config)) *wiretap {
	t.Helper()
	c, tap := tapConfig(name)
	w := &wiretap{tap: tap, user: &userDelegate{state: []byte("the state of " + name)}}
	c.Delegate, c.MetricLabels = w.user, []metrics.Label{{Name: "test", Value: sink.test}}
	configure(c)
	w.Memberlist = start(t, c)
	return w
}

// frame is what the node sends to begin a join.
func (w *wiretap) frame(t *testing.T) (sent []byte) {
	t.Helper()
	done := make(chan []byte)
	w.tap.dialed = func(Address, time.Duration) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			far.SetDeadline(time.Now().Add(time.Second))
			b, _ := io.ReadAll(far)
			done <- b
		}()
		return near, nil
	}
	go func() { sent = <-done; close(done) }()
	if _, err := w.exchange(w.ctx, endpoint{host: "x"}, true); err == nil {
		t.Fatal("a join without an answer succeeded")
	}
	<-done
	return sent
}

// answers is what the node has to say to a stream of these bytes.
func (w *wiretap) answers(b []byte) []byte {
	near, far := net.Pipe()
	defer near.Close()
	w.tap.streams <- &halfClosed{Conn: far, in: b}
	reply, _ := io.ReadAll(near)
	return reply
}

// reasons are those of the drops that a sink has heard of.
func (s *metricsSink) reasons() (reasons []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.got {
		if reason, ok := strings.CutPrefix(line, "counter memberlist.dropped 1 reason="); ok {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// How two nodes are configured, and what happens to the bytes between them.
func nothingSet(*Config) {}

func keyed(keys ...byte) func(*Config) {
	return func(c *Config) {
		c.Keyring = new(Keyring)
		for _, k := range keys {
			c.Keyring.AddKey(bytes.Repeat([]byte{k}, 16))
		}
	}
}

func labelled(label string, also func(*Config)) func(*Config) {
	return func(c *Config) { c.Label = label; also(c) }
}

func untouched(b []byte) []byte { return b }

func flipAt(i int) func([]byte) []byte {
	return func(b []byte) []byte { b[(i+len(b))%len(b)] ^= 1; return b }
}

func cutTo(n int) func([]byte) []byte {
	return func(b []byte) []byte { return b[:min(len(b), (n+len(b))%len(b))] }
}

// lengthen changes the length that an encrypted frame announces.
func lengthen(by int) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[1:], uint32(int(binary.BigEndian.Uint32(b[1:]))+by))
		return b
	}
}

func versionTo(v byte) func([]byte) []byte {
	return func(b []byte) []byte { b[frameHeaderLen] = v; return b }
}

// The dialer of a stream that is refused learns why, as an error that it can
// match, and the listener counts it under its reason.
func TestRefusedStreamsSayWhy(t *testing.T) {
	sink := useMetricsSink(t)
	compressed := func(c *Config) { c.EnableCompression = true }
	outgoingPlain := func(c *Config) { keyed(1)(c); c.GossipVerifyOutgoing = false }
	for _, tc := range []struct {
		name             string
		dialer, listener func(*Config)
		tamper           func([]byte) []byte
		want             error
		reason           string
	}{
		{"wrong key", keyed(1), keyed(2), untouched, ErrDecrypt, "decrypt"},
		{"wrong key among several", keyed(1, 2), keyed(3, 4), untouched, ErrDecrypt, "decrypt"},
		{"a key that was removed", keyed(1, 2), keyed(2), untouched, ErrDecrypt, "decrypt"},
		{"wrong label", labelled("blue", nothingSet), labelled("pink", nothingSet), untouched, ErrLabelMismatch, "label"},
		{"wrong label, encrypted", labelled("blue", keyed(1)), labelled("pink", keyed(1)), untouched, ErrLabelMismatch, "label"},
		{"no label", nothingSet, labelled("pink", nothingSet), untouched, ErrLabelMismatch, "label"},
		{"a label too many", labelled("blue", nothingSet), nothingSet, untouched, ErrLabelMismatch, "label"},
		{"label exchanged on the way", labelled("blue", keyed(1)), labelled("pink", keyed(1)), func(b []byte) []byte {
			return bytes.Replace(b, []byte("blue"), []byte("pink"), 1)
		}, ErrDecrypt, "decrypt"},
		{"label cut off", labelled("blue", nothingSet), labelled("blue", nothingSet), cutTo(4), ErrLabelMismatch, "truncated"},
		{"not encrypted", nothingSet, keyed(1), untouched, ErrEncryptionNotConfigured, "not encrypted"},
		{"not encrypted, answered in plaintext", nothingSet, outgoingPlain, untouched, ErrNotEncrypted, "not encrypted"},
		{"encrypted for nothing", keyed(1), nothingSet, untouched, ErrNotEncrypted, "encrypted"},
		{"type flipped", keyed(1), keyed(1), flipAt(0), ErrNotEncrypted, "not encrypted"},
		{"length too short", keyed(1), keyed(1), lengthen(-1), ErrDecrypt, "decrypt"},
		{"length too long", keyed(1), keyed(1), lengthen(1), ErrMalformed, "truncated"},
		{"length absurd", keyed(1), keyed(1), lengthen(1 << 30), ErrMalformed, "malformed"},
		{"version flipped", keyed(1), keyed(1), versionTo(sealPadded), ErrDecrypt, "decrypt"},
		{"version unknown", keyed(1), keyed(1), versionTo(2), ErrDecrypt, "encryption version"},
		{"nonce flipped", keyed(1), keyed(1), flipAt(frameHeaderLen + 1), ErrDecrypt, "decrypt"},
		{"body flipped", keyed(1), keyed(1), flipAt(frameHeaderLen + sealHeaderSize + 7), ErrDecrypt, "decrypt"},
		{"tag flipped", keyed(1), keyed(1), flipAt(-1), ErrDecrypt, "decrypt"},
		{"cut off in the header", keyed(1), keyed(1), cutTo(3), ErrMalformed, "truncated"},
		{"cut off", keyed(1), keyed(1), cutTo(40), ErrMalformed, "truncated"},
		{"last byte missing", keyed(1), keyed(1), cutTo(-1), ErrMalformed, "truncated"},
		{"cut off, compressed", compressed, nothingSet, cutTo(-1), ErrMalformed, "truncated"},
		{"cut off, plain", nothingSet, nothingSet, cutTo(-1), ErrMalformed, "truncated"},
		{"flipped, compressed", compressed, nothingSet, flipAt(7), ErrMalformed, "malformed"},
		{"flipped, plain", nothingSet, nothingSet, flipAt(2), ErrMalformed, "malformed"},
		{"type flipped, plain", nothingSet, nothingSet, func(b []byte) []byte { b[0] ^= 0x40; return b }, ErrMalformed, "malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dialer, listener := newWiretap(t, "dialer", sink, tc.dialer), newWiretap(t, "listener", sink, tc.listener)
				frame := dialer.frame(t)
				sink.forget()
				reply := listener.answers(tc.tamper(frame))
				synctest.Wait()
				if got := sink.reasons(); !slices.Equal(got, []string{tc.reason}) {
					t.Errorf("counted under %q, want %q", got, tc.reason)
				}
				dialer.tap.dialed = answerWith(reply)
				_, err := dialer.exchange(dialer.ctx, endpoint{host: "x"}, true)
				if !errors.Is(err, tc.want) {
					t.Errorf("the dialer sees %v, want %v", err, tc.want)
				}
				if errors.Is(err, io.EOF) && tc.want != ErrLabelMismatch {
					t.Errorf("the dialer sees %v, which is EOF", err)
				}
				if n, m := dialer.NumMembers(), listener.NumMembers(); n != 1 || m != 1 {
					t.Errorf("%d and %d members, as if something had been merged", n, m)
				}
			})
		})
	}
}

// Bytes of a packet mean nothing on a stream, nor the other way round, though
// the key is right: what was recorded here cannot be replayed there.
func TestPacketsAndStreamsCannotStandInForEachOther(t *testing.T) {
	sink := useMetricsSink(t)
	synctest.Test(t, func(t *testing.T) {
		a, b := newWiretap(t, "a", sink, keyed(1)), newWiretap(t, "b", sink, keyed(1))
		frame, packet := a.frame(t), a.packet(t)
		sink.forget()
		asFrame := append([]byte{byte(wire.TypeEncrypt), 0, 0, 0, byte(len(packet))}, packet...)
		a.tap.dialed = answerWith(b.answers(asFrame))
		if _, err := a.exchange(a.ctx, endpoint{host: "x"}, true); !errors.Is(err, ErrDecrypt) {
			t.Errorf("a packet on a stream: the dialer sees %v", err)
		}
		for _, p := range [][]byte{frame, frame[frameHeaderLen:]} {
			b.tap.packets <- &Packet{Buf: p}
		}
		synctest.Wait()
		if got, want := sink.reasons(), []string{"decrypt", "encryption version", "decrypt"}; !slices.Equal(got, want) {
			t.Errorf("counted under %q, want %q", got, want)
		}
	})
}

// packet is how the node sends a user message.
func (w *wiretap) packet(t *testing.T) []byte {
	t.Helper()
	silence(w.Memberlist)
	w.tap.take()
	if err := w.SendBestEffort(&Node{Name: "b", Addr: net.IPv4(127, 0, 0, 1), Port: 9, PMax: 5}, []byte("a word")); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	sent := w.tap.take()
	if len(sent) != 1 {
		t.Fatalf("%d packets", len(sent))
	}
	return sent[0].buf
}

// A packet that is refused has no effect but a count under its reason.
// R75: who speaks HTTP to the gossip port, and waits for the end of the answer,
// gets it at once and does not keep a stream until TCPTimeout.
func TestRefusedStreamsEndWithTheAnswer(t *testing.T) {
	c := loopback("a")
	c.TCPTimeout = time.Hour
	m := start(t, c)
	conn, err := net.Dial("tcp", m.LocalNode().Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	conn.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	if answer, err := io.ReadAll(conn); err != nil || len(answer) == 0 {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestRefusedPacketsAreCountedByReason(t *testing.T) {
	sink := useMetricsSink(t)
	for _, tc := range []struct {
		name             string
		sender, receiver func(*Config)
		tamper           func([]byte) []byte
		reason           string
	}{
		{"wrong key", keyed(1), keyed(2), untouched, "decrypt"},
		{"wrong label", labelled("blue", nothingSet), labelled("pink", nothingSet), untouched, "label"},
		{"no label", keyed(1), labelled("pink", keyed(1)), untouched, "label"},
		{"label exchanged on the way", labelled("blue", keyed(1)), labelled("pink", keyed(1)), func(b []byte) []byte {
			return bytes.Replace(b, []byte("blue"), []byte("pink"), 1)
		}, "decrypt"},
		{"label cut off", labelled("blue", nothingSet), labelled("blue", nothingSet), cutTo(4), "label"},
		{"not encrypted", nothingSet, keyed(1), untouched, "encryption version"},
		{"version flipped", keyed(1), keyed(1), flipAt(0), "malformed"},
		{"version unknown", keyed(1), keyed(1), func(b []byte) []byte { b[0] = 7; return b }, "encryption version"},
		{"nonce flipped", keyed(1), keyed(1), flipAt(1), "decrypt"},
		{"body flipped", keyed(1), keyed(1), flipAt(sealHeaderSize), "decrypt"},
		{"tag flipped", keyed(1), keyed(1), flipAt(-1), "decrypt"},
		{"last byte missing", keyed(1), keyed(1), cutTo(-1), "decrypt"},
		{"cut off", keyed(1), keyed(1), cutTo(20), "malformed"},
		{"flipped, plain", nothingSet, nothingSet, flipAt(-1), "checksum"},
		{"last byte missing, plain", nothingSet, nothingSet, cutTo(-1), "checksum"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sender, receiver := newWiretap(t, "a", sink, tc.sender), newWiretap(t, "b", sink, tc.receiver)
				packet := sender.packet(t)
				sink.forget()
				receiver.tap.packets <- &Packet{Buf: tc.tamper(packet)}
				synctest.Wait()
				if got := sink.reasons(); !slices.Equal(got, []string{tc.reason}) {
					t.Errorf("counted under %q, want %q", got, tc.reason)
				}
				for _, call := range receiver.user.take() {
					if strings.HasPrefix(call, "NotifyMsg") {
						t.Errorf("delivered: %s", call)
					}
				}
			})
		})
	}
}

func (s *metricsSink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = nil
}

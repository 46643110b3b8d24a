package memberlisttest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// streamPair is a stream from a new node a to a new node b.
func streamPair(t *testing.T, n *network) (near, far net.Conn) {
	t.Helper()
	a, b := n.Transport("a"), n.Transport("b")
	near, err := a.DialAddressTimeout(memberlist.Address{Addr: b.Addr(), Name: "b"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return near, <-b.StreamCh()
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		t.Fatalf("read %q, %v, want %q", buf, err, want)
	}
}

// within checks how long something took, in virtual time.
func within(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Errorf("took %v, want %v", d, want)
	}
}

func TestStreamTakesLatency(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		start := time.Now()
		near, far := streamPair(t, n)
		within(t, start, 2*time.Second) // a round trip
		write(t, near, "ping")
		within(t, start, 2*time.Second) // writing does not wait
		read(t, far, "ping")
		within(t, start, 3*time.Second)
		write(t, far, "pong")
		read(t, near, "pong")
		within(t, start, 4*time.Second)
		far.Close()
		if _, err := near.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read after the other end closed: %v", err)
		}
		within(t, start, 5*time.Second)
		if near.RemoteAddr().String() != far.LocalAddr().String() || far.RemoteAddr().String() != near.LocalAddr().String() {
			t.Errorf("addresses do not agree: %v %v %v %v", near.LocalAddr(), near.RemoteAddr(), far.LocalAddr(), far.RemoteAddr())
		}
		if s := n.Stats(); s.Dials != 1 || s.DialsFailed != 0 || s.StreamBytes != 8 {
			t.Errorf("%v", s)
		}
	})
}

func TestStreamKeepsOrderDespiteJitter(t *testing.T) {
	f := faults{Jitter: time.Second, Loss: 1, Duplicate: 1, Reorder: 1}
	bubble(t, memberlisttest.Options{Faults: f}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		const text = "streams neither lose nor double nor reorder"
		for _, word := range strings.SplitAfter(text, " ") {
			write(t, near, word)
		}
		near.Close()
		got, err := io.ReadAll(far)
		if string(got) != text || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestStreamBandwidth(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Bandwidth: 1 << 20}}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		start := time.Now()
		go func() {
			near.Write(make([]byte, 3<<20))
			near.Close()
		}()
		if got, err := io.ReadAll(far); len(got) != 3<<20 || err != nil {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		// Each segment's share is rounded down to a nanosecond.
		if d := time.Since(start); d > 3*time.Second || d < 3*time.Second-time.Microsecond {
			t.Errorf("took %v, want 3s", d)
		}
	})
}

func TestWriteWaitsForTheReader(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		near.SetWriteDeadline(time.Now().Add(time.Second))
		start := time.Now()
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		wrote, err := near.Write(data)
		if wrote != 256<<10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write to one who does not read = %d, %v", wrote, err)
		}
		within(t, start, time.Second)
		near.SetWriteDeadline(time.Time{})
		go func() {
			near.Write(data[wrote:])
			near.Close()
		}()
		got, err := io.ReadAll(far)
		if !bytes.Equal(got, data) || err != nil {
			t.Errorf("read %d bytes of %d, %v", len(got), len(data), err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		start := time.Now()
		near.SetDeadline(start.Add(3 * time.Second))
		_, err := near.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Read: %v", err)
		}
		within(t, start, 3*time.Second)
		if _, err := near.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write after the deadline: %v", err)
		}
		// A deadline that has passed beats bytes that are there, as in package net.
		write(t, far, "x")
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read after the deadline: %v", err)
		}
		near.SetDeadline(time.Time{})
		read(t, near, "x")
		write(t, near, "y")
		read(t, far, "y")
	})
}

func TestSetDeadlineReachesACallInProgress(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		near, _ := streamPair(t, n)
		start := time.Now()
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Read: %v", err)
				}
			})
		}
		synctest.Wait()
		near.SetReadDeadline(start.Add(time.Minute))
		synctest.Wait()
		near.SetReadDeadline(start.Add(time.Second))
		readers.Wait()
		within(t, start, time.Second)
	})
}

func TestCloseUnblocksBothEnds(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		var ends sync.WaitGroup
		ends.Go(func() {
			if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read on the end that was closed: %v", err)
			}
		})
		ends.Go(func() {
			if _, err := near.Write(make([]byte, 1<<20)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write on the end that was closed: %v", err)
			}
		})
		synctest.Wait()
		near.Close()
		ends.Wait()
		if got, err := io.ReadAll(far); len(got) != 256<<10 || err != nil {
			t.Errorf("the other end read %d bytes, %v", len(got), err)
		}
		if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write to a closed end: %v", err)
		}
		if err := near.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if err := near.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline after Close: %v", err)
		}
		if err := far.Close(); err != nil {
			t.Errorf("Close of the other end: %v", err)
		}
	})
}

func TestCutHoldsStreamsUntilMended(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		write(t, near, "arrived,")
		time.Sleep(2 * time.Second)
		write(t, near, "under way,")
		n.Cut("a", "b")
		write(t, near, "later")
		near.Close()
		read(t, far, "arrived,")
		far.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read through a cut: %v", err)
		}
		far.SetReadDeadline(time.Time{})
		n.Mend("a", "b")
		start := time.Now()
		read(t, far, "under way,later")
		within(t, start, time.Second)
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %v", err)
		}
	})
}

func TestHealWakesAWaitingReader(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		n.Partition([]string{"a"})
		write(t, near, "x")
		start := time.Now()
		time.AfterFunc(time.Minute, n.Heal)
		read(t, far, "x")
		within(t, start, time.Minute)
	})
}

func TestPauseStopsStreams(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		write(t, near, "before")
		n.Pause("b")
		write(t, near, "meanwhile")
		far.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a paused node's Read: %v", err)
		}
		far.SetReadDeadline(time.Time{})
		write(t, far, "from the paused")
		near.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read from a paused node: %v", err)
		}
		near.SetReadDeadline(time.Time{})
		n.Resume("b")
		read(t, far, "beforemeanwhile")
		read(t, near, "from the paused")
	})
}

func TestBlockStreamsPassesPackets(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		n.SetLink("a", "b", faults{BlockStreams: true})
		if _, err := a.DialTimeout(b.Addr(), time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("DialTimeout: %v", err)
		}
		send(t, a, b, "x")
		expect(t, b, "x")
	})
}

func TestLossPassesStreams(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Loss: 1}}, func(t *testing.T, n *network) {
		near, far := streamPair(t, n)
		write(t, near, "x")
		read(t, far, "x")
	})
}

func TestDialTimeout(t *testing.T) {
	for name, obstruct := range map[string]func(n *network){
		"cut forth":     func(n *network) { n.Cut("a", "b") },
		"cut back":      func(n *network) { n.Cut("b", "a") },
		"partition":     func(n *network) { n.Partition([]string{"b"}) },
		"paused":        func(n *network) { n.Pause("b") },
		"dialer paused": func(n *network) { n.Pause("a") },
		"slow":          func(n *network) { n.SetFaults(faults{Latency: time.Hour}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
				a, b := n.Transport("a"), n.Transport("b")
				obstruct(n)
				start := time.Now()
				c, err := a.DialTimeout(b.Addr(), 5*time.Second)
				var op *net.OpError
				if c != nil || !errors.As(err, &op) || !op.Timeout() || op.Op != "dial" || op.Net != "tcp" {
					t.Errorf("DialTimeout = %v, %v", c, err)
				}
				within(t, start, 5*time.Second)
				if _, err := a.DialTimeout(b.Addr(), -1); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a timeout that has passed: %v", err)
				}
				if s := n.Stats(); s.Dials != 2 || s.DialsFailed != 2 {
					t.Errorf("%v", s)
				}
			})
		})
	}
}

func TestDialGoesThroughWhenHealed(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		n.Cut("b", "a")
		start := time.Now()
		time.AfterFunc(10*time.Second, n.Heal)
		near, err := a.DialTimeout(b.Addr(), 0)
		if err != nil {
			t.Fatal(err)
		}
		within(t, start, 11*time.Second)
		far := <-b.StreamCh()
		write(t, near, "x")
		read(t, far, "x")
	})
}

func TestAbandonedDialEndsTheOtherEnd(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		n.Cut("b", "a")
		if _, err := a.DialTimeout(b.Addr(), time.Second); err == nil {
			t.Fatal("dialed through a cut")
		}
		far := <-b.StreamCh()
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %v", err)
		}
	})
}

func TestDialRefused(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		b.Shutdown()
		for _, addr := range []string{b.Addr(), "10.9.9.9:7946"} {
			start := time.Now()
			_, err := a.DialTimeout(addr, time.Minute)
			var op *net.OpError
			if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Addr.String() != addr {
				t.Errorf("DialTimeout(%s): %v", addr, err)
			}
			within(t, start, 2*time.Second)
		}
		for _, addr := range []string{"", "b:7946"} {
			if _, err := a.DialTimeout(addr, time.Minute); err == nil {
				t.Errorf("DialTimeout(%q) succeeded", addr)
			}
		}
	})
}

func TestFullAcceptQueueRefuses(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		for range 128 {
			if _, err := a.DialTimeout(b.Addr(), time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.DialTimeout(b.Addr(), time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("stream 129: %v", err)
		}
	})
}

func TestShutdownEndsStreamsAndDials(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		near, err := a.DialTimeout(b.Addr(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		far := <-b.StreamCh()
		n.Pause("b")
		var calls sync.WaitGroup
		calls.Go(func() {
			if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read: %v", err)
			}
		})
		calls.Go(func() {
			if _, err := a.DialTimeout(b.Addr(), 0); !errors.Is(err, net.ErrClosed) {
				t.Errorf("DialTimeout: %v", err)
			}
		})
		synctest.Wait()
		a.Shutdown()
		calls.Wait()
		n.Resume("b")
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other end's Read: %v", err)
		}
	})
}

func TestStreamInRealTime(t *testing.T) {
	n := memberlisttest.New(memberlisttest.Options{Faults: faults{Latency: time.Millisecond}})
	defer n.Close()
	near, far := streamPair(t, n)
	data := bytes.Repeat([]byte("real"), 1<<18)
	go func() {
		near.Write(data)
		near.Close()
	}()
	if got, err := io.ReadAll(far); !bytes.Equal(got, data) || err != nil {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

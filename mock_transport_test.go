package memberlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestMockTransportAddresses(t *testing.T) {
	var n MockNetwork
	for port := 1; port <= 3; port++ {
		tr := n.NewTransport(fmt.Sprint("node", port))
		ip, p, err := tr.FinalAdvertiseAddr("192.0.2.1", 7946)
		if err != nil || len(ip) != 16 || ip.String() != "127.0.0.1" || p != port {
			t.Errorf("transport %d advertises %v (%d bytes), %d, %v", port, ip, len(ip), p, err)
		}
		if a := net.Addr(&tr.addr); a.Network() != "mock" || a.String() != fmt.Sprint("127.0.0.1:", port) {
			t.Errorf("address %s %s", a.Network(), a)
		}
	}
}

// receive takes the next packet of tr, which must be waiting already.
func receive(t *testing.T, tr Transport) *Packet {
	t.Helper()
	select {
	case p := <-tr.PacketCh():
		return p
	default:
		t.Fatal("no packet")
		return nil
	}
}

func TestMockTransportRoutesByNameThenAddress(t *testing.T) {
	var n MockNetwork
	a, b, c := n.NewTransport("a"), n.NewTransport("b"), n.NewTransport("")
	for _, tc := range []struct {
		to   Address
		want *MockTransport
	}{
		{Address{Addr: "127.0.0.1:2"}, b},
		{Address{Addr: "127.0.0.1:3"}, c},
		{Address{Addr: "127.0.0.1:1", Name: "b"}, b},
		{Address{Name: "b"}, b},
		{Address{Addr: "127.0.0.1:1"}, a}, // oneself
	} {
		if _, err := a.WriteToAddress([]byte("hello"), tc.to); err != nil {
			t.Fatal(err)
		}
		p := receive(t, tc.want)
		if string(p.Buf) != "hello" || p.From.String() != "127.0.0.1:1" || p.From.Network() != "mock" || p.Timestamp.IsZero() {
			t.Errorf("to %v: %+v", tc.to, p)
		}
	}
	if _, err := a.WriteTo([]byte("hello"), "127.0.0.1:3"); err != nil {
		t.Fatal(err)
	}
	receive(t, c)

	for to, want := range map[Address]string{
		{Addr: "127.0.0.1:4"}:            "no route to {127.0.0.1:4 }",
		{Addr: "127.0.0.1:2", Name: "x"}: "no route to {127.0.0.1:2 x}",
		{}:                               "no route to { }",
	} {
		if _, err := a.WriteToAddress([]byte("hello"), to); err == nil || err.Error() != want {
			t.Errorf("write: %v, want %s", err, want)
		}
		if _, err := a.DialAddressTimeout(to, time.Second); err == nil || err.Error() != want {
			t.Errorf("dial: %v, want %s", err, want)
		}
	}

	newB := n.NewTransport("b")
	if _, err := a.WriteToAddress([]byte("hello"), Address{Name: "b"}); err != nil {
		t.Fatal(err)
	}
	receive(t, newB)
	if _, err := a.WriteTo([]byte("hello"), "127.0.0.1:2"); err != nil {
		t.Fatal(err)
	}
	receive(t, b)
}

func TestMockTransportDeliversACopy(t *testing.T) {
	var n MockNetwork
	a, b := n.NewTransport("a"), n.NewTransport("b")
	buf := []byte("hello")
	a.WriteTo(buf, b.addr.String())
	clear(buf)
	if p := receive(t, b); string(p.Buf) != "hello" {
		t.Errorf("received %q", p.Buf)
	}
}

func TestMockTransportDropsWhatASlowPeerCannotTake(t *testing.T) {
	var n MockNetwork
	a, b := n.NewTransport("a"), n.NewTransport("b")
	for i := range mockQueue + 5 {
		if _, err := a.WriteTo([]byte{byte(i)}, b.addr.String()); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Dropped(); got != 5 {
		t.Errorf("%d packets dropped, want 5", got)
	}
	for i := range mockQueue {
		if p := receive(t, b); p.Buf[0] != byte(i) {
			t.Fatalf("packet %d holds %d", i, p.Buf[0])
		}
	}
}

func TestMockTransportAcksBothWaysDoNotDeadlock(t *testing.T) {
	// Each node acks every packet from the goroutine that reads packets, and
	// there is far more to ack than fits into any queue.
	synctest.Test(t, func(t *testing.T) {
		var n MockNetwork
		nodes := []*MockTransport{n.NewTransport("a"), n.NewTransport("b")}
		var readers sync.WaitGroup
		for i, node := range nodes {
			peer := nodes[1-i].addr.String()
			readers.Go(func() {
				for acked := 0; acked < 10*mockQueue; acked++ {
					if acked < 2*mockQueue {
						node.WriteTo([]byte("ping"), peer)
					}
					select {
					case <-node.PacketCh():
						node.WriteTo([]byte("ack"), peer)
					case <-node.stop:
						return
					}
				}
			})
		}
		synctest.Wait() // until both are done or waiting for a packet
		for _, node := range nodes {
			node.Shutdown()
		}
		readers.Wait()
	})
}

func TestMockTransportShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n MockNetwork
		a, b := n.NewTransport("a"), n.NewTransport("b")
		toB := b.addr.String()
		a.WriteTo([]byte("unread"), toB)

		// A dial that waits, an ingestion that waits.
		errs := make(chan error, 2)
		go func() {
			_, err := a.DialTimeout(toB, 0)
			errs <- err
		}()
		near, far := net.Pipe()
		go func() { errs <- b.IngestStream(near) }()
		synctest.Wait()
		for range 2 {
			if err := b.Shutdown(); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("what waited for the peer ended with %v", err)
			}
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("ingested stream was not closed: %v", err)
		}
		if len(b.packets) != 0 {
			t.Errorf("%d packets kept", len(b.packets))
		}

		for range 2 * mockQueue {
			if _, err := a.WriteTo([]byte("late"), toB); err != nil {
				t.Fatalf("write to peer that was shut down: %v", err)
			}
		}
		if got := b.Dropped(); got != 2*mockQueue+1 {
			t.Errorf("%d packets dropped, want %d", got, 2*mockQueue+1)
		}
		if _, err := a.DialTimeout(toB, time.Second); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial to peer that was shut down: %v", err)
		}
		if _, err := b.WriteTo([]byte("late"), a.addr.String()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Shutdown: %v", err)
		}
		if _, err := b.DialTimeout(a.addr.String(), time.Second); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial after Shutdown: %v", err)
		}
		if err := b.IngestPacket(&streamConn{r: bytes.NewReader([]byte("x"))}, &a.addr, time.Now(), false); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ingest after Shutdown: %v", err)
		}
		near, far = net.Pipe()
		if err := b.IngestStream(near); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ingest after Shutdown: %v", err)
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("stream ingested after Shutdown was not closed: %v", err)
		}
	})
}

func TestMockTransportStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n MockNetwork
		a, b := n.NewTransport("a"), n.NewTransport("b")
		go func() {
			conn := <-b.StreamCh()
			io.Copy(conn, conn)
			conn.Close()
		}()
		conn, err := a.DialAddressTimeout(Address{Name: "b"}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		got := make([]byte, 5)
		conn.Write([]byte("hello"))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestMockTransportDialTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n MockNetwork
		a, b := n.NewTransport("a"), n.NewTransport("b")
		for _, timeout := range []time.Duration{time.Second, time.Hour, -time.Second} {
			start := time.Now()
			_, err := a.DialTimeout(b.addr.String(), timeout)
			var netErr net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &netErr) || !netErr.Timeout() {
				t.Errorf("timeout of %v: %v", timeout, err)
			}
			if took := time.Since(start); took != max(timeout, 0) {
				t.Errorf("timeout of %v: took %v", timeout, took)
			}
		}
	})
}

func TestMockTransportIngests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testIngest(t, new(MockNetwork).NewTransport("a"))
	})
}

// ingestingTransport is what consumers assert a transport to.
type ingestingTransport interface {
	NodeAwareTransport
	IngestionAwareTransport
}

// testIngest checks packets and streams that come another way.
func testIngest(t *testing.T, tr ingestingTransport) {
	from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 7946}
	now := time.Now().Add(-time.Minute)
	for _, shouldClose := range []bool{true, false} {
		near, far := net.Pipe()
		defer near.Close()
		conn := &closingConn{streamConn: streamConn{r: near}}
		done := make(chan error)
		go func() { done <- tr.IngestPacket(conn, from, now, shouldClose) }()
		far.Write([]byte("hel"))
		far.Write([]byte("lo"))
		far.Close()
		p := <-tr.PacketCh()
		if string(p.Buf) != "hello" || p.From != from || !p.Timestamp.Equal(now) {
			t.Errorf("ingested %+v", p)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if conn.closed != shouldClose {
			t.Errorf("shouldClose %v, closed %v", shouldClose, conn.closed)
		}
	}

	for _, tc := range []struct {
		r    io.Reader
		want string
	}{
		{bytes.NewReader(nil), "packet too short (0 bytes) from=192.0.2.7:7946"},
		{errReader{}, "failed to read packet: broken"},
		{io.LimitReader(zeros{}, ingestMax+1), "packet too long (over 20971520 bytes) from=192.0.2.7:7946"},
	} {
		conn := &closingConn{streamConn: streamConn{r: tc.r}}
		if err := tr.IngestPacket(conn, from, now, true); err == nil || err.Error() != tc.want || !conn.closed {
			t.Errorf("error %v, closed %v; want %s", err, conn.closed, tc.want)
		}
	}
	go func() {
		if err := tr.IngestPacket(&streamConn{r: io.LimitReader(zeros{}, ingestMax)}, from, now, false); err != nil {
			t.Error(err)
		}
	}()
	if p := <-tr.PacketCh(); len(p.Buf) != ingestMax {
		t.Errorf("%d bytes ingested, want %d", len(p.Buf), ingestMax)
	}

	near, far := net.Pipe()
	defer near.Close()
	done := make(chan error)
	go func() { done <- tr.IngestStream(far) }()
	if conn := <-tr.StreamCh(); conn != far {
		t.Errorf("ingested stream is %v", conn)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// closingConn is a streamConn that can be closed.
type closingConn struct {
	streamConn
	closed bool
}

func (c *closingConn) Close() error { c.closed = true; return nil }

package memberlist

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// newTestTransport opens a transport on these addresses, one port for all.
func newTestTransport(t testing.TB, addrs ...string) *NetTransport {
	t.Helper()
	tr, err := NewNetTransport(&NetTransportConfig{BindAddrs: addrs, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Shutdown() })
	return tr
}

// newLoggedTransport opens a transport that passes its log lines on, as far as
// they are read.
func newLoggedTransport(t testing.TB) (*NetTransport, <-chan string) {
	t.Helper()
	lines := make(chan string, 1)
	tr, err := NewNetTransport(&NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, Logger: log.New(lineWriter(lines), "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Shutdown() })
	return tr, lines
}

// lineWriter passes on what is written, without blocking.
type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	select {
	case w <- string(b):
	default:
	}
	return len(b), nil
}

// hasIPv6 reports whether this machine has an IPv6 loopback address.
func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

func TestNewNetTransportRefusesBadConfig(t *testing.T) {
	for _, tc := range []struct {
		addrs []string
		port  int
		want  string
	}{
		{nil, 0, "at least one bind address is required"},
		{[]string{""}, 0, `bind address "" is not an IP address`},
		{[]string{"localhost"}, 0, `bind address "localhost" is not an IP address`},
		{[]string{"127.0.0.1:7946"}, 0, `bind address "127.0.0.1:7946" is not an IP address`},
		{[]string{"[::1]"}, 0, `bind address "[::1]" is not an IP address`},
		{[]string{"127.0.0.1", "eth0"}, 0, `bind address "eth0" is not an IP address`},
		{[]string{"127.0.0.1"}, -1, "bind port -1 is not between 0 and 65535"},
		{[]string{"127.0.0.1"}, 65536, "bind port 65536 is not between 0 and 65535"},
	} {
		tr, err := NewNetTransport(&NetTransportConfig{BindAddrs: tc.addrs, BindPort: tc.port})
		if err == nil || err.Error() != tc.want {
			t.Errorf("%q port %d: %v, want %s", tc.addrs, tc.port, err, tc.want)
		}
		if tr != nil {
			tr.Shutdown()
		}
	}
}

func TestNetTransportWorksWithoutLogger(t *testing.T) {
	tr, err := NewNetTransport(&NetTransportConfig{BindAddrs: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Shutdown()
	if tr.log.out == nil {
		t.Error("no logger")
	}
}

func TestNetTransportCarriesStreams(t *testing.T) {
	a, b := newTestTransport(t, "127.0.0.1"), newTestTransport(t, "127.0.0.1")
	near, err := a.DialAddressTimeout(Address{Addr: b.sockets[0].tcp.Addr().String(), Name: "b"}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far := <-b.StreamCh()
	defer far.Close()
	near.Write([]byte("hello"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestNetTransportIngests(t *testing.T) {
	testIngest(t, newTestTransport(t, "127.0.0.1"))
}

func TestNetTransportRecoversFromAcceptErrors(t *testing.T) {
	tr, lines := newLoggedTransport(t)
	listener := tr.sockets[0].tcp
	listener.SetDeadline(time.Unix(1, 0)) // accepting fails at once
	for range 2 {
		if line := <-lines; !strings.HasPrefix(line, "[ERR] memberlist: failed to accept TCP connection: ") {
			t.Errorf("logged %q", line)
		}
	}
	listener.SetDeadline(time.Time{})
	conn, err := tr.DialTimeout(listener.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	(<-tr.StreamCh()).Close()
}

func TestNetTransportShutdownNeedsNoReader(t *testing.T) {
	tr := newTestTransport(t, "127.0.0.1")
	to := tr.sockets[0].tcp.Addr().String()
	// More packets than the channel holds, streams that nobody takes, and
	// ingestions that wait.
	for range 3 * packetQueue {
		if _, err := tr.WriteTo([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
	}
	var conns []net.Conn
	for range 3 {
		conn, err := tr.DialTimeout(to, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	for full := false; !full; {
		select {
		case tr.packets <- &Packet{Buf: []byte("more")}:
		default:
			full = true
		}
	}
	errs := make(chan error, 2)
	ingested, far := net.Pipe()
	defer far.Close()
	go func() { errs <- tr.IngestStream(ingested) }()
	go func() { errs <- tr.IngestPacket(&streamConn{r: strings.NewReader("x")}, nil, time.Now(), false) }()

	// Called from many goroutines at once, each call returns when all is over.
	var shutdowns sync.WaitGroup
	port := tr.GetAutoBindPort()
	for range 3 {
		shutdowns.Go(func() {
			if err := tr.Shutdown(); err != nil {
				t.Error(err)
			}
			tr.loops.Wait()
		})
	}
	shutdowns.Wait()
	again, err := NewNetTransport(&NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, BindPort: port})
	if err != nil {
		t.Errorf("port is not free: %v", err)
	} else {
		again.Shutdown()
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ingestion ended with %v", err)
		}
	}
	for _, conn := range append(conns, far) {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a stream that nobody took is still open")
		}
	}
	if err := tr.Shutdown(); err != nil {
		t.Error(err)
	}
}

func TestNetTransportAfterShutdown(t *testing.T) {
	tr := newTestTransport(t, "127.0.0.1")
	to := tr.sockets[0].tcp.Addr().String()
	tr.Shutdown()
	near, far := net.Pipe()
	conn := &closingConn{streamConn: streamConn{r: strings.NewReader("x")}}
	_, writeErr := tr.WriteTo([]byte("hello"), to)
	_, dialErr := tr.DialTimeout(to, 10*time.Second)
	for name, err := range map[string]error{
		"write":         writeErr,
		"dial":          dialErr,
		"ingest packet": tr.IngestPacket(conn, nil, time.Now(), true),
		"ingest stream": tr.IngestStream(near),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF || !conn.closed {
		t.Error("not closed: what was ingested")
	}
}

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var b backoff
		wait := func() time.Duration {
			start := time.Now()
			if !b.wait(ctx) {
				t.Error("gave up")
			}
			return time.Since(start)
		}
		for _, ms := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
			if got := wait(); got != ms*time.Millisecond {
				t.Errorf("waited %v, want %d ms", got, ms)
			}
		}
		b.reset()
		if got := wait(); got != backoffMin {
			t.Errorf("waited %v after a success, want %v", got, backoffMin)
		}
		cancel()
		if start := time.Now(); b.wait(ctx) || time.Since(start) != 0 {
			t.Error("waited although it is over")
		}
	})
}

func TestNetTransportLeavesMetricLabelsAlone(t *testing.T) {
	sink := metrics.NewInmemSink(time.Hour, time.Hour)
	config := metrics.DefaultConfig("service")
	config.EnableRuntimeMetrics = false
	config.EnableHostnameLabel = true // makes go-metrics append to the labels
	config.EnableServiceLabel = true
	listenToMetrics(t, config, sink)

	labels := make([]metrics.Label, 1, 8)
	labels[0] = metrics.Label{Name: "dc", Value: "one"}
	tr, err := NewNetTransport(&NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, MetricLabels: labels})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Shutdown()
	for range 2 {
		tr.WriteTo([]byte("hello"), tr.sockets[0].udp.LocalAddr().String())
		<-tr.PacketCh()
	}
	if extra := labels[:2][1]; extra != (metrics.Label{}) {
		t.Errorf("written behind the caller's labels: %v", extra)
	}
	var bytes float64
	for _, interval := range sink.Data() {
		for name, counter := range interval.Counters {
			if strings.Contains(name, "memberlist.udp.received") && strings.Contains(name, "dc=one") {
				bytes += counter.Sum
			}
		}
	}
	if bytes != 10 {
		t.Errorf("counted %v bytes, want 10", bytes)
	}
}

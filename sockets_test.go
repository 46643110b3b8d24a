package memberlist

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/swimguard/memberlist/internal/testkit"
)

func TestSocketsShareOnePort(t *testing.T) {
	addrs := []string{"127.0.0.1"}
	if hasIPv6() {
		addrs = append(addrs, "::1")
	}
	tr := newTestTransport(t, addrs...)
	port := tr.GetAutoBindPort()
	if port == 0 {
		t.Fatal("no port")
	}
	for i, s := range tr.sockets {
		want := net.JoinHostPort(addrs[i], strconv.Itoa(port))
		if tcp, udp := s.tcp.Addr().String(), s.udp.LocalAddr().String(); tcp != want || udp != want {
			t.Errorf("listening on %s and %s, want %s", tcp, udp, want)
		}
	}
	tr.Shutdown()
	again, err := NewNetTransport(&NetTransportConfig{BindAddrs: addrs, BindPort: port})
	if err != nil {
		t.Fatal(err)
	}
	if again.GetAutoBindPort() != port {
		t.Errorf("port %d, want %d", again.GetAutoBindPort(), port)
	}
	again.Shutdown()
}

func TestSocketsOfBothUnspecifiedAddresses(t *testing.T) {
	if !hasIPv6() {
		return // there is nothing that could clash
	}
	for _, addrs := range [][]string{{"0.0.0.0", "::"}, {"::", "0.0.0.0"}, {"0.0.0.0", "::1"}} {
		tr := newTestTransport(t, addrs...)
		for i, s := range tr.sockets {
			if is4 := s.addr.Is4(); s.sends4 != is4 || s.sends6 == is4 {
				t.Errorf("%s sends to IPv4: %v, to IPv6: %v", addrs[i], s.sends4, s.sends6)
			}
		}
		tr.Shutdown()
	}
}

func TestBindErrorClosesEverythingAndNamesTheCause(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, portText, _ := net.SplitHostPort(taken.Addr().String())
	port, _ := strconv.Atoi(portText)
	_, err = NewNetTransport(&NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, BindPort: port})
	if err == nil || !strings.HasPrefix(err.Error(), `failed to start TCP listener on "127.0.0.1" port `+portText+": ") ||
		!strings.Contains(err.Error(), "address already in use") {
		t.Errorf("TCP: %v", err)
	}

	port = testkit.FreePort(t)
	portText = strconv.Itoa(port)
	packets, err := net.ListenPacket("udp", "127.0.0.1:"+portText)
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	_, err = NewNetTransport(&NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, BindPort: port})
	if err == nil || !strings.HasPrefix(err.Error(), `failed to start UDP listener on "127.0.0.1" port `+portText+": ") ||
		!strings.Contains(err.Error(), "address already in use") {
		t.Errorf("UDP: %v", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:"+portText)
	if err != nil {
		t.Fatalf("the TCP listener was not closed: %v", err)
	}
	free.Close()
}

func TestChosenPortThatIsTakenIsReplaced(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	broken := errors.New("taken")
	for _, failures := range []int{0, 1, portAttempts - 1, portAttempts} {
		var tried []int
		sockets, err := openSockets(addrs, 0, func(network string, addr *net.UDPAddr) (*net.UDPConn, error) {
			tried = append(tried, addr.Port)
			if len(tried) <= failures {
				return nil, broken
			}
			return net.ListenUDP(network, addr)
		})
		if failures == portAttempts {
			if !errors.Is(err, broken) || sockets != nil || len(tried) != portAttempts {
				t.Errorf("%d failures: %v, %v after %d attempts", failures, sockets, err, len(tried))
			}
		} else if err != nil || len(tried) != failures+1 {
			t.Errorf("%d failures: %v after %d attempts", failures, err, len(tried))
		} else if got, want := int(sockets[0].port()), tried[failures]; got != want {
			t.Errorf("%d failures: port %d, want %d", failures, got, want)
		}
		closeSockets(sockets)
		for _, port := range tried {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				t.Errorf("%d failures: left open: %v", failures, err)
				continue
			}
			l.Close()
		}
	}
}

func TestGivenPortAndUnusableAddressAreTriedOnce(t *testing.T) {
	port := uint16(testkit.FreePort(t))
	attempts := 0
	fail := func(string, *net.UDPAddr) (*net.UDPConn, error) {
		attempts++
		return nil, errors.New("taken")
	}
	if _, err := openSockets([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, port, fail); err == nil || attempts != 1 {
		t.Errorf("given port: %v after %d attempts", err, attempts)
	}
	// An address of documentation, which no machine should have.
	attempts = 0
	if _, err := openSockets([]netip.Addr{netip.MustParseAddr("203.0.113.1")}, 0, fail); err == nil || attempts != 0 {
		t.Errorf("foreign address: %v after %d attempts", err, attempts)
	}
}

// bufferConn accepts receive buffers up to max.
type bufferConn struct {
	max   int
	tried []int
}

func (c *bufferConn) SetReadBuffer(bytes int) error {
	c.tried = append(c.tried, bytes)
	if bytes > c.max {
		return errors.New("too large")
	}
	return nil
}

func TestReceiveBufferIsHalvedUntilAccepted(t *testing.T) {
	for _, tc := range []struct {
		max   int
		tried []int
	}{
		{2 << 20, []int{2 << 20}},
		{2<<20 - 1, []int{2 << 20, 1 << 20}},
		{300_000, []int{2 << 20, 1 << 20, 512 << 10, 256 << 10}},
	} {
		c := &bufferConn{max: tc.max}
		if err := growReceiveBuffer(c); err != nil || !slices.Equal(c.tried, tc.tried) {
			t.Errorf("at most %d: tried %d, %v", tc.max, c.tried, err)
		}
	}
	c := &bufferConn{max: -1}
	if err := growReceiveBuffer(c); err == nil || c.tried[len(c.tried)-1] != 1 {
		t.Errorf("nothing accepted: tried %d, %v", c.tried, err)
	}
}

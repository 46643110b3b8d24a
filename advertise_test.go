package memberlist

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestFinalAdvertiseAddrGiven(t *testing.T) {
	tr := newTestTransport(t, "127.0.0.1")
	bound := tr.GetAutoBindPort()
	for _, tc := range []struct {
		ip       string
		port     int
		want     string
		size     int
		wantPort int
		err      string
	}{
		{"192.0.2.1", 7946, "192.0.2.1", 4, 7946, ""},
		{"::ffff:192.0.2.1", 65535, "192.0.2.1", 4, 65535, ""},
		{"2001:db8::1", 1, "2001:db8::1", 16, 1, ""},
		{"192.0.2.1", 0, "192.0.2.1", 4, bound, ""}, // port forgotten
		{"192.0.2.1", -1, "", 0, 0, "advertise port -1 is not between 0 and 65535"},
		{"192.0.2.1", 65536, "", 0, 0, "advertise port 65536 is not between 0 and 65535"},
		{"localhost", 7946, "", 0, 0, `failed to parse advertise address "localhost"`},
		{"192.0.2.1:7946", 7946, "", 0, 0, `failed to parse advertise address "192.0.2.1:7946"`},
		{"::", 7946, "", 0, 0, `advertise address "::" is not the address of a host`},
		{"0.0.0.0", 7946, "", 0, 0, `advertise address "0.0.0.0" is not the address of a host`},
	} {
		ip, port, err := tr.FinalAdvertiseAddr(tc.ip, tc.port)
		if tc.err != "" {
			if err == nil || err.Error() != tc.err {
				t.Errorf("%s %d: %v, want %s", tc.ip, tc.port, err, tc.err)
			}
			continue
		}
		if err != nil || ip.String() != tc.want || len(ip) != tc.size || port != tc.wantPort {
			t.Errorf("%s %d: %v (%d bytes), %d, %v; want %s, %d", tc.ip, tc.port, ip, len(ip), port, err, tc.want, tc.wantPort)
		}
	}
}

func TestFinalAdvertiseAddrOfBoundAddress(t *testing.T) {
	binds := map[string]int{"127.0.0.1": 4, "::ffff:127.0.0.1": 4}
	if hasIPv6() {
		binds["::1"] = 16
	}
	for bind, size := range binds {
		tr := newTestTransport(t, bind)
		ip, port, err := tr.FinalAdvertiseAddr("", 1234)
		if want := strings.TrimPrefix(bind, "::ffff:"); err != nil || ip.String() != want || len(ip) != size || port != tr.GetAutoBindPort() {
			t.Errorf("bound to %s: %v (%d bytes), %d, %v", bind, ip, len(ip), port, err)
		}
	}
}

func TestFinalAdvertiseAddrIsNeverUnspecified(t *testing.T) {
	binds := []string{"0.0.0.0"}
	if hasIPv6() {
		binds = append(binds, "::")
	}
	for _, bind := range binds {
		tr := newTestTransport(t, bind)
		ip, port, err := tr.FinalAdvertiseAddr("", 0)
		if err != nil {
			// A machine with nothing but loopback, or with public addresses.
			if !errors.Is(err, errNoPrivateIP) {
				t.Errorf("bound to %s: %v", bind, err)
			}
		} else if ip.IsUnspecified() || ip.IsLoopback() || len(ip) != 16 || port != tr.GetAutoBindPort() {
			t.Errorf("bound to %s: %v (%d bytes), %d", bind, ip, len(ip), port)
		}
	}
}

func TestChooseAdvertised(t *testing.T) {
	any4 := socketPair{addr: netip.MustParseAddr("0.0.0.0"), sends4: true, sends6: true}
	only4 := socketPair{addr: netip.MustParseAddr("0.0.0.0"), sends4: true}
	any6 := socketPair{addr: netip.MustParseAddr("::"), sends4: true, sends6: true}
	only6 := socketPair{addr: netip.MustParseAddr("::"), sends6: true}
	const none = "no private IP address found, and explicit IP not provided"
	for _, tc := range []struct {
		name            string
		sockets         socketPair
		private, public string // separated by spaces
		want            string
	}{
		{"first private IPv4", any4, "fd00::1 10.0.0.1 10.0.0.2", "192.88.99.1", "10.0.0.1"},
		{"loopback is not reachable", any4, "127.0.0.1 10.0.0.1", "", "10.0.0.1"},
		{"link-local is not reachable", any4, "169.254.0.1 fe80::1", "", none},
		{"private IPv6 rather than nothing", any4, "fe80::1 fd00::1", "", "fd00::1"},
		{"IPv6 is not served", only4, "fd00::1", "", none},
		{"public IPv4 is for the user to choose", any4, "", "198.18.0.1 2001:db8::1", none},
		{"nothing", any4, "", "", none},
		{"IPv6 bind means IPv6", any6, "10.0.0.1 fd00::1", "2001:db8::1", "fd00::1"},
		{"public IPv6 is normal", any6, "10.0.0.1 fe80::1 ::1", "2001:db8::1", "2001:db8::1"},
		{"private IPv4 rather than nothing", any6, "fe80::1 10.0.0.1", "198.18.0.1", "10.0.0.1"},
		{"IPv4 is not served", only6, "10.0.0.1", "198.18.0.1", none},
	} {
		parse := func(text string) (addrs []netip.Addr) {
			for field := range strings.FieldsSeq(text) {
				addrs = append(addrs, netip.MustParseAddr(field))
			}
			return addrs
		}
		addr, err := chooseAdvertised(tc.sockets, parse(tc.private), parse(tc.public))
		got := addr.String()
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

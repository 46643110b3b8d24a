package memberlist

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// neverAsked is a resolver for addresses that need none.
func neverAsked(t *testing.T) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(_ context.Context, _, host string) ([]netip.Addr, error) {
		t.Errorf("the system was asked for %q", host)
		return nil, errors.New("not to be asked")
	}
}

func newTestResolver(conf *Config, system func(context.Context, string, string) ([]netip.Addr, error)) *joinResolver {
	return &joinResolver{conf: conf, log: newLogger(&Config{Logger: log.New(io.Discard, "", 0)}), system: system}
}

func TestJoinAddressSyntax(t *testing.T) {
	for _, test := range []struct {
		in, name, host string
		port           uint16
		err            string
	}{
		{in: "1.2.3.4", host: "1.2.3.4", port: 7946},
		{in: "1.2.3.4:80", host: "1.2.3.4", port: 80},
		{in: "n1/1.2.3.4:80", name: "n1", host: "1.2.3.4", port: 80},
		{in: "n1:x/1.2.3.4:80", name: "n1:x", host: "1.2.3.4", port: 80},
		{in: "::1", host: "::1", port: 7946},
		{in: "[::1]", host: "::1", port: 7946},
		{in: "[::1]:80", host: "::1", port: 80},
		{in: "n1/[::1]:80", name: "n1", host: "::1", port: 80},
		{in: "n1/::1", name: "n1", host: "::1", port: 7946},
		{in: "[fe80::1%eth0]:80", host: "fe80::1%eth0", port: 80},
		{in: "[1.2.3.4]:80", host: "1.2.3.4", port: 80},
		{in: "seed", host: "seed", port: 7946},
		{in: "seed.example.org:1", host: "seed.example.org", port: 1},
		{in: "a/b/1.2.3.4", name: "a", host: "b/1.2.3.4", port: 7946},
		{in: "1.2.3.4:0", host: "1.2.3.4", port: 0},
		{in: "1.2.3.4:65535", host: "1.2.3.4", port: 65535},
		{in: "/1.2.3.4", err: "empty node name before the slash"},
		{in: "1.2.3.4:http", err: `invalid port "http": must be 0 to 65535`},
		{in: "1.2.3.4:65536", err: `invalid port "65536": must be 0 to 65535`},
		{in: ":99999", err: `invalid port "99999": must be 0 to 65535`},
		{in: "1.2.3.4:", err: `invalid port "": must be 0 to 65535`},
		{in: "1.2.3.4:-1", err: `invalid port "-1": must be 0 to 65535`},
		{in: "", err: "missing host in address"},
		{in: "n1/", err: "missing host in address"},
		{in: ":80", err: "missing host in address"},
		{in: "[]:80", err: "missing host in address"},
		{in: "[::1", err: "missing ] in address"},
		{in: "[::1]80", err: "unexpected text after ] in address"},
	} {
		name, host, port, err := splitJoinAddress(test.in, 7946)
		if name != test.name || host != test.host || port != test.port || errorText(err) != test.err {
			t.Errorf("%q: got %q %q %d %q", test.in, name, host, port, errorText(err))
		}
	}
}

func FuzzJoinAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "n/[::1]:80", "[", "]", "a/b/c:1:2", ":", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, host, _, err := splitJoinAddress(s, 1)
		if err == nil && host == "" {
			t.Errorf("%q: no host and no error", s)
		}
		if name != "" && !strings.HasPrefix(s, name+"/") {
			t.Errorf("%q: name %q", s, name)
		}
	})
}

func TestResolveAddressesWithoutAskingAnybody(t *testing.T) {
	conf := &Config{BindPort: 7946, DNSConfigPath: "/does/not/exist"}
	r := newTestResolver(conf, neverAsked(t))
	for in, want := range map[string]endpoint{
		"1.2.3.4":          {addr: netip.MustParseAddrPort("1.2.3.4:7946")},
		"n1/[fd00::1]:80":  {addr: netip.MustParseAddrPort("[fd00::1]:80"), name: "n1"},
		"::ffff:1.2.3.4":   {addr: netip.MustParseAddrPort("1.2.3.4:7946")},
		"[fe80::1%lo]:443": {addr: netip.MustParseAddrPort("[fe80::1%lo]:443")},
	} {
		got, err := r.resolve(t.Context(), in)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	// The default port is read when it is needed.
	conf.BindPort = 1
	if got, err := r.resolve(t.Context(), "1.2.3.4"); err != nil || got[0].addr.Port() != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := r.resolve(t.Context(), ""); err == nil {
		t.Error("an empty address resolves")
	}
}

func TestResolveLeavesOtherNamesToTheSystem(t *testing.T) {
	failure := errors.New("no such host")
	answers := map[string][]netip.Addr{
		"seed": {netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		// Its name server cannot be asked: there is no configuration.
		"seed.example.org": {netip.MustParseAddr("10.0.0.2")},
		"empty":            {},
	}
	r := newTestResolver(&Config{BindPort: 7946, DNSConfigPath: filepath.Join(t.TempDir(), "none")},
		func(_ context.Context, network, host string) ([]netip.Addr, error) {
			if ips, ok := answers[host]; ok && network == "ip" {
				return ips, nil
			}
			return nil, failure
		})
	for in, want := range map[string][]endpoint{
		"n/seed:1": {
			{addr: netip.MustParseAddrPort("10.0.0.1:1"), name: "n"},
			{addr: netip.MustParseAddrPort("[fd00::1]:1"), name: "n"},
		},
		"seed.example.org": {{addr: netip.MustParseAddrPort("10.0.0.2:7946")}},
	} {
		got, err := r.resolve(t.Context(), in)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", in, got, err, want)
		}
	}
	if got, err := r.resolve(t.Context(), "empty"); err == nil {
		t.Errorf("no address is no error: %v", got)
	}
	if _, err := r.resolve(t.Context(), "a/b/1.2.3.4"); !errors.Is(err, failure) {
		t.Errorf("got %v, want the resolver's error", err)
	}
}

func TestResolvedAddressesAreBounded(t *testing.T) {
	r := newTestResolver(&Config{}, func(context.Context, string, string) ([]netip.Addr, error) {
		ips := make([]netip.Addr, resolvedMax+10)
		for i := range ips {
			ips[i] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		}
		return ips, nil
	})
	if got, err := r.resolve(t.Context(), "seed"); err != nil || len(got) != resolvedMax {
		t.Errorf("%d addresses, %v", len(got), err)
	}
}

// dnsServer answers DNS questions over TCP only, on loopback, until the test
// ends. It returns the path of a resolv.conf that names it.
func dnsServer(t *testing.T, answer func(name string, qtype uint16) [][]byte) (path string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveDNS(conn, answer)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return writeResolvConf(t, "# comment\n\noptions ndots:1\nnameserver "+l.Addr().String()+"\nnameserver 192.0.2.1\n")
}

// serveDNS answers one question: length, header, the question and its answers.
func serveDNS(conn net.Conn, answer func(name string, qtype uint16) [][]byte) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil || len(query) < 12 {
		return
	}
	name, end := "", 12
	for query[end] != 0 {
		n := int(query[end])
		name += string(query[end+1:end+1+n]) + "."
		end += 1 + n
	}
	question := query[12 : end+5]
	qtype := binary.BigEndian.Uint16(question[len(question)-4:])
	answers := answer(name, qtype)
	reply := append([]byte{0, 0, query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(answers)), 0, 0, 0, 0}, question...)
	if answers == nil {
		reply[5] |= 3 // no such name
	}
	for _, ip := range answers {
		reply = append(reply, 0xc0, 12) // the name of the question
		reply = binary.BigEndian.AppendUint16(reply, qtype)
		reply = append(reply, 0, 1, 0, 0, 0, 60, 0, byte(len(ip)))
		reply = append(reply, ip...)
	}
	binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
	conn.Write(reply)
}

func writeResolvConf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNamesWithADotAreAskedOverTCPFirst(t *testing.T) {
	path := dnsServer(t, func(name string, qtype uint16) [][]byte {
		switch {
		case name == "seed.swimguard.test." && qtype == 1:
			return [][]byte{{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 0, 1}}
		case name == "seed.swimguard.test." && qtype == 28:
			return [][]byte{net.ParseIP("fd00::1")}
		default:
			return nil
		}
	})
	r := newTestResolver(&Config{BindPort: 7946, DNSConfigPath: path}, neverAsked(t))
	for _, in := range []string{"seed.swimguard.test", "n/seed.swimguard.test.:80"} {
		got, err := r.resolve(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[netip.Addr]bool)
		for _, e := range got {
			found[e.addr.Addr()] = true
			if strings.HasPrefix(in, "n/") != (e.name == "n" && e.addr.Port() == 80) {
				t.Errorf("%s: %v", in, e)
			}
		}
		if len(got) != 3 || !found[netip.MustParseAddr("10.0.0.1")] || !found[netip.MustParseAddr("10.0.0.2")] || !found[netip.MustParseAddr("fd00::1")] {
			t.Errorf("%s: got %v", in, got)
		}
	}
}

func TestWithoutAnAnswerOverTCPTheSystemIsAsked(t *testing.T) {
	refuse := writeResolvConf(t, "nameserver 127.0.0.1:1\n")
	unknown := dnsServer(t, func(string, uint16) [][]byte { return nil })
	for _, path := range []string{unknown, refuse, writeResolvConf(t, "search example.org\n"), writeResolvConf(t, "nameserver ns1\n")} {
		asked := ""
		r := newTestResolver(&Config{BindPort: 7946, DNSConfigPath: path}, func(_ context.Context, _, host string) ([]netip.Addr, error) {
			asked = host
			return []netip.Addr{netip.MustParseAddr("10.0.0.9")}, nil
		})
		got, err := r.resolve(t.Context(), "seed.swimguard.test")
		if err != nil || asked != "seed.swimguard.test" || len(got) != 1 || got[0].addr.String() != "10.0.0.9:7946" {
			t.Errorf("%s: got %v, %v, asked for %q", path, got, err, asked)
		}
	}
}

func TestResolveCanBeCancelled(t *testing.T) {
	stop := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	path := dnsServer(t, func(string, uint16) [][]byte {
		cancel(stop) // while the question is on its way
		return nil
	})
	r := newTestResolver(&Config{DNSConfigPath: path}, neverAsked(t))
	if _, err := r.resolve(ctx, "seed.swimguard.test"); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestFirstNameServer(t *testing.T) {
	for text, want := range map[string]string{
		"nameserver 192.0.2.1\nnameserver 192.0.2.2\n":        "192.0.2.1:53",
		"search a b\n nameserver\t2001:db8::1 # comment\n":    "[2001:db8::1]:53",
		"nameserver fe80::1%eth0":                             "[fe80::1%eth0]:53",
		"nameserver [2001:db8::1]:5353":                       "[2001:db8::1]:5353",
		"#nameserver 192.0.2.1\n;nameserver 192.0.2.2\nx y\n": "",
		"nameserver\n":                "",
		"nameserver ns.example.org\n": "",
		"":                            "",
		strings.Repeat("#\n", resolvConfMax) + "nameserver 192.0.2.1\n": "",
	} {
		got, err := firstNameServer(writeResolvConf(t, text))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: got %q, %v", text, got, err)
		}
	}
	if _, err := firstNameServer(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

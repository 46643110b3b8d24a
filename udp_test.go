package memberlist

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// udpAddr is where tr receives packets, by bind address.
func udpAddr(tr *NetTransport, i int) netip.AddrPort {
	return tr.sockets[i].udp.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestNetTransportCarriesPackets(t *testing.T) {
	a, b := newTestTransport(t, "127.0.0.1"), newTestTransport(t, "127.0.0.1")
	for _, size := range []int{1, 1400, 60_000} {
		before := time.Now()
		buf := bytes.Repeat([]byte{byte(size)}, size)
		sent, err := a.WriteToAddress(buf, Address{Addr: udpAddr(b, 0).String(), Name: "b"})
		if err != nil {
			t.Fatal(err)
		}
		p := <-b.PacketCh()
		if !bytes.Equal(p.Buf, buf) {
			t.Errorf("%d bytes sent, %d received", size, len(p.Buf))
		}
		if cap(p.Buf) > max(64, size+size/8) {
			t.Errorf("packet of %d bytes pins %d", size, cap(p.Buf))
		}
		from, ok := p.From.(*net.UDPAddr)
		if !ok || from.AddrPort() != udpAddr(a, 0) || len(from.IP) != 4 {
			t.Errorf("from %#v, want %v", p.From, udpAddr(a, 0))
		}
		for _, at := range []time.Time{sent, p.Timestamp} {
			if at.Before(before) || time.Since(at) < 0 {
				t.Errorf("sent or received at %v, which is not between %v and now", at, before)
			}
		}
	}
}

func TestNetTransportSendsInTheFamilyOfTheDestination(t *testing.T) {
	// The first socket is for IPv4, the second for IPv6; a packet arrives at
	// each from its own.
	if !hasIPv6() {
		return // one family, nothing to choose
	}
	tr := newTestTransport(t, "127.0.0.1", "::1")
	for i := range tr.sockets {
		to := udpAddr(tr, i)
		if err := tr.writeAddrPort([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
		if p := <-tr.PacketCh(); p.From.String() != to.String() {
			t.Errorf("packet to %v came from %v", to, p.From)
		}
	}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(udpAddr(tr, 0).Addr().As16()), udpAddr(tr, 0).Port())
	if err := tr.writeAddrPort([]byte("hello"), mapped); err != nil {
		t.Errorf("IPv4 address in IPv6 form: %v", err)
	}
	<-tr.PacketCh()
}

func TestNetTransportOnAllInterfacesServesIPv4(t *testing.T) {
	binds := []string{"0.0.0.0"}
	if hasIPv6() {
		binds = append(binds, "::")
	}
	for _, bind := range binds {
		tr := newTestTransport(t, bind)
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(tr.GetAutoBindPort()))
		if err := tr.writeAddrPort([]byte("hello"), to); err != nil {
			t.Fatalf("bound to %s: %v", bind, err)
		}
		p := <-tr.PacketCh()
		if from := p.From.(*net.UDPAddr); from.AddrPort() != to || len(from.IP) != 4 {
			t.Errorf("bound to %s: packet from %v with %d bytes of address, want %v", bind, from, len(from.IP), to)
		}
	}
}

func TestNetTransportResolves(t *testing.T) {
	tr := newTestTransport(t, "127.0.0.1")
	port := strconv.Itoa(tr.GetAutoBindPort())
	for _, host := range []string{"127.0.0.1:", "localhost:", "[::ffff:127.0.0.1]:"} {
		if _, err := tr.WriteTo([]byte(host), host+port); err != nil {
			t.Errorf("%s: %v", host, err)
		} else if p := <-tr.PacketCh(); string(p.Buf) != host {
			t.Errorf("%s: received %q", host, p.Buf)
		}
	}
	for addr, want := range map[string]string{
		"":                "missing port in address",
		"127.0.0.1":       "missing port in address",
		"::1":             "too many colons in address",
		":7946":           `missing host in address ":7946"`,
		"localhost:http":  `invalid port in address "localhost:http"`,
		"localhost:65536": `invalid port in address "localhost:65536"`,
		"localhost:-1":    `invalid port in address "localhost:-1"`,
		"[::1]:7946":      "no socket of the address family is bound",
		"?010203:1":       `failed to resolve "?010203"`, // a net.IP of 3 bytes as text
	} {
		if _, err := tr.WriteTo([]byte("x"), addr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", addr, err, want)
		}
	}
	if err := tr.writeAddrPort([]byte("x"), netip.AddrPort{}); !errors.Is(err, errNoAddress) {
		t.Errorf("no address: %v", err)
	}
	if err := tr.writeAddrPort([]byte("x"), netip.MustParseAddrPort("[::1]:1")); !errors.Is(err, errNoSocket) {
		t.Errorf("IPv6 without a socket for it: %v", err)
	}
}

func TestNetTransportIgnoresEmptyDatagrams(t *testing.T) {
	tr, lines := newLoggedTransport(t)
	to := udpAddr(tr, 0)
	for _, text := range []string{"", "after it"} {
		if err := tr.writeAddrPort([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	if p := <-tr.PacketCh(); string(p.Buf) != "after it" {
		t.Errorf("received %q", p.Buf)
	}
	if line := <-lines; line != "[ERR] memberlist: UDP packet too short (0 bytes) from="+to.String()+"\n" {
		t.Errorf("logged %q", line)
	}
}

func TestNetTransportRecoversFromReadErrors(t *testing.T) {
	tr, lines := newLoggedTransport(t)
	conn := tr.sockets[0].udp
	conn.SetReadDeadline(time.Unix(1, 0)) // reading fails at once
	for range 2 {
		if line := <-lines; !strings.HasPrefix(line, "[ERR] memberlist: failed to read UDP packet: ") {
			t.Errorf("logged %q", line)
		}
	}
	conn.SetReadDeadline(time.Time{})
	if err := tr.writeAddrPort([]byte("hello"), udpAddr(tr, 0)); err != nil {
		t.Fatal(err)
	}
	if p := <-tr.PacketCh(); string(p.Buf) != "hello" {
		t.Errorf("received %q", p.Buf)
	}
}

func TestPacketsOnTheChannelShareNothing(t *testing.T) {
	a, b, c := newTestTransport(t, "127.0.0.1"), newTestTransport(t, "127.0.0.1"), newTestTransport(t, "127.0.0.1")
	var kept [2]*Packet
	for i, from := range []*NetTransport{a, b} {
		if err := from.writeAddrPort([]byte{byte(i)}, udpAddr(c, 0)); err != nil {
			t.Fatal(err)
		}
		kept[i] = <-c.PacketCh()
	}
	for i, from := range []*NetTransport{a, b} {
		if p := kept[i]; !bytes.Equal(p.Buf, []byte{byte(i)}) || p.From.String() != udpAddr(from, 0).String() {
			t.Errorf("packet %d is now %v from %v", i, p.Buf, p.From)
		}
	}
}

func TestUDPPacketHasTheSendersAddress(t *testing.T) {
	for _, text := range []string{"192.0.2.1:7946", "[2001:db8::1]:7946", "[fe80::1%eth0]:7946"} {
		from := netip.MustParseAddrPort(text)
		if got := new(udpPacket).fill([]byte("x"), from, time.Now()).From.String(); got != text {
			t.Errorf("from %s, want %s", got, text)
		}
	}
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:7946")
	if got := new(udpPacket).fill([]byte("x"), mapped, time.Now()).From.(*net.UDPAddr); len(got.IP) != 4 || got.String() != "192.0.2.1:7946" {
		t.Errorf("from %s with %d bytes of address", got, len(got.IP))
	}
}

func TestPacketsCostNoAllocation(t *testing.T) {
	tr := newTestTransport(t, "127.0.0.1")
	to, buf := udpAddr(tr, 0), make([]byte, 1400)
	arrived := make(chan struct{})
	tr.deliverTo(func(*Packet) { arrived <- struct{}{} })
	allocs := testing.AllocsPerRun(1000, func() {
		if err := tr.writeAddrPort(buf, to); err != nil {
			t.Fatal(err)
		}
		<-arrived
	})
	if allocs != 0 {
		t.Errorf("%v allocations to send and receive a packet", allocs)
	}
}

func BenchmarkNetTransportPacket(b *testing.B) {
	tr := newTestTransport(b, "127.0.0.1")
	to, buf := udpAddr(tr, 0), make([]byte, 1400)
	arrived := make(chan struct{})
	tr.deliverTo(func(*Packet) { arrived <- struct{}{} })
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.writeAddrPort(buf, to); err != nil {
			b.Fatal(err)
		}
		<-arrived
	}
}

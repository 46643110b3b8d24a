package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	// datagramMax is more than a UDP datagram can hold, so none is truncated.
	datagramMax = 64 << 10

	// resolveTimeout bounds the look-up of a host name that a packet is
	// addressed to. Nobody needs a packet that was held up for longer.
	resolveTimeout = 5 * time.Second
)

var (
	errNoAddress = errors.New("no address to send to")
	errNoSocket  = errors.New("no socket of the address family is bound")
)

// udpPacket is a packet together with the address it came from.
type udpPacket struct {
	packet Packet
	from   net.UDPAddr
	ip     [16]byte
}

// fill makes u hold a packet, and returns it.
func (u *udpPacket) fill(b []byte, from netip.AddrPort, received time.Time) *Packet {
	u.packet = Packet{Buf: b, From: &u.from, Timestamp: received}
	// A socket for both families reports IPv4 senders as IPv6 addresses.
	addr := from.Addr().Unmap()
	u.ip = addr.As16()
	u.from = net.UDPAddr{IP: u.ip[:], Port: int(from.Port()), Zone: addr.Zone()}
	if addr.Is4() {
		u.from.IP = u.ip[12:]
	}
	return &u.packet
}

// receiveLoop delivers the packets that arrive at conn.
func (t *NetTransport) receiveLoop(conn *net.UDPConn) {
	buf := make([]byte, datagramMax)
	var own udpPacket
	var pause backoff
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		received := time.Now()
		if err != nil {
			if t.stopped() || errors.Is(err, net.ErrClosed) {
				return
			}
			// The socket itself is well: some systems report here that an earlier
			// packet of ours found nobody.
			t.log.errf("failed to read UDP packet: %v", err)
			if !pause.wait(t.running) {
				return
			}
			continue
		}
		pause.reset()
		if n == 0 {
			if t.log.limited(logMalformed) {
				t.log.errf("UDP packet too short (0 bytes) %s", LogStringAddress(from.String()))
			}
			continue
		}
		t.meter.udpReceived(n)
		if handle := t.handler.Load(); handle != nil {
			(*handle)(own.fill(buf[:n:n], from, received))
			continue
		}
		select {
		case t.packets <- new(udpPacket).fill(bytes.Clone(buf[:n]), from, received):
		case <-t.running.Done():
			return
		}
	}
}

// WriteTo sends b as one UDP datagram to addr, which is "host:port", and
// returns when it was handed to the system. A host that is not an IP address is
// looked up, which blocks for at most 5 seconds, and the first of its addresses
// in a family that is bound is used. b is not kept.
func (t *NetTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := t.resolve(addr)
	if err != nil {
		return time.Time{}, err
	}
	err = t.writeAddrPort(b, to)
	return time.Now(), err
}

// WriteToAddress is WriteTo; the name in a is ignored.
func (t *NetTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

// writeAddrPort sends b as one datagram, from a socket of the destination's
// family. It does not keep b and does not allocate. Ask a transport for it only
// if it is itself a *NetTransport: one that embeds it may want to see what is
// written.
func (t *NetTransport) writeAddrPort(b []byte, to netip.AddrPort) error {
	conn, addr := t.udp6, to.Addr().Unmap()
	if addr.Is4() {
		conn = t.udp4
	}
	err := errNoSocket
	if !addr.IsValid() {
		err = errNoAddress
	} else if conn != nil {
		_, err = conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(addr, to.Port()))
		return err
	}
	return &net.OpError{Op: "write", Net: "udp", Addr: net.UDPAddrFromAddrPort(to), Err: err}
}

// resolve turns "host:port" into an address to send to.
func (t *NetTransport) resolve(hostPort string) (netip.AddrPort, error) {
	if to, err := netip.ParseAddrPort(hostPort); err == nil {
		return to, nil
	}
	host, portText, err := net.SplitHostPort(hostPort)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("invalid port in address %q", hostPort)
	}
	if host == "" {
		return netip.AddrPort{}, fmt.Errorf("missing host in address %q", hostPort)
	}
	ctx, cancel := context.WithTimeout(t.running, resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("failed to resolve %q: %w", host, err)
	}
	for _, addr := range addrs {
		if addr = addr.Unmap(); addr.Is4() && t.udp4 != nil || addr.Is6() && t.udp6 != nil {
			return netip.AddrPortFrom(addr, uint16(port)), nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("failed to resolve %q: %w", host, errNoSocket)
}

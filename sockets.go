package memberlist

import (
	"fmt"
	"net"
	"net/netip"
)

const (
	// portAttempts is how many ports the system may choose until one is free
	// for both protocols on all addresses.
	portAttempts = 10

	// receiveBuffer is the size in bytes that UDP sockets ask the system for,
	// so that bursts survive until they are read. Systems grant less or refuse;
	// then half of it is tried, and so on.
	receiveBuffer = 2 << 20
)

// socketPair is the sockets of one bind address, on the same port.
type socketPair struct {
	addr netip.Addr // as configured; IPv4 never in IPv6 form
	tcp  *net.TCPListener
	udp  *net.UDPConn

	// The families of the destinations to which udp can send.
	sends4, sends6 bool
}

// port is the port of both sockets.
func (s socketPair) port() uint16 { return s.tcp.Addr().(*net.TCPAddr).AddrPort().Port() }

func closeSockets(sockets []socketPair) {
	for _, s := range sockets {
		if s.tcp != nil {
			s.tcp.Close()
		}
		if s.udp != nil {
			s.udp.Close()
		}
	}
}

// listenUDPFunc is the type of net.ListenUDP, which tests make fail.
type listenUDPFunc func(network string, addr *net.UDPAddr) (*net.UDPConn, error)

// openSockets listens on all addresses with one port. Port 0 lets the system
// choose; since it knows nothing of the other protocol and addresses, its
// choice may turn out to be taken there, and then another one is tried.
func openSockets(addrs []netip.Addr, port uint16, listenUDP listenUDPFunc) ([]socketPair, error) {
	attempts := 1
	if port == 0 {
		attempts = portAttempts
	}
	for {
		sockets, err := openSocketsOnce(addrs, port, listenUDP)
		if err == nil {
			return sockets, nil
		}
		chosen := len(sockets) > 0 && sockets[0].tcp != nil
		closeSockets(sockets)
		if attempts--; attempts == 0 || !chosen {
			return nil, err
		}
	}
}

// openSocketsOnce returns with an error what it has opened until then.
func openSocketsOnce(addrs []netip.Addr, port uint16, listenUDP listenUDPFunc) ([]socketPair, error) {
	var sockets []socketPair
	for _, addr := range addrs {
		// A single address for all interfaces serves both families, as far as
		// the system supports it. Among several, each serves its own family, so
		// that "0.0.0.0" and "::" do not claim the same port.
		family := ""
		if len(addrs) > 1 {
			family = "6"
			if addr.Is4() {
				family = "4"
			}
		}
		sockets = append(sockets, socketPair{addr: addr})
		s := &sockets[len(sockets)-1]
		var err error
		if s.tcp, err = net.ListenTCP("tcp"+family, net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, port))); err != nil {
			return sockets, fmt.Errorf("failed to start TCP listener on %q port %d: %w", addr, port, err)
		}
		port = s.port()
		if s.udp, err = listenUDP("udp"+family, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port))); err != nil {
			return sockets, fmt.Errorf("failed to start UDP listener on %q port %d: %w", addr, port, err)
		}
		if err = growReceiveBuffer(s.udp); err != nil {
			return sockets, fmt.Errorf("failed to resize UDP buffer: %w", err)
		}
		local := s.udp.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		s.sends6 = local.Is6()
		s.sends4 = local.Is4() || local.IsUnspecified() && family == ""
	}
	return sockets, nil
}

// growReceiveBuffer asks for receiveBuffer, or the nearest to it that the
// system accepts.
func growReceiveBuffer(conn interface{ SetReadBuffer(bytes int) error }) error {
	var err error
	for size := receiveBuffer; size > 0; size /= 2 {
		if err = conn.SetReadBuffer(size); err == nil {
			return nil
		}
	}
	return err
}

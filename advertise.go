package memberlist

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	sockaddr "github.com/hashicorp/go-sockaddr"
)

var errNoPrivateIP = errors.New("no private IP address found, and explicit IP not provided")

// FinalAdvertiseAddr returns the address and port at which others are to reach
// this node.
//
// A given ip is used as it is, IPv4 in 4 byte form, together with port or, if
// that is 0, the bound port. It fails when ip is not an IP address or
// unspecified, like "::", and when port is out of range.
//
// With an empty ip, port is ignored and the bound port is used, with the first
// bind address. If that is "0.0.0.0", the first private IPv4 address of this
// machine takes its place, or else the first private IPv6 address, in 16 byte
// form. If it is "::", that is the first private or else public IPv6 address, or
// else the first private IPv4 address. Families that are not served are left
// out, and it fails when no address remains.
func (t *NetTransport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	bound := int(t.sockets[0].port())
	if ip != "" {
		addr := net.ParseIP(ip)
		if addr == nil {
			return nil, 0, fmt.Errorf("failed to parse advertise address %q", ip)
		}
		if addr.IsUnspecified() {
			return nil, 0, fmt.Errorf("advertise address %q is not the address of a host", ip)
		}
		if port < 0 || port > 65535 {
			return nil, 0, fmt.Errorf("advertise port %d is not between 0 and 65535", port)
		}
		if port == 0 {
			port = bound
		}
		if ip4 := addr.To4(); ip4 != nil {
			addr = ip4
		}
		return addr, port, nil
	}
	if first := t.sockets[0]; first.addr.IsUnspecified() {
		private, err := sockaddr.GetPrivateInterfaces()
		if err != nil {
			return nil, 0, fmt.Errorf("failed to get interface addresses: %w", err)
		}
		public, err := sockaddr.GetPublicInterfaces()
		if err != nil {
			return nil, 0, fmt.Errorf("failed to get interface addresses: %w", err)
		}
		addr, err := chooseAdvertised(first, ifAddrs(private), ifAddrs(public))
		if err != nil {
			return nil, 0, err
		}
		// Members that already know this node compare its address byte by byte,
		// and the incumbent announces 16 bytes here.
		ip16 := addr.As16()
		return ip16[:], bound, nil
	}
	return t.sockets[0].tcp.Addr().(*net.TCPAddr).IP, bound, nil
}

// ifAddrs returns the IP addresses of interfaces, in their order.
func ifAddrs(interfaces sockaddr.IfAddrs) []netip.Addr {
	var addrs []netip.Addr
	for _, i := range interfaces {
		if ip := sockaddr.ToIPAddr(i.SockAddr); ip != nil {
			if addr, ok := netip.AddrFromSlice(*(*ip).NetIP()); ok {
				addrs = append(addrs, addr.Unmap())
			}
		}
	}
	return addrs
}

// chooseAdvertised picks the address to announce for sockets that are bound to
// all interfaces.
func chooseAdvertised(s socketPair, private, public []netip.Addr) (netip.Addr, error) {
	type choice struct {
		addrs  []netip.Addr
		is4    bool
		served bool
	}
	choices := []choice{{private, false, s.sends6}, {public, false, s.sends6}, {private, true, s.sends4}}
	if s.addr.Is4() {
		choices = []choice{{private, true, s.sends4}, {private, false, s.sends6}}
	}
	for _, c := range choices {
		for _, addr := range c.addrs {
			// Private has the wide sense of RFC 6890 here, which includes
			// addresses that nobody else can reach.
			if c.served && addr.Is4() == c.is4 && addr.IsGlobalUnicast() {
				return addr, nil
			}
		}
	}
	return netip.Addr{}, errNoPrivateIP
}

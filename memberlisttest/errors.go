package memberlisttest

import (
	"net"
	"net/netip"
	"os"
	"syscall"
)

// The causes inside *net.OpError are those of real sockets, so that code under
// test takes the same turns.
var (
	errRefused          = os.NewSyscallError("connect", syscall.ECONNREFUSED)
	errAddrInUse        = os.NewSyscallError("bind", syscall.EADDRINUSE)
	errAddrNotAvailable = os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	errTooLong          = os.NewSyscallError("sendto", syscall.EMSGSIZE)
	errBrokenPipe       = os.NewSyscallError("write", syscall.EPIPE)
)

// opError describes a failed operation of this node's. network is "udp" or
// "tcp"; to is invalid when it is not known.
func (t *Transport) opError(op, network string, to netip.AddrPort, cause error) error {
	e := &net.OpError{Op: op, Net: network, Err: cause}
	if network == "udp" {
		e.Source = net.UDPAddrFromAddrPort(t.addr)
		if to.IsValid() {
			e.Addr = net.UDPAddrFromAddrPort(to)
		}
	} else if to.IsValid() {
		e.Addr = net.TCPAddrFromAddrPort(to)
	}
	return e
}

func listenError(addr netip.AddrPort, cause error) error {
	return &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: cause}
}

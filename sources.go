package memberlist

import (
	"net"
	"net/netip"
	"sync"
)

// sources counts the streams in progress by where they come from.
type sources struct {
	mu    sync.Mutex // leaf
	count map[netip.Addr]int
}

// enter counts one more, unless the source has too many.
func (s *sources) enter(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[a] >= maxStreamsPerSource {
		return false
	}
	if s.count == nil {
		s.count = make(map[netip.Addr]int)
	}
	s.count[a]++
	return true
}

func (s *sources) leave(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[a]--; s.count[a] <= 0 {
		delete(s.count, a)
	}
}

// sourceOf is the host a stream comes from: its IPv4 address, or the /64 of
// its IPv6 address, within which a host may choose at will. Transports without
// such addresses have one source in all.
func sourceOf(conn net.Conn) netip.Addr {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || remote == nil {
		return netip.Addr{}
	}
	a := remote.AddrPort().Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return a
}

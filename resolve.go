package memberlist

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// dnsTCPTimeout limits the first step of resolving a name. It is the time
	// after which system resolvers give up on a server, too.
	dnsTCPTimeout = 5 * time.Second

	// resolvConfMax bounds, in bytes, how far we look for a name server.
	resolvConfMax = 64 << 10

	// resolvedMax bounds the addresses that one argument of Join stands for,
	// because Join contacts each of them and DNS may answer with thousands.
	resolvedMax = 1024
)

// joinResolver turns arguments of Join into addresses.
type joinResolver struct {
	conf   *Config
	log    *logger
	system func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// newJoinResolver uses the system's resolver after our own way of asking.
func newJoinResolver(conf *Config, log *logger) *joinResolver {
	return &joinResolver{conf: conf, log: log, system: net.DefaultResolver.LookupNetIP}
}

// resolve returns the addresses that arg, `[name/]host[:port]`, stands for,
// without duplicates and in the order to try them, each with the name. It
// returns at least one or an error. It waits for DNS unless host is an IP
// address, and no longer than ctx allows.
func (r *joinResolver) resolve(ctx context.Context, arg string) ([]endpoint, error) {
	name, host, port, err := splitJoinAddress(arg, uint16(r.conf.BindPort))
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []endpoint{{addr: netip.AddrPortFrom(ip.Unmap(), port), name: name}}, nil
	}
	ips, err := r.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var found []endpoint
	seen := make(map[netip.Addr]bool)
	for _, ip := range ips {
		if ip = ip.Unmap(); !seen[ip] && len(found) < resolvedMax {
			seen[ip] = true
			found = append(found, endpoint{addr: netip.AddrPortFrom(ip, port), name: name})
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no addresses for %q", host)
	}
	return found, nil
}

// splitJoinAddress takes an argument of Join apart. The port is the default
// unless it is given; a host with several colons and no brackets is an IPv6
// address without a port.
func splitJoinAddress(arg string, defaultPort uint16) (name, host string, port uint16, err error) {
	host, port = arg, defaultPort
	if before, after, ok := strings.Cut(arg, "/"); ok {
		if name, host = before, after; name == "" {
			return "", "", 0, errors.New("empty node name before the slash")
		}
	}
	var portText string
	hasPort := false
	if inner, ok := strings.CutPrefix(host, "["); ok {
		var rest string
		if host, rest, ok = strings.Cut(inner, "]"); !ok {
			return "", "", 0, errors.New("missing ] in address")
		}
		if portText, hasPort = strings.CutPrefix(rest, ":"); !hasPort && rest != "" {
			return "", "", 0, errors.New("unexpected text after ] in address")
		}
	} else if strings.Count(host, ":") == 1 {
		host, portText, hasPort = strings.Cut(host, ":")
	}
	if hasPort {
		n, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return "", "", 0, fmt.Errorf("invalid port %q: must be 0 to 65535", portText)
		}
		port = uint16(n)
	}
	if host == "" {
		return "", "", 0, errors.New("missing host in address")
	}
	return name, host, port, nil
}

// lookup asks DNS for a host name. TCP comes first, because an answer over UDP
// has room for few addresses and truncated ones are not retried everywhere.
// Names without a dot are left to the system, which knows search domains and
// files.
func (r *joinResolver) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if strings.Contains(host, ".") {
		ips, err := lookupOverTCP(ctx, r.conf.dnsConfigPath(), host)
		if err == nil && len(ips) > 0 {
			return ips, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.log.debugf("TCP-first lookup failed for '%s', falling back to UDP: %v", host, err)
	}
	return r.system(ctx, "ip", host)
}

// lookupOverTCP asks the first name server of a resolv.conf for A and AAAA
// records of the absolute name host.
func lookupOverTCP(ctx context.Context, path, host string) ([]netip.Addr, error) {
	server, err := firstNameServer(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTCPTimeout)
	defer cancel()
	resolver := net.Resolver{
		PreferGo: true,
		// The resolver asks for UDP to the servers it knows, and speaks the
		// stream form of DNS on whatever connection it gets.
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", server)
		},
	}
	if !strings.HasSuffix(host, ".") {
		host += "."
	}
	return resolver.LookupNetIP(ctx, "ip", host)
}

// firstNameServer returns the host and port of the first name server in a file
// in the form of resolv.conf. As on OpenBSD the address may be in brackets and
// followed by a port.
func firstNameServer(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, resolvConfMax))
	for lines.Scan() {
		// A comment begins with a # or ; in the first column, so that its first
		// field is not the keyword.
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(fields[1]); err == nil {
			return net.JoinHostPort(ip.String(), "53"), nil
		}
		if addr, err := netip.ParseAddrPort(fields[1]); err == nil {
			return addr.String(), nil
		}
		return "", fmt.Errorf("%s: %q is not the address of a name server", path, fields[1])
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s: no name server", path)
}

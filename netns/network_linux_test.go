package netns

import (
	"fmt"
	"testing"
	"time"
)

// network is a bridge in a namespace of its own and the hosts plugged into it.
type network struct {
	t     *testing.T
	hub   *namespace
	hosts []*host
	log   eventLog
}

// host is a namespace with one interface, eth0, whose other end is port on the
// bridge, and with at most one agent at a time.
type host struct {
	net    *network
	number int // from 1; the end of its addresses
	ns     *namespace
	port   string
	agent  *agent
}

// Addresses are from the ranges for benchmarks (RFC 2544) and documentation
// (RFC 3849), which no real network uses.
func ip4(n int) string { return fmt.Sprintf("198.18.0.%d", n) }
func ip6(n int) string { return fmt.Sprintf("2001:db8::%x", n) }

// families say which addresses hosts have.
type families int

const (
	onlyIPv4 families = 1 << iota
	onlyIPv6
	dualStack = onlyIPv4 | onlyIPv6
)

// newNetwork makes n hosts. It all ends with the test.
func newNetwork(t *testing.T, n int, have families) *network {
	if skip != "" {
		t.Skip(skip)
	}
	t.Helper()
	nw := &network{t: t, hub: mustNamespace(t)}
	nw.log.changed = make(chan struct{})
	nw.must(nw.hub, "ip link set lo up")
	nw.must(nw.hub, "ip link add br0 type bridge stp_state 0 mcast_snooping 0")
	nw.must(nw.hub, "ip link set br0 up")
	for number := 1; number <= n; number++ {
		h := &host{net: nw, number: number, ns: mustNamespace(t), port: fmt.Sprint("port", number)}
		nw.hosts = append(nw.hosts, h)
		nw.must(h.ns, "ip link set lo up")
		if _, err := h.ns.run("ip link add eth0 type veth peer name "+h.port+" netns /proc/self/fd/3", nw.hub.file); err != nil {
			t.Fatal(err)
		}
		nw.must(nw.hub, "ip link set "+h.port+" master br0 up")
		nw.must(h.ns, "ip link set eth0 up")
		if have&onlyIPv4 != 0 {
			nw.must(h.ns, "ip addr add "+ip4(number)+"/16 dev eth0")
		}
		if have&onlyIPv6 != 0 {
			nw.must(h.ns, "ip addr add "+ip6(number)+"/64 dev eth0 nodad")
		}
	}
	// Agents first, then what they stand on.
	t.Cleanup(func() {
		for _, h := range nw.hosts {
			h.kill()
		}
	})
	return nw
}

func mustNamespace(t *testing.T) *namespace {
	t.Helper()
	ns, err := newNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.close)
	return ns
}

// must runs a command that cannot fail on a network in order.
func (nw *network) must(ns *namespace, line string) {
	nw.t.Helper()
	if _, err := ns.run(line); err != nil {
		nw.t.Fatal(err)
	}
}

// run runs a command on the host; it must succeed.
func (h *host) run(line string) {
	h.net.t.Helper()
	h.net.must(h.ns, line)
}

// mtu is that of the host's cable, at both ends. The bridge drops what is too
// long for a port without a word to the sender.
func (h *host) mtu(bytes int) {
	h.net.t.Helper()
	h.run(fmt.Sprintf("ip link set eth0 mtu %d", bytes))
	h.net.must(h.net.hub, fmt.Sprintf("ip link set %s mtu %d", h.port, bytes))
}

// dropIn throws away what matches, an expression of nft, before it gets into
// the host, and dropOut what has left it: past the cable, so that a sender sees
// no error, as on a network.
func (h *host) dropIn(match string) {
	h.net.t.Helper()
	h.run("nft add table inet fence")
	h.run("nft add chain inet fence input { type filter hook input priority 0 ; }")
	h.run("nft add rule inet fence input " + match + " drop")
}

func (h *host) dropOut(match string) {
	h.net.t.Helper()
	h.net.must(h.net.hub, "nft add table netdev "+h.port)
	h.net.must(h.net.hub, "nft add chain netdev "+h.port+" ingress { type filter hook ingress device "+h.port+" priority 0 ; }")
	h.net.must(h.net.hub, "nft add rule netdev "+h.port+" ingress "+match+" drop")
}

// drop is dropIn and dropOut of a protocol.
func (h *host) drop(protocol string) {
	h.net.t.Helper()
	h.dropIn("meta l4proto " + protocol)
	h.dropOut("meta l4proto " + protocol)
}

// pass removes the rules of dropIn and dropOut.
func (h *host) pass() {
	h.net.t.Helper()
	h.ns.run("nft delete table inet fence") // an error says that there are none
	h.net.hub.run("nft delete table netdev " + h.port)
}

// split puts the hosts into two networks that do not hear each other, the
// first size of them and the rest.
func (nw *network) split(size int) {
	nw.t.Helper()
	nw.must(nw.hub, "ip link add br1 type bridge stp_state 0 mcast_snooping 0")
	nw.must(nw.hub, "ip link set br1 up")
	for _, h := range nw.hosts[size:] {
		nw.must(nw.hub, "ip link set "+h.port+" master br1")
	}
}

// heal undoes split.
func (nw *network) heal() {
	nw.t.Helper()
	for _, h := range nw.hosts {
		nw.must(nw.hub, "ip link set "+h.port+" master br0")
	}
}

// everybody is the names of all hosts' agents, and others those of all but
// these.
func (nw *network) everybody() []string { return nw.others() }

func (nw *network) others(but ...*host) (names []string) {
	for _, h := range nw.except(but...) {
		names = append(names, h.name())
	}
	return names
}

func (nw *network) except(but ...*host) (rest []*host) {
hosts:
	for _, h := range nw.hosts {
		for _, b := range but {
			if h == b {
				continue hosts
			}
		}
		rest = append(rest, h)
	}
	return rest
}

func (h *host) name() string { return fmt.Sprintf("n%02d", h.number) }

// within waits until why returns nothing, which is asked anew after every
// event of an agent; after timeout the test fails with what it says.
func (nw *network) within(timeout time.Duration, what string, why func() string) time.Duration {
	nw.t.Helper()
	began := time.Now()
	late := time.NewTimer(timeout)
	defer late.Stop()
	for {
		missing, changed := nw.log.ask(why)
		if missing == "" {
			return time.Since(began)
		}
		select {
		case <-changed:
		case <-late.C:
			nw.t.Fatalf("not within %v: %s: %s", timeout, what, missing)
		}
	}
}

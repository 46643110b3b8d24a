package interop

import (
	"net"
	"net/netip"
	"time"

	memberlist "github.com/swimguard/memberlist"
)

// ourNode runs this library.
type ourNode struct {
	setup setup
	b     *book
	conf  *memberlist.Config
	list  *memberlist.Memberlist
}

func newOurs(s setup, transport memberlist.Transport) (node, error) {
	n := &ourNode{setup: s, b: newBook(s.meta)}
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label, c.SkipInboundLabelCheck = s.name, s.label, s.skipLabel
	c.Transport, c.BindAddr, c.BindPort = transport, s.addr.Addr().String(), int(s.addr.Port())
	c.EnableCompression, c.ProtocolVersion = s.compress, s.protocol
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = s.verifyIn, s.verifyOut
	c.ProbeInterval, c.ProbeTimeout = s.pace.probe, s.pace.probeTimeout
	c.GossipInterval, c.PushPullInterval = s.pace.gossip, s.pace.pushPull
	c.GossipToTheDeadTime, c.TCPTimeout = s.pace.gossipToDead, s.pace.stream
	c.SuspicionMult, c.IndirectChecks = s.pace.suspicionMult, allRelays
	c.HealInterval = s.pace.heal
	c.LogOutput, c.Delegate, c.Events = n.b, n.b, n
	if s.keyring {
		ring, err := memberlist.NewKeyring(s.keys, first(s.keys))
		if err != nil {
			return nil, err
		}
		c.Keyring = ring
	}
	n.conf = c
	list, err := memberlist.Create(c)
	n.list = list
	return n, err
}

func (n *ourNode) NotifyJoin(m *memberlist.Node)   { n.b.told(event{"join", m.Name, false}) }
func (n *ourNode) NotifyUpdate(m *memberlist.Node) { n.b.told(event{"update", m.Name, false}) }
func (n *ourNode) NotifyLeave(m *memberlist.Node) {
	n.b.told(event{"leave", m.Name, m.State == memberlist.StateLeft})
}

func (n *ourNode) kind() kind    { return ours }
func (n *ourNode) name() string  { return n.setup.name }
func (n *ourNode) book() *book   { return n.b }
func (n *ourNode) config() setup { return n.setup }
func (n *ourNode) addr() netip.AddrPort {
	return addrPort(n.list.LocalNode().Addr, n.list.LocalNode().Port)
}
func (n *ourNode) join(addr netip.AddrPort) error {
	return joined(n.list.Join([]string{addr.String()}))
}
func (n *ourNode) leave(d time.Duration) error { return n.list.Leave(d) }
func (n *ourNode) shutdown()                   { n.list.Shutdown() }

func (n *ourNode) updateNode(d time.Duration) error { return n.list.UpdateNode(d) }

func (n *ourNode) members() map[string]string {
	view := map[string]string{}
	for _, m := range n.list.Members() {
		view[m.Name] = describe(m.Addr, m.Port, m.Meta)
	}
	return view
}

func (n *ourNode) to(other node) *memberlist.Node {
	a := other.addr()
	return &memberlist.Node{Name: other.name(), Addr: a.Addr().AsSlice(), Port: a.Port(), PMax: 5}
}
func (n *ourNode) sendPacket(to node, msg string) error {
	return n.list.SendBestEffort(n.to(to), []byte(msg))
}
func (n *ourNode) sendStream(to node, msg string) error {
	return n.list.SendReliable(n.to(to), []byte(msg))
}

func (n *ourNode) health() int                { return n.list.GetHealthScore() }
func (n *ourNode) addKey(key []byte) error    { return n.conf.Keyring.AddKey(key) }
func (n *ourNode) useKey(key []byte) error    { return n.conf.Keyring.UseKey(key) }
func (n *ourNode) removeKey(key []byte) error { return n.conf.Keyring.RemoveKey(key) }
func (n *ourNode) verify(incoming, outgoing bool) {
	n.conf.GossipVerifyIncoming, n.conf.GossipVerifyOutgoing = incoming, outgoing
}

// describe is a member as views compare it. Addresses of four and sixteen bytes
// are the same.
func describe(ip net.IP, port uint16, meta []byte) string {
	return addrPort(ip, port).String() + " " + string(meta)
}

func addrPort(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), port)
}

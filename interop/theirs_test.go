package interop

import (
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// theirNode runs the incumbent.
type theirNode struct {
	setup setup
	b     *book
	conf  *memberlist.Config
	list  *memberlist.Memberlist
}

func newTheirs(s setup, transport memberlist.Transport) (node, error) {
	n := &theirNode{setup: s, b: newBook(s.meta)}
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label, c.SkipInboundLabelCheck = s.name, s.label, s.skipLabel
	c.Transport, c.BindAddr, c.BindPort = transport, s.addr.Addr().String(), int(s.addr.Port())
	c.EnableCompression, c.ProtocolVersion = s.compress, s.protocol
	c.GossipVerifyIncoming, c.GossipVerifyOutgoing = s.verifyIn, s.verifyOut
	c.ProbeInterval, c.ProbeTimeout = s.pace.probe, s.pace.probeTimeout
	c.GossipInterval, c.PushPullInterval = s.pace.gossip, s.pace.pushPull
	c.GossipToTheDeadTime, c.TCPTimeout = s.pace.gossipToDead, s.pace.stream
	c.SuspicionMult, c.IndirectChecks = s.pace.suspicionMult, allRelays
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

func (n *theirNode) NotifyJoin(m *memberlist.Node)   { n.b.told(event{"join", m.Name, false}) }
func (n *theirNode) NotifyUpdate(m *memberlist.Node) { n.b.told(event{"update", m.Name, false}) }
func (n *theirNode) NotifyLeave(m *memberlist.Node) {
	n.b.told(event{"leave", m.Name, false}) // it does not say which
}

func (n *theirNode) kind() kind    { return theirs }
func (n *theirNode) name() string  { return n.setup.name }
func (n *theirNode) book() *book   { return n.b }
func (n *theirNode) config() setup { return n.setup }
func (n *theirNode) addr() netip.AddrPort {
	return addrPort(n.list.LocalNode().Addr, n.list.LocalNode().Port)
}
func (n *theirNode) join(addr netip.AddrPort) error {
	return joined(n.list.Join([]string{addr.String()}))
}
func (n *theirNode) leave(d time.Duration) error { return n.list.Leave(d) }
func (n *theirNode) shutdown()                   { n.list.Shutdown() }

func (n *theirNode) updateNode(d time.Duration) error { return n.list.UpdateNode(d) }

func (n *theirNode) members() map[string]string {
	view := map[string]string{}
	for _, m := range n.list.Members() {
		view[m.Name] = describe(m.Addr, m.Port, m.Meta)
	}
	return view
}

func (n *theirNode) to(other node) *memberlist.Node {
	a := other.addr()
	return &memberlist.Node{Name: other.name(), Addr: a.Addr().AsSlice(), Port: a.Port(), PMax: 5}
}
func (n *theirNode) sendPacket(to node, msg string) error {
	return n.list.SendBestEffort(n.to(to), []byte(msg))
}
func (n *theirNode) sendStream(to node, msg string) error {
	return n.list.SendReliable(n.to(to), []byte(msg))
}

func (n *theirNode) health() int                { return n.list.GetHealthScore() }
func (n *theirNode) addKey(key []byte) error    { return n.conf.Keyring.AddKey(key) }
func (n *theirNode) useKey(key []byte) error    { return n.conf.Keyring.UseKey(key) }
func (n *theirNode) removeKey(key []byte) error { return n.conf.Keyring.RemoveKey(key) }
func (n *theirNode) verify(incoming, outgoing bool) {
	n.conf.GossipVerifyIncoming, n.conf.GossipVerifyOutgoing = incoming, outgoing
}

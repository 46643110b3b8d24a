package memberlist

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"unsafe"
)

// NodeStateType is what is believed about a node.
type NodeStateType int

// The states travel in push/pull messages and are never renumbered.
const (
	// StateAlive is a member that is not doubted.
	StateAlive NodeStateType = iota
	// StateSuspect is a member that failed a probe and may still refute.
	StateSuspect
	// StateDead is a former member that was found to have failed.
	StateDead
	// StateLeft is a former member that said that it leaves.
	StateLeft
)

// Node describes a node as it was when the Node was handed out. It never
// changes afterwards and may be kept and read from any goroutine; neither it
// nor what Addr and Meta point to may be written to.
type Node struct {
	Name string // unique in the cluster, compared byte by byte
	Addr net.IP // 4 or 16 bytes; both forms of an IPv4 address are the same address
	Port uint16 // of packets and streams
	Meta []byte // what Delegate.NodeMeta returned there; nil or empty if nothing

	// State is what this node believes: alive or suspect for members, dead or
	// left in EventDelegate.NotifyLeave, what the other side believes in
	// MergeDelegate.NotifyMerge, and always StateAlive in
	// AliveDelegate.NotifyAlive.
	State NodeStateType

	PMin uint8 // oldest protocol version that it understands
	PMax uint8 // newest
	PCur uint8 // the one it speaks

	DMin uint8 // the same for its Delegate
	DMax uint8
	DCur uint8
}

// Address returns Addr and Port in the form of net.JoinHostPort, such as
// "10.0.0.1:7946" or "[fd00::1]:7946".
func (n *Node) Address() string {
	addr, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return net.JoinHostPort(n.Addr.String(), strconv.Itoa(int(n.Port)))
	}
	var buf [len("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")]byte
	return string(netip.AddrPortFrom(addr.Unmap(), n.Port).AppendTo(buf[:0]))
}

// FullAddress returns Address together with the name.
func (n *Node) FullAddress() Address { return Address{Addr: n.Address(), Name: n.Name} }

// String returns the name.
func (n *Node) String() string { return n.Name }

// Address is where to send to, and to whom.
type Address struct {
	// Addr is a host and port in the form of net.JoinHostPort, or whatever else
	// the Transport understands.
	Addr string
	// Name is the name of the node there, empty if it is not known. Transports
	// may route by it; see Config.RequireNodeNames.
	Name string
}

// String returns "name (addr)", or addr alone if there is no name.
func (a *Address) String() string {
	if a.Name != "" {
		return a.Name + " (" + a.Addr + ")"
	}
	return a.Addr
}

// vsn is the six version bytes as they go over the wire. They are the fields
// PMin to DCur, which lie next to each other in this order.
func (n *Node) vsn() []byte { return (*[6]byte)(unsafe.Pointer(&n.PMin))[:] }

// nodeRecord is a Node of ours. What else is in it would be padding otherwise:
// memory comes in pieces of 96 bytes, of which a Node needs 86.
type nodeRecord struct {
	Node
	ip    [net.IPv4len]byte // what Addr points to if it is an IPv4 address, for one allocation less
	place int32             // where users see it, and 0 where they do not; the view's own
}

// clone returns a copy, to be changed before it is handed out. Users do not
// see it yet.
func (n *Node) clone() *nodeRecord { return n.at(n.Addr) }

// at is clone with another address.
func (n *Node) at(addr []byte) *nodeRecord {
	c := &nodeRecord{Node: *n}
	if len(addr) == net.IPv4len {
		c.ip = [net.IPv4len]byte(addr)
		c.Addr = c.ip[:]
	} else {
		c.Addr = bytes.Clone(addr)
	}
	return c
}

package memberlist

import "time"

// CompressionAlgorithm names how messages are compressed when
// Config.EnableCompression is set. Receivers understand all of them whatever
// they use themselves. Empty means CompressionAlgorithmLZW.
type CompressionAlgorithm string

const (
	// CompressionAlgorithmLZW is understood by every member.
	CompressionAlgorithmLZW CompressionAlgorithm = "lzw"
	// CompressionAlgorithmSnappy is faster and is understood by this package
	// and the Grafana fork only; use it when no other members exist.
	CompressionAlgorithmSnappy CompressionAlgorithm = "snappy"
)

// NodeState is what a NodeSelectionDelegate learns about a node: the member
// table's record at the time of the call. It is private to that call and does
// not change afterwards.
type NodeState struct {
	Node // its State is not filled in here: see the field below
	// Incarnation is the number under which the node last announced itself.
	Incarnation uint32
	// State is what is believed about the node.
	State NodeStateType
	// StateChange is when State last changed.
	StateChange time.Time
}

// Address returns the host and port in the form of net.JoinHostPort.
func (n *NodeState) Address() string { return n.Node.Address() }

// FullAddress returns Address together with the name.
func (n *NodeState) FullAddress() Address { return n.Node.FullAddress() }

// DeadOrLeft reports whether State is StateDead or StateLeft.
func (n *NodeState) DeadOrLeft() bool { return n.State == StateDead || n.State == StateLeft }

// NodeSelectionDelegate chooses whom this node gossips and syncs with, for
// example to keep traffic within a zone. It is not asked for probes and
// indirect probes, which must reach everybody.
type NodeSelectionDelegate interface {
	// SelectNodes gets every known node, this one and dead and left ones
	// included, and returns the pool from which targets are chosen at random
	// and, unless nil, a node that is always chosen first. The usual
	// exclusions (this node, dead and left ones) apply to both afterwards.
	//
	// The argument must not be changed, but may be returned. SelectNodes runs on a
	// goroutine that the protocol needs: it must not block, and may call only
	// methods that do not wait. It may be called concurrently with itself.
	SelectNodes(nodes []*NodeState) (selected []*NodeState, preferred *NodeState)
}

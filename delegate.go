package memberlist

import "time"

// The package documentation has the table of what runs on which goroutine and
// what may be called from there; below stands what each method promises.
//
// Methods may be called before Create has returned: NodeMeta, NotifyAlive and
// NotifyJoin about this node itself, and everything the network brings once
// this node is announced. After Shutdown has returned no call starts; one that
// is in progress may still be.

// Delegate supplies the metadata and user data of this node, and receives those
// of others.
type Delegate interface {
	// NodeMeta returns metadata about this node, which travels with its record
	// and appears as Node.Meta everywhere. It must not be longer than limit,
	// which is MetaMaxSize: longer makes Create or UpdateNode fail with
	// ErrMetaTooLarge. The result is copied. Nil and empty mean none. It is called
	// by Create and by UpdateNode, on the goroutine of their caller, and nowhere
	// else: after a change of metadata, call UpdateNode.
	NodeMeta(limit int) []byte

	// NotifyMsg is given a user message. msg is valid during the call only: copy
	// what must be kept. The sender is not told what becomes of it.
	//
	// Messages from packets are delivered by one goroutine, and of the messages in one
	// packet the last comes first: senders put the newest first, because it has
	// been sent least often. Messages from streams are each delivered by their
	// own, at the same time as others. A message from a packet comes after the
	// events of earlier packets and the joins of its own, and before the deaths
	// in its own and later ones, unless a callback of the other kind takes more
	// than 100 ms. Empty messages from packets are delivered, from
	// streams they are not.
	NotifyMsg(msg []byte)

	// GetBroadcasts returns user messages to send along in a packet: gossip, a
	// ping or an ack. limit is how many bytes of the packet are left, and each
	// message takes overhead bytes more than its length. Messages beyond
	// that may be dropped. The result is not modified, and copied before
	// GetBroadcasts is called again, so it may be the same every time. It is called only
	// when limit exceeds overhead, for each packet, possibly at the same
	// time as itself, and must not block: the packet waits. TransmitLimitedQueue
	// has a method that does all of this.
	GetBroadcasts(overhead, limit int) [][]byte

	// LocalState returns user data to exchange in a push/pull, for the
	// MergeRemoteState of the other side, which is not called for nil or empty
	// data. join says that the exchange is part of a Join, on either side. The
	// result is copied. It may be called at the same time as itself. More than
	// 20 MiB is refused by receivers.
	LocalState(join bool) []byte

	// MergeRemoteState is given the user data of a push/pull, after the remote
	// members have been merged and the events about them delivered; Join
	// returns after it. buf may be kept. join is as in LocalState. It may be called
	// at the same time as itself.
	MergeRemoteState(buf []byte, join bool)
}

// EventDelegate is told when members join, leave and change, one event at a
// time and in the order decided. Members, NumMembers and LocalNode show a change
// when its event has been delivered, so whoever sees a new member finds that
// NotifyJoin has returned, and inside NotifyJoin(n) Members does not contain n
// yet. Create, Join, Leave and UpdateNode return after the events they caused
// have been delivered, except when called from one of these methods. When more
// than a thousand events wait because these methods are slow, a further one about a
// member takes the place of its last one.
type EventDelegate interface {
	// NotifyJoin is called when a node becomes a member: it was unknown, dead or
	// left. The first is this node itself, before Create returns.
	NotifyJoin(n *Node)

	// NotifyLeave is called when a node ceases to be a member. n.State tells
	// StateLeft, it said so itself, from StateDead, it was found to have failed. It
	// is called for this node during Leave. Nothing is reported when a dead node
	// is finally forgotten.
	NotifyLeave(n *Node)

	// NotifyUpdate is called when the metadata of a member changes, or its
	// address. A new version or suspicion alone is no event.
	NotifyUpdate(n *Node)
}

// AliveDelegate may refuse members one by one. It does not see the member
// table: use NotifyMerge to judge a whole cluster.
type AliveDelegate interface {
	// NotifyAlive is asked about every claim that a node is alive, by packet or
	// push/pull, whether it is news or not, and about this node itself in Create
	// and UpdateNode. An error drops the claim and is logged; if it is about
	// this node, Create succeeds all the same and this node takes part without
	// being a member. peer is private to the call and has no State.
	//
	// It is a veto, on a goroutine that reads packets or exchanges state; it
	// may be called at the same time as itself.
	NotifyAlive(peer *Node) error
}

// MergeDelegate may refuse to become one cluster with the members met in a
// join.
type MergeDelegate interface {
	// NotifyMerge is asked on both sides of a Join, and not for periodic
	// push/pulls. peers is every node that the other side knows, with the State
	// it believes in: dead and left ones, and possibly this node, are among
	// them, and it may be empty. An error refuses all of them, together with the
	// other side's user data. Whichever side it comes from, Join there fails with
	// it: the error matches ErrMergeRejected and contains the text, so do not put
	// into it what the other side should not read.
	//
	// It is a veto, on the goroutine of the exchange; it may be called at the
	// same time as itself.
	NotifyMerge(peers []*Node) error
}

// ConflictDelegate is told when a node claims the name of a member that has
// another address and answers there. The newcomer is ignored, and Join does not
// fail. If the member does not answer, its name moves to the newcomer's address
// instead: NotifyUpdate reports that, or NotifyJoin if it was dead.
type ConflictDelegate interface {
	// NotifyConflict is given the member and the newcomer, of which only Name,
	// Addr, Port and Meta are known. It is not called when the name is free: its
	// node left, or has been dead for Config.DeadNodeReclaimTime.
	NotifyConflict(existing, other *Node)
}

// PingDelegate takes part in probes, to measure round trip times and to
// exchange a few bytes with them.
type PingDelegate interface {
	// AckPayload returns bytes to send with the ack to a ping that came in a
	// packet. Keep it small: ack and payload have to fit into a packet. The
	// result is copied. It must not block, because no packet is read meanwhile; a
	// call of more than 10 ms is logged and counted.
	AckPayload() []byte

	// NotifyPingComplete is called when a probe was acked directly, by packet and
	// within ProbeTimeout; not for indirect probes, pings over a stream and
	// Ping. rtt is the round trip time, and payload what the other's AckPayload
	// returned, nil if nothing. payload may be kept.
	NotifyPingComplete(other *Node, rtt time.Duration, payload []byte)
}

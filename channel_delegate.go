package memberlist

// NodeEventType says what happened to a node.
type NodeEventType int

const (
	// NodeJoin corresponds to EventDelegate.NotifyJoin.
	NodeJoin NodeEventType = iota
	// NodeLeave corresponds to EventDelegate.NotifyLeave.
	NodeLeave
	// NodeUpdate corresponds to EventDelegate.NotifyUpdate.
	NodeUpdate
)

// NodeEvent is an event about a node.
type NodeEvent struct {
	Event NodeEventType
	// Node is the node as it was at the event. It never changes and is the
	// receiver's own, except that Addr and Meta must not be written to.
	Node *Node
}

// ChannelEventDelegate is an EventDelegate that sends events to a channel, in
// order and none left out.
//
// Sending waits until the channel accepts, and with it all further events, and
// what becomes visible in Members with them. Nothing else waits: probes and acks
// go on. Create, Join, Leave and UpdateNode return after their events have been
// delivered, so drain the channel from another goroutine than the one that calls
// them, or give it room for the events that they can cause. Sending to a nil
// channel waits for ever.
type ChannelEventDelegate struct {
	Ch chan<- NodeEvent
}

// NotifyJoin sends a NodeJoin event.
func (c *ChannelEventDelegate) NotifyJoin(n *Node) { c.send(NodeJoin, n) }

// NotifyLeave sends a NodeLeave event.
func (c *ChannelEventDelegate) NotifyLeave(n *Node) { c.send(NodeLeave, n) }

// NotifyUpdate sends a NodeUpdate event.
func (c *ChannelEventDelegate) NotifyUpdate(n *Node) { c.send(NodeUpdate, n) }

// send copies the node, since receivers of channels tend to write to what they
// got.
func (c *ChannelEventDelegate) send(event NodeEventType, n *Node) {
	node := *n
	c.Ch <- NodeEvent{Event: event, Node: &node}
}

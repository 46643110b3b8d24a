package simnet

import "time"

// Crash ends the process at a node: its wake-up, what it held back and its
// streams are gone, and packets reach nobody. Streams to it are refused.
func (n *Network) Crash(node int) {
	nd := &n.nodes[node]
	nd.down, nd.paused = true, false
	nd.life++
	nd.wake = never
	for _, slot := range nd.inbox {
		n.queue.release(slot)
	}
	for _, slot := range nd.outbox {
		n.queue.release(slot)
	}
	nd.inbox, nd.outbox = nd.inbox[:0], nd.outbox[:0]
}

// Restart begins a new process at a node, with a clock that shows the time
// where the old one's did. With the same address it receives what is still
// under way to the old process; with a new one it does not.
func (n *Network) Restart(node int, newAddress bool) {
	nd := &n.nodes[node]
	nd.down, nd.clock = false, n.now+nd.skew
	if newAddress {
		nd.address++
	}
}

// Down reports whether no process runs at the node.
func (n *Network) Down(node int) bool { return n.nodes[node].down }

// Paused reports whether the node is paused.
func (n *Network) Paused(node int) bool { return n.nodes[node].paused }

// Pause holds back what the node sends and what arrives for it, as when it
// blocks before each send and after each receive. With timers, it is not woken
// up either: the process is stopped.
func (n *Network) Pause(node int, timers bool) {
	nd := &n.nodes[node]
	if !nd.down {
		nd.paused, nd.timersStop = true, timers
	}
}

// SetBuffers sets how many packets wait for a paused node and how many it can
// send into the void before further ones are lost. A program whose threads
// block in send has few of the latter: one for each thread.
func (n *Network) SetBuffers(inbox, outbox int) { n.holds = [2]int{inbox, outbox} }

// Resume lets go everything that Pause held back, in order.
func (n *Network) Resume(node int) {
	nd := &n.nodes[node]
	if !nd.paused {
		return
	}
	nd.paused = false
	if nd.wake != never {
		nd.wake = max(nd.wake, n.now)
		n.queueWake(int32(node))
	}
	for _, slot := range nd.inbox {
		n.queue.push(n.now, slot)
	}
	nd.inbox = nd.inbox[:0]
	for _, slot := range nd.outbox {
		if n.queue.bodies[slot].kind == Stream {
			n.carry(slot)
		} else {
			n.transmit(slot)
		}
	}
	nd.outbox = nd.outbox[:0]
}

// Slow makes the node read every packet late, in order. The zero Delay makes
// it fast again.
func (n *Network) Slow(node int, d Delay) {
	nd := &n.nodes[node]
	nd.slow, nd.slowing = d, d != Delay{}
}

// JumpClock moves the node's clock. A clock that is moved back stands still
// until the time that it showed last has come again, because the clocks that
// programs measure with never run backwards.
func (n *Network) JumpClock(node int, by time.Duration) {
	nd := &n.nodes[node]
	n.Clock(node)
	nd.skew += int64(by)
	if nd.wake != never {
		nd.wake = max(nd.wake-int64(by), n.now)
		n.queueWake(int32(node))
	}
}

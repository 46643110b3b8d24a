package memberlisttest

import (
	"slices"
	"sync"
	"time"

	"github.com/swimguard/memberlist"
)

// Events is a memberlist.EventDelegate that remembers what it is told. The
// zero value is ready; it must not be copied. All methods may be called from
// any goroutine. It keeps everything until [Events.Reset].
type Events struct {
	mu  sync.Mutex
	log []Event
}

// Event is what happened to a member, as one node saw it.
type Event struct {
	Time time.Time // when the delegate was told
	Kind memberlist.NodeEventType
	Node *memberlist.Node // as it was then; do not modify
}

var _ memberlist.EventDelegate = (*Events)(nil)

// String is "join a", "update a", "fail a" for a member that was declared
// dead, and "leave a" for one that left. It is made for comparing with what a
// test expects.
func (e Event) String() string {
	switch {
	case e.Kind == memberlist.NodeJoin:
		return "join " + e.Node.Name
	case e.Kind == memberlist.NodeUpdate:
		return "update " + e.Node.Name
	case e.Node.State == memberlist.StateLeft:
		return "leave " + e.Node.Name
	}
	return "fail " + e.Node.Name
}

// NotifyJoin remembers that a member joined, or came back.
func (e *Events) NotifyJoin(n *memberlist.Node) { e.add(memberlist.NodeJoin, n) }

// NotifyLeave remembers that a member left or was declared dead.
func (e *Events) NotifyLeave(n *memberlist.Node) { e.add(memberlist.NodeLeave, n) }

// NotifyUpdate remembers that a member's metadata changed.
func (e *Events) NotifyUpdate(n *memberlist.Node) { e.add(memberlist.NodeUpdate, n) }

func (e *Events) add(kind memberlist.NodeEventType, n *memberlist.Node) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = append(e.log, Event{Time: time.Now(), Kind: kind, Node: n})
}

// All returns the events so far, in the order they were told.
func (e *Events) All() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.log)
}

// About returns the events about one member.
func (e *Events) About(name string) []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var about []Event
	for _, event := range e.log {
		if event.Node.Name == name {
			about = append(about, event)
		}
	}
	return about
}

// Reset forgets what was told so far.
func (e *Events) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = nil
}

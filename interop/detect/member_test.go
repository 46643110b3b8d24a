package detect

import (
	"io"
	"log"
	"net"
	"time"

	theirs "github.com/hashicorp/memberlist"
	ours "github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// member is one running Memberlist of either library.
type member interface {
	Join(existing []string) (int, error)
	Leave(timeout time.Duration) error
	UpdateNode(timeout time.Duration) error
	Shutdown() error
}

// hooks are what a member reports, on whatever goroutine its library uses. The
// State of a node that fails or leaves is not told: the incumbent does not.
type hooks struct {
	joined, left func(name string)
	updated      func(name string, meta []byte)
	meta         func() []byte
}

// system is a way to configure the members of a cluster.
type system struct {
	name   string
	create func(i int, name string, transport *memberlisttest.Transport, h hooks) (member, error)
}

var (
	incumbent = &system{"incumbent", createIncumbent}
	current   = &system{"ours", createOurs(func(*ours.Config) {})}
	tolerant  = &system{"ours, PauseTolerance 1.5 s", createOurs(func(c *ours.Config) { c.PauseTolerance = 1500 * time.Millisecond })}
	mixed     = &system{"half and half", func(i int, name string, t *memberlisttest.Transport, h hooks) (member, error) {
		if i%2 == 0 {
			return createIncumbent(i, name, t, h)
		}
		return current.create(i, name, t, h)
	}}
)

var quiet = log.New(io.Discard, "", 0)

func createOurs(change func(*ours.Config)) func(int, string, *memberlisttest.Transport, hooks) (member, error) {
	return func(_ int, name string, t *memberlisttest.Transport, h hooks) (member, error) {
		c := ours.DefaultLANConfig()
		c.Name, c.Transport, c.Logger = name, t, quiet
		c.Events, c.Delegate = ourEvents{h}, delegate{h}
		change(c)
		m, err := ours.Create(c)
		if err != nil {
			return nil, err
		}
		return m, nil
	}
}

func createIncumbent(_ int, name string, t *memberlisttest.Transport, h hooks) (member, error) {
	c := theirs.DefaultLANConfig()
	c.Name, c.Transport, c.Logger = name, newTheirTransport(t), quiet
	c.Events, c.Delegate = theirEvents{h}, delegate{h}
	m, err := theirs.Create(c)
	if err != nil {
		return nil, err
	}
	return m, nil
}

type ourEvents struct{ h hooks }

func (e ourEvents) NotifyJoin(n *ours.Node)   { e.h.joined(n.Name); e.h.updated(n.Name, n.Meta) }
func (e ourEvents) NotifyLeave(n *ours.Node)  { e.h.left(n.Name) }
func (e ourEvents) NotifyUpdate(n *ours.Node) { e.h.updated(n.Name, n.Meta) }

type theirEvents struct{ h hooks }

func (e theirEvents) NotifyJoin(n *theirs.Node)   { e.h.joined(n.Name); e.h.updated(n.Name, n.Meta) }
func (e theirEvents) NotifyLeave(n *theirs.Node)  { e.h.left(n.Name) }
func (e theirEvents) NotifyUpdate(n *theirs.Node) { e.h.updated(n.Name, n.Meta) }

// delegate has metadata and nothing else.
type delegate struct{ h hooks }

func (d delegate) NodeMeta(int) []byte                      { return d.h.meta() }
func (delegate) NotifyMsg([]byte)                           {}
func (delegate) GetBroadcasts(overhead, limit int) [][]byte { return nil }
func (delegate) LocalState(join bool) []byte                { return nil }
func (delegate) MergeRemoteState([]byte, bool)              {}

// theirTransport gives the incumbent our network.
type theirTransport struct {
	*memberlisttest.Transport
	packets chan *theirs.Packet
	done    chan struct{}
}

var _ theirs.NodeAwareTransport = (*theirTransport)(nil)

func newTheirTransport(t *memberlisttest.Transport) *theirTransport {
	a := &theirTransport{Transport: t, packets: make(chan *theirs.Packet), done: make(chan struct{})}
	// Ends with Shutdown.
	go a.packetLoop()
	return a
}

func (a *theirTransport) packetLoop() {
	for {
		select {
		case p := <-a.Transport.PacketCh():
			select {
			case a.packets <- &theirs.Packet{Buf: p.Buf, From: p.From, Timestamp: p.Timestamp}:
			case <-a.done:
				return
			}
		case <-a.done:
			return
		}
	}
}

func (a *theirTransport) PacketCh() <-chan *theirs.Packet { return a.packets }

func (a *theirTransport) WriteToAddress(b []byte, addr theirs.Address) (time.Time, error) {
	return a.Transport.WriteToAddress(b, ours.Address(addr))
}

func (a *theirTransport) DialAddressTimeout(addr theirs.Address, timeout time.Duration) (net.Conn, error) {
	return a.Transport.DialAddressTimeout(ours.Address(addr), timeout)
}

func (a *theirTransport) Shutdown() error {
	select {
	case <-a.done:
	default:
		close(a.done)
	}
	return a.Transport.Shutdown()
}

package memberlist_test

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/swimguard/memberlist"
)

// exampleConfig is a Config for members that all run on this machine, each on a
// port that the system chooses.
func exampleConfig(name string) *memberlist.Config {
	conf := memberlist.DefaultLocalConfig()
	conf.Name = name
	conf.BindAddr = "127.0.0.1"
	conf.BindPort = 0
	conf.AdvertisePort = 0
	conf.LogOutput = io.Discard
	return conf
}

// start creates a member and lets it join the others, if there are any.
func start(conf *memberlist.Config, others ...*memberlist.Memberlist) *memberlist.Memberlist {
	list, err := memberlist.Create(conf)
	if err != nil {
		log.Fatal(err)
	}
	for _, other := range others {
		if _, err := list.Join([]string{other.LocalNode().Address()}); err != nil {
			log.Fatal(err)
		}
	}
	return list
}

// Start a member, join another one, look who is there, and leave.
func Example() {
	conf := memberlist.DefaultLocalConfig() // or DefaultLANConfig, DefaultWANConfig
	conf.Name = "first"
	conf.BindAddr = "127.0.0.1"
	conf.BindPort = 0 // any free port; written back into conf
	conf.LogOutput = io.Discard
	first, err := memberlist.Create(conf)
	if err != nil {
		log.Fatal(err)
	}
	defer first.Shutdown()

	second := start(exampleConfig("second"))
	defer second.Shutdown()
	reached, err := second.Join([]string{first.LocalNode().Address()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("joined through", reached, "address")

	members := second.Members()
	slices.SortFunc(members, func(a, b *memberlist.Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, node := range members {
		fmt.Println(node.Name, node.Addr)
	}

	// Say goodbye, so that the others do not take this for a crash.
	if err := second.Leave(10 * time.Second); err != nil {
		log.Fatal(err)
	}
	// Output:
	// joined through 1 address
	// first 127.0.0.1
	// second 127.0.0.1
}

// Events arrive one at a time and in order. A channel is the simplest way to
// take them; an EventDelegate of one's own does the same with methods.
func ExampleChannelEventDelegate() {
	events := make(chan memberlist.NodeEvent, 16)
	conf := exampleConfig("watcher")
	conf.Events = &memberlist.ChannelEventDelegate{Ch: events}
	watcher := start(conf)
	defer watcher.Shutdown()

	worker := start(exampleConfig("worker"), watcher)
	defer worker.Shutdown()
	if err := worker.Leave(10 * time.Second); err != nil {
		log.Fatal(err)
	}

	for range 3 {
		switch e := <-events; {
		case e.Event == memberlist.NodeJoin:
			fmt.Println(e.Node.Name, "joined")
		case e.Event == memberlist.NodeUpdate:
			fmt.Println(e.Node.Name, "changed")
		case e.Node.State == memberlist.StateLeft:
			fmt.Println(e.Node.Name, "left")
		default:
			fmt.Println(e.Node.Name, "failed")
		}
	}
	// Output:
	// watcher joined
	// worker joined
	// worker left
}

// role is a Delegate for a member whose metadata changes.
type role struct {
	noDelegate
	mu   sync.Mutex
	role string
}

func (r *role) set(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.role = to
}

func (r *role) NodeMeta(limit int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return []byte(r.role)
}

// Metadata is up to 512 bytes that every member knows of every other. To change
// it, let NodeMeta return something else and call UpdateNode.
func ExampleMemberlist_UpdateNode() {
	events := make(chan memberlist.NodeEvent, 16)
	conf := exampleConfig("watcher")
	conf.Events = &memberlist.ChannelEventDelegate{Ch: events}
	watcher := start(conf)
	defer watcher.Shutdown()

	r := &role{role: "standby"}
	conf = exampleConfig("worker")
	conf.Delegate = r
	worker := start(conf, watcher)
	defer worker.Shutdown()

	<-events // the watcher's own join
	joined := <-events
	fmt.Printf("%s is %s\n", joined.Node, joined.Node.Meta)

	r.set("active")
	if err := worker.UpdateNode(10 * time.Second); err != nil {
		log.Fatal(err)
	}
	updated := <-events
	fmt.Printf("%s is %s\n", updated.Node, updated.Node.Meta)
	// Output:
	// worker is standby
	// worker is active
}

// mailbox is a Delegate that sends and receives user messages.
type mailbox struct {
	noDelegate
	queue    memberlist.TransmitLimitedQueue
	received chan string
}

// NotifyMsg must copy what it keeps: here, the conversion to a string does. To
// reach every member of a large cluster, a program queues the message again
// when it hears it for the first time.
func (m *mailbox) NotifyMsg(msg []byte) { m.received <- string(msg) }

func (m *mailbox) GetBroadcasts(overhead, limit int) [][]byte {
	return m.queue.GetBroadcasts(overhead, limit)
}

// note is a message in the queue.
type note string

func (n note) Message() []byte                         { return []byte(n) }
func (n note) Invalidates(b memberlist.Broadcast) bool { return n == b }
func (n note) Finished()                               {}

// A TransmitLimitedQueue hands user messages to gossip, each as often as it
// takes for everybody to have heard it.
func ExampleTransmitLimitedQueue() {
	sender := &mailbox{}
	conf := exampleConfig("sender")
	conf.Delegate = sender
	sending := start(conf)
	defer sending.Shutdown()
	sender.queue.RetransmitMult = conf.RetransmitMult
	sender.queue.NumNodes = sending.NumMembers

	receiver := &mailbox{received: make(chan string, 64)}
	conf = exampleConfig("receiver")
	conf.Delegate = receiver
	receiving := start(conf, sending)
	defer receiving.Shutdown()

	sender.queue.QueueBroadcast(note("the cache is stale"))
	fmt.Println(<-receiver.received)
	// Output: the cache is stale
}

// Keys are replaced while the cluster runs, in three steps, each of them taken
// on every member before the next.
func ExampleKeyring() {
	oldKey, newKey := []byte("an old 16 b. key"), []byte("a new, much longer 32 bytes key.")
	var rings []*memberlist.Keyring
	var lists []*memberlist.Memberlist
	for _, name := range []string{"a", "b"} {
		ring, err := memberlist.NewKeyring(nil, oldKey)
		if err != nil {
			log.Fatal(err)
		}
		conf := exampleConfig(name)
		conf.Keyring = ring
		list := start(conf, lists...)
		defer list.Shutdown()
		rings, lists = append(rings, ring), append(lists, list)
	}

	step := func(what string, do func(*memberlist.Keyring) error) {
		for _, ring := range rings {
			if err := do(ring); err != nil {
				log.Fatal(err)
			}
			// Members talk to each other all the while.
			if _, err := lists[0].Join([]string{lists[1].LocalNode().Address()}); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println(what)
	}
	step("everybody accepts the new key", func(r *memberlist.Keyring) error { return r.AddKey(newKey) })
	step("everybody uses the new key", func(r *memberlist.Keyring) error { return r.UseKey(newKey) })
	step("nobody accepts the old key", func(r *memberlist.Keyring) error { return r.RemoveKey(oldKey) })
	// Output:
	// everybody accepts the new key
	// everybody uses the new key
	// nobody accepts the old key
}

// countingTransport is the transport with sockets that this package has, and
// counts what leaves through it. A transport of one's own implements
// Transport, or NodeAwareTransport to be told the names of the members it sends to.
type countingTransport struct {
	*memberlist.NetTransport
	packets atomic.Int64
}

func (t *countingTransport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	t.packets.Add(1)
	return t.NetTransport.WriteToAddress(b, to)
}

// Any implementation of Transport can carry packets and streams.
func ExampleTransport() {
	sockets, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{"127.0.0.1"},
		Logger:    log.New(io.Discard, "", 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	transport := &countingTransport{NetTransport: sockets}
	conf := exampleConfig("counted")
	conf.Transport = transport
	counted := start(conf)
	defer counted.Shutdown()

	other := start(exampleConfig("other"), counted)
	defer other.Shutdown()
	if err := counted.SendBestEffort(other.LocalNode(), []byte("hello")); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the packet was counted:", transport.packets.Load() > 0)
	// Output: the packet was counted: true
}

// noDelegate is a Delegate without metadata, messages or state. The examples
// embed it and override what they are about.
type noDelegate struct{}

func (noDelegate) NodeMeta(limit int) []byte                  { return nil }
func (noDelegate) NotifyMsg(msg []byte)                       {}
func (noDelegate) GetBroadcasts(overhead, limit int) [][]byte { return nil }
func (noDelegate) LocalState(join bool) []byte                { return nil }
func (noDelegate) MergeRemoteState(buf []byte, join bool)     {}

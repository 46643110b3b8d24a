package memberlist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// What existing programs rely on without the API saying so, in the order of
// how surprising it is. Others of these rules are tested in api_rules_test.go.

func TestCreateHasDeliveredNotifyJoinForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		d := &userDelegate{meta: []byte("role=db")}
		c := testConfig(&network, "a")
		d.listenTo(c)
		var seen *Node
		c.Events = joinFunc(func(n *Node) { seen = n })
		m := start(t, c)
		if seen == nil || string(seen.Meta) != "role=db" || seen.Addr == nil || seen.Port == 0 || seen.PMax != ProtocolVersionMax {
			t.Errorf("NotifyJoin got %+v", seen) // complete from the first sight on
		}
		if m.NumMembers() != 1 || len(m.Members()) != 1 || m.LocalNode().Name != "a" {
			t.Errorf("%d members: %v", m.NumMembers(), m.Members())
		}
		if calls := d.take(); !slices.Equal(calls, []string{"NotifyAlive a"}) {
			t.Errorf("calls before Create returned: %q", calls)
		}
	})
}

// joinFunc is an EventDelegate for joins.
type joinFunc func(n *Node)

func (f joinFunc) NotifyJoin(n *Node) { f(n) }
func (f joinFunc) NotifyLeave(*Node)  {}
func (f joinFunc) NotifyUpdate(*Node) {}

func TestRefusedNodeWorksWithoutBeingAMember(t *testing.T) {
	refusals := map[string]func(c *Config, d *userDelegate){
		"by the AliveDelegate": func(c *Config, d *userDelegate) {
			d.refuse = func(call string) error {
				if call == "NotifyAlive a" {
					return errors.New("not you")
				}
				return nil
			}
		},
		"by CIDRsAllowed": func(c *Config, d *userDelegate) { c.CIDRsAllowed, _ = ParseCIDRs([]string{"10.0.0.0/8"}) },
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network MockNetwork
				d := &userDelegate{}
				c := testConfig(&network, "a")
				d.listenTo(c)
				refuse(c, d)
				a, b := start(t, c), start(t, testConfig(&network, "b"))
				if a.NumMembers() != 0 || len(a.Members()) != 0 {
					t.Errorf("members: %v", a.Members())
				}
				for _, call := range d.take() {
					if strings.HasPrefix(call, "NotifyJoin") {
						t.Error(call)
					}
				}
				if n := a.LocalNode(); n == nil || n.Name != "a" || n.Port == 0 {
					t.Errorf("LocalNode: %+v", n)
				}
				join(t, a, b)
				time.Sleep(time.Minute)
				if b.NumMembers() != 1 {
					t.Errorf("b has %d members", b.NumMembers())
				}
				if err := a.UpdateNode(0); !errors.Is(err, ErrNotMember) {
					t.Error("UpdateNode:", err)
				}
				if err := a.Leave(0); !errors.Is(err, ErrNotMember) {
					t.Error("Leave:", err)
				}
			})
		})
	}
}

func TestChangesBecomeVisibleWhenTheirEventHasBeenDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		d := &userDelegate{}
		c := testConfig(&network, "a")
		c.Events = d
		a, b := start(t, c), start(t, testConfig(&network, "b"))
		release := make(chan struct{})
		d.setOn(func(string) { <-release })
		join(t, b, a)
		synctest.Wait() // a is inside NotifyJoin
		if a.NumMembers() != 1 || len(a.Members()) != 1 || a.EventBacklog() != 0 {
			t.Errorf("before delivery: %d members, backlog %d", a.NumMembers(), a.EventBacklog())
		}
		b.UpdateNode(0)
		synctest.Wait()
		b.Leave(0)
		time.Sleep(time.Second)
		if a.NumMembers() != 1 || a.EventBacklog() == 0 {
			t.Errorf("still before delivery: %d members, backlog %d", a.NumMembers(), a.EventBacklog())
		}
		release <- struct{}{} // NotifyJoin returns; a is now inside NotifyLeave
		synctest.Wait()
		if a.NumMembers() != 2 {
			t.Errorf("after the join was delivered: %d members", a.NumMembers())
		}
		close(release)
		synctest.Wait()
		if a.NumMembers() != 1 || a.EventBacklog() != 0 {
			t.Errorf("in the end: %d members, backlog %d", a.NumMembers(), a.EventBacklog())
		}
		if calls := d.take(); !slices.Equal(calls, []string{"NotifyJoin a", "NotifyJoin b", "NotifyLeave b"}) {
			t.Errorf("calls %q", calls)
		}
	})
}

func TestJoinReturnsWhenEverythingIsMergedAndDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		da := &userDelegate{state: []byte("of a")}
		ca := testConfig(&network, "a")
		quiet(ca)
		da.listenTo(ca)
		a := start(t, ca)
		db := &userDelegate{state: []byte("of b")}
		cb := testConfig(&network, "b")
		quiet(cb)
		db.listenTo(cb)
		b := start(t, cb)
		da.take()
		db.take()
		db.setOn(func(string) { time.Sleep(time.Second) }) // slow, and waited for
		n, err := b.Join([]string{address(a)})
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		want := []string{"LocalState true", "NotifyMerge 1", "NotifyAlive a", "NotifyJoin a", fmt.Sprintf("MergeRemoteState %x", "of a")}
		if calls := db.take(); !slices.Equal(calls, want) {
			t.Errorf("on the joining side\n%q, want\n%q", calls, want)
		}
		if b.NumMembers() != 2 {
			t.Errorf("%d members", b.NumMembers())
		}
		synctest.Wait()
		want = []string{"LocalState true", "NotifyMerge 1", "NotifyAlive b", "NotifyJoin b", fmt.Sprintf("MergeRemoteState %x", "of b")}
		if calls := da.take(); !slices.Equal(calls, want) {
			t.Errorf("on the other side\n%q, want\n%q", calls, want)
		}
	})
}

func TestGettersDoNotWaitForCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		var users sync.Mutex // a program's own lock, taken in NotifyJoin, too
		c := testConfig(&network, "a")
		blocked, release := make(chan struct{}), make(chan struct{})
		c.Events = joinFunc(func(n *Node) {
			if n.Name == "b" {
				close(blocked)
				<-release
				users.Lock()
				defer users.Unlock()
			}
		})
		a, b := start(t, c), start(t, testConfig(&network, "b"))
		join(t, b, a)
		<-blocked
		users.Lock()
		a.GetHealthScore()
		a.NumMembers()
		a.Members()
		a.LocalNode()
		users.Unlock()
		close(release)
	})
}

func TestUserMessagesArriveOneAtATimeAndTheLastOfAPacketFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tap := tapConfig("a")
		d := &userDelegate{}
		c.Delegate = d
		var inside atomic.Int32
		d.on = func(string) {
			if inside.Add(1) != 1 {
				t.Error("NotifyMsg runs concurrently with itself")
			}
			time.Sleep(time.Millisecond)
			inside.Add(-1)
		}
		start(t, c)
		var want []string
		for p := range byte(3) {
			msgs := [][]byte{{8, p, 0}, {8, p, 1}, {8, p, 2}}
			tap.packets <- &Packet{Buf: wire.AppendCompound(nil, msgs), From: &MockAddress{port: 1}}
			for i := byte(3); i > 0; i-- {
				want = append(want, fmt.Sprintf("NotifyMsg %02x%02x", p, i-1))
			}
		}
		time.Sleep(time.Second)
		if calls := d.take(); !slices.Equal(calls, want) {
			t.Errorf("got %q, want %q", calls, want)
		}
	})
}

func TestEmptyUserMessagesArriveInPacketsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		ca, cb := testConfig(&network, "a"), testConfig(&network, "b")
		d := &userDelegate{}
		cb.Delegate = d
		a, b := start(t, ca), start(t, cb)
		for _, msg := range [][]byte{nil, {}} {
			if err := a.SendBestEffort(b.LocalNode(), msg); err != nil {
				t.Error(err)
			}
			if err := a.SendReliable(b.LocalNode(), msg); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if calls := d.take(); !slices.Equal(calls, []string{"NotifyMsg ", "NotifyMsg "}) {
			t.Errorf("%q", calls)
		}
	})
}

// keepingTransport keeps what is written, as transports that send later do.
type keepingTransport struct {
	*MockTransport
	mu   sync.Mutex
	kept [][]byte
	same [][]byte
}

func (t *keepingTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	t.mu.Lock()
	t.kept = append(t.kept, b)
	t.same = append(t.same, bytes.Clone(b))
	t.mu.Unlock()
	return t.MockTransport.WriteToAddress(b, a)
}

func TestPacketsAreGivenAwayForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		c := testConfig(&network, "a")
		keeping := &keepingTransport{MockTransport: c.Transport.(*MockTransport)}
		c.Transport = keeping
		c.SecretKey = make([]byte, 16)
		cb := testConfig(&network, "b")
		cb.SecretKey = c.SecretKey
		a, b := start(t, c), start(t, cb)
		join(t, a, b)
		for range 20 {
			a.SendBestEffort(b.LocalNode(), []byte("message"))
			time.Sleep(time.Second)
		}
		keeping.mu.Lock()
		defer keeping.mu.Unlock()
		if len(keeping.kept) < 40 {
			t.Errorf("only %d packets", len(keeping.kept))
		}
		for i := range keeping.kept {
			if !bytes.Equal(keeping.kept[i], keeping.same[i]) {
				t.Fatalf("packet %d was modified after it was given away", i)
			}
		}
	})
}

// namesTransport refuses whatever comes without a name, and the methods that
// cannot have one.
type namesTransport struct {
	*MockTransport
	unnamed atomic.Int32
}

func (t *namesTransport) WriteTo([]byte, string) (time.Time, error) {
	t.unnamed.Add(1)
	return time.Time{}, errors.New("WriteTo")
}
func (t *namesTransport) DialTimeout(string, time.Duration) (net.Conn, error) {
	t.unnamed.Add(1)
	return nil, errors.New("DialTimeout")
}
func (t *namesTransport) WriteToAddress(b []byte, a Address) (time.Time, error) {
	if a.Name == "" {
		t.unnamed.Add(1)
	}
	return t.MockTransport.WriteToAddress(b, a)
}
func (t *namesTransport) DialAddressTimeout(a Address, d time.Duration) (net.Conn, error) {
	if a.Name == "" {
		t.unnamed.Add(1)
	}
	return t.MockTransport.DialAddressTimeout(a, d)
}

func TestNodeAwareTransportsAreAlwaysToldTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		var transports []*namesTransport
		var nodes []*Memberlist
		for i := range 4 {
			c := testConfig(&network, string(rune('a'+i)))
			nt := &namesTransport{MockTransport: c.Transport.(*MockTransport)}
			c.Transport = nt
			c.RequireNodeNames = true
			transports = append(transports, nt)
			nodes = append(nodes, start(t, c))
			if i > 0 {
				join(t, nodes[i], nodes[0])
			}
		}
		nodes[1].transport.Shutdown() // relays and fallback pings
		time.Sleep(time.Minute)
		if nodes[0].NumMembers() != 3 {
			t.Errorf("%d members", nodes[0].NumMembers())
		}
		for i, nt := range transports {
			if n := nt.unnamed.Load(); n > 0 {
				t.Errorf("node %d: %d packets or streams without a name", i, n)
			}
		}
		const text = "memberlist: node names are required by configuration but one was not provided"
		nameless := *nodes[2].LocalNode()
		nameless.Name = ""
		for what, err := range map[string]error{
			"SendBestEffort": nodes[0].SendBestEffort(&nameless, nil),
			"SendReliable":   nodes[0].SendReliable(&nameless, []byte{1}),
			"SendToAddress":  nodes[0].SendToAddress(Address{Addr: nameless.Address()}, nil),
			"Ping":           second(nodes[0].Ping("", mockAddrOf(nodes[2]))),
			"Join":           second(nodes[0].Join([]string{nameless.Address()})),
		} {
			if !errors.Is(err, ErrNodeNameRequired) || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestTransportsWithoutNamesWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		var nodes []*Memberlist
		for i := range 3 {
			c := testConfig(&network, string(rune('a'+i)))
			c.Transport = struct{ Transport }{c.Transport} // hides the other methods
			nodes = append(nodes, start(t, c))
			if n, err := nodes[i].Join([]string{nodes[0].LocalNode().Address()}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		time.Sleep(time.Minute)
		for _, m := range nodes {
			if m.NumMembers() != 3 {
				t.Errorf("%s has %d members", m.name, m.NumMembers())
			}
		}
	})
}

func TestLeaveAndUpdateWaitWithoutLimitUnlessAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		c := testConfig(&network, "a")
		c.GossipInterval = time.Minute // rounds follow at a fortieth of it
		cb := testConfig(&network, "b")
		quiet(cb)
		c.ProbeInterval = 0 // or news would travel on acks
		a, b := start(t, c), start(t, cb)
		began := time.Now()
		if err := a.UpdateNode(0); err != nil || time.Since(began) > 0 {
			t.Errorf("alone: %v after %v", err, time.Since(began))
		}
		join(t, a, b)
		if err := a.UpdateNode(0); err != nil || time.Since(began) < 5*time.Second {
			t.Errorf("UpdateNode: %v after %v", err, time.Since(began))
		}
		b.Shutdown() // or its confirmation would do
		began = time.Now()
		if err := a.Leave(0); err != nil || time.Since(began) < 5*time.Second {
			t.Errorf("Leave: %v after %v", err, time.Since(began))
		}
		lone := start(t, testConfig(&network, "lone"))
		began = time.Now()
		if err := lone.Leave(0); err != nil || time.Since(began) > 0 {
			t.Errorf("Leave alone: %v after %v", err, time.Since(began))
		}
	})
}

func TestLocalNodeWorksForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		c := testConfig(&network, "a")
		c.GossipToTheDeadTime = time.Second
		a, b := start(t, c), start(t, testConfig(&network, "b"))
		join(t, a, b)
		a.Leave(0)
		check := func(when string) {
			if n := a.LocalNode(); n == nil || n.Name != "a" || n.State != StateLeft || n.Port == 0 {
				t.Errorf("%s: %+v", when, n)
			}
			if a.NumMembers() != 1 || find(a, "a") != nil {
				t.Errorf("%s: members %v", when, a.Members())
			}
		}
		check("after Leave")
		time.Sleep(time.Minute)
		check("a minute later")
		a.Shutdown()
		check("after Shutdown")
	})
}

func TestConflictingNameDoesNotFailJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		d := &userDelegate{}
		c := testConfig(&network, "seed")
		c.Conflict = d
		seed := start(t, c)
		one, two := start(t, testConfig(&network, "twin")), start(t, testConfig(&network, "twin"))
		join(t, one, seed)
		synctest.Wait() // the seed takes it in behind its answer
		join(t, two, seed)
		join(t, seed, seed) // oneself
		synctest.Wait()
		want := fmt.Sprintf("NotifyConflict %s %s", one.LocalNode().Address(), two.LocalNode().Address())
		if calls := d.take(); !slices.Contains(calls, want) {
			t.Errorf("%q", calls)
		}
	})
}

func TestCIDRsRefuseMembershipAndNotStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		ca := testConfig(&network, "a")
		ca.CIDRsAllowed, _ = ParseCIDRs([]string{"10.0.0.0/8"})
		a, b := start(t, ca), start(t, testConfig(&network, "b"))
		join(t, b, a) // from its own point of view
		time.Sleep(time.Minute)
		if a.NumMembers() != 0 {
			t.Errorf("members %v", a.Members())
		}
	})
}

func TestMergeRefusalsAreReported(t *testing.T) {
	refuse := func(call string) error {
		if strings.HasPrefix(call, "NotifyMerge") {
			return errors.New("wrong cluster")
		}
		return nil
	}
	for _, test := range []struct {
		name           string
		remote, joiner func(call string) error
	}{
		{"by the remote (regression 39, ml#132)", refuse, nil},
		{"by the joiner", nil, refuse},
		{"by both", refuse, refuse},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network MockNetwork
				da, db := &userDelegate{refuse: test.remote}, &userDelegate{refuse: test.joiner}
				ca, cb := testConfig(&network, "a"), testConfig(&network, "b")
				ca.Merge, cb.Merge = da, db
				a, b := start(t, ca), start(t, cb)
				n, err := b.Join([]string{address(a)})
				if n != 0 || !errors.Is(err, ErrMergeRejected) || !strings.Contains(err.Error(), "wrong cluster") {
					t.Errorf("Join = %d, %v", n, err)
				}
				var failed *JoinError
				if !errors.As(err, &failed) || len(failed.Failures) != 1 || failed.Failures[0].Address != a.LocalNode().Address() {
					t.Errorf("%#v", err)
				}
				if b.NumMembers() != 1 {
					t.Errorf("the joiner has members %v", b.Members())
				}
				if test.remote != nil {
					time.Sleep(time.Minute)
					if a.NumMembers() != 1 {
						t.Errorf("the remote has members %v", a.Members())
					}
				}
				// Both were asked whatever the other said.
				for who, d := range map[string]*userDelegate{"remote": da, "joiner": db} {
					if calls := d.take(); len(calls) == 0 || !strings.HasPrefix(calls[0], "NotifyMerge") {
						t.Errorf("the %s was asked %q", who, calls)
					}
				}
			})
		})
	}
}

func TestNodeJSONHasElevenFields(t *testing.T) {
	b, err := json.Marshal(&Node{Name: "a"})
	var fields map[string]any
	if err != nil || json.Unmarshal(b, &fields) != nil || len(fields) != 11 {
		t.Errorf("%s, %v", b, err)
	}
}

func TestCrashIsReportedAndGossipArrivesAsFastAsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		config := func(name string) (*Config, *userDelegate) {
			d := &userDelegate{}
			c := testConfig(&network, name)
			c.GossipInterval, c.ProbeInterval, c.ProbeTimeout = 5*time.Millisecond, 50*time.Millisecond, 25*time.Millisecond
			c.TCPTimeout, c.SuspicionMult, c.RequireNodeNames = 100*time.Millisecond, 1, true
			c.PushPullInterval = 0 // at a random phase, one would ask for the local state meanwhile
			c.Delegate, c.Events = d, d
			return c, d
		}
		ca, da := config("a")
		cb, db := config("b")
		queued := atomic.Bool{}
		db.broadcasts = func(int, int) [][]byte {
			if queued.CompareAndSwap(true, false) {
				return [][]byte{[]byte("event")}
			}
			return nil
		}
		a, b := start(t, ca), start(t, cb)
		join(t, a, b)
		time.Sleep(time.Second)
		da.take()

		queued.Store(true)
		time.Sleep(10 * time.Millisecond)
		if calls := da.take(); !slices.Equal(calls, []string{fmt.Sprintf("NotifyMsg %x", "event")}) {
			t.Errorf("within 10 ms: %q", calls)
		}
		b.Shutdown()
		time.Sleep(250 * time.Millisecond)
		if calls := da.take(); !slices.Equal(calls, []string{"NotifyLeave b"}) {
			t.Errorf("within 250 ms of the crash: %q", calls)
		}
	})
}

func TestSkipInboundLabelCheckAcceptsAnyLabelOrNone(t *testing.T) {
	for _, key := range [][]byte{nil, make([]byte, 16)} {
		synctest.Test(t, func(t *testing.T) {
			var network MockNetwork
			var nodes []*Memberlist
			var users []*userDelegate
			for i, label := range []string{"blue", "", "green", "blue"} {
				c := testConfig(&network, string(rune('a'+i)))
				c.Label, c.SecretKey = label, key
				c.SkipInboundLabelCheck = true
				d := new(userDelegate)
				c.Delegate = d
				m := start(t, c)
				nodes, users = append(nodes, m), append(users, d)
				join(t, m, nodes[0])
			}
			time.Sleep(time.Minute)
			for i, to := range nodes {
				users[i].take()
				var want []string
				for _, from := range nodes {
					want = append(want, fmt.Sprintf("NotifyMsg %x", from.name+" packet"), fmt.Sprintf("NotifyMsg %x", from.name+" stream"))
					if err := from.SendBestEffort(to.LocalNode(), []byte(from.name+" packet")); err != nil {
						t.Error(err)
					}
					if err := from.SendReliable(to.LocalNode(), []byte(from.name+" stream")); err != nil {
						t.Error(err)
					}
				}
				synctest.Wait()
				got := slices.DeleteFunc(users[i].take(), func(call string) bool { return !strings.HasPrefix(call, "NotifyMsg") })
				slices.Sort(got)
				if slices.Sort(want); !slices.Equal(got, want) {
					t.Errorf("key %x: %s, with label %q, got %q, want %q", key, to.name, to.label, got, want)
				}
				if to.NumMembers() != len(nodes) || to.GetHealthScore() != 0 {
					t.Errorf("key %x: %s has %d members and a health score of %d", key, to.name, to.NumMembers(), to.GetHealthScore())
				}
			}
		})
	}
}

// Something in front of the node may cut labels off, which were authenticated.
func TestSkipInboundLabelCheckAcceptsWhatWasCutOff(t *testing.T) {
	c, _ := tapConfig("a")
	c.Label, c.SkipInboundLabelCheck = "blue", true
	c.Keyring, _ = NewKeyring(nil, make([]byte, 16))
	m := reader(c, nil, 0).m
	for _, carried := range []string{"", "blue"} {
		frame, err := m.encodeFrame(whole([]byte{byte(wire.TypeUser), 1, 2, 3}), m.label)
		if err != nil {
			t.Fatal(err)
		}
		r := reader(c, frame, 1<<14)
		r.carried = []byte(carried)
		if kind, err := r.begin(); err != nil || kind != wire.TypeUser {
			t.Errorf("a stream that carries %q: %v, %v", carried, kind, err)
		}
		if string(r.aad()) != "blue" {
			t.Errorf("a stream that carries %q is answered under %q", carried, r.aad())
		}

		packet, err := c.Keyring.seal(labelHeader(carried), sealUnpadded, []byte{byte(wire.TypeUser), 1, 2, 3}, m.label)
		if err != nil {
			t.Fatal(err)
		}
		p := packetReader{m: m}
		if body, ok := p.unwrap(packet); !ok || len(body) != 4 {
			t.Errorf("a packet that carries %q is dropped", carried)
		}
	}
}

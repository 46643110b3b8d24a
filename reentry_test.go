package memberlist

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// apiCalls is every method of a Memberlist, as a program might call it.
var apiCalls = map[string]func(m, peer *Memberlist){
	"getters": func(m, _ *Memberlist) {
		m.Members()
		m.NumMembers()
		m.LocalNode()
		m.GetHealthScore()
		m.ProtocolVersion()
		m.EventBacklog()
	},
	"Join":       func(m, peer *Memberlist) { m.Join([]string{address(peer)}) },
	"UpdateNode": func(m, _ *Memberlist) { m.UpdateNode(0) },
	"Ping":       func(m, peer *Memberlist) { m.Ping("b", mockAddrOf(peer)) },
	"sending packets": func(m, peer *Memberlist) {
		m.SendBestEffort(peer.LocalNode(), []byte("x"))
		m.SendToUDP(peer.LocalNode(), []byte("x"))
		m.SendToAddress(peer.LocalNode().FullAddress(), []byte("x"))
		m.SendTo(mockAddrOf(peer), []byte("x"))
	},
	"sending on streams": func(m, peer *Memberlist) {
		m.SendReliable(peer.LocalNode(), []byte("x"))
		m.SendToTCP(peer.LocalNode(), []byte("x"))
	},
	"Leave":              func(m, _ *Memberlist) { m.Leave(0) },
	"Shutdown":           func(m, _ *Memberlist) { m.Shutdown() },
	"Leave and Shutdown": func(m, _ *Memberlist) { m.Leave(0); m.Leave(0); m.Shutdown(); m.Shutdown() },
}

func mockAddrOf(m *Memberlist) *MockAddress { return &MockAddress{port: int(m.LocalNode().Port)} }

// Regressions 77 (ml#23, ml#237).
func TestEveryMethodWorksInsideEveryNotifyCallback(t *testing.T) {
	callbacks := []string{
		"NotifyJoin b", "NotifyUpdate b", "NotifyLeave b", "NotifyConflict", "NotifyPingComplete b",
		"NotifyMsg 01", "NotifyMsg 02", "MergeRemoteState", "NotifyLeave a", "NotifyUpdate a",
	}
	for _, callback := range callbacks {
		for name, call := range apiCalls {
			t.Run(callback+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { callInside(t, callback, call) })
			})
		}
	}
}

// callInside plays a scenario that causes every callback on node a, and makes
// the call within the first one that begins with the given text.
func callInside(t *testing.T, callback string, call func(m, peer *Memberlist)) {
	var network MockNetwork
	d := &userDelegate{state: []byte("state")}
	ca := testConfig(&network, "a")
	d.listenTo(ca)
	a := start(t, ca)
	other := &userDelegate{state: []byte("other"), meta: []byte("1")}
	cb := testConfig(&network, "b")
	cb.Delegate = other
	b := start(t, cb)

	returned := make(chan struct{})
	entered := false // the call itself may cause the callback again
	d.setOn(func(got string) {
		d.mu.Lock()
		first := !entered && strings.HasPrefix(got, callback)
		entered = entered || first
		d.mu.Unlock()
		if first {
			call(a, b)
			close(returned)
		}
	})

	b.Join([]string{address(a)})
	time.Sleep(3 * time.Second) // probes
	other.setMeta("2")
	b.UpdateNode(time.Minute)
	b.SendBestEffort(a.LocalNode(), []byte{1})
	b.SendReliable(a.LocalNode(), []byte{2})
	cc := testConfig(&network, "b")
	c := start(t, cc)
	c.Join([]string{address(a)})
	time.Sleep(time.Second) // the name's owner is asked
	c.Shutdown()
	d.setMeta("new")
	a.UpdateNode(time.Minute)
	b.Leave(time.Minute)
	a.Leave(time.Minute)
	time.Sleep(time.Minute)
	select {
	case <-returned:
	default:
		t.Fatalf("the call did not return, or the callback never came; calls: %q", d.take())
	}
}

// Regression 78: what blocks in a notify callback costs its own queue alone.
func TestBlockedCallbackStopsNothing(t *testing.T) {
	for _, callback := range []string{"NotifyJoin b", "NotifyMsg 01", "NotifyMsg 02", "MergeRemoteState"} {
		t.Run(callback, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network MockNetwork
				d := &userDelegate{state: []byte("state")}
				ca := testConfig(&network, "a")
				d.listenTo(ca)
				a := start(t, ca)
				release := make(chan struct{})
				blocked := make(chan struct{})
				d.setOn(func(got string) {
					if strings.HasPrefix(got, callback) {
						d.setOn(nil)
						close(blocked)
						<-release
					}
				})
				var peers []*Memberlist
				watch := &userDelegate{state: []byte("other")}
				for i := range 3 {
					c := testConfig(&network, string(rune('b'+i)))
					if i == 0 {
						c.Delegate = watch
					}
					c.Events = watch
					p := start(t, c)
					join(t, p, a)
					peers = append(peers, p)
				}
				peers[0].SendBestEffort(a.LocalNode(), []byte{1})
				peers[0].SendReliable(a.LocalNode(), []byte{2})
				<-blocked
				began := time.Now()
				for time.Since(began) < time.Minute {
					for _, p := range peers {
						if _, err := p.Ping("a", mockAddrOf(a)); err != nil {
							t.Fatalf("after %v: %v", time.Since(began), err)
						}
					}
					time.Sleep(time.Second)
				}
				// An accusation is refuted meanwhile.
				accuse(peers[1], a, 1)
				time.Sleep(5 * time.Second)
				for _, p := range peers {
					if n := find(p, "a"); n == nil || n.State != StateAlive {
						t.Errorf("%s sees a as %+v", p.name, n)
					}
				}
				for _, call := range watch.take() {
					if call == "NotifyLeave a" {
						t.Error("a was declared dead")
					}
				}
				close(release)
			})
		})
	}
}

// accuse makes a node believe, and spread, that another one is suspect.
func accuse(m, suspect *Memberlist, incarnation uint32) {
	m.mu.Lock()
	for _, s := range m.swim.appendState(nil) {
		if string(s.Name) == suspect.name {
			incarnation = max(incarnation, s.Incarnation)
		}
	}
	m.mu.Unlock()
	m.step(func(s *swim, now time.Time) { s.suspect(now, s.table.named(suspect.name), incarnation, m.name) })
}

// find returns a member by name.
func find(m *Memberlist, name string) *Node {
	for _, n := range m.Members() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Queries may call what does not wait.
func TestReadingMethodsWorkInsideQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		ca, cb := testConfig(&network, "a"), testConfig(&network, "b")
		var a *Memberlist
		ready := make(chan struct{})
		d := &userDelegate{}
		var asked atomic.Int64 // queries of different kinds overlap
		read := func() {
			select {
			case <-ready:
			default:
				return
			}
			asked.Add(1)
			a.Members()
			a.NumMembers()
			a.LocalNode()
			a.GetHealthScore()
			a.SendBestEffort(a.LocalNode(), []byte("x"))
		}
		d.broadcasts = func(int, int) [][]byte { read(); return nil }
		d.refuse = func(string) error { read(); return nil }
		d.listenTo(ca)
		a = start(t, ca)
		close(ready)
		b := start(t, cb)
		join(t, b, a)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if asked.Load() == 0 {
			t.Error("no query was made")
		}
	})
}

func TestContextsEndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network MockNetwork
		ca, cb := testConfig(&network, "a"), testConfig(&network, "b")
		ca.GossipInterval = 0 // nothing is ever sent often enough
		ca.ProbeInterval = 0
		a, b := start(t, ca), start(t, cb)
		join(t, a, b)
		for name, wait := range map[string]func(ctx context.Context) error{
			"UpdateNode": a.UpdateNodeContext,
			"Leave":      a.LeaveContext,
		} {
			if name == "Leave" {
				continue
			}
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			if err := wait(ctx); !isAll(err, context.Canceled, ErrTimeout) {
				t.Errorf("%s cancelled: %v", name, err)
			}
			ctx, cancel = context.WithTimeout(context.Background(), time.Second)
			if err := wait(ctx); !isAll(err, context.DeadlineExceeded, ErrTimeout) {
				t.Errorf("%s at its deadline: %v", name, err)
			}
			cancel()
		}
		if err := a.UpdateNode(time.Second); fmt.Sprint(err) != "timeout waiting for update broadcast" {
			t.Error(err)
		}
		b.Shutdown() // or it would confirm the goodbye, which ends the wait as well
		if err := a.Leave(time.Second); fmt.Sprint(err) != "timeout waiting for leave broadcast" || !isAll(err, ErrTimeout) {
			t.Error(err)
		}
		if err := a.Leave(time.Second); err != nil {
			t.Error("a second call after a timeout:", err)
		}
	})
}

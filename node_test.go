package memberlist

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
)

func TestNodeAddressForms(t *testing.T) {
	for _, test := range []struct {
		ip   net.IP
		want string
	}{
		{net.IPv4(10, 0, 0, 1).To4(), "10.0.0.1:7946"},
		{net.IPv4(10, 0, 0, 1).To16(), "10.0.0.1:7946"},
		{net.ParseIP("fd00::1"), "[fd00::1]:7946"},
		{net.ParseIP("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:7946"},
		{nil, "<nil>:7946"},
		{net.IP{1, 2, 3}, "?010203:7946"},
	} {
		n := &Node{Name: "a", Addr: test.ip, Port: 7946}
		if got := n.Address(); got != test.want {
			t.Errorf("%v: got %q, want %q", []byte(test.ip), got, test.want)
		}
		if got, want := n.FullAddress(), (Address{Addr: test.want, Name: "a"}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		state := &NodeState{Node: *n}
		if state.Address() != test.want || state.FullAddress() != n.FullAddress() {
			t.Errorf("NodeState: %q", state.Address())
		}
	}
}

func TestNodeAddressAllocatesOnlyItsResult(t *testing.T) {
	n := &Node{Name: "a", Addr: net.ParseIP("fd00::1"), Port: 7946}
	if got := testing.AllocsPerRun(100, func() { _ = n.FullAddress() }); got > 1 {
		t.Errorf("%v allocations", got)
	}
}

func TestNodeStringIsItsName(t *testing.T) {
	if got := fmt.Sprint(&Node{Name: "a", Port: 1}); got != "a" {
		t.Error(got)
	}
	if got := fmt.Sprint(&Address{Addr: "1.2.3.4:5", Name: "a"}, &Address{Addr: "1.2.3.4:5"}); got != "a (1.2.3.4:5) 1.2.3.4:5" {
		t.Error(got)
	}
	if got := fmt.Sprint(StateLeft, NodeUpdate); got != "3 2" {
		t.Errorf("states and events print as digits, which a status page explains: %s", got)
	}
}

func TestNodeJSONIsItsElevenFields(t *testing.T) {
	n := &Node{
		Name: "a", Addr: net.IPv4(127, 0, 0, 1), Port: 7, Meta: []byte{1}, State: StateSuspect,
		PMin: 1, PMax: 5, PCur: 2, DMin: 3, DMax: 6, DCur: 4,
	}
	got, err := json.Marshal(n)
	want := `{"Name":"a","Addr":"127.0.0.1","Port":7,"Meta":"AQ==","State":1,"PMin":1,"PMax":5,"PCur":2,"DMin":3,"DMax":6,"DCur":4}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestNodeStateDeadOrLeft(t *testing.T) {
	for state, want := range map[NodeStateType]bool{StateAlive: false, StateSuspect: false, StateDead: true, StateLeft: true} {
		if got := (&NodeState{State: state}).DeadOrLeft(); got != want {
			t.Errorf("state %d: %v", state, got)
		}
	}
}

func TestChannelEventDelegateKeepsOrderAndCopies(t *testing.T) {
	ch := make(chan NodeEvent, 3)
	d := &ChannelEventDelegate{Ch: ch}
	n := &Node{Name: "a", Meta: []byte("m")}
	d.NotifyJoin(n)
	d.NotifyUpdate(n)
	d.NotifyLeave(n)
	for _, want := range []NodeEventType{NodeJoin, NodeUpdate, NodeLeave} {
		got := <-ch
		if got.Event != want || got.Node.Name != "a" || got.Node == n {
			t.Errorf("got %+v, want event %d with a copy", got, want)
		}
		got.Node.Name = "mine"
	}
	if n.Name != "a" {
		t.Error("a receiver's change reached the published node")
	}
}

func TestChannelEventDelegateWaitsForTheReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan NodeEvent)
		sent := false
		go func() {
			(&ChannelEventDelegate{Ch: ch}).NotifyJoin(&Node{})
			sent = true
		}()
		synctest.Wait()
		if sent {
			t.Error("the event was dropped")
		}
		<-ch
		synctest.Wait()
		if !sent {
			t.Error("the event is still being sent")
		}
	})
}

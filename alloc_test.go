package memberlist

import (
	"bytes"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// budget fails the test when f allocates more often than it may, on average.
func budget(t *testing.T, what string, most float64, f func()) {
	t.Helper()
	if raceEnabled {
		f() // the race detector makes pools forget
		return
	}
	if n := testing.AllocsPerRun(500, f); n > most {
		t.Errorf("%s: %v allocations, at most %v", what, n, most)
	}
}

// TestPacketBudget is what a packet may allocate on its way from the transport
// to its effect: nothing, unless it changes a member.
func TestPacketBudget(t *testing.T) {
	for _, config := range []struct {
		name string
		set  []func(*Config)
	}{
		{"plain", []func(*Config){uncompressed}},
		{"encrypted", []func(*Config){uncompressed, withKey}},
		{"default", nil},
		{"default, encrypted", []func(*Config){withKey}},
		{"label", []func(*Config){withLabel}},
	} {
		t.Run(config.name, func(t *testing.T) {
			n := newIdle(t, 100, config.set...)
			packet := func(what string, msg []byte) {
				t.Helper()
				p := bytes.Clone(n.sealed(msg))
				budget(t, what, 0, func() { n.handle(p) })
			}
			packet("ping and its ack", n.ping())
			if !n.answered() {
				t.Error("no ack")
			}
			packet("alive that says nothing new", n.alive(7, 1))
			packet("compound of 20 that say nothing new", n.compound())
			packet("ack that nobody waits for", wire.Ack{SeqNo: 1 << 30}.Append(nil))
		})
	}
}

// TestChangeBudget is what may be allocated when something has changed that
// this node has to keep and to pass on: nothing for a number.
func TestChangeBudget(t *testing.T) {
	n := newIdle(t, 100)
	incarnation := uint32(1)
	alive := func() {
		incarnation++
		n.handle(n.alive(7, incarnation))
	}
	makeMessage := testing.AllocsPerRun(100, func() { n.alive(7, incarnation) })
	budget(t, "alive with a higher incarnation", makeMessage, alive)
	if got := n.incarnation(7); got != incarnation {
		t.Errorf("incarnation %d, expected %d", got, incarnation)
	}
}

// TestJoinBudget is what a member may cost of which nobody has heard: its name,
// its record and its entry in the table. What tables grow by, and a
// block for the next pieces of news, are fractions of an allocation.
func TestJoinBudget(t *testing.T) {
	n := newIdle(t, 100)
	next, runs := 1000, 500
	packets := make([][]byte, runs+1) // AllocsPerRun warms up once
	for i := range packets {
		packets[i] = bytes.Clone(n.sealed(n.alive(next+i, 1)))
	}
	before := n.m.NumMembers()
	i := 0
	budget(t, "alive of an unknown member", 3, func() {
		n.handle(packets[i])
		i++
	})
	if got := n.m.NumMembers() - before; got != i {
		t.Errorf("%d members more, expected %d", got, i)
	}
}

// TestSuspicionBudget is what a suspicion and its end may allocate: the
// suspicion and who began it, and two records.
func TestSuspicionBudget(t *testing.T) {
	n := newIdle(t, 100)
	incarnation := uint32(1)
	messages := func() (suspect, alive []byte) {
		return wire.Suspect{Incarnation: incarnation, Node: idleName(7), From: idleName(8)}.Append(nil), n.alive(7, incarnation+1)
	}
	makeMessages := testing.AllocsPerRun(100, func() { messages() })
	budget(t, "suspect and the alive that refutes it", makeMessages+7, func() {
		suspect, alive := messages()
		n.handle(suspect)
		n.handle(alive)
		incarnation++
	})
	if got := n.incarnation(7); got != incarnation {
		t.Errorf("incarnation %d, expected %d", got, incarnation)
	}
}

// TestUserBudget is what a user message may allocate: the copy that the user
// keeps.
func TestUserBudget(t *testing.T) {
	got := make(chan struct{}, 1)
	n := newIdle(t, 10, func(c *Config) { c.Delegate = &countingDelegate{got: got} })
	p := bytes.Clone(n.sealed([]byte("\x08a message")))
	budget(t, "user message", 1, func() {
		n.handle(p)
		<-got
	})
}

// countingDelegate says when it gets a message.
type countingDelegate struct{ got chan struct{} }

func (d *countingDelegate) NotifyMsg([]byte)              { d.got <- struct{}{} }
func (*countingDelegate) NodeMeta(int) []byte             { return nil }
func (*countingDelegate) GetBroadcasts(int, int) [][]byte { return nil }
func (*countingDelegate) LocalState(bool) []byte          { return nil }
func (*countingDelegate) MergeRemoteState([]byte, bool)   {}

// TestPushPullBudget is what a push/pull of a table that is known already may
// allocate: buffers, but nothing for each member.
func TestPushPullBudget(t *testing.T) {
	n := newIdle(t, 2000)
	message := n.m.localMessage(false).appendTo(nil)
	budget(t, "a push/pull of 2,000 known members", 150, func() {
		r, remote := readPushPull(t, n.m, message)
		n.m.localMessage(false).appendTo(nil)
		n.m.mergeNodes(remote)
		r.close()
	})
}

// TestMergeMakesRoomOnce: lists of members grow once, by as much as a push/pull
// brings, and not at all when it brings nothing new.
func TestMergeMakesRoomOnce(t *testing.T) {
	n := newIdle(t, 1)
	merge := func(from, to int) {
		t.Helper()
		message := wire.PushPullHeader{Nodes: to - from}.Append(nil)
		for i := from; i < to; i++ {
			state := wire.NodeState{Name: idleName(i), Addr: []byte{10, 1, byte(i >> 8), byte(i)}, Port: 7946, Incarnation: 1, Vsn: []byte{1, 5, 5, 0, 0, 0}}
			message = state.Append(message)
		}
		r, remote := readPushPull(t, n.m, message)
		n.m.mergeNodes(remote)
		r.close()
	}
	for _, table := range []struct{ from, to, members int }{
		{1, 5_000, 5_000},       // a node that joins
		{2_500, 5_000, 5_000},   // nobody new
		{3_000, 9_000, 9_000},   // two thirds are
		{9_000, 20_000, 20_000}, // all are
	} {
		merge(table.from, table.to)
		if got := n.m.NumMembers(); got != table.members {
			t.Fatalf("%d members, want %d", got, table.members)
		}
		most := table.members + table.members/32 + 64
		if all, view := cap(n.m.swim.table.all), cap(n.m.view.nodes); all > most || view > most {
			t.Errorf("room for %d and %d members, %d are there", all, view, table.members)
		}
	}
}

// TestGossipBudget is what a round of gossip may allocate over UDP: nothing.
func TestGossipBudget(t *testing.T) {
	gossiping := func(c *Config) { c.GossipInterval, c.RetransmitMult = time.Hour, 1<<20 }
	for _, config := range []struct {
		name string
		set  func(*Config)
	}{
		{"plain", uncompressed},
		{"encrypted", withKey},
		{"default", func(*Config) {}},
	} {
		t.Run(config.name, func(t *testing.T) {
			n := newIdle(t, 100, gossiping, config.set)
			for i := 1; i < 100; i++ {
				n.handle(n.sealed(n.alive(i, 2)))
			}
			rounds, packets := 0, 0
			budget(t, "a round", 0, func() {
				n.m.step(func(s *swim, now time.Time) {
					s.gossipRound(now)
					rounds++
					packets += len(s.fx.datagrams)
				})
			})
			if packets != 3*rounds {
				t.Errorf("%d packets in %d rounds, expected 3 in each", packets, rounds)
			}
		})
	}
}

// TestFrameTakesNoMoreThanItNeeds: a packet that is given away to a transport is
// an allocation of its own, made once and no longer than the packet.
func TestFrameTakesNoMoreThanItNeeds(t *testing.T) {
	for _, config := range []struct {
		name string
		set  []func(*Config)
	}{
		{"plain", []func(*Config){uncompressed}},
		{"encrypted", []func(*Config){uncompressed, withKey}},
		{"label", []func(*Config){uncompressed, withLabel}},
		{"encrypted with a label", []func(*Config){uncompressed, withKey, withLabel}},
	} {
		n := newIdle(t, 1, config.set...)
		for _, parts := range [][][]byte{{[]byte("one")}, {[]byte("one"), []byte("of"), []byte("three")}} {
			for _, checksum := range []bool{false, true} {
				b, _, err := n.m.frame(new(packet), nil, parts, checksum)
				if err != nil {
					t.Fatal(err)
				}
				if cap(b) != len(b) {
					t.Errorf("%s, %d parts, checksum %v: %d bytes for %d", config.name, len(parts), checksum, cap(b), len(b))
				}
			}
		}
	}
}

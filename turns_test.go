package memberlist

import (
	"fmt"
	"io"
	"log"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// journal remembers all callbacks in the order in which they returned. What
// slow holds up is the callback that it names.
type journal struct {
	mu    sync.Mutex
	lines []string
	slow  map[string]time.Duration
}

func (j *journal) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	time.Sleep(j.slow[line]) // of a fake clock
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

func (j *journal) NotifyJoin(n *Node)                { j.add("join %s", n.Name) }
func (j *journal) NotifyLeave(n *Node)               { j.add("leave %s", n.Name) }
func (j *journal) NotifyUpdate(n *Node)              { j.add("update %s", n.Name) }
func (j *journal) NodeMeta(int) []byte               { return nil }
func (j *journal) NotifyMsg(msg []byte)              { j.add("msg %s", msg) }
func (j *journal) GetBroadcasts(int, int) [][]byte   { return nil }
func (j *journal) LocalState(bool) []byte            { return nil }
func (j *journal) MergeRemoteState(_ []byte, _ bool) {}

func TestMessagesKeepTheirPlaceAmongEvents(t *testing.T) {
	alive := func(name string, inc uint32) []byte {
		a := wire.Alive{Incarnation: inc, Node: []byte(name), Addr: []byte{127, 0, 0, 1}, Port: 9, Vsn: []byte{1, 5, 2, 0, 0, 0}}
		return a.Append(nil)
	}
	dead := func(name string, inc uint32) []byte {
		d := wire.Dead{Incarnation: inc, Node: []byte(name), From: []byte(name)}
		return d.Append(nil)
	}
	msg := func(text string) []byte { return append([]byte{byte(wire.TypeUser)}, text...) }
	for _, test := range []struct {
		name    string
		slow    map[string]time.Duration
		packets [][][]byte
		want    []string
	}{
		{"packet after packet", nil,
			[][][]byte{{alive("x", 1)}, {msg("1")}, {dead("x", 1)}, {msg("2")}},
			[]string{"join x", "msg 1", "leave x", "msg 2"}},
		{"within a packet joins come first and deaths last", nil,
			[][][]byte{{alive("x", 1)}, {dead("x", 1), msg("x leaves"), alive("y", 1)}},
			[]string{"join x", "join y", "msg x leaves", "leave x"}},
		{"a callback that takes its time", map[string]time.Duration{"join x": 90 * time.Millisecond, "msg 1": 90 * time.Millisecond},
			[][][]byte{{alive("x", 1)}, {msg("1")}, {dead("x", 1)}, {msg("2")}},
			[]string{"join x", "msg 1", "leave x", "msg 2"}},
		{"a join that takes too long", map[string]time.Duration{"join x": time.Minute},
			[][][]byte{{alive("x", 1)}, {msg("1"), msg("2")}, {dead("x", 1)}},
			[]string{"msg 2", "msg 1", "join x", "leave x"}},
		{"a message that takes too long", map[string]time.Duration{"msg 1": time.Minute},
			[][][]byte{{alive("x", 1), alive("y", 1)}, {msg("1")}, {dead("x", 1)}, {dead("y", 1), msg("2")}},
			[]string{"join x", "join y", "leave x", "leave y", "msg 1", "msg 2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network MockNetwork
				c := DefaultLANConfig()
				c.Name, c.Transport = "self", network.NewTransport("self")
				c.Logger = log.New(io.Discard, "", 0)
				c.ProbeInterval, c.GossipInterval, c.PushPullInterval = 0, 0, 0
				j := &journal{slow: test.slow}
				c.Events, c.Delegate = j, j
				m, err := Create(c)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Shutdown()
				j.take()
				r := packetReader{m: m}
				for _, parts := range test.packets {
					r.handle(&Packet{Buf: wire.AppendCompound(nil, parts), From: &MockAddress{port: 1}, Timestamp: time.Now()})
				}
				began := time.Now()
				m.awaitEvents(t.Context(), 0)
				m.users.turns.await(t.Context(), m.users.turns.last())
				if got := j.take(); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if took := time.Since(began); took > time.Minute+time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestTurnsWakeEachWaiterInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turns
		for range 5 {
			q.push()
		}
		var woken [6]bool
		for _, n := range []uint64{3, 1, 5, 2, 4} {
			go func() {
				q.await(t.Context(), n)
				woken[n] = true
			}()
		}
		for n := 1; n <= 5; n++ {
			synctest.Wait()
			if woken[n] {
				t.Errorf("%d was woken before its turn", n)
			}
			q.finish()
			synctest.Wait()
			if !woken[n] {
				t.Errorf("%d was not woken", n)
			}
		}
		q.push()
		began := time.Now()
		q.letPass(6)
		q.letPass(6)
		if took := time.Since(began); took != turnPatience {
			t.Errorf("two waits for one callback took %v, want %v", took, turnPatience)
		}
		q.stop()
		q.await(t.Context(), 6)
		if n := len(q.waiters); n != 0 {
			t.Errorf("%d waiters after stop", n)
		}
	})
}

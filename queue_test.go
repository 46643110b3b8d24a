package memberlist

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plainBroadcast is a Broadcast whose answers a test decides.
type plainBroadcast struct {
	msg         []byte
	invalidates func(Broadcast) bool
	onFinished  func()
	finished    atomic.Int32
}

func (b *plainBroadcast) Message() []byte { return b.msg }

func (b *plainBroadcast) Invalidates(old Broadcast) bool {
	return b.invalidates != nil && b.invalidates(old)
}

func (b *plainBroadcast) Finished() {
	b.finished.Add(1)
	if b.onFinished != nil {
		b.onFinished()
	}
}

type namedBroadcast struct {
	plainBroadcast
	name string
}

func (b *namedBroadcast) Name() string { return b.name }

type uniqueBroadcast struct{ plainBroadcast }

func (*uniqueBroadcast) UniqueBroadcast() {}

type namedUniqueBroadcast struct{ namedBroadcast }

func (*namedUniqueBroadcast) UniqueBroadcast() {}

func all(Broadcast) bool { return true }

func nodes(n int) func() int { return func() int { return n } }

func texts(msgs [][]byte) []string {
	s := []string{}
	for _, m := range msgs {
		s = append(s, string(m))
	}
	return s
}

func unique(msg string) *uniqueBroadcast {
	return &uniqueBroadcast{plainBroadcast{msg: []byte(msg)}}
}

func TestQueueWorkedExample(t *testing.T) {
	q := TransmitLimitedQueue{NumNodes: nodes(1), RetransmitMult: 3}
	for i := range 5 {
		q.QueueBroadcast(unique(fmt.Sprint("m", i)))
	}
	q.QueueBroadcast(unique("8 bytes!"))
	for i, want := range [][]string{{"8 bytes!"}, {"m4", "m3", "m2"}} {
		if got := texts(q.GetBroadcasts(3, 15)); !slices.Equal(got, want) {
			t.Fatalf("call %d returns %q, want %q", i, got, want)
		}
	}
}

func TestQueueZeroValue(t *testing.T) {
	var holder struct{ q TransmitLimitedQueue }
	q := &holder.q
	q.NumNodes = func() int { t.Error("NumNodes called on an empty queue"); return 1 }
	q.Prune(0)
	q.Prune(10)
	q.Prune(-1)
	q.Reset()
	if got := q.GetBroadcasts(2, 100); got != nil {
		t.Errorf("an empty queue returns %q", got)
	}
	if got := q.NumQueued(); got != 0 {
		t.Errorf("an empty queue holds %d", got)
	}
	q.QueueBroadcast(nil)
	if got := q.NumQueued(); got != 0 {
		t.Errorf("nil was queued")
	}
	q.NumNodes = nil
	b := unique("abc")
	q.QueueBroadcast(b)
	if got := q.GetBroadcasts(1, 4); len(got) != 1 || &got[0][0] != &b.msg[0] {
		t.Errorf("got %q, want the slice of the broadcast", got)
	}
	if b.finished.Load() != 1 || q.NumQueued() != 0 {
		t.Errorf("without NumNodes, finished %d times, %d queued", b.finished.Load(), q.NumQueued())
	}
}

func TestQueueTransmitsAsOftenAsTheLimit(t *testing.T) {
	for _, tt := range []struct{ mult, nodes, want int }{
		{0, 5, 1}, {-1, 5, 1}, {3, 0, 1}, {3, -1, 1},
		{1, 1, 1}, {3, 1, 3}, {3, 9, 3}, {3, 10, 6}, {3, 99, 6}, {3, 100, 9}, {2, 1000, 8},
	} {
		q := TransmitLimitedQueue{NumNodes: nodes(tt.nodes), RetransmitMult: tt.mult}
		b := unique("abc")
		q.QueueBroadcast(b)
		n := 0
		for len(q.GetBroadcasts(0, 10)) == 1 {
			n++
			if done := b.finished.Load() == 1; done != (n == tt.want) {
				t.Errorf("mult %d, %d nodes: finished is %v after %d", tt.mult, tt.nodes, done, n)
			}
		}
		if n != tt.want {
			t.Errorf("mult %d, %d nodes: transmitted %d times, want %d", tt.mult, tt.nodes, n, tt.want)
		}
	}
}

// Which broadcasts a new one removes depends on the kinds of both.
func TestQueueInvalidatesAcrossKinds(t *testing.T) {
	type maker struct {
		what string
		make func() (Broadcast, *plainBroadcast)
	}
	kinds := []maker{
		{"plain", func() (Broadcast, *plainBroadcast) { b := &plainBroadcast{}; return b, b }},
		{"unique", func() (Broadcast, *plainBroadcast) { b := &uniqueBroadcast{}; return b, &b.plainBroadcast }},
		{"named a", func() (Broadcast, *plainBroadcast) { b := &namedBroadcast{name: "a"}; return b, &b.plainBroadcast }},
		{"named b", func() (Broadcast, *plainBroadcast) { b := &namedBroadcast{name: "b"}; return b, &b.plainBroadcast }},
		{"nameless", func() (Broadcast, *plainBroadcast) { b := &namedBroadcast{}; return b, &b.plainBroadcast }},
		{"named a and unique", func() (Broadcast, *plainBroadcast) {
			b := &namedUniqueBroadcast{namedBroadcast{name: "a"}}
			return b, &b.plainBroadcast
		}},
		{"nameless and unique", func() (Broadcast, *plainBroadcast) {
			b := &namedUniqueBroadcast{}
			return b, &b.plainBroadcast
		}},
	}
	removes := map[[2]string]bool{ // {new, old}
		{"plain", "plain"}:                           true,
		{"nameless", "plain"}:                        true,
		{"nameless and unique", "plain"}:             true,
		{"named a", "named a"}:                       true,
		{"named a", "named a and unique"}:            true,
		{"named b", "named b"}:                       true,
		{"named a and unique", "named a"}:            true,
		{"named a and unique", "named a and unique"}: true,
	}
	asked := map[string]bool{"plain": true, "nameless": true, "nameless and unique": true}
	for _, newer := range kinds {
		for _, older := range kinds {
			var q TransmitLimitedQueue
			old, oldPlain := older.make()
			oldPlain.msg = []byte("old")
			oldPlain.invalidates = func(Broadcast) bool { t.Errorf("%s asked as old", older.what); return false }
			q.queueForTest(old)
			b, bPlain := newer.make()
			bPlain.msg = []byte("new")
			calls := 0
			bPlain.invalidates = func(o Broadcast) bool {
				if o != old {
					t.Errorf("%s asked about something else", newer.what)
				}
				calls++
				return true
			}
			q.QueueBroadcast(b)

			want := removes[[2]string{newer.what, older.what}]
			if got := oldPlain.finished.Load() == 1; got != want {
				t.Errorf("%s after %s: old finished is %v, want %v", newer.what, older.what, got, want)
			}
			wantQueued := 2
			if want {
				wantQueued = 1
			}
			if got := q.NumQueued(); got != wantQueued {
				t.Errorf("%s after %s: %d queued, want %d", newer.what, older.what, got, wantQueued)
			}
			if want := asked[newer.what] && older.what == "plain"; (calls > 0) != want || calls > 1 {
				t.Errorf("%s after %s: Invalidates asked %d times", newer.what, older.what, calls)
			}
			if bPlain.finished.Load() != 0 {
				t.Errorf("%s after %s: new one finished", newer.what, older.what)
			}
			q.check()
		}
	}
}

func (q *TransmitLimitedQueue) queueForTest(bs ...Broadcast) {
	for _, b := range bs {
		q.QueueBroadcast(b)
	}
}

func (q *TransmitLimitedQueue) check() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue.check()
	plain := 0
	for _, tier := range q.queue.tiers {
		for _, b := range tier.buckets {
			for _, e := range b.top.appendTo(nil) {
				_, isPlain := e.value.Broadcast.(*plainBroadcast)
				if isPlain {
					plain++
				}
				if at := e.value.plainAt; isPlain != (at >= 0) || isPlain && q.plain[at] != e {
					panic(fmt.Sprintf("%T says that it is plain number %d", e.value.Broadcast, at))
				}
			}
		}
	}
	if plain != len(q.plain) {
		panic(fmt.Sprintf("%d plain broadcasts are queued, %d known", plain, len(q.plain)))
	}
}

func TestQueuePrunesFromTheFarEnd(t *testing.T) {
	q := TransmitLimitedQueue{NumNodes: nodes(1), RetransmitMult: 5}
	var finished []string
	add := func(msg string) {
		b := unique(msg)
		b.onFinished = func() { finished = append(finished, msg) }
		q.QueueBroadcast(b)
	}
	add("sent")
	q.GetBroadcasts(0, 100)
	for _, msg := range []string{"a1", "longer1", "a2", "longer2", "a3"} {
		add(msg)
	}
	for _, step := range []struct {
		retain int
		want   []string
	}{
		{6, nil},
		{5, []string{"sent"}},
		{3, []string{"a1", "a2"}},
		{3, nil},
		{1, []string{"a3", "longer1"}},
		{-1, []string{"longer2"}},
	} {
		finished = nil
		q.Prune(step.retain)
		if !slices.Equal(finished, step.want) {
			t.Fatalf("Prune(%d) removes %q, want %q", step.retain, finished, step.want)
		}
		if got := q.NumQueued(); got != max(step.retain, 0) {
			t.Fatalf("Prune(%d) leaves %d", step.retain, got)
		}
		q.check()
	}
}

func TestQueueResetFinishesEverything(t *testing.T) {
	var q TransmitLimitedQueue
	plain := &plainBroadcast{msg: []byte("plain")}
	named := &namedBroadcast{plainBroadcast{msg: []byte("named")}, "a"}
	uniq := unique("unique")
	q.queueForTest(plain, named, uniq)
	q.Reset()
	q.Reset()
	for _, b := range []*plainBroadcast{plain, &named.plainBroadcast, &uniq.plainBroadcast} {
		if got := b.finished.Load(); got != 1 {
			t.Errorf("%s finished %d times", b.msg, got)
		}
	}
	if q.NumQueued() != 0 {
		t.Errorf("%d queued", q.NumQueued())
	}
	again := &namedBroadcast{plainBroadcast{msg: []byte("again")}, "a"}
	q.QueueBroadcast(again)
	if got := texts(q.GetBroadcasts(0, 100)); !slices.Equal(got, []string{"again"}) {
		t.Errorf("after Reset: %q", got)
	}
	q.check()
}

// H15: in the incumbent a message queued while all others are out for
// transmission takes the place of one of them.
func TestQueueNeverLosesAMessageToAnother(t *testing.T) {
	const limit = 4
	q := TransmitLimitedQueue{NumNodes: nodes(1), RetransmitMult: limit}
	sent := map[string]int{}
	var queued []*uniqueBroadcast
	add := func() {
		b := unique(fmt.Sprintf("message %05d", len(queued)))
		if len(queued) < 500 {
			// Queue the next one in the middle of GetBroadcasts.
			b.onFinished = func() {
				next := unique(fmt.Sprintf("message %05d", len(queued)))
				queued = append(queued, next)
				q.QueueBroadcast(next)
			}
		}
		queued = append(queued, b)
		q.QueueBroadcast(b)
	}
	for i := range 600 {
		if i < 300 {
			add()
		}
		for range i % 3 {
			for _, m := range q.GetBroadcasts(2, 2*15*(i%4)) {
				sent[string(m)]++
			}
		}
	}
	for q.NumQueued() > 0 {
		for _, m := range q.GetBroadcasts(2, 100) {
			sent[string(m)]++
		}
	}
	for _, b := range queued {
		if got := sent[string(b.msg)]; got != limit {
			t.Errorf("%s transmitted %d times", b.msg, got)
		}
		if got := b.finished.Load(); got != 1 {
			t.Errorf("%s finished %d times", b.msg, got)
		}
	}
}

// H36: no callback runs under the lock of the queue, so each may use it.
func TestQueueCallbacksMayUseTheQueue(t *testing.T) {
	var q *TransmitLimitedQueue
	callbacks := []string{"NumNodes", "Message", "Name", "Invalidates", "Finished"}
	uses := map[string]func(){
		"QueueBroadcast unique": func() { q.QueueBroadcast(unique("from a callback")) },
		"QueueBroadcast named": func() {
			q.QueueBroadcast(&namedBroadcast{plainBroadcast{msg: []byte("from a callback")}, "a"})
		},
		"QueueBroadcast plain": func() {
			q.QueueBroadcast(&plainBroadcast{msg: []byte("from a callback"), invalidates: all})
		},
		"GetBroadcasts": func() { q.GetBroadcasts(1, 50) },
		"NumQueued":     func() { q.NumQueued() },
		"Prune":         func() { q.Prune(1) },
		"Reset":         func() { q.Reset() },
	}
	for what, use := range uses {
		for _, callback := range callbacks {
			done := make(chan struct{})
			called, inside := 0, false
			hook := func(name string) {
				if name == callback && !inside {
					called++
					inside = true
					use()
					inside = false
				}
			}
			go func() {
				defer close(done)
				q = &TransmitLimitedQueue{RetransmitMult: 1}
				q.NumNodes = func() int { hook("NumNodes"); return 1 }
				var hooked []*hookedBroadcast
				for range 3 {
					b := &hookedBroadcast{name: "a", hook: hook}
					hooked = append(hooked, b)
					q.QueueBroadcast(b) // named: replaces
					b = &hookedBroadcast{hook: hook}
					hooked = append(hooked, b)
					q.QueueBroadcast(b) // nameless: asks about the plain
					q.QueueBroadcast(&plainBroadcast{msg: []byte("plain"), invalidates: func(Broadcast) bool {
						hook("Invalidates")
						return true
					}})
				}
				q.GetBroadcasts(1, 10)
				q.Prune(1)
				q.GetBroadcasts(1, 100)
				q.Reset()
				q.Reset() // what the first one's callbacks queued, and
				q.Reset() // what the second one's did
				for _, b := range hooked {
					if b.finished != 1 {
						t.Errorf("%s from %s: a broadcast finished %d times", what, callback, b.finished)
					}
				}
				q.check()
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s from %s: deadlock", what, callback)
			}
			if called == 0 {
				t.Errorf("%s from %s: never called", what, callback)
			}
		}
	}
}

// hookedBroadcast reports each call.
type hookedBroadcast struct {
	name     string
	hook     func(string)
	finished int
}

func (b *hookedBroadcast) Name() string               { b.hook("Name"); return b.name }
func (b *hookedBroadcast) Message() []byte            { b.hook("Message"); return []byte("hooked") }
func (b *hookedBroadcast) Invalidates(Broadcast) bool { b.hook("Invalidates"); return true }
func (b *hookedBroadcast) Finished()                  { b.finished++; b.hook("Finished") }

// NumNodes takes as long as it likes without holding up others.
func TestQueueNumNodesDoesNotBlockOthers(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	q := TransmitLimitedQueue{RetransmitMult: 1, NumNodes: func() int {
		close(entered)
		<-leave
		return 1
	}}
	q.QueueBroadcast(unique("a"))
	got := make(chan [][]byte)
	go func() { got <- q.GetBroadcasts(0, 100) }()
	<-entered
	q.QueueBroadcast(unique("b"))
	q.Reset() // nothing is left when NumNodes returns
	close(leave)
	if msgs := <-got; msgs != nil {
		t.Errorf("got %q", msgs)
	}
}

func TestQueueAgreesWithSlowModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		const members, mult = 30, 2
		limit := 4
		q := TransmitLimitedQueue{NumNodes: nodes(members), RetransmitMult: mult}
		var slow slowQueue[int] // values are step numbers
		var finished []int
		kind := map[int]string{}
		for step := range 800 {
			finished = nil
			var want []int
			fail := func(what string, got, want any) {
				t.Helper()
				t.Fatalf("seed %d, step %d: %s %v, want %v", seed, step, what, got, want)
			}
			switch rng.IntN(6) {
			case 0, 1, 2:
				p := plainBroadcast{
					msg:        numbered(step, 4+rng.IntN(12)),
					onFinished: func() { finished = append(finished, step) },
				}
				name := fmt.Sprint(rng.IntN(20))
				switch rng.IntN(3) {
				case 0:
					kind[step] = "plain"
					mod := uint32(1 + rng.IntN(8))
					p.invalidates = func(b Broadcast) bool {
						return binary.BigEndian.Uint32(b.Message())%mod == uint32(step)%mod
					}
					slow.entries = slices.DeleteFunc(slow.entries, func(e slowEntry[int]) bool {
						gone := kind[e.value] == "plain" && uint32(e.value)%mod == uint32(step)%mod
						if gone {
							want = append(want, e.value)
						}
						return gone
					})
					slow.add("", p.msg, step)
					q.QueueBroadcast(&p)
				case 1:
					kind[step] = "unique"
					slow.add("", p.msg, step)
					u := &uniqueBroadcast{}
					u.msg, u.onFinished = p.msg, p.onFinished
					q.QueueBroadcast(u)
				case 2:
					kind[step] = "named"
					if old, ok := slow.add(name, p.msg, step); ok {
						want = append(want, old)
					}
					n := &namedBroadcast{name: name}
					n.msg, n.onFinished = p.msg, p.onFinished
					q.QueueBroadcast(n)
				}
				slices.Sort(want) // the order in which plain ones go is not promised
				slices.Sort(finished)
			case 3, 4:
				overhead, room := rng.IntN(4), rng.IntN(80)
				got := q.GetBroadcasts(overhead, room)
				var msgs [][]byte
				msgs, want = slow.transmit(overhead, room, limit)
				if !equalMessages(got, msgs) || (got == nil) != (len(msgs) == 0) {
					fail("got", got, msgs)
				}
			case 5:
				retain := rng.IntN(60)
				q.Prune(retain)
				want = slow.prune(retain)
			}
			if !slices.Equal(finished, want) {
				fail("finished", finished, want)
			}
			if q.NumQueued() != len(slow.entries) {
				fail("queued", q.NumQueued(), len(slow.entries))
			}
			q.check()
		}
	}
}

// Whatever happens at the same time, each broadcast is finished exactly once
// and none is transmitted more often than the limit.
func TestQueueConcurrentUse(t *testing.T) {
	const (
		workers   = 4
		perWorker = 600
		limit     = 3
	)
	q := TransmitLimitedQueue{NumNodes: nodes(5), RetransmitMult: limit}
	broadcasts := make([][]*plainBroadcast, workers)
	var queueing, sending sync.WaitGroup
	for w := range workers {
		queueing.Go(func() {
			for i := range perWorker {
				msg := numbered(w*perWorker+i, 4+i%9)
				var b Broadcast
				var p *plainBroadcast
				switch i % 3 {
				case 0:
					n := &namedBroadcast{name: fmt.Sprint(i % 50)}
					b, p = n, &n.plainBroadcast
				case 1:
					u := &uniqueBroadcast{}
					b, p = u, &u.plainBroadcast
				case 2:
					p = &plainBroadcast{invalidates: func(old Broadcast) bool { return len(old.Message()) == len(msg) }}
					b = p
				}
				p.msg = msg
				p.onFinished = func() { q.NumQueued() }
				broadcasts[w] = append(broadcasts[w], p)
				q.QueueBroadcast(b)
			}
		})
	}
	var stop atomic.Bool
	sent := make([]map[uint32]int, workers)
	for w := range workers {
		sent[w] = map[uint32]int{}
		sending.Go(func() {
			for i := 0; !stop.Load(); i++ {
				for _, m := range q.GetBroadcasts(2, 100) {
					sent[w][binary.BigEndian.Uint32(m)]++
				}
				if i%50 == 0 {
					q.Prune(100)
				}
				if w == 0 && i%1000 == 500 {
					q.Reset()
				}
			}
		})
	}
	queueing.Wait()
	stop.Store(true)
	sending.Wait()
	q.check()
	q.Reset()
	for _, bs := range broadcasts {
		for _, b := range bs {
			if got := b.finished.Load(); got != 1 {
				t.Fatalf("%v finished %d times", b.msg, got)
			}
			total := 0
			for _, s := range sent {
				total += s[binary.BigEndian.Uint32(b.msg)]
			}
			if total > limit {
				t.Fatalf("%v transmitted %d times", b.msg, total)
			}
		}
	}
}

// Of two plain broadcasts queued at the same time that invalidate each other,
// at most one stays.
func TestQueueConcurrentInvalidation(t *testing.T) {
	for range 200 {
		var q TransmitLimitedQueue
		var wg sync.WaitGroup
		for range 4 {
			b := &plainBroadcast{msg: []byte("x"), invalidates: all}
			wg.Go(func() { q.QueueBroadcast(b) })
		}
		wg.Wait()
		if got := q.NumQueued(); got != 1 {
			t.Fatalf("%d queued, want 1", got)
		}
	}
}

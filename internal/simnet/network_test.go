package simnet

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

func steady(d time.Duration) Link { return Link{Latency: Delay{Min: d}} }

// trace runs the network dry and notes every event.
func trace(n *Network) (lines []string) {
	for {
		ev, ok := n.Next()
		if !ok {
			return lines
		}
		switch ev.Kind {
		case Wake:
			lines = append(lines, fmt.Sprintf("%v wake %d", n.Now(), ev.Node))
		case Packet:
			lines = append(lines, fmt.Sprintf("%v %d>%d %s", n.Now(), ev.From, ev.Node, ev.Payload))
		case Stream:
			lines = append(lines, fmt.Sprintf("%v stream %d at %d", n.Now(), ev.ID, ev.Node))
		case StreamFailed:
			lines = append(lines, fmt.Sprintf("%v stream %d failed at %d", n.Now(), ev.ID, ev.Node))
		case Mark:
			lines = append(lines, fmt.Sprintf("%v mark %d", n.Now(), ev.ID))
		}
	}
}

func check(t *testing.T, n *Network, want ...string) {
	t.Helper()
	if got := trace(n); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// until delivers events up to the time given, which a mark ends.
func until(n *Network, at time.Duration) {
	n.At(at, 1<<40)
	for ev, ok := n.Next(); ok && ev.ID != 1<<40; ev, ok = n.Next() {
	}
}

func TestEventsComeInOrderOfTimeAndThenOfCalls(t *testing.T) {
	n := New(1, 3, steady(5*ms))
	n.WakeAt(2, 5*ms)
	n.Send(0, 1, []byte("a"))
	n.Send(1, 0, []byte("b"))
	n.At(2*ms, 7)
	check(t, n, "2ms mark 7", "5ms wake 2", "5ms 0>1 a", "5ms 1>0 b")
}

func TestHeapSorts(t *testing.T) {
	n := New(3, 2, Link{Latency: Delay{Spread: time.Second, Shape: LogNormal}})
	for range 5000 {
		n.Send(0, 1, []byte("x"))
	}
	last := time.Duration(0)
	for {
		_, ok := n.Next()
		if !ok {
			break
		}
		if n.Now() < last {
			t.Fatalf("clock went back from %v to %v", last, n.Now())
		}
		last = n.Now()
	}
	if got := n.Stats().Delivered; got != 5000 {
		t.Errorf("delivered %d of 5000", got)
	}
}

func TestWakeAtReplaces(t *testing.T) {
	n := New(1, 2, Link{})
	n.WakeAt(0, 10*ms)
	n.WakeAt(0, 20*ms) // later: the entry in the heap moves when it is due
	n.WakeAt(1, 20*ms)
	n.WakeAt(1, 10*ms)
	check(t, n, "10ms wake 1", "20ms wake 0")
	n.WakeAt(0, 30*ms)
	n.NoWake(0)
	check(t, n)
}

func TestLossAndDuplicatesAreShares(t *testing.T) {
	n := New(4, 2, Link{Loss: 0.2, Duplicate: 0.1})
	const sent = 20000
	for range sent {
		n.Send(0, 1, nil)
	}
	trace(n)
	s := n.Stats()
	if lost := float64(s.Lost) / sent; lost < 0.19 || lost > 0.21 {
		t.Errorf("lost %.3f of the packets, want 0.2", lost)
	}
	if got := float64(s.Delivered) / float64(sent-s.Lost); got < 1.09 || got > 1.11 {
		t.Errorf("each packet that passed arrived %.3f times, want 1.1", got)
	}
}

func TestReorderOvertakes(t *testing.T) {
	n := New(4, 2, Link{Latency: Delay{Min: ms}, Reorder: 0.3})
	var sent, got []string
	for i := range 50 {
		s := fmt.Sprint(i)
		sent = append(sent, s)
		n.Send(0, 1, []byte(s))
	}
	for ev, ok := n.Next(); ok; ev, ok = n.Next() {
		got = append(got, string(ev.Payload))
	}
	if len(got) != len(sent) || slices.Equal(got, sent) {
		t.Errorf("arrived in the order %q", got)
	}
}

func TestCutsAreOneWayAndPartitionsAreNot(t *testing.T) {
	n := New(1, 3, steady(ms))
	n.Cut(0, 1)
	n.Send(0, 1, []byte("lost"))
	n.Send(1, 0, []byte("back"))
	n.Partition(1, 2)
	n.Send(2, 0, []byte("lost"))
	n.Send(0, 2, []byte("lost"))
	n.Heal()
	n.Send(0, 1, []byte("mended"))
	n.Send(0, 2, []byte("healed"))
	check(t, n, "1ms 1>0 back", "1ms 0>1 mended", "1ms 0>2 healed")
}

func TestOwnLinkReplacesTheDefault(t *testing.T) {
	n := New(1, 2, steady(ms))
	far := steady(80 * ms)
	n.SetLink(0, 1, &far)
	n.Send(0, 1, []byte("a"))
	n.Send(1, 0, []byte("b"))
	check(t, n, "1ms 1>0 b", "80ms 0>1 a")
	n.SetLink(0, 1, nil)
	n.Send(0, 1, []byte("c"))
	check(t, n, "81ms 0>1 c")
}

func TestBandwidthQueuesAndOverflows(t *testing.T) {
	n := New(1, 2, steady(ms))
	n.SetBandwidth(0, 1000, 15*ms) // a byte each millisecond
	for _, p := range []string{"1234567890", "abcdefghij", "klmnopqrst", "lost"} {
		n.Send(0, 1, []byte(p))
	}
	check(t, n, "11ms 0>1 1234567890", "21ms 0>1 abcdefghij")
	if got := n.Stats().Overflow; got != 2 {
		t.Errorf("overflow %d, want 2: both would have waited 20 ms", got)
	}
}

func TestPausedNodeHoldsBothDirections(t *testing.T) {
	for _, timers := range []bool{false, true} {
		n := New(1, 2, steady(ms))
		n.Pause(1, timers)
		n.WakeAt(1, 5*ms)
		n.Send(0, 1, []byte("in1"))
		n.Send(0, 1, []byte("in2"))
		n.Send(1, 0, []byte("out"))
		var early []string
		n.At(10*ms, 1)
		for ev, ok := n.Next(); ok && ev.Kind != Mark; ev, ok = n.Next() {
			early = append(early, fmt.Sprint(n.Now(), ev.Kind == Wake))
		}
		n.Resume(1)
		want := []string{"10ms 0>1 in1", "10ms 0>1 in2", "11ms 1>0 out"}
		if timers {
			want = append([]string{"10ms wake 1"}, want...)
		}
		check(t, n, want...)
		if timers != (len(early) == 0) {
			t.Errorf("timers stop: %v, but while paused %q", timers, early)
		}
	}
}

func TestPausedNodeHoldsNoMoreThanItsBuffers(t *testing.T) {
	n := New(1, 2, Link{})
	n.Pause(1, false)
	for range maxHeld + 10 {
		n.Send(0, 1, nil)
		n.Send(1, 0, nil)
	}
	trace(n)
	n.Resume(1)
	if got := len(trace(n)); got != 2*maxHeld {
		t.Errorf("%d packets came through, want %d", got, 2*maxHeld)
	}
	if got := n.Stats().Overflow; got != 20 {
		t.Errorf("overflow %d, want 20", got)
	}
}

func TestSlowReceiverReadsLateAndInOrder(t *testing.T) {
	n := New(9, 2, steady(ms))
	n.Slow(1, Delay{Min: 100 * ms, Spread: 500 * ms})
	for _, p := range []string{"a", "b", "c", "d"} {
		n.Send(0, 1, []byte(p))
	}
	var got string
	for ev, ok := n.Next(); ok; ev, ok = n.Next() {
		if n.Now() < 101*ms {
			t.Errorf("read %s at %v already", ev.Payload, n.Now())
		}
		got += string(ev.Payload)
	}
	if got != "abcd" {
		t.Errorf("read in the order %s", got)
	}
}

func TestCrashAndRestart(t *testing.T) {
	n := New(1, 2, steady(10*ms))
	n.Send(1, 0, []byte("sent before the crash"))
	n.Send(0, 1, []byte("lost"))
	n.WakeAt(1, 5*ms)
	n.Crash(1)
	n.Send(1, 0, []byte("not sent"))
	check(t, n, "10ms 1>0 sent before the crash")

	n.Send(0, 1, []byte("same address"))
	n.Restart(1, false)
	check(t, n, "20ms 0>1 same address")

	n.Send(0, 1, []byte("old address"))
	n.Crash(1)
	n.Restart(1, true)
	n.Send(0, 1, []byte("new address"))
	check(t, n, "30ms 0>1 new address")
}

func TestClockJumps(t *testing.T) {
	n := New(1, 1, Link{})
	n.WakeAt(0, 100*ms)
	until(n, 10*ms)
	n.JumpClock(0, 50*ms)
	if got := n.Clock(0); got != 60*ms {
		t.Errorf("clock %v after a jump of 50ms at 10ms", got)
	}
	if ev, _ := n.Next(); ev.Kind != Wake || n.Now() != 50*ms {
		t.Fatalf("%+v at %v, want the wake-up at 50ms", ev, n.Now())
	}
	n.JumpClock(0, -30*ms) // stands still at 100 ms until 80 ms
	if got := n.Clock(0); got != 100*ms {
		t.Errorf("clock ran back to %v", got)
	}
	n.WakeAt(0, 110*ms)
	if ev, _ := n.Next(); ev.Kind != Wake || n.Now() != 90*ms || n.Clock(0) != 110*ms {
		t.Errorf("%+v at %v with the clock at %v, want the wake-up at 90ms and 110ms", ev, n.Now(), n.Clock(0))
	}
	n.WakeAt(0, time.Second)
	n.JumpClock(0, time.Hour)
	if ev, _ := n.Next(); ev.Kind != Wake || n.Now() != 90*ms {
		t.Errorf("%+v at %v, want the wake-up that the jump has made late", ev, n.Now())
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	run := func(seed uint64) []string {
		n := New(seed, 8, Link{Latency: Delay{Min: ms, Spread: 5 * ms, Shape: Exponential}, Loss: 0.1, Duplicate: 0.1, Reorder: 0.1})
		n.Slow(3, Delay{Min: ms, Spread: 20 * ms})
		for i := range 500 {
			n.Send(i%8, (i*5+1)%8, fmt.Append(nil, i))
			n.Open(i%8, (i+1)%8, uint64(i+1), i*10, 3*time.Second)
			if i%50 == 49 {
				until(n, n.Now()+2*ms)
			}
		}
		return trace(n)
	}
	if first := run(5); !slices.Equal(first, run(5)) {
		t.Error("the same seed gave two traces")
	} else if slices.Equal(first, run(6)) {
		t.Error("another seed gave the same trace")
	}
}

func TestNothingIsAllocatedPerPacket(t *testing.T) {
	n := New(1, 2, steady(ms))
	payload := make([]byte, 500)
	round := func() {
		for range 10 {
			n.Send(0, 1, payload)
			n.WakeAt(1, n.Clock(1)+ms)
		}
		for _, ok := n.Next(); ok; _, ok = n.Next() {
		}
	}
	round()
	if got := testing.AllocsPerRun(100, round); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkSendAndDeliver(b *testing.B) {
	n := New(1, 1000, Link{Latency: Delay{Min: ms, Spread: ms}})
	payload := make([]byte, 100)
	for i := range 5000 {
		n.Send(i%1000, (i+1)%1000, payload)
	}
	b.ReportAllocs()
	for b.Loop() {
		ev, _ := n.Next()
		n.Send(ev.Node, ev.From, payload)
	}
}

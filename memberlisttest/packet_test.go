package memberlisttest_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/memberlisttest"
)

type (
	network = memberlisttest.Network
	faults  = memberlisttest.Faults
)

// bubble runs a test on a fresh network with virtual time.
func bubble(t *testing.T, opts memberlisttest.Options, f func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memberlisttest.New(opts)
		defer n.Close()
		f(t, n)
	})
}

func send(t *testing.T, from, to *memberlisttest.Transport, text string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(text), to.Addr()); err != nil {
		t.Fatalf("WriteTo: %v", err)
	}
}

// received empties a node's inbox.
func received(tr *memberlisttest.Transport) []string {
	texts := []string{}
	for {
		select {
		case p := <-tr.PacketCh():
			texts = append(texts, string(p.Buf))
		default:
			return texts
		}
	}
}

func expect(t *testing.T, tr *memberlisttest.Transport, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := received(tr); !slices.Equal(got, want) {
		t.Errorf("%s received %q, want %q", tr.Name(), got, want)
	}
}

// numbered sends count packets, one every interval.
func numbered(t *testing.T, from, to *memberlisttest.Transport, count int, interval time.Duration) {
	t.Helper()
	for i := range count {
		send(t, from, to, fmt.Sprintf("%04d", i))
		time.Sleep(interval)
	}
}

func TestLatencyIsExact(t *testing.T) {
	const latency = 30 * time.Millisecond
	bubble(t, memberlisttest.Options{Faults: faults{Latency: latency}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		sent := time.Now()
		stamp, err := a.WriteTo([]byte("x"), b.Addr())
		if err != nil || !stamp.Equal(sent) {
			t.Errorf("WriteTo = %v, %v, want %v", stamp, err, sent)
		}
		p := <-b.PacketCh()
		if d := time.Since(sent); d != latency {
			t.Errorf("took %v, want %v", d, latency)
		}
		if !p.Timestamp.Equal(time.Now()) || p.From.String() != a.Addr() || string(p.Buf) != "x" {
			t.Errorf("got %q from %v at %v", p.Buf, p.From, p.Timestamp)
		}
		if got := n.Stats().Pending(); got != 0 {
			t.Errorf("%d packets pending", got)
		}
	})
}

func TestWithoutFaultsPacketsArriveAtOnceAndInOrder(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		send(t, a, b, "1")
		send(t, a, b, "2")
		send(t, a, a, "to myself")
		expect(t, b, "1", "2")
		expect(t, a, "to myself")
	})
}

func TestFixedLatencyKeepsOrder(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		var want []string
		for i := range 500 {
			text := fmt.Sprint(i)
			want = append(want, text)
			send(t, a, b, text)
		}
		time.Sleep(time.Second)
		expect(t, b, want...)
	})
}

func TestSameInstantIsOrderedBySender(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		a, b, c := n.Transport("a"), n.Transport("b"), n.Transport("c")
		send(t, b, c, "b1")
		send(t, a, c, "a1")
		send(t, b, c, "b2")
		time.Sleep(time.Second)
		expect(t, c, "a1", "b1", "b2")
	})
}

func TestJitterIsAddedToLatency(t *testing.T) {
	f := faults{Latency: 100 * time.Millisecond, Jitter: 50 * time.Millisecond}
	bubble(t, memberlisttest.Options{Seed: 3, Faults: f}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		var least, most, sum time.Duration = time.Hour, 0, 0
		const count = 1000
		for range count {
			start := time.Now()
			send(t, a, b, "x")
			<-b.PacketCh()
			d := time.Since(start)
			least, most, sum = min(least, d), max(most, d), sum+d
		}
		if least < 100*time.Millisecond || least > 101*time.Millisecond || most >= 150*time.Millisecond || most < 149*time.Millisecond {
			t.Errorf("delays from %v to %v", least, most)
		}
		if mean := sum / count; mean < 123*time.Millisecond || mean > 127*time.Millisecond {
			t.Errorf("mean delay %v", mean)
		}
	})
}

// fate is what becomes of packets on one link under every fault at once.
func fate(t *testing.T, seed uint64, from, to string) (got []string, stats memberlisttest.Stats) {
	f := faults{Latency: 20 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.2, Duplicate: 0.1, Reorder: 0.1}
	bubble(t, memberlisttest.Options{Seed: seed, Faults: f}, func(t *testing.T, n *network) {
		a, b := n.Transport(from), n.Transport(to)
		// Traffic on other links, on other goroutines, makes no difference.
		c := n.Transport("c")
		var others sync.WaitGroup
		for range 4 {
			others.Go(func() { numbered(t, c, b, 50, 3*time.Millisecond) })
		}
		numbered(t, a, b, 1000, time.Millisecond)
		others.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		for len(b.PacketCh()) > 0 {
			if p := <-b.PacketCh(); p.From.String() == a.Addr() {
				got = append(got, fmt.Sprintf("%s@%d", p.Buf, p.Timestamp.UnixNano()))
			}
		}
		stats = n.LinkStats(from, to)
	})
	return got, stats
}

func TestSameSeedSameFate(t *testing.T) {
	first, stats := fate(t, 7, "a", "b")
	second, _ := fate(t, 7, "a", "b")
	if !slices.Equal(first, second) {
		t.Error("two runs with one seed differ")
	}
	if d := stats.Dropped.Loss; d < 150 || d > 250 {
		t.Errorf("lost %d of 1000, want about 200", d)
	}
	if d := stats.Duplicated; d < 50 || d > 120 {
		t.Errorf("doubled %d of 800, want about 80", d)
	}
	if stats.Delivered != uint64(len(first)) || stats.Pending() != 0 {
		t.Errorf("received %d; %v", len(first), stats)
	}
	if other, _ := fate(t, 8, "a", "b"); slices.Equal(first, other) {
		t.Error("the seed makes no difference")
	}
	if other, _ := fate(t, 7, "b", "a"); slices.Equal(first, other) {
		t.Error("the two directions of a link have the same luck")
	}
}

func TestLossDoesNotChangeTheLuckOfOtherFaults(t *testing.T) {
	arrivals := func(loss float64) map[string]time.Duration {
		at := make(map[string]time.Duration)
		f := faults{Jitter: time.Second, Loss: loss}
		bubble(t, memberlisttest.Options{Faults: f}, func(t *testing.T, n *network) {
			a, b := n.Transport("a"), n.Transport("b")
			start := time.Now()
			for i := range 100 {
				send(t, a, b, fmt.Sprint(i))
			}
			time.Sleep(time.Second)
			synctest.Wait()
			for len(b.PacketCh()) > 0 {
				p := <-b.PacketCh()
				at[string(p.Buf)] = p.Timestamp.Sub(start)
			}
		})
		return at
	}
	all, some := arrivals(0), arrivals(0.5)
	if len(all) != 100 || len(some) < 30 || len(some) > 70 {
		t.Fatalf("%d and %d arrived", len(all), len(some))
	}
	for text, d := range some {
		if all[text] != d {
			t.Errorf("packet %s took %v without loss and %v with", text, all[text], d)
		}
	}
}

func TestLossStatistics(t *testing.T) {
	for seed := range uint64(5) {
		bubble(t, memberlisttest.Options{Seed: seed, Faults: faults{Loss: 0.3}, Inbox: 10000}, func(t *testing.T, n *network) {
			a, b := n.Transport("a"), n.Transport("b")
			for range 10000 {
				send(t, a, b, "x")
			}
			s := n.Stats()
			// Four standard deviations of a binomial distribution are 183.
			if s.Dropped.Loss < 3000-183 || s.Dropped.Loss > 3000+183 {
				t.Errorf("seed %d: lost %d of 10000, want about 3000", seed, s.Dropped.Loss)
			}
			if s.Sent != 10000 || s.Delivered != s.Sent-s.Dropped.Loss || len(b.PacketCh()) != int(s.Delivered) {
				t.Errorf("seed %d: %v", seed, s)
			}
		})
	}
}

func TestDuplicateIsACopy(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Duplicate: 1}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		send(t, a, b, "x")
		first, second := <-b.PacketCh(), <-b.PacketCh()
		first.Buf[0] = '!'
		if string(second.Buf) != "x" {
			t.Error("a packet and its copy share memory")
		}
		if s := n.Stats(); s.Sent != 1 || s.Duplicated != 1 || s.Delivered != 2 || s.DeliveredBytes != 2 {
			t.Errorf("%v", s)
		}
	})
}

func TestReorder(t *testing.T) {
	f := faults{Latency: time.Millisecond, Reorder: 0.2, ReorderBy: 20 * time.Millisecond}
	bubble(t, memberlisttest.Options{Faults: f}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		numbered(t, a, b, 500, time.Millisecond)
		time.Sleep(time.Second)
		synctest.Wait()
		got := received(b)
		if len(got) != 500 {
			t.Fatalf("%d of 500 arrived", len(got))
		}
		overtaken := 0
		for i, text := range got[1:] {
			if text < got[i] {
				overtaken++
			}
		}
		// A fifth takes a detour; most detours are longer than the interval.
		if overtaken < 40 || overtaken > 110 {
			t.Errorf("order broken at %d places", overtaken)
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != 500 {
			t.Error("some packets arrived twice")
		}
	})
}

func TestBandwidthDelaysAndThenDrops(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second, Bandwidth: 1000}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		start := time.Now()
		for range 4 {
			send(t, a, b, strings.Repeat("x", 1000))
		}
		for i := range 3 {
			<-b.PacketCh()
			if d := time.Since(start); d != time.Duration(i+2)*time.Second {
				t.Errorf("packet %d took %v", i, d)
			}
		}
		time.Sleep(time.Minute)
		expect(t, b)
		if s := n.Stats(); s.Dropped.Bandwidth != 1 || s.Pending() != 0 {
			t.Errorf("%v", s)
		}
	})
}

func TestCutIsOneWay(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		a, b, c := n.Transport("a"), n.Transport("b"), n.Transport("c")
		send(t, a, b, "under way")
		n.Cut("a", "b")
		send(t, a, b, "cut")
		send(t, b, a, "back")
		send(t, a, c, "elsewhere")
		time.Sleep(time.Second)
		expect(t, b)
		expect(t, a, "back")
		expect(t, c, "elsewhere")
		if s := n.LinkStats("a", "b"); s.Dropped.Cut != 2 {
			t.Errorf("%v", s)
		}
		n.Mend("a", "b")
		send(t, a, b, "mended")
		time.Sleep(time.Second)
		expect(t, b, "mended")
	})
}

func TestCutAnyMakesMuteOrDeaf(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		n.Cut("a", memberlisttest.Any)
		send(t, a, b, "mute")
		send(t, b, a, "heard")
		expect(t, b)
		expect(t, a, "heard")
		n.Mend("a", memberlisttest.Any)
		n.Cut(memberlisttest.Any, "a")
		send(t, a, b, "said")
		send(t, b, a, "deaf")
		expect(t, b, "said")
		expect(t, a)
	})
}

func TestPartitionAndHeal(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		byName := make(map[string]*memberlisttest.Transport)
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			byName[name] = n.Transport(name)
		}
		reach := func(name string) string {
			for to, tr := range byName {
				if to != name {
					send(t, byName[name], tr, "x")
				}
			}
			synctest.Wait()
			var names []string
			for to, tr := range byName {
				if len(received(tr)) > 0 {
					names = append(names, to)
				}
			}
			slices.Sort(names)
			return strings.Join(names, "")
		}
		check := func(name, want string) {
			t.Helper()
			if got := reach(name); got != want {
				t.Errorf("%s reaches %q, want %q", name, got, want)
			}
		}
		n.Partition([]string{"a", "b"}, []string{"c", "d"})
		check("a", "b")
		check("c", "d")
		check("e", "f")
		n.Partition([]string{"a"})
		check("a", "")
		check("b", "cdef")
		n.Partition()
		check("a", "bcdef")
		n.Partition([]string{"a"})
		n.Cut("b", "c")
		n.Heal()
		check("a", "bcdef")
		check("b", "acdef")
	})
}

func TestSetLinkPrecedence(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		took := func() time.Duration {
			start := time.Now()
			send(t, a, b, "x")
			<-b.PacketCh()
			return time.Since(start)
		}
		const any = memberlisttest.Any
		for i, set := range []func(f faults){
			n.SetFaults,
			func(f faults) { n.SetLink(any, any, f) },
			func(f faults) { n.SetLink(any, "b", f) },
			func(f faults) { n.SetLink("a", any, f) },
			func(f faults) { n.SetLink("a", "b", f) },
		} {
			set(faults{Latency: time.Duration(i+1) * time.Second})
			if got, want := took(), time.Duration(i+1)*time.Second; got != want {
				t.Errorf("rule %d: took %v, want %v", i, got, want)
			}
		}
		n.SetLink("b", "a", faults{Loss: 1})
		n.ResetLink("a", "b")
		if got := took(); got != 4*time.Second {
			t.Errorf("after ResetLink: took %v", got)
		}
	})
}

func TestFaultsOutOfRangeCountAsNearest(t *testing.T) {
	nan := 0.0
	nan /= nan
	f := faults{Latency: -1, Jitter: -1, Loss: nan, Duplicate: 9, Reorder: -1, Bandwidth: -1}
	bubble(t, memberlisttest.Options{Faults: f}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		send(t, a, b, "x")
		expect(t, b, "x", "x")
	})
}

func TestPauseHoldsAndResumeReleases(t *testing.T) {
	bubble(t, memberlisttest.Options{Inbox: 3}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		n.Pause("b")
		for i := range 5 {
			send(t, a, b, fmt.Sprint("in", i))
			send(t, b, a, fmt.Sprint("out", i))
		}
		time.Sleep(time.Minute)
		expect(t, a)
		expect(t, b)
		if in, out := n.StatsTo("b"), n.StatsFrom("b"); in.Pending() != 3 || in.Dropped.Inbox != 2 || out.Pending() != 3 || out.Dropped.Outbox != 2 {
			t.Errorf("to b: %v; from b: %v", in, out)
		}
		n.Resume("b")
		expect(t, b, "in0", "in1", "in2")
		expect(t, a, "out0", "out1", "out2")
		send(t, a, b, "after")
		expect(t, b, "after")
		n.Resume("b") // not paused: nothing happens
		expect(t, b)
	})
}

func TestDropBacklog(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		n.Pause("b")
		send(t, a, b, "in")
		send(t, b, a, "out")
		if got := n.DropBacklog("b"); got != 2 {
			t.Errorf("DropBacklog = %d", got)
		}
		send(t, a, b, "later")
		n.Resume("b")
		expect(t, b, "later")
		expect(t, a)
		if s := n.Stats(); s.Dropped.Paused != 2 || s.Pending() != 0 {
			t.Errorf("%v", s)
		}
	})
}

func TestPausedSendersPacketsMeetTheLinkWhenTheyLeave(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		n.Pause("a")
		send(t, a, b, "x")
		n.Cut("a", "b")
		n.Resume("a")
		expect(t, b)
		if s := n.Stats(); s.Dropped.Cut != 1 {
			t.Errorf("%v", s)
		}
	})
}

func TestInboxIsBounded(t *testing.T) {
	bubble(t, memberlisttest.Options{Inbox: 2, Faults: faults{Latency: time.Millisecond}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		numbered(t, a, b, 5, 0)
		time.Sleep(time.Second)
		expect(t, b, "0000", "0001")
		if s := n.Stats(); s.Dropped.Inbox != 3 || s.Pending() != 0 {
			t.Errorf("%v", s)
		}
	})
}

func TestPacketsInFlightAreBounded(t *testing.T) {
	const limit = 1 << 16
	bubble(t, memberlisttest.Options{Inbox: 2 * limit, Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		for range limit + 10 {
			send(t, a, b, "x")
		}
		if s := n.Stats(); s.Pending() != limit || s.Dropped.Inbox != 10 {
			t.Errorf("%v", s)
		}
	})
}

func TestUnknownDestinationIsACountedDrop(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		if _, err := a.WriteTo([]byte("x"), "10.9.9.9:7946"); err != nil {
			t.Errorf("WriteTo: %v", err)
		}
		b.Shutdown()
		send(t, a, b, "x")
		if s := n.LinkStats("a", ""); s.Dropped.NoNode != 1 {
			t.Errorf("to an unused address: %v", s)
		}
		if s := n.LinkStats("a", "b"); s.Dropped.NoNode != 1 {
			t.Errorf("to a node that is gone: %v", s)
		}
	})
}

func TestWriteErrors(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a := n.Transport("a")
		for _, addr := range []string{"", "a", "localhost:7946", "10.0.0.1", "10.0.0.1:99999"} {
			var op *net.OpError
			if _, err := a.WriteTo([]byte("x"), addr); !errors.As(err, &op) || op.Op != "write" || op.Net != "udp" {
				t.Errorf("WriteTo(%q): %v", addr, err)
			}
		}
		if _, err := a.WriteTo(make([]byte, 65508), a.Addr()); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("too long: %v", err)
		}
		if _, err := a.WriteTo(make([]byte, 65507), a.Addr()); err != nil {
			t.Errorf("longest: %v", err)
		}
		a.Shutdown()
		if _, err := a.WriteTo([]byte("x"), a.Addr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Shutdown: %v", err)
		}
	})
}

func TestTapSeesEveryPacketOnce(t *testing.T) {
	var seen []string
	var n *network
	opts := memberlisttest.Options{
		Faults: faults{Loss: 1, Duplicate: 1},
		Tap: func(from, to string, packet []byte) {
			n.Stats() // calling back is allowed
			seen = append(seen, fmt.Sprintf("%s>%s:%s", from, to, packet))
		},
	}
	bubble(t, opts, func(t *testing.T, network *network) {
		n = network
		a, b := n.Transport("a"), n.Transport("b")
		send(t, a, b, "x")
		n.Pause("b")
		send(t, b, a, "y")
		b.Shutdown()
		send(t, a, b, "z")
		if want := []string{"a>b:x", "b>a:y", "a>b:z"}; !slices.Equal(seen, want) {
			t.Errorf("seen %q, want %q", seen, want)
		}
	})
}

func TestStatsAreKeptByLink(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b, c := n.Transport("a"), n.Transport("b"), n.Transport("c")
		send(t, a, b, "12")
		send(t, a, c, "345")
		send(t, b, c, "6")
		for _, c := range []struct {
			what        string
			got         memberlisttest.Stats
			sent, bytes uint64
		}{
			{"all", n.Stats(), 3, 6}, {"from a", n.StatsFrom("a"), 2, 5}, {"to c", n.StatsTo("c"), 2, 4},
			{"a to c", n.LinkStats("a", "c"), 1, 3}, {"c to a", n.LinkStats("c", "a"), 0, 0},
		} {
			if c.got.Sent != c.sent || c.got.SentBytes != c.bytes || c.got.Delivered != c.sent || c.got.DeliveredBytes != c.bytes {
				t.Errorf("%s: %v", c.what, c.got)
			}
		}
		want := "sent 3 (6 bytes), delivered 3 (6 bytes)"
		if got := n.Stats().String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	})
}

func TestAddressesAreUnique(t *testing.T) {
	n := memberlisttest.New(memberlisttest.Options{})
	defer n.Close()
	seen := make(map[string]bool)
	for i := range 600 {
		tr := n.Transport(fmt.Sprint(i))
		ip, port, err := tr.FinalAdvertiseAddr("", 1234)
		if err != nil || port != memberlisttest.Port || len(ip) != 4 || seen[tr.Addr()] || tr.Addr() != fmt.Sprintf("%v:%d", ip, port) {
			t.Fatalf("node %d: %v:%d at %s, %v", i, ip, port, tr.Addr(), err)
		}
		if ip[3] == 0 || ip[3] == 255 {
			t.Errorf("node %d has %v", i, ip)
		}
		seen[tr.Addr()] = true
	}
}

func TestFinalAdvertiseAddrRefusesForeignAddresses(t *testing.T) {
	n := memberlisttest.New(memberlisttest.Options{})
	defer n.Close()
	tr := n.Transport("a")
	for _, c := range []struct {
		ip   string
		port int
		ok   bool
	}{
		{"10.0.0.1", 7946, true}, {"::ffff:10.0.0.1", 7946, true},
		{"10.0.0.1", 7947, false}, {"10.0.0.2", 7946, false}, {"nonsense", 7946, false},
	} {
		ip, port, err := tr.FinalAdvertiseAddr(c.ip, c.port)
		if c.ok != (err == nil) || c.ok && (ip.String() != "10.0.0.1" || port != 7946) {
			t.Errorf("FinalAdvertiseAddr(%q, %d) = %v, %d, %v", c.ip, c.port, ip, port, err)
		}
	}
}

func TestRestartGetsItsAddressAgainOrAnother(t *testing.T) {
	bubble(t, memberlisttest.Options{}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		twin := n.Transport("a")
		if twin.Addr() == a.Addr() {
			t.Error("two running transports have the same address")
		}
		twin.Shutdown()
		b.Shutdown()
		again := n.Transport("b")
		if again.Addr() != b.Addr() {
			t.Errorf("restarted at %s instead of %s", again.Addr(), b.Addr())
		}
		send(t, a, again, "x")
		expect(t, again, "x")

		again.Shutdown()
		moved, err := n.TransportAt("b", netip.AddrPort{})
		if err != nil || moved.Addr() == b.Addr() {
			t.Errorf("moved to %v, %v", moved, err)
		}
		chosen, err := n.TransportAt("c", netip.MustParseAddrPort("[2001:db8::1]:80"))
		if err != nil || chosen.Addr() != "[2001:db8::1]:80" || chosen.Name() != "c" {
			t.Errorf("chose %v, %v", chosen, err)
		}
		send(t, a, chosen, "v6")
		expect(t, chosen, "v6")
	})
}

func TestTransportAtErrors(t *testing.T) {
	n := memberlisttest.New(memberlisttest.Options{})
	defer n.Close()
	a := n.Transport("a")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(a.AddrPort().Addr().As16()), a.AddrPort().Port())
	for _, c := range []struct {
		addr netip.AddrPort
		want error
	}{
		{a.AddrPort(), syscall.EADDRINUSE},
		{mapped, syscall.EADDRINUSE},
		{netip.MustParseAddrPort("0.0.0.0:1"), syscall.EADDRNOTAVAIL},
		{netip.MustParseAddrPort("10.1.1.1:0"), syscall.EADDRNOTAVAIL},
		{netip.AddrPortFrom(netip.Addr{}, 7), syscall.EADDRNOTAVAIL},
	} {
		tr, err := n.TransportAt("b", c.addr)
		var op *net.OpError
		if tr != nil || !errors.Is(err, c.want) || !errors.As(err, &op) || op.Op != "listen" {
			t.Errorf("TransportAt(%v) = %v, %v, want %v", c.addr, tr, err, c.want)
		}
	}
}

func TestShutdownDropsWhatIsUnderWay(t *testing.T) {
	bubble(t, memberlisttest.Options{Faults: faults{Latency: time.Second}}, func(t *testing.T, n *network) {
		a, b := n.Transport("a"), n.Transport("b")
		send(t, a, b, "under way")
		n.Pause("a")
		send(t, a, b, "held")
		if err := b.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := b.Shutdown(); err != nil {
			t.Error(err)
		}
		a.Shutdown()
		time.Sleep(time.Minute)
		expect(t, b)
		if s := n.Stats(); s.Dropped.NoNode != 1 || s.Dropped.Sender != 1 || s.Pending() != 0 {
			t.Errorf("%v", s)
		}
	})
}

func TestClosedNetworkGivesClosedTransports(t *testing.T) {
	n := memberlisttest.New(memberlisttest.Options{})
	a := n.Transport("a")
	n.Close()
	n.Close()
	for _, tr := range []*memberlisttest.Transport{a, n.Transport("b")} {
		if _, err := tr.WriteTo([]byte("x"), a.Addr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteTo: %v", err)
		}
		if _, err := tr.DialTimeout(a.Addr(), time.Second); !errors.Is(err, net.ErrClosed) {
			t.Errorf("DialTimeout: %v", err)
		}
		if err := tr.Shutdown(); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}
}

func TestInRealTime(t *testing.T) {
	const latency = 5 * time.Millisecond
	n := memberlisttest.New(memberlisttest.Options{Faults: faults{Latency: latency}})
	defer n.Close()
	a, b := n.Transport("a"), n.Transport("b")
	start := time.Now()
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for range 50 {
				send(t, a, b, "x")
			}
		})
	}
	for range 200 {
		<-b.PacketCh()
	}
	if d := time.Since(start); d < latency {
		t.Errorf("took %v, less than the latency", d)
	}
	senders.Wait()
}

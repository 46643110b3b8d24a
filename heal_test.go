package memberlist_test

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// healNode starts a member on the network.
func healNode(t *testing.T, net *memberlisttest.Network, name string, change func(*memberlist.Config)) *memberlist.Memberlist {
	t.Helper()
	conf := memberlist.DefaultLANConfig()
	conf.Name, conf.LogOutput = name, io.Discard
	conf.Transport = net.Transport(name)
	if change != nil {
		change(conf)
	}
	m, err := memberlist.Create(conf)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPartitionHealsUnaided is R25: two halves, and one against the rest, part
// for longer than every timer, and find each other without application code.
func TestPartitionHealsUnaided(t *testing.T) {
	for _, tt := range []struct {
		sizes   [2]int
		outage  time.Duration
		healing time.Duration
	}{
		{[2]int{3, 3}, 10 * time.Second, 30 * time.Second},
		{[2]int{3, 3}, 10 * time.Minute, 90 * time.Second},
		{[2]int{1, 5}, 10 * time.Minute, 90 * time.Second},
		{[2]int{1, 1}, 24 * time.Hour, 90 * time.Second},
	} {
		t.Run(fmt.Sprintf("%d against %d for %v", tt.sizes[0], tt.sizes[1], tt.outage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := memberlisttest.New(memberlisttest.Options{Seed: 1, Faults: memberlisttest.Faults{Latency: time.Millisecond}})
				defer net.Close()
				var members []*memberlist.Memberlist
				var halves [2][]string
				for half, size := range tt.sizes {
					for i := range size {
						name := fmt.Sprintf("n%d-%d", half, i)
						halves[half] = append(halves[half], name)
						m := healNode(t, net, name, nil)
						defer m.Shutdown()
						members = append(members, m)
						if len(members) > 1 {
							if _, err := m.Join([]string{members[0].LocalNode().Address()}); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				time.Sleep(10 * time.Second)
				net.Partition(halves[0], halves[1])
				time.Sleep(tt.outage)
				if tt.outage > time.Minute && members[0].NumMembers() != tt.sizes[0] {
					t.Fatalf("%d members in the first half, want %d: the partition is not one", members[0].NumMembers(), tt.sizes[0])
				}
				net.Heal()
				time.Sleep(tt.healing)
				for _, m := range members {
					if got := m.NumMembers(); got != len(members) {
						t.Errorf("%s sees %d members %v after the network healed, want %d", m.LocalNode().Name, got, tt.healing, len(members))
					}
				}
			})
		})
	}
}

// TestHealingCanBeSwitchedOff shows that it is healing that heals, and that the
// switch works.
func TestHealingCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memberlisttest.New(memberlisttest.Options{Seed: 1})
		defer net.Close()
		off := func(c *memberlist.Config) { c.HealInterval = -1 }
		a, b := healNode(t, net, "a", off), healNode(t, net, "b", off)
		defer a.Shutdown()
		defer b.Shutdown()
		if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
			t.Fatal(err)
		}
		net.Partition([]string{"a"}, []string{"b"})
		time.Sleep(5 * time.Minute)
		net.Heal()
		time.Sleep(10 * time.Minute)
		if a.NumMembers() != 1 || b.NumMembers() != 1 {
			t.Errorf("a sees %d, b sees %d members, want 1 each", a.NumMembers(), b.NumMembers())
		}
	})
}

// TestSeedThatStartsLater: Join fails because the seed is not up yet, and the
// node finds it later by itself (R27).
func TestSeedThatStartsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memberlisttest.New(memberlisttest.Options{Seed: 1})
		defer net.Close()
		a := healNode(t, net, "a", nil)
		defer a.Shutdown()
		seed := netip.MustParseAddrPort("10.9.9.9:7946")
		if n, err := a.Join([]string{seed.String()}); n != 0 || err == nil {
			t.Fatalf("Join of a node that does not run: %d, %v", n, err)
		}
		time.Sleep(10 * time.Minute)
		tr, err := net.TransportAt("b", seed)
		if err != nil {
			t.Fatal(err)
		}
		b := healNode(t, net, "b", func(c *memberlist.Config) { c.Transport = tr })
		defer b.Shutdown()
		time.Sleep(time.Minute)
		if a.NumMembers() != 2 || b.NumMembers() != 2 {
			t.Errorf("a sees %d, b sees %d members, want 2", a.NumMembers(), b.NumMembers())
		}
	})
}

// TestForgetEndsTheSearch: after Forget no more pings go to the lost member.
func TestForgetEndsTheSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := memberlisttest.New(memberlisttest.Options{Seed: 1})
		defer net.Close()
		a, b := healNode(t, net, "a", nil), healNode(t, net, "b", nil)
		defer a.Shutdown()
		if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
			t.Fatal(err)
		}
		b.Shutdown()
		time.Sleep(5 * time.Minute)
		sent := func(d time.Duration) uint64 {
			before := net.Stats().Sent
			time.Sleep(d)
			return net.Stats().Sent - before
		}
		if n := sent(10 * time.Minute); n == 0 || n > 60 {
			t.Errorf("%d packets in 10 minutes to a member that is gone, want about one every 30 s", n)
		}
		if !a.Forget("b") || a.Forget("b") {
			t.Error("Forget must find b once")
		}
		if n := sent(10 * time.Minute); n != 0 {
			t.Errorf("%d packets in 10 minutes after Forget, want none", n)
		}
	})
}

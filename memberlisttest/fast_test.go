package memberlisttest_test

import (
	"fmt"
	"log"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// TestPartitionAndHealWithinMilliseconds is for tests that measure time: with
// short intervals all of it, five members that fall apart and find each other
// again, is over within half a second of the cluster's own time. What a program
// would do about it hangs on the events, so these are what it looks at.
func TestPartitionAndHealWithinMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memberlisttest.New(memberlisttest.Options{Faults: memberlisttest.Faults{Latency: 100 * time.Microsecond}})
		t.Cleanup(network.Close)
		start := time.Now()

		members := map[string]*memberlist.Memberlist{}
		events := map[string]*memberlisttest.Events{}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			conf := memberlist.DefaultLANConfig()
			conf.Name = name
			conf.RequireNodeNames = true // packets carry the name they are meant for: a NodeAwareTransport takes it
			conf.Transport = network.Transport(name)
			conf.ProbeInterval, conf.ProbeTimeout = 5*time.Millisecond, 2*time.Millisecond
			conf.GossipInterval = time.Millisecond
			conf.HealInterval = 20 * time.Millisecond
			conf.Logger = log.New(t.Output(), name+" ", 0)
			events[name] = new(memberlisttest.Events)
			conf.Events = events[name]
			m, err := memberlist.Create(conf)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { m.Shutdown() })
			members[name] = m
			if name != "a" {
				if _, err := m.Join([]string{"a/" + members["a"].LocalNode().Address()}); err != nil {
					t.Fatal(err)
				}
			}
		}

		// told lets time pass until at has been told so about another member.
		told := func(at, about, want string) {
			t.Helper()
			for range 200 {
				synctest.Wait()
				if fmt.Sprint(events[at].About(about)) == want {
					t.Logf("%s was told %v after %v", at, want, time.Since(start))
					return
				}
				time.Sleep(time.Millisecond)
			}
			t.Fatalf("%s was told %v about %s, want %v", at, events[at].About(about), about, want)
		}
		told("a", "d", "[join d]")
		network.Partition([]string{"a", "b", "c"}, []string{"d", "e"})
		told("a", "d", "[join d fail d]")
		told("d", "a", "[join a fail a]")
		network.Heal()
		told("a", "d", "[join d fail d join d]")
		told("d", "a", "[join a fail a join a]")
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("all of it took %v", took)
		}
	})
}

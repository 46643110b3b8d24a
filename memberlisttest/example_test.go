package memberlisttest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// startNode runs a member on the network until the end of the test.
func startNode(t *testing.T, network *memberlisttest.Network, name string) (*memberlist.Memberlist, *memberlisttest.Events) {
	t.Helper()
	events := new(memberlisttest.Events)
	conf := memberlist.DefaultLANConfig()
	conf.Name = name
	conf.Transport = network.Transport(name)
	conf.Events = events
	conf.Logger = log.New(t.Output(), name+" ", 0)
	m, err := memberlist.Create(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Shutdown() })
	return m, events
}

// TestPartitionAndHealInACluster is the test that the package comment
// sketches, in full: five members, split three to two and put together again.
func TestPartitionAndHealInACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memberlisttest.New(memberlisttest.Options{
			Seed:   1,
			Faults: memberlisttest.Faults{Latency: time.Millisecond, Jitter: time.Millisecond},
		})
		t.Cleanup(network.Close)

		start := time.Now()
		names := []string{"a", "b", "c", "d", "e"}
		members := make(map[string]*memberlist.Memberlist)
		events := make(map[string]*memberlisttest.Events)
		for _, name := range names {
			members[name], events[name] = startNode(t, network, name)
			if _, err := members[name].Join([]string{members["a"].LocalNode().Address()}); err != nil {
				t.Fatal(err)
			}
		}
		sees := func(name string, want int) {
			t.Helper()
			if got := members[name].NumMembers(); got != want {
				t.Errorf("after %v, %s sees %d members, want %d", time.Since(start), name, got, want)
			}
		}

		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, name := range names {
			sees(name, 5)
		}

		// Longer than any suspicion lasts in a cluster of this size.
		network.Partition([]string{"a", "b", "c"}, []string{"d", "e"})
		time.Sleep(time.Minute)
		synctest.Wait()
		sees("a", 3)
		sees("d", 2)

		// The two sides look for those they lost, at the latest every
		// HealInterval and a half, which is 45 seconds.
		network.Heal()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		for _, name := range names {
			sees(name, 5)
		}
		want := "[join d fail d join d]"
		if got := fmt.Sprint(events["a"].About("d")); got != want {
			t.Errorf("a was told %v about d, want %v", got, want)
		}
	})
}

// A network also works without testing/synctest, in real time.
func Example() {
	network := memberlisttest.New(memberlisttest.Options{})
	defer network.Close()

	create := func(name string) *memberlist.Memberlist {
		conf := memberlist.DefaultLANConfig()
		conf.Name = name
		conf.Transport = network.Transport(name)
		conf.LogOutput = io.Discard
		m, err := memberlist.Create(conf)
		if err != nil {
			log.Fatal(err)
		}
		return m
	}
	a, b, c := create("a"), create("b"), create("c")
	defer a.Shutdown()
	defer b.Shutdown()
	defer c.Shutdown()
	join := []string{a.LocalNode().Address()}

	_, err := b.Join(join)
	fmt.Println("b joined:", err == nil, "and sees", b.NumMembers(), "members")

	network.Cut("a", "c") // c can still talk to a, but gets no answer
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = c.JoinContext(ctx, join)
	fmt.Println("c joined:", err == nil, "and sees", c.NumMembers(), "member")

	network.Heal()
	_, err = c.Join(join)
	fmt.Println("c joined:", err == nil, "and sees", c.NumMembers(), "members")

	// Output:
	// b joined: true and sees 2 members
	// c joined: false and sees 1 member
	// c joined: true and sees 3 members
}

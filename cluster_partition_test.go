package memberlist_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// names are those of the members from to to-1.
func (c *cluster) names(from, to int) []string {
	var names []string
	for _, m := range c.members[from:to] {
		names = append(names, m.name)
	}
	return names
}

// A partition that outlasts every timer leaves no trace of the other side in
// any table. The sides must find each other nevertheless, without any help.
func TestClusterPartitionHealsUnaided(t *testing.T) {
	for _, split := range []struct{ n, left int }{{2, 1}, {6, 3}, {8, 1}, {16, 5}} {
		t.Run(fmt.Sprintf("%d and %d", split.left, split.n-split.left), func(t *testing.T) {
			inCluster(t, split.n, nil, func(t *testing.T, c *cluster) {
				left, right := c.names(0, split.left), c.names(split.left, split.n)
				c.network.Partition(left, right)
				c.settle(2 * time.Minute)
				for i, m := range c.members {
					want := len(left)
					if i >= split.left {
						want = len(right)
					}
					if got := m.NumMembers(); got != want {
						t.Errorf("after 2 minutes, %s sees %d members, want %d", m.name, got, want)
					}
				}
				c.network.Heal()
				// Attempts come every HealInterval of 30 s and a half, on both
				// sides, and each reaches somebody: a few of them suffice.
				took := c.until(3*time.Minute, "one cluster again", func() bool {
					return c.everyone(func(m *member) bool { return m.NumMembers() == split.n })
				})
				t.Logf("one cluster again after %v", took)
				c.settle(2 * time.Minute)
				c.all(split.n)
				for i, m := range c.members {
					for j, other := range c.members {
						want := fmt.Sprintf("[join %s]", other.name)
						if (i < split.left) != (j < split.left) {
							want = fmt.Sprintf("[join %[1]s fail %[1]s join %[1]s]", other.name)
						}
						if got := fmt.Sprint(m.events.About(other.name)); got != want {
							t.Errorf("%s was told %s, want %s", m.name, got, want)
						}
					}
				}
			})
		})
	}
}

// A partition shorter than the shortest suspicion is not noticed by users.
func TestClusterBriefPartitionGoesUnnoticed(t *testing.T) {
	inCluster(t, 8, nil, func(t *testing.T, c *cluster) {
		c.network.Partition(c.names(0, 4), c.names(4, 8))
		c.settle(3 * time.Second)
		c.network.Heal()
		c.settle(time.Minute)
		c.all(8)
		c.quiet()
	})
}

// A member that was suspended for long is declared dead, and comes back by
// itself: it finds out, refutes, and is believed.
func TestClusterSuspendedMemberComesBack(t *testing.T) {
	for _, n := range []int{2, 8} {
		t.Run(fmt.Sprintf("%d members", n), func(t *testing.T) {
			inCluster(t, n, nil, func(t *testing.T, c *cluster) {
				suspended := c.stop(n - 1)
				c.network.Pause(suspended.name)
				c.until(time.Minute, "death", func() bool {
					return c.everyone(func(m *member) bool { return m.lookup(suspended.name) == nil })
				})
				c.settle(time.Minute)
				c.network.DropBacklog(suspended.name)
				c.network.Resume(suspended.name)
				c.members = append(c.members, suspended)
				c.until(3*time.Minute, "return", func() bool {
					return c.everyone(func(m *member) bool { return m.NumMembers() == n })
				})
				c.settle(time.Minute)
				c.all(n)
				c.told(suspended.name, fmt.Sprintf("[join %[1]s fail %[1]s join %[1]s]", suspended.name))
			})
		})
	}
}

// A member that hears nothing but is heard believes that everybody else has
// failed. The others must not believe it.
func TestClusterDeafMemberConvincesNobody(t *testing.T) {
	inCluster(t, 8, nil, func(t *testing.T, c *cluster) {
		deaf := c.stop(7)
		c.network.Cut(memberlisttest.Any, deaf.name)
		c.settle(3 * time.Minute)
		for _, m := range c.members {
			for _, other := range c.members {
				if got, want := fmt.Sprint(m.events.About(other.name)), fmt.Sprintf("[join %s]", other.name); got != want {
					t.Errorf("%s was told %s about a healthy member", m.name, got)
				}
			}
			// It does not answer, so it dies; that its voice is still heard must
			// not make it come and go for ever.
			if got := len(m.events.About(deaf.name)); got > 4 {
				t.Errorf("%s was told %d events about the deaf member: %v", m.name, got, m.events.About(deaf.name))
			}
		}
		c.network.Heal()
		c.members = append(c.members, deaf)
		c.until(3*time.Minute, "one cluster again", func() bool {
			return c.everyone(func(m *member) bool { return m.NumMembers() == 8 })
		})
	})
}

// One member with a bad line makes itself and nobody else suspect.
func TestClusterBadLineOfOneMember(t *testing.T) {
	packetsOnly := func(conf *memberlist.Config) { conf.DisableTcpPings = true }
	inCluster(t, 12, packetsOnly, func(t *testing.T, c *cluster) {
		bad := c.members[11].name
		line := faults{Latency: 200 * time.Millisecond, Jitter: 200 * time.Millisecond, Loss: 0.5}
		c.network.SetLink(memberlisttest.Any, bad, line)
		c.network.SetLink(bad, memberlisttest.Any, line)
		c.settle(2 * time.Minute)
		for _, m := range c.members[:11] {
			for _, e := range m.events.All() {
				if e.Kind == memberlist.NodeLeave && e.Node.Name != bad {
					t.Errorf("%s was told %q", m.name, e)
				}
			}
		}
		c.network.ResetLink(memberlisttest.Any, bad)
		c.network.ResetLink(bad, memberlisttest.Any)
		c.until(3*time.Minute, "recovery", func() bool {
			return c.everyone(func(m *member) bool { return m.NumMembers() == 12 })
		})
	})
}

// Every way of framing packets and streams carries a whole cluster.
func TestClusterInEveryFraming(t *testing.T) {
	for name, edit := range map[string]func(*memberlist.Config){
		"label":       func(conf *memberlist.Config) { conf.Label = "blue" },
		"plain":       func(conf *memberlist.Config) { conf.EnableCompression = false },
		"version 1":   func(conf *memberlist.Config) { conf.ProtocolVersion = 1 },
		"version 5":   func(conf *memberlist.Config) { conf.ProtocolVersion = 5 },
		"encrypted":   func(conf *memberlist.Config) { conf.SecretKey = []byte("0123456789abcdef") },
		"both":        func(conf *memberlist.Config) { conf.SecretKey, conf.Label = []byte("0123456789abcdef"), "blue" },
		"tiny packet": func(conf *memberlist.Config) { conf.UDPBufferSize = 200 },
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 8, edit, func(t *testing.T, c *cluster) {
				c.members[7].user.setMeta("new")
				if err := c.members[7].UpdateNode(10 * time.Second); err != nil {
					t.Errorf("UpdateNode: %v", err)
				}
				c.spread("metadata", func(m *member) bool { return string(m.lookup(memberName(7)).Meta) == "new" })
				c.settle(time.Minute)
				c.all(8)
				c.quiet()
				dead := c.crash(3)
				c.until(time.Minute, "death", func() bool {
					return c.everyone(func(m *member) bool { return m.lookup(dead.name) == nil })
				})
			})
		})
	}
}

// It uses the scenarios of sim_detect_test.go, which run without the race detector.
//
//go:build !race

package memberlist

import (
	"testing"
	"time"
)

// TestGossipCreditReturnsWithADelegate: rounds in which the Delegate has
// nothing to say cost nothing, so the credit that news has used comes back and
// later news is as quick as the first.
func TestGossipCreditReturnsWithADelegate(t *testing.T) {
	const n = 64
	c := warmCluster(n, 1, fixedLink, func(p *params) { p.userGossip = true })
	for update := range 5 {
		// Each uses up about all that may follow at once.
		for range 8 {
			c.updateMeta(c.nodes[1], 20)
			c.run(20 * time.Millisecond)
		}
		c.run(gossipBurst * 200 * time.Millisecond)
		from := c.nodes[0]
		c.updateMeta(from, 20)
		start := c.net.Now()
		all := c.runUntil(5*time.Second, 2*time.Millisecond, func() bool {
			for _, other := range c.nodes {
				if other.core.table.named(from.name).incarnation < from.core.incarnation {
					return false
				}
			}
			return true
		})
		if took := c.net.Now() - start; !all || took > 60*time.Millisecond {
			t.Errorf("update %d reached everybody after %v: %v", update, took, all)
		}
	}
}

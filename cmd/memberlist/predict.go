package main

import (
	"math"
	"time"

	"github.com/swimguard/memberlist"
)

// detection is what a configuration promises about a member that crashes:
// how long until the others say that it has failed. It assumes a network without
// loss, members that are healthy, and no PauseTolerance.
type detection struct {
	soonest, verdict time.Duration // from the probe that gets no answer to the suspicion, on a quick network and at most
	confirms         int           // members that have to confirm a suspicion for it to be as short as it can
	min, max         time.Duration // how long a suspicion lasts with all confirmations, and with none

	// From the crash to the first member that declares the crashed one failed.
	earliest time.Duration
	usual    time.Duration // on a network where acks take milliseconds
	latest   time.Duration
}

// quickAck is the share of ProbeTimeout that an ack is waited for at least,
// even when the member is known to answer much faster.
const quickAck = 5

// predictDetection computes the promise for one crash in a cluster. table is
// how many members the survivors remember, the crashed one and those that left
// lately included. running is how many were running before the crash.
func predictDetection(c *memberlist.Config, table, running int) detection {
	var d detection

	// An unanswered probe is pursued to the end of its interval, through helpers
	// and over a stream. It ends sooner when all helpers say that they got no
	// answer either: they have two ack times, after one for the ping itself.
	d.verdict = c.ProbeInterval
	d.soonest = d.verdict
	ack := c.ProbeTimeout / quickAck
	if running > 2 && c.IndirectChecks > 0 {
		d.soonest = min(d.verdict, 3*ack)
	}

	// The larger the cluster, the longer gossip takes to reach the suspect and
	// its refutation to come back, so the shortest suspicion grows with log10.
	scale := math.Trunc(1000*max(1, math.Log10(float64(table)))) / 1000
	d.min = time.Duration(float64(c.SuspicionMult) * scale * float64(c.ProbeInterval))
	d.max = d.min

	// Lifeguard: an accuser that stands alone may be the sick one, so it waits
	// longer. That makes no sense where there are not enough others to ask.
	if k := c.SuspicionMult - 2; k >= 1 && table-2 >= k {
		d.confirms = k
		d.max = time.Duration(c.SuspicionMaxTimeoutMult) * d.min
	}

	// The last ping, before the end of a suspicion, takes no time of its own.
	d.earliest = d.soonest + d.min
	// Together the members probe each member once in an interval.
	d.usual = c.ProbeInterval + d.earliest
	// That needs clocks and tables that agree. Without, each member still goes
	// through all others in some order before it begins again: first in one round
	// and last in the next is the longest gap.
	gap := 2*(running-1) - 1
	d.latest = time.Duration(gap)*c.ProbeInterval + d.verdict + d.max + c.ProbeTimeout // of the last ping, should acks become late meanwhile
	return d
}

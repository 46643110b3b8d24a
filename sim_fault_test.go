package memberlist

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/swimguard/memberlist/internal/simnet"
	"github.com/swimguard/memberlist/internal/wire"
)

// simFault is one thing that goes wrong, or that a user does, at one time. A
// fault that lasts undoes itself, so that any of a case's faults can be left
// out and the others still make sense. As text:
//
//	12s crash n3 for=10s moved       the process dies, and starts again at a new address
//	12s leave n3 for=10s             it leaves, stops, and starts again
//	12s pause n3 for=5s stopped      it sends and receives nothing; stopped: nor do its timers run
//	12s slow n3 by=500ms for=9s      it reads packets up to that late
//	12s clock n3 by=-3s              its clock jumps
//	12s mute n3 for=5s               its host refuses to send
//	12s starve n3 share=2000 for=5s  its host sends so many bytes per second
//	12s cut n3 n4 for=5s             nothing passes from n3 to n4
//	12s partition n3 n4 for=5s       nothing passes between these and others
//	12s loss share=0.2 for=5s        also: duplicate, reorder
//	12s latency by=50ms for=5s       an exponential delay of that mean is added
//	12s meta n3 share=100            new metadata of so many bytes
//	12s accuse n3 n4 share=5 dead    somebody forges to n3 that n4 is suspect, or dead,
//	                                 at an incarnation that much higher than the true one
//	12s ping n3 n4                   a user pings
//	12s join n3 n4                   a user joins
type simFault struct {
	at, lasts time.Duration
	verb      string
	nodes     []int
	by        time.Duration
	share     float64
	word      string // moved, stopped or dead
}

func (f simFault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s", f.at, f.verb)
	for _, n := range f.nodes {
		fmt.Fprintf(&b, " n%d", n)
	}
	if f.by != 0 {
		fmt.Fprintf(&b, " by=%v", f.by)
	}
	if f.share != 0 {
		fmt.Fprintf(&b, " share=%v", f.share)
	}
	if f.lasts != 0 {
		fmt.Fprintf(&b, " for=%v", f.lasts)
	}
	if f.word != "" {
		fmt.Fprintf(&b, " %s", f.word)
	}
	return b.String()
}

// simVerbs is how many nodes each verb names; -1 for any number.
var simVerbs = map[string]int{
	"crash": 1, "leave": 1, "pause": 1, "slow": 1, "clock": 1, "mute": 1, "starve": 1, "meta": 1,
	"cut": 2, "accuse": 2, "ping": 2, "join": 2, "partition": -1, "loss": 0, "duplicate": 0, "reorder": 0, "latency": 0,
}

func parseSimFault(line string) (f simFault, err error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return f, fmt.Errorf("%q is no fault", line)
	}
	if f.at, err = time.ParseDuration(words[0]); err != nil {
		return f, err
	}
	f.verb = words[1]
	for _, w := range words[2:] {
		name, value, named := strings.Cut(w, "=")
		var i int
		switch {
		case named && name == "for":
			f.lasts, err = time.ParseDuration(value)
		case named && name == "by":
			f.by, err = time.ParseDuration(value)
		case named && name == "share":
			f.share, err = strconv.ParseFloat(value, 64)
		case w == "moved" || w == "stopped" || w == "dead":
			f.word = w
		case strings.HasPrefix(w, "n"):
			if i, err = strconv.Atoi(w[1:]); err == nil {
				f.nodes = append(f.nodes, i)
			}
		default:
			err = fmt.Errorf("unknown word")
		}
		if err != nil {
			return f, fmt.Errorf("%q: %q: %v", line, w, err)
		}
	}
	if want, ok := simVerbs[f.verb]; !ok || want >= 0 && len(f.nodes) != want {
		return f, fmt.Errorf("%q: no such fault of %d nodes", line, len(f.nodes))
	}
	return f, nil
}

// schedule makes the fault happen, and end, at its time.
func (c *simCluster) schedule(f simFault) {
	c.quiet = maxQuiet
	c.after(f.at-c.net.Now(), func() {
		if undo := c.apply(f); undo != nil && f.lasts > 0 {
			c.after(f.lasts, undo)
		}
	})
}

// apply lets the fault happen and returns what ends it. What makes no sense at
// the moment, because the process does not run, does not happen.
func (c *simCluster) apply(f simFault) (undo func()) {
	var n, to *simNode
	if len(f.nodes) > 0 {
		n = c.nodes[f.nodes[0]]
	}
	if len(f.nodes) > 1 {
		to = c.nodes[f.nodes[1]]
	}
	life := 0
	if n != nil && simVerbs[f.verb] == 1 {
		if !n.up || n.leaving {
			return nil
		}
		life = n.life
	}
	alive := func() bool { return n.up && n.life == life }
	back := func() {
		if !n.up && n.life == life {
			c.restart(n, f.word == "moved")
		}
	}
	link := c.net.Default()
	switch f.verb {
	case "crash":
		c.crash(n)
		return back
	case "leave":
		c.leave(n)
		return back
	case "pause":
		c.net.Pause(n.i, f.word == "stopped")
		return func() {
			if alive() {
				c.net.Resume(n.i)
			}
		}
	case "slow":
		c.net.Slow(n.i, simnet.Delay{Spread: f.by})
		return func() { c.net.Slow(n.i, simnet.Delay{}) }
	case "clock":
		c.net.JumpClock(n.i, f.by)
	case "mute":
		n.mute = true
		return func() { n.mute = false }
	case "starve":
		c.net.SetBandwidth(n.i, f.share, time.Second)
		return func() { c.net.SetBandwidth(n.i, 0, 0) }
	case "cut":
		c.net.Cut(n.i, to.i)
		return func() { c.net.Mend(n.i, to.i) }
	case "partition":
		c.lastID++
		c.net.Partition(int(c.lastID), f.nodes...)
		return func() { c.net.Partition(0, f.nodes...) }
	case "loss":
		link.Loss = f.share
	case "duplicate":
		link.Duplicate = f.share
	case "reorder":
		link.Reorder = f.share
	case "latency":
		link.Latency = simnet.Delay{Min: link.Latency.Min, Spread: f.by, Shape: simnet.Exponential}
	case "meta":
		c.updateMeta(n, int(f.share))
	case "accuse":
		if n.up && to.core != nil {
			c.accuse(n, to, uint64(f.share), f.word == "dead")
		}
	case "ping":
		if n.up && to.up {
			n.core.ping(c.now(n), to.core.self.endpoint())
			c.perform(n)
		}
	case "join":
		if n.up && to.up && !n.leaving {
			c.join(n, to)
		}
	}
	if simVerbs[f.verb] == 0 {
		c.net.SetDefault(link)
		return func() { c.net.SetDefault(c.opts.link) }
	}
	return nil
}

// accuse makes n hear that another node is suspect or dead, from somebody who
// is no member, at an incarnation so much above the true one.
func (c *simCluster) accuse(n, other *simNode, above uint64, dead bool) {
	incarnation := uint32(min(uint64(other.core.incarnation)+above, math.MaxUint32))
	if dead {
		n.core.handleDead(c.now(n), &wire.Dead{Incarnation: incarnation, Node: []byte(other.name), From: []byte("x")})
	} else {
		n.core.handleSuspect(c.now(n), &wire.Suspect{Incarnation: incarnation, Node: []byte(other.name), From: []byte("x")})
	}
	c.perform(n)
}

// calm ends all faults at once: the network is perfect but for a millisecond
// of latency, everybody who runs can work, and who was to be restarted is not.
func (c *simCluster) calm() {
	c.quiet = c.net.Now() + 10*time.Second
	c.net.Heal()
	c.opts.link = simLink // also for a fault that ends at this moment
	c.net.SetDefault(simLink)
	for _, n := range c.nodes {
		n.mute = false
		c.net.SetBandwidth(n.i, 0, 0)
		c.net.Slow(n.i, simnet.Delay{})
		if n.up {
			c.net.Resume(n.i)
		}
	}
}

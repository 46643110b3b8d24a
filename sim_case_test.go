package memberlist

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// simCase is a whole run as data: a cluster, what goes wrong, and when that ends.
//
//	boot ─ faults until ends ─ calm: each component agrees ─ still does ─ join: all agree ─ quiet
type simCase struct {
	seed   uint64
	nodes  int
	ends   time.Duration // when the faults end
	loss   float64       // of every link, while faults last
	params map[string]string
	faults []simFault
}

// simCaseParams is the part of params that cases vary, by the names in scripts.
var simCaseParams = map[string]func(p *params, v string) error{
	"mult":         func(p *params, v string) error { return parseInto(&p.suspicionMult, v, strconv.Atoi) },
	"maxmult":      func(p *params, v string) error { return parseInto(&p.suspicionMaxMult, v, strconv.Atoi) },
	"awareness":    func(p *params, v string) error { return parseInto(&p.awarenessMax, v, strconv.Atoi) },
	"checks":       func(p *params, v string) error { return parseInto(&p.indirectChecks, v, strconv.Atoi) },
	"fanout":       func(p *params, v string) error { return parseInto(&p.gossipNodes, v, strconv.Atoi) },
	"retransmit":   func(p *params, v string) error { return parseInto(&p.retransmitMult, v, strconv.Atoi) },
	"probe":        func(p *params, v string) error { return parseInto(&p.probeInterval, v, time.ParseDuration) },
	"timeout":      func(p *params, v string) error { return parseInto(&p.probeTimeout, v, time.ParseDuration) },
	"gossip":       func(p *params, v string) error { return parseInto(&p.gossipInterval, v, time.ParseDuration) },
	"todead":       func(p *params, v string) error { return parseInto(&p.gossipToDead, v, time.ParseDuration) },
	"pushpull":     func(p *params, v string) error { return parseInto(&p.pushPullInterval, v, time.ParseDuration) },
	"reclaim":      func(p *params, v string) error { return parseInto(&p.reclaim, v, time.ParseDuration) },
	"heal":         func(p *params, v string) error { return parseInto(&p.healInterval, v, time.ParseDuration) },
	"healfor":      func(p *params, v string) error { return parseInto(&p.healFor, v, time.ParseDuration) },
	"tolerance":    func(p *params, v string) error { return parseInto(&p.pauseTolerance, v, time.ParseDuration) },
	"streampings":  func(p *params, v string) error { return parseInto(&p.streamPings, v, strconv.ParseBool) },
	"usermessages": func(p *params, v string) error { return parseInto(&p.userGossip, v, strconv.ParseBool) },
	"confirm":      func(p *params, v string) error { return parseInto(&p.confirmNewcomers, v, strconv.ParseBool) },
	"off": func(p *params, v string) error {
		n, err := strconv.Atoi(v)
		p.off = mechanism(n)
		return err
	},
}

func parseInto[T any](to *T, v string, parse func(string) (T, error)) (err error) {
	*to, err = parse(v)
	return err
}

// configure sets what the case says about p.
func (sc *simCase) configure(p *params) {
	for name, v := range sc.params {
		if err := simCaseParams[name](p, v); err != nil {
			panic(err) // parseSimCase has tried it
		}
	}
}

// String is the case as the input of a script.
func (sc *simCase) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster nodes=%d seed=%d ends=%v", sc.nodes, sc.seed, sc.ends)
	if sc.loss > 0 {
		fmt.Fprintf(&b, " loss=%v", sc.loss)
	}
	for _, name := range sortedKeys(sc.params) {
		fmt.Fprintf(&b, " %s=%s", name, sc.params[name])
	}
	for _, f := range sc.faults {
		fmt.Fprintf(&b, "\n%v", f)
	}
	return b.String()
}

// parseSimCase reads what String writes: the named values of the first line,
// and the lines after it.
func parseSimCase(named map[string]string, lines []string) (*simCase, error) {
	sc := &simCase{params: map[string]string{}}
	for _, name := range sortedKeys(named) {
		v := named[name]
		var err error
		switch name {
		case "nodes":
			sc.nodes, err = strconv.Atoi(v)
		case "seed":
			sc.seed, err = strconv.ParseUint(v, 10, 64)
		case "ends":
			sc.ends, err = time.ParseDuration(v)
		case "loss":
			sc.loss, err = strconv.ParseFloat(v, 64)
		default:
			set := simCaseParams[name]
			if set == nil {
				return nil, fmt.Errorf("unknown parameter %s", name)
			}
			sc.params[name], err = v, set(&params{}, v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, line := range lines {
		f, err := parseSimFault(line)
		if err != nil {
			return nil, err
		}
		for _, i := range f.nodes {
			if i >= sc.nodes {
				return nil, fmt.Errorf("%v: there are %d nodes", f, sc.nodes)
			}
		}
		sc.faults = append(sc.faults, f)
	}
	return sc, nil
}

// simResult is how a case went.
type simResult struct {
	err        error
	rule       string // which rule was broken
	events     uint64
	virtual    time.Duration
	components int
	healed     time.Duration // from calm until each component agreed
	joined     time.Duration // from joining until all agreed
	deaths     int           // announced at some node about one that ran and did not leave
	hash       uint64
	cluster    *simCluster
}

// settleTime bounds how long suspicions and last looks from before the calm,
// and table entries of old addresses, can still matter.
func settleTime(p *params, nodes int) time.Duration {
	_, _, longest := suspicionTimes(p.suspicionMult, p.suspicionMaxMult, nodes, p.probeInterval)
	return longest*(1+maxSpared) + time.Duration(p.awarenessMax)*p.probeInterval + p.gossipToDead + 10*time.Second
}

// agreeLimit is the number of push/pull intervals within which a component
// agrees once it is left in peace.
const agreeLimit = 20

// healLimit is the number of heal intervals within which components that
// remember each other are one again.
const healLimit = 10

// healable says whether the parts of a cluster must find each other without a
// join: they look for whom they lost, and no process has forgotten that.
func (sc *simCase) healable(p *params) bool {
	return p.healInterval > 0 && sc.params["healfor"] == "" &&
		!slices.ContainsFunc(sc.faults, func(f simFault) bool { return f.verb == "crash" || f.verb == "leave" })
}

// run runs the case. It stops at the first rule broken.
func (sc *simCase) run(trace *simTrace) (r simResult) {
	if trace == nil {
		trace = &simTrace{}
	}
	link := simLink
	link.Loss = sc.loss
	c := newSimCluster(simOptions{nodes: sc.nodes, seed: sc.seed, link: link, params: sc.configure, checks: true, trace: trace})
	r.cluster = c
	c.onEvent = func(n *simNode, x notice) {
		if other := c.nodeOf(x.node.Name); x.kind == noticeLeave && other.up && !other.leaving {
			r.deaths++
		}
	}
	defer func() {
		if c.err != nil {
			r.err, r.rule = c.err, c.rule
		}
		r.events, r.virtual, r.hash = c.net.Stats().Events, c.net.Now(), trace.hash
	}()
	c.bootAll()
	for _, f := range sc.faults {
		c.schedule(f)
	}
	c.run(sc.ends)
	c.calm()
	if len(c.truth()) == 0 {
		return r
	}
	p := &c.truth()[0].core.p
	limit := agreeLimit*p.pushPullInterval + settleTime(p, sc.nodes)
	for _, calm := range []time.Duration{0, settleTime(p, sc.nodes)} {
		c.run(calm)
		if !c.runUntil(limit, p.probeInterval, func() bool { return c.disagreements(c.components(c.truth())) == "" }) {
			r.rule, r.err = "component", fmt.Errorf("at %v, %v after the faults ended: %s", c.net.Now(), c.net.Now()-sc.ends, c.disagreements(c.components(c.truth())))
			return r
		}
		if calm == 0 {
			r.healed = c.net.Now() - sc.ends
		}
	}
	components := c.components(c.truth())
	r.components = len(components)
	if sc.healable(p) && r.components > 1 {
		limit := healLimit * p.healInterval
		if !c.runUntil(limit, p.probeInterval, func() bool { return c.disagreement(c.truth()) == "" }) {
			r.rule, r.err = "heal", fmt.Errorf("at %v, %d components have not found each other in %v", c.net.Now(), r.components, limit)
			return r
		}
	}

	calm := c.net.Now()
	for _, nodes := range components[1:] {
		c.join(nodes[0], components[0][0])
	}
	if !c.runUntil(limit, p.probeInterval, func() bool { return c.disagreement(c.truth()) == "" }) {
		r.rule, r.err = "join", fmt.Errorf("at %v, %v after %d components joined: %s", c.net.Now(), c.net.Now()-calm, r.components, c.disagreement(c.truth()))
		return r
	}
	r.joined = c.net.Now() - calm

	deaths := r.deaths
	c.run(time.Minute)
	switch {
	case r.deaths > deaths:
		r.rule, r.err = "peace", errors.New("a death in a cluster left in peace")
	case c.disagreement(c.truth()) != "":
		r.rule, r.err = "lasting", errors.New("agreement did not last: "+c.disagreement(c.truth()))
	default:
		r.rule, r.err = "quiet", c.restless()
	}
	return r
}

// disagreements is the first disagreement within one of the components.
func (c *simCluster) disagreements(components [][]*simNode) string {
	for _, nodes := range components {
		if d := c.disagreement(nodes); d != "" {
			return d
		}
	}
	return ""
}

// restless says what is still going on in a cluster that has nothing left to do.
func (c *simCluster) restless() error {
	for _, n := range c.truth() {
		s := n.core
		// Only answers of others can improve a health score.
		unwell := s.health.score > 0 && s.table.live() > 1
		if s.queued() > 0 || len(s.relays) > 0 || len(s.pings) > 0 || len(s.looks) > 0 || len(s.moves) > 0 || unwell {
			return fmt.Errorf("%s still has %d messages queued, %d relays, %d pings, %d last looks, health score %d",
				n.name, s.queued(), len(s.relays), len(s.pings), len(s.looks), s.health.score)
		}
	}
	if len(c.ends) > 0 {
		for w := range c.ends {
			if w.node.up && w.node.life == w.life {
				return fmt.Errorf("%s still waits for ticket %d", w.node.name, w.ticket)
			}
		}
	}
	return nil
}

func (c *simCluster) nodeOf(name string) *simNode {
	i, err := strconv.Atoi(name[1:])
	if err != nil {
		panic(err)
	}
	return c.nodes[i]
}

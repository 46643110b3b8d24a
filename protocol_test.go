package memberlist

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/script"
	"github.com/swimguard/memberlist/internal/wire"
)

// TestProtocol runs the stories in testdata/protocol against one core called
// "me" at 10.0.0.1:7946. Other names are at 10.0.0.<letter>: b is 10.0.0.2.
// Gossip and push/pull are off unless a story turns them on, so that it shows
// what it is about.
func TestProtocol(t *testing.T) {
	script.Walk(t, "testdata/protocol/*.txt", func(t *testing.T) func(script.Command) string {
		r := &protocolRunner{t: t, now: protocolStart}
		return r.run
	})
}

var protocolStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type protocolRunner struct {
	t   *testing.T
	s   *swim
	now time.Time
	out strings.Builder
}

func (r *protocolRunner) run(c script.Command) string {
	r.out.Reset()
	if r.s == nil && c.Name != "node" {
		r.t.Fatalf("%s: the first command must be node", c.Pos)
	}
	switch c.Name {
	case "node":
		r.node(c)
	case "alive":
		lines := c.Input
		if len(c.Args) > 0 {
			lines = append([]string{c.Line}, lines...)
		}
		for _, line := range lines {
			a := r.aliveOf(c, strings.Fields(line))
			r.s.handleAlive(r.now, &a)
		}
	case "suspect":
		r.s.handleSuspect(r.now, &wire.Suspect{Incarnation: r.num(c, "inc", "1"), Node: []byte(c.Args[0]), From: []byte(c.Arg("from", ""))})
	case "dead":
		r.s.handleDead(r.now, &wire.Dead{Incarnation: r.num(c, "inc", "1"), Node: []byte(c.Args[0]), From: []byte(c.Arg("from", ""))})
	case "ping":
		from := c.Arg("from", "b")
		m := wire.Ping{SeqNo: r.num(c, "seq", "1"), Node: []byte(c.Arg("node", "me"))}
		m.SourceAddr, m.SourcePort, m.SourceNode = addrOf(c.Arg("claim", from)), 7946, []byte(c.Arg("name", from))
		source := endpointOf(from)
		r.s.handlePing(r.now, &source, &m, []byte(c.Arg("payload", "")))
	case "indirect":
		from, target := c.Arg("from", "b"), c.Arg("target", "c")
		m := wire.IndirectPing{SeqNo: r.num(c, "seq", "1"), Target: addrOf(target), Port: 7946, Node: []byte(target), Nack: c.Arg("nack", "yes") == "yes"}
		m.SourceAddr, m.SourcePort, m.SourceNode = addrOf(from), 7946, []byte(from)
		source := endpointOf(from)
		r.s.handleIndirectPing(r.now, &source, &m)
	case "ack":
		r.s.handleAck(r.now, r.now, &wire.Ack{SeqNo: r.num(c, "seq", "1"), Payload: []byte(c.Arg("payload", ""))})
	case "nack":
		var from endpoint
		if name := c.Arg("from", ""); name != "" {
			from = endpointOf(name)
		}
		r.s.handleNack(r.now, from, &wire.Nack{SeqNo: r.num(c, "seq", "1")})
	case "merge":
		r.merge(c)
	case "dialed":
		r.s.dialed(r.now, dialID(r.num(c, "id", "1")), c.Arg("ok", "yes") == "yes")
	case "sendfailed":
		r.s.sendFailed(r.now, r.num(c, "seq", "1"))
	case "update":
		r.ticket(r.s.updateMeta(r.now, []byte(c.Arg("meta", ""))))
	case "leave":
		r.ticket(r.s.leave(r.now))
	case "userping":
		to := endpointOf(c.Args[0])
		to.name = c.Args[0]
		r.ticket(r.s.ping(r.now, to))
	case "seeds":
		r.s.setSeeds(r.now, true, c.Arg("missing", "no") == "yes")
	case "explain":
		why, ok := r.s.explain(r.now, c.Args[0])
		fmt.Fprintf(&r.out, "known: %v, %s\n", ok, stateName(why.State))
		if !why.HeldUntil.IsZero() {
			fmt.Fprintf(&r.out, "held until %.3fs, penalty %.2f\n", why.HeldUntil.Sub(protocolStart).Seconds(), why.Penalty)
		}
		for _, e := range why.Evidence {
			fmt.Fprintf(&r.out, "%.3fs %v\n", e.At.Sub(protocolStart).Seconds(), e)
		}
	case "forget":
		fmt.Fprintf(&r.out, "forgotten: %v\n", r.s.forget(c.Args[0]))
	case "sleep": // the process does not run
		d, err := time.ParseDuration(c.Args[0])
		if err != nil {
			r.t.Fatalf("%s: %v", c.Pos, err)
		}
		r.now = r.now.Add(d)
		r.s.expire(r.now)
	case "advance":
		r.advance(c)
	case "members":
		r.members()
	default:
		r.t.Fatalf("%s: unknown command %s", c.Pos, c.Name)
	}
	r.effects("")
	return r.out.String()
}

func (r *protocolRunner) node(c script.Command) {
	duration := func(name, otherwise string) time.Duration {
		d, err := time.ParseDuration(c.Arg(name, otherwise))
		if err != nil {
			r.t.Fatalf("%s: %v", c.Pos, err)
		}
		return d
	}
	p := params{
		name: "me", protocolVersion: 2, bindPort: 7946,
		probeInterval: duration("probe", "1s"), probeTimeout: duration("timeout", "500ms"),
		indirectChecks: int(r.num(c, "helpers", "3")), streamPings: c.Arg("streams", "no") == "yes", awarenessMax: 8,
		pauseTolerance: duration("tolerance", "0"), suspicionMult: int(r.num(c, "suspicion", "4")), suspicionMaxMult: 6,
		gossipInterval: duration("gossip", "0"), gossipNodes: int(r.num(c, "fanout", "3")),
		gossipToDead: duration("todead", "30s"), retransmitMult: int(r.num(c, "retransmit", "4")), packetRoom: 1393,
		reclaim: duration("reclaim", "0"), pushPullInterval: duration("pushpull", "0"),
		healInterval: duration("heal", "0"), healFor: 72 * time.Hour, flapHold: defaultFlapHold,
	}
	p.confirmNewcomers = c.Arg("confirm", "no") == "yes"
	p.off = map[string]mechanism{"": 0, "verify": mechVerify, "deafness": mechDeafness}[c.Arg("off", "")]
	r.s = newSwim(p, rand.New(rand.NewPCG(1, uint64(r.num(c, "seed", "1")))))
	var self *Node
	if c.Arg("refused", "no") == "no" {
		self = &Node{Name: "me", Addr: addrOf("me"), Port: 7946}
		copy(self.vsn(), []byte{1, 5, 2, 0, 0, 0})
	}
	r.s.start(r.now, self)
}

func (r *protocolRunner) num(c script.Command, name, otherwise string) uint32 {
	n, err := strconv.ParseUint(c.Arg(name, otherwise), 10, 32)
	if err != nil {
		r.t.Fatalf("%s: %v", c.Pos, err)
	}
	return uint32(n)
}

// aliveOf reads "name inc=1 addr=b port=7946 meta=x vsn=1,5,2,0,0,0".
func (r *protocolRunner) aliveOf(c script.Command, words []string) wire.Alive {
	sub := script.Command{Pos: c.Pos, Named: map[string]string{}}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			sub.Named[k] = v
		} else {
			sub.Args = append(sub.Args, w)
		}
	}
	a := wire.Alive{
		Incarnation: r.num(sub, "inc", "1"), Node: []byte(sub.Args[0]),
		Addr: addrOf(sub.Arg("addr", sub.Args[0])), Port: uint16(r.num(sub, "port", "7946")), Meta: []byte(sub.Arg("meta", "")),
	}
	for _, v := range strings.Split(sub.Arg("vsn", "1,5,2,0,0,0"), ",") {
		if n, err := strconv.Atoi(v); err == nil {
			a.Vsn = append(a.Vsn, byte(n))
		}
	}
	return a
}

// merge reads lines "name state inc=1 ..." with state alive, suspect, dead or left.
func (r *protocolRunner) merge(c script.Command) {
	var states []wire.NodeState
	for _, line := range c.Input {
		words := strings.Fields(line)
		a := r.aliveOf(c, append([]string{words[0]}, words[2:]...))
		state := map[string]NodeStateType{"alive": StateAlive, "suspect": StateSuspect, "dead": StateDead, "left": StateLeft}[words[1]]
		states = append(states, wire.NodeState{
			Name: a.Node, Addr: a.Addr, Port: a.Port, Meta: a.Meta, Incarnation: a.Incarnation, State: int(state), Vsn: a.Vsn,
		})
	}
	if _, err := r.s.compatible(states); err != nil {
		fmt.Fprintf(&r.out, "refused: %v\n", err)
		return
	}
	r.s.merge(r.now, states)
}

// advance lets time pass, and prints what happens at which time of the story.
func (r *protocolRunner) advance(c script.Command) {
	d, err := time.ParseDuration(c.Args[0])
	if err != nil {
		r.t.Fatalf("%s: %v", c.Pos, err)
	}
	end := r.now.Add(d)
	for next := r.s.nextDeadline(); !next.IsZero() && !next.After(end); next = r.s.nextDeadline() {
		if next.After(r.now) {
			r.now = next
		}
		r.s.expire(r.now)
		r.effects(fmt.Sprintf("%.3fs ", r.now.Sub(protocolStart).Seconds()))
	}
	r.now = end
}

func (r *protocolRunner) ticket(t ticket) {
	if t == 0 {
		r.out.WriteString("nothing to wait for\n")
	} else {
		fmt.Fprintf(&r.out, "wait %d\n", t)
	}
}

func (r *protocolRunner) members() {
	for _, name := range sortedNames(r.s) {
		m := r.s.table.named(name)
		fmt.Fprintf(&r.out, "%s %s inc=%d %s", name, stateName(m.node.State), m.incarnation, m.node.Address())
		if len(m.node.Meta) > 0 {
			fmt.Fprintf(&r.out, " meta=%s", m.node.Meta)
		}
		if sp := m.rare().suspicion; sp != nil {
			fmt.Fprintf(&r.out, " confirmations=%d/%d dead at %.3fs", len(sp.from), sp.k, maxTime(sp.deadline(), sp.timer.At()).Sub(protocolStart).Seconds())
		}
		r.out.WriteByte('\n')
	}
	fmt.Fprintf(&r.out, "health=%d queued=%d\n", r.s.healthScore(), r.s.queued())
}

// effects prints and forgets what the core asked for.
func (r *protocolRunner) effects(prefix string) {
	var fx effects
	r.s.take(&fx)
	line := func(format string, args ...any) { fmt.Fprintf(&r.out, prefix+format+"\n", args...) }
	for _, e := range fx.trace {
		if text := traceText(e); text != "" {
			line("%s", text)
		}
	}
	for _, n := range fx.notices {
		switch n.kind {
		case noticeChanged:
			line("now %s is %s", n.node.Name, stateName(n.node.State))
		case noticeJoin:
			line("join %s", n.node.Name)
		case noticeLeave:
			line("leave %s (%s)", n.node.Name, stateName(n.node.State))
		case noticeUpdate:
			line("update %s meta=%s", n.node.Name, n.node.Meta)
		case noticeConflict:
			line("conflict %s: %s and %s", n.node.Name, n.node.Address(), n.other.Address())
		case noticePong:
			line("pong %s rtt=%v payload=%s", n.node.Name, n.rtt, n.payload)
		}
	}
	for _, d := range fx.datagrams {
		var texts []string
		for _, msg := range fx.msgs[d.lo:d.hi] {
			texts = append(texts, r.message(msg))
		}
		line("-> %s: %s", d.to.addr.Addr(), strings.Join(texts, " | "))
	}
	for _, d := range fx.dials {
		if d.kind == dialPing {
			line("stream %d to %s: ping seq=%d by %.3fs", d.id, d.to.name, d.seq, d.deadline.Sub(protocolStart).Seconds())
		} else {
			kind := map[dialKind]string{dialPushPull: "push/pull", dialHeal: "join again", dialSeed: "join a seed"}[d.kind]
			line("stream %d to %s: %s", d.id, d.to.name, kind)
		}
	}
	for _, done := range fx.completed {
		line("done %d ok=%v", done.ticket, done.ok)
	}
	if got := r.s.table.names.len(); got != len(r.s.table.all) {
		r.t.Fatalf("%d names, %d ring places", got, len(r.s.table.all))
	}
}

func traceText(e traceEvent) string {
	switch e.kind {
	case traceProbeFailed:
		return "probe of " + e.node + " failed"
	case traceStreamSaved:
		return e.node + " answers streams but no packets"
	case traceSuspicionFail:
		return fmt.Sprintf("suspicion of %s expires with %d of %d confirmations", e.node, e.n, e.d)
	case traceRefuted:
		return fmt.Sprintf("refute %s from %s", e.from, e.node)
	case traceReclaimed:
		return fmt.Sprintf("%s moves %s", e.node, e.from)
	case traceVersion:
		return e.node + " ignored for its versions"
	case tracePaused:
		return fmt.Sprintf("did not run for %v", e.d)
	case traceSpared:
		return e.node + " answered in time"
	case traceDoubtful:
		return "in doubt"
	case traceWithheld:
		return e.node + " not accused"
	case traceHeld:
		return fmt.Sprintf("%s is held down for %v", e.node, e.d)
	case traceOtherNode:
		return "ping for " + e.node
	case traceHealth:
		return fmt.Sprintf("health %d", e.n)
	case traceDropped:
		return "dropped: " + e.from
	}
	return ""
}

func (r *protocolRunner) message(msg []byte) string {
	body := msg[1:]
	var err error
	var text string
	switch wire.Type(msg[0]) {
	case wire.TypePing:
		var m wire.Ping
		_, err = m.Decode(body)
		text = fmt.Sprintf("ping seq=%d node=%s", m.SeqNo, m.Node)
	case wire.TypeIndirectPing:
		var m wire.IndirectPing
		_, err = m.Decode(body)
		text = fmt.Sprintf("indirect seq=%d node=%s nack=%v", m.SeqNo, m.Node, m.Nack)
	case wire.TypeAck:
		var m wire.Ack
		_, err = m.Decode(body)
		text = fmt.Sprintf("ack seq=%d", m.SeqNo)
		if len(m.Payload) > 0 {
			text += fmt.Sprintf(" payload=%s", m.Payload)
		}
	case wire.TypeNack:
		var m wire.Nack
		_, err = m.Decode(body)
		text = fmt.Sprintf("nack seq=%d", m.SeqNo)
	case wire.TypeAlive:
		var m wire.Alive
		_, err = m.Decode(body)
		text = fmt.Sprintf("alive %s inc=%d", m.Node, m.Incarnation)
		if len(m.Meta) > 0 {
			text += fmt.Sprintf(" meta=%s", m.Meta)
		}
	case wire.TypeSuspect:
		var m wire.Suspect
		_, err = m.Decode(body)
		text = fmt.Sprintf("suspect %s inc=%d from %s", m.Node, m.Incarnation, m.From)
	case wire.TypeDead:
		var m wire.Dead
		_, err = m.Decode(body)
		text = fmt.Sprintf("dead %s inc=%d from %s", m.Node, m.Incarnation, m.From)
	default:
		text = fmt.Sprintf("type %d", msg[0])
	}
	if err != nil {
		r.t.Fatalf("the core sent %x: %v", msg, err)
	}
	return text
}

func stateName(s NodeStateType) string { return [...]string{"alive", "suspect", "dead", "left"}[s] }

func sortedNames(s *swim) []string {
	var names []string
	for _, m := range s.table.all {
		names = append(names, m.node.Name)
	}
	slices.Sort(names)
	return names
}

// addrOf is where a name of a story lives; four numbers with dots are an address as it is.
func addrOf(name string) []byte {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.AsSlice()
	}
	last := byte(1)
	if name != "me" && name != "" {
		last = name[0] - 'a' + 1
	}
	return []byte{10, 0, 0, last}
}

func endpointOf(name string) endpoint {
	return endpoint{addr: addrPort(addrOf(name), 7946)}
}

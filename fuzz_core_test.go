package memberlist

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// fuzzNodes is the size of the cluster in which FuzzCoreMessages plays.
const fuzzNodes = 5

// FuzzCoreMessages lets an intruder say whatever it likes, in well-formed
// messages, to one node of a small simulated cluster, at any time and in any
// order, mixed with what users and the world do: leave, update, crash, restart,
// streams that end, packets that cannot be sent. After every step of every node
// the rules of the simulator hold.
func FuzzCoreMessages(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 1, 1, 2, 8, 200, 2, 1, 1, 1, 8, 200})
	f.Add([]byte{0, 2, 5, 0, 2, 2, 5, 2, 0, 2, 3, 1, 8, 250})
	f.Add([]byte{10, 8, 100, 0, 0, 7, 0, 2, 0, 9, 0, 8, 255})
	f.Add([]byte{7, 4, 1, 2, 9, 1, 3, 2, 2, 1, 8, 40, 5, 3, 6, 3, 3, 1, 2, 4, 1, 2})
	f.Add([]byte{12, 3, 8, 255, 8, 255, 12, 3, 8, 255, 11, 2, 13, 1, 14, 2, 15, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 400 {
			return // long inputs say nothing that short ones could not
		}
		c := newSimCluster(simOptions{nodes: fuzzNodes, seed: 1, link: simLink, warm: true, checks: true})
		k := coreIntruder{c: c, n: c.nodes[0], in: in}
		for len(k.in) > 0 && c.err == nil {
			k.act()
		}
		c.run(30 * time.Second)
		if c.err != nil {
			t.Fatal(c.err)
		}
	})
}

// coreIntruder turns bytes into things to do.
type coreIntruder struct {
	c     *simCluster
	n     *simNode
	in    []byte
	spent time.Duration
}

// next is the next byte; zero when there are no more.
func (k *coreIntruder) next() byte {
	if len(k.in) == 0 {
		return 0
	}
	b := k.in[0]
	k.in = k.in[1:]
	return b
}

func (k *coreIntruder) name() []byte {
	if b := k.next(); b%16 != 15 {
		return []byte(k.c.nodes[int(b)%fuzzNodes].name)
	}
	return nil
}

func (k *coreIntruder) incarnation() uint32 {
	switch b := k.next(); {
	case b < 200:
		return uint32(b)
	case b < 210:
		return math.MaxUint32
	case b < 220:
		return math.MaxUint32 - 1
	default:
		return uint32(b) << 23
	}
}

// alive is a record of a member at its own host, where any port may be claimed:
// that is a conflict or another owner of the name.
func (k *coreIntruder) alive() wire.Alive {
	i := int(k.next()) % fuzzNodes
	how := k.next()
	a := wire.Alive{
		Incarnation: k.incarnation(), Node: []byte(k.c.nodes[i].name),
		Addr: []byte{10, 0, 0, byte(i)}, Port: simPort + uint16(how&3), Vsn: []byte{1, 5, 2, 0, 0, 0},
	}
	if how&4 != 0 {
		a.Meta = make([]byte, int(how))
	}
	if how&8 != 0 {
		a.Vsn = a.Vsn[:(how&7)%7]
	}
	if how&16 != 0 {
		long := netip.AddrFrom4([4]byte(a.Addr)).As16()
		a.Addr = long[:]
	}
	return a
}

// seq is a sequence number that is in use, or nearly one.
func (k *coreIntruder) seq() uint32 { return k.n.core.seq + 4 - uint32(k.next()%8) }

// act does one thing.
func (k *coreIntruder) act() {
	c, n := k.c, k.n
	now := c.now(n)
	op := k.next()
	if !n.up && op != 8 && op != 12 {
		op = 12
	}
	from := c.nodes[fuzzNodes-1]
	say := func(msg []byte) { c.handle(n, from, msg) }
	switch op % 16 {
	case 0:
		say(k.alive().Append(nil))
	case 1:
		say(wire.Suspect{Node: k.name(), Incarnation: k.incarnation(), From: k.name()}.Append(nil))
	case 2:
		say(wire.Dead{Node: k.name(), Incarnation: k.incarnation(), From: k.name()}.Append(nil))
	case 3:
		p := wire.Ping{SeqNo: k.seq(), Node: k.name(), SourceNode: k.name(), SourceAddr: []byte{10, 0, 0, k.next()}, SourcePort: simPort}
		say(p.Append(nil))
	case 4:
		p := wire.IndirectPing{SeqNo: k.seq(), Node: k.name(), Target: []byte{10, 0, 0, k.next()}, Port: simPort, Nack: k.next()%2 == 0}
		p.SourceNode, p.SourceAddr, p.SourcePort = k.name(), []byte{10, 0, 0, k.next()}, simPort
		say(p.Append(nil))
	case 5:
		say(wire.Ack{SeqNo: k.seq(), Payload: make([]byte, k.next()%4)}.Append(nil))
	case 6:
		say(wire.Nack{SeqNo: k.seq()}.Append(nil))
	case 7:
		var states []wire.NodeState
		for range k.next() % 5 {
			a := k.alive()
			states = append(states, wire.NodeState{
				Name: a.Node, Addr: a.Addr, Port: a.Port, Meta: a.Meta, Incarnation: a.Incarnation,
				State: int(k.next()%6) - 1, Vsn: a.Vsn,
			})
		}
		if _, err := n.core.compatible(states); err == nil {
			n.core.merge(now, states)
		}
	case 8:
		b := time.Duration(k.next())
		d := b * b * time.Millisecond / 2 // up to 32 s
		if k.spent += d; k.spent < time.Minute {
			c.run(d)
		}
	case 9:
		c.updateMeta(n, int(k.next())*2)
		return
	case 10:
		if k.next()%4 == 0 && !n.leaving {
			c.leave(n)
			return
		}
	case 11:
		other := c.nodes[int(k.next())%fuzzNodes]
		n.core.ping(now, endpoint{addr: addrPort([]byte{10, 0, 0, byte(other.i)}, other.port), name: other.name})
	case 12:
		other := c.nodes[int(k.next())%fuzzNodes]
		if other.up {
			c.crash(other)
		} else {
			c.restart(other, false)
			c.quiet = c.net.Now() + 10*time.Second // it may have been asked while it was down
		}
		return
	case 13:
		n.core.dialed(now, n.core.lastDial-dialID(k.next()%4), k.next()%2 == 0)
	case 14:
		n.core.sendFailed(now, k.seq())
	case 15:
		b := k.next()
		n.core.setSeeds(now, b&1 != 0, b&2 != 0)
	}
	if n.up && c.err == nil {
		c.perform(n)
	}
}

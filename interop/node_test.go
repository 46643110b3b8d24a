package interop

import (
	"net/netip"
	"time"
)

// kind is which library a node runs.
type kind int

const (
	ours kind = iota
	theirs
)

func (k kind) String() string { return [...]string{"ours", "theirs"}[k] }
func (k kind) other() kind    { return 1 - k }

// node is a member of a cluster, whatever library it runs, so that each check
// is written once.
type node interface {
	kind() kind
	name() string
	addr() netip.AddrPort
	book() *book
	config() setup

	join(addr netip.AddrPort) error
	leave(timeout time.Duration) error
	shutdown()
	updateNode(timeout time.Duration) error
	members() map[string]string // name → "address metadata"
	sendPacket(to node, msg string) error
	sendStream(to node, msg string) error
	health() int

	addKey(key []byte) error
	useKey(key []byte) error
	removeKey(key []byte) error
	verify(incoming, outgoing bool)
}

// setup is what distinguishes the nodes of one mode from those of another.
type setup struct {
	name      string
	meta      string
	label     string
	skipLabel bool
	compress  bool
	protocol  uint8
	addr      netip.AddrPort // where it listens; zero: the medium chooses
	keys      [][]byte       // the first is primary
	keyring   bool           // have a ring, if only an empty one
	verifyIn  bool
	verifyOut bool
	pace      pace
}

// pace is how fast a cluster lives.
type pace struct {
	probe, probeTimeout, gossip, pushPull, gossipToDead, stream time.Duration
	heal                                                        time.Duration // of ours; 0: the default
	suspicionMult                                               int
	patience                                                    time.Duration // how many times longer than expected something may take
}

// exact reports whether the clock is fake: then what takes long is wrong, and
// not just slow.
func (p pace) exact() bool { return p.patience == 1 }

// fakePace is for a fake clock: the defaults for a LAN, but for a probe timeout
// that lets even the incumbent's nacks arrive in time, a suspicion that lasts
// until a node that was cut off has been found out and reached again, and a
// push/pull that makes less waiting.
var fakePace = pace{
	probe: time.Second, probeTimeout: 250 * time.Millisecond, gossip: 200 * time.Millisecond,
	pushPull: 10 * time.Second, gossipToDead: 30 * time.Second, stream: 10 * time.Second,
	suspicionMult: 8, patience: 1,
}

// realPace is for real sockets on a machine that may be busy: a process that
// gets nothing done for suspicionMult·probe has a false failure, and otherwise
// only needs patience, which costs nothing where it is not needed.
var realPace = pace{
	probe: 400 * time.Millisecond, probeTimeout: 200 * time.Millisecond, gossip: 100 * time.Millisecond,
	pushPull: 2 * time.Second, gossipToDead: 3 * time.Second, stream: time.Minute,
	heal: 2 * time.Second, suspicionMult: 12, patience: 20,
}

// lasts is how long a suspicion can last in a cluster of n, if nobody confirms.
func (p pace) lasts(n int) time.Duration {
	shortest := time.Duration(p.suspicionMult) * p.probe * 11 / 10 // 1.08 for twelve nodes
	if n-2 < p.suspicionMult-2 {
		return shortest
	}
	return 6 * shortest
}

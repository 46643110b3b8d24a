package memberlist

import "time"

// params are the core's tunables and identity. The shell fills them from
// Config with every zero already replaced by its default, and again before
// each timer step, because programs change a Config while it is in use.
type params struct {
	name            string // never changes
	protocolVersion uint8
	delegateMin     uint8
	delegateMax     uint8
	delegateVersion uint8
	bindPort        uint16 // stands in for a port of zero on the wire

	probeInterval  time.Duration // 0: no probing
	probeTimeout   time.Duration
	indirectChecks int
	streamPings    bool
	awarenessMax   int // health scores stay below this; at least 1

	pauseTolerance time.Duration // silence that must be borne; 0: the formula with suspicionMult

	suspicionMult    int
	suspicionMaxMult int

	gossipInterval time.Duration // 0: gossip only travels on probes and acks
	gossipNodes    int           // 0: the same
	gossipToDead   time.Duration
	retransmitMult int
	userGossip     bool // a Delegate may have broadcasts: gossip even with an empty queue
	packetRoom     int  // bytes of messages, each with its length prefix, that fit into one datagram
	reclaim        time.Duration

	pushPullInterval time.Duration // 0: no periodic push/pull
	pushPullNodes    int           // members in each round; 0 means 1

	flapHold time.Duration // how long the first return of a member that fails again and again is held down; 0: never

	confirmNewcomers bool // a newcomer is shown only once it has answered

	healInterval time.Duration // longest pause between attempts to reach lost members; 0: none
	healFor      time.Duration // how long a lost member is looked for

	off mechanism // experiments switch mechanisms off to show what each is worth; users cannot
}

// mechanism is one of the things that SWIM's basic protocol does without.
type mechanism uint32

const (
	mechAwareness       mechanism = 1 << iota // Lifeguard, LHA-Probe: local health stretches the probe
	mechConfirmations                         // Lifeguard, LHA-Suspicion: without, every suspicion has the shortest timeout
	mechBuddy                                 // Lifeguard, buddy system: the ping of a suspect carries the accusation
	mechEagerGossip                           // news does not wait for the next tick
	mechPauseCheck                            // lost time is not held against others
	mechVerify                                // a member is pinged once more before it is buried
	mechAdaptiveTimeout                       // helpers are asked when an ack is late for this member
	mechDeafness                              // who hears nobody at all accuses nobody
	mechCoordinated                           // each member is probed once per interval, not once on average
	mechFollowUp                              // a failure makes its witnesses look for more
	mechPattern                               // gossip also follows a pattern that misses nobody
	mechTellAccused                           // who is believed suspect or dead and pings us is told
	mechRoundRobin                            // SWIM, section 4.3: without, probe targets are drawn at random
	mechRefuteAgain                           // an accusation of a past life is answered with the refutation that the accuser missed
	mechDamping                               // who dies again and again is not shown at once when it returns
	mechCallOut                               // who hears nobody refutes in advance what others will say
	mechBrake                                 // whose probes all fail, or whose accusations are refuted, accuses rarely
	mechMove                                  // a name claimed from another address may move there when the known one is silent
	mechQuietJoin                             // what was learned by joining is passed on less often
	mechPingAgain                             // a ping that stays unanswered is sent once more before helpers are asked
	mechQuietConfirm                          // who confirms a suspicion is passed on less often than who began it
	mechStandIn                               // whom a failed member would probe, the one before it in the order probes

	mechAll = 1<<iota - 1
)

// has reports whether a mechanism is in use.
func (p *params) has(m mechanism) bool { return p.off&m == 0 }

// Bounds on what the network can make the core keep. Each is far beyond what a
// working cluster needs; what exceeds one is refused and counted.
const (
	maxNameLen = 1024    // bytes; a name has to share a datagram with its metadata
	maxMembers = 1 << 18 // table entries, the dead included: about 50 MB
	maxRelays  = 1024    // indirect pings in progress for others, each for one ProbeTimeout
	maxPings   = 4096    // Ping calls in progress

	// maxNewcomers is how many members that nobody knew may come by gossip in
	// newcomerTime, or as many as there are if that is more. What a push/pull
	// brings does not count, so that whoever was left out is learned of later:
	// a forger of names makes the table grow slowly, and stops a real crowd
	// for no longer than that.
	maxNewcomers = 4096
	newcomerTime = time.Minute
)

// nackShare of ProbeTimeout passes before a relay reports that it heard
// nothing, so that the nack arrives while the prober still listens
// (Lifeguard, section IV-A, uses the same 80 %).
const nackShare = 0.8

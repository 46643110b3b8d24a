package memberlist

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"slices"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

const (
	// ProtocolVersionMin is the oldest protocol version that is understood.
	ProtocolVersionMin uint8 = 1

	// ProtocolVersion2Compatible is the version that Default…Config speak. From
	// it on, ports in messages are honoured and packets are encrypted without
	// padding.
	ProtocolVersion2Compatible = 2

	// ProtocolVersionMax is the newest protocol version that is understood.
	ProtocolVersionMax = 5

	// MetaMaxSize is the limit, in bytes, for what Delegate.NodeMeta returns.
	MetaMaxSize = 512

	// LabelMaxSize is the limit, in bytes, for Config.Label.
	LabelMaxSize = 255
)

// Config says how a Memberlist behaves. Start from DefaultLANConfig,
// DefaultWANConfig or DefaultLocalConfig and change what you need.
//
// Create keeps the pointer, checks the values with Validate and writes to three
// fields: Keyring, when SecretKey is set; BindPort and AdvertisePort, when
// BindPort was 0 and Transport nil. Each field says when it is read. "Live"
// means at each use, so that a change takes effect while the Memberlist runs;
// the read is not synchronised, so such a change is a data race unless the
// value is one that synchronises itself, as a Keyring does. To run a second
// Memberlist, use Clone.
//
// A zero where zero cannot work means the value of DefaultLANConfig. Where it
// means "off" or "none", the field says so. Negative numbers and durations are
// errors unless the field gives them a meaning. Numbers may be as large as they
// like, but a duration counts as a year at most, HealInterval as ten days and
// ProbeInterval as one. n stands for the number of nodes known, dead ones that are
// not yet forgotten included.
//
// A Config may be copied by value.
type Config struct {
	// Name identifies this node and must be unique in the cluster; names are
	// compared byte by byte. It must not be empty. Short names leave more room in
	// packets. Read at Create.
	Name string

	// Transport carries packets and streams. Nil means a NetTransport of its
	// own, UDP and TCP on BindAddr and BindPort, which is shut down with the
	// Memberlist or when Create fails. A Transport given here is shut down with
	// the Memberlist too. Read at Create.
	Transport Transport

	// Label separates clusters that could reach each other: it precedes every
	// packet and stream, and what arrives with another one, or with none, is
	// refused. With encryption it is authenticated as well; without, it protects
	// against mistakes and not against attackers. 0 to LabelMaxSize bytes; empty
	// means no label. What is sent carries the label read at Create, the check of
	// what arrives reads the field live.
	Label string

	// SkipInboundLabelCheck accepts packets and streams with any label or none,
	// for a cluster whose label is being introduced or changed, or behind
	// something that strips labels. With encryption, which authenticates the
	// label, what was sealed with the label it carries or with the own Label can
	// be opened, and a stream is answered under the one that fitted. Read live.
	SkipInboundLabelCheck bool

	// BindAddr is the IP address to listen on, for packets and streams. Empty
	// means "0.0.0.0". Both that and "::" mean all interfaces, of both families
	// where the system supports it; they differ in the address that is advertised.
	// Only used when Transport is nil, and then a host name or anything else that
	// is not an IP address is an error. Read at Create.
	BindAddr string

	// BindPort is the port to listen on for both packets and streams, 0 to
	// 65535. With 0 the system chooses one, which Create writes back here and,
	// unless AdvertiseAddr is set with a port, into AdvertisePort. It is also the
	// port of addresses without one, in Join and in old messages; that is read
	// live.
	BindPort int

	// AdvertiseAddr is the IP address at which others reach this node, needed
	// behind NAT or with several interfaces. Empty lets the Transport choose: the
	// bound address or, bound to all, the first private address of this machine.
	// Custom transports may give other texts a meaning. Read at Create.
	AdvertiseAddr string

	// AdvertisePort is the port at which others reach this node, 0 to 65535; 0
	// means the port bound. Only used together with AdvertiseAddr. Read at
	// Create.
	AdvertisePort int

	// ProtocolVersion is the version to speak, ProtocolVersionMin to
	// ProtocolVersionMax; 0 is an error. It is 2 unless a cluster has members
	// that need version 1, which cannot do ports that differ between members.
	// Higher numbers change nothing in what is sent: what others can do is
	// known from what they announce. Read live.
	ProtocolVersion uint8

	// TCPTimeout limits each step of a stream: connecting, then sending, then
	// receiving. Zero means 10 s. Longer survives slow links and big states;
	// shorter gives up earlier on addresses that do not answer, each of which
	// costs Join this long. Read live.
	TCPTimeout time.Duration

	// IndirectChecks is how many members are asked to probe a member that did
	// not answer directly (k in SWIM, section 3.1). 0 asks nobody. More members
	// make it less likely that a bad path between two nodes looks like a crash,
	// and cost 4 messages each, but only for failed probes. Read live.
	IndirectChecks int

	// RetransmitMult scales how often each piece of gossip is sent before it is
	// dropped from the queue (λ in SWIM, section 4.1):
	//
	//	transmissions = RetransmitMult × (1 + log10(n))
	//
	// rounded up. 0 means once. The more transmissions, the more likely that all
	// members hear the news before the next push/pull, and the more bandwidth.
	// Read live.
	RetransmitMult int

	// SuspicionMult scales how long a member stays suspect, and so has time to
	// refute, before it is declared dead:
	//
	//	minimum = SuspicionMult × max(1, log10(n)) × ProbeInterval
	//
	// That is the time when SuspicionMult-2 others have confirmed the suspicion;
	// until then it is longer, see SuspicionMaxTimeoutMult. With 1 or 2, or with
	// too few members to confirm, the minimum always applies. Zero means 4.
	// Larger gives slow members more time; smaller notices crashes sooner. Read
	// live.
	SuspicionMult int

	// SuspicionMaxTimeoutMult bounds how long a suspicion lasts that nobody
	// confirms (Lifeguard, Local Health Aware Suspicion), where c of the wanted
	// k = SuspicionMult-2 confirmations have arrived:
	//
	//	maximum = SuspicionMaxTimeoutMult × minimum
	//	timeout = maximum - (maximum-minimum) × log(c+1)/log(k+1)
	//
	// 1 makes both the same. Zero means 6. Larger protects others from a node
	// that is itself slow or half deaf; it delays only suspicions that such a
	// node is alone with. Read live.
	SuspicionMaxTimeoutMult int

	// PushPullInterval is the time between complete exchanges of state with
	// a random member, over a stream. 0 means none. Beyond 32 nodes it is
	// stretched, to keep the load of the cluster constant:
	//
	//	interval = PushPullInterval × (1 + ⌈log2(n/32)⌉)    for n > 32
	//
	// Shorter repairs missed gossip sooner, in exchange for bandwidth that grows
	// with n and the size of Delegate.LocalState. Whether there are any is decided
	// at Create, the interval is read live.
	PushPullInterval time.Duration

	// ProbeInterval is the time between two probes, each of another member,
	// in random order, and the time by which a probe must have succeeded (the
	// protocol period T in SWIM, section 3.1). 0 means no probing, so that this
	// node learns of crashes only from others. While it has reason to doubt its
	// own health, probes are given more time:
	//
	//	time = ProbeInterval × (1 + health score)
	//
	// Every member is probed about once per interval by someone, whatever n.
	// Shorter notices crashes sooner and costs bandwidth; several times a round
	// trip is sensible. Whether there is any probing is decided at Create, the
	// interval is read live.
	ProbeInterval time.Duration

	// ProbeTimeout is the time to wait for a direct ack before others are asked
	// to probe too. It should be above nearly all round trip times, and well
	// below ProbeInterval, so that the indirect probes have time left. Zero
	// means 500 ms. After half of it, or of the shorter time in which a member is
	// known to answer, the ping is sent once more, unless this member may need
	// longer. Relays report after 80 % of their own ProbeTimeout that they
	// heard nothing. It is also how long Ping waits. Read live.
	ProbeTimeout time.Duration

	// DisableTcpPings switches off the last try of a failing probe, a ping over
	// a stream, which shows that a member is alive though packets do not reach
	// it. Set it when a stream says nothing about packets or costs too much.
	// Read live.
	DisableTcpPings bool

	// DisableTcpPingsForNode is the same for single members; nil means for
	// none. It is called while a probe waits: it must not block, and may be
	// called concurrently with itself. Read live.
	DisableTcpPingsForNode func(nodeName string) bool

	// AwarenessMaxMultiplier bounds the factor by which probes are stretched
	// while this node doubts its own health (Lifeguard, Local Health Aware
	// Probe): the score of GetHealthScore stays below it. 1 switches the
	// stretching off. Zero means 8. Larger makes a struggling node accuse others
	// less, and find real crashes later. Read live.
	AwarenessMaxMultiplier int

	// GossipInterval is the time between packets of gossip to GossipNodes other
	// members. 0 means that gossip only travels along with probes. Shorter
	// spreads news faster; the bandwidth of a busy node is
	// GossipNodes × UDPBufferSize / GossipInterval, of a quiet one nothing. Read
	// live.
	GossipInterval time.Duration

	// GossipNodes is how many members get gossip in each GossipInterval. 0 means
	// none, as if GossipInterval were 0. Together with RetransmitMult it decides
	// how quickly and surely news reaches everybody: about log(n)/log(1+GossipNodes)
	// intervals. Read live.
	GossipNodes int

	// GossipToTheDeadTime is how long a dead member still gets gossip, so that
	// it can refute, and the least time that a dead or left one is remembered.
	// 0 means not at all. Longer helps members return after an interruption;
	// shorter stops talking to nobody. Read live.
	GossipToTheDeadTime time.Duration

	// GossipVerifyIncoming refuses plaintext while there are keys. False is only
	// for the time in which a cluster is moved to or from encryption, since it
	// lets anybody in. Read live.
	GossipVerifyIncoming bool

	// GossipVerifyOutgoing encrypts what is sent while there are keys. False is
	// only for the first step of a move to encryption. Read live.
	GossipVerifyOutgoing bool

	// EnableCompression compresses packets and streams where that makes them
	// smaller. It spends processor time to save bandwidth, and packets that
	// carry user data profit most. What is received is decompressed in any case.
	// Read live.
	EnableCompression bool

	// SecretKey is the key to encrypt with: 16, 24 or 32 bytes for AES-128,
	// AES-192 or AES-256. Empty means none. Create makes it the primary key of
	// Keyring, and makes a Keyring if there is none. Read at Create.
	SecretKey []byte

	// Keyring holds the keys. Nil or empty means no encryption. Its changes
	// take effect with the next packet, so this is how keys are rotated while
	// running: add the new key everywhere, use it everywhere, remove the old
	// one. Read live.
	Keyring *Keyring

	// Delegate supplies metadata and user data and receives user data; nil means
	// there are none. What its methods may do, and those of the interfaces below,
	// stands in the package documentation. Read live.
	Delegate Delegate

	// DelegateProtocolVersion is the version that the Delegate speaks, and
	// DelegateProtocolMin and DelegateProtocolMax what it understands. A member
	// whose version this node does not understand, or that does not understand
	// this node's, is left out of push/pulls, and a Join where every living
	// member is such fails with a *VersionError. The version must lie between
	// the other two. All 0 means that nobody cares. Read live.
	DelegateProtocolVersion uint8
	DelegateProtocolMin     uint8
	DelegateProtocolMax     uint8

	// Events is told of joins, leaves and updates; nil means nobody is. Read
	// live.
	Events EventDelegate

	// Conflict is told when two addresses claim one name; nil means nobody is.
	// Read live.
	Conflict ConflictDelegate

	// Merge may refuse the members met in a join; nil accepts them. Read live.
	Merge MergeDelegate

	// Ping takes part in probes; nil means nobody does. Read live.
	Ping PingDelegate

	// Alive may refuse single members, this node included; nil accepts them.
	// Read live.
	Alive AliveDelegate

	// DNSConfigPath is a file in the form of resolv.conf. Join asks its first
	// name server over TCP, where answers with many addresses fit, for names
	// that contain a dot, and the system's resolver for all others and when that
	// gave nothing. Empty means "/etc/resolv.conf". Read live.
	DNSConfigPath string

	// LogOutput receives log lines with date and time; nil means standard error.
	// At most one of LogOutput, Logger and Slog may be set. Read at Create.
	LogOutput io.Writer

	// Logger receives log lines, one call each, in the form `[LEVEL] memberlist:
	// text` with the levels DEBUG, INFO, WARN and ERR. Its prefix and flags stay
	// as they are. Nil means LogOutput. Read at Create.
	Logger *log.Logger

	// HandoffQueueDepth is how many user messages may wait for a slow
	// Delegate.NotifyMsg; further ones are dropped, counted and logged. Zero
	// means 1024. Larger rides out longer bursts and holds more memory. Read live.
	HandoffQueueDepth int

	// UDPBufferSize is the largest packet to make of gossip, in bytes, all
	// framing included. It should be below the MTU of the path, because a
	// packet in fragments is lost with each of them. Zero means 1400. Larger
	// spreads more news per packet. On the Transport that Create makes, above
	// 65507 counts as 65507, which is all that UDP carries. It does not limit
	// single user messages. Read live.
	UDPBufferSize int

	// DeadNodeReclaimTime is how long a dead member keeps its name to itself;
	// then a node at another address may take it. 0 means until its address
	// does not answer a ping, sent when another claims the name, as for members
	// that are alive. A member that left gives its name up at once. Shorter suits
	// restarts at new addresses; longer protects a member that is only cut off.
	// Read live.
	DeadNodeReclaimTime time.Duration

	// RequireNodeNames makes sending to a node whose name is not known fail
	// with ErrNodeNameRequired, for transports that route by name. Addresses for
	// Join then need the form name/host:port. Read live.
	RequireNodeNames bool

	// CIDRsAllowed lists the networks whose addresses may be members: records
	// with other addresses are refused, wherever they come from, and so are
	// alive messages from other senders. It does not refuse connections. IPv4
	// and IPv6 networks are listed separately. Nil and empty both allow
	// everything: this is not the place to lock a node down. See ParseCIDRs. Read
	// live.
	CIDRsAllowed []net.IPNet

	// MetricLabels are added to every metric. Read at Create.
	MetricLabels []metrics.Label

	// QueueCheckInterval is the time between reports of the metric
	// memberlist.queue.broadcasts. Zero means 30 s. Read at Create.
	QueueCheckInterval time.Duration

	// MsgpackUseNewTimeFormat has no effect: no message contains a time. It is
	// here for programs that set it.
	MsgpackUseNewTimeFormat bool

	extraConfig
}

// extraConfig holds what Config offers beyond the incumbent. It is embedded, so
// that its fields are set and read like those of Config (though not in a
// composite literal), and its type is unexported, because programs walk the
// exported fields of Config and fail when they meet one they do not know. All
// zero values mean the default.
type extraConfig struct {
	// Slog receives structured records, each with its level, instead of lines
	// for Logger or LogOutput. Nil means lines. Read at Create.
	Slog *slog.Logger

	// CompressionAlgorithm is used when EnableCompression is set. Empty means
	// CompressionAlgorithmLZW, which everybody understands. Read live.
	CompressionAlgorithm CompressionAlgorithm

	// PushPullNodes is how many members each periodic push/pull syncs with; 0 or
	// less means 1. More repairs missed gossip sooner, in proportion to the
	// bandwidth it takes. Read live.
	PushPullNodes int

	// HealInterval is the longest pause, jittered by up to a half either way,
	// between two attempts to find members that failed, and addresses given to
	// Join that have never been reached. An attempt costs one ping; only an
	// answer leads to a push/pull, with Join semantics. The pause begins at three
	// ProbeIntervals, doubles, and is multiplied by one more for every 32 live
	// members, since all of them look. This is what heals a partition: two
	// halves of a cluster find each other within about one pause after the
	// network does. Zero means 30 s; negative switches healing off, and then
	// only Join brings lost members back after GossipToTheDeadTime. Read live.
	HealInterval time.Duration

	// HealTimeout is how long a failed member is looked for; Forget ends it
	// sooner. Members that left are never looked for. Zero or less means 72 h.
	// Read live.
	HealTimeout time.Duration

	// PauseTolerance is how long a member may be silent towards everybody before
	// it may be declared dead. Zero keeps the incumbent's formula (see
	// SuspicionMult), 4 s to 12 s with the LAN defaults, in which a refutation
	// had time to travel by gossip ticks. A positive value, at least about three
	// times the longest pause that a healthy process makes, replaces the shortest
	// suspicion timeout where that is longer: a member is then dead as soon as it
	// has been suspected for so long and SuspicionMult-2 others have probed it
	// themselves, which they do at once, and failed too. Smaller detects crashes sooner and
	// takes a stalled process for dead sooner. Read live.
	PauseTolerance time.Duration

	// FlapHold is how long a member that has failed a third time within minutes
	// is not shown after its return: it is a member to the protocol, but Members
	// and the events leave it out until it has stayed for so long, and for twice
	// as long after each further failure, up to twenty times FlapHold. Zero means
	// 30 s; negative switches this off, and every failure and return is reported
	// at once. Larger spares a program the unsteady, smaller returns them to it
	// sooner. Read live.
	FlapHold time.Duration

	// ConfirmNewcomers keeps a node that joins, or returns after a failure, out
	// of Members and the events until it has answered a ping of this node,
	// directly, through a helper, or over a stream. Each node then pings each
	// newcomer at once. That keeps nodes which can announce themselves but
	// cannot be reached from being taken for members; NotifyJoin comes a round
	// trip later, and Join may return before it. Without probing (ProbeInterval 0)
	// it has no effect. Read live.
	ConfirmNewcomers bool

	// NodeSelection narrows down which members to gossip and sync with; nil
	// leaves it to chance alone. Read live.
	NodeSelection NodeSelectionDelegate
}

// BuildVsnArray returns the six version bytes that this node announces: the
// oldest and newest protocol it understands and the one it speaks, then the
// same for the delegate. The slice is new.
func (c *Config) BuildVsnArray() []uint8 {
	return []uint8{
		ProtocolVersionMin, ProtocolVersionMax, c.ProtocolVersion,
		c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion,
	}
}

// EncryptionEnabled reports whether there is a key to encrypt and decrypt with:
// Keyring is set and not empty. Keys may come and go at run time.
func (c *Config) EncryptionEnabled() bool {
	return c.Keyring.enabled()
}

// IPMustBeChecked reports whether CIDRsAllowed restricts addresses at all.
func (c *Config) IPMustBeChecked() bool { return len(c.CIDRsAllowed) > 0 }

// IPAllowed returns nil if ip may be the address of a member: CIDRsAllowed is
// empty or contains it. Otherwise the error names ip.
func (c *Config) IPAllowed(ip net.IP) error {
	if !c.IPMustBeChecked() {
		return nil
	}
	for i := range c.CIDRsAllowed {
		if c.CIDRsAllowed[i].Contains(ip) {
			return nil
		}
	}
	return fmt.Errorf("%s is not allowed", ip)
}

// Clone returns a copy that can be changed, and used for Create, without
// affecting c. Slices are copied; Transport, Keyring, delegates, functions and
// loggers are shared, as they are what they point to. A nil Config gives nil.
//
// After Create, BindPort, AdvertisePort and Keyring hold what it wrote there:
// for another Memberlist on a port of the system's choice, set the ports to 0.
func (c *Config) Clone() *Config {
	if c == nil {
		return nil
	}
	clone := *c
	clone.SecretKey = slices.Clone(c.SecretKey)
	clone.MetricLabels = slices.Clone(c.MetricLabels)
	clone.CIDRsAllowed = slices.Clone(c.CIDRsAllowed)
	for i := range clone.CIDRsAllowed {
		n := &clone.CIDRsAllowed[i]
		n.IP, n.Mask = slices.Clone(n.IP), slices.Clone(n.Mask)
	}
	return &clone
}

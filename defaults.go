package memberlist

import (
	"cmp"
	"math"
	"os"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// DefaultLANConfig returns a fresh Config for members that share a local
// network: a crash is noticed within seconds at the price of a little steady
// traffic. Name is the host name, or empty if the system does not tell it.
func DefaultLANConfig() *Config {
	// Without a host name the user has to choose a name; Create says so.
	hostname, _ := os.Hostname()
	return &Config{
		Name:                    hostname,
		BindAddr:                defaultBindAddr,
		BindPort:                7946,
		AdvertisePort:           7946,
		ProtocolVersion:         ProtocolVersion2Compatible,
		TCPTimeout:              defaultTCPTimeout,
		IndirectChecks:          3,
		RetransmitMult:          4,
		SuspicionMult:           defaultSuspicionMult,
		SuspicionMaxTimeoutMult: defaultSuspicionMaxTimeoutMult,
		PushPullInterval:        30 * time.Second,
		ProbeInterval:           time.Second,
		ProbeTimeout:            defaultProbeTimeout,
		AwarenessMaxMultiplier:  defaultAwarenessMaxMultiplier,
		GossipInterval:          200 * time.Millisecond,
		GossipNodes:             3,
		GossipToTheDeadTime:     30 * time.Second,
		GossipVerifyIncoming:    true,
		GossipVerifyOutgoing:    true,
		EnableCompression:       true,
		DNSConfigPath:           defaultDNSConfigPath,
		HandoffQueueDepth:       defaultHandoffQueueDepth,
		UDPBufferSize:           defaultUDPBufferSize,
		QueueCheckInterval:      defaultQueueCheckInterval,
	}
}

// DefaultWANConfig returns a fresh Config for members that reach each other
// over the Internet: patient with slow and lossy links, and slower to notice a
// crash. The rest is as in DefaultLANConfig.
func DefaultWANConfig() *Config {
	c := DefaultLANConfig()
	c.TCPTimeout = 30 * time.Second
	c.SuspicionMult = 6
	c.PushPullInterval = 60 * time.Second
	c.ProbeInterval = 5 * time.Second
	c.ProbeTimeout = 3 * time.Second
	c.GossipInterval = 500 * time.Millisecond
	c.GossipNodes = 4
	c.GossipToTheDeadTime = 60 * time.Second
	return c
}

// DefaultLocalConfig returns a fresh Config for members on one machine: quick,
// and trusting that no packet is lost. The rest is as in DefaultLANConfig.
func DefaultLocalConfig() *Config {
	c := DefaultLANConfig()
	c.TCPTimeout = time.Second
	c.IndirectChecks = 1
	c.RetransmitMult = 2
	c.SuspicionMult = 3
	c.PushPullInterval = 15 * time.Second
	c.ProbeTimeout = 200 * time.Millisecond
	c.GossipInterval = 100 * time.Millisecond
	c.GossipToTheDeadTime = 15 * time.Second
	return c
}

// What a zero means where zero cannot work: the value of DefaultLANConfig.
const (
	defaultBindAddr                = "0.0.0.0"
	defaultTCPTimeout              = 10 * time.Second
	defaultSuspicionMult           = 4
	defaultSuspicionMaxTimeoutMult = 6
	defaultProbeTimeout            = 500 * time.Millisecond
	defaultAwarenessMaxMultiplier  = 8
	defaultDNSConfigPath           = "/etc/resolv.conf"
	defaultHandoffQueueDepth       = 1024
	defaultUDPBufferSize           = 1400
	defaultQueueCheckInterval      = 30 * time.Second
	defaultPushPullNodes           = 1
	defaultHealInterval            = 30 * time.Second
	defaultFlapHold                = 30 * time.Second
	defaultHealTimeout             = 72 * time.Hour
)

// The methods below read a setting as it works: the shell uses them at each
// use instead of the fields, because programs change fields at run time. A
// value that Validate would refuse, set after Create, counts as zero.

func (c *Config) bindAddr() string            { return orDefault(c.BindAddr, defaultBindAddr) }
func (c *Config) tcpTimeout() time.Duration   { return positive(c.TCPTimeout, defaultTCPTimeout) }
func (c *Config) probeTimeout() time.Duration { return positive(c.ProbeTimeout, defaultProbeTimeout) }
func (c *Config) handoffQueueDepth() int {
	return positive(c.HandoffQueueDepth, defaultHandoffQueueDepth)
}
func (c *Config) udpBufferSize() int    { return positive(c.UDPBufferSize, defaultUDPBufferSize) }
func (c *Config) dnsConfigPath() string { return orDefault(c.DNSConfigPath, defaultDNSConfigPath) }
func (c *Config) pushPullNodes() int    { return positive(c.PushPullNodes, defaultPushPullNodes) }
func (c *Config) queueCheckInterval() time.Duration {
	return positive(c.QueueCheckInterval, defaultQueueCheckInterval)
}

// compressionAlgorithm is never empty.
func (c *Config) compressionAlgorithm() CompressionAlgorithm {
	return orDefault(c.CompressionAlgorithm, CompressionAlgorithmLZW)
}

// healInterval is zero when healing is switched off.
func (c *Config) healInterval() time.Duration { return unlessOff(c.HealInterval, defaultHealInterval) }

// flapHold is zero when damping is switched off.
func (c *Config) flapHold() time.Duration { return unlessOff(c.FlapHold, defaultFlapHold) }

// unlessOff is v, or def for zero, or zero for what is negative.
func unlessOff(v, def time.Duration) time.Duration {
	if v == 0 {
		return def
	}
	return max(0, v)
}

func orDefault[T ~string](v, def T) T {
	if v == "" {
		return def
	}
	return v
}

func positive[T ~int | ~int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Durations that are longer count as these: the core multiplies, some by the
// number of members, and what overflows is in the past.
const (
	longestPeriod = 365 * 24 * time.Hour
	longestProbe  = 24 * time.Hour
	longestHeal   = 240 * time.Hour

	// suspicionTimes multiplies by a thousand times log10 of the members, and
	// divides by the thousand.
	suspicionRoom = math.MaxInt64 / 6000
)

// period is a duration that the core can compute with.
func period(d time.Duration) time.Duration { return min(max(0, d), longestPeriod) }

// coreParams is the Config as the core needs it: every zero that cannot work
// replaced, every switched off thing zero, nothing negative and nothing that
// overflows.
func (c *Config) coreParams() params {
	p := params{
		name:            c.Name,
		protocolVersion: c.ProtocolVersion,
		delegateMin:     c.DelegateProtocolMin,
		delegateMax:     c.DelegateProtocolMax,
		delegateVersion: c.DelegateProtocolVersion,
		bindPort:        uint16(c.BindPort),

		probeInterval:  min(period(c.ProbeInterval), longestProbe),
		probeTimeout:   period(c.probeTimeout()),
		indirectChecks: max(0, c.IndirectChecks),
		streamPings:    !c.DisableTcpPings,
		awarenessMax:   positive(c.AwarenessMaxMultiplier, defaultAwarenessMaxMultiplier),

		pauseTolerance: period(c.PauseTolerance), flapHold: period(c.flapHold()), confirmNewcomers: c.ConfirmNewcomers,

		suspicionMult:    positive(c.SuspicionMult, defaultSuspicionMult),
		suspicionMaxMult: positive(c.SuspicionMaxTimeoutMult, defaultSuspicionMaxTimeoutMult),

		gossipInterval: period(c.GossipInterval),
		gossipNodes:    max(0, c.GossipNodes),
		gossipToDead:   period(c.GossipToTheDeadTime),
		retransmitMult: max(0, c.RetransmitMult),
		userGossip:     c.Delegate != nil,
		packetRoom:     c.packetRoom(),
		reclaim:        period(c.DeadNodeReclaimTime),

		pushPullInterval: period(c.PushPullInterval),
		pushPullNodes:    c.pushPullNodes(),

		healInterval: min(c.healInterval(), longestHeal),
		healFor:      positive(c.HealTimeout, defaultHealTimeout),
	}
	if p.gossipNodes == 0 {
		p.gossipInterval = 0 // a tick without targets would only burn time
	}
	room := int64(suspicionRoom / cmp.Or(p.probeInterval, time.Second)) // which it takes for none
	p.suspicionMult = int(min(int64(p.suspicionMult), room))
	p.suspicionMaxMult = int(min(int64(p.suspicionMaxMult), 1000*(room/int64(p.suspicionMult))))
	return p
}

// framing is how many bytes of a packet are not messages, at most. Compression
// only replaces what it makes smaller, so it adds nothing.
func (c *Config) framing(encrypted bool) int {
	n := wire.CompoundHeaderLen + wire.ChecksumLen
	if c.Label != "" {
		n += wire.LabelHeaderLen + len(c.Label)
	}
	if encrypted && c.GossipVerifyOutgoing {
		n += sealOverhead(c.sealVersion())
	}
	return n
}

// packetSize is the largest packet to make of gossip.
func (c *Config) packetSize() int {
	if c.Transport == nil {
		return min(c.udpBufferSize(), udpPayloadMax)
	}
	return c.udpBufferSize()
}

// packetRoom is how many bytes of messages, each with 2 more for its length,
// fit into one packet, whoever it is sent to. Unlike the incumbent we count the
// checksum, so that no packet exceeds UDPBufferSize.
func (c *Config) packetRoom() int {
	return max(0, c.packetSize()-c.framing(c.EncryptionEnabled()))
}

// sealVersion is the encryption version of what this node sends. Receivers
// understand both.
func (c *Config) sealVersion() uint8 {
	if c.ProtocolVersion == 1 {
		return sealPadded
	}
	return sealUnpadded
}

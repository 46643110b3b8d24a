package memberlist

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const (
	// udpPayloadMax is what one UDP datagram over IPv4 carries: 65535 less 20
	// bytes of IP and 8 of UDP header.
	udpPayloadMax = 65535 - 20 - 8

	// aliveOverhead is the size, with its length prefix, of an alive message
	// without name and metadata: every key of its map, an IPv6 address, and the
	// longest form of each number and length.
	aliveOverhead = 2 + 1 + 1 +
		(5 + 1 + 16) + // Addr
		(12 + 5) + // Incarnation
		(5 + 1) + // Meta
		(5 + 3) + // Node
		(5 + 3) + // Port
		(4 + 1 + 6) // Vsn
)

// Validate reports everything about the Config that Create would refuse, as
// *ConfigErrors joined by errors.Join: each names the field, its value and what
// is allowed. It changes nothing and opens nothing, so a valid Config may
// still fail in Create, for example because a port is taken.
func (c *Config) Validate() error {
	if c == nil {
		return &ConfigError{Field: "Config", Err: errors.New("memberlist: Config is nil")}
	}
	v := validator{c: c}
	v.versions()
	v.secrets()
	v.logs()
	v.identity()
	v.addresses()
	v.timing()
	v.sizes()
	return errors.Join(v.errs...)
}

// validator collects complaints.
type validator struct {
	c    *Config
	errs []error
}

// complain adds a complaint about a field whose value may be shown.
func (v *validator) complain(field string, value any, format string, args ...any) {
	v.errs = append(v.errs, &ConfigError{Field: field, Value: value, Err: fmt.Errorf(format, args...)})
}

func (v *validator) versions() {
	c := v.c
	const must = "Must be in range: [%d, %d]"
	if p := c.ProtocolVersion; p < ProtocolVersionMin {
		v.complain("ProtocolVersion", p, "protocol version '%d' too low. "+must, p, ProtocolVersionMin, ProtocolVersionMax)
	} else if p > ProtocolVersionMax {
		v.complain("ProtocolVersion", p, "protocol version '%d' too high. "+must, p, ProtocolVersionMin, ProtocolVersionMax)
	}
	if d := c.DelegateProtocolVersion; d < c.DelegateProtocolMin || d > c.DelegateProtocolMax {
		v.complain("DelegateProtocolVersion", d, "DelegateProtocolVersion %d is outside the range of DelegateProtocolMin to DelegateProtocolMax: [%d, %d]",
			d, c.DelegateProtocolMin, c.DelegateProtocolMax)
	}
}

func (v *validator) secrets() {
	key := v.c.SecretKey
	if len(key) == 0 {
		return
	}
	if err := ValidateKey(key); err != nil {
		// The value is a secret even when it is a bad one.
		v.complain("SecretKey", nil, "SecretKey of %d bytes: %w", len(key), err)
	}
}

func (v *validator) logs() {
	c := v.c
	const choose = "; please choose a single log configuration setting"
	if c.LogOutput != nil && c.Logger != nil {
		v.complain("Logger", nil, "cannot specify both LogOutput and Logger"+choose)
	}
	if c.Slog != nil && c.Logger != nil {
		v.complain("Slog", nil, "cannot specify both Slog and Logger"+choose)
	}
	if c.Slog != nil && c.LogOutput != nil {
		v.complain("Slog", nil, "cannot specify both Slog and LogOutput"+choose)
	}
}

func (v *validator) identity() {
	c := v.c
	if c.Name == "" {
		v.complain("Name", "", "Name is empty: every member needs a name of its own, 1 to %d bytes", maxNameLen)
	} else if len(c.Name) > maxNameLen {
		v.complain("Name", c.Name, "Name of %d bytes is too long: at most %d", len(c.Name), maxNameLen)
	}
	if len(c.Label) > LabelMaxSize {
		v.complain("Label", c.Label, "could not use %q as a label: too long: %d bytes, at most %d", c.Label, len(c.Label), LabelMaxSize)
	}
}

func (v *validator) addresses() {
	c := v.c
	v.port("BindPort", c.BindPort)
	v.port("AdvertisePort", c.AdvertisePort)
	if c.Transport == nil {
		// A custom transport gives these texts a meaning of its own, or none.
		if _, err := netip.ParseAddr(c.bindAddr()); err != nil {
			v.complain("BindAddr", c.BindAddr, "BindAddr %q is not an IP address", c.BindAddr)
		}
		if a := c.AdvertiseAddr; a != "" {
			ip, err := netip.ParseAddr(a)
			if err != nil {
				v.complain("AdvertiseAddr", a, "AdvertiseAddr %q is not an IP address", a)
			} else if ip.IsUnspecified() || ip.Zone() != "" {
				v.complain("AdvertiseAddr", a, "AdvertiseAddr %q is not an address at which others can reach this node", a)
			}
		}
	}
	for _, n := range c.CIDRsAllowed {
		if len(n.IP) == 0 || len(n.IP) != len(n.Mask) {
			v.complain("CIDRsAllowed", n, "CIDRsAllowed contains %q, which is not a network such as 10.0.0.0/8", n.String())
		}
	}
}

func (v *validator) port(field string, port int) {
	if port < 0 || port > 65535 {
		v.complain(field, port, "%s %d is not a port: must be 0 to 65535", field, port)
	}
}

func (v *validator) timing() {
	c := v.c
	for _, f := range []struct {
		field string
		value time.Duration
	}{
		{"TCPTimeout", c.TCPTimeout},
		{"PushPullInterval", c.PushPullInterval},
		{"ProbeInterval", c.ProbeInterval},
		{"ProbeTimeout", c.ProbeTimeout},
		{"GossipInterval", c.GossipInterval},
		{"GossipToTheDeadTime", c.GossipToTheDeadTime},
		{"DeadNodeReclaimTime", c.DeadNodeReclaimTime},
		{"QueueCheckInterval", c.QueueCheckInterval},
	} {
		if f.value < 0 {
			v.complain(f.field, f.value, "%s %v is negative: must be 0 or more", f.field, f.value)
		}
	}
}

func (v *validator) sizes() {
	c := v.c
	for _, f := range []struct {
		field string
		value int
	}{
		{"IndirectChecks", c.IndirectChecks},
		{"RetransmitMult", c.RetransmitMult},
		{"SuspicionMult", c.SuspicionMult},
		{"SuspicionMaxTimeoutMult", c.SuspicionMaxTimeoutMult},
		{"AwarenessMaxMultiplier", c.AwarenessMaxMultiplier},
		{"GossipNodes", c.GossipNodes},
		{"HandoffQueueDepth", c.HandoffQueueDepth},
	} {
		if f.value < 0 {
			v.complain(f.field, f.value, "%s %d is negative: must be 0 or more", f.field, f.value)
		}
	}
	if b := c.UDPBufferSize; b < 0 {
		v.complain("UDPBufferSize", b, "UDPBufferSize %d is negative: must be 0 or more", b)
	} else if need := c.framing(c.EncryptionEnabled() || len(c.SecretKey) > 0) + aliveOverhead + len(c.Name); c.packetSize() < need {
		v.complain("UDPBufferSize", b, "UDPBufferSize %d is too small to hold anything: with this Name, Label and encryption must be at least %d",
			c.packetSize(), need)
	}
	switch c.CompressionAlgorithm {
	case "", CompressionAlgorithmLZW, CompressionAlgorithmSnappy:
	default:
		v.complain("CompressionAlgorithm", c.CompressionAlgorithm, `memberlist: unknown CompressionAlgorithm "%s"`, c.CompressionAlgorithm)
	}
}

package memberlist

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// defaults are all fields of a profile that are not zero.
type defaults map[string]any

func TestDefaultsOfTheThreeProfiles(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	lan := defaults{
		"Name": hostname, "BindAddr": "0.0.0.0", "BindPort": 7946, "AdvertisePort": 7946,
		"ProtocolVersion": uint8(2), "TCPTimeout": 10 * time.Second, "IndirectChecks": 3, "RetransmitMult": 4,
		"SuspicionMult": 4, "SuspicionMaxTimeoutMult": 6, "PushPullInterval": 30 * time.Second,
		"ProbeInterval": time.Second, "ProbeTimeout": 500 * time.Millisecond, "AwarenessMaxMultiplier": 8,
		"GossipInterval": 200 * time.Millisecond, "GossipNodes": 3, "GossipToTheDeadTime": 30 * time.Second,
		"GossipVerifyIncoming": true, "GossipVerifyOutgoing": true, "EnableCompression": true,
		"DNSConfigPath": "/etc/resolv.conf", "HandoffQueueDepth": 1024, "UDPBufferSize": 1400,
		"QueueCheckInterval": 30 * time.Second,
	}
	but := func(changes defaults) defaults {
		d := make(defaults)
		for field, value := range lan {
			d[field] = value
		}
		for field, value := range changes {
			d[field] = value
		}
		return d
	}
	for _, profile := range []struct {
		name string
		make func() *Config
		want defaults
	}{
		{"LAN", DefaultLANConfig, lan},
		{"WAN", DefaultWANConfig, but(defaults{
			"TCPTimeout": 30 * time.Second, "SuspicionMult": 6, "PushPullInterval": 60 * time.Second,
			"ProbeInterval": 5 * time.Second, "ProbeTimeout": 3 * time.Second, "GossipInterval": 500 * time.Millisecond,
			"GossipNodes": 4, "GossipToTheDeadTime": 60 * time.Second,
		})},
		{"Local", DefaultLocalConfig, but(defaults{
			"TCPTimeout": time.Second, "IndirectChecks": 1, "RetransmitMult": 2, "SuspicionMult": 3,
			"PushPullInterval": 15 * time.Second, "ProbeTimeout": 200 * time.Millisecond,
			"GossipInterval": 100 * time.Millisecond, "GossipToTheDeadTime": 15 * time.Second,
		})},
	} {
		c := profile.make()
		v := reflect.ValueOf(*c)
		exported := 0
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			exported++
			got := v.Field(i).Interface()
			if want, ok := profile.want[field.Name]; ok && got != want {
				t.Errorf("%s: %s = %v, want %v", profile.name, field.Name, got, want)
			} else if !ok && !v.Field(i).IsZero() {
				t.Errorf("%s: %s = %v, want the zero value", profile.name, field.Name, got)
			}
		}
		if exported != 48 {
			t.Errorf("Config has %d exported fields; programs that walk them know 48", exported)
		}
		if !reflect.ValueOf(c.extraConfig).IsZero() {
			t.Errorf("%s: additions must default to zero: %+v", profile.name, c.extraConfig)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", profile.name, err)
		}
		if profile.make() == c {
			t.Errorf("%s: two calls share a Config", profile.name)
		}
	}
}

func TestValidateNamesFieldValueAndRange(t *testing.T) {
	logger := log.New(io.Discard, "", 0)
	_, v4, _ := net.ParseCIDR("10.0.0.0/8")
	for _, test := range []struct {
		change func(c *Config)
		field  string
		want   string
	}{
		{func(c *Config) { c.ProtocolVersion = 0 }, "ProtocolVersion",
			"protocol version '0' too low. Must be in range: [1, 5]"},
		{func(c *Config) { c.ProtocolVersion = 6 }, "ProtocolVersion",
			"protocol version '6' too high. Must be in range: [1, 5]"},
		{func(c *Config) { c.DelegateProtocolVersion = 3 }, "DelegateProtocolVersion",
			"DelegateProtocolVersion 3 is outside the range of DelegateProtocolMin to DelegateProtocolMax: [0, 0]"},
		{func(c *Config) { c.SecretKey = []byte("short") }, "SecretKey",
			"SecretKey of 5 bytes: key size must be 16, 24 or 32 bytes"},
		{func(c *Config) { c.Logger, c.LogOutput = logger, io.Discard }, "Logger",
			"cannot specify both LogOutput and Logger; please choose a single log configuration setting"},
		{func(c *Config) { c.Slog, c.Logger = slog.Default(), logger }, "Slog",
			"cannot specify both Slog and Logger; please choose a single log configuration setting"},
		{func(c *Config) { c.Slog, c.LogOutput = slog.Default(), io.Discard }, "Slog",
			"cannot specify both Slog and LogOutput; please choose a single log configuration setting"},
		{func(c *Config) { c.Name = "" }, "Name",
			"Name is empty: every member needs a name of its own, 1 to 1024 bytes"},
		{func(c *Config) { c.Name = strings.Repeat("n", 1025) }, "Name",
			"Name of 1025 bytes is too long: at most 1024"},
		{func(c *Config) { c.Label = strings.Repeat("l", 256) }, "Label",
			`could not use "` + strings.Repeat("l", 256) + `" as a label: too long: 256 bytes, at most 255`},
		{func(c *Config) { c.BindAddr = "localhost" }, "BindAddr", `BindAddr "localhost" is not an IP address`},
		{func(c *Config) { c.AdvertiseAddr = "1.2.3" }, "AdvertiseAddr", `AdvertiseAddr "1.2.3" is not an IP address`},
		{func(c *Config) { c.AdvertiseAddr = "::" }, "AdvertiseAddr",
			`AdvertiseAddr "::" is not an address at which others can reach this node`},
		{func(c *Config) { c.AdvertiseAddr = "fe80::1%eth0" }, "AdvertiseAddr",
			`AdvertiseAddr "fe80::1%eth0" is not an address at which others can reach this node`},
		{func(c *Config) { c.BindPort = 65536 }, "BindPort", "BindPort 65536 is not a port: must be 0 to 65535"},
		{func(c *Config) { c.AdvertisePort = -1 }, "AdvertisePort", "AdvertisePort -1 is not a port: must be 0 to 65535"},
		{func(c *Config) { c.CIDRsAllowed = []net.IPNet{*v4, {}} }, "CIDRsAllowed",
			`CIDRsAllowed contains "<nil>", which is not a network such as 10.0.0.0/8`},
		{func(c *Config) { c.TCPTimeout = -1 }, "TCPTimeout", "TCPTimeout -1ns is negative: must be 0 or more"},
		{func(c *Config) { c.PushPullInterval = -time.Second }, "PushPullInterval", "PushPullInterval -1s is negative: must be 0 or more"},
		{func(c *Config) { c.ProbeInterval = -time.Second }, "ProbeInterval", "ProbeInterval -1s is negative: must be 0 or more"},
		{func(c *Config) { c.ProbeTimeout = -time.Second }, "ProbeTimeout", "ProbeTimeout -1s is negative: must be 0 or more"},
		{func(c *Config) { c.GossipInterval = -time.Second }, "GossipInterval", "GossipInterval -1s is negative: must be 0 or more"},
		{func(c *Config) { c.GossipToTheDeadTime = -time.Second }, "GossipToTheDeadTime", "GossipToTheDeadTime -1s is negative: must be 0 or more"},
		{func(c *Config) { c.DeadNodeReclaimTime = -time.Second }, "DeadNodeReclaimTime", "DeadNodeReclaimTime -1s is negative: must be 0 or more"},
		{func(c *Config) { c.QueueCheckInterval = -time.Second }, "QueueCheckInterval", "QueueCheckInterval -1s is negative: must be 0 or more"},
		{func(c *Config) { c.IndirectChecks = -1 }, "IndirectChecks", "IndirectChecks -1 is negative: must be 0 or more"},
		{func(c *Config) { c.RetransmitMult = -1 }, "RetransmitMult", "RetransmitMult -1 is negative: must be 0 or more"},
		{func(c *Config) { c.SuspicionMult = -1 }, "SuspicionMult", "SuspicionMult -1 is negative: must be 0 or more"},
		{func(c *Config) { c.SuspicionMaxTimeoutMult = -1 }, "SuspicionMaxTimeoutMult", "SuspicionMaxTimeoutMult -1 is negative: must be 0 or more"},
		{func(c *Config) { c.AwarenessMaxMultiplier = -1 }, "AwarenessMaxMultiplier", "AwarenessMaxMultiplier -1 is negative: must be 0 or more"},
		{func(c *Config) { c.GossipNodes = -1 }, "GossipNodes", "GossipNodes -1 is negative: must be 0 or more"},
		{func(c *Config) { c.HandoffQueueDepth = -1 }, "HandoffQueueDepth", "HandoffQueueDepth -1 is negative: must be 0 or more"},
		{func(c *Config) { c.UDPBufferSize = -1 }, "UDPBufferSize", "UDPBufferSize -1 is negative: must be 0 or more"},
		{func(c *Config) { c.UDPBufferSize = 40 }, "UDPBufferSize",
			"UDPBufferSize 40 is too small to hold anything: with this Name, Label and encryption must be at least 87"},
		{func(c *Config) { c.CompressionAlgorithm = "zip" }, "CompressionAlgorithm",
			`memberlist: unknown CompressionAlgorithm "zip"`},
	} {
		c := DefaultLANConfig()
		c.Name = "node"
		test.change(c)
		err := c.Validate()
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: got %q, want %q", test.field, err, test.want)
			continue
		}
		var ce *ConfigError
		if !errors.As(err, &ce) || ce.Field != test.field {
			t.Errorf("%s: not a ConfigError for the field: %+v", test.field, ce)
		}
		if test.field == "SecretKey" && (ce.Value != nil || !errors.Is(err, errKeySize)) {
			t.Errorf("the error carries the key, or not its cause: %+v", ce)
		}
	}
}

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	err := new(Config).Validate()
	want := "protocol version '0' too low. Must be in range: [1, 5]\n" +
		"Name is empty: every member needs a name of its own, 1 to 1024 bytes"
	if err == nil || err.Error() != want {
		t.Errorf("zero Config: got %q, want %q", err, want)
	}
	if err := (*Config)(nil).Validate(); err == nil {
		t.Error("nil Config is valid")
	}
}

func TestValidateLeavesAddressesToACustomTransport(t *testing.T) {
	c := DefaultLANConfig()
	c.Name, c.BindAddr, c.AdvertiseAddr = "node", "gateway", "node.dc1"
	c.Transport = struct{ Transport }{}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// The smallest size that Validate accepts must really hold this node's news,
// and one byte less must not pass.
func TestSmallestUDPBufferSizeHoldsAnAliveMessage(t *testing.T) {
	for _, change := range []func(c *Config){
		func(c *Config) {},
		func(c *Config) { c.Name = strings.Repeat("n", 300) },
		func(c *Config) { c.Label = "label" },
		func(c *Config) { c.SecretKey = make([]byte, 32) },
		func(c *Config) { c.SecretKey, c.ProtocolVersion = make([]byte, 32), 1 },
	} {
		c := DefaultLANConfig()
		c.Name = "node"
		change(c)
		for c.UDPBufferSize = 1; c.Validate() != nil; c.UDPBufferSize++ {
		}
		framing := c.framing(len(c.SecretKey) > 0)
		if got := c.UDPBufferSize - framing; got != aliveOverhead+len(c.Name) {
			t.Errorf("UDPBufferSize %d leaves %d bytes, want %d", c.UDPBufferSize, got, aliveOverhead+len(c.Name))
		}
	}
}

func TestPacketRoomCountsAllFraming(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(c *Config)
		want   int
	}{
		{"plain", func(c *Config) {}, 1400 - 2 - 5},
		{"zero size", func(c *Config) { c.UDPBufferSize = 0 }, 1400 - 2 - 5},
		{"label", func(c *Config) { c.Label = "abc" }, 1400 - 2 - 5 - 5},
		{"tiny", func(c *Config) { c.UDPBufferSize = 5 }, 0},
		{"negative", func(c *Config) { c.UDPBufferSize = -5 }, 1400 - 2 - 5},
		{"beyond UDP", func(c *Config) { c.UDPBufferSize = 10 << 20 }, 65507 - 2 - 5},
		{"custom transport", func(c *Config) { c.UDPBufferSize, c.Transport = 10<<20, struct{ Transport }{} }, 10<<20 - 2 - 5},
	} {
		c := DefaultLANConfig()
		test.change(c)
		if got := c.packetRoom(); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestZeroThatCannotWorkMeansTheLANDefault(t *testing.T) {
	lan := DefaultLANConfig()
	want := lan.coreParams()
	got := (&Config{
		Name: lan.Name, BindPort: lan.BindPort, ProtocolVersion: lan.ProtocolVersion,
		// Zero means something of its own for these.
		IndirectChecks: lan.IndirectChecks, RetransmitMult: lan.RetransmitMult, PushPullInterval: lan.PushPullInterval,
		ProbeInterval: lan.ProbeInterval, GossipInterval: lan.GossipInterval, GossipNodes: lan.GossipNodes,
		GossipToTheDeadTime: lan.GossipToTheDeadTime,
	}).coreParams()
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}

	zero := new(Config)
	if zero.bindAddr() != "0.0.0.0" || zero.tcpTimeout() != 10*time.Second || zero.handoffQueueDepth() != 1024 ||
		zero.dnsConfigPath() != "/etc/resolv.conf" || zero.queueCheckInterval() != 30*time.Second ||
		zero.pushPullNodes() != 1 || zero.compressionAlgorithm() != CompressionAlgorithmLZW {
		t.Error("a zero field of the shell does not mean its default")
	}
}

func TestZeroThatCanWorkIsKept(t *testing.T) {
	p := new(Config).coreParams()
	for name, d := range map[string]time.Duration{
		"probeInterval": p.probeInterval, "gossipInterval": p.gossipInterval, "pushPullInterval": p.pushPullInterval,
		"gossipToDead": p.gossipToDead, "reclaim": p.reclaim,
	} {
		if d != 0 {
			t.Errorf("%s = %v, want 0", name, d)
		}
	}
	if p.indirectChecks != 0 || p.gossipNodes != 0 || p.retransmitMult != 0 || p.userGossip || !p.streamPings {
		t.Errorf("%+v", p)
	}

	c := DefaultLANConfig()
	c.GossipNodes = 0
	if p := c.coreParams(); p.gossipInterval != 0 {
		t.Error("gossip to nobody still ticks")
	}
}

// With the incumbent a zero multiplier makes suspicions run out at once, and a
// zero bound of the health score makes probes end before they begin.
func TestZeroMultipliersGiveRealTimeouts(t *testing.T) {
	c := DefaultLANConfig()
	c.SuspicionMult, c.SuspicionMaxTimeoutMult, c.AwarenessMaxMultiplier, c.ProbeTimeout = 0, 0, 0, 0
	p := c.coreParams()
	k, shortest, longest := suspicionTimes(p.suspicionMult, p.suspicionMaxMult, 10, p.probeInterval)
	if k != 2 || shortest != 4*time.Second || longest != 24*time.Second {
		t.Errorf("suspicions last %v to %v with %d confirmations", shortest, longest, k)
	}
	health := awareness{max: p.awarenessMax}
	health.apply(-1)
	if d := health.scale(p.probeInterval); d != time.Second || p.probeTimeout != 500*time.Millisecond {
		t.Errorf("probes last %v, acks are awaited for %v", d, p.probeTimeout)
	}
}

// A field set to nonsense after Create must not reach the core.
func TestCoreParamsAreNeverNegative(t *testing.T) {
	p := (&Config{
		TCPTimeout: -1, IndirectChecks: -1, RetransmitMult: -1, SuspicionMult: -1, SuspicionMaxTimeoutMult: -1,
		PushPullInterval: -1, ProbeInterval: -1, ProbeTimeout: -1, AwarenessMaxMultiplier: -1, GossipInterval: -1,
		GossipNodes: -1, GossipToTheDeadTime: -1, UDPBufferSize: math.MinInt, DeadNodeReclaimTime: -1,
	}).coreParams()
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		if f := v.Field(i); f.CanInt() && f.Int() < 0 {
			t.Errorf("%s = %d", v.Type().Field(i).Name, f.Int())
		}
	}
}

func TestCoreParamsReadTheConfigLive(t *testing.T) {
	c := DefaultLANConfig()
	c.DisableTcpPings, c.Delegate, c.DelegateProtocolMax, c.DelegateProtocolVersion = true, struct{ Delegate }{}, 3, 2
	p := c.coreParams()
	if p.streamPings || !p.userGossip || p.delegateMax != 3 || p.delegateVersion != 2 || p.delegateMin != 0 {
		t.Errorf("%+v", p)
	}
}

func TestBuildVsnArray(t *testing.T) {
	c := &Config{ProtocolVersion: 3, DelegateProtocolMin: 4, DelegateProtocolMax: 6, DelegateProtocolVersion: 5}
	a := c.BuildVsnArray()
	if want := []uint8{1, 5, 3, 4, 6, 5}; !slices.Equal(a, want) {
		t.Errorf("got %v, want %v", a, want)
	}
	a[0] = 9
	if c.BuildVsnArray()[0] != 1 {
		t.Error("two calls share a slice")
	}
}

func TestIPAllowed(t *testing.T) {
	networks, err := ParseCIDRs([]string{"10.0.0.0/8", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		allowed []net.IPNet
		ip      net.IP
		want    string
	}{
		{nil, net.ParseIP("1.2.3.4"), ""},
		{[]net.IPNet{}, net.ParseIP("1.2.3.4"), ""},
		{nil, nil, ""},
		{networks, net.ParseIP("10.1.2.3"), ""},
		{networks, net.ParseIP("10.1.2.3").To4(), ""},
		{networks, net.ParseIP("fd12::1"), ""},
		{networks, net.ParseIP("11.1.2.3"), "11.1.2.3 is not allowed"},
		{networks, net.ParseIP("fe80::1"), "fe80::1 is not allowed"},
		{networks, nil, "<nil> is not allowed"},
		{networks[:1], net.ParseIP("fd12::1"), "fd12::1 is not allowed"},
		{[]net.IPNet{{}}, net.ParseIP("1.2.3.4"), "1.2.3.4 is not allowed"},
	} {
		c := &Config{CIDRsAllowed: test.allowed}
		if got := errorText(c.IPAllowed(test.ip)); got != test.want {
			t.Errorf("%v in %v: got %q, want %q", test.ip, test.allowed, got, test.want)
		}
		if got, want := c.IPMustBeChecked(), len(test.allowed) > 0; got != want {
			t.Errorf("%v: must be checked: %v", test.allowed, got)
		}
	}
}

func TestParseCIDRs(t *testing.T) {
	for _, test := range []struct {
		in   []string
		want []string
		err  string
	}{
		{nil, []string{}, ""},
		{[]string{}, []string{}, ""},
		{[]string{" 10.1.2.3/8 ", "fd00::/8"}, []string{"10.0.0.0/8", "fd00::/8"}, ""},
		{[]string{"10.0.0.0"}, []string{}, "1 error occurred:\n\t* invalid cidr: 10.0.0.0\n\n"},
		{[]string{"x", "10.0.0.0/8", ""}, []string{"10.0.0.0/8"}, "2 errors occurred:\n\t* invalid cidr: x\n\t* invalid cidr: \n\n"},
	} {
		got, err := ParseCIDRs(test.in)
		if got == nil {
			t.Errorf("%q: nil slice", test.in)
		}
		texts := make([]string, 0, len(got))
		for _, n := range got {
			texts = append(texts, n.String())
		}
		if !slices.Equal(texts, test.want) || errorText(err) != test.err {
			t.Errorf("%q: got %q, %q", test.in, texts, errorText(err))
		}
		if err != nil {
			each := err.(interface{ Unwrap() []error }).Unwrap()
			if len(each)+len(got) != len(test.in) {
				t.Errorf("%q: unwraps to %d errors", test.in, len(each))
			}
		}
	}
}

func TestCloneSharesNothingThatTheOriginalCanChange(t *testing.T) {
	c := DefaultLANConfig()
	c.SecretKey = make([]byte, 16)
	c.MetricLabels = []metrics.Label{{Name: "a", Value: "b"}}
	c.CIDRsAllowed, _ = ParseCIDRs([]string{"10.0.0.0/8"})
	c.Keyring = new(Keyring)
	c.PushPullNodes = 3
	clone := c.Clone()
	if !reflect.DeepEqual(c, clone) {
		t.Fatalf("got %+v\nwant %+v", clone, c)
	}
	if clone.Keyring != c.Keyring {
		t.Error("the keyring is not shared")
	}
	c.SecretKey[0], c.MetricLabels[0].Name, c.CIDRsAllowed[0].IP[0], c.CIDRsAllowed[0].Mask[0] = 1, "x", 1, 0
	c.BindPort = 1
	if clone.SecretKey[0] != 0 || clone.MetricLabels[0].Name != "a" || clone.CIDRsAllowed[0].String() != "10.0.0.0/8" || clone.BindPort != 7946 {
		t.Errorf("the clone changed with the original: %+v", clone)
	}

	// Nil and empty stay what they are.
	clone = (&Config{CIDRsAllowed: []net.IPNet{}}).Clone()
	if clone.CIDRsAllowed == nil || clone.SecretKey != nil || clone.MetricLabels != nil {
		t.Errorf("%+v", clone)
	}
	if (*Config)(nil).Clone() != nil {
		t.Error("the clone of nil is something")
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The core multiplies durations and numbers, and what overflows is in the past:
// PushPullInterval and others made the node spin for ever, with its lock held.
func TestNoNumberIsTooLarge(t *testing.T) {
	fields := reflect.TypeFor[Config]()
	for _, f := range reflect.VisibleFields(fields) {
		largest := int64(math.MaxInt64)
		switch f.Type {
		case reflect.TypeFor[time.Duration]():
		case reflect.TypeFor[int]():
			if largest = math.MaxInt; strings.HasSuffix(f.Name, "Port") {
				continue
			}
		default:
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, w := new(MockNetwork), new(callLines)
				c := testConfig(network, "a")
				c.Logger.SetOutput(w)
				reflect.ValueOf(c).Elem().FieldByIndex(f.Index).SetInt(largest)
				a := start(t, c)
				const others = pushPullScale + 8
				var b *Memberlist
				for i := range others {
					b = start(t, testConfig(network, fmt.Sprint("b", i)))
					join(t, b, a)
				}
				time.Sleep(20 * time.Second)
				b.Shutdown() // whoever finds out tells a
				time.Sleep(time.Minute)
				want := others
				if f.Name == "ProbeTimeout" {
					want++ // a takes a last look that lasts for ever
				}
				if n := a.NumMembers(); n != want {
					t.Errorf("%d members, want %d", n, want)
				}
				if strings.Contains(w.text(), "did not run") {
					t.Error("it takes a deadline that has overflowed for lost time")
				}
			})
		})
	}
}

func TestSuspicionTimesDoNotOverflow(t *testing.T) {
	for _, c := range []Config{
		{SuspicionMult: math.MaxInt}, {SuspicionMaxTimeoutMult: math.MaxInt}, {ProbeInterval: math.MaxInt64},
		{SuspicionMult: math.MaxInt, SuspicionMaxTimeoutMult: math.MaxInt, ProbeInterval: math.MaxInt64},
	} {
		p := c.coreParams()
		for _, n := range []int{1, 100, maxMembers} {
			_, shortest, longest := suspicionTimes(p.suspicionMult, p.suspicionMaxMult, n, p.probeInterval)
			if shortest < 4*time.Second || longest < shortest {
				t.Errorf("%d × %d × %v for %d members: %v to %v", p.suspicionMult, p.suspicionMaxMult, p.probeInterval, n, shortest, longest)
			}
		}
	}
}

func TestGossipMayBeSwitchedOffWhileRunning(t *testing.T) {
	for name, off := range map[string]func(c *Config){
		"GossipNodes":    func(c *Config) { c.GossipNodes = 0 },
		"GossipInterval": func(c *Config) { c.GossipInterval = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(MockNetwork)
				c := testConfig(network, "a")
				c.Delegate = &userDelegate{} // so that there is always a round to come
				a, b := start(t, c), start(t, testConfig(network, "b"))
				join(t, a, b)
				time.Sleep(time.Second)
				a.step(func(*swim, time.Time) { off(c) }) // after what timerLoop has read
				time.Sleep(10 * time.Second)
				if n := a.NumMembers(); n != 2 {
					t.Errorf("%d members", n)
				}
			})
		})
	}
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/swimguard/memberlist"
)

// agentOptions are the flags of the agent as typed.
type agentOptions struct {
	name         string
	bind         string
	advertise    string
	join         listFlag
	joinOnce     bool
	key, keyFile string
	label        string
	meta         string
	profile      string
	events       string
	log          string
	stdin        bool
	leaveTimeout time.Duration
	reclaim      time.Duration
}

// listFlag collects a flag that may be repeated and may hold several values
// with commas between them.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }

func (l *listFlag) Set(text string) error {
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

func (o *agentOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("agent", flag.ContinueOnError)
	fs.StringVar(&o.name, "name", "", "`name` of this member, unique in the cluster (default: the host's name)")
	fs.StringVar(&o.bind, "bind", "", "listen on this `ip:port`, UDP and TCP; port 0 takes any free one (default 0.0.0.0:7946)")
	fs.StringVar(&o.advertise, "advertise", "", "`ip[:port]` that others reach this member at, if it differs from -bind")
	fs.Var(&o.join, "join", "`address` host[:port] of members to join; repeat it or separate them with commas")
	fs.BoolVar(&o.joinOnce, "join-once", false, "exit with status 1 when none of the -join addresses answers,\ninstead of going on to try them in the background")
	fs.StringVar(&o.key, "key", "", "encrypt with this `key`: 16, 24 or 32 bytes in hexadecimal or base64;\nother users of this machine can read it in the process list, so prefer -key-file")
	fs.StringVar(&o.keyFile, "key-file", "", "`file` with a key on each line: encrypt with the first, accept all")
	fs.StringVar(&o.label, "label", "", "only talk to members with the same `label`")
	fs.StringVar(&o.meta, "meta", "", fmt.Sprintf("metadata of this member, at most %d bytes of `text`", memberlist.MetaMaxSize))
	fs.StringVar(&o.profile, "profile", "lan", "timing for members on one network, far apart or on one machine: `lan|wan|local`")
	fs.StringVar(&o.events, "events", "text", "form of the events on standard output: `text|json`, json is one object a line")
	fs.StringVar(&o.log, "log", "warn", "least important `level` to log on standard error: debug|info|warn|error|off")
	fs.BoolVar(&o.stdin, "stdin", false, "send every line typed on standard input to all members")
	fs.DurationVar(&o.leaveTimeout, "leave-timeout", 5*time.Second, "`time` to tell the others when told to stop")
	fs.DurationVar(&o.reclaim, "reclaim", 0, "keep the name of a failed member for its address for this `time`\n(default: it may come back at any other at once)")
	return fs
}

func agentUsage(w io.Writer) {
	fmt.Fprint(w, `Usage: memberlist agent [flags]

Runs one member and prints what happens in the cluster: members that join,
leave of their own accord, fail, or change their metadata. SIGINT or SIGTERM
makes it leave and exit with status 0; a second signal ends it at once.

  memberlist agent -name a -bind 127.0.0.1:7946
  memberlist agent -name b -bind 127.0.0.1:7947 -join 127.0.0.1:7946

`)
	printFlags(w, new(agentOptions).flags())
}

// config turns the flags into a Config without delegates. Every complaint
// names the flag it is about.
func (o *agentOptions) config(logs io.Writer) (*memberlist.Config, error) {
	var c *memberlist.Config
	switch o.profile {
	case "lan":
		c = memberlist.DefaultLANConfig()
	case "wan":
		c = memberlist.DefaultWANConfig()
	case "local":
		c = memberlist.DefaultLocalConfig()
	default:
		return nil, fmt.Errorf("-profile %q: must be lan, wan or local", o.profile)
	}
	if o.events != "text" && o.events != "json" {
		return nil, fmt.Errorf("-events %q: must be text or json", o.events)
	}
	if o.leaveTimeout <= 0 {
		return nil, fmt.Errorf("-leave-timeout %v: must be positive", o.leaveTimeout)
	}
	if o.joinOnce && len(o.join) == 0 {
		return nil, errors.New("-join-once needs an address to -join")
	}
	logger, err := newLogger(logs, o.log)
	if err != nil {
		return nil, err
	}
	c.Slog = logger
	if o.name != "" {
		c.Name = o.name
	}
	c.Label = o.label
	if o.reclaim < 0 {
		return nil, fmt.Errorf("-reclaim %v: must not be negative", o.reclaim)
	}
	c.DeadNodeReclaimTime = o.reclaim
	if len(o.meta) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("-meta of %d bytes: at most %d", len(o.meta), memberlist.MetaMaxSize)
	}
	if err := o.addresses(c); err != nil {
		return nil, err
	}
	if err := o.keys(c); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

func (o *agentOptions) addresses(c *memberlist.Config) (err error) {
	if o.bind != "" {
		if c.BindAddr, c.BindPort, err = splitAddress(o.bind, c.BindAddr, c.BindPort); err != nil {
			return fmt.Errorf("-bind %q: %w", o.bind, err)
		}
	}
	c.AdvertisePort = c.BindPort
	if o.advertise != "" {
		if c.AdvertiseAddr, c.AdvertisePort, err = splitAddress(o.advertise, "", c.BindPort); err != nil {
			return fmt.Errorf("-advertise %q: %w", o.advertise, err)
		}
		if c.AdvertiseAddr == "" {
			return fmt.Errorf("-advertise %q: an IP address is missing", o.advertise)
		}
	}
	return nil
}

// splitAddress reads ip, ip:port, [ip]:port or :port. What is missing is
// filled in from the other arguments.
func splitAddress(text, host string, port int) (string, int, error) {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return ip.String(), port, nil
	}
	h, p, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, errors.New("must be ip, ip:port, [ip]:port or :port")
	}
	if h != "" {
		ip, err := netip.ParseAddr(h)
		if err != nil {
			return "", 0, fmt.Errorf("%q is not an IP address", h)
		}
		host = ip.String()
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not a port, 0 to 65535", p)
	}
	return host, int(n), nil
}

func (o *agentOptions) keys(c *memberlist.Config) error {
	var keys [][]byte
	switch {
	case o.key != "" && o.keyFile != "":
		return errors.New("-key and -key-file exclude each other")
	case o.key != "":
		key, err := parseKey(o.key)
		if err != nil {
			return fmt.Errorf("-key: %w", err)
		}
		keys = [][]byte{key}
	case o.keyFile != "":
		var err error
		if keys, err = readKeyFile(o.keyFile); err != nil {
			return fmt.Errorf("-key-file: %w", err)
		}
	default:
		return nil
	}
	ring, err := memberlist.NewKeyring(keys, keys[0])
	if err != nil {
		return err
	}
	c.Keyring = ring
	return nil
}

func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	if level == "off" {
		return slog.New(slog.DiscardHandler), nil
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("-log %q: must be debug, info, warn, error or off", level)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
}

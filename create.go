package memberlist

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Create starts a node. It is a member of a cluster of its own until Join
// connects it with others.
//
// Config.Validate says what is refused; other errors come from the transport
// and its address, and ErrMetaTooLarge from Delegate.NodeMeta. When Create
// fails nothing is left running or bound; a Transport that the caller supplied
// is left alone and still the caller's.
//
// Create keeps conf and reads it as long as the node runs: delegates, keys and
// most numbers may be changed while it does, as far as the program keeps that
// free of data races. Create writes into it: Keyring, when SecretKey is set; and,
// when BindPort is 0 and Transport nil, BindPort and, unless AdvertiseAddr and
// AdvertisePort are both set, AdvertisePort.
//
// Before Create returns it calls NodeMeta, the AliveDelegate about this node,
// and NotifyJoin for this node, and waits for the latter. When the
// AliveDelegate or CIDRsAllowed refuse this node, Create succeeds all the same:
// the node then takes part without being a member itself.
func Create(conf *Config) (*Memberlist, error) {
	if err := conf.Validate(); err != nil {
		return nil, err
	}
	if err := installKey(conf); err != nil {
		return nil, err
	}
	log := newLogger(conf)
	transport, own, err := openTransport(conf, log)
	if err != nil {
		return nil, err
	}
	m, err := create(conf, log, transport)
	if err != nil && own {
		err = errors.Join(err, transport.Shutdown())
	}
	return m, err
}

// create starts a node on a transport.
func create(conf *Config, log *logger, transport Transport) (*Memberlist, error) {
	ip, port, err := advertised(conf, transport)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	m := &Memberlist{
		config:      conf,
		name:        conf.Name,
		label:       []byte(conf.Label),
		labelHeader: labelHeader(conf.Label),
		transport:   transport,
		log:         log,
		meter:       newMeter(conf.MetricLabels),
		swim:        newSwim(conf.coreParams(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))),
		waits:       make(map[ticket]chan<- completion),
		view:        new(view),
		alarm:       newAlarm(),
		ctx:         ctx,
		cancel:      cancel,
		stop:        make(chan struct{}),
		done:        make(chan struct{}),
	}
	m.reader.m = m
	m.streams.init()
	m.udp, _ = transport.(*NetTransport)
	if m.aware, _ = transport.(NodeAwareTransport); m.aware == nil {
		m.log.debugf("configured Transport is not a NodeAwareTransport and some features may not work as desired")
	}
	meta, err := m.nodeMeta()
	if err != nil {
		return nil, err
	}
	self := m.selfNode(ip, port, meta)
	m.self.Store(self)
	m.warnIfPublic(self)
	accepted := *self
	member := &accepted
	if err := m.approveSelf(self); err != nil {
		m.log.warnf("This node is refused as a member: %v", err)
		member = nil
	}
	// Reading begins only now that there is a node to speak for.
	m.step(func(s *swim, now time.Time) { s.start(now, member) })
	m.awaitEvents(context.Background(), 0)
	for _, loop := range []func(){m.packetLoop, m.streamLoop, m.timerLoop} {
		m.loops.enter()
		go loop()
	}
	if m.udp != nil {
		m.udp.deliverTo(m.receive)
	}
	return m, nil
}

// installKey makes SecretKey the primary key of the ring.
func installKey(conf *Config) error {
	if len(conf.SecretKey) == 0 {
		return nil
	}
	ring := conf.Keyring
	if ring == nil {
		ring = new(Keyring)
	}
	if err := ring.AddKey(conf.SecretKey); err != nil {
		return err
	}
	if err := ring.UseKey(conf.SecretKey); err != nil {
		return err
	}
	conf.Keyring = ring
	return nil
}

// openTransport returns the caller's transport or one of our own.
func openTransport(conf *Config, log *logger) (t Transport, own bool, err error) {
	if conf.Transport != nil {
		return conf.Transport, false, nil
	}
	nc := &NetTransportConfig{
		BindAddrs:    []string{conf.bindAddr()},
		BindPort:     conf.BindPort,
		Logger:       log.std(),
		MetricLabels: conf.MetricLabels,
	}
	nt, err := NewNetTransport(nc)
	if err != nil {
		return nil, false, fmt.Errorf("could not set up network transport: failed to obtain an address: %w", err)
	}
	if conf.BindPort == 0 {
		conf.BindPort = nt.GetAutoBindPort()
		if conf.AdvertiseAddr == "" || conf.AdvertisePort == 0 {
			conf.AdvertisePort = conf.BindPort
		}
		log.debugf("Using dynamic bind port %d", conf.BindPort)
	}
	return nt, true, nil
}

// advertised asks the transport which address to announce.
func advertised(conf *Config, transport Transport) (net.IP, uint16, error) {
	port := conf.AdvertisePort
	if port == 0 {
		port = conf.BindPort
	}
	ip, port, err := transport.FinalAdvertiseAddr(conf.AdvertiseAddr, port)
	if err != nil {
		return nil, 0, fmt.Errorf("failed to get final advertise address: %w", err)
	}
	if _, ok := netip.AddrFromSlice(ip); !ok {
		return nil, 0, fmt.Errorf("failed to get final advertise address: the transport returned %q, which is not an IP address", ip)
	}
	if port < 0 || port > 65535 {
		return nil, 0, fmt.Errorf("failed to get final advertise address: the transport returned port %d", port)
	}
	return slices.Clone(ip), uint16(port), nil
}

// selfNode is this node as it announces itself.
func (m *Memberlist) selfNode(ip net.IP, port uint16, meta []byte) *Node {
	n := &Node{Name: m.name, Addr: ip, Port: port, Meta: meta}
	n.setVersions(m.config.BuildVsnArray())
	return n
}

// setVersions fills in the six version bytes; fewer are ignored.
func (n *Node) setVersions(vsn []byte) {
	if len(vsn) >= 6 {
		copy(n.vsn(), vsn)
	}
}

// approveSelf asks those who may refuse a member about this node.
func (m *Memberlist) approveSelf(n *Node) error {
	if err := m.config.IPAllowed(n.Addr); err != nil {
		return err
	}
	d := m.config.Alive
	if d == nil {
		return nil
	}
	private := *n
	private.State = StateAlive
	private.Addr, private.Meta = slices.Clone(n.Addr), slices.Clone(n.Meta)
	return m.notifyAlive(d, &private)
}

// sharedAddresses is the range that providers use behind their own NAT (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// warnIfPublic complains about plaintext where anybody may send packets.
func (m *Memberlist) warnIfPublic(n *Node) {
	ip, _ := netip.AddrFromSlice(n.Addr)
	ip = ip.Unmap()
	if ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedAddresses.Contains(ip) && !m.config.EncryptionEnabled() {
		m.log.warnf("Binding to public address without encryption!")
	}
}

package memberlist

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Memberlist is this node's membership in a cluster. Create makes one; the zero
// value is of no use. All methods may be called from any goroutine at any time,
// also from within every notify callback (see Delegate, EventDelegate,
// ConflictDelegate and PingDelegate).
//
// What owns which goroutine:
//
//	packetLoop, timerLoop, streamLoop   from Create to Shutdown
//	receiveLoop, acceptLoop             one each for a socket of a NetTransport
//	eventLoop, userLoop                 while there is something to deliver
//	serveStream                         one for each stream others opened
//	runDial                             one for each stream the protocol asked for
//	writeLoop                           one for each peer, with a foreign transport only
//
// Shutdown waits for all of them. Those that may be inside user code it leaves
// to themselves after shutdownGrace.
type Memberlist struct {
	config      *Config // the caller's, read at each use
	name        string  // Config.Name at Create
	label       []byte  // Config.Label at Create, authenticated with everything sent
	labelHeader []byte  // the same, as everything sent begins; empty without a label
	transport   Transport
	aware       NodeAwareTransport // transport, if it is one
	udp         *NetTransport      // transport, if it is ours
	log         *logger
	meter       *meter

	// mu is a leaf but for events.mu: under it there is no I/O, no callback, and
	// nothing that waits.
	mu    sync.Mutex
	swim  *swim
	clock clock
	alarm alarm
	waits map[ticket]chan<- completion
	left  chan struct{} // not nil once Leave was called; closed when that call is over
	metas uint64        // how often new metadata has been announced

	reader packetReader
	self   atomic.Pointer[Node] // never nil
	view   *view
	events eventQueue
	users  userQueue
	seeds  seeds
	health atomic.Int64

	writers     writers
	streams     streamLimits
	slowQueries atomic.Uint64

	callbacks gate        // user code in progress
	loops     gate        // goroutines that end promptly when told
	workers   gate        // goroutines that may be inside user code
	closing   atomic.Bool // Shutdown has been called
	ctx       context.Context
	cancel    context.CancelCauseFunc // ends ctx with ErrShutdown
	stop      chan struct{}           // closed by Shutdown when the transport is down
	done      chan struct{}           // closed when Shutdown is over
}

// Members returns the nodes that are neither dead nor left: alive and suspect
// ones, this node included until it leaves. The slice belongs to the caller; the
// nodes are shared and must not be modified. They never change either: call
// Members again for news. The order is random.
//
// A change appears here after the EventDelegate has been told of it and not
// before. Members never waits and costs one allocation.
func (m *Memberlist) Members() []*Node { return m.view.members() }

// NumMembers returns len(Members()), in constant time and without a lock.
func (m *Memberlist) NumMembers() int { return int(m.view.count.Load()) }

// LocalNode returns this node as others know it. It is never nil: for a node
// that was refused as a member (see Create) it is built from the Config, and
// after Leave its State is StateLeft. The node is shared and must not be
// modified; it never changes, so call LocalNode again for news. It takes
// constant time and no lock.
func (m *Memberlist) LocalNode() *Node { return m.self.Load() }

// GetHealthScore returns how unhealthy this node believes itself to be: 0 is
// healthy, Config.AwarenessMaxMultiplier-1 is worst. Probes wait longer by this
// many ProbeIntervals (Lifeguard's local health). It takes constant time and no
// lock.
func (m *Memberlist) GetHealthScore() int { return int(m.health.Load()) }

// ProtocolVersion returns Config.ProtocolVersion as it is now.
func (m *Memberlist) ProtocolVersion() uint8 { return m.config.ProtocolVersion }

// UpdateNode asks Delegate.NodeMeta for new metadata and announces it. It
// returns when the announcement has been sent as often as the retransmit limit
// says, at once if no other member lives, or with an error that matches
// ErrTimeout after timeout; zero or less is no limit. In that case, too, this
// node's record has changed and the cluster is being told.
//
// Errors that leave everything as it was: ErrMetaTooLarge, ErrNotMember,
// ErrLeft, ErrShutdown, and the AliveDelegate's refusal.
func (m *Memberlist) UpdateNode(timeout time.Duration) error {
	ctx, cancel := timeoutContext(timeout)
	defer cancel()
	return m.UpdateNodeContext(ctx)
}

// UpdateNodeContext is UpdateNode limited by ctx. When ctx ends the error
// matches its cause as well.
func (m *Memberlist) UpdateNodeContext(ctx context.Context) error {
	entry := m.inCallback()
	if err := m.usableAsMember(); err != nil {
		return err
	}
	for {
		m.mu.Lock()
		asked := m.metas
		m.mu.Unlock()
		meta, err := m.nodeMeta()
		if err != nil {
			return err
		}
		next := *m.self.Load()
		next.Meta, next.State = meta, StateAlive
		if err := m.approveSelf(&next); err != nil {
			return fmt.Errorf("memberlist: update refused: %w", err)
		}
		current := false
		t, done := m.begin(func(s *swim, now time.Time) ticket {
			// When another call was quicker, what we have may be older than
			// what it announced.
			if current = m.metas == asked; !current {
				return 0
			}
			m.metas++
			return s.updateMeta(now, meta)
		})
		if !current {
			continue
		}
		m.awaitEvents(ctx, entry)
		_, err = m.await(ctx, t, done)
		return waitError(err, errUpdateTimeout)
	}
}

// Leave announces that this node leaves the cluster, so that others do not take
// its silence for a failure. It returns when a few members have confirmed the
// announcement, or when it has been sent as often as the retransmit limit says,
// at once if no other member lives, or with an error that matches ErrTimeout after timeout; zero or less is no limit. In
// that case, too, the node has left and the cluster is being told.
//
// NotifyLeave for this node has returned when Leave does, unless Leave was
// called from within an event callback. Afterwards this node goes on answering
// its peers until Shutdown, and can not become a member again.
//
// A second call waits for the first one and returns nil. Other errors:
// ErrNotMember, ErrShutdown.
func (m *Memberlist) Leave(timeout time.Duration) error {
	ctx, cancel := timeoutContext(timeout)
	defer cancel()
	return m.LeaveContext(ctx)
}

// LeaveContext is Leave limited by ctx. When ctx ends the error matches its
// cause as well.
func (m *Memberlist) LeaveContext(ctx context.Context) error {
	entry := m.inCallback()
	if m.closing.Load() {
		return ErrShutdown
	}
	member, mine := false, make(chan struct{})
	var first chan struct{}
	t, done := m.begin(func(s *swim, now time.Time) ticket {
		if member = s.selfNode() != nil; !member {
			return 0
		}
		if first = m.left; first != nil {
			return 0
		}
		m.left = mine
		return s.leave(now)
	})
	if !member {
		return ErrNotMember
	}
	if first != nil {
		if entry != 0 && m.inCallback() == entry {
			return nil // the first call may be waiting for this very callback
		}
		select {
		case <-first:
		case <-ctx.Done():
		case <-m.ctx.Done():
		}
		return nil
	}
	defer close(mine)
	ctx, cancel := m.bind(ctx)
	defer cancel()
	m.awaitEvents(ctx, entry)
	_, err := m.await(ctx, t, done)
	m.mu.Lock()
	confirmed := m.swim.goodbyeConfirmed()
	m.mu.Unlock()
	if !confirmed {
		// The announcement is out when the transport has it.
		m.writers.flush(ctx)
	}
	return waitError(err, errLeaveTimeout)
}

// Ping sends one ping to addr, where a node of the given name must answer, and
// returns the round trip time. On silence the error is a NoPingResponseError,
// after the smaller of ProbeTimeout and ProbeInterval (ProbeTimeout alone when
// probing is off). It changes nothing: the node is not suspected and the
// PingDelegate not told. An empty name reaches whoever is there.
func (m *Memberlist) Ping(node string, addr net.Addr) (time.Duration, error) {
	return m.PingContext(context.Background(), node, addr)
}

// PingContext is Ping limited by ctx as well.
func (m *Memberlist) PingContext(ctx context.Context, node string, addr net.Addr) (time.Duration, error) {
	if addr == nil {
		return 0, errors.New("memberlist: ping: no address")
	}
	if m.closing.Load() {
		return 0, ErrShutdown
	}
	to := parseEndpoint(addr.String(), node)
	if err := m.nameRequired(to); err != nil {
		return 0, err
	}
	done := make(chan completion, 1)
	var t ticket
	err := m.stepDirect(func(s *swim, now time.Time) {
		if t = s.ping(now, to); t != 0 {
			m.waits[t] = done
		}
	})
	if err != nil {
		m.forget(t)
		return 0, fmt.Errorf("memberlist: ping %s: %w", to.String(), err)
	}
	if t == 0 {
		return 0, errors.New("memberlist: ping: too many pings in progress")
	}
	how, err := m.await(ctx, t, done)
	if err != nil {
		return 0, err
	}
	if !how.ok {
		return 0, NoPingResponseError{node}
	}
	return how.rtt, nil
}

// Shutdown stops everything and returns when the transport is down, its address
// free again, and every goroutine of this Memberlist gone. It sends nothing:
// call Leave first, or others will take this for a failure. It may be called
// more than once and from within notify callbacks, and returns nil.
//
// No callback starts after Shutdown has returned. One that is in progress is
// not waited for, since it may be the one that calls Shutdown. What other
// methods are waiting for ends with ErrShutdown.
func (m *Memberlist) Shutdown() error {
	if m.closing.Swap(true) {
		<-m.done
		return nil
	}
	m.callbacks.close()
	m.events.stop()
	m.users.stop()
	m.cancel(ErrShutdown)
	// The loops go on taking, and dropping, what arrives: a transport may wait
	// for that.
	if err := m.transport.Shutdown(); err != nil {
		m.log.errf("Failed to shutdown transport: %v", err)
	}
	close(m.stop)
	m.loops.close()
	m.workers.close()
	<-m.loops.left()
	grace := time.NewTimer(shutdownGrace)
	defer grace.Stop()
	for _, g := range []*gate{&m.callbacks, &m.workers} {
		select {
		case <-g.left():
			continue
		case <-grace.C:
		}
		break
	}
	m.log.flushLimited()
	close(m.done)
	return nil
}

// usable says why this node can no longer do anything new.
func (m *Memberlist) usable() error {
	if m.closing.Load() {
		return ErrShutdown
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left != nil {
		return ErrLeft
	}
	return nil
}

// usableAsMember is usable for what only a member can do.
func (m *Memberlist) usableAsMember() error {
	if err := m.usable(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.swim.selfNode() == nil {
		return ErrNotMember
	}
	return nil
}

// begin runs a step that begins something to wait for. f returns zero when
// there is nothing to wait for.
func (m *Memberlist) begin(f func(s *swim, now time.Time) ticket) (t ticket, done <-chan completion) {
	ch := make(chan completion, 1)
	m.step(func(s *swim, now time.Time) {
		if t = f(s, now); t != 0 {
			m.waits[t] = ch
		}
	})
	return t, ch
}

// await waits for what begin began.
func (m *Memberlist) await(ctx context.Context, t ticket, done <-chan completion) (completion, error) {
	if t == 0 {
		return completion{}, nil
	}
	select {
	case how := <-done:
		return how, nil
	default:
	}
	select {
	case how := <-done:
		return how, nil
	case <-ctx.Done():
		m.forget(t)
		return completion{}, context.Cause(ctx)
	case <-m.ctx.Done():
		m.forget(t)
		return completion{}, ErrShutdown
	}
}

// forget gives up waiting.
func (m *Memberlist) forget(t ticket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waits, t)
}

// waitError names what was waited for when the time is up.
func waitError(err, timeout error) error {
	switch {
	case err == nil || err == ErrShutdown:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	default:
		return fmt.Errorf("%w: %w", timeout, err)
	}
}

// timeoutContext ends after timeout, or never when that is zero or less.
func timeoutContext(timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), timeout)
}

// bind returns a context that ends with ctx or with Shutdown.
func (m *Memberlist) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(m.ctx, func() { cancel(ErrShutdown) })
	return ctx, func() {
		unbind()
		cancel(nil)
	}
}

// parseEndpoint is an address given by a program or a transport.
func parseEndpoint(addr, name string) endpoint {
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return endpoint{addr: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), name: name}
	}
	return endpoint{host: addr, name: name}
}

// nodeEndpoint is where a node is reached. The node may be hand-made.
func nodeEndpoint(n *Node) endpoint {
	if ip, ok := netip.AddrFromSlice(n.Addr); ok {
		return endpoint{addr: netip.AddrPortFrom(ip.Unmap(), n.Port), name: n.Name}
	}
	return endpoint{host: n.Address(), name: n.Name}
}

// nameRequired enforces Config.RequireNodeNames.
func (m *Memberlist) nameRequired(to endpoint) error {
	if m.config.RequireNodeNames && to.name == "" {
		return ErrNodeNameRequired
	}
	return nil
}

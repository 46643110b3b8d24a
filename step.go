package memberlist

import (
	"sync"
	"time"
)

// A step is the only way to the protocol's state:
//
//	lock → clock → f → effects → completions and notices → unlock
//	     → packets → ends of waits → streams → log and metrics
//
// Everything after the unlock may run concurrently with other steps. What must
// keep the order of decisions, the notices, is queued under the lock.

// outcome is the effects of one step with what the shell needs to perform
// them. Pooled, since nearly every packet makes one.
type outcome struct {
	fx     effects
	ends   []ended  // waits that are over
	failed []uint32 // pings that never left this host
	packet packet   // to put the datagrams together in
}

// ended is a wait and how it ended.
type ended struct {
	done chan<- completion
	how  completion
}

var outcomes = sync.Pool{New: func() any { return new(outcome) }}

// outcomeKeep bounds the memory that a pooled outcome may hold on to: a merge
// of a large state leaves behind slices that no packet needs.
const outcomeKeep = 256 << 10

// release clears the outcome and returns it to the pool.
func (o *outcome) release() {
	if cap(o.fx.buf) > outcomeKeep || cap(o.fx.notices) > 1024 || cap(o.fx.msgs) > 4096 || o.packet.large() {
		return
	}
	o.fx.reset()
	clear(o.ends)
	o.ends, o.failed = o.ends[:0], o.failed[:0]
	outcomes.Put(o)
}

// step runs f on the protocol at the current time and performs what it asks
// for. The clock is read under the lock, so the protocol's time never goes
// backwards. f must not call anything that blocks or any method of m.
func (m *Memberlist) step(f func(s *swim, now time.Time)) { m.run(f, false) }

// stepDirect is step for a caller that may wait for the transport and wants to
// know whether its packet left. It returns the first error of sending.
func (m *Memberlist) stepDirect(f func(s *swim, now time.Time)) error { return m.run(f, true) }

func (m *Memberlist) run(f func(s *swim, now time.Time), direct bool) error {
	var o *outcome
	start := false
	m.mu.Lock()
	now := m.clock.now()
	f(m.swim, now)
	if !m.swim.fx.empty() {
		o = outcomes.Get().(*outcome)
		start = m.settle(o)
	}
	m.alarm.set(now, m.swim.nextDeadline())
	m.mu.Unlock()

	if start && m.workers.enter() {
		go m.eventLoop()
	}
	if o == nil {
		return nil // like most steps, since most news is known already
	}
	return m.perform(o, now, direct)
}

// settle takes the effects of a step and does the part of them that belongs
// under the lock, which must be held. It reports whether to start an eventLoop.
func (m *Memberlist) settle(o *outcome) (start bool) {
	m.swim.take(&o.fx)
	for _, c := range o.fx.completed {
		if done, ok := m.waits[c.ticket]; ok {
			delete(m.waits, c.ticket)
			o.ends = append(o.ends, ended{done, c})
		}
	}
	return m.pushNotices(o.fx.notices)
}

// perform does what a step asked for, holding no lock, and releases o.
func (m *Memberlist) perform(o *outcome, began time.Time, direct bool) (sent error) {
	// When packets are only queued nothing but the Delegate takes long here, so that
	// it is timed for all of them together: to look at the clock takes a tenth of
	// what a ping does.
	queued, asks := m.udp == nil && !direct, 0
	for i := range o.fx.datagrams {
		d := &o.fx.datagrams[i]
		var asked time.Time
		switch {
		case queued:
			if d.room > userOverhead {
				asks++
			}
		case i == 0:
			asked = began
		default:
			asked = time.Now()
		}
		err := m.sendDatagram(&o.packet, d, o.fx.msgs[d.lo:d.hi], asked, direct)
		if err == nil {
			continue
		}
		if sent == nil {
			sent = err
		}
		if d.seq != 0 {
			o.failed = append(o.failed, d.seq)
		}
		m.reportSendError(d.to, err)
	}
	if asks > 0 && sent == nil && m.config.Delegate != nil {
		m.timeQuery("GetBroadcasts", asks, began)
	}
	// Only now: whoever waits for the leave broadcast may exit the process.
	for _, e := range o.ends {
		e.done <- e.how // has room for the one completion it gets
	}
	for _, d := range o.fx.dials {
		m.startDial(d)
	}
	for i := range o.fx.trace {
		m.report(&o.fx.trace[i], began)
	}
	if len(o.failed) > 0 {
		m.step(func(s *swim, now time.Time) {
			for _, seq := range o.failed {
				s.sendFailed(now, seq)
			}
		})
	}
	o.release()
	return sent
}

// report turns a trace event into log lines and metrics.
func (m *Memberlist) report(e *traceEvent, began time.Time) {
	switch e.kind {
	case traceProbeStart:
		if e.n > 0 {
			m.meter.degradedProbe()
		}
	case traceProbeEnd:
		m.meter.probeNode(e.d)
	case traceProbeTimeout:
		m.log.debugf("Failed UDP ping: %s (timeout reached)", e.node)
	case traceProbeFailed:
		if m.log.limited(logState) {
			m.log.infof("Suspect %s has failed, no acks received", e.node)
		}
	case traceStreamSaved:
		m.log.warnf("Was able to connect to %s over TCP but UDP probes failed, network may be misconfigured", e.node)
	case traceSuspicionFail:
		if m.log.limited(logState) {
			m.log.infof("Marking %s as failed, suspect timeout reached (%d peer confirmations)", e.node, e.n)
		}
		if e.n < int(e.d) {
			m.meter.degradedTimeout()
		}
	case traceRefuted:
		m.reportRefuted(e)
	case traceConflict:
		if m.log.limited(logConflict) {
			m.log.errf("Conflicting address for %s. %s", e.node, e.from)
		}
	case traceReclaimed:
		if m.log.limited(logState) {
			m.log.infof("Updating address for left or failed node %s %s", e.node, e.from)
		}
	case traceVersion:
		m.meter.dropped("version")
		if m.log.limited(logRefused) {
			m.log.warnf("Ignoring an alive message for '%s' because of its protocol versions", e.node)
		}
	case tracePaused:
		m.log.warnf("This process did not run for %v; what it missed is not held against others", e.d)
	case traceDeaf:
		if m.log.limited(logState) {
			m.log.warnf("No member is heard any more; suspecting this node's own network, not the others")
		}
	case traceDoubtful:
		if m.log.limited(logState) {
			m.log.warnf("Probes of this node fail one after the other, or those it suspects refute; it keeps most suspicions to itself")
		}
	case traceWithheld:
		m.meter.withheld()
	case traceSpared:
		if m.log.limited(logState) {
			m.log.infof("%s was to be declared dead but has answered a ping", e.node)
		}
	case traceHeld:
		m.meter.held()
		if m.log.limited(logState) {
			m.log.infof("%s has failed again and again; its return is not reported until it has stayed for %v", e.node, e.d)
		}
	case traceOtherNode:
		m.meter.dropped("other node")
		if m.log.limited(logOtherNode) {
			m.log.warnf("Got ping for unexpected node '%s' %s", e.node, LogStringAddress(e.from))
		}
	case traceHealth:
		m.health.Store(int64(e.n))
		m.meter.healthScore(e.n)
	case traceAlive:
		m.meter.msgAlive()
	case traceSuspect:
		m.meter.msgSuspect()
	case traceDead:
		m.meter.msgDead()
	case traceGossip:
		m.meter.gossip(time.Since(began))
	case traceDropped:
		m.meter.dropped(e.from)
		if m.log.limited(logMalformed) {
			m.log.debugf("Dropped a message: %s", e.from)
		}
	}
}

// reportRefuted logs that this node contradicted what was said about it.
func (m *Memberlist) reportRefuted(e *traceEvent) {
	if !m.log.limited(logRefute) {
		return
	}
	if e.from == "alive" {
		m.log.warnf("Refuting an alive message for '%s'", e.node)
		return
	}
	m.log.warnf("Refuting a %s message (from: %s)", e.from, e.node)
}

// clock is the time of the steps. To read the time of day too costs as much as
// the rest of many a step, so the clock counts from when timerLoop last did,
// which it does whenever a deadline has come.
type clock struct{ base time.Time }

func (c *clock) now() time.Time {
	if c.base.IsZero() {
		c.base = time.Now()
	}
	return c.base.Add(time.Since(c.base))
}

// alarm wakes timerLoop at the protocol's next deadline. It is put off, too,
// when that goes away, as it does with every ack: not to wake costs less.
type alarm struct {
	timer *time.Timer
	due   time.Time // when timer fires; zero for never
}

// newAlarm returns one that is not set.
func newAlarm() alarm {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return alarm{timer: timer}
}

func (a *alarm) set(now, due time.Time) {
	switch {
	case due.Equal(a.due):
		return
	case due.IsZero():
		a.timer.Stop()
	default:
		a.timer.Reset(due.Sub(now))
	}
	a.due = due
}

// timerLoop calls the protocol when its next deadline has come. It is started
// by Create, and ends when Shutdown closes stop and waits for it in loops.
func (m *Memberlist) timerLoop() {
	defer m.loops.leave()
	defer m.alarm.timer.Stop()
	housekeeping := time.Now()
	for {
		select {
		case <-m.stop:
			return
		case <-m.alarm.timer.C:
		}
		m.mu.Lock()
		m.clock.base = time.Now()
		m.alarm.due = time.Time{} // so that the next step sets it again, whatever is due then
		m.mu.Unlock()
		p, sel := m.config.coreParams(), m.askSelection()
		queued := 0
		m.step(func(s *swim, now time.Time) {
			s.configure(p)
			s.selectNodes(sel)
			s.expire(now)
			queued = s.queued()
		})
		if now := time.Now(); now.Sub(housekeeping) >= m.config.queueCheckInterval() {
			housekeeping = now
			m.meter.queueBroadcasts(queued)
			m.log.flushLimited()
		}
	}
}

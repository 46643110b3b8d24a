package memberlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// One request per stream: push/pull, a ping, or a user message.

const (
	// maxStreams bounds the streams that others opened and that are being
	// served, from the first byte on. A silent one costs a goroutine for
	// TCPTimeout.
	maxStreams = 1024

	// maxStreamsPerSource of them may come from one host (one /64 of IPv6), so
	// that it alone cannot keep all others out. Hosts behind one address share
	// it, as do all members of a cluster on one machine.
	maxStreamsPerSource = maxStreams / 2

	// maxPushPulls bounds the push/pulls in progress that others began. More
	// are closed without an answer, which every member takes for a failure.
	maxPushPulls = 127

	// maxStreamPings bounds the pings over streams in progress. Each takes a file
	// descriptor, of which the program has few, for as long as nobody answers; and
	// forged members are easily many. More fail at once.
	maxStreamPings = 256

	// A frame of more than largeFrame bytes, or with more than largeStates node
	// states, takes one of largeSlots slots until it has been merged, so that
	// many streams at once cannot take all the memory: one can need 200 MB.
	largeFrame  = 256 << 10
	largeStates = 2048
	largeSlots  = 8
)

var (
	errTooManyPushPulls = errors.New("too many push/pulls in progress")
	errNoConnection     = errors.New("the transport returned neither a connection nor an error")
	errBusy             = fmt.Errorf("%w: too many large exchanges in progress", ErrTimeout)
)

// streamLimits counts what is in progress.
type streamLimits struct {
	inbound   atomic.Int32
	sources   sources
	pushPulls atomic.Int32
	pings     atomic.Int32
	large     chan struct{} // holds one token for each large frame in hand
}

func (l *streamLimits) init() { l.large = make(chan struct{}, largeSlots) }

func (l *streamLimits) acquireLarge(ctx context.Context, timeout time.Duration) error {
	select {
	case l.large <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case l.large <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *streamLimits) releaseLarge() { <-l.large }

// noAnswerError says that the other end closed the stream instead of
// answering. Members do that when labels differ, and otherwise nearly never.
type noAnswerError struct{ cause error }

func (e *noAnswerError) Error() string {
	return e.cause.Error() + ": the other end closed the stream without an answer; most likely its label is a different one"
}

func (e *noAnswerError) Unwrap() error { return e.cause }

func (e *noAnswerError) Is(target error) bool { return target == io.EOF || target == ErrLabelMismatch }

// closedByPeer reports whether err is how a stream looks that the other end
// has closed.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// streamLoop serves the streams that others open. It is started by Create, and
// ends when Shutdown closes stop and waits for it in loops.
func (m *Memberlist) streamLoop() {
	defer m.loops.leave()
	streams := m.transport.StreamCh()
	for {
		select {
		case <-m.stop:
			return
		case conn, ok := <-streams:
			switch {
			case !ok:
				streams = nil // closed: nothing will come any more
			case conn == nil:
			case m.closing.Load():
				conn.Close()
			case m.streams.inbound.Add(1) > maxStreams:
				m.streams.inbound.Add(-1)
				conn.Close()
				m.meter.dropped("too many streams")
				if m.log.limited(logStream) {
					m.log.errf("Too many streams in progress (%d) %s", maxStreams, LogConn(conn))
				}
			default:
				m.admitStream(conn)
			}
		}
	}
}

// admitStream serves a stream, unless its source has too many already.
func (m *Memberlist) admitStream(conn net.Conn) {
	source := sourceOf(conn)
	switch {
	case !m.streams.sources.enter(source):
		m.meter.dropped("too many streams")
		if m.log.limited(logStream) {
			m.log.errf("Too many streams in progress from one source (%d) %s", maxStreamsPerSource, LogConn(conn))
		}
	case !m.loops.enter():
		m.streams.sources.leave(source)
	default:
		go m.serveStream(conn, source)
		return
	}
	m.streams.inbound.Add(-1)
	conn.Close()
}

// serveStream answers one stream. It is started by streamLoop and ends by its
// deadline at the latest, or when Shutdown closes the stream; Shutdown waits
// for it in loops. Before it calls a user who is only told something, it moves
// from loops to workers, so that the user can call Shutdown.
func (m *Memberlist) serveStream(conn net.Conn, source netip.Addr) {
	told := m.answer(conn)
	m.streams.sources.leave(source)
	if told == nil {
		m.streams.inbound.Add(-1)
		m.loops.leave()
		return
	}
	entered := m.workers.enter()
	m.loops.leave()
	if entered {
		told()
		m.workers.leave()
	}
	m.streams.inbound.Add(-1)
}

// answer does what the other end asks for, and closes the stream. It returns
// what is left to do then, if anything: telling the user.
func (m *Memberlist) answer(conn net.Conn) (tell func()) {
	defer conn.Close()
	defer context.AfterFunc(m.ctx, func() { conn.Close() })()
	m.meter.tcpAccept()
	if m.log.limited(logOpened) {
		m.log.debugf("Stream connection %s", LogConn(conn))
	}
	conn.SetDeadline(time.Now().Add(m.config.tcpTimeout()))
	r := &frameReader{m: m, conn: conn}
	defer r.close()

	label, err := r.readLabel()
	switch {
	case err == io.EOF && m.config.Label == "":
		return nil // opened and closed again, as health checks do
	case err == nil && !m.config.SkipInboundLabelCheck && label != m.config.Label,
		err == io.EOF:
		m.streamFailed(conn, ErrLabelMismatch)
		return nil
	case err != nil:
		m.streamFailed(conn, fmt.Errorf("failed to receive and remove the stream label header: %w", err))
		return nil
	}
	if m.config.SkipInboundLabelCheck {
		r.carried = []byte(label)
	}
	kind, err := r.begin()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			m.streamFailed(conn, fmt.Errorf("failed to receive: %w", err))
			m.answerError(r, err)
		}
		return nil
	}
	switch kind {
	case wire.TypePing:
		err = m.answerPing(r)
	case wire.TypeUser:
		tell, err = m.takeUserMessage(r)
	case wire.TypePushPull:
		tell, err = m.answerPushPull(conn, r)
	default:
		err = frameError{fmt.Errorf("received invalid msgType (%d)", kind)}
		m.answerError(r, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	if err != nil {
		m.streamFailed(conn, err)
	}
	return tell
}

// streamFailed counts and logs a stream that came to nothing.
func (m *Memberlist) streamFailed(conn net.Conn, err error) {
	if m.closing.Load() {
		return
	}
	m.meter.dropped(refusal(err))
	if m.log.limited(logStream) {
		m.log.errf("%v %s", err, LogConn(conn))
	}
}

// answerError tells the other end why its request came to nothing. It may
// still be sending it, and closing a stream with unread bytes would destroy
// the answer on its way; so what comes is read and forgotten meanwhile.
func (m *Memberlist) answerError(r *frameReader, reason error) {
	conn := r.conn
	drained := make(chan struct{})
	go drain(conn, drained)
	msg := wire.ErrorResponse{Error: []byte(reason.Error())}.Append(nil)
	if err := r.answer(whole(msg)); err == nil {
		// Who speaks another protocol waits for the end, not for a frame.
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		<-drained
		return
	}
	conn.Close()
	<-drained
}

// drain reads and forgets what comes. It is started by answerError, which
// waits for it, and ends with the stream or its deadline.
func drain(conn net.Conn, drained chan<- struct{}) {
	defer close(drained)
	io.Copy(io.Discard, io.LimitReader(conn, maxFrame))
}

// answerPing answers the fallback probe.
func (m *Memberlist) answerPing(r *frameReader) error {
	var ping wire.Ping
	if err := r.decode(ping.Decode); err != nil {
		return fmt.Errorf("failed to decode TCP ping: %w", err)
	}
	if !m.isForUs(ping.Node) {
		m.meter.dropped("other node")
		if m.log.limited(logOtherNode) {
			m.log.warnf("Got ping for unexpected node '%s' %s", ping.Node, LogConn(r.conn))
		}
		return nil
	}
	if err := r.answer(whole(wire.Ack{SeqNo: ping.SeqNo}.Append(nil))); err != nil {
		return fmt.Errorf("failed to answer TCP ping: %w", err)
	}
	return nil
}

// takeUserMessage receives a reliable message.
func (m *Memberlist) takeUserMessage(r *frameReader) (tell func(), err error) {
	var h wire.UserHeader
	if err := r.decode(h.Decode); err != nil {
		return nil, fmt.Errorf("failed to receive user message: %w", err)
	}
	if h.UserMsgLen < 0 || h.UserMsgLen > wire.MaxUserMessage {
		return nil, fmt.Errorf("failed to receive user message: %w: length %d, at most %d", ErrMalformed, h.UserMsgLen, wire.MaxUserMessage)
	}
	msg, err := r.take(h.UserMsgLen)
	if err != nil {
		return nil, fmt.Errorf("failed to receive user message: %w", err)
	}
	if len(msg) == 0 {
		return nil, nil
	}
	return func() { m.notifyMsg(msg) }, nil
}

// dial opens a stream and sends the label. The caller closes it. It gives up
// after timeout, or when ctx ends.
func (m *Memberlist) dial(ctx context.Context, to endpoint, timeout time.Duration) (net.Conn, error) {
	if err := m.nameRequired(to); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if !m.workers.enter() {
		return nil, ErrShutdown
	}
	results := make(chan dialResult)
	go m.openStream(ctx, to, timeout, results)
	var r dialResult
	select {
	case r = <-results:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if r.err != nil {
		return nil, r.err
	}
	r.conn.SetDeadline(time.Now().Add(timeout))
	if len(m.labelHeader) > 0 {
		if _, err := r.conn.Write(m.labelHeader); err != nil {
			r.conn.Close()
			return nil, m.dialerError(ctx, err)
		}
	}
	return r.conn, nil
}

// dialResult is how a dial ended.
type dialResult struct {
	conn net.Conn
	err  error
}

// openStream dials for as long as the transport takes, which cannot be told to
// give up. It is started by dial, which waits for the result until ctx ends, and
// it ends when the transport returns. Shutdown waits for it, but only
// shutdownGrace.
func (m *Memberlist) openStream(ctx context.Context, to endpoint, timeout time.Duration, results chan<- dialResult) {
	defer m.workers.leave()
	var r dialResult
	if m.aware != nil {
		r.conn, r.err = m.aware.DialAddressTimeout(Address{Addr: to.String(), Name: to.name}, timeout)
	} else {
		r.conn, r.err = m.transport.DialTimeout(to.String(), timeout)
	}
	if r.conn == nil && r.err == nil {
		r.err = errNoConnection
	}
	select {
	case results <- r:
	case <-ctx.Done():
		if r.err == nil {
			r.conn.Close()
		}
	}
}

// dialerError says what an error of a stream that we opened means.
func (m *Memberlist) dialerError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx) // the stream was closed because of it
	case closedByPeer(err):
		return &noAnswerError{err}
	default:
		return err
	}
}

// request sends a message on a stream that we opened, and reads the beginning
// of the answer. An answer that reports an error is returned as one.
func (m *Memberlist) request(ctx context.Context, r *frameReader, msg streamMessage, timeout time.Duration) (wire.Type, error) {
	sendErr := m.writeFrame(r.conn, msg)
	if sendErr != nil && !closedByPeer(sendErr) {
		return 0, m.dialerError(ctx, sendErr)
	}
	// The other end may have given its reason and hung up while we were sending.
	r.conn.SetDeadline(time.Now().Add(timeout))
	kind, err := r.begin()
	if err != nil {
		if r.read > 0 {
			return 0, err
		}
		return 0, m.dialerError(ctx, err)
	}
	if kind == wire.TypeError {
		var e wire.ErrorResponse
		if err := r.decode(e.Decode); err != nil {
			return 0, err
		}
		return 0, &RemoteError{Text: string(e.Error)}
	}
	if sendErr != nil {
		return 0, m.dialerError(ctx, sendErr)
	}
	return kind, nil
}

// startDial performs a stream that the protocol asks for.
func (m *Memberlist) startDial(d dial) {
	if m.loops.enter() {
		go m.runDial(d)
	}
}

// runDial is one stream that the protocol asked for. It ends by the stream's
// deadline, or when Shutdown closes the stream; Shutdown waits for it in loops.
// Before it tells the user about a push/pull it moves to workers, as
// serveStream does.
func (m *Memberlist) runDial(d dial) {
	if d.kind == dialPing {
		ok := m.streams.pings.Add(1) <= maxStreamPings && m.dialPing(d)
		m.streams.pings.Add(-1)
		m.step(func(s *swim, now time.Time) { s.dialed(now, d.id, ok) })
		m.loops.leave()
		return
	}
	tell, ok := m.runPushPull(d)
	m.step(func(s *swim, now time.Time) { s.dialed(now, d.id, ok) })
	entered := m.workers.enter()
	m.loops.leave()
	if entered {
		if tell != nil {
			tell()
		}
		m.workers.leave()
	}
}

// runPushPull performs a push/pull and says how it ended, as swim.dialed wants
// to know.
func (m *Memberlist) runPushPull(d dial) (tell func(), ok bool) {
	if d.kind == dialSeed {
		return m.dialSeed(m.ctx)
	}
	tell, err := m.dialPushPull(d.to, d.kind == dialHeal)
	if err != nil && !m.closing.Load() {
		m.log.errf("Push/Pull with %s failed: %v", d.to.name, err)
	}
	return tell, err == nil
}

// dialPing pings over a stream a node that did not answer packets.
func (m *Memberlist) dialPing(d dial) bool {
	if disabled := m.config.DisableTcpPingsForNode; disabled != nil && m.callbacks.enter() {
		off := disabled(d.to.name)
		m.callbacks.leave()
		if off {
			return false
		}
	}
	timeout := time.Until(d.deadline)
	if timeout <= 0 {
		return false
	}
	conn, err := m.dial(m.ctx, d.to, timeout)
	if err != nil {
		return false // nobody there: what the probe found out anyway
	}
	defer conn.Close()
	defer context.AfterFunc(m.ctx, func() { conn.Close() })()
	self := m.self.Load()
	ping := wire.Ping{
		SeqNo: d.seq, Node: wire.Bytes(d.to.name),
		SourceAddr: self.Addr, SourcePort: self.Port, SourceNode: wire.Bytes(self.Name),
	}
	r := &frameReader{m: m, conn: conn}
	defer r.close()
	kind, err := m.request(m.ctx, r, whole(ping.Append(nil)), time.Until(d.deadline))
	var ack wire.Ack
	switch {
	case err != nil:
	case kind != wire.TypeAck:
		err = fmt.Errorf("unexpected msgType (%d) from ping %s", kind, LogConn(conn))
	default:
		if err = r.decode(ack.Decode); err == nil && ack.SeqNo != d.seq {
			err = fmt.Errorf("sequence number from ack (%d) doesn't match ping (%d)", ack.SeqNo, d.seq)
		}
	}
	if err != nil && !m.closing.Load() && m.log.limited(logStream) {
		m.log.errf("Failed fallback TCP ping: %v", err)
	}
	return err == nil
}

// SendReliableContext is SendReliable limited by ctx as well.
func (m *Memberlist) SendReliableContext(ctx context.Context, to *Node, msg []byte) error {
	if to == nil {
		return errNoNode
	}
	if m.closing.Load() {
		return ErrShutdown
	}
	if len(msg) > wire.MaxUserMessage {
		return messageTooLarge(len(msg), wire.MaxUserMessage)
	}
	ctx, cancel := m.bind(ctx)
	defer cancel()
	timeout := m.config.tcpTimeout()
	conn, err := m.dial(ctx, nodeEndpoint(to), timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(timeout))
	b := wire.UserHeader{UserMsgLen: len(msg)}.Append(nil)
	if err := m.writeFrame(conn, whole(append(b, msg...))); err != nil {
		return m.dialerError(ctx, err)
	}
	return nil
}

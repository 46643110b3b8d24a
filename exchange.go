package memberlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// Push/pull: two nodes exchange everything they know. The dialer sends first;
// the listener answers with what it knew before, and then both merge.

// remoteState is what the other side of a push/pull sent.
type remoteState struct {
	nodes  []encodedStates
	sample [][]byte // every sampleStep-th node state, encoded
	user   []byte
	join   bool
}

// sampleStep makes a sample that tells how many of a large table are new, at a
// hundredth of the cost of merging it.
const sampleStep = 64

// encodedStates are node states as they came. A table has a lot of them, and
// decoding one costs less than keeping it decoded: they are read once to see
// that they are in order, and once for each use.
type encodedStates struct {
	bytes []byte
	n     int
}

// stateBatch is how many node states are handled in one step: the lock is held
// for a fraction of a millisecond, and no scratch memory grows with the table.
const stateBatch = 256

// batches calls f with the states, a few at a time, until it returns false.
// The slice belongs to f until it returns. With last, the states are not needed
// any more then, and let go: what they become is growing at the same time.
func (s *remoteState) batches(last bool, f func(states []wire.NodeState) bool) {
	var batch []wire.NodeState
	for i, e := range s.nodes {
		for rest := e.bytes; e.n > 0; {
			batch = batch[:0]
			for ; e.n > 0 && len(batch) < stateBatch; e.n-- {
				if batch == nil {
					batch = make([]wire.NodeState, 0, stateBatch)
				}
				batch = batch[:len(batch)+1]
				// It has been decoded before, by readState.
				rest, _ = batch[len(batch)-1].Decode(rest)
			}
			if !f(batch) {
				return
			}
		}
		if last {
			s.nodes[i] = encodedStates{}
		}
	}
}

// members is the number of node states.
func (s *remoteState) members() (n int) {
	for _, e := range s.nodes {
		n += e.n
	}
	return n
}

// localMessage is our side of a push/pull.
func (m *Memberlist) localMessage(join bool) streamMessage {
	local := tableState{join: join}
	m.mu.Lock()
	local.records = m.swim.appendRecords(nil)
	counts := m.swim.counts()
	m.mu.Unlock()
	m.meter.nodeInstances(counts)
	local.user = m.localState(join)
	msg := local.message()
	m.meter.sizeLocal(msg.size)
	return msg
}

// readState reads the other side's message, whose type byte has been taken.
func (m *Memberlist) readState(r *frameReader) (_ *remoteState, err error) {
	var h wire.PushPullHeader
	if err := r.decode(h.Decode); err != nil {
		return nil, err
	}
	if h.Nodes < 0 || h.Nodes > wire.MaxNodeStates {
		return nil, fmt.Errorf("%w: %d node states, at most %d", ErrMalformed, h.Nodes, wire.MaxNodeStates)
	}
	if h.UserStateLen < 0 || h.UserStateLen > wire.MaxUserState {
		return nil, fmt.Errorf("%w: user state of %d bytes, at most %d", ErrMalformed, h.UserStateLen, wire.MaxUserState)
	}
	s := &remoteState{join: h.Join}
	if err = m.readStates(r, h.Nodes, s); err != nil {
		return nil, err
	}
	user, err := r.take(h.UserStateLen)
	if err != nil {
		return nil, err
	}
	// The user may keep it for long, and the rest of the frame should go.
	s.user = bytes.Clone(user)
	return s, nil
}

// readStates reads so many node states into s, as long as they are in order.
func (m *Memberlist) readStates(r *frameReader, n int, s *remoteState) error {
	for i := range n {
		if i == largeStates {
			if err := r.acquireSlot(); err != nil {
				return err
			}
		}
		b, err := r.cutState()
		if err != nil {
			return err
		}
		if i%sampleStep == 0 {
			s.sample = append(s.sample, b)
		}
		// The reader goes on in another buffer when one is full.
		if last := len(s.nodes) - 1; last >= 0 && adjoin(s.nodes[last].bytes, b) {
			run := &s.nodes[last]
			run.bytes, run.n = run.bytes[:len(run.bytes)+len(b)], run.n+1
		} else {
			s.nodes = append(s.nodes, encodedStates{b, 1})
		}
	}
	return nil
}

// cutState is cut for a node state. Most lie in the buffer already, and decoding
// one into a variable of this function costs the garbage collector nothing.
func (r *frameReader) cutState() ([]byte, error) {
	var state wire.NodeState
	if rest, err := state.Decode(r.buf); err == nil {
		b := r.buf[:len(r.buf)-len(rest)]
		r.buf = rest
		return b, nil
	}
	return r.cut(func(b []byte) ([]byte, error) { return new(wire.NodeState).Decode(b) })
}

// adjoin reports whether b, which is not empty, begins where a ends.
func adjoin(a, b []byte) bool { return cap(a) > len(a) && &a[:len(a)+1][len(a)] == &b[0] }

// judge decides whether the other side's state may be merged at all.
func (m *Memberlist) judge(remote *remoteState, join bool) (err error) {
	remote.batches(false, func(states []wire.NodeState) bool {
		m.mu.Lock()
		ok, reason := m.swim.compatible(states)
		m.mu.Unlock()
		if err == nil || ok {
			err = reason
		}
		return !ok
	})
	if err != nil || !join {
		return err
	}
	return m.notifyMerge(func() []*Node { return m.asNodes(remote) })
}

// asNodes is the list that a MergeDelegate judges.
func (m *Memberlist) asNodes(remote *remoteState) (nodes []*Node) {
	remote.batches(false, func(states []wire.NodeState) bool {
		for i := range states {
			r := &states[i]
			n := &Node{
				Name: string(r.Name), Addr: slices.Clone(net.IP(r.Addr)), Port: m.portOf(r.Port),
				Meta: bytes.Clone(r.Meta), State: NodeStateType(r.State),
			}
			n.setVersions(r.Vsn)
			nodes = append(nodes, n)
		}
		return true
	})
	return nodes
}

// mergeNodes takes in the other side's nodes. The events it leads to are queued
// then.
func (m *Memberlist) mergeNodes(remote *remoteState) {
	members := 0
	m.step(func(s *swim, _ time.Time) { members = s.reserve(remote.sample, remote.members()) })
	m.view.reserve(members)
	remote.sample = nil // or the frame would stay as long as the last of its states
	asked := m.config.Alive != nil || m.config.IPMustBeChecked()
	remote.batches(true, func(states []wire.NodeState) bool {
		states = slices.DeleteFunc(states, func(r wire.NodeState) bool {
			if !asked || NodeStateType(r.State) != StateAlive {
				return false
			}
			return !m.admit(&wire.Alive{
				Incarnation: r.Incarnation, Node: r.Name, Addr: r.Addr, Port: r.Port, Meta: r.Meta, Vsn: r.Vsn,
			})
		})
		m.step(func(s *swim, now time.Time) { s.merge(now, states) })
		return true
	})
	remote.nodes = nil
}

// tellUser hands over the other side's user state, after the events of its
// nodes: users rely on knowing a node before its state.
func (m *Memberlist) tellUser(ctx context.Context, entry uint64, remote *remoteState, join bool) {
	m.awaitEvents(ctx, entry)
	m.mergeRemoteState(remote.user, join)
}

// answerPushPull is the listener's side.
func (m *Memberlist) answerPushPull(conn net.Conn, r *frameReader) (tell func(), err error) {
	if !m.beginPushPull() {
		return nil, errTooManyPushPulls
	}
	defer func() {
		if tell == nil {
			m.endPushPull()
		}
	}()
	remote, err := m.readState(r)
	if err != nil {
		err = fmt.Errorf("failed to read remote state: %w", err)
		m.answerError(r, err)
		return nil, err
	}
	join := remote.join
	local := m.localMessage(join)
	if join {
		// Refusing before we answer is what keeps the other side out, too: it
		// would merge our answer whatever we decide afterwards.
		if err := m.judge(remote, join); err != nil {
			m.answerError(r, err)
			return nil, fmt.Errorf("failed push/pull merge: %w", err)
		}
	}
	conn.SetDeadline(time.Now().Add(m.config.tcpTimeout()))
	if err := r.answer(local); err != nil {
		return nil, fmt.Errorf("failed to push local state: %w", err)
	}
	conn.Close()
	if !join {
		if err := m.judge(remote, join); err != nil {
			return nil, fmt.Errorf("failed push/pull merge: %w", err)
		}
	}
	m.mergeNodes(remote)
	return func() {
		defer m.endPushPull()
		m.tellUser(m.ctx, 0, remote, join)
	}, nil
}

// beginPushPull counts a push/pull until its user has been told.
func (m *Memberlist) beginPushPull() bool {
	if m.streams.pushPulls.Add(1) > maxPushPulls {
		m.streams.pushPulls.Add(-1)
		return false
	}
	return true
}

func (m *Memberlist) endPushPull() { m.streams.pushPulls.Add(-1) }

// dialPushPull is the dialer's side of a push/pull that no Join waits for.
func (m *Memberlist) dialPushPull(to endpoint, join bool) (tell func(), err error) {
	if !m.beginPushPull() {
		return nil, errTooManyPushPulls
	}
	defer func() {
		if tell == nil {
			m.endPushPull()
		}
	}()
	remote, err := m.exchange(m.ctx, to, join)
	if err != nil {
		return nil, err
	}
	if err := m.judge(remote, join); err != nil {
		return nil, err
	}
	m.mergeNodes(remote)
	return func() {
		defer m.endPushPull()
		m.tellUser(m.ctx, 0, remote, join)
	}, nil
}

// exchange sends our state to a node and returns its own. Nothing is merged.
func (m *Memberlist) exchange(ctx context.Context, to endpoint, join bool) (*remoteState, error) {
	began := time.Now()
	defer func() { m.meter.pushPullNode(time.Since(began)) }()
	timeout := m.config.tcpTimeout()
	conn, err := m.dial(ctx, to, timeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m.meter.tcpConnect()
	m.log.debugf("Initiating push/pull sync with: %s %s", to.name, to.String())
	local := m.localMessage(join)
	conn.SetDeadline(time.Now().Add(timeout))
	r := &frameReader{m: m, conn: conn}
	defer r.close()
	kind, err := m.request(ctx, r, local, timeout)
	if err != nil {
		return nil, m.refusedJoin(err, join)
	}
	if kind != wire.TypePushPull {
		return nil, fmt.Errorf("%w: received invalid msgType (%d), expected %d", ErrMalformed, kind, wire.TypePushPull)
	}
	remote, err := m.readState(r)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return remote, err
}

// refusedJoin adds our own MergeDelegate's verdict to the other side's. It is
// asked whenever a join gets as far as that, and here it has nobody to judge,
// because who refuses does not introduce himself.
func (m *Memberlist) refusedJoin(err error, join bool) error {
	var remote *RemoteError
	if !join || !errors.As(err, &remote) || !strings.HasPrefix(remote.Text, ErrMergeRejected.Error()) {
		return err
	}
	own := m.notifyMerge(func() []*Node { return nil })
	if own == nil {
		return fmt.Errorf("%w: %w", ErrMergeRejected, err)
	}
	return errors.Join(err, own)
}

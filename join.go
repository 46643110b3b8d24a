package memberlist

import (
	"context"
	"fmt"
	"slices"
)

// joinParallel is how many addresses Join contacts at a time: enough that a
// list of seeds most of which are down does not take minutes, few enough that
// a node with a large state does not send it hundreds of times at once.
const joinParallel = 8

// Join connects this node to a cluster through members that it already has. It
// contacts every address of the list, up to eight at a time, exchanges states
// with each, and returns how many that worked with. The error is nil if there
// was one, or if the list is empty; otherwise it is a *JoinError with all the
// reasons.
//
// An address is `[name/]host[:port]`, with IPv6 addresses in brackets if a
// port follows. A host name stands for all its addresses, each of which counts.
// Without a port Config.BindPort is used. The name goes to the transport only.
//
// When Join returns, the members learned of are in Members, their NotifyJoin
// has returned (unless Join was called from within an event callback) and so
// has MergeRemoteState. The others learn of this node a little later.
//
// Contacting an address takes up to three times Config.TCPTimeout. Joining
// again, and joining oneself, is harmless. After Leave the error is ErrLeft,
// after Shutdown ErrShutdown, and nothing is done.
func (m *Memberlist) Join(existing []string) (int, error) {
	return m.JoinContext(context.Background(), existing)
}

// JoinContext is Join limited by ctx: when it ends, addresses that have not
// been joined yet fail with its cause.
func (m *Memberlist) JoinContext(ctx context.Context, existing []string) (int, error) {
	entry := m.inCallback()
	if err := m.usable(); err != nil {
		return 0, err
	}
	ctx, cancel := m.bind(ctx)
	defer cancel()
	j := &joining{m: m, ctx: ctx, resolver: newJoinResolver(m.config, m.log), results: make(chan joinResult, joinParallel)}
	for i, arg := range existing {
		j.todo = append(j.todo, joinTask{order: []int{i}, arg: arg})
	}
	joined, reached := 0, make([]bool, len(existing))
	for j.start(); j.running > 0; j.start() {
		r := <-j.results
		j.running--
		err := r.err
		if err == nil && r.task.resolved {
			if err = m.judge(r.remote, true); err == nil {
				m.mergeNodes(r.remote)
				m.tellUser(ctx, entry, r.remote, true)
				joined++
				reached[r.task.order[0]] = true
			}
		}
		if err != nil {
			j.fail(r.task, err)
			continue
		}
		for i, to := range r.found {
			j.todo = append(j.todo, joinTask{order: append(slices.Clone(r.task.order), i), resolved: true, to: to})
		}
	}
	m.rememberSeeds(existing, func(i int) bool { return reached[i] })
	if joined > 0 || len(j.failures) == 0 {
		return joined, nil
	}
	if m.closing.Load() {
		return 0, fmt.Errorf("%w: %w", ErrShutdown, j.joinError())
	}
	return 0, j.joinError()
}

// joining is one call of Join. It belongs to the goroutine of the caller, which
// merges, while others resolve and exchange.
type joining struct {
	m        *Memberlist
	ctx      context.Context
	resolver *joinResolver
	todo     []joinTask
	running  int
	results  chan joinResult // has room for all that run
	failures []joinFailed
}

// joinTask is an argument to resolve or an address to contact.
type joinTask struct {
	order    []int // position of the argument, and of the address among its addresses
	arg      string
	resolved bool
	to       endpoint
}

// joinResult is how a task ended.
type joinResult struct {
	task   joinTask
	found  []endpoint   // of an argument
	remote *remoteState // of an address
	err    error
}

// joinFailed is a failure that knows its place.
type joinFailed struct {
	order []int
	JoinFailure
}

// start begins as many tasks as may run.
func (j *joining) start() {
	for len(j.todo) > 0 && j.running < joinParallel {
		task := j.todo[0]
		j.todo = j.todo[1:]
		switch {
		case j.ctx.Err() != nil:
			j.fail(task, context.Cause(j.ctx))
		case !j.m.loops.enter():
			j.fail(task, ErrShutdown)
		default:
			j.running++
			go j.run(task)
		}
	}
}

// run performs one task. It is started by Join, which waits for its result, and
// ends when the task does, at the latest when ctx ends, with Shutdown among
// others; Shutdown waits for it in loops.
func (j *joining) run(task joinTask) {
	defer j.m.loops.leave()
	r := joinResult{task: task}
	if task.resolved {
		r.remote, r.err = j.m.exchange(j.ctx, task.to, true)
	} else {
		r.found, r.err = j.resolver.resolve(j.ctx, task.arg)
	}
	j.results <- r
}

// fail records why a task came to nothing.
func (j *joining) fail(task joinTask, err error) {
	f := joinFailed{task.order, JoinFailure{Address: task.arg, Unresolved: true, Err: err}}
	if task.resolved {
		f.Address, f.Unresolved = task.to.String(), false
		j.m.log.debugf("failed to join %s: %v", f.Address, err)
	} else {
		j.m.log.warnf("failed to resolve %s: %v", f.Address, err)
	}
	j.failures = append(j.failures, f)
}

// joinError lists the failures in the order of the arguments.
func (j *joining) joinError() error {
	slices.SortFunc(j.failures, func(a, b joinFailed) int { return slices.Compare(a.order, b.order) })
	e := &JoinError{Failures: make([]JoinFailure, len(j.failures))}
	for i, f := range j.failures {
		e.Failures[i] = f.JoinFailure
	}
	return e
}

package memberlist

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// maxSeeds bounds the arguments of Join that are remembered; the oldest give way.
const maxSeeds = 256

// seeds are the arguments that Join was given. They are tried again while one
// of them has never been reached, and when nobody else is left: a node that
// started before its seeds did, or that lost everybody, finds the others
// without help (see HealInterval).
type seeds struct {
	mu      sync.Mutex // leaf
	args    []string
	missing map[string]bool // those never reached
}

// remember takes in what became of one call of Join.
func (s *seeds) remember(args []string, reached func(i int) bool) (known, missing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing == nil {
		s.missing = map[string]bool{}
	}
	for i, arg := range args {
		if !slices.Contains(s.args, arg) {
			if len(s.args) == maxSeeds {
				delete(s.missing, s.args[0])
				s.args = slices.Delete(s.args, 0, 1)
			}
			s.args = append(s.args, arg)
		}
		if reached(i) {
			delete(s.missing, arg)
		} else {
			s.missing[arg] = true
		}
	}
	return len(s.args) > 0, len(s.missing) > 0
}

// choose picks one to try: a missing one if there is one.
func (s *seeds) choose() (arg string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.args
	if len(s.missing) > 0 {
		from = slices.DeleteFunc(slices.Clone(from), func(arg string) bool { return !s.missing[arg] })
	}
	if len(from) == 0 {
		return "", false
	}
	return from[rand.IntN(len(from))], true
}

// reached notes that a seed has been reached and reports whether all have.
func (s *seeds) reached(arg string) (all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.missing, arg)
	return len(s.missing) == 0
}

// rememberSeeds keeps the arguments of a Join for later attempts.
func (m *Memberlist) rememberSeeds(args []string, reached func(i int) bool) {
	if len(args) == 0 {
		return
	}
	known, missing := m.seeds.remember(args, reached)
	m.step(func(s *swim, now time.Time) { s.setSeeds(now, known, missing) })
}

// dialSeed tries to join one of the remembered seeds. It reports whether all
// of them have been reached by now.
func (m *Memberlist) dialSeed(ctx context.Context) (tell func(), all bool) {
	arg, ok := m.seeds.choose()
	if !ok {
		return nil, true
	}
	found, err := newJoinResolver(m.config, m.log).resolve(ctx, arg)
	if err != nil {
		m.log.debugf("failed to resolve %s: %v", arg, err)
		return nil, false
	}
	for _, to := range found {
		if m.isMember(to) {
			return nil, m.seeds.reached(arg) // nothing to gain from syncing with members
		}
	}
	for _, to := range found {
		tell, err := m.dialPushPull(to, true)
		if err == nil {
			return tell, m.seeds.reached(arg)
		}
		m.log.debugf("failed to join %s: %v", to.String(), err)
	}
	return nil, false
}

// isMember reports whether a member lives at an address, this node included.
func (m *Memberlist) isMember(at endpoint) bool {
	if nodeEndpoint(m.LocalNode()).addr == at.addr {
		return true
	}
	return slices.ContainsFunc(m.Members(), func(n *Node) bool { return nodeEndpoint(n).addr == at.addr })
}

// Forget ends the search for a member that failed: this node no longer tries to
// find it again (see HealInterval), though it is welcome when it comes by
// itself. It reports whether the node was looked for. Other members go on
// looking. It never waits.
func (m *Memberlist) Forget(name string) (found bool) {
	m.step(func(s *swim, now time.Time) { found = s.forget(name) })
	return found
}

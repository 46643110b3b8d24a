package memberlist

import "time"

// selection is what a NodeSelectionDelegate chose for gossip and push/pull.
// The zero value leaves everything to chance.
type selection struct {
	pool      map[string]bool // nil: everybody
	preferred string          // empty: nobody
}

// selectNodes hands the core what the user selected, before the step that uses it.
func (s *swim) selectNodes(sel selection) { s.selection = sel }

// choose picks up to k members among those eligible and selected. The
// preferred one comes first when it is eligible.
func (s *swim) choose(k int, eligible func(*member) bool) []*member {
	pool, preferred := s.selection.pool, s.table.named(s.selection.preferred)
	if pool == nil && preferred == nil {
		return s.table.pick(k, s.rng, eligible)
	}
	first := preferred != nil && k > 0 && eligible(preferred)
	if first {
		k--
	}
	picked := s.table.pick(k, s.rng, func(m *member) bool {
		return eligible(m) && (pool == nil || pool[m.node.Name]) && !(first && m == preferred)
	})
	if first {
		s.table.picked = append(picked, preferred)
		last := len(s.table.picked) - 1
		s.table.picked[0], s.table.picked[last] = s.table.picked[last], s.table.picked[0]
		return s.table.picked
	}
	return picked
}

// appendNodeStates appends every table entry as a NodeSelectionDelegate sees it.
func (s *swim) appendNodeStates(now time.Time, dst []*NodeState) []*NodeState {
	for _, m := range s.table.all {
		n := m.node.Node
		n.State = 0 // the fork that this interface comes from leaves it so; NodeState.State is the true one
		dst = append(dst, &NodeState{Node: n, Incarnation: m.incarnation, State: m.node.State, StateChange: now.Add(-s.table.stateAge(now, m))})
	}
	return dst
}

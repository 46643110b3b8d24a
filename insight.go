package memberlist

import "time"

// Explain says why a member is believed to be what it is: what this node and
// others found out about it since it was last in doubt. It returns false for a
// name that this node does not know, or has forgotten since. It never waits.
func (m *Memberlist) Explain(name string) (why Explanation, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.swim.explain(time.Now(), name)
}

// Doubtful reports whether this node doubts its own judgement and keeps most
// suspicions to itself, for a minute at most: its probes fail one after the other,
// whoever is probed, or those it suspects refute. Then its network or its host is
// worth a look. It never waits.
func (m *Memberlist) Doubtful() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.swim.inDoubt(time.Now())
}

// RTT returns how long the named member takes to answer our pings, smoothed, or
// false when that is not known: the member is unknown or was never measured.
// It never waits.
func (m *Memberlist) RTT(name string) (rtt time.Duration, ok bool) {
	why, _ := m.Explain(name)
	return why.RTT, why.RTT > 0
}

package memberlist

import (
	"fmt"
	"slices"
	"time"
)

// EvidenceKind says what a piece of Evidence is about.
type EvidenceKind uint8

// What can speak for or against a member.
const (
	EvidenceAckLate      EvidenceKind = iota // our ping was not answered within D; RTT is what we expected
	EvidenceHelpers                          // N members were asked to ping it for us
	EvidenceNack                             // a helper could reach us but not the member
	EvidenceStreamFailed                     // a ping over a stream failed as well
	EvidenceStreamOK                         // it answers streams though not packets
	EvidenceProbeFailed                      // the probe ended without any answer; D is how long it took, N our health score
	EvidenceAck                              // it answered after all, directly or through a helper, after D
	EvidenceAccused                          // From suspects it; D is how long it has to refute
	EvidenceConfirmed                        // From suspects it, too, as confirmation N; D is the time that is left
	EvidenceHearsay                          // a push/pull called it suspect or dead; D is how long it has to refute
	EvidenceDeclared                         // From declared it dead
	EvidenceExpired                          // nobody refuted in time, with N confirmations
	EvidenceLastLook                         // it is pinged a last time, for D, before it is given up
	EvidenceSpared                           // it has answered a ping, that one or another since it was accused
	EvidenceDead                             // it is dead to this node
	EvidenceLeft                             // it said that it leaves
	EvidenceRefuted                          // it is alive: incarnation N
	EvidencePaused                           // this node itself did not run for D
	EvidenceWithheld                         // its probe failed, but this node doubted its own judgement and accused nobody
	EvidenceHeld                             // it came back after failing again and again; not shown to users for D
	EvidenceShown                            // shown to users after all
)

// Evidence is one thing that this node learned about a member.
type Evidence struct {
	At   time.Time
	Kind EvidenceKind
	From string // the member who said so; empty when this node found out itself
	D    time.Duration
	RTT  time.Duration
	N    int
}

// String says it in a sentence, without the time, and durations as exactly as
// people care about.
func (e Evidence) String() string {
	e.D, e.RTT = e.D.Round(time.Millisecond), e.RTT.Round(10*time.Microsecond)
	switch e.Kind {
	case EvidenceAckLate:
		if e.RTT > 0 {
			return fmt.Sprintf("no ack within %v; it usually takes %v", e.D, e.RTT)
		}
		return fmt.Sprintf("no ack within %v", e.D)
	case EvidenceHelpers:
		return fmt.Sprintf("asked %d other members to ping it", e.N)
	case EvidenceNack:
		return "a helper got no answer either"
	case EvidenceStreamFailed:
		return "no answer over a stream"
	case EvidenceStreamOK:
		return "answered over a stream"
	case EvidenceProbeFailed:
		return fmt.Sprintf("probe failed after %v; own health score %d", e.D, e.N)
	case EvidenceAck:
		return fmt.Sprintf("answered after %v", e.D)
	case EvidenceAccused:
		return fmt.Sprintf("suspected by %s; has %v to refute", e.From, e.D)
	case EvidenceConfirmed:
		return fmt.Sprintf("suspected by %s as well, confirmation %d; has %v left", e.From, e.N, e.D)
	case EvidenceHearsay:
		return fmt.Sprintf("called suspect or dead in a push/pull; has %v to refute", e.D)
	case EvidenceDeclared:
		return fmt.Sprintf("declared dead by %s", e.From)
	case EvidenceExpired:
		return fmt.Sprintf("did not refute in time, with %d confirmations", e.N)
	case EvidenceLastLook:
		return fmt.Sprintf("pinged a last time, for %v", e.D)
	case EvidenceSpared:
		return "answered a ping meanwhile"
	case EvidenceDead:
		return "dead"
	case EvidenceLeft:
		return "left"
	case EvidenceRefuted:
		return fmt.Sprintf("alive at incarnation %d", e.N)
	case EvidencePaused:
		return fmt.Sprintf("this node itself did not run for %v", e.D)
	case EvidenceWithheld:
		return "not accused: most probes of this node fail, or are proved wrong"
	case EvidenceHeld:
		return fmt.Sprintf("came back after failing again and again; not reported for %v", e.D)
	case EvidenceShown:
		return "reported as a member"
	}
	return fmt.Sprintf("evidence %d", e.Kind)
}

const (
	// maxEvidence bounds what is kept about one member. When there is more the
	// oldest goes: the last minutes explain a verdict.
	maxEvidence = 32

	// maxExplained bounds the members about which there is evidence. When there
	// are more, that about whoever came to it first goes.
	maxExplained = 4096
)

// Explanation is why a member is believed to be what it is.
type Explanation struct {
	Node  string
	State NodeStateType
	Since time.Time // when State last changed
	RTT   time.Duration
	// HeldUntil is not zero when the member is alive but has failed and come back
	// too often: it is not in Members, and its return is reported then, if it
	// stays.
	HeldUntil time.Time
	// Penalty is one point for each failure, and half as much after five minutes.
	// Beyond 2.2 the next return is held down.
	Penalty float64
	// Evidence is what this node learned when the member was in doubt, oldest
	// first, the last 32 pieces. It is empty for a member that never was, and is
	// forgotten when more than 4096 others have been since.
	Evidence []Evidence
}

// VerdictDelegate may be implemented by Config.Events in addition. Then
// NotifyVerdict is called right before NotifyLeave of the same node, with the
// reason, under the same rules.
type VerdictDelegate interface {
	NotifyVerdict(n *Node, why Explanation)
}

// note keeps a piece of evidence about a member.
func (s *swim) note(now time.Time, m *member, e Evidence) {
	e.At = now
	h := m.keep()
	if len(h.evidence) == 0 {
		if len(s.explained) == maxExplained {
			s.explained[0].keep().evidence = nil
			s.explained = slices.Delete(s.explained, 0, 1)
		}
		s.explained = append(s.explained, m)
	}
	if len(h.evidence) == maxEvidence {
		copy(h.evidence, h.evidence[1:])
		h.evidence = h.evidence[:maxEvidence-1]
	}
	h.evidence = append(h.evidence, e)
}

// explain returns what is known about a member in the table.
func (s *swim) explain(now time.Time, name string) (Explanation, bool) {
	m := s.table.named(name)
	if m == nil {
		return Explanation{}, false
	}
	why := s.explanation(now, m)
	if f := s.flaps[name]; f != nil {
		why.HeldUntil, why.Penalty = s.heldUntil(name), f.now(now)
	}
	return why, true
}

func (s *swim) explanation(now time.Time, m *member) Explanation {
	return Explanation{
		Node: m.node.Name, State: m.node.State, Since: now.Add(-s.table.stateAge(now, m)),
		RTT: m.rtt.duration(), Evidence: append([]Evidence(nil), m.history().evidence...),
	}
}

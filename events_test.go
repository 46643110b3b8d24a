package memberlist

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist/internal/wire"
)

// Whoever can speak for members makes them change more quickly than any
// callback returns. What waits is bounded, and what is told in the end is right.
func TestEventsOfAMemberAreFewWhenManyWait(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := tapConfig("a")
			c.FlapHold, c.HealInterval = -1, -1
			d := &userDelegate{}
			c.Events, c.Conflict = d, d
			m := start(t, c)
			d.take()
			release := make(chan struct{})
			d.setOn(func(string) { <-release })

			rnd := rand.New(rand.NewPCG(seed, 1))
			const members = 5
			var incarnation [members]uint32
			change := func(i int) {
				name := fmt.Sprint("m", i)
				a := aliveAt(name, incarnation[i], byte(10+i))
				a.Meta = []byte{byte(rnd.Uint32())}
				m.step(func(s *swim, now time.Time) {
					switch rnd.IntN(5) {
					case 0:
						s.handleDead(now, &wire.Dead{Incarnation: incarnation[i], Node: a.Node, From: a.Node})
					case 1:
						s.handleSuspect(now, &wire.Suspect{Incarnation: incarnation[i], Node: a.Node, From: []byte("x")})
					case 2:
						a.Addr = []byte{10, 0, 1, 1}
						s.conflict(&member{node: &nodeRecord{Node: Node{Name: name}}}, a, 1)
					default:
						incarnation[i]++
						a.Incarnation = incarnation[i]
						s.handleAlive(now, a)
					}
				})
			}
			for range 50 * eventQueueKeep {
				change(rnd.IntN(members))
			}
			if n := m.EventBacklog(); n < eventQueueKeep || n > eventQueueKeep+3*members {
				t.Errorf("%d events wait", n)
			}
			close(release)
			synctest.Wait()
			change(0)
			synctest.Wait()

			there := map[string]bool{}
			for _, call := range d.take() {
				what, name, _ := strings.Cut(call, " ")
				switch what {
				case "NotifyJoin", "NotifyLeave":
					if join := what == "NotifyJoin"; there[name] == join {
						t.Fatalf("%s, which was there: %v", call, there[name])
					} else {
						there[name] = join
					}
				case "NotifyUpdate":
					if !there[name] {
						t.Fatalf("%s, which is not there", call)
					}
				}
			}
			seen := map[string]*Node{}
			for _, n := range m.Members() {
				seen[n.Name] = n
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			for i := range members {
				name := fmt.Sprint("m", i)
				want := &m.swim.table.named(name).node.Node
				switch n := seen[name]; {
				case there[name] != (n != nil) || (n == nil) != (want.State >= StateDead):
					t.Errorf("%s is in state %d, and there: %v to events, %v in Members", name, want.State, there[name], n != nil)
				case n != nil && n != want:
					t.Errorf("%s: %v in Members, %v is the newest", name, n, want)
				}
			}
		})
	}
}

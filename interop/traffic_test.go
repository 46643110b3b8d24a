package interop

import (
	"fmt"
	"slices"
	"time"
)

// traffic is users at work: reliable messages between all nodes, one after the
// other, from each to everybody whom it sees as a member.
type traffic struct {
	c     *cluster
	stop  chan struct{}
	done  chan struct{}
	gate  chan struct{} // holds a token while nothing is being sent; guards what follows
	nodes []node
	sent  []sentMessage
	lost  []string // sending failed
}

// sentMessage has been sent, as far as its sender knows.
type sentMessage struct {
	to   node
	text string
}

// talk starts traffic between the nodes. The loop ends with end.
func (c *cluster) talk() *traffic {
	tr := &traffic{c: c, stop: make(chan struct{}), done: make(chan struct{}), gate: make(chan struct{}, 1), nodes: slices.Clone(c.nodes)}
	tr.gate <- struct{}{}
	go tr.loop()
	return tr
}

func (tr *traffic) loop() {
	defer close(tr.done)
	for i := 0; ; i++ {
		select {
		case <-tr.stop:
			return
		case <-time.After(tr.c.pace.gossip / 2):
			tr.while(func() { tr.send(i) })
		}
	}
}

// while does something when no message is on its way out. Not a mutex, because
// a bubble's clock stands still while somebody waits for one.
func (tr *traffic) while(f func()) {
	<-tr.gate
	defer func() { tr.gate <- struct{}{} }()
	f()
}

// send sends the next message.
func (tr *traffic) send(i int) {
	n := len(tr.nodes)
	if n == 0 {
		return
	}
	from, to := tr.nodes[i%n], tr.nodes[(i+1+i/n%max(1, n-1))%n]
	if _, member := from.members()[to.name()]; !member || from == to {
		return
	}
	text := fmt.Sprintf("traffic %d from %s to %s", i, from.name(), to.name())
	if err := from.sendStream(to, text); err != nil {
		tr.lost = append(tr.lost, fmt.Sprintf("%s: %v", text, err))
		return
	}
	tr.sent = append(tr.sent, sentMessage{to, text})
}

// without takes a node out, after it has got all that was sent to it.
func (tr *traffic) without(n node) {
	tr.c.t.Helper()
	tr.while(func() { tr.nodes = slices.DeleteFunc(tr.nodes, func(m node) bool { return m == n }) })
	tr.arrived(n)
}

func (tr *traffic) with(n node) { tr.while(func() { tr.nodes = append(tr.nodes, n) }) }

// arrived waits until everything sent to n, or to anybody when it is nil, has
// come once.
func (tr *traffic) arrived(n node) {
	tr.c.t.Helper()
	tr.c.eventually(tr.c.unit, "reliable messages", func() (why string) {
		tr.while(func() {
			for _, s := range tr.sent {
				if got := s.to.book().received(s.text); (n == nil || s.to == n) && got != 1 {
					why = fmt.Sprintf("%s: received %d times", s.text, got)
				}
			}
		})
		return why
	})
}

// end stops the traffic and checks that nothing was lost. It returns how many
// messages there were.
func (tr *traffic) end() int {
	tr.c.t.Helper()
	close(tr.stop)
	<-tr.done
	if tr.c.t.Failed() {
		return 0
	}
	for _, l := range tr.lost {
		tr.c.t.Errorf("lost %s", l)
	}
	if len(tr.sent) == 0 {
		tr.c.t.Error("there was no traffic")
	}
	tr.arrived(nil)
	return len(tr.sent)
}

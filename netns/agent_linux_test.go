package netns

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// agent is a running process of cmd/memberlist.
type agent struct {
	host  *host
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has been waited for
	err   error         // of the process, once ended is closed

	// Guarded by the event log.
	knows    map[string]string // name to address of who is a member, as its events have it
	meta     map[string]string
	complain tail
}

// event is a line of an agent's standard output.
type event struct {
	on    string // the name of the agent that printed it
	Event string
	Name  string
	Addr  string
	Meta  string
	Text  string
}

// eventLog is what all agents of a network have printed.
type eventLog struct {
	mu      sync.Mutex
	events  []event
	changed chan struct{} // closed and made anew with every event
}

// ask evaluates why while no event can come, and returns what to wait for if
// the answer is not good enough.
func (l *eventLog) ask(why func() string) (missing string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return why(), l.changed
}

// mark is a point in the log for since.
func (l *eventLog) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// since is the events after mark of this kind about a member in names, or
// about anybody without names, on agents other than those of the hosts in but.
func (l *eventLog) since(mark int, kind string, names []string, but ...*host) (found []event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events[mark:] {
		ignored := slices.ContainsFunc(but, func(h *host) bool { return h.name() == e.on })
		if e.Event == kind && !ignored && (names == nil || slices.Contains(names, e.Name)) {
			found = append(found, e)
		}
	}
	return found
}

// start runs an agent on the host.
func (h *host) start(flags ...string) *agent {
	h.net.t.Helper()
	args := append([]string{"agent", "-name", h.name(), "-events", "json", "-log", "info"}, flags...)
	a := &agent{host: h, ended: make(chan struct{}), knows: map[string]string{}, meta: map[string]string{}}
	a.cmd = exec.Command(os.Getenv(agentVar), args...)
	a.cmd.Stderr = &a.complain
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		h.net.t.Fatal(err)
	}
	if err := h.ns.start(a.cmd); err != nil {
		h.net.t.Fatal(err)
	}
	h.agent = a
	go func() {
		defer close(a.ended)
		a.read(out)
		a.err = a.cmd.Wait()
	}()
	return a
}

// read takes in events until the agent's end.
func (a *agent) read(out io.Reader) {
	log := &a.host.net.log
	for lines := bufio.NewScanner(out); lines.Scan(); {
		e := event{on: a.host.name()}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e.Event, e.Text = "garbled", lines.Text()
		}
		log.mu.Lock()
		switch e.Event {
		case "started", "joined", "updated":
			a.knows[e.Name], a.meta[e.Name] = e.Addr, e.Meta
		case "left", "failed":
			delete(a.knows, e.Name)
		}
		log.events = append(log.events, e)
		close(log.changed)
		log.changed = make(chan struct{})
		log.mu.Unlock()
	}
}

// signal sends a signal to the agent.
func (h *host) signal(s syscall.Signal) {
	h.net.t.Helper()
	if err := h.agent.cmd.Process.Signal(s); err != nil {
		h.net.t.Fatalf("%s: %v: %v", h.name(), s, err)
	}
}

// leave has the agent say goodbye and waits for its end in good order.
func (h *host) leave() {
	h.net.t.Helper()
	h.signal(syscall.SIGTERM)
	select {
	case <-h.agent.ended:
		if h.agent.err != nil {
			h.net.t.Errorf("%s ended with %v: %s", h.name(), h.agent.err, &h.agent.complain)
		}
	case <-time.After(20 * time.Second):
		h.net.t.Fatalf("%s does not end after SIGTERM", h.name())
	}
	h.agent = nil
}

// kill ends the agent without a goodbye, if there is one. When the test has
// failed, what it complained about is of interest.
func (h *host) kill() {
	if h.agent == nil {
		return
	}
	h.agent.cmd.Process.Kill()
	<-h.agent.ended
	if h.net.t.Failed() {
		if text := h.agent.complain.String(); text != "" {
			h.net.t.Logf("%s said:\n%s", h.name(), text)
		}
	}
	h.agent = nil
}

// know waits until the agents of these hosts know exactly the members named.
func (nw *network) know(timeout time.Duration, hosts []*host, names []string) time.Duration {
	nw.t.Helper()
	return nw.within(timeout, fmt.Sprintf("all know %d members", len(names)), func() string {
		for _, h := range hosts {
			select {
			case <-h.agent.ended:
				return fmt.Sprintf("%s has ended: %v: %s", h.name(), h.agent.err, &h.agent.complain)
			default:
			}
			for _, name := range names {
				if h.agent.knows[name] == "" {
					return fmt.Sprintf("%s does not know %s, but %d members", h.name(), name, len(h.agent.knows))
				}
			}
			if len(h.agent.knows) != len(names) {
				return fmt.Sprintf("%s knows %d members", h.name(), len(h.agent.knows))
			}
		}
		return ""
	})
}

// watch is for what must not happen: it lets the cluster live for a time and
// returns the verdicts of failure since mark by anybody but these hosts.
func (nw *network) watch(mark int, lasts time.Duration, but ...*host) []event {
	nw.t.Helper()
	over := time.NewTimer(lasts)
	defer over.Stop()
	<-over.C
	for _, h := range nw.hosts {
		if h.agent == nil {
			continue
		}
		select {
		case <-h.agent.ended:
			nw.t.Errorf("%s has ended: %v: %s", h.name(), h.agent.err, &h.agent.complain)
		default:
		}
	}
	return nw.log.since(mark, "failed", nil, but...)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailMax = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailMax):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

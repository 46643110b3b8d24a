package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/swimguard/memberlist"
)

// event is one thing that happened, as the agent prints it.
type event struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"` // started, joined, left, failed, updated, conflict, message, leaving, stopped
	Name  string    `json:"name,omitempty"`
	Addr  string    `json:"addr,omitempty"`
	// Meta is the metadata as text. When it is not valid UTF-8, and so would not
	// survive JSON, MetaBase64 has it instead.
	Meta       string `json:"meta,omitempty"`
	MetaBase64 string `json:"meta_base64,omitempty"`
	// Text is what was said (message), or an explanation (conflict).
	Text string `json:"text,omitempty"`
}

// printer writes events, one a line. Safe for concurrent use.
type printer struct {
	self string // the name of this member, whose own join is the start
	json bool
	now  func() time.Time

	mu sync.Mutex
	w  io.Writer
}

// timeLayout is RFC 3339 to the millisecond, so that lines align and sort.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// print stamps the event with the current time. A standard output that is gone
// must not stop a member, so errors of writing are not reported.
func (p *printer) print(e event) {
	e.Time = p.now()
	line := e.line()
	if p.json {
		b, err := json.Marshal(e)
		if err != nil { // cannot be: there are only strings and numbers in it
			return
		}
		line = string(b) + "\n"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	io.WriteString(p.w, line)
}

// node prints an event about a member.
func (p *printer) node(what string, n *memberlist.Node) {
	e := event{Event: what, Name: n.Name, Addr: n.Address()}
	e.setMeta(n.Meta)
	p.print(e)
}

func (e *event) setMeta(meta []byte) {
	if utf8.Valid(meta) {
		e.Meta = string(meta)
	} else {
		e.MetaBase64 = base64.StdEncoding.EncodeToString(meta)
	}
}

// line is the event as text.
func (e *event) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-8s", e.Time.Format(timeLayout), e.Event)
	if e.Name != "" {
		b.WriteString("  " + plain(e.Name))
	}
	if e.Addr != "" {
		b.WriteString("  " + e.Addr)
	}
	switch {
	case e.MetaBase64 != "":
		b.WriteString("  meta base64:" + e.MetaBase64)
	case e.Meta != "":
		b.WriteString("  meta " + strconv.Quote(e.Meta))
	}
	if e.Text != "" {
		b.WriteString("  " + strconv.Quote(e.Text))
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// plain is a name as it is when it is one readable word, and quoted when it
// could be mistaken for something else on the line. Names come from the network.
func plain(name string) string {
	odd := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '"' || r == utf8.RuneError }
	if name == "" || strings.ContainsFunc(name, odd) {
		return strconv.Quote(name)
	}
	return name
}

// NotifyJoin implements memberlist.EventDelegate.
func (p *printer) NotifyJoin(n *memberlist.Node) {
	if n.Name == p.self {
		p.node("started", n)
	} else {
		p.node("joined", n)
	}
}

// NotifyUpdate implements memberlist.EventDelegate.
func (p *printer) NotifyUpdate(n *memberlist.Node) { p.node("updated", n) }

// NotifyLeave implements memberlist.EventDelegate. Who said goodbye has left;
// who did not has failed, as far as the cluster can tell.
func (p *printer) NotifyLeave(n *memberlist.Node) {
	if n.State == memberlist.StateLeft {
		p.node("left", n)
	} else {
		p.node("failed", n)
	}
}

// NotifyConflict implements memberlist.ConflictDelegate.
func (p *printer) NotifyConflict(existing, other *memberlist.Node) {
	p.print(event{
		Event: "conflict", Name: existing.Name, Addr: existing.Address(),
		Text: fmt.Sprintf("another member at %s uses this name; it is ignored", other.Address()),
	})
}

// heard prints a message of a user.
func (p *printer) heard(m chatMessage) { p.print(event{Event: "message", Name: m.From, Text: m.Text}) }

package interop

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"
)

// book is what a node's program knows: the Delegate of either library (its
// methods use no types of theirs), and the record of what it was told.
type book struct {
	mu     sync.Mutex
	meta   string
	msgs   map[string]int  // user message → how often it came
	state  map[string]bool // a set that push/pull unites
	gossip []string        // user broadcasts to send along
	sent   map[string]int  // how often each was sent
	events []event
	log    bytes.Buffer
}

// event is a call of the EventDelegate.
type event struct {
	kind string // join, leave or update
	name string
	left bool // leave: the library says that the node left by itself (ours only)
}

func newBook(meta string) *book {
	return &book{meta: meta, msgs: map[string]int{}, state: map[string]bool{}, sent: map[string]int{}}
}

// gossipLimit is how often each user broadcast is sent: plenty for twelve nodes.
const gossipLimit = 24

func (b *book) NodeMeta(int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return []byte(b.meta)
}

func (b *book) NotifyMsg(msg []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := string(msg)
	b.msgs[text]++
	// What is gossiped spreads like gossip.
	if strings.HasPrefix(text, "gossip") && b.msgs[text] == 1 && !slices.Contains(b.gossip, text) {
		b.gossip = append(b.gossip, text)
	}
}

func (b *book) GetBroadcasts(overhead, limit int) (msgs [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.gossip {
		if limit -= overhead + len(text); limit < 0 {
			break
		}
		if b.sent[text] < gossipLimit {
			b.sent[text]++
			msgs = append(msgs, []byte(text))
		}
	}
	return msgs
}

func (b *book) LocalState(bool) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return []byte(strings.Join(slices.Sorted(maps.Keys(b.state)), "\n"))
}

func (b *book) MergeRemoteState(buf []byte, _ bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range strings.Split(string(buf), "\n") {
		b.state[s] = true
	}
}

// Write takes log lines.
func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *book) told(e event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *book) setMeta(meta string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meta = meta
}

func (b *book) addState(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state[s] = true
}

func (b *book) addGossip(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gossip = append(b.gossip, s)
	b.msgs[s]++ // so as not to take it up again
}

// mark is a place in the record.
type mark struct{ events, log int }

func (b *book) mark() mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	return mark{len(b.events), b.log.Len()}
}

// eventsSince are the events after a mark.
func (b *book) eventsSince(m mark) []event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events[m.events:])
}

// logSince are the log lines after a mark that contain text.
func (b *book) logSince(m mark, text string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.log.String()[m.log:]) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func (b *book) received(msg string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.msgs[msg]
}

func (b *book) hasState(s string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state[s]
}

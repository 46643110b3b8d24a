package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/swimguard/memberlist"
)

// The library carries user messages from one member to a few others and
// leaves it to the user to pass them on. chat does so: whoever hears a message
// for the first time queues it again, so it reaches everybody.

const (
	// chatTextMax and chatNameMax keep a message, with whatever the other
	// layers add (label up to 257 bytes, encryption 45, checksum 5), inside one
	// packet of 1,400 bytes: 2 + 8 + 2 + 128 + 800 = 940.
	chatTextMax = 800
	chatNameMax = 128

	// chatMemory is how many messages are remembered in order not to pass one
	// on twice. A message circulates for a second or two.
	chatMemory = 4096

	// chatBacklog bounds the messages waiting to be passed on. Those that were
	// repeated most often give way first.
	chatBacklog = 1024

	// chatRetransmitMult is how often each member repeats a message, times the
	// number of decimal digits of the cluster size. Each repetition goes to
	// somebody at random: in a cluster of eight, somebody hears nothing once in
	// 10 messages with 4, and once in 50,000 with 12.
	chatRetransmitMult = 12
)

// chatMagic marks a chat message among the user messages of other programs.
const chatMagic = "ch"

var (
	errChatLong  = fmt.Errorf("a message has at most %d bytes", chatTextMax)
	errChatEmpty = errors.New("an empty message says nothing")
)

// chatMessage is a line that somebody said to everybody. On the wire:
//
//	"ch" | 8 bytes id | uvarint length of From | From | Text
type chatMessage struct {
	id   [8]byte
	From string
	Text string
}

func (c *chatMessage) append(dst []byte) []byte {
	dst = append(dst, chatMagic...)
	dst = append(dst, c.id[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(c.From)))
	dst = append(dst, c.From...)
	return append(dst, c.Text...)
}

// parseChat reports false for anything that is not a chat message within the
// limits. The result shares nothing with b.
func parseChat(b []byte) (c chatMessage, ok bool) {
	rest, ok := strings.CutPrefix(string(b), chatMagic)
	if !ok || len(rest) < len(c.id) {
		return c, false
	}
	copy(c.id[:], rest)
	body := []byte(rest[len(c.id):])
	n, used := binary.Uvarint(body)
	if used <= 0 || n > chatNameMax || n > uint64(len(body)-used) {
		return c, false
	}
	c.From, c.Text = string(body[used:used+int(n)]), string(body[used+int(n):])
	return c, len(c.Text) <= chatTextMax
}

// chat is the memberlist.Delegate of the members in this command: it holds
// their metadata and floods messages. Safe for concurrent use.
type chat struct {
	name  string
	queue memberlist.TransmitLimitedQueue
	list  atomic.Pointer[memberlist.Memberlist] // nil until attach

	// heard is told of every message of others once, and of user messages that
	// are not chat (From is then empty). Called from the delegate's goroutine.
	heard func(chatMessage)

	mu     sync.Mutex
	meta   []byte
	seen   map[[8]byte]struct{}
	recent [][8]byte // the keys of seen; a ring once it is full
	next   int       // where in recent the next key goes
}

func newChat(name string, meta []byte, heard func(chatMessage)) *chat {
	c := &chat{name: name, meta: meta, heard: heard, seen: make(map[[8]byte]struct{})}
	c.queue.RetransmitMult = chatRetransmitMult
	c.queue.NumNodes = c.numNodes
	return c
}

// attach says whose delegate this is, as soon as there is a Memberlist.
// Delegates may be called before Create has returned it.
func (c *chat) attach(list *memberlist.Memberlist) { c.list.Store(list) }

// numNodes is the size of the cluster, on which depends how often a message is
// repeated.
func (c *chat) numNodes() int {
	if list := c.list.Load(); list != nil {
		return list.NumMembers()
	}
	return 1
}

// say queues text for everybody.
func (c *chat) say(text string) error {
	if text == "" {
		return errChatEmpty
	}
	if len(text) > chatTextMax {
		return errChatLong
	}
	m := chatMessage{From: c.name, Text: text}
	if len(m.From) > chatNameMax {
		m.From = m.From[:chatNameMax]
	}
	rand.Read(m.id[:]) // never fails, see its documentation
	c.remember(m.id)
	c.pass(m.append(nil))
	return nil
}

// setMeta replaces what NodeMeta answers; UpdateNode spreads it.
func (c *chat) setMeta(meta []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meta = meta
}

// remember reports whether the message is new.
func (c *chat) remember(id [8]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, old := c.seen[id]; old {
		return false
	}
	c.seen[id] = struct{}{}
	if len(c.recent) < chatMemory {
		c.recent = append(c.recent, id)
		return true
	}
	delete(c.seen, c.recent[c.next])
	c.recent[c.next] = id
	c.next = (c.next + 1) % chatMemory
	return true
}

func (c *chat) pass(encoded []byte) {
	c.queue.QueueBroadcast(chatBroadcast(encoded))
	c.queue.Prune(chatBacklog)
}

// NodeMeta implements memberlist.Delegate.
func (c *chat) NodeMeta(limit int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.meta[:min(len(c.meta), limit)]
}

// NotifyMsg implements memberlist.Delegate.
func (c *chat) NotifyMsg(b []byte) {
	m, ok := parseChat(b)
	if !ok {
		c.heard(chatMessage{Text: string(b)})
		return
	}
	if !c.remember(m.id) {
		return
	}
	c.pass(m.append(nil))
	c.heard(m)
}

// GetBroadcasts implements memberlist.Delegate.
func (c *chat) GetBroadcasts(overhead, limit int) [][]byte {
	return c.queue.GetBroadcasts(overhead, limit)
}

// LocalState implements memberlist.Delegate: chat keeps no state to sync.
func (c *chat) LocalState(join bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (c *chat) MergeRemoteState(buf []byte, join bool) {}

// chatBroadcast is a message in the queue. No two are about the same thing,
// so none replaces another.
type chatBroadcast []byte

func (b chatBroadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b chatBroadcast) Message() []byte                       { return b }
func (b chatBroadcast) Finished()                             {}
func (b chatBroadcast) UniqueBroadcast()                      {}

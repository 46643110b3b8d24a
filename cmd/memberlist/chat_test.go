package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

func TestChatMessageRoundTrip(t *testing.T) {
	for _, m := range []chatMessage{
		{From: "a", Text: "hello"},
		{From: "", Text: ""},
		{From: strings.Repeat("n", chatNameMax), Text: strings.Repeat("t", chatTextMax)},
		{id: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, From: "\xff", Text: "\x00"},
	} {
		got, ok := parseChat(m.append(nil))
		if !ok || got != m {
			t.Errorf("%+v came back as %+v, %v", m, got, ok)
		}
	}
}

func TestParseChatRefuses(t *testing.T) {
	id := "12345678"
	for name, b := range map[string]string{
		"nothing":             "",
		"another program's":   "hello, world",
		"only the magic":      chatMagic,
		"a short id":          chatMagic + "1234567",
		"no name length":      chatMagic + id,
		"an unfinished count": chatMagic + id + "\x80",
		"a count too large":   chatMagic + id + strings.Repeat("\xff", 10),
		"a name cut short":    chatMagic + id + "\x05abcd",
		"a name too long":     chatMagic + id + string(binary.AppendUvarint(nil, chatNameMax+1)) + strings.Repeat("n", chatNameMax+1),
		"a text too long":     chatMagic + id + "\x00" + strings.Repeat("t", chatTextMax+1),
	} {
		if m, ok := parseChat([]byte(b)); ok {
			t.Errorf("%s was parsed as %+v", name, m)
		}
	}
}

func FuzzParseChat(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("hello, world"))
	f.Add((&chatMessage{From: "a", Text: "hello"}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseChat(b)
		if !ok {
			return
		}
		again, ok := parseChat(m.append(nil))
		if !ok || again != m {
			t.Errorf("%q: %+v, encoded and parsed again %+v, %v", b, m, again, ok)
		}
	})
}

func TestChatPassesAMessageOnOnce(t *testing.T) {
	var heard []chatMessage
	c := newChat("me", nil, func(m chatMessage) { heard = append(heard, m) })
	m := chatMessage{From: "b", Text: "hello"}
	for range 3 {
		c.NotifyMsg(m.append(nil))
	}
	if len(heard) != 1 || heard[0] != m {
		t.Errorf("heard %+v, want the message once", heard)
	}
	if n := c.queue.NumQueued(); n != 1 {
		t.Errorf("%d messages queued, want 1", n)
	}
	if got := c.GetBroadcasts(2, 1400); len(got) != 1 || !bytes.Equal(got[0], m.append(nil)) {
		t.Errorf("passed on %q, want the message as it came", got)
	}
}

func TestChatDoesNotHearItself(t *testing.T) {
	heard := 0
	c := newChat("me", nil, func(chatMessage) { heard++ })
	if err := c.say("hello"); err != nil {
		t.Fatal(err)
	}
	for _, b := range c.GetBroadcasts(2, 1400) {
		c.NotifyMsg(b)
	}
	if heard != 0 {
		t.Error("a message came back and was taken for another's")
	}
}

func TestChatHandsOutForeignMessagesUnchanged(t *testing.T) {
	var heard []chatMessage
	c := newChat("me", nil, func(m chatMessage) { heard = append(heard, m) })
	c.NotifyMsg([]byte("from another program"))
	if len(heard) != 1 || heard[0].From != "" || heard[0].Text != "from another program" {
		t.Errorf("heard %+v", heard)
	}
	if n := c.queue.NumQueued(); n != 0 {
		t.Errorf("%d messages of another program were passed on", n)
	}
}

func TestChatLimits(t *testing.T) {
	c := newChat(strings.Repeat("n", 1000), nil, func(chatMessage) {})
	if err := c.say(""); err != errChatEmpty {
		t.Errorf("empty: %v", err)
	}
	if err := c.say(strings.Repeat("t", chatTextMax+1)); err != errChatLong {
		t.Errorf("too long: %v", err)
	}
	if err := c.say(strings.Repeat("t", chatTextMax)); err != nil {
		t.Errorf("as long as can be: %v", err)
	}
	if got := c.GetBroadcasts(2, 1400-257-45-5); len(got) != 1 {
		t.Error("the longest message does not fit into a packet with everything around it")
	}
	if meta := newChat("me", []byte("metadata"), nil).NodeMeta(4); string(meta) != "meta" {
		t.Errorf("metadata %q is over the limit of 4", meta)
	}
}

func TestChatMemoryIsBounded(t *testing.T) {
	c := newChat("me", nil, func(chatMessage) {})
	id := func(i int) (id [8]byte) { binary.BigEndian.PutUint64(id[:], uint64(i)); return id }
	for i := range 3 * chatMemory {
		if !c.remember(id(i)) {
			t.Fatalf("message %d was taken for an old one", i)
		}
	}
	if len(c.seen) != chatMemory || len(c.recent) != chatMemory {
		t.Errorf("remembers %d and %d, want %d", len(c.seen), len(c.recent), chatMemory)
	}
	if c.remember(id(2 * chatMemory)) {
		t.Error("a recent message was forgotten")
	}
	for i := range 2 * chatBacklog {
		c.NotifyMsg((&chatMessage{id: id(-i), From: "b", Text: "x"}).append(nil))
	}
	if n := c.queue.NumQueued(); n != chatBacklog {
		t.Errorf("%d messages queued, want at most %d", n, chatBacklog)
	}
}

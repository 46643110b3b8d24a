package main

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/swimguard/memberlist"
)

func testPrinter(asJSON bool) (*printer, *bytes.Buffer) {
	var out bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 4, 5, 60e6, time.UTC)
	return &printer{self: "me", json: asJSON, now: func() time.Time { return at }, w: &out}, &out
}

func testNode(name string, state memberlist.NodeStateType, meta string) *memberlist.Node {
	return &memberlist.Node{Name: name, Addr: net.IPv4(10, 0, 0, 1), Port: 7946, Meta: []byte(meta), State: state}
}

func TestEventLines(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*printer)
		text string // after the time
		json string // after the time
	}{
		{"own join", func(p *printer) { p.NotifyJoin(testNode("me", memberlist.StateAlive, "")) },
			`started   me  10.0.0.1:7946`,
			`"event":"started","name":"me","addr":"10.0.0.1:7946"}`},
		{"join", func(p *printer) { p.NotifyJoin(testNode("b", memberlist.StateAlive, "role=db")) },
			`joined    b  10.0.0.1:7946  meta "role=db"`,
			`"event":"joined","name":"b","addr":"10.0.0.1:7946","meta":"role=db"}`},
		{"goodbye", func(p *printer) { p.NotifyLeave(testNode("b", memberlist.StateLeft, "")) },
			`left      b  10.0.0.1:7946`,
			`"event":"left","name":"b","addr":"10.0.0.1:7946"}`},
		{"crash", func(p *printer) { p.NotifyLeave(testNode("b", memberlist.StateDead, "")) },
			`failed    b  10.0.0.1:7946`,
			`"event":"failed","name":"b","addr":"10.0.0.1:7946"}`},
		{"update", func(p *printer) { p.NotifyUpdate(testNode("b", memberlist.StateAlive, "x")) },
			`updated   b  10.0.0.1:7946  meta "x"`,
			`"event":"updated","name":"b","addr":"10.0.0.1:7946","meta":"x"}`},
		{"metadata that is not text", func(p *printer) { p.NotifyUpdate(testNode("b", memberlist.StateAlive, "\xff\x00")) },
			`updated   b  10.0.0.1:7946  meta base64:/wA=`,
			`"event":"updated","name":"b","addr":"10.0.0.1:7946","meta_base64":"/wA="}`},
		{"hostile name", func(p *printer) { p.NotifyJoin(testNode("b\n\x1b[2J c", memberlist.StateAlive, "")) },
			`joined    "b\n\x1b[2J c"  10.0.0.1:7946`,
			`"event":"joined","name":"b\n\u001b[2J c","addr":"10.0.0.1:7946"}`},
		{"message", func(p *printer) { p.heard(chatMessage{From: "b", Text: "hi \x07 there"}) },
			`message   b  "hi \a there"`,
			`"event":"message","name":"b","text":"hi \u0007 there"}`},
		{"conflict", func(p *printer) {
			p.NotifyConflict(testNode("b", memberlist.StateAlive, ""), testNode("b", memberlist.StateAlive, ""))
		},
			`conflict  b  10.0.0.1:7946  "another member at 10.0.0.1:7946 uses this name; it is ignored"`,
			`"event":"conflict","name":"b","addr":"10.0.0.1:7946","text":"another member at 10.0.0.1:7946 uses this name; it is ignored"}`},
		{"stop", func(p *printer) { p.print(event{Event: "stopped"}) },
			`stopped`,
			`"event":"stopped"}`},
	} {
		p, out := testPrinter(false)
		tc.do(p)
		if want := "2026-01-02T03:04:05.060Z  " + tc.text + "\n"; out.String() != want {
			t.Errorf("%s as text:\n got %q\nwant %q", tc.name, out, want)
		}
		p, out = testPrinter(true)
		tc.do(p)
		if want := `{"time":"2026-01-02T03:04:05.06Z",` + tc.json + "\n"; out.String() != want {
			t.Errorf("%s as JSON:\n got %q\nwant %q", tc.name, out, want)
		}
	}
}

func TestEveryEventIsOneLineAndValidJSON(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		p, out := testPrinter(asJSON)
		for b := range 256 {
			p.NotifyJoin(testNode("n"+string([]byte{byte(b)}), memberlist.StateAlive, string([]byte{byte(b)})))
		}
		if n := strings.Count(out.String(), "\n"); n != 256 {
			t.Errorf("json %v: %d lines for 256 events", asJSON, n)
		}
		if asJSON {
			for line := range strings.Lines(out.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
		}
	}
}

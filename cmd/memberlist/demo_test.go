package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swimguard/memberlist"
	"github.com/swimguard/memberlist/memberlisttest"
)

// runDemo runs the demo on a network in memory and a fake clock. meddle may
// disturb the network once the step with that title is about to begin.
func runDemo(t *testing.T, title string, meddle func(*memberlisttest.Network)) (story string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := memberlisttest.New(memberlisttest.Options{Seed: 1})
		defer network.Close()
		var out bytes.Buffer
		d := &demo{
			demoOptions: demoOptions{
				pause:     time.Second,
				transport: func(name string) memberlist.Transport { return network.Transport(name) },
			},
			logs: io.Discard,
			tell: narrator{w: &meddler{&out, title, func() { meddle(network) }}, start: time.Now()},
		}
		err = d.run()
		story = out.String()
	})
	return story, err
}

// meddler calls do when a line contains title.
type meddler struct {
	w     io.Writer
	title string
	do    func()
}

func (m *meddler) Write(b []byte) (int, error) {
	if m.title != "" && strings.Contains(string(b), m.title) {
		m.do()
	}
	return m.w.Write(b)
}

func TestDemoTellsTheWholeStory(t *testing.T) {
	story, err := runDemo(t, "", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, story)
	}
	story = strings.Join(strings.Fields(story), " ") // however the lines are broken
	// In this order, whatever stands between them.
	for _, want := range []string{
		`alder listens on 10\.0\.0\.1:7946; it will be the seed`,
		`Each of them knows only itself`,
		`birch, cedar, elm, fir, hazel, larch and maple have joined through alder`,
		`all 8 know all 8`,
		`cedar says "lunch is ready"`,
		`all 7 others have heard it`,
		`elm changes its metadata from "role=worker" to "role=leader"`,
		`all 7 others have it`,
		`fir says goodbye`,
		`all 7 others know that it left`,
		`hazel is killed`,
		`\w+ got no answer and suspects? hazel`,
		`no objection, so hazel has failed`,
		`all 6 survivors know`,
		`Predicted for these settings: declared failed after 2\.15 s at the earliest, usually about 2\.65 s, 18\.25 s at the latest`,
		`What \w+ found out about hazel`,
		`\+\d\.\d\d asked 3 other members to ping it`,
		`\+\d\.\d\d dead`,
		`alder 10\.0\.0\.1:7946 alive role=worker 6 of 6`,
		`elm 10\.0\.0\.4:7946 alive role=leader 6 of 6`,
		`fir 10\.0\.0\.5:7946 left role=worker 0 of 6`,
		`hazel 10\.0\.0\.6:7946 failed role=worker 0 of 6`,
		`All 7 steps happened as they should`,
	} {
		at := regexp.MustCompile(want).FindStringIndex(story)
		if at == nil {
			t.Fatalf("missing, or not in its place: %s\nthe rest of the story is\n%s", want, story)
		}
		story = story[at[1]:]
	}
}

func TestDemoLinesFitTheScreen(t *testing.T) {
	story, err := runDemo(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(story) {
		if len(line) > 81 { // 80 columns and the end of the line
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

func TestDemoFailsWhenAStepDoesNotHappen(t *testing.T) {
	for _, tc := range []struct {
		name, title string
		meddle      func(*memberlisttest.Network)
		want        string
	}{
		{"the seed cannot be reached", "they find each other",
			func(n *memberlisttest.Network) { n.Cut("birch", "alder") },
			"birch could not join"},
		{"a message does not arrive", "one says something",
			func(n *memberlisttest.Network) { n.Cut(memberlisttest.Any, "maple") },
			"maple did not hear it"},
		{"metadata does not arrive", "one changes its metadata",
			func(n *memberlisttest.Network) { n.Cut(memberlisttest.Any, "larch") },
			"larch did not learn of the new metadata"},
		{"a goodbye does not arrive", "one leaves",
			func(n *memberlisttest.Network) { n.Cut("fir", memberlisttest.Any) },
			"not that it left|did not learn that it left|could not leave"},
		{"a survivor does not notice the crash", "one is killed",
			func(n *memberlisttest.Network) { n.Pause("maple") },
			"maple did not find out"},
		{"the survivors disagree", "do the others agree",
			func(n *memberlisttest.Network) { n.Cut("maple", memberlisttest.Any); time.Sleep(time.Minute) },
			"lists .*, but .* are running"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			story, err := runDemo(t, tc.title, tc.meddle)
			if err == nil {
				t.Fatalf("the demo was content:\n%s", story)
			}
			if !regexp.MustCompile(`(?s)FAILED: .*(` + tc.want + `)`).MatchString(story) {
				t.Errorf("want %q after FAILED in\n%s", tc.want, story)
			}
			if strings.Contains(story, "as they should") {
				t.Error("a failed demo claims success")
			}
		})
	}
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/swimguard/memberlist"
)

// demoNames are short, distinct, and in the order the members start.
var demoNames = []string{"alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple"}

const (
	// demoPause gives a person time to read one step before the next begins.
	demoPause = 2 * time.Second

	// demoPatience is how long a step that takes a few gossip rounds may take.
	demoPatience = 5 * time.Second

	// demoPoll is how often the demo looks whether something has happened; for
	// what no delegate is told about, it is also how exactly it is timed.
	demoPoll = 5 * time.Millisecond
)

// demoOptions are the flags of the demo, and what its tests replace.
type demoOptions struct {
	pause   time.Duration
	verbose bool

	// transport gives a member its transport; nil means real sockets.
	transport func(name string) memberlist.Transport
}

func (o *demoOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.DurationVar(&o.pause, "pause", demoPause, "`time` to read after each step")
	fs.BoolVar(&o.verbose, "v", false, "print the members' own logs too, on standard error")
	return fs
}

func demoUsage(w io.Writer) {
	fmt.Fprintf(w, `Usage: memberlist demo [flags]

Runs %d members on loopback sockets in this process. They find each other
through one seed, exchange a message and a metadata update, one leaves, one is
killed and found out. Each step is checked: the exit status is 0 only if all of
it happened. Takes about 15 seconds and touches nothing outside 127.0.0.1.

`, len(demoNames))
	printFlags(w, new(demoOptions).flags())
}

func demoCommand(args []string, std streams) int {
	var o demoOptions
	if status, ok := parseFlags(o.flags(), args, std); !ok {
		return status
	}
	logs := io.Discard
	if o.verbose {
		logs = std.err
	}
	d := &demo{demoOptions: o, logs: logs, tell: narrator{w: std.out, start: time.Now()}}
	if err := d.run(); err != nil {
		return exitFailed
	}
	return exitOK
}

// demo is one run of the demonstration.
type demo struct {
	demoOptions
	logs    io.Writer
	tell    narrator
	conf    *memberlist.Config // of any member; only read for its settings
	members []*demoMember
}

// demoStep is a chapter of the story. It fails when what it tells did not happen.
type demoStep struct {
	title string
	run   func(*demo) error
}

var demoSteps = []demoStep{
	{"eight members start", (*demo).start},
	{"they find each other", (*demo).join},
	{"one says something to all", (*demo).talk},
	{"one changes its metadata", (*demo).update},
	{"one leaves", (*demo).leave},
	{"one is killed", (*demo).kill},
	{"do the others agree?", (*demo).agree},
}

var errDemo = errors.New("a step did not happen")

func (d *demo) run() error {
	d.conf = demoConfig("", d.logs)
	d.tell.line("A cluster of %d members in this process, each with its own UDP and TCP socket", len(demoNames))
	d.tell.line("on 127.0.0.1. Timing: the LAN profile at double speed, that is a probe every")
	d.tell.line("%.1f s and gossip every %.1f s. Times are seconds since the start.",
		d.conf.ProbeInterval.Seconds(), d.conf.GossipInterval.Seconds())
	defer d.stop()
	for i, step := range demoSteps {
		d.tell.line("\nStep %d of %d: %s", i+1, len(demoSteps), step.title)
		if err := step.run(d); err != nil {
			d.tell.say("FAILED: %v", err)
			d.tell.line("\nStep %d did not happen as it should; please report this with the output.", i+1)
			return errDemo
		}
		if i < len(demoSteps)-1 {
			time.Sleep(d.pause)
		}
	}
	d.tell.line("\nAll %d steps happened as they should, in %.1f s.", len(demoSteps), time.Since(d.tell.start).Seconds())
	return nil
}

// stop ends what still runs, without goodbyes.
func (d *demo) stop() {
	for _, m := range d.members {
		m.list.Shutdown()
	}
}

// running returns the members that neither left nor were killed.
func (d *demo) running() []*demoMember {
	var ms []*demoMember
	for _, m := range d.members {
		if m.running {
			ms = append(ms, m)
		}
	}
	return ms
}

// others returns the running members except one.
func (d *demo) others(not *demoMember) []*demoMember {
	var ms []*demoMember
	for _, m := range d.running() {
		if m != not {
			ms = append(ms, m)
		}
	}
	return ms
}

func names(ms []*demoMember) []string {
	var s []string
	for _, m := range ms {
		s = append(s, m.name)
	}
	return s
}

// until waits for cond to be true and reports whether it was in time.
func until(patience time.Duration, cond func() bool) bool {
	for end := time.Now().Add(patience); !cond(); time.Sleep(demoPoll) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// all waits until told is true of every member in ms and returns how long
// after begin the first and the last were told. what completes the sentence
// "birch and elm did not ...".
func all(ms []*demoMember, begin time.Time, patience time.Duration, what string, told func(*demoMember) (time.Time, bool)) (first, last time.Duration, err error) {
	var missing []*demoMember
	ok := until(patience, func() bool {
		missing, first, last = nil, 0, 0
		for _, m := range ms {
			at, ok := told(m)
			if !ok {
				missing = append(missing, m)
				continue
			}
			after := max(at.Sub(begin), 1) // 0 means that none was told yet
			if first == 0 || after < first {
				first = after
			}
			last = max(last, after)
		}
		return len(missing) == 0
	})
	if !ok {
		return 0, 0, fmt.Errorf("%s did not %s within %v", listing(names(missing)), what, patience)
	}
	return first, last, nil
}

// stateWord is how the table calls a state.
func stateWord(s memberlist.NodeStateType) string {
	switch s {
	case memberlist.StateAlive:
		return "alive"
	case memberlist.StateSuspect:
		return "suspect"
	case memberlist.StateLeft:
		return "left"
	default:
		return "failed"
	}
}

// count is "six of six" in figures.
func count(n, of int) string { return fmt.Sprintf("%d of %d", n, of) }

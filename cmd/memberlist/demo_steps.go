package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/swimguard/memberlist"
)

// Who does what. The seed stays to the end, since its view is the last table.
const (
	demoSeed    = 0 // alder
	demoSpeaker = 2 // cedar
	demoUpdater = 3 // elm
	demoLeaver  = 4 // fir
	demoVictim  = 5 // hazel
)

const (
	demoMessage = "lunch is ready"
	demoMeta    = "role=worker"
	demoNewMeta = "role=leader"
)

func (d *demo) start() error {
	for _, name := range demoNames {
		c := demoConfig(name, d.logs)
		if d.transport != nil {
			c.Transport = d.transport(name)
		}
		m, err := startMember(c, demoMeta)
		if err != nil {
			return err
		}
		d.members = append(d.members, m)
	}
	seed := d.members[demoSeed]
	d.tell.say("%s listens on %s; it will be the seed", seed.name, seed.list.LocalNode().Address())
	d.tell.say("%s listen too", listing(names(d.members[1:])))
	for _, m := range d.members {
		if n := m.list.NumMembers(); n != 1 {
			return fmt.Errorf("%s should only know itself, but knows %d members", m.name, n)
		}
	}
	d.tell.note("Each of them knows only itself.")
	return nil
}

func (d *demo) join() error {
	seed := d.members[demoSeed]
	addr := seed.list.LocalNode().Address()
	begin := time.Now()
	for _, m := range d.others(seed) {
		if _, err := m.list.Join([]string{addr}); err != nil {
			return fmt.Errorf("%s could not join: %w", m.name, err)
		}
	}
	d.tell.say("%s have joined through %s", listing(names(d.others(seed))), seed.name)
	want := len(d.members)
	_, last, err := all(d.members, begin, demoPatience, "learn about everybody", func(m *demoMember) (time.Time, bool) {
		return time.Now(), m.list.NumMembers() == want
	})
	if err != nil {
		return err
	}
	d.tell.say("all %d know all %d, %s after the first began to join", want, want, seconds(last))
	d.tell.note("They only spoke to %s; who joined after them they know from gossip.", seed.name)
	return nil
}

func (d *demo) talk() error {
	speaker := d.members[demoSpeaker]
	others := d.others(speaker)
	d.tell.say("%s says %s", speaker.name, quoted(demoMessage))
	begin := time.Now()
	if err := speaker.talk.say(demoMessage); err != nil {
		return err
	}
	first, last, err := all(others, begin, demoPatience, "hear it", func(m *demoMember) (time.Time, bool) {
		return m.heardText(speaker.name, demoMessage)
	})
	if err != nil {
		return err
	}
	d.tell.say("all %d others have heard it: the first after %s, the last after %s", len(others), seconds(first), seconds(last))
	d.tell.note("A message rides on gossip: whoever hears it for the first time passes it on to %d others, a few times over.",
		d.conf.GossipNodes)
	return nil
}

func (d *demo) update() error {
	updater := d.members[demoUpdater]
	others := d.others(updater)
	d.tell.say("%s changes its metadata from %s to %s", updater.name, quoted(demoMeta), quoted(demoNewMeta))
	begin := time.Now()
	updater.talk.setMeta([]byte(demoNewMeta))
	if err := updater.list.UpdateNode(demoPatience); err != nil {
		return fmt.Errorf("%s could not spread its metadata: %w", updater.name, err)
	}
	first, last, err := all(others, begin, demoPatience, "learn of the new metadata", func(m *demoMember) (time.Time, bool) {
		return m.updated(updater.name, demoNewMeta)
	})
	if err != nil {
		return err
	}
	d.tell.say("all %d others have it: the first after %s, the last after %s", len(others), seconds(first), seconds(last))
	return nil
}

func (d *demo) leave() error {
	leaver := d.members[demoLeaver]
	others := d.others(leaver)
	d.tell.say("%s says goodbye", leaver.name)
	begin := time.Now()
	if err := leaver.list.Leave(demoPatience); err != nil {
		return fmt.Errorf("%s could not leave: %w", leaver.name, err)
	}
	leaver.running = false
	if err := leaver.list.Shutdown(); err != nil {
		return fmt.Errorf("%s could not shut down: %w", leaver.name, err)
	}
	d.tell.say("%s has told enough others and is shut down", leaver.name)
	_, last, err := all(others, begin, demoPatience, "learn that it left", func(m *demoMember) (time.Time, bool) {
		g, ok := m.goodbye(leaver.name)
		return g.at, ok
	})
	if err != nil {
		return err
	}
	for _, m := range others {
		if g, _ := m.goodbye(leaver.name); g.state != memberlist.StateLeft {
			return fmt.Errorf("%s was told that %s %s, not that it left", m.name, leaver.name, stateWord(g.state))
		}
	}
	d.tell.say("all %d others know that it left, the last of them after %s", len(others), seconds(last))
	d.tell.note("Nobody suspects %s of a crash: a member that leaves is not missed.", leaver.name)
	return nil
}

func (d *demo) kill() error {
	victim := d.members[demoVictim]
	survivors := d.others(victim)
	promise := predictDetection(d.conf, len(d.members), len(survivors)+1)

	d.tell.say("%s is killed: its sockets close and it says nothing", victim.name)
	begin := time.Now()
	victim.running = false
	if err := victim.list.Shutdown(); err != nil {
		return fmt.Errorf("%s could not be killed: %w", victim.name, err)
	}
	d.tell.note("What should happen now: one of the others probes it, within %.1f~s or so. When neither that one nor %d helpers get"+
		" an answer, it suspects %s. If %s were alive, it would hear of that and object. It has %.1f~s for that if %d others"+
		" cannot reach it either, and up to %.1f~s if nobody else tries. In the end it is pinged a last time, and declared failed.",
		d.conf.ProbeInterval.Seconds(), d.conf.IndirectChecks, victim.name, victim.name,
		promise.min.Seconds(), promise.confirms, promise.max.Seconds())

	suspected, accusers, err := d.awaitSuspicion(survivors, victim.name, promise.latest)
	if err != nil {
		return err
	}
	d.tell.say("%s got no answer and suspect%s %s", listing(names(accusers)), verbEnding(len(accusers)), victim.name)

	gone := func(m *demoMember) (time.Time, bool) {
		g, ok := m.goodbye(victim.name)
		return g.at, ok
	}
	var judge *demoMember
	if !until(promise.latest, func() bool {
		for _, m := range survivors {
			if _, ok := gone(m); ok {
				judge = m
				return true
			}
		}
		return false
	}) {
		return fmt.Errorf("nobody found out within %s that %s is gone", seconds(promise.latest), victim.name)
	}
	d.tell.say("%s: no objection, so %s has failed", judge.name, victim.name)

	first, last, err := all(survivors, begin, demoPatience, "find out", gone)
	if err != nil {
		return err
	}
	for _, m := range survivors {
		if g, _ := m.goodbye(victim.name); g.state != memberlist.StateDead {
			return fmt.Errorf("%s was told that %s %s, not that it failed", m.name, victim.name, stateWord(g.state))
		}
	}
	d.tell.say("all %d survivors know", len(survivors))
	d.tell.note("From the crash until it was suspected %s, declared failed %s, known to all %s. Predicted for these settings:"+
		" declared failed after %s at the earliest, usually about %s, %s at the latest.",
		seconds(suspected.Sub(begin)), seconds(first), seconds(last),
		seconds(promise.earliest), seconds(promise.usual), seconds(promise.latest))
	if err := d.explain(accusers[0], victim, begin); err != nil {
		return err
	}
	if first < promise.earliest-demoSlack {
		return fmt.Errorf("%s was declared failed before its time to object was over", victim.name)
	}
	if first > promise.latest {
		return fmt.Errorf("it took longer than predicted to declare %s failed", victim.name)
	}
	return nil
}

// demoSlack is by how much a verdict may be early: a ping that was under way
// to the victim when it died counts from before the crash.
const demoSlack = 100 * time.Millisecond

// awaitSuspicion waits for the first members whose own probe of name failed.
// There is no event for a suspicion, since a suspect is still a member; it shows
// in the State of its record, and here in what is held against it.
func (d *demo) awaitSuspicion(ms []*demoMember, name string, patience time.Duration) (at time.Time, accusers []*demoMember, err error) {
	ok := until(patience, func() bool {
		for _, m := range ms {
			why, _ := m.list.Explain(name)
			for _, e := range why.Evidence {
				if e.Kind == memberlist.EvidenceProbeFailed {
					at, accusers = e.At, append(accusers, m)
					break
				}
			}
		}
		return len(accusers) > 0
	})
	if !ok {
		return at, nil, fmt.Errorf("nobody suspected %s within %s", name, seconds(patience))
	}
	return at, accusers, nil
}

// explain lists what a member holds against another.
func (d *demo) explain(accuser, about *demoMember, begin time.Time) error {
	why, ok := accuser.list.Explain(about.name)
	if !ok || len(why.Evidence) == 0 {
		return fmt.Errorf("%s cannot say why it declared %s failed", accuser.name, about.name)
	}
	d.tell.note("")
	d.tell.note("What %s found out about %s, in seconds since the crash:", accuser.name, about.name)
	for i := 0; i < len(why.Evidence); {
		e, same := why.Evidence[i], 1
		for i+same < len(why.Evidence) && why.Evidence[i+same].String() == e.String() {
			same++
		}
		text := e.String()
		if same > 1 {
			text += fmt.Sprintf(" (%d times)", same)
		}
		d.tell.item(fmt.Sprintf("%+.2f", e.At.Sub(begin).Seconds()), text)
		i += same
	}
	return nil
}

func verbEnding(subjects int) string {
	if subjects == 1 {
		return "s"
	}
	return ""
}

func (d *demo) agree() error {
	running := d.running()
	want := names(running)
	slices.Sort(want)
	for _, m := range running {
		var got []string
		for _, n := range m.list.Members() {
			got = append(got, n.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s lists %s, but %s are running", m.name, listing(got), listing(want))
		}
	}
	seed := d.members[demoSeed]
	d.tell.say("yes. This is how %s sees the cluster:", seed.name)
	d.tell.line("")
	rows := [][]string{{"MEMBER", "ADDRESS", "STATE", "METADATA", "LISTED BY"}}
	for _, m := range d.members {
		self := m.list.LocalNode()
		row := []string{m.name, self.Address(), "", string(self.Meta), count(d.listedBy(m.name), len(running))}
		if n := seed.believes(m.name); n != nil {
			row[2], row[3] = stateWord(n.State), string(n.Meta)
		} else if g, ok := seed.goodbye(m.name); ok {
			row[2] = stateWord(g.state)
		} else {
			return fmt.Errorf("%s neither lists %s nor was told that it is gone", seed.name, m.name)
		}
		rows = append(rows, row)
	}
	d.tell.table(rows)
	return nil
}

// listedBy is how many running members list name.
func (d *demo) listedBy(name string) (n int) {
	for _, m := range d.running() {
		if m.believes(name) != nil {
			n++
		}
	}
	return n
}

// quoted is text as the story quotes it.
func quoted(text string) string { return `"` + strings.ReplaceAll(text, `"`, `'`) + `"` }

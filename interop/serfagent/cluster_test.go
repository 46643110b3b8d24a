package serfagent

import (
	"bytes"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/swimguard/memberlist"
)

// TestPlainNodeAmongAgents: everybody sees everybody with tags, also when they
// change; the plain node hears events, and sees one agent crash and one leave.
func TestPlainNodeAmongAgents(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "a", map[string]string{"role": "web"})
	b := startAgent(t, "b", map[string]string{"role": "db", "rack": "1"})
	if n, err := b.Join([]string{a.address}, false); err != nil || n != 1 {
		t.Fatalf("b joins a: %d, %v", n, err)
	}
	p := startPlain(t, "p", map[string]string{"role": "plain"})
	if n, err := p.Join([]string{a.address}); err != nil || n != 1 {
		t.Fatalf("p joins a: %d, %v", n, err)
	}

	p.await(memberlist.NodeJoin, "a", hasTags(t, map[string]string{"role": "web"}))
	p.await(memberlist.NodeJoin, "b", hasTags(t, map[string]string{"role": "db", "rack": "1"}))
	shownA := shown{"a", a.address, "alive", map[string]string{"role": "web"}}
	shownB := shown{"b", b.address, "alive", map[string]string{"role": "db", "rack": "1"}}
	a.awaitShown(shownA, shownB, p.shown("alive"))
	b.awaitShown(shownA, shownB, p.shown("alive"))

	p.setTags(map[string]string{"role": "plain", "weight": "2"})
	a.awaitShown(shownA, shownB, p.shown("alive"))
	b.awaitShown(shownA, shownB, p.shown("alive"))
	a.serf("tags", "-set", "role=api")
	p.await(memberlist.NodeUpdate, "a", hasTags(t, map[string]string{"role": "api"}))

	b.serf("event", "deploy", "version 7")
	p.awaitMessage("deploy", "version 7")

	b.kill()
	p.await(memberlist.NodeLeave, "b", inState(memberlist.StateDead))
	shownA.Tags, shownB.Status = map[string]string{"role": "api"}, "failed"
	a.awaitShown(shownA, shownB, p.shown("alive"))

	a.serf("leave")
	p.await(memberlist.NodeLeave, "a", inState(memberlist.StateLeft))
	<-a.ended
}

// TestAgentsSeePlainNodesGo: one leaves with the word that Serf needs for it,
// one without, and one crashes.
func TestAgentsSeePlainNodesGo(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "a", nil)
	start := func(name string) *plain {
		p := startPlain(t, name, map[string]string{"role": "plain"})
		if n, err := p.Join([]string{a.address}); err != nil || n != 1 {
			t.Fatalf("%s joins a: %d, %v", name, n, err)
		}
		return p
	}
	polite, terse, crashes := start("polite"), start("terse"), start("crashes")
	shownA := shown{"a", a.address, "alive", map[string]string{}}
	a.awaitShown(shownA, polite.shown("alive"), terse.shown("alive"), crashes.shown("alive"))
	seen := []shown{shownA, polite.shown("left"), terse.shown("failed"), crashes.shown("failed")}

	for _, n := range polite.Members() {
		if n.Name == "a" {
			if err := polite.SendReliable(n, leaveIntent("polite")); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.await("word of polite's leave", func() (any, bool) {
		members, err := a.MembersFiltered(nil, "leaving", "polite")
		return err, len(members) == 1
	})
	for _, p := range []*plain{polite, terse} {
		if err := p.Leave(patience); err != nil {
			t.Fatal(err)
		}
		p.Shutdown()
	}
	crashes.Shutdown()
	a.awaitShown(seen...)
}

// leaveIntent is the message by which a member of Serf says that it is about to
// leave: its type, 0, and a map in msgpack. LTime is later than any time of the
// test's cluster.
func leaveIntent(node string) []byte {
	b := bytes.NewBuffer([]byte{0})
	intent := struct {
		LTime uint64
		Node  string
		Prune bool
	}{1000, node, false}
	if err := codec.NewEncoder(b, new(codec.MsgpackHandle)).Encode(&intent); err != nil {
		panic(err)
	}
	return b.Bytes()
}

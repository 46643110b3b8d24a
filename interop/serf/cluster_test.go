package serf

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/serf/serf"
)

// TestCluster is a Serf cluster's life: three nodes join, send events, ask
// queries, change tags; one leaves, one crashes and is forced to leave.
func TestCluster(t *testing.T) {
	for _, mode := range []struct {
		name   string
		change func(*serf.Config)
	}{
		{"plain", nil},
		{"labelled", func(c *serf.Config) { c.MemberlistConfig.Label = "blue" }},
		{"encrypted", func(c *serf.Config) { c.MemberlistConfig.SecretKey = firstKey }},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			a := start(t, "a", map[string]string{"role": "web", "rack": "1"}, mode.change)
			b := start(t, "b", map[string]string{"role": "db"}, mode.change)
			c := start(t, "c", nil, mode.change)
			all := []*node{a, b, c}
			b.meet(a, a, b)
			c.meet(b, all...)

			tagsAreKnown(t, all, map[string]map[string]string{
				"a": {"role": "web", "rack": "1"}, "b": {"role": "db"}, "c": {},
			})
			eventsReachAllOnce(t, all)
			queriesAreAnswered(t, a, all)
			tagsChange(t, b, all)
			coordinatesAreExchanged(t, a, b)

			if err := c.Leave(); err != nil {
				t.Errorf("c leaves: %v", err)
			}
			c.Shutdown()
			for _, n := range []*node{a, b} {
				n.await("c leave", 1, members(serf.EventMemberLeave, "c"))
				if got := n.member("c").Status; got != serf.StatusLeft {
					t.Errorf("%s believes that c is %v", n.name, got)
				}
			}

			d := start(t, "d", nil, mode.change)
			d.meet(a, a, b, d)
			d.Shutdown() // without a word
			for _, n := range []*node{a, b} {
				n.await("d fail", 1, members(serf.EventMemberFailed, "d"))
				if got := n.member("d").Status; got != serf.StatusFailed {
					t.Errorf("%s believes that d is %v", n.name, got)
				}
			}
			if err := a.RemoveFailedNode("d"); err != nil {
				t.Errorf("a forces d to leave: %v", err)
			}
			for _, n := range []*node{a, b} {
				n.await("d forced to leave", 1, members(serf.EventMemberLeave, "d"))
				if got := n.member("d").Status; got != serf.StatusLeft {
					t.Errorf("%s believes that d, forced to leave, is %v", n.name, got)
				}
			}
			if err := b.RemoveFailedNodePrune("d"); err != nil {
				t.Errorf("b prunes d: %v", err)
			}
			for _, n := range []*node{a, b} {
				n.await("d reaped", 1, members(serf.EventMemberReap, "d"))
				if got := n.states(); !maps.Equal(got, map[string]string{"a": "alive", "b": "alive", "c": "left"}) {
					t.Errorf("in the end %s believes %v", n.name, got)
				}
			}

			// Whom nobody let crash, nobody may have called failed.
			for _, n := range all {
				for _, name := range []string{"a", "b", "c"} {
					if wrong, _ := n.count(members(serf.EventMemberFailed, name)); wrong > 0 {
						t.Errorf("%s called %s failed: %v", n.name, name, n.events())
					}
				}
			}
		})
	}
}

// TestFailedMemberReturns restarts a crashed node under its name and address.
func TestFailedMemberReturns(t *testing.T) {
	t.Parallel()
	a := start(t, "a", nil, nil)
	b := start(t, "b", nil, nil)
	b.meet(a, a, b)
	port := int(b.Memberlist().LocalNode().Port)
	b.Shutdown()
	a.await("b fail", 1, members(serf.EventMemberFailed, "b"))

	// Nobody joins anybody: Serf itself looks for failed members.
	again := start(t, "b", map[string]string{"life": "second"}, func(c *serf.Config) { c.MemberlistConfig.BindPort = port })
	a.await("b come back", 2, members(serf.EventMemberJoin, "b"))
	again.await("a", 1, members(serf.EventMemberJoin, "a"))
	if got := a.member("b"); got.Status != serf.StatusAlive || got.Tags["life"] != "second" {
		t.Errorf("a knows of b, which came back, only %+v", got)
	}
}

func tagsAreKnown(t *testing.T, nodes []*node, want map[string]map[string]string) {
	t.Helper()
	for _, n := range nodes {
		for name, tags := range want {
			if got := n.member(name).Tags; !maps.Equal(got, tags) {
				t.Errorf("%s knows %v of %s, want %v", n.name, got, name, tags)
			}
		}
	}
}

func eventsReachAllOnce(t *testing.T, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		if err := n.UserEvent("deploy", []byte("by "+n.name), false); err != nil {
			t.Errorf("%s sends an event: %v", n.name, err)
		}
	}
	for _, to := range nodes {
		for _, from := range nodes {
			to.await("the event of "+from.name, 1, userEvents("deploy", "by "+from.name))
		}
	}
	for _, to := range nodes {
		for _, from := range nodes {
			if got, _ := to.count(userEvents("deploy", "by "+from.name)); got != 1 {
				t.Errorf("%s has seen the event of %s %d times", to.name, from.name, got)
			}
		}
	}
}

func queriesAreAnswered(t *testing.T, from *node, nodes []*node) {
	t.Helper()
	param := from.DefaultQueryParams()
	param.RequestAck = true
	param.Timeout = patience
	var names, answers []string
	for _, n := range nodes {
		names = append(names, n.name)
		answers = append(answers, n.name+" heard who")
	}
	expectAnswers(t, from, param, "who", names, answers)

	// Another node passes the answer on as well; it still counts once.
	param.RelayFactor = 1
	expectAnswers(t, from, param, "who", names, answers)

	param.RelayFactor = 0
	param.FilterTags = map[string]string{"role": "^d"}
	expectAnswers(t, from, param, "what", []string{"b"}, []string{"b heard what"})

	param.FilterTags = nil
	param.FilterNodes = []string{"c"}
	expectAnswers(t, from, param, "where", []string{"c"}, []string{"c heard where"})
}

func expectAnswers(t *testing.T, from *node, param *serf.QueryParam, question string, acks, answers []string) {
	t.Helper()
	q, err := from.Query("question", []byte(question), param)
	if err != nil {
		t.Fatalf("%s asks: %v", from.name, err)
	}
	defer q.Close()
	var gotAcks, gotAnswers []string
	deadline := time.After(patience)
	for len(gotAcks) < len(acks) || len(gotAnswers) < len(answers) {
		select {
		case a := <-q.AckCh():
			gotAcks = append(gotAcks, a)
		case r := <-q.ResponseCh():
			gotAnswers = append(gotAnswers, string(r.Payload))
		case <-deadline:
			t.Fatalf("%q: acks of %v, answers %v", question, gotAcks, gotAnswers)
		}
	}
	slices.Sort(gotAcks)
	slices.Sort(gotAnswers)
	if !slices.Equal(gotAcks, acks) || !slices.Equal(gotAnswers, answers) {
		t.Errorf("%q: acks of %v, answers %v; want %v, %v", question, gotAcks, gotAnswers, acks, answers)
	}
}

func tagsChange(t *testing.T, of *node, nodes []*node) {
	t.Helper()
	for i, tags := range []map[string]string{{"role": "db", "primary": "yes"}, {"role": "spare"}, {}} {
		if err := of.SetTags(tags); err != nil {
			t.Errorf("%s sets tags %v: %v", of.name, tags, err)
		}
		for _, n := range nodes {
			if n == of {
				continue
			}
			n.await(fmt.Sprintf("update %d of %s", i, of.name), i+1, members(serf.EventMemberUpdate, of.name))
			if got := n.member(of.name).Tags; !maps.Equal(got, tags) {
				t.Errorf("%s knows tags %v of %s, want %v", n.name, got, of.name, tags)
			}
		}
	}
}

// Two keys of 256 bits.
var (
	firstKey  = []byte("the first key of this cluster 32")
	secondKey = []byte("the second key that replaces it.")
)

// TestKeysRotate replaces the cluster's key with Serf's own means: queries that
// tell every node to change its ring.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	withKey := func(key []byte) func(*serf.Config) {
		return func(c *serf.Config) { c.MemberlistConfig.SecretKey = key }
	}
	a := start(t, "a", nil, withKey(firstKey))
	b := start(t, "b", nil, withKey(firstKey))
	c := start(t, "c", nil, withKey(firstKey))
	all := []*node{a, b, c}
	b.meet(a, a, b)
	c.meet(b, all...)

	first, second := base64.StdEncoding.EncodeToString(firstKey), base64.StdEncoding.EncodeToString(secondKey)
	keys := a.KeyManager()
	for _, step := range []struct {
		what string
		do   func(string) (*serf.KeyResponse, error)
		key  string
	}{{"install", keys.InstallKey, second}, {"use", keys.UseKey, second}, {"remove", keys.RemoveKey, first}} {
		// A query has a time limit of its own, so on a busy machine an answer
		// can be late. Each step may be repeated.
		var r *serf.KeyResponse
		var err error
		for range 10 {
			if r, err = step.do(step.key); err == nil {
				break
			}
			t.Logf("%s: %v, %+v", step.what, err, r)
		}
		if err != nil || r.NumResp != len(all) || r.NumErr != 0 {
			t.Fatalf("%s the key: %v, %+v", step.what, err, r)
		}
	}

	eventsReachAllOnce(t, all)
	stranger := start(t, "stranger", nil, withKey(firstKey))
	if _, err := stranger.Join([]string{a.address()}, false); err == nil {
		t.Error("a node with the removed key can join")
	}
	d := start(t, "d", nil, withKey(secondKey))
	d.meet(a, a, b, c, d)
}

// coordinatesAreExchanged waits until pings have carried b's network coordinate
// to a: Serf puts it into the payload of acks.
func coordinatesAreExchanged(t *testing.T, a, b *node) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if _, ok := a.GetCachedCoordinate(b.name); ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s has no coordinate of %s", a.name, b.name)
		}
	}
}

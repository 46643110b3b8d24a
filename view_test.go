package memberlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestViewFollowsTheMembers compares the published list with a map while
// members come, change and go.
func TestViewFollowsTheMembers(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	members := make([]*nodeRecord, 30) // the latest record of each, seen or not
	var v view
	want := map[string]*Node{}
	for range 2000 {
		i := rng.IntN(len(members))
		record := &nodeRecord{Node: Node{Name: fmt.Sprint(i), State: NodeStateType(rng.IntN(4))}}
		n := &record.Node
		v.publish(members[i], record)
		members[i] = record
		if delete(want, n.Name); n.State == StateAlive || n.State == StateSuspect {
			want[n.Name] = n
		}
		got := v.members()
		if len(got) != len(want) || v.count.Load() != int64(len(want)) {
			t.Fatalf("%d members, expected %d", len(got), len(want))
		}
		for _, n := range got {
			if want[n.Name] != n {
				t.Fatalf("%s is listed with state %d, expected %v", n.Name, n.State, want[n.Name])
			}
		}
	}
	if last := v.nodes[:cap(v.nodes)][len(v.nodes):]; slices.ContainsFunc(last, func(n *Node) bool { return n != nil }) {
		t.Error("records of former members are kept")
	}
}

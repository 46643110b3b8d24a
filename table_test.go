package memberlist

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

func tableOf(n int, rng *rand.Rand) *memberTable {
	t := new(memberTable)
	for i := range n {
		t.insert(&nodeRecord{Node: Node{Name: fmt.Sprint("n", i), Addr: []byte{10, 0, 0, byte(i)}}}, 1, time.Unix(0, 0), rng)
	}
	return t
}

// TestPickNeverFindsTooFew is R21: small clusters found fewer helpers than
// they had. Every size, every fan-out, every number of the excluded.
func TestPickNeverFindsTooFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := 1; n <= 40; n++ {
		table := tableOf(n, rng)
		for eligible := 0; eligible <= n; eligible++ {
			fits := map[*member]bool{}
			for _, m := range table.all[:eligible] {
				fits[m] = true
			}
			for k := 0; k <= 10; k++ {
				got := table.pick(k, rng, func(m *member) bool { return fits[m] })
				if len(got) != min(k, eligible) {
					t.Fatalf("%d of %d with %d eligible: got %d", k, n, eligible, len(got))
				}
				seen := map[*member]bool{}
				for _, m := range got {
					if seen[m] || !fits[m] {
						t.Fatalf("%d of %d with %d eligible: %s twice or not eligible", k, n, eligible, m.node.Name)
					}
					seen[m] = true
				}
			}
		}
	}
}

// TestPickIsFair draws 3 of 12 (by one pass) and 3 of 60 (by random draws)
// often, and wants everybody about equally often: four standard deviations.
func TestPickIsFair(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, n := range []int{12, 60} {
		table := tableOf(n, rng)
		const draws = 20000
		count := map[string]int{}
		for range draws {
			for _, m := range table.pick(3, rng, func(m *member) bool { return m.node.Name != "n0" }) {
				count[m.node.Name]++
			}
		}
		if count["n0"] != 0 {
			t.Errorf("n=%d: the excluded was picked", n)
		}
		p := 3 / float64(n-1)
		mean, slack := draws*p, 4*141.4*0.5 // sqrt(20000·p·(1-p)) is at most 70.7
		for name, c := range count {
			if float64(c) < mean-slack || float64(c) > mean+slack {
				t.Errorf("n=%d: %s picked %d times, expected %.0f", n, name, c, mean)
			}
		}
	}
}

// TestRemoveKeepsTheRound: forgetting members neither skips nor repeats a
// probe target of the current round.
func TestRemoveKeepsTheRound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	table := tableOf(10, rng)
	table.next = 6
	inOrder := func(places []uint32) (members []*member) {
		for _, place := range places {
			members = append(members, table.all[place])
		}
		return members
	}
	want := inOrder(table.ring)
	gone := map[*member]bool{want[1]: true, want[5]: true, want[8]: true}
	table.removeIf(func(m *member) bool { return gone[m] })
	got := inOrder(table.ring[table.next:])
	if !slices.Equal(got, []*member{want[6], want[7], want[9]}) {
		t.Errorf("the rest of the round changed")
	}
	if table.names.len() != 7 || len(table.all) != 7 || len(table.ring) != 7 || table.counts[StateAlive] != 7 {
		t.Errorf("%d names, %d places, %d alive, want 7 of each", table.names.len(), len(table.all), table.counts[StateAlive])
	}
}

// TestByRankIsInOrder compares the order of ranks, which is kept up lazily, with
// one made from nothing, while members come and go.
func TestByRankIsInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	table := tableOf(0, rng)
	for step := range 200 {
		for i := range rng.IntN(5) {
			table.insert(&nodeRecord{Node: Node{Name: fmt.Sprint("n", step, "-", i)}}, 1, time.Unix(0, 0), rng)
		}
		if rng.IntN(4) == 0 {
			table.removeIf(func(*member) bool { return rng.IntN(10) == 0 })
		}
		if rng.IntN(3) == 0 {
			continue // several at once have to be sorted in
		}
		want := slices.SortedFunc(slices.Values(table.all), func(a, b *member) int {
			return cmp.Compare(rankOf(a.node.Name), rankOf(b.node.Name))
		})
		if !slices.EqualFunc(table.byRank(), want, func(place uint32, m *member) bool { return table.all[place] == m }) {
			t.Fatalf("step %d: the order of %d members is wrong", step, len(want))
		}
		for i, m := range want {
			if got := table.after(m, 3); got != want[(i+3)%len(want)] {
				t.Fatalf("step %d: %s is not three behind %s", step, got.node.Name, m.node.Name)
			}
		}
		for _, m := range want {
			n := m.node.clone()
			n.State = []NodeStateType{StateAlive, StateAlive, StateSuspect, StateDead, StateLeft}[rng.IntN(5)]
			table.set(m, n, time.Unix(0, 0))
		}
		if table.live() <= 3 {
			continue
		}
		for i, m := range want {
			others := slices.DeleteFunc(slices.Concat(want[i+1:], want[:i]), (*member).gone)
			if got := table.presentAfter(m, 3); got != others[2] {
				t.Fatalf("step %d: %s is not the third present behind %s", step, got.node.Name, m.node.Name)
			}
		}
	}
}

func TestAddressesHaveOneForm(t *testing.T) {
	four := addrPort([]byte{10, 0, 0, 1}, 7946)
	sixteen := addrPort([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, 7946)
	if four != sixteen || four.String() != "10.0.0.1:7946" {
		t.Errorf("%v and %v are the same address (H12)", four, sixteen)
	}
	if addrPort([]byte{1, 2, 3}, 1).IsValid() || addrPort(nil, 1).IsValid() {
		t.Error("an address has 4 or 16 bytes")
	}
}

// TestPushPullPause has the examples of the scaling of PushPullInterval.
func TestPushPullPause(t *testing.T) {
	for n, times := range map[int]time.Duration{1: 1, 32: 1, 33: 2, 64: 2, 65: 3, 128: 3, 129: 4, 256: 4, 1000: 6} {
		rng := rand.New(rand.NewPCG(4, 4))
		s := newSwim(params{name: "me", pushPullInterval: 30 * time.Second}, rng)
		for i := range n {
			s.table.insert(&nodeRecord{Node: Node{Name: fmt.Sprint("n", i)}}, 1, time.Unix(0, 0), rng)
		}
		if got := s.pushPullPause(); got != times*30*time.Second {
			t.Errorf("%d members: %v, want %d intervals", n, got, times)
		}
	}
}

// TestVsnIsTheVersionFields ties Node's layout to the bytes on the wire.
func TestVsnIsTheVersionFields(t *testing.T) {
	n := &Node{PMin: 1, PMax: 2, PCur: 3, DMin: 4, DMax: 5, DCur: 6}
	if got := n.vsn(); string(got) != "\x01\x02\x03\x04\x05\x06" {
		t.Errorf("vsn = %v", got)
	}
}

// TestMemberIsSmall: one field more, and every member of every table takes 16
// bytes more.
func TestMemberIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(member{}); got > 48 {
		t.Errorf("a member takes %d bytes", got)
	}
	if got := unsafe.Sizeof(nodeRecord{}); got > 96 {
		t.Errorf("a record takes %d bytes", got)
	}
	if got := unsafe.Sizeof(entry[news]{}); got > 64 {
		t.Errorf("news about a member takes %d bytes", got)
	}
}

// TestRareIsNotKept: what few members have must not stay when they have it no
// longer, since in time each member is probed.
func TestRareIsNotKept(t *testing.T) {
	m := new(member)
	m.setProbe(new(probe))
	m.setHidden(true)
	if r := m.rare(); r.probe == nil || !r.hidden {
		t.Errorf("%+v was set", r)
	}
	m.setHidden(false)
	if m.rare().probe == nil {
		t.Error("the probe went with something else")
	}
	m.setProbe(nil)
	if m.seldom != nil {
		t.Errorf("%+v is kept", *m.seldom)
	}
}

// TestReserve: a table that is to become many times larger gets its size at
// once, and one that grows a little is left to append.
func TestReserve(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	table := tableOf(100, rng)
	table.reserve(1000)
	sizes := func() [4]int {
		return [4]int{cap(table.all), cap(table.ring), cap(table.ranked), len(table.names.slots)}
	}
	want := [4]int{1000, 1000, 1000, 1250}
	if sizes() != want {
		t.Errorf("room for %v, want %v", sizes(), want)
	}
	table.reserve(1250)
	for i := range 900 {
		table.insert(&nodeRecord{Node: Node{Name: fmt.Sprint("new", i)}}, 1, time.Unix(0, 0), rng)
	}
	if sizes() != want {
		t.Errorf("%v after it has filled up, want %v", sizes(), want)
	}
	if table.named("n99") != table.all[99] || table.named("new899") != table.all[999] {
		t.Error("members are not found by name")
	}
	empty := new(memberTable)
	if empty.reserve(10); empty.named("nobody") != nil {
		t.Error("somebody is in an empty table")
	}
}

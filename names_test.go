package memberlist

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// len is how many names are indexed.
func (x *nameIndex) len() (n int) {
	for _, slot := range x.slots {
		if slot != 0 {
			n++
		}
	}
	return n
}

// TestNamesAreFound compares the index with a map while members come and go.
func TestNamesAreFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var table memberTable
	want := map[string]*member{}
	for step := range 300 {
		for i := range rng.IntN(20) {
			name := fmt.Sprint("n", step, "-", i)
			want[name] = table.insert(&nodeRecord{Node: Node{Name: name}}, 1, time.Unix(0, 0), rng)
		}
		if rng.IntN(10) == 0 {
			table.removeIf(func(m *member) bool {
				gone := rng.IntN(5) == 0
				if gone {
					delete(want, m.node.Name)
				}
				return gone
			})
		}
		for i := range 20 {
			for s := range step + 1 {
				name := fmt.Sprint("n", s, "-", i)
				if got := table.named(name); got != want[name] {
					t.Fatalf("step %d: found %v by the name %s, want %v", step, got, name, want[name])
				}
			}
		}
		if got := table.names.len(); got != len(want) {
			t.Fatalf("step %d: %d names, want %d", step, got, len(want))
		}
		if table.named("") != nil {
			t.Fatal("nobody has the empty name")
		}
	}
}

// TestNamesThatLieTogether: the last slot is followed by the first, and a name
// whose tag is that of another is told from it.
func TestNamesThatLieTogether(t *testing.T) {
	var table memberTable
	rng := rand.New(rand.NewPCG(8, 8))
	for i := range 7 {
		table.insert(&nodeRecord{Node: Node{Name: fmt.Sprint("n", i)}}, 1, time.Unix(0, 0), rng)
	}
	x := &table.names
	hash := x.hash([]byte("absent"))
	at, tag := x.home(hash), tagOf(hash)
	clear(x.slots)
	for i := range table.all { // all in one cluster of slots, with the tag of one that is absent
		x.slots[(at+i)%len(x.slots)] = tag | uint32(i+1)
	}
	if m := table.named("absent"); m != nil {
		t.Errorf("found %s instead of nobody", m.node.Name)
	}
	last := table.all[6]
	last.node = &nodeRecord{Node: Node{Name: "absent"}}
	if table.named("absent") != last {
		t.Error("not found behind others with the same tag")
	}
}

func BenchmarkNames(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{10, 1000, 10_000, 100_000} {
		var table memberTable
		names := make([][]byte, n)
		for i := range names {
			names[i] = fmt.Appendf(nil, "member-%06d", i)
			table.insert(&nodeRecord{Node: Node{Name: string(names[i])}}, 1, time.Unix(0, 0), rng)
		}
		rng.Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
		b.Run(fmt.Sprintf("found/%d", n), func(b *testing.B) {
			for i := 0; b.Loop(); i = (i + 1) % n {
				if table.find(names[i]) == nil {
					b.Fatal("not found")
				}
			}
			b.ReportMetric(float64(4*len(table.names.slots))/float64(n), "B/name")
		})
		b.Run(fmt.Sprintf("absent/%d", n), func(b *testing.B) {
			for i := 0; b.Loop(); i = (i + 1) % n {
				if table.find(names[i][1:]) != nil {
					b.Fatal("found")
				}
			}
		})
		b.Run(fmt.Sprintf("rebuild/%d", n), func(b *testing.B) {
			for b.Loop() {
				table.names.rebuild(n, table.all)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/name")
		})
	}
}

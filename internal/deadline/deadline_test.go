package deadline

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Unix(1000, 0)

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func TestPopsInOrderOfDeadline(t *testing.T) {
	var q Queue[int]
	items := make([]Item[int], 5)
	for i, ms := range []int{30, 10, 50, 20, 40} {
		items[i].Value = ms
		q.Set(&items[i], at(ms))
	}
	if got := q.Next(); got != at(10) {
		t.Errorf("Next = %v, want %v", got, at(10))
	}
	var got []int
	for it := q.Pop(at(40)); it != nil; it = q.Pop(at(40)) {
		got = append(got, it.Value)
	}
	if want := []int{10, 20, 30, 40}; !slices.Equal(got, want) {
		t.Errorf("popped %v by 40 ms, want %v", got, want)
	}
	if !items[2].Scheduled() || items[0].Scheduled() {
		t.Error("Scheduled must hold for what is left and only for that")
	}
}

func TestEmptyQueue(t *testing.T) {
	var q Queue[int]
	var it Item[int]
	q.Remove(&it)
	if !q.Next().IsZero() || q.Pop(at(1)) != nil || q.Len() != 0 {
		t.Error("an empty queue has no next deadline and nothing to pop")
	}
}

// TestAgainstSlowModel moves, removes and pops at random and compares with a
// list that is searched.
func TestAgainstSlowModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var q Queue[int]
	items := make([]Item[int], 40)
	model := map[*Item[int]]time.Time{}
	for range 20000 {
		it := &items[rng.IntN(len(items))]
		switch rng.IntN(4) {
		case 0, 1:
			when := at(rng.IntN(1000))
			q.Set(it, when)
			model[it] = when
		case 2:
			q.Remove(it)
			delete(model, it)
		case 3:
			now := at(rng.IntN(1000))
			got := q.Pop(now)
			if got == nil {
				for _, when := range model {
					if !when.After(now) {
						t.Fatalf("Pop found nothing at %v, but %v is due", now, when)
					}
				}
				continue
			}
			for _, when := range model {
				if when.Before(model[got]) {
					t.Fatalf("popped %v before %v", model[got], when)
				}
			}
			delete(model, got)
		}
		if q.Len() != len(model) {
			t.Fatalf("%d items scheduled, want %d", q.Len(), len(model))
		}
	}
}

func TestSchedulingDoesNotAllocate(t *testing.T) {
	var q Queue[int]
	items := make([]Item[int], 100)
	for i := range items {
		q.Set(&items[i], at(i))
	}
	if n := testing.AllocsPerRun(100, func() {
		q.Remove(&items[50])
		q.Set(&items[50], at(7))
		q.Set(&items[3], at(99))
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Package deadline keeps deadlines in a min-heap whose entries can be moved
// and removed in place. It neither reads a clock nor starts a timer.
package deadline

import "time"

// Item is one deadline with its meaning. Embed it in what it belongs to: then
// scheduling allocates nothing. The zero value is not scheduled.
type Item[T any] struct {
	Value T
	at    time.Time
	pos   int // index in the heap plus one; 0 when not scheduled
}

// Scheduled reports whether the item is in a queue.
func (it *Item[T]) Scheduled() bool { return it.pos != 0 }

// At is when the item is due; meaningful while it is scheduled.
func (it *Item[T]) At() time.Time { return it.at }

// Queue is a min-heap of items. The zero value is empty. Items due at the same
// time come out in an order that depends only on the calls made, so a
// simulation can be repeated. Not safe for concurrent use.
type Queue[T any] struct{ heap []*Item[T] }

// Len is the number of scheduled items.
func (q *Queue[T]) Len() int { return len(q.heap) }

// Next is the earliest deadline, or the zero time when there is none.
func (q *Queue[T]) Next() time.Time {
	if len(q.heap) == 0 {
		return time.Time{}
	}
	return q.heap[0].at
}

// Set schedules the item at the given time, moving it when it is scheduled already.
func (q *Queue[T]) Set(it *Item[T], at time.Time) {
	it.at = at
	if it.pos == 0 {
		q.heap = append(q.heap, it)
		it.pos = len(q.heap)
	}
	i := it.pos - 1
	if !q.up(i) {
		q.down(i)
	}
}

// Remove unschedules the item; it does nothing when the item is not scheduled.
func (q *Queue[T]) Remove(it *Item[T]) {
	if it.pos == 0 {
		return
	}
	i, last := it.pos-1, len(q.heap)-1
	q.swap(i, last)
	q.heap[last] = nil
	q.heap = q.heap[:last]
	it.pos = 0
	if i < last && !q.up(i) {
		q.down(i)
	}
}

// Pop removes and returns the earliest item if it is due at now or before,
// otherwise nil.
func (q *Queue[T]) Pop(now time.Time) *Item[T] {
	if len(q.heap) == 0 || q.heap[0].at.After(now) {
		return nil
	}
	it := q.heap[0]
	q.Remove(it)
	return it
}

func (q *Queue[T]) less(i, j int) bool { return q.heap[i].at.Before(q.heap[j].at) }

func (q *Queue[T]) swap(i, j int) {
	h := q.heap
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i+1, j+1
}

// up moves the item at i towards the root and reports whether it moved.
func (q *Queue[T]) up(i int) bool {
	start := i
	for i > 0 {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			break
		}
		q.swap(i, parent)
		i = parent
	}
	return i != start
}

func (q *Queue[T]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			return
		}
		if right := child + 1; right < len(q.heap) && q.less(right, child) {
			child = right
		}
		if !q.less(child, i) {
			return
		}
		q.swap(i, child)
		i = child
	}
}

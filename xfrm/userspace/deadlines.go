package userspace

import (
	"container/heap"
	"time"
)

// deadlines orders SAs by the time of their next limit. It reads no clock.
type deadlines struct{ queue deadlineHeap }

// deadline is an SA's place among the deadlines. The zero value has none.
type deadline struct {
	at   time.Time
	hard bool
	sa   *assoc
	slot int // 1 + its index in the heap, 0 while outside
}

// set gives d a time, or takes it out when ok is false.
func (q *deadlines) set(d *deadline, at time.Time, hard, ok bool) {
	d.at, d.hard = at, hard
	switch {
	case d.slot > 0 && ok:
		heap.Fix(&q.queue, d.slot-1)
	case d.slot > 0:
		heap.Remove(&q.queue, d.slot-1)
	case ok:
		heap.Push(&q.queue, d)
	}
}

// due takes out and returns one whose time has come, nil for none.
func (q *deadlines) due(now time.Time) *deadline {
	if len(q.queue) == 0 || q.queue[0].at.After(now) {
		return nil
	}
	return heap.Pop(&q.queue).(*deadline)
}

// next is the time of the first, false for none.
func (q *deadlines) next() (time.Time, bool) {
	if len(q.queue) == 0 {
		return time.Time{}, false
	}
	return q.queue[0].at, true
}

// deadlineHeap implements heap.Interface and keeps the slots.
type deadlineHeap []*deadline

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i+1, j+1
}

func (h *deadlineHeap) Push(x any) {
	d := x.(*deadline)
	*h = append(*h, d)
	d.slot = len(*h)
}

func (h *deadlineHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.slot = 0
	return d
}

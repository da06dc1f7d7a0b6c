package engine

import (
	"container/heap"
	"time"
)

// alarm is when a session or a tunnel wants to be woken.
type alarm struct {
	at      time.Time
	slot    int // in the heap, from 1; 0 when it is not there
	session *session
	member  *member
}

// deadlines is a heap of alarms: what a Step costs does not grow with the number
// of tunnels.
type deadlines struct{ heap alarms }

// set changes when the owner of an alarm is woken to what wake says.
func (d *deadlines) set(a *alarm, owner alarm, wake func() (time.Time, bool)) {
	at, ok := wake()
	if !ok {
		d.remove(a)
		return
	}
	a.at, a.session, a.member = at, owner.session, owner.member
	if a.slot == 0 {
		heap.Push(&d.heap, a)
		return
	}
	heap.Fix(&d.heap, a.slot-1)
}

func (d *deadlines) remove(a *alarm) {
	if a.slot != 0 {
		heap.Remove(&d.heap, a.slot-1)
	}
}

func (d *deadlines) first() (time.Time, bool) {
	if len(d.heap) == 0 {
		return time.Time{}, false
	}
	return d.heap[0].at, true
}

// due takes out all alarms whose time has come, in order.
func (d *deadlines) due(now time.Time) []*alarm {
	var due []*alarm
	for len(d.heap) > 0 && !d.heap[0].at.After(now) {
		due = append(due, heap.Pop(&d.heap).(*alarm))
	}
	return due
}

// alarms implements heap.Interface.
type alarms []*alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i+1, j+1
}

// Push implements heap.Interface.
func (h *alarms) Push(x any) {
	a := x.(*alarm)
	*h = append(*h, a)
	a.slot = len(*h)
}

// Pop implements heap.Interface.
func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.slot = 0
	return a
}

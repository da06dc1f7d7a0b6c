package courier

import (
	"slices"
	"time"

	"github.com/twinspan/twinspan/daemon/alarm"
)

// Bounds of what waits for delivery.
const (
	mostWaiting = 1000
	mostAtOnce  = 50 // notices in one message
	oldest      = 24 * time.Hour
	firstPause  = 5 * time.Second
	longest     = 10 * time.Minute
)

// queue is what waits for delivery, oldest first, and when each receiver that
// failed is tried again. It is pure: the time is an argument.
type queue struct {
	waiting []alarm.Notice
	pauses  map[string]pause // by receiver
	lost    uint64           // that were too many, or too old
}

// pause is how long a receiver is left alone.
type pause struct {
	length time.Duration
	until  time.Time
}

func newQueue(waiting []alarm.Notice) *queue {
	q := &queue{pauses: map[string]pause{}}
	for _, n := range waiting {
		q.add(n)
	}
	return q
}

// add appends a notice. One that says again what waits already takes its place: a
// server that was dead for a day hears of an alarm once.
func (q *queue) add(n alarm.Notice) {
	if n.Event == alarm.Repeated {
		for i, old := range slices.Backward(q.waiting) {
			if !old.Same(n) {
				continue
			}
			if old.Event == alarm.Repeated {
				q.waiting[i] = n
			}
			if old.Event != alarm.Resolved {
				return
			}
			break
		}
	}
	q.waiting = append(q.waiting, n)
	if over := len(q.waiting) - mostWaiting; over > 0 {
		q.waiting = slices.Delete(q.waiting, 0, over)
		q.lost += uint64(over)
	}
}

// keep drops what is for receivers that are no more, or too old to be of use.
func (q *queue) keep(now time.Time, known func(receiver string) bool) {
	before := len(q.waiting)
	q.waiting = slices.DeleteFunc(q.waiting, func(n alarm.Notice) bool { return !known(n.Receiver) || now.Sub(n.Time) > oldest })
	q.lost += uint64(before - len(q.waiting))
}

// next is what a receiver should be given now, nothing while it is left alone.
func (q *queue) next(now time.Time, receiver string) []alarm.Notice {
	if now.Before(q.pauses[receiver].until) {
		return nil
	}
	var batch []alarm.Notice
	for _, n := range q.waiting {
		if n.Receiver == receiver && len(batch) < mostAtOnce {
			batch = append(batch, n)
		}
	}
	return batch
}

// done takes out what was delivered, or refused for good.
func (q *queue) done(batch []alarm.Notice) {
	delete(q.pauses, batch[0].Receiver)
	q.waiting = slices.DeleteFunc(q.waiting, func(n alarm.Notice) bool {
		return slices.Contains(batch, n)
	})
}

// failed leaves the receiver alone, each time twice as long.
func (q *queue) failed(now time.Time, receiver string) {
	p := q.pauses[receiver]
	p.length = min(max(2*p.length, firstPause), longest)
	p.until = now.Add(p.length)
	q.pauses[receiver] = p
}

// wake is when the first receiver that is left alone is to be tried again.
func (q *queue) wake(now time.Time) (time.Time, bool) {
	var first time.Time
	for _, n := range q.waiting {
		if until := q.pauses[n.Receiver].until; until.After(now) && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	return first, !first.IsZero()
}

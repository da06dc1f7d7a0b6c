package engine

import (
	"slices"
	"time"
)

// holdsPlace is how long a session that we begin holds its place at most: a
// peer that does not answer must not keep others waiting.
const holdsPlace = time.Second

// starts bounds the sessions that we begin at the same time. Ten thousand
// tunnels that all begin at once would compute for seconds, while their peers
// repeat what they are waiting for.
type starts struct {
	most  int
	going []start // oldest first
	queue []*member
}

type start struct {
	s     *session
	until time.Time
}

// free tells that one more may begin.
func (q *starts) free(now time.Time) bool {
	for len(q.going) > 0 && !now.Before(q.going[0].until) {
		q.going = q.going[1:]
	}
	return len(q.going) < q.most
}

func (q *starts) add(s *session, now time.Time) {
	q.going = append(q.going, start{s, now.Add(holdsPlace)})
}

func (q *starts) remove(s *session) {
	q.going = slices.DeleteFunc(q.going, func(g start) bool { return g.s == s })
}

// wait lines a tunnel up.
func (q *starts) wait(m *member) { q.queue = append(q.queue, m) }

// next is a tunnel that waits and for which there is a place, or nil.
func (q *starts) next(now time.Time) *member {
	for len(q.queue) > 0 && q.free(now) {
		m := q.queue[0]
		q.queue = q.queue[1:]
		m.queued = false
		if m.wants() && !m.gone {
			return m
		}
	}
	return nil
}

// wake is when a place gets free for those who wait, false when nobody does.
func (q *starts) wake() (time.Time, bool) {
	if len(q.queue) == 0 || len(q.going) == 0 {
		return time.Time{}, false
	}
	return q.going[0].until, true
}

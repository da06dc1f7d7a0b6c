package engine

import (
	"container/list"
	"slices"
)

// halfOpen bounds the sessions that we answer and that are not authenticated.
// When the bound is reached the oldest one goes whose peer has not used our
// cookie, and never the newcomer: who forges the peer's address could otherwise
// fill the bound and lock it out. A source that has many pays for the newcomer
// itself. It may have as many as there is room for: the more there are, the
// longer a true one stands, and the farther its peer may be.
type halfOpen struct {
	most, perSource int
	fresh           *list.List // of *session, oldest first; their source may be forged
	proven          *list.List // the same; their peer has used our cookie
	bySource        map[addrs][]*session
}

// halfPlace is where a session stands in halfOpen.
type halfPlace struct {
	in *list.List
	at *list.Element
}

func newHalfOpen(most, perSource int) halfOpen {
	return halfOpen{
		most: most, perSource: perSource,
		fresh: list.New(), proven: list.New(), bySource: map[addrs][]*session{},
	}
}

func (h *halfOpen) len() int { return h.fresh.Len() + h.proven.Len() }

// add takes in a session and returns the one that must go for it, or nil.
func (h *halfOpen) add(s *session) *session {
	var out *session
	source := h.bySource[s.addrs]
	switch {
	case h.len() < h.most:
	case len(source) >= h.perSource:
		out = oldest(source)
	default:
		out = h.oldest()
	}
	s.place = halfPlace{h.fresh, h.fresh.PushBack(s)}
	h.bySource[s.addrs] = append(source, s)
	return out
}

// oldest of one source, one that has not progressed if there is one.
func oldest(source []*session) *session {
	for _, s := range source {
		if !s.carrier.Progressed() {
			return s
		}
	}
	return source[0]
}

func (h *halfOpen) oldest() *session {
	for _, l := range []*list.List{h.fresh, h.proven} {
		if first := l.Front(); first != nil {
			return first.Value.(*session)
		}
	}
	return nil
}

// progressed moves a session to those whose source is real.
func (h *halfOpen) progressed(s *session) {
	if s.place.in != h.fresh {
		return
	}
	h.fresh.Remove(s.place.at)
	s.place = halfPlace{h.proven, h.proven.PushBack(s)}
}

// remove lets a session go; one that is not in is no error.
func (h *halfOpen) remove(s *session) {
	if s.place.in == nil {
		return
	}
	s.place.in.Remove(s.place.at)
	s.place = halfPlace{}
	source := h.bySource[s.addrs]
	if i := slices.Index(source, s); i >= 0 {
		source = slices.Delete(source, i, i+1)
	}
	if len(source) == 0 {
		delete(h.bySource, s.addrs)
		return
	}
	h.bySource[s.addrs] = source
}

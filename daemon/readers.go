package daemon

import (
	"cmp"
	"context"

	"github.com/twinspan/twinspan/daemon/api"
)

// Bounds of the event streams: how many there may be, and how far one may lag
// before it loses events.
const (
	maxReaders  = 64
	readerQueue = 256
)

// reader is one subscriber of events.
type reader struct {
	tunnel string // "" for all
	events chan api.Event
	lost   uint64
}

// begin gives the reader the events of before it came.
func (r *reader) begin(kept []api.Event) {
	r.events = make(chan api.Event, len(kept)+readerQueue)
	for _, e := range kept {
		r.events <- e
	}
}

// readers are the subscribers; the loop's.
type readers map[*reader]struct{}

// publish never waits: who does not keep up loses events and is told so.
func (rs readers) publish(e api.Event) {
	for r := range rs {
		if r.tunnel != "" && r.tunnel != e.Tunnel {
			continue
		}
		mine := e
		mine.Lost = r.lost
		select {
		case r.events <- mine:
			r.lost = 0
		default:
			r.lost++
		}
	}
}

func (rs readers) remove(r *reader) {
	if _, ok := rs[r]; ok {
		delete(rs, r)
		close(r.events)
	}
}

func (rs readers) closeAll() {
	for r := range rs {
		rs.remove(r)
	}
}

// Events subscribes until ctx ends, after what is kept; without following, it
// gives no more than that.
func (s *service) Events(ctx context.Context, w api.Wanted) (<-chan api.Event, error) {
	r := &reader{tunnel: w.Tunnel}
	var refused error
	err := s.loop.ask(ctx, func() {
		switch {
		case w.Tunnel != "" && !s.loop.knows(w.Tunnel):
			refused = noTunnel(w.Tunnel)
		case w.Follow && len(s.loop.readers) >= maxReaders:
			refused = &api.Error{Code: api.Busy, Message: "too many event streams are open; close one"}
		default:
			r.begin(s.loop.kept.last(w))
			if w.Follow {
				s.loop.readers[r] = struct{}{}
			} else {
				close(r.events)
			}
		}
	})
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	if !w.Follow {
		return r.events, nil
	}
	context.AfterFunc(ctx, func() {
		_ = s.loop.ask(context.Background(), func() { s.loop.readers.remove(r) })
	})
	return r.events, nil
}

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

// Events subscribes until ctx ends.
func (s *service) Events(ctx context.Context, tunnel string) (<-chan api.Event, error) {
	r := &reader{tunnel: tunnel, events: make(chan api.Event, readerQueue)}
	var refused error
	err := s.loop.ask(ctx, func() {
		switch {
		case tunnel != "" && !s.loop.knows(tunnel):
			refused = noTunnel(tunnel)
		case len(s.loop.readers) >= maxReaders:
			refused = &api.Error{Code: api.Busy, Message: "too many event streams are open; close one"}
		default:
			s.loop.readers[r] = struct{}{}
		}
	})
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() {
		_ = s.loop.ask(context.Background(), func() { s.loop.readers.remove(r) })
	})
	return r.events, nil
}

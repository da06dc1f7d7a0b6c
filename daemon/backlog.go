package daemon

import (
	"slices"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// Bounds of what is kept of the events, for those who ask afterwards.
const (
	keptEvents = 2048
	keptBytes  = 1 << 20
)

// backlog is the last events, oldest first: those that the log has a line of, so
// that neither single messages nor repeats push the others out.
type backlog struct {
	events []api.Event
	bytes  int
}

func (b *backlog) add(e api.Event) {
	b.events = append(b.events, e)
	b.bytes += weight(e)
	for len(b.events) > keptEvents || b.bytes > keptBytes {
		b.bytes -= weight(b.events[0])
		b.events[0] = api.Event{} // lets go of what it holds before the array does
		b.events = b.events[1:]
	}
}

// repeats is an event that stands for n others.
func repeats(s subject, n uint64, now time.Time) api.Event {
	e := api.Event{Version: api.Schema, Time: stamp(now), Kind: "repeated", Tunnel: s.tunnel, Repeats: s.what, Suppressed: n}
	if s.cause != 0 {
		e.Fault = &api.Fault{Cause: s.cause.String(), Text: s.what + ", more of the same"}
	}
	return e
}

// weight is about what an event takes of the memory.
func weight(e api.Event) int {
	n := 400 + len(e.Tunnel)
	if e.Session != nil {
		n += 300
	}
	if e.Pair != nil {
		n += 300
	}
	if f := e.Fault; f != nil {
		n += 100 + len(f.Text) + len(f.Ours) + len(f.Theirs) + len(f.Advice) + len(f.PeerAdvice)
		for _, p := range f.Compared {
			n += 60 + len(p.Ours) + len(p.Theirs)
		}
	}
	return n
}

// last are those that are wanted.
func (b *backlog) last(w api.Wanted) []api.Event {
	var list []api.Event
	for _, e := range slices.Backward(b.events) {
		if len(list) >= w.Last || e.Time.Before(w.Since) {
			break
		}
		if w.Tunnel == "" || w.Tunnel == e.Tunnel {
			list = append(list, e)
		}
	}
	slices.Reverse(list)
	return list
}

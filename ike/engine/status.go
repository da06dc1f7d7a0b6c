package engine

import (
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/tunnel"
)

// Counters count since the engine was made, but for the last three, which are
// what there is now.
type Counters struct {
	Packets         uint64 // all that came in
	BadHeader       uint64 // dropped: not an IKEv1 header, or its length is wrong
	BadCookie       uint64 // dropped: no cookie of the initiator
	BadExchange     uint64 // dropped: an exchange that nobody here takes, or not as a first message
	UnknownPeer     uint64 // dropped: a first message from an address that no tunnel has
	Disabled        uint64 // dropped: a first message for a tunnel that was taken down
	UnknownCookie   uint64 // dropped: no session has these cookies
	WrongAddress    uint64 // dropped: the session of these cookies has other addresses
	RefusedFirst    uint64 // first messages that a tunnel refused
	HalfOpenDropped uint64 // sessions that went, or were not made, because a bound was reached

	Tunnels  uint64
	Sessions uint64 // half open, in negotiation and established
	HalfOpen uint64 // that we answer and that are not authenticated
}

// Counters of this engine.
func (e *Engine) Counters() Counters {
	c := e.count
	c.Tunnels, c.Sessions, c.HalfOpen = uint64(len(e.tunnels)), uint64(len(e.byCookie)), uint64(e.half.len())
	return c
}

// Status of every tunnel, sorted by name.
func (e *Engine) Status() []ike.Status {
	all := make([]ike.Status, len(e.names))
	for i, name := range e.names {
		m := e.tunnels[name]
		all[i] = m.Status()
		if s := m.established(); s != nil {
			status := *s.status
			all[i].Session = &status
		}
	}
	return all
}

// Negotiation is one try of a tunnel that ended.
type Negotiation = tunnel.Negotiation

// History lists the last negotiations of a tunnel, oldest first; none for a
// tunnel that there is not.
func (e *Engine) History(name string) []Negotiation {
	if m := e.tunnels[name]; m != nil {
		return m.History()
	}
	return nil
}

package engine

import (
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// handover is the outbound SA of a child that we began and that replaces another
// one. It waits, and the older one sends on, until the peer has shown that it has
// the new child: many install theirs only when they have read QM3, and what
// overtakes that is lost. A peer that has nothing to send shows nothing, so the
// wait ends, after the resends of a QM2 whose QM3 was lost.
type handover struct {
	out   xfrm.SA
	spiIn uint32    // the child's inbound SA
	older xfrm.SAID // what sends meanwhile
	due   time.Time // zero once a newer child was handed over: only when that goes
}

// handoverTime is how long a handover waits.
const handoverTime = 5 * time.Second

// replacing are the outbound SAs among a session's actions that are to wait, by
// their SPIs.
func (e *Engine) replacing(s *session, said []ike.Action) map[uint32]handover {
	var waits map[uint32]handover
	for _, a := range said {
		r, ok := a.(ike.Report)
		if !ok || r.Kind != ike.ChildUp || !r.Child.Initiator || s.member == nil {
			continue
		}
		if c, ok := s.member.Sending(r.Child.Sel); ok && c.SPIOut != r.Child.SPIOut {
			if waits == nil {
				waits = map[uint32]handover{}
			}
			waits[r.Child.SPIOut] = handover{
				spiIn: r.Child.SPIIn, older: xfrm.SAID{SPI: c.SPIOut, Dst: c.Remote.Addr()}, due: e.now.Add(handoverTime),
			}
		}
	}
	return waits
}

// putOff has an outbound SA wait.
func (e *Engine) putOff(h handover) {
	e.replaced(h.out)
	e.handovers = append(e.handovers, h)
}

// replaced forgets one that waits when the peer chose its SPI again.
func (e *Engine) replaced(sa xfrm.SA) {
	e.handovers = slices.DeleteFunc(e.handovers, func(h handover) bool { return h.out.ID() == sa.ID() })
}

// release ends the wait of those that a condition names.
func (e *Engine) release(ready func(handover) bool) {
	for i := 0; i < len(e.handovers); i++ {
		h := e.handovers[i]
		if !ready(h) {
			continue
		}
		e.handovers = slices.Delete(e.handovers, i, i+1)
		e.overtake(h.out, i)
		e.out = append(e.out, ike.Install{SA: h.out})
		i--
	}
}

// overtake puts those of the first n that wait for the same pair behind an SA that
// is installed. What is added last is what sends, so they cannot follow it; to go
// before it they would have to send, and the peer may not have them yet.
func (e *Engine) overtake(newer xfrm.SA, n int) {
	for i := range e.handovers[:n] {
		if h := &e.handovers[i]; h.out.ReqID == newer.ReqID {
			h.older, h.due = newer.ID(), time.Time{}
		}
	}
}

// handOverBefore does to those that wait what an action means for them: the older
// SA of one is about to go, or it is to go itself and is never installed, or is
// overtaken by a newer one, or is to follow a peer that moved. It reports whether
// the action is for the data plane too.
func (e *Engine) handOverBefore(a ike.Action) bool {
	switch a := a.(type) {
	case ike.Install:
		if a.SA.Dir == xfrm.Out {
			e.replaced(a.SA)
			e.overtake(a.SA, len(e.handovers))
		}
	case ike.Remove:
		e.goes(xfrm.SAID{SPI: a.SPI, Dst: a.Dst})
	case ike.Follow:
		if i := e.waiting(xfrm.SAID{SPI: a.SPI, Dst: a.Dst}); i >= 0 {
			e.handovers[i].out.Encap = a.Encap
			return false
		}
	}
	return true
}

func (e *Engine) waiting(id xfrm.SAID) int {
	return slices.IndexFunc(e.handovers, func(h handover) bool { return h.out.ID() == id })
}

// goes hands over to those that wait behind an SA; behind one that waits itself,
// they wait on for what that waited for.
func (e *Engine) goes(id xfrm.SAID) {
	i := e.waiting(id)
	if i < 0 {
		e.release(func(h handover) bool { return h.older == id })
		return
	}
	gone := e.handovers[i]
	e.handovers = slices.Delete(e.handovers, i, i+1)
	for k := range e.handovers {
		if h := &e.handovers[k]; h.older == id {
			h.older = gone.older
		}
	}
}

// nextHandover is when the first wait ends.
func (e *Engine) nextHandover() (due time.Time, waits bool) {
	for _, h := range e.handovers {
		if !h.due.IsZero() && (!waits || h.due.Before(due)) {
			due, waits = h.due, true
		}
	}
	return due, waits
}

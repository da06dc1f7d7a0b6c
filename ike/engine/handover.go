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
	due   time.Time
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

// putOff has an outbound SA wait. What the pair would send with meanwhile must
// be there.
func (e *Engine) putOff(h handover) {
	e.release(func(o handover) bool { return o.out.ReqID == h.out.ReqID })
	e.handovers = append(e.handovers, h)
}

// release ends the wait of those that a condition names.
func (e *Engine) release(ready func(handover) bool) {
	var now []handover
	e.handovers = slices.DeleteFunc(e.handovers, func(h handover) bool {
		if !ready(h) {
			return false
		}
		now = append(now, h)
		return true
	})
	for _, h := range now {
		e.out = append(e.out, ike.Install{SA: h.out})
	}
}

// handOverBefore ends the wait of those whose older SA is about to go, or to
// follow a peer that moved, and of those that a newer one follows: what is added
// last is what sends. One that is itself to be removed is never installed,
// and one that is to follow has to be there for that.
func (e *Engine) handOverBefore(a ike.Action) {
	if len(e.handovers) == 0 {
		return
	}
	switch a := a.(type) {
	case ike.Install:
		e.release(func(h handover) bool { return a.SA.Dir == xfrm.Out && h.out.ReqID == a.SA.ReqID })
	case ike.Remove:
		id := xfrm.SAID{SPI: a.SPI, Dst: a.Dst}
		e.handovers = slices.DeleteFunc(e.handovers, func(h handover) bool { return h.out.ID() == id })
		e.release(func(h handover) bool { return h.older == id })
	case ike.Follow:
		id := xfrm.SAID{SPI: a.SPI, Dst: a.Dst}
		e.release(func(h handover) bool { return h.older == id || h.out.ID() == id })
	}
}

// nextHandover is when the first wait ends.
func (e *Engine) nextHandover() (time.Time, bool) {
	if len(e.handovers) == 0 {
		return time.Time{}, false
	}
	return e.handovers[0].due, true
}

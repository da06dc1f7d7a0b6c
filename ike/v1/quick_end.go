package v1

import (
	"net/netip"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// finish ends a quick mode whose SAs stand.
func (s *Session) finish(q *quick) {
	q.phase, q.ends = finished, s.now.Add(linger)
	child := &ike.ChildSA{
		Sel: q.child.Sel, ReqID: q.child.ReqID, SPIIn: q.spiIn, SPIOut: q.spiOut,
		Local: netip.AddrPortFrom(s.local.Addr(), 0), Remote: netip.AddrPortFrom(s.remote.Addr(), 0),
		Proposal: q.choice.proposal, Lifetime: q.child.Lifetime.Min(q.choice.life), Initiator: q.initiator,
	}
	if s.floated() {
		child.Local, child.Remote = s.local, s.remote
	}
	q.forget()
	s.report(ike.Report{Kind: ike.ChildUp, Sel: child.Sel, SPI: child.SPIIn, Child: child})
	if s.used.full() {
		s.renewNow() // before a recorded quick mode is forgotten and could be played again
	}
}

// forget lets go of what only the negotiation needed.
func (q *quick) forget() {
	clear(q.shared)
	q.shared, q.public, q.ni, q.nr, q.ids = nil, nil, nil, nil, nil
	q.exponent, q.choice = crypt.Exponent{}, q.choice.agreed()
}

// failQuick ends a quick mode that did not come to its end, and takes back the
// answer that promised it: a duplicate of the request would else still get it.
func (s *Session) failQuick(q *quick, f *ike.Fault) {
	if q.phase == finished {
		return
	}
	if q.installed {
		s.do(ike.Remove{SPI: q.spiIn, Dst: s.local.Addr()})
	}
	q.phase, q.ends = finished, s.now.Add(linger)
	q.flight.answered()
	q.replies = q.replies.silent()
	q.forget()
	s.report(ike.Report{Kind: ike.ChildFailed, Sel: q.child.Sel, SPI: q.spiIn, Initiator: q.initiator, Fault: f})
}

// tickQuick resends, gives up or forgets.
func (s *Session) tickQuick(q *quick) {
	switch {
	case q.phase == finished && s.due(q.ends):
		delete(s.quicks, q.mid)
	case q.phase == finished || s.state == dead:
	case s.due(q.flight.wake) && !s.resend(&q.flight, s.remote):
		s.quickTimedOut(q)
	}
}

// quickTimedOut gives up. A peer that began may take the pair for up since it
// got QM2, and must hear that it is not. When the peer has not been heard since
// the exchange began, it does not know this session any more, and when nothing
// followed on the last message of phase 1 it never did: the session ends, so that
// the next try begins anew.
func (s *Session) quickTimedOut(q *quick) {
	f := &ike.Fault{
		Cause: ike.CauseTimeout, Text: s.remote.String() + " does not answer in quick mode",
		Advice: "look at the peer's log: it may lack this pair of networks",
	}
	s.failQuick(q, f)
	switch {
	case !q.initiator:
		s.deleteChild(q.spiIn)
	case s.heard.Before(q.begun) || s.flight.data != nil:
		s.down(f)
	}
}

// failed undoes a quick mode whose inbound SA could not be installed, and tells
// the peer, which would else take our silence for a session that is forgotten. A
// finished one belongs to the tunnel.
func (s *Session) failed(in ike.Failed) {
	for _, q := range s.sortedQuicks() {
		if q.spiIn == in.SPI && q.phase != finished {
			s.failQuick(q, &ike.Fault{
				Cause: ike.CauseDataPlane, Text: "the SA could not be installed: " + in.Err.Error(),
			})
			s.notifyAuthentic(isakmp.InvalidTransform, q.spiOut)
		}
	}
}

package v1

import (
	"net/netip"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// finish ends a quick mode whose SAs stand.
func (s *Session) finish(q *quick) {
	s.unproven -= q.resent
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
		s.drop(q)
	case q.phase == unconfirmed && s.due(q.ends):
		s.failQuick(q, noProof(s.remote))
	case q.phase == finished || s.state == dead:
	case s.due(q.flight.wake) && !s.resendQuick(q):
		s.quickTimedOut(q)
	}
}

// mostUnproven bounds the QM2 that a session resends in vain, as many as four quick
// modes without an end have: else whoever begins them gets several times what it
// sends. The peer's own resend of QM1 is answered all the same.
const mostUnproven = 16

// resendQuick makes the next try, or tells by false that the schedule ran out. Of
// QM2 it passes in silence when too many have had no QM3.
func (s *Session) resendQuick(q *quick) bool {
	if !q.initiator && s.unproven >= mostUnproven {
		return q.flight.next(s.now)
	}
	more := s.resend(&q.flight, s.remote)
	if more && !q.initiator {
		q.resent++
		s.unproven++
	}
	return more
}

// quickTimedOut gives up. When the peer has not been heard since the exchange
// began, it does not know this session any more, and when nothing followed on the
// last message of phase 1 it never did: the session ends, so that the next try
// begins anew.
func (s *Session) quickTimedOut(q *quick) {
	if !q.initiator {
		s.leaveUnconfirmed(q)
		return
	}
	f := &ike.Fault{
		Cause: ike.CauseTimeout, Text: s.remote.String() + " does not answer in quick mode",
		Advice: "look at the peer's log: it may lack this pair of networks",
	}
	unheard := s.flight.data != nil // message 3 of aggressive mode
	if unheard && s.remote.Port() == xfrm.PortNATT {
		f = s.only500("nothing followed AM3")
	}
	s.failQuick(q, f)
	if unheard || s.heard.Before(q.begun) {
		s.down(f)
	}
}

// leaveUnconfirmed stops waiting for QM3. To a peer that got QM2 the pair stands, and
// it may send on it as long as it lives: the inbound SA stays for that, and what
// comes in proves all that QM3 would. A pair has one such SA at most.
func (s *Session) leaveUnconfirmed(q *quick) {
	for _, o := range s.sortedQuicks() {
		if o.phase == unconfirmed && o.child.Sel == q.child.Sel {
			s.failQuick(o, noProof(s.remote))
		}
	}
	q.replies = q.replies.silent() // the initiator does not resend for so long
	q.phase, q.ends = unconfirmed, q.begun.Add(q.child.Lifetime.Min(q.choice.life).Time)
	s.report(ike.Report{Kind: ike.ChildUnconfirmed, Sel: q.child.Sel, SPI: q.spiIn, Fault: noProof(s.remote)})
}

func noProof(peer netip.AddrPort) *ike.Fault {
	return &ike.Fault{
		Cause: ike.CauseTimeout, Text: peer.String() + " began a quick mode and did not end it: QM3 did not come",
		Advice: "see that datagrams of both directions pass",
	}
}

// failed undoes a quick mode whose inbound SA could not be installed, and tells
// the peer, which would else take our silence for a session that is forgotten. A
// finished one belongs to the tunnel.
func (s *Session) failed(in ike.Failed) {
	for _, q := range s.sortedQuicks() {
		if q.spiIn != in.SPI || q.phase == finished {
			continue
		}
		gone := q.phase == unconfirmed // at the end of its lifetime, and the peer's
		s.failQuick(q, &ike.Fault{
			Cause: ike.CauseDataPlane, Text: "the SA could not be installed: " + in.Err.Error(),
		})
		if !gone {
			s.notifyAuthentic(isakmp.InvalidTransform, q.spiOut)
		}
	}
}

package v1

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// aggressive is what only aggressive mode collects.
type aggressive struct {
	idii   []byte                // IDii_b, as it went over the wire
	forged map[[16]byte]*refusal // as initiator: the answers that were not the peer's
	credit int                   // as responder: bytes that came and that nothing was sent for
	held   bool                  // as responder: message 2 has not been sent yet
}

// takeWholeOffer takes message 1. It has everything but a proof: the identity
// says for which tunnel it is, and the public value is answered after a
// computation for an address that may be forged; the engine bounds how many.
//
// HASH_R in message 2 commits us to a key before the peer has shown any of its
// own. Of several keys it is always the first: a peer that still has an older one
// cannot be answered in aggressive mode, only in main mode.
func (s *Session) takeWholeOffer(m message) (func(), *refusal) {
	offer, no := s.readOffer(m, ike.Aggressive)
	if no != nil {
		return nil, no
	}
	idii, _ := isakmp.Find(offer.chain, isakmp.ID)
	named, fault := callThemselves(offer.candidates, m.remote.Addr(), idii)
	if fault != nil {
		return nil, &refusal{fault: fault, notify: isakmp.InvalidID, fatal: true}
	}
	choice, fitting, fault := chooseForAny(named, withFirstGroup(offer.sa))
	if fault != nil {
		return nil, &refusal{fault: fault, notify: isakmp.NoProposalChosen, fatal: true}
	}
	k, no := findKey(offer.chain, choice.proposal.Group)
	if no != nil {
		return nil, hopeless(no.fault.Text)
	}
	return func() {
		s.answers(m, ike.Aggressive, fitting[:1])
		s.phase1.offer, s.phase1.choice = append([]byte(nil), offer.body...), choice.agreed()
		s.phase1.idii, s.phase1.credit = append([]byte(nil), idii...), len(m.raw)
		s.phase1.gxi, s.phase1.ni = k.public, k.nonce
		s.phase1.nr = s.random(make([]byte, min(nonceSize, len(k.nonce))))
		ext, vendors := understand(fitting[:1], offer.chain)
		s.ext = ext
		s.computeAnswer(answer{sa: choice.answer(nil).Append(nil), vendors: vendors, most: len(m.raw)})
	}, nil
}

// callThemselves are the candidates that the identity fits, of a peer at an
// address, or why there are none.
func callThemselves(candidates []*ike.Peer, from netip.Addr, id []byte) (named []*ike.Peer, why *ike.Fault) {
	for _, p := range candidates {
		fault := checkIdentity(at(p, from), id)
		if fault == nil {
			named = append(named, p)
		} else if why == nil {
			why = fault
		}
	}
	if named != nil {
		return named, nil
	}
	return nil, why
}

// withFirstGroup leaves of an offer the transforms that have the group of the
// first one: the public value beside them can be of one group only, and a peer
// that offers others means the first (RFC 2409 §5).
func withFirstGroup(sa isakmp.SecurityAssociation) isakmp.SecurityAssociation {
	var first uint64
	var list []isakmp.Proposal
	for _, p := range sa.Proposals {
		var same []isakmp.Transform
		for _, t := range p.Transforms {
			group := attributes(t)[isakmp.AttrGroup]
			if first == 0 {
				first = group
			}
			if group == first {
				same = append(same, t)
			}
		}
		p.Transforms = same
		list = append(list, p)
	}
	return isakmp.SecurityAssociation{Proposals: list}
}

// answer is what message 2 is made of, beside what the session has.
type answer struct {
	sa      []byte // the body of the SA payload
	vendors []isakmp.Payload
	id      []byte // IDir_b
	proof   []byte // HASH_R
	most    int    // how many bytes message 1 has
}

// computeAnswer makes the keys, and then message 2.
func (s *Session) computeAnswer(a answer) {
	x, ok := s.newExponent()
	if !ok {
		return
	}
	public := s.phase1.gxi
	s.compute(func() any { return bothOf(x, public) }, func(result any) {
		if r, ok := s.took(result); ok {
			s.phase1.gxr, s.phase1.shared = r.public, r.shared
			s.answerWhole(a)
		}
	})
}

// answerWhole sends message 2, or holds it back while it would make more of a
// message 1 that may be forged.
func (s *Session) answerWhole(a answer) {
	p := s.candidates[0]
	a.id = identity(p.LocalID).Append(nil)
	a.proof = make([]byte, s.phase1.choice.proposal.Hash.Size())
	s.fit(&a)
	if !s.makeSecrets(p.Keys[0]) {
		return
	}
	copy(a.proof, s.phase1.hashR(s.secrets, s.cookies, a.id))
	s.replies.answer(clearMessage(s.header(isakmp.AggressiveMode, 0), s.payloads(a)))
	s.state, s.phase1.held = wantInitiatorProof, true
	s.release()
}

// payloads are those of message 2.
func (s *Session) payloads(a answer) []isakmp.Payload {
	chain := append([]isakmp.Payload{
		{Type: isakmp.SA, Body: a.sa},
		{Type: isakmp.KE, Body: s.phase1.gxr},
		{Type: isakmp.Nonce, Body: s.phase1.nr},
		{Type: isakmp.ID, Body: a.id},
		{Type: isakmp.Hash, Body: a.proof},
	}, a.vendors...)
	if s.ext.natt != natNone {
		chain = append(chain, s.natPayloads()...)
	}
	return chain
}

// shortestNonce is how short our nonce may become where message 2 would be too
// long: still as many bits as an AES key.
const shortestNonce = 16

// fit makes message 2 no longer than message 1 if it can be done: our nonce gives
// what it can spare, and then the vendor ids go that NAT traversal does not need,
// the last one first.
func (s *Session) fit(a *answer) {
	over := func() int { return isakmp.HeaderSize + len(isakmp.AppendChain(nil, s.payloads(*a)...)) - a.most }
	spare := len(s.phase1.nr) - shortestNonce
	if n := min(over(), spare); n > 0 {
		s.phase1.nr = s.phase1.nr[:len(s.phase1.nr)-n]
	}
	all := a.vendors
	for i := len(all) - 1; i >= 0 && over() > 0; i-- {
		if isOptional(all[i]) {
			a.vendors = slices.Delete(slices.Clone(a.vendors), i, i+1)
		}
	}
	if over() > 0 { // it has to wait for more in any case
		a.vendors = all
	}
	s.ext, _ = understand(s.candidates, a.vendors)
}

// isOptional tells the vendor ids that NAT traversal does not need.
func isOptional(v isakmp.Payload) bool {
	return !slices.ContainsFunc(natVendors[:], func(id []byte) bool { return bytes.Equal(id, v.Body) })
}

// release sends message 2 for the first time, once as many bytes have come as
// it has: by a message 1 that is long enough, or by its resend.
func (s *Session) release() {
	answer := s.replies[0].answer
	if s.phase1.credit < len(answer) {
		return
	}
	s.phase1.credit -= len(answer)
	s.phase1.held = false
	s.sendOnce(s.remote, isakmp.AggressiveMode, "AM2", answer, 0)
}

// repeat answers a duplicate of a message of phase 1. While the address of an
// aggressive initiator may be forged, all answers together are no longer than
// what came.
func (s *Session) repeat(r *reply, m message) {
	if s.phase1 == nil || s.mode != ike.Aggressive || s.initiator {
		s.answerAgain(r, s.remote)
		return
	}
	s.phase1.credit += len(m.raw)
	switch {
	case s.phase1.held:
		s.release()
	case s.phase1.credit >= len(r.answer) && s.answerAgain(r, s.remote):
		s.phase1.credit -= len(r.answer)
	}
}

// takeInitiatorProof takes message 3: phase 1 stands. The last block of phase 1
// is that of the message, or the first IV if the message came in clear.
func (s *Session) takeInitiatorProof(m message) (func(), *refusal) {
	o, err := s.openProof(m)
	if err != nil || !hashFits(o.chain, s.phase1.hashI(s.secrets, s.cookies, s.phase1.idii)) {
		return nil, &refusal{notify: isakmp.AuthenticationFailed, fault: otherKeys(
			"the pre-shared keys differ: message 3 is not authentic under ours")}
	}
	return func() {
		s.progressed = true
		s.peer, s.candidates = s.candidates[0], nil
		s.iv = o.next
		s.meet(m)
		s.detectNAT(o.chain)
		s.replies = s.replies.silent()
		s.establish(s.phase1.idii)
		if m.Flags&isakmp.Encrypted != 0 { // anybody could have added it to a message in clear
			s.takeAsides(o)
		}
	}, nil
}

// openProof reads message 3.
func (s *Session) openProof(m message) (opened, error) {
	if m.Flags&isakmp.Encrypted != 0 {
		return s.secrets.open(s.iv, m)
	}
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	return opened{chain: chain, next: s.iv}, err
}

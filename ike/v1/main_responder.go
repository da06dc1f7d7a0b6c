package v1

import (
	"crypto/subtle"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// maxOffer bounds what a stranger can make a responder keep.
const maxOffer = 2048

// takeOffer takes message 1 and answers with message 2. Nothing is computed
// yet, and what is kept is the offer and the cookies. The answer is never
// longer than the message: it has one transform of those offered, and of our
// vendor ids those that the peer sent.
func (s *Session) takeOffer(m message) (func(), *refusal) {
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return nil, hopeless(err.Error())
	}
	offer, ok := isakmp.Find(chain, isakmp.SA)
	if !ok || len(offer) > maxOffer || len(isakmp.All(chain, isakmp.SA)) > 1 {
		return nil, hopeless("message 1 has no SA payload of at most 2048 bytes, or several")
	}
	sa, err := isakmp.ParseSA(offer)
	if err != nil {
		return nil, hopeless(err.Error())
	}
	choice, fitting, fault := chooseForAny(s.candidates, sa)
	if fault != nil {
		return nil, &refusal{fault: fault, notify: isakmp.NoProposalChosen, fatal: true}
	}
	return func() {
		s.candidates = fitting
		s.cookies = ike.Cookies{Initiator: m.Initiator, Responder: s.newCookie()}
		s.main.offer, s.main.choice = append([]byte(nil), offer...), choice.agreed()
		s.state, s.deadline = wantInitiatorKey, s.now.Add(halfOpen)
		ext, vendors := understand(fitting, chain)
		s.ext = ext
		s.sendMain("MM2", append([]isakmp.Payload{{Type: isakmp.SA, Body: choice.answer(nil).Append(nil)}}, vendors...))
	}, nil
}

// hopeless is a malformed first message: it ends the session, so that it leaves
// no state behind.
func hopeless(text string) *refusal {
	no := malformed(text)
	no.fatal = true
	return no
}

// takeInitiatorKey takes message 3: now the source address is real, and worth
// the computation. It is answered with message 4 of no more bytes: our nonce is
// no longer than the peer's.
func (s *Session) takeInitiatorKey(m message) (func(), *refusal) {
	k, no := s.readKey(m)
	if no != nil {
		return nil, no
	}
	return func() {
		s.progressed = true
		s.main.gxi, s.main.ni = k.public, k.nonce
		s.main.nr = s.random(make([]byte, min(nonceSize, len(k.nonce))))
		s.detectNAT(k.chain)
		x, ok := s.newExponent()
		if !ok {
			return
		}
		s.compute(func() any { return bothOf(x, k.public) }, func(result any) {
			r, ok := s.took(result)
			if !ok {
				return
			}
			s.main.gxr, s.main.shared = r.public, r.shared
			s.state = wantInitiatorID
			s.sendMain("MM4", s.keyPayloads(s.main.gxr, s.main.nr))
		})
	}, nil
}

// takeInitiatorID takes message 5. In main mode the key must be chosen before
// the identity is known: each candidate's is tried. Candidates may share a key,
// so one whose identity does not fit is no reason to stop.
func (s *Session) takeInitiatorID(m message) (func(), *refusal) {
	no := &refusal{notify: isakmp.AuthenticationFailed, fault: &ike.Fault{
		Cause:  ike.CauseAuth,
		Text:   "the pre-shared keys differ: message 5 cannot be decrypted with ours",
		Advice: "write the same pre_shared_key on both sides; mind blanks at its end",
	}}
	for _, p := range s.candidates {
		sec, o, ok := s.tryKey(p, m)
		if !ok {
			continue
		}
		fault := checkIdentity(p, o.get(isakmp.ID))
		if fault == nil {
			return func() { s.acceptInitiator(p, sec, o, m) }, nil
		}
		if !no.fatal {
			no = &refusal{fault: fault, notify: isakmp.InvalidID, fatal: true}
		}
		sec.wipe()
	}
	return nil, no
}

// tryKey opens message 5 with a candidate's key.
func (s *Session) tryKey(p ike.Peer, m message) (secrets, opened, bool) {
	sec, err := newSecrets(s.main.choice.proposal, p.Keys[0], s.main, s.cookies)
	if err != nil {
		return sec, opened{}, false
	}
	o, err := sec.open(s.firstIV(sec), m)
	if err != nil || !authentic(o, s.hashI, sec) {
		sec.wipe()
		return sec, o, false
	}
	return sec, o, true
}

// authentic checks the hash of message 5 or 6.
func authentic(o opened, hash func(secrets, []byte) []byte, sec secrets) bool {
	id, ok := isakmp.Find(o.chain, isakmp.ID)
	theirs, found := isakmp.Find(o.chain, isakmp.Hash)
	return ok && found && subtle.ConstantTimeCompare(theirs, hash(sec, id)) == 1
}

func (s *Session) acceptInitiator(p ike.Peer, sec secrets, o opened, m message) {
	s.peer, s.candidates = p, nil
	s.secrets, s.iv = sec, o.next
	s.nat.moved = s.ext.natt != natNone && s.local.Port() != xfrm.PortNATT && m.local.Port() == xfrm.PortNATT
	s.local, s.remote = m.local, m.remote
	id := identity(p.LocalID).Append(nil)
	data, next := sec.seal(s.iv, s.header(isakmp.MainMode, 0), []isakmp.Payload{
		{Type: isakmp.ID, Body: id}, {Type: isakmp.Hash, Body: s.hashR(sec, id)},
	})
	s.iv = next
	s.sendMainRaw("MM6", data)
	s.establish(o.get(isakmp.ID))
	s.takeAsides(o)
}

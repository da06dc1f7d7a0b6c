package v1

import (
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
	offer, no := s.readOffer(m, ike.Main)
	if no != nil {
		return nil, no
	}
	choice, fitting, fault := chooseForAny(offer.candidates, offer.sa)
	if fault != nil {
		return nil, &refusal{fault: fault, notify: isakmp.NoProposalChosen, fatal: true}
	}
	return func() {
		s.answers(m, ike.Main, fitting)
		s.phase1.offer, s.phase1.choice = append([]byte(nil), offer.body...), choice.agreed()
		ext, vendors := understand(fitting, offer.chain)
		s.state, s.ext = wantInitiatorKey, ext
		s.sendClear("MM2", append([]isakmp.Payload{{Type: isakmp.SA, Body: choice.answer(nil).Append(nil)}}, vendors...))
	}, nil
}

// answers makes a session of a first message that is good.
func (s *Session) answers(m message, mode ike.Mode, candidates []*ike.Peer) {
	s.mode, s.candidates = mode, candidates
	s.cookies = ike.Cookies{Initiator: m.Initiator, Responder: s.newCookie()}
	s.deadline = s.now.Add(halfOpen)
}

// offer is the first message of an exchange, and who it may be for.
type offer struct {
	chain      []isakmp.Payload
	body       []byte // of the SA payload
	sa         isakmp.SecurityAssociation
	candidates []*ike.Peer
}

// readOffer reads a first message for the candidates that use its exchange.
func (s *Session) readOffer(m message, mode ike.Mode) (offer, *refusal) {
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return offer{}, hopeless(err.Error())
	}
	o := offer{chain: chain}
	body, ok := isakmp.Find(chain, isakmp.SA)
	if !ok || len(body) > maxOffer || len(isakmp.All(chain, isakmp.SA)) > 1 {
		return offer{}, hopeless("message 1 has no SA payload of at most 2048 bytes, or several")
	}
	o.body = body
	if o.sa, err = isakmp.ParseSA(body); err != nil {
		return offer{}, hopeless(err.Error())
	}
	for _, p := range s.candidates {
		if p.Mode == mode {
			o.candidates = append(o.candidates, p)
		}
	}
	if o.candidates == nil {
		return offer{}, &refusal{fault: otherMode(s.candidates[0].Name, mode), notify: isakmp.NoProposalChosen, fatal: true}
	}
	return o, nil
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
		s.phase1.gxi, s.phase1.ni = k.public, k.nonce
		s.phase1.nr = s.random(make([]byte, min(nonceSize, len(k.nonce))))
		s.detectNAT(k.chain)
		vendors := s.ext.late(k.chain)
		x, ok := s.newExponent()
		if !ok {
			return
		}
		s.compute(func() any { return bothOf(x, k.public) }, func(result any) {
			r, ok := s.took(result)
			if !ok {
				return
			}
			s.phase1.gxr, s.phase1.shared = r.public, r.shared
			s.state = wantInitiatorID
			s.sendClear("MM4", append(s.keyPayloads(s.phase1.gxr, s.phase1.nr), vendors...))
		})
	}, nil
}

// takeInitiatorID takes message 5. In main mode the key must be chosen before
// the identity is known: each candidate's is tried. Candidates may share a key,
// so one whose identity does not fit is no reason to stop.
func (s *Session) takeInitiatorID(m message) (func(), *refusal) {
	no := s.cannotOpen(m, opened{})
	for _, p := range s.candidates {
		sec, o, older, ok := s.tryKeys(p, m)
		if !ok {
			if !no.fatal && o.chain != nil {
				no = s.cannotOpen(m, o)
			}
			continue
		}
		fault := checkIdentity(at(p, m.remote.Addr()), o.get(isakmp.ID))
		if fault == nil {
			return func() {
				s.phase1.oldKey = older
				s.acceptInitiator(p, sec, o, m)
			}, nil
		}
		if !no.fatal {
			no = &refusal{fault: fault, notify: isakmp.InvalidID, fatal: true}
		}
		sec.wipe()
	}
	return nil, no
}

// cannotOpen refuses a message 5 that no candidate's key opens. Of one that was
// damaged the peer hears nothing: it sends the true one again.
func (s *Session) cannotOpen(m message, o opened) *refusal {
	no := &refusal{fault: notOpened("message 5", m, s.phase1.choice.proposal.Cipher.BlockSize(), o)}
	if no.fault.Cause == ike.CauseAuth {
		no.notify = isakmp.AuthenticationFailed
	}
	return no
}

// tryKeys opens message 5 with a candidate's keys, and tells whether it was an
// older one than the first that did.
func (s *Session) tryKeys(p *ike.Peer, m message) (sec secrets, o opened, older, ok bool) {
	for i, psk := range p.Keys {
		var tried opened
		if sec, tried, ok = s.tryKey(psk, m); ok {
			return sec, tried, i > 0, true
		}
		if tried.chain != nil {
			o = tried // the right key, and not the message that was sent
		}
	}
	return secrets{}, o, false, false
}

func (s *Session) tryKey(psk xfrm.Secret, m message) (secrets, opened, bool) {
	sec, err := newSecrets(s.phase1.choice.proposal, psk, s.phase1, s.cookies)
	if err != nil {
		return sec, opened{}, false
	}
	o, err := sec.open(s.phase1.firstIV(sec), m)
	if err != nil || !hashFits(o.chain, s.phase1.hashI(sec, s.cookies, o.get(isakmp.ID))) {
		sec.wipe()
		return sec, o, false
	}
	return sec, o, true
}

func (s *Session) acceptInitiator(p *ike.Peer, sec secrets, o opened, m message) {
	s.peer, s.candidates = p, nil
	s.secrets, s.iv = sec, o.next
	s.meet(m)
	id := identity(p.LocalID).Append(nil)
	data, next := sec.seal(s.iv, s.header(isakmp.MainMode, 0), []isakmp.Payload{
		{Type: isakmp.ID, Body: id}, {Type: isakmp.Hash, Body: s.phase1.hashR(sec, s.cookies, id)},
	})
	s.iv = next
	s.sendPhase1("MM6", data)
	s.establish(o.get(isakmp.ID))
	s.takeAsides(o)
}

// meet goes to the ports where the initiator has proved to be: it moves to 4500
// when it sees a translator (RFC 3947 §4).
func (s *Session) meet(m message) {
	s.nat.moved = s.ext.natt != natNone && s.local.Port() != xfrm.PortNATT && m.local.Port() == xfrm.PortNATT
	s.local, s.remote = m.local, m.remote
}

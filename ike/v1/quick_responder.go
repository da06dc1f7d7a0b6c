package v1

import (
	"crypto/subtle"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// maxResponding bounds the quick modes of the peer's that go at once, maxQuicks
// all that go on or still answer duplicates. What is beyond is put off: the
// peer's resend is taken once there is room.
const (
	maxResponding = 64
	maxQuicks     = 1024
)

// takeQM1 takes the first message of a quick mode that the peer begins. It must
// prove that it knows the keys before anything is kept of it.
func (s *Session) takeQM1(m message) {
	if s.knows(m.MessageID) || s.responding() >= maxResponding || len(s.quicks) >= maxQuicks {
		return // a replay, or too much at once
	}
	o, err := s.secrets.open(s.secrets.iv2(s.iv, m.MessageID), m)
	if err != nil || !s.secrets.verify(o, midBytes(m.MessageID)) {
		s.refuse(m.Exchange, "QM1", malformed("the message is not authentic").fault)
		return
	}
	s.used.add(m.MessageID)
	q := &quick{mid: m.MessageID, begun: s.now}
	s.keep(q)
	s.acceptQuick(q, "QM1", o, m)
	s.takeAsides(o)
	if no := s.respond(q, o); no != nil {
		q.phase, q.ends = finished, s.now.Add(linger)
		s.refuse(m.Exchange, "QM1", no.fault)
		s.notifyAuthentic(no.notify, q.spiOut)
	}
}

// responding counts the quick modes of the peer's that go on.
func (s *Session) responding() int {
	n := 0
	for _, q := range s.quicks {
		if !q.initiator && q.phase != finished && q.phase != unconfirmed {
			n++
		}
	}
	return n
}

// respond checks what the peer asks for and answers it, with PFS after the
// computation.
func (s *Session) respond(q *quick, o opened) *refusal {
	p, err := readProposed(o)
	if err != nil {
		return &refusal{fault: malformed(err.Error()).fault, notify: isakmp.PayloadMalformed}
	}
	q.spiOut = proposedSPI(p.sa)
	sel, err := s.selector(p.ids, false)
	if err != nil {
		return &refusal{notify: isakmp.InvalidID, fault: &ike.Fault{
			Cause: ike.CauseSelectors, Text: "the peer asks for what is no pair of networks: " + err.Error(),
		}}
	}
	child, ok := s.childFor(sel)
	if !ok {
		return &refusal{notify: isakmp.InvalidID, fault: noSuchPair(s.peer, sel)}
	}
	q.child, q.nr = child, s.random(make([]byte, nonceSize))
	q.ni, q.ids = p.nonce, copyPayloads(p.ids)
	if no := s.chooseESP(q, p); no != nil {
		return no
	}
	q.spiIn = s.env.SPI()
	if q.choice.proposal.Group == 0 {
		s.sendQM2(q)
		return nil
	}
	x, err := crypt.NewExponent(q.choice.proposal.Group, s.env.Rand)
	if err != nil {
		return &refusal{fault: malformed(err.Error()).fault, notify: isakmp.NoProposalChosen}
	}
	s.compute(func() any { return bothOf(x, p.public) }, func(result any) {
		if c, ok := s.quickComputed(q, result); ok {
			q.public, q.shared = c.public, c.shared
			s.sendQM2(q)
		}
	})
	return nil
}

// proposedSPI is the SPI of the peer's first ESP proposal, 0 without: a refusal
// names it, so that a peer with several quick modes knows which one is meant.
func proposedSPI(sa isakmp.SecurityAssociation) uint32 {
	for _, p := range sa.Proposals {
		if spi, ok := validSPI(p.SPI); ok && p.Protocol == isakmp.ProtoESP {
			return spi
		}
	}
	return 0
}

func copyPayloads(list []isakmp.Payload) []isakmp.Payload {
	var own []isakmp.Payload
	for _, p := range list {
		own = append(own, isakmp.Payload{Type: p.Type, Body: append([]byte(nil), p.Body...)})
	}
	return own
}

// childFor finds the pair, as it is: IKEv1 has no narrowing.
func (s *Session) childFor(sel xfrm.Selector) (ike.Child, bool) {
	for _, c := range s.peer.Children {
		if c.Sel == sel {
			return c, true
		}
	}
	return ike.Child{}, false
}

// chooseESP chooses among the peer's transforms. PFS is strict: a group that
// one side alone wants would fail as soon as the roles change at a rekey.
func (s *Session) chooseESP(q *quick, p proposed) *refusal {
	theirs := candidates(p.sa, isakmp.ProtoESP, readESP)
	usable := theirs[:0:0]
	for _, c := range theirs {
		if _, ok := validSPI(c.proposal.SPI); ok && s.encapFits(c.encap) {
			usable = append(usable, c)
		}
	}
	choice, ok := choose(q.child.Proposals, usable)
	if !ok {
		return &refusal{fault: s.whyNoESP(q, theirs), notify: isakmp.NoProposalChosen}
	}
	if (choice.proposal.Group != 0) != (p.public != nil) {
		return &refusal{notify: isakmp.NoProposalChosen, fault: &ike.Fault{
			Cause: ike.CausePFS, Text: "the peer's PFS group and its key exchange payload do not go together",
		}}
	}
	if choice.proposal.Group != 0 {
		if no := checkPublicSize(choice.proposal.Group, p.public); no != nil {
			return &refusal{fault: no.fault, notify: isakmp.InvalidKey}
		}
	}
	choice.transform.Raw = append([]byte(nil), choice.transform.Raw...)
	q.choice = choice
	q.spiOut, _ = validSPI(choice.spi)
	return nil
}

// sendQM2 answers. The inbound SA stands before the answer leaves: the peer may
// send at once.
func (s *Session) sendQM2(q *quick) {
	in, _, ok := s.sas(q)
	if !ok {
		return
	}
	q.installed, q.from = true, s.remote
	s.do(ike.Install{SA: in})
	chain := q.payloads(q.choice.answer(spiBytes(q.spiIn)).Append(nil), q.nr)
	chain = append(chain, q.ids...)
	if n, shorter := responderLifetime(q); shorter {
		chain = append(chain, n)
	}
	data := s.sealQuick(q, s.secrets.hashed(chain, midBytes(q.mid), q.ni))
	q.replies.answer(data)
	q.phase = wantProof
	q.flight = flight{data: data, exchange: isakmp.QuickMode, step: "QM2", wake: s.now.Add(retry[0])}
	s.sendOnce(s.remote, isakmp.QuickMode, "QM2", data, q.spiIn)
}

// responderLifetime tells the initiator that our lifetime is shorter than what
// it offered, which the echoed attributes cannot say (RFC 2407 §4.6.3.1).
func responderLifetime(q *quick) (isakmp.Payload, bool) {
	ours, theirs := q.child.Lifetime, q.choice.life
	if ours.Time >= theirs.Time && (theirs.KB == 0 || ours.KB == 0 || ours.KB >= theirs.KB) {
		return isakmp.Payload{}, false
	}
	return isakmp.Payload{Type: isakmp.Notify, Body: isakmp.Notification{
		Protocol: isakmp.ProtoESP, SPI: spiBytes(q.spiIn), Type: isakmp.ResponderLifetime,
		Data: isakmp.AppendAttributes(nil, isakmp.ProtoESP, lifeAttributes(ours.Min(theirs))),
	}.Append(nil)}, true
}

// takeQM3 takes the proof that the peer is there now.
func (s *Session) takeQM3(q *quick, m message) {
	o, err := s.secrets.open(q.iv, m)
	proof := s.secrets.prf([]byte{0}, midBytes(q.mid), q.ni, q.nr)
	if err != nil || !proves(o, proof) {
		s.refuse(m.Exchange, "QM3", malformed("the message is not authentic").fault)
		return
	}
	s.acceptQuick(q, "QM3", o, m)
	s.installOut(q)
}

// installOut ends the peer's quick mode. When the peer has moved since it was
// answered, the inbound SA is made again: it has carried next to nothing.
func (s *Session) installOut(q *quick) {
	in, out, ok := s.sas(q)
	if !ok {
		return
	}
	if q.from != s.remote {
		s.do(ike.Install{SA: in})
	}
	s.do(ike.Install{SA: out})
	s.finish(q)
}

// trafficSeen takes authenticated ESP for a sign of life, and on the new SA for
// QM3: only the peer can have made it, and it sends only after QM3.
func (s *Session) trafficSeen(spi uint32) {
	s.lives()
	for _, q := range s.sortedQuicks() {
		if q.spiIn == spi && (q.phase == wantProof || q.phase == unconfirmed) {
			q.flight.answered()
			s.heard = s.now
			s.installOut(q)
		}
	}
}

// proves compares HASH(3), the only payload that counts in QM3.
func proves(o opened, proof []byte) bool {
	return len(o.chain) > 0 && o.chain[0].Type == isakmp.Hash &&
		subtle.ConstantTimeCompare(o.chain[0].Body, proof) == 1
}

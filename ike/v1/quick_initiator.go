package v1

import (
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// beginQuick draws what is random and, with PFS, has a key pair made first.
func (s *Session) beginQuick(child ike.Child) {
	q := &quick{mid: s.newMessageID(&s.used), child: child, initiator: true, begun: s.now, encap: s.encapMode()}
	q.iv = s.secrets.iv2(s.iv, q.mid)
	q.ni = s.random(make([]byte, nonceSize))
	q.spiIn = s.env.SPI()
	s.keep(q)
	group := child.Proposals[0].Group
	if group == 0 {
		s.sendQM1(q)
		return
	}
	x, err := crypt.NewExponent(group, s.env.Rand)
	if err != nil {
		s.failQuick(q, malformed(err.Error()).fault)
		return
	}
	q.exponent = x
	s.compute(func() any { return publicOf(x) }, func(result any) {
		if c, ok := s.quickComputed(q, result); ok {
			q.public = c.public
			s.sendQM1(q)
		}
	})
}

func (s *Session) sendQM1(q *quick) {
	offer := offerESP(q.child, q.spiIn, q.encap).Append(nil)
	chain := q.payloads(offer, q.ni)
	chain = append(chain,
		isakmp.Payload{Type: isakmp.ID, Body: networkID(q.child.Sel.Local).Append(nil)},
		isakmp.Payload{Type: isakmp.ID, Body: networkID(q.child.Sel.Remote).Append(nil)})
	q.phase = wantAnswer
	s.send(&q.flight, s.remote, isakmp.QuickMode, "QM1", s.sealQuick(q, s.secrets.hashed(chain, midBytes(q.mid))))
}

// takeQM2 takes the answer to our quick mode.
func (s *Session) takeQM2(q *quick, m message) {
	o, err := s.secrets.open(q.iv, m)
	if err != nil || !s.secrets.verify(o, midBytes(q.mid), q.ni) {
		s.refuse(m.Exchange, "QM2", malformed("the message is not authentic").fault)
		return
	}
	s.acceptQuick(q, "QM2", o, m)
	q.phase = away
	p, fault := s.checkAnswer(q, o)
	if fault != nil {
		s.failQuick(q, fault)
		s.notifyAuthentic(isakmp.NoProposalChosen, q.spiOut)
		return
	}
	q.nr = p.nonce
	s.obeyLifetime(q, o)
	if q.choice.proposal.Group == 0 {
		s.sendQM3(q)
		return
	}
	x := q.exponent
	s.compute(func() any { return sharedOf(x, p.public) }, func(result any) {
		if c, ok := s.quickComputed(q, result); ok {
			q.shared = c.shared
			s.sendQM3(q)
		}
	})
}

// checkAnswer holds QM2 against what we asked for.
func (s *Session) checkAnswer(q *quick, o opened) (proposed, *ike.Fault) {
	p, err := readProposed(o)
	if err != nil {
		return p, malformed(err.Error()).fault
	}
	q.spiOut = proposedSPI(p.sa)
	theirs := candidates(p.sa, isakmp.ProtoESP, readESP)
	choice, ok := choose(q.child.Proposals, theirs)
	_, valid := validSPI(choice.spi)
	if len(theirs) != 1 || !ok || !s.encapFits(choice.encap) || !valid {
		return p, notOffered(phase2(s.peer.Name, q.child), theirs)
	}
	if (choice.proposal.Group != 0) != (p.public != nil) {
		return p, &ike.Fault{Cause: ike.CausePFS, Text: "the peer's answer lacks, or adds, the key exchange of PFS"}
	}
	if choice.proposal.Group != 0 {
		if no := checkPublicSize(choice.proposal.Group, p.public); no != nil {
			return p, no.fault
		}
	}
	if sel, err := s.selector(p.ids, true); err != nil || len(p.ids) == 2 && sel != q.child.Sel {
		return p, otherNetworks("the peer answered for another pair of networks", q.child.Sel, sel)
	}
	q.choice = choice
	return p, nil
}

// obeyLifetime takes over a lifetime that the responder says is shorter.
func (s *Session) obeyLifetime(q *quick, o opened) {
	for _, body := range isakmp.All(o.chain, isakmp.Notify) {
		n, err := isakmp.ParseNotify(body)
		if err != nil || n.Type != isakmp.ResponderLifetime {
			continue
		}
		list, err := isakmp.ParseAttributes(n.Data)
		if err != nil {
			continue
		}
		q.choice.life = q.choice.life.Min(lifetime(list, isakmp.ESPLifeType, isakmp.ESPLife))
	}
}

// sendQM3 ends our quick mode: both SAs stand before the peer may send.
func (s *Session) sendQM3(q *quick) {
	in, out, ok := s.sas(q)
	if !ok {
		return
	}
	s.do(ike.Install{SA: in})
	s.do(ike.Install{SA: out})
	proof := isakmp.Payload{Type: isakmp.Hash, Body: s.secrets.prf([]byte{0}, midBytes(q.mid), q.ni, q.nr)}
	data := s.sealQuick(q, []isakmp.Payload{proof})
	q.replies.answer(data)
	s.sendOnce(s.remote, isakmp.QuickMode, "QM3", data, q.spiIn)
	s.finish(q)
}

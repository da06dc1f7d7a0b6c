package v1

import (
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// beginPhase1 begins the exchange that the peer is configured with.
func (s *Session) beginPhase1() {
	if s.mode == ike.Aggressive {
		s.beginAggressive()
		return
	}
	s.beginMain()
}

// beginMain sends message 1.
func (s *Session) beginMain() {
	s.phase1.offer = offerIKE(s.peer).Append(nil)
	s.state = wantChoice
	s.sendClear("MM1", append([]isakmp.Payload{{Type: isakmp.SA, Body: s.phase1.offer}}, announce(s.peer)...))
}

// takeChoice takes message 2 and, once the key pair is made, sends message 3.
func (s *Session) takeChoice(m message) (func(), *refusal) {
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return nil, malformed(err.Error())
	}
	choice, no := s.readChoice(chain)
	if no != nil {
		return nil, no
	}
	return func() {
		s.cookies.Responder = m.Responder
		s.phase1.choice = choice.agreed()
		s.ext, _ = understand([]*ike.Peer{s.peer}, chain)
		s.phase1.ni = s.random(make([]byte, nonceSize))
		s.computePublic(func() {
			s.state = wantResponderKey
			s.sendClear("MM3", s.keyPayloads(s.phase1.gxi, s.phase1.ni))
		})
	}, nil
}

// readChoice reads what the peer has chosen of our offer.
func (s *Session) readChoice(chain []isakmp.Payload) (choice, *refusal) {
	body, _ := isakmp.Find(chain, isakmp.SA)
	sa, err := isakmp.ParseSA(body)
	if err != nil {
		return choice{}, malformed(err.Error())
	}
	c, fault := checkIKEChoice(s.peer, sa)
	if fault != nil {
		return choice{}, &refusal{fault: fault}
	}
	return c, nil
}

// takeResponderKey takes message 4 and, once the keys are made, sends message
// 5, from port 4500 when a translator is on the way (RFC 3947 §4).
func (s *Session) takeResponderKey(m message) (func(), *refusal) {
	k, no := s.readKey(m)
	if no != nil {
		return nil, no
	}
	return func() {
		s.phase1.gxr, s.phase1.nr = k.public, k.nonce
		s.detectNAT(k.chain)
		s.ext.late(k.chain)
		x := s.phase1.exponent
		s.state = computing
		s.compute(func() any { return sharedOf(x, k.public) }, func(result any) {
			r, ok := s.took(result)
			if !ok {
				return
			}
			s.phase1.shared = r.shared
			s.sendInitiatorID()
		})
	}, nil
}

func (s *Session) sendInitiatorID() {
	if !s.makeSecrets(s.peer.Keys[0]) {
		return
	}
	s.floatPorts()
	id := identity(s.peer.LocalID).Append(nil)
	chain := []isakmp.Payload{{Type: isakmp.ID, Body: id}, {Type: isakmp.Hash, Body: s.phase1.hashI(s.secrets, s.cookies, id)}}
	if s.contact() {
		chain = append(chain, isakmp.Payload{Type: isakmp.Notify, Body: s.initialContact()})
	}
	data, next := s.secrets.seal(s.iv, s.header(isakmp.MainMode, 0), chain)
	s.iv = next
	s.state = wantResponderID
	s.sendPhase1("MM5", data)
}

// takeResponderID takes message 6: phase 1 stands.
func (s *Session) takeResponderID(m message) (func(), *refusal) {
	o, err := s.secrets.open(s.iv, m)
	if err != nil || !hashFits(o.chain, s.phase1.hashR(s.secrets, s.cookies, o.get(isakmp.ID))) {
		return nil, &refusal{fault: notOpened("message 6", m, s.secrets.cbc.BlockSize(), o)}
	}
	if fault := checkIdentity(at(s.peer, s.remote.Addr()), o.get(isakmp.ID)); fault != nil {
		return func() {
			s.iv = o.next
			s.turnAway("MM6", fault)
		}, nil
	}
	return func() {
		s.iv = o.next
		s.establish(o.get(isakmp.ID))
		s.takeAsides(o)
	}, nil
}

// turnAway ends a session whose peer has the key and is somebody else than it
// should be. To that peer phase 1 stands, so it is told that it does not.
func (s *Session) turnAway(step string, f *ike.Fault) {
	s.refuse(exchangeOf(s.mode), step, f)
	s.sendInformational(isakmp.InvalidID.String(), isakmp.Payload{
		Type: isakmp.Notify,
		Body: isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.InvalidID, SPI: s.cookieSPI()}.Append(nil),
	})
	s.deleteSession()
	s.down(f)
}

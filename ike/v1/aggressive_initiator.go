package v1

import (
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// ofOneGroup are the proposals that have the group of the first one: the public
// value goes out beside the offer, so the group cannot be negotiated (RFC 2409
// §5).
func ofOneGroup(list []ike.Proposal) []ike.Proposal {
	var same []ike.Proposal
	for _, p := range list {
		if p.Group == list[0].Group {
			same = append(same, p)
		}
	}
	return same
}

// beginAggressive makes our key pair and sends message 1.
func (s *Session) beginAggressive() {
	of := *s.peer
	of.Proposals = ofOneGroup(of.Proposals)
	s.peer = &of
	s.phase1.offer = offerIKE(s.peer).Append(nil)
	s.phase1.choice.proposal.Group = s.peer.Proposals[0].Group
	s.phase1.ni = s.random(make([]byte, nonceSize))
	s.phase1.idii = identity(s.peer.LocalID).Append(nil)
	s.computePublic(func() {
		s.state = wantResponderProof
		chain := append([]isakmp.Payload{
			{Type: isakmp.SA, Body: s.phase1.offer},
			{Type: isakmp.KE, Body: s.phase1.gxi},
			{Type: isakmp.Nonce, Body: s.phase1.ni},
			{Type: isakmp.ID, Body: s.phase1.idii},
		}, announce(s.peer)...)
		s.sendClear("AM1", append(chain, vendor(ballast(s.peer))))
	})
}

// vendorTwinspan is what ballast begins with: MD5 of "Twinspan aggressive mode".
var vendorTwinspan = []byte{0x9c, 0x71, 0xc1, 0xe8, 0xd2, 0x57, 0x61, 0xb5, 0x29, 0x62, 0xb2, 0xb9, 0x6a, 0x8e, 0x06, 0x09}

// ballast is a vendor id that means nothing by itself and is as long as need be.
// Message 2 has three hashes that message 1 has not, HASH_R and two of NAT-D, and
// its identity may be the longer one. A responder of our own kind sends no more
// than it got while our address may be forged: so it can answer at once.
func ballast(p *ike.Peer) []byte {
	hash := 0
	for _, prop := range p.Proposals {
		hash = max(hash, prop.Hash.Size())
	}
	longer := len(identity(at(p, p.Remote).RemoteID).Append(nil)) - len(identity(p.LocalID).Append(nil))
	id := make([]byte, 3*(payloadHeader+hash)+max(longer, 0)-payloadHeader)
	copy(id, vendorTwinspan)
	return id
}

// payloadHeader is the size of a payload's generic header.
const payloadHeader = 4

// maxForged is for how many answers that are not the peer's the keys are
// computed: whoever sees message 1 can make up any number.
const maxForged = 3

// takeResponderProof takes message 2. Whether it is the peer's shows only under
// the keys, so they are made beside what the session has; till then the session
// has seen nothing of it, and goes on waiting when it is not.
func (s *Session) takeResponderProof(m message) (func(), *refusal) {
	if no := s.phase1.forged[digest(m.raw)]; no != nil {
		return nil, no
	}
	if len(s.phase1.forged) == maxForged {
		return nil, malformed("too many answers were not authentic")
	}
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return nil, malformed(err.Error())
	}
	choice, no := s.readChoice(chain)
	if no != nil {
		return nil, no
	}
	k, no := findKey(chain, choice.proposal.Group)
	if no != nil {
		return nil, no
	}
	return func() {
		trial := *s.phase1
		trial.choice, trial.gxr, trial.nr = choice.agreed(), k.public, k.nonce
		s.state = computing
		s.compute(func() any { return sharedOf(trial.exponent, k.public) }, func(result any) {
			s.weigh(m, chain, &trial, result)
		})
	}, nil
}

// weigh verifies message 2 under the keys that it leads to.
func (s *Session) weigh(m message, chain []isakmp.Payload, trial *keyExchange, result any) {
	s.state = wantResponderProof
	cookies := ike.Cookies{Initiator: s.cookies.Initiator, Responder: m.Responder}
	sec, no := s.verifyResponder(chain, trial, cookies, result)
	if no != nil {
		s.phase1.forge(m.raw, no)
		s.refusePhase1(m, "AM2", no)
		return
	}
	s.accepted(m, "AM2")
	*s.phase1, s.cookies = *trial, cookies
	s.secrets, s.iv = sec, trial.firstIV(sec)
	id, _ := isakmp.Find(chain, isakmp.ID)
	if fault := checkIdentity(at(s.peer, s.remote.Addr()), id); fault != nil {
		s.turnAway("AM2", fault)
		return
	}
	s.ext, _ = understand([]*ike.Peer{s.peer}, chain)
	s.detectNAT(chain)
	s.proveInitiator(id)
}

// verifyResponder makes the keys of message 2 and checks HASH_R.
func (s *Session) verifyResponder(chain []isakmp.Payload, trial *keyExchange, c ike.Cookies, result any) (secrets, *refusal) {
	r, _ := result.(computed)
	if r.err != nil {
		return secrets{}, malformed(r.err.Error())
	}
	trial.shared = r.shared
	sec, err := newSecrets(trial.choice.proposal, s.peer.Keys[0], trial, c)
	if err != nil {
		return secrets{}, malformed(err.Error())
	}
	id, _ := isakmp.Find(chain, isakmp.ID)
	if !hashFits(chain, trial.hashR(sec, c, id)) {
		sec.wipe()
		return secrets{}, &refusal{notify: isakmp.AuthenticationFailed, fault: otherKeys(
			"the pre-shared keys differ: the peer's answer is not authentic under ours")}
	}
	return sec, nil
}

// forge remembers an answer that is not the peer's: the same again is not worth
// another computation.
func (k *keyExchange) forge(raw []byte, no *refusal) {
	if k.forged == nil {
		k.forged = map[[16]byte]*refusal{}
	}
	k.forged[digest(raw)] = no
}

// afterProof is how long the first quick mode lets message 3 go ahead. strongSwan
// handles what comes in on several threads: it drops a quick mode that overtakes
// message 3, and then only its resend is heard, two seconds later.
const afterProof = 100 * time.Millisecond

// proveInitiator sends message 3, from port 4500 when a translator is on the way
// (RFC 3947 §4): phase 1 stands. The message is encrypted, as strongSwan's and
// Libreswan's is; nothing answers it, so it is sent again until the peer is heard
// under the new keys.
func (s *Session) proveInitiator(peerID []byte) {
	s.floatPorts()
	chain := []isakmp.Payload{{Type: isakmp.Hash, Body: s.phase1.hashI(s.secrets, s.cookies, s.phase1.idii)}}
	if s.ext.natt != natNone {
		chain = append(chain, s.natPayloads()...)
	}
	if s.contact() {
		chain = append(chain, isakmp.Payload{Type: isakmp.Notify, Body: s.initialContact()})
	}
	data, next := s.secrets.seal(s.iv, s.header(isakmp.AggressiveMode, 0), chain)
	s.iv = next
	s.replies.answer(data)
	s.sendPhase1("AM3", data)
	s.establish(peerID)
	s.pause = s.now.Add(afterProof)
}

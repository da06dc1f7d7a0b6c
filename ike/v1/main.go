package v1

import (
	"crypto/subtle"
	"fmt"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// state is how far a session is; it is named after what it waits for.
type state uint8

const (
	idle             state = iota // initiator, before its first Step
	wantOffer                     // responder ← HDR, SA
	wantChoice                    // initiator ← HDR, SA
	wantInitiatorKey              // responder ← HDR, KE, Ni
	wantResponderKey              // initiator ← HDR, KE, Nr
	computing                     // either, while Diffie-Hellman is away
	wantInitiatorID               // responder ← HDR*, IDii, HASH_I
	wantResponderID               // initiator ← HDR*, IDir, HASH_R
	established
	dead
)

// steps names the message that each state of main mode waits for.
var steps = map[state]string{
	wantOffer: "MM1", wantChoice: "MM2", wantInitiatorKey: "MM3",
	wantResponderKey: "MM4", wantInitiatorID: "MM5", wantResponderID: "MM6",
}

// row is what one state of main mode takes. take checks the message and changes
// nothing; the accept that it returns is run once all is well.
type row struct {
	encrypted bool
	take      func(*Session, message) (accept func(), no *refusal)
}

// mainTable is main mode with pre-shared keys (RFC 2409 §5.4).
var mainTable = map[state]row{
	wantOffer:        {false, (*Session).takeOffer},
	wantChoice:       {false, (*Session).takeChoice},
	wantInitiatorKey: {false, (*Session).takeInitiatorKey},
	wantResponderKey: {false, (*Session).takeResponderKey},
	wantInitiatorID:  {true, (*Session).takeInitiatorID},
	wantResponderID:  {true, (*Session).takeResponderID},
}

// mainMode is what the exchange collects on its way to the session's keys.
type mainMode struct {
	offer    []byte // SAi_b, as it went over the wire
	choice   choice
	exponent crypt.Exponent
	gxi, gxr []byte
	ni, nr   []byte
	shared   []byte // g^xy
	notified int    // error notifications sent in clear
}

// refusal is why a message is not accepted.
type refusal struct {
	fault  *ike.Fault
	notify isakmp.NotifyType // what the peer is told, 0 for nothing
	fatal  bool              // the sender is authenticated, or the session is not worth keeping
}

func malformed(text string) *refusal {
	return &refusal{fault: &ike.Fault{Cause: ike.CauseMalformed, Text: text}}
}

// takeMain takes a message of main mode.
func (s *Session) takeMain(m message) {
	if r := s.replies.find(m.raw); r != nil {
		s.answerAgain(r, s.remote)
		return
	}
	row, ok := mainTable[s.state]
	if !ok || !s.cookiesMatch(m) || m.MessageID != 0 {
		return // late, early or not ours: none of it is worth a line
	}
	step := steps[s.state]
	if encrypted := m.Flags&isakmp.Encrypted != 0; encrypted != row.encrypted {
		s.refuse(m.Exchange, step, malformed("the message is "+map[bool]string{true: "encrypted", false: "not encrypted"}[encrypted]).fault)
		return
	}
	accept, no := row.take(s, m)
	if no != nil {
		s.refuseMain(m, step, no)
		return
	}
	s.replies.took(m.raw)
	s.report(ike.Report{Kind: ike.MessageIn, Exchange: m.Exchange.String(), Step: step, Bytes: len(m.raw)})
	s.flight.answered()
	accept()
}

// cookiesMatch holds a message of main mode against what is known so far.
func (s *Session) cookiesMatch(m message) bool {
	switch s.state {
	case wantOffer:
		return m.Initiator != [8]byte{} && m.Responder == [8]byte{}
	case wantChoice:
		return m.Initiator == s.cookies.Initiator && m.Responder != [8]byte{}
	}
	return m.Initiator == s.cookies.Initiator && m.Responder == s.cookies.Responder
}

func (s *Session) refuseMain(m message, step string, no *refusal) {
	s.refuse(m.Exchange, step, no.fault)
	if no.fault.Cause == ike.CauseAuth {
		s.hint = no.fault // says more than that the exchange came to nothing
	}
	if no.notify != 0 {
		s.notifyInClear(m, no.notify)
	}
	if no.fatal {
		s.down(no.fault)
	}
}

// header is that of our next message.
func (s *Session) header(x isakmp.Exchange, mid uint32) isakmp.Header {
	return isakmp.Header{Initiator: s.cookies.Initiator, Responder: s.cookies.Responder, Exchange: x, MessageID: mid}
}

// clear makes a message that is not encrypted. It is not padded: some peers
// drop padded ones.
func clearMessage(h isakmp.Header, chain []isakmp.Payload) []byte {
	body := isakmp.AppendChain(nil, chain...)
	h.Next, h.Length = chain[0].Type, uint32(isakmp.HeaderSize+len(body))
	return append(h.Append(make([]byte, 0, h.Length)), body...)
}

// beginMain sends message 1.
func (s *Session) beginMain() {
	s.main.offer = offerIKE(s.peer).Append(nil)
	s.state = wantChoice
	s.sendMain("MM1", []isakmp.Payload{{Type: isakmp.SA, Body: s.main.offer}, {Type: isakmp.Vendor, Body: vendorNATT}})
}

// sendMain sends our next clear message of main mode: as initiator one that
// waits for its answer, as responder the answer to the newest request.
func (s *Session) sendMain(step string, chain []isakmp.Payload) {
	s.sendMainRaw(step, clearMessage(s.header(isakmp.MainMode, 0), chain))
}

func (s *Session) sendMainRaw(step string, data []byte) {
	if s.initiator {
		s.send(&s.flight, s.remote, isakmp.MainMode, step, data)
		return
	}
	s.replies.answer(data)
	s.sendOnce(s.remote, isakmp.MainMode, step, data, 0)
}

// maxOffer bounds what a stranger can make a responder keep.
const maxOffer = 2048

// takeOffer takes message 1 and answers with message 2. Nothing is computed
// yet, and what is kept is the offer and the cookies. The answer is never
// longer than the message: it has one transform of those offered, and our
// vendor id only if the peer sent it.
func (s *Session) takeOffer(m message) (func(), *refusal) {
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return nil, s.hopeless(malformed(err.Error()))
	}
	offer, ok := isakmp.Find(chain, isakmp.SA)
	if !ok || len(offer) > maxOffer {
		return nil, s.hopeless(malformed("message 1 has no SA payload of at most 2048 bytes"))
	}
	sa, err := isakmp.ParseSA(offer)
	if err != nil {
		return nil, s.hopeless(malformed(err.Error()))
	}
	choice, fitting, fault := chooseForAny(s.candidates, sa)
	if fault != nil {
		return nil, &refusal{fault: fault, notify: isakmp.NoProposalChosen, fatal: true}
	}
	return func() {
		s.candidates = fitting
		s.cookies = ike.Cookies{Initiator: m.Initiator, Responder: s.newCookie()}
		s.main.offer, s.main.choice = append([]byte(nil), offer...), choice
		s.nat.offered = hasVendor(chain, vendorNATT)
		s.state, s.deadline = wantInitiatorKey, s.now.Add(halfOpen)
		answer := []isakmp.Payload{{Type: isakmp.SA, Body: choice.answer(nil).Append(nil)}}
		if s.nat.offered {
			answer = append(answer, isakmp.Payload{Type: isakmp.Vendor, Body: vendorNATT})
		}
		s.sendMain("MM2", answer)
	}, nil
}

// hopeless makes a refusal end the session: a first message that is refused
// leaves no state behind.
func (s *Session) hopeless(no *refusal) *refusal {
	no.fatal = true
	return no
}

// takeChoice takes message 2 and, once the key pair is made, sends message 3.
func (s *Session) takeChoice(m message) (func(), *refusal) {
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return nil, malformed(err.Error())
	}
	body, _ := isakmp.Find(chain, isakmp.SA)
	sa, err := isakmp.ParseSA(body)
	if err != nil {
		return nil, malformed(err.Error())
	}
	choice, fault := checkIKEChoice(s.peer, sa)
	if fault != nil {
		return nil, &refusal{fault: fault}
	}
	return func() {
		s.cookies.Responder = m.Responder
		s.main.choice = choice
		s.nat.offered = hasVendor(chain, vendorNATT)
		s.main.ni = s.random(make([]byte, nonceSize))
		s.computePublic(func() {
			s.state = wantResponderKey
			s.sendMain("MM3", s.keyPayloads(s.main.gxi, s.main.ni))
		})
	}, nil
}

// nonceSize is the length of our nonces in bytes (RFC 2409 §5: 8 to 256).
const (
	nonceSize = 32
	minNonce  = 8
	maxNonce  = 256
)

// keyPayloads are those of messages 3 and 4.
func (s *Session) keyPayloads(public, nonce []byte) []isakmp.Payload {
	chain := []isakmp.Payload{{Type: isakmp.KE, Body: public}, {Type: isakmp.Nonce, Body: nonce}}
	if s.nat.offered {
		chain = append(chain, s.natPayloads()...)
	}
	return chain
}

// key is what messages 3 and 4 carry.
type key struct {
	public, nonce []byte
	chain         []isakmp.Payload
}

// readKey reads and checks a message 3 or 4.
func (s *Session) readKey(m message) (key, *refusal) {
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return key{}, malformed(err.Error())
	}
	k := key{chain: chain}
	k.public, _ = isakmp.Find(chain, isakmp.KE)
	k.nonce, _ = isakmp.Find(chain, isakmp.Nonce)
	if len(k.nonce) < minNonce || len(k.nonce) > maxNonce {
		return key{}, malformed("the nonce must have 8 to 256 bytes")
	}
	if no := checkPublicSize(s.main.choice.proposal.Group, k.public); no != nil {
		return key{}, no
	}
	k.public, k.nonce = append([]byte(nil), k.public...), append([]byte(nil), k.nonce...)
	return k, nil
}

// checkPublicSize is what the loop checks of a public value; the job that
// computes with it checks the rest, which for group 24 is an exponentiation.
func checkPublicSize(g ike.Group, public []byte) *refusal {
	if row, _ := suite.GroupOf(g); len(public) != row.Public {
		return malformed(fmt.Sprintf("a public value of %d bytes, where %v has %d", len(public), g, row.Public))
	}
	return nil
}

// computePublic makes our key pair away from the loop.
func (s *Session) computePublic(then func()) {
	x, ok := s.newExponent()
	if !ok {
		return
	}
	s.compute(func() any { return publicOf(x) }, func(result any) {
		if r, ok := s.took(result); ok {
			s.main.gxi = r.public
			then()
		}
	})
}

// newExponent draws the session's private value. It fails for a group that the
// table has and crypt has not, which no test lets happen.
func (s *Session) newExponent() (crypt.Exponent, bool) {
	x, err := crypt.NewExponent(s.main.choice.proposal.Group, s.env.Rand)
	if err != nil {
		s.down(&ike.Fault{Cause: ike.CauseProposal, Text: err.Error()})
		return x, false
	}
	s.main.exponent, s.state = x, computing
	return x, true
}

// computed is what a job brings back.
type computed struct {
	public, shared []byte
	err            error
}

func publicOf(x crypt.Exponent) computed {
	public, err := x.Public()
	return computed{public: public, err: err}
}

func sharedOf(x crypt.Exponent, peer []byte) computed {
	shared, err := x.Shared(peer)
	return computed{shared: shared, err: err}
}

func bothOf(x crypt.Exponent, peer []byte) computed {
	c := publicOf(x)
	if c.err == nil {
		c.shared, c.err = x.Shared(peer)
	}
	return c
}

// took ends the session when a job failed.
func (s *Session) took(result any) (computed, bool) {
	c, _ := result.(computed)
	if c.err != nil {
		s.down(malformed(c.err.Error()).fault)
		return c, false
	}
	return c, true
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

// takeResponderKey takes message 4 and, once the keys are made, sends message
// 5, from port 4500 when a translator is on the way (RFC 3947 §4).
func (s *Session) takeResponderKey(m message) (func(), *refusal) {
	k, no := s.readKey(m)
	if no != nil {
		return nil, no
	}
	return func() {
		s.main.gxr, s.main.nr = k.public, k.nonce
		s.detectNAT(k.chain)
		x := s.main.exponent
		s.state = computing
		s.compute(func() any { return sharedOf(x, k.public) }, func(result any) {
			r, ok := s.took(result)
			if !ok {
				return
			}
			s.main.shared = r.shared
			s.sendInitiatorID()
		})
	}, nil
}

func (s *Session) sendInitiatorID() {
	if !s.makeSecrets(s.peer.PSK) {
		return
	}
	s.floatPorts()
	id := identity(s.peer.LocalID).Append(nil)
	chain := []isakmp.Payload{{Type: isakmp.ID, Body: id}, {Type: isakmp.Hash, Body: s.hashI(s.secrets, id)}}
	if s.contact {
		chain = append(chain, isakmp.Payload{Type: isakmp.Notify, Body: s.initialContact()})
	}
	data, next := s.secrets.seal(s.iv, s.header(isakmp.MainMode, 0), chain)
	s.iv = next
	s.state = wantResponderID
	s.sendMainRaw("MM5", data)
}

// makeSecrets expands the keys and main mode's first IV.
func (s *Session) makeSecrets(psk xfrm.Secret) bool {
	sec, err := newSecrets(s.main.choice.proposal, psk, s.main, s.cookies)
	if err != nil {
		s.down(&ike.Fault{Cause: ike.CauseMalformed, Text: err.Error()})
		return false
	}
	s.secrets, s.iv = sec, s.firstIV(sec)
	return true
}

// firstIV is the IV of the first encrypted message (RFC 2409 appendix B).
func (s *Session) firstIV(sec secrets) []byte {
	return crypt.Sum(sec.hash, s.main.gxi, s.main.gxr)[:sec.cbc.BlockSize()]
}

// hashI is HASH_I, hashR is HASH_R (RFC 2409 §5): both cover SAi_b, the
// initiator's offer, as it went over the wire.
func (s *Session) hashI(sec secrets, id []byte) []byte {
	return crypt.PRF(sec.hash, sec.keys.ID, s.main.gxi, s.main.gxr,
		s.cookies.Initiator[:], s.cookies.Responder[:], s.main.offer, id)
}

func (s *Session) hashR(sec secrets, id []byte) []byte {
	return crypt.PRF(sec.hash, sec.keys.ID, s.main.gxr, s.main.gxi,
		s.cookies.Responder[:], s.cookies.Initiator[:], s.main.offer, id)
}

// takeInitiatorID takes message 5. In main mode the key must be chosen before
// the identity is known: each candidate's is tried.
func (s *Session) takeInitiatorID(m message) (func(), *refusal) {
	for _, p := range s.candidates {
		sec, err := newSecrets(s.main.choice.proposal, p.PSK, s.main, s.cookies)
		if err != nil {
			return nil, malformed(err.Error())
		}
		o, err := sec.open(s.firstIV(sec), m)
		if err != nil || !authentic(o, s.hashI, sec) {
			continue
		}
		if fault := checkIdentity(p, o.get(isakmp.ID)); fault != nil {
			return nil, &refusal{fault: fault, notify: isakmp.InvalidID, fatal: true}
		}
		return func() { s.acceptInitiator(p, sec, o, m) }, nil
	}
	return nil, &refusal{notify: isakmp.AuthenticationFailed, fault: &ike.Fault{
		Cause:  ike.CauseAuth,
		Text:   "the pre-shared keys differ: message 5 cannot be decrypted with ours",
		Advice: "write the same pre_shared_key on both sides; mind blanks at its end",
	}}
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
	s.nat.moved = s.nat.offered && s.local.Port() != xfrm.PortNATT && m.local.Port() == xfrm.PortNATT
	s.local, s.remote = m.local, m.remote
	id := identity(p.LocalID).Append(nil)
	data, next := sec.seal(s.iv, s.header(isakmp.MainMode, 0), []isakmp.Payload{
		{Type: isakmp.ID, Body: id}, {Type: isakmp.Hash, Body: s.hashR(sec, id)},
	})
	s.iv = next
	s.sendMainRaw("MM6", data)
	s.establish(o.get(isakmp.ID))
	for _, body := range isakmp.All(o.chain, isakmp.Notify) {
		if n, err := isakmp.ParseNotify(body); err == nil && n.Type == isakmp.InitialContact {
			s.report(ike.Report{Kind: ike.PeerRestarted})
		}
	}
}

// takeResponderID takes message 6: phase 1 stands.
func (s *Session) takeResponderID(m message) (func(), *refusal) {
	o, err := s.secrets.open(s.iv, m)
	if err != nil || !authentic(o, s.hashR, s.secrets) {
		return nil, &refusal{fault: &ike.Fault{
			Cause: ike.CauseAuth, Text: "message 6 is not authentic", Advice: "write the same pre_shared_key on both sides",
		}}
	}
	if fault := checkIdentity(s.peer, o.get(isakmp.ID)); fault != nil {
		return nil, &refusal{fault: fault, fatal: true}
	}
	return func() {
		s.iv = o.next
		s.establish(o.get(isakmp.ID))
	}, nil
}

// establish ends main mode. Only the keys, the last block and the answer to
// message 5 are kept.
func (s *Session) establish(peerID []byte) {
	c := s.main.choice
	life := ike.Lifetime{Time: c.life.Time}.Min(ike.Lifetime{Time: s.peer.Lifetime.Time})
	s.iv = append([]byte(nil), s.iv...)
	s.state, s.main, s.deadline, s.hint, s.heard = established, nil, zeroTime, nil, s.now
	s.status = ike.SessionStatus{
		Cookies: s.cookies, Local: s.local, Remote: s.remote, Initiator: s.initiator, Mode: ike.Main,
		Proposal: c.proposal, PeerID: describeID(peerID), NAT: s.nat.String(),
		Established: s.now, Expires: s.now.Add(life.Time),
	}
	if s.nat.here {
		s.alive = s.now.Add(keepaliveEvery)
	}
	status := s.status
	s.report(ike.Report{Kind: ike.SessionUp, Session: &status})
}

// words spells a proposal as the configuration does.
func words(p ike.Proposal) string { return suite.Words(p) }

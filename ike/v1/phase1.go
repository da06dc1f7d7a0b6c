package v1

import (
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// state is how far a session is; it is named after what it waits for.
type state uint8

const (
	idle               state = iota // initiator, before its first Step
	wantOffer                       // responder ← HDR, SA; aggressive mode: HDR, SA, KE, Ni, IDii
	wantChoice                      // initiator ← HDR, SA
	wantInitiatorKey                // responder ← HDR, KE, Ni
	wantResponderKey                // initiator ← HDR, KE, Nr
	computing                       // either, while Diffie-Hellman is away
	wantInitiatorID                 // responder ← HDR*, IDii, HASH_I
	wantResponderID                 // initiator ← HDR*, IDir, HASH_R
	wantResponderProof              // aggressive initiator ← HDR, SA, KE, Nr, IDir, HASH_R
	wantInitiatorProof              // aggressive responder ← HDR, HASH_I or HDR*, HASH_I
	established
	dead
)

// row is what one state of phase 1 takes. take checks the message and changes
// nothing; the accept that it returns is run once all is well.
type row struct {
	step string
	form form
	take func(*Session, message) (accept func(), no *refusal)
}

// form is how a message must be.
type form uint8

const (
	inClear    form = iota
	encrypted       // of phase 1's own key
	eitherForm      // as the peer likes
	untried         // in clear, and what accept computes shows whether it is the peer's
)

// fits tells whether a message may have these flags.
func (f form) fits(flags isakmp.Flags) bool {
	return f == eitherForm || (f == encrypted) == (flags&isakmp.Encrypted != 0)
}

// tables are the exchanges of phase 1 with pre-shared keys (RFC 2409 §5.4).
var tables = map[isakmp.Exchange]map[state]row{
	isakmp.MainMode: {
		wantOffer:        {"MM1", inClear, (*Session).takeOffer},
		wantChoice:       {"MM2", inClear, (*Session).takeChoice},
		wantInitiatorKey: {"MM3", inClear, (*Session).takeInitiatorKey},
		wantResponderKey: {"MM4", inClear, (*Session).takeResponderKey},
		wantInitiatorID:  {"MM5", encrypted, (*Session).takeInitiatorID},
		wantResponderID:  {"MM6", encrypted, (*Session).takeResponderID},
	},
	isakmp.AggressiveMode: {
		wantOffer:          {"AM1", inClear, (*Session).takeWholeOffer},
		wantResponderProof: {"AM2", untried, (*Session).takeResponderProof},
		wantInitiatorProof: {"AM3", eitherForm, (*Session).takeInitiatorProof},
	},
}

// exchangeOf is a mode of phase 1 on the wire.
func exchangeOf(m ike.Mode) isakmp.Exchange {
	if m == ike.Aggressive {
		return isakmp.AggressiveMode
	}
	return isakmp.MainMode
}

// awaited names the message that the session waits for, "" if none of phase 1.
func (s *Session) awaited() string { return tables[exchangeOf(s.mode)][s.state].step }

// keyExchange is what phase 1 collects on its way to the session's keys.
type keyExchange struct {
	offer    []byte // SAi_b, as it went over the wire
	choice   choice
	exponent crypt.Exponent
	gxi, gxr []byte
	ni, nr   []byte
	shared   []byte // g^xy
	oldKey   bool   // the peer has another of its keys than the first
	notified int    // error notifications sent in clear
	aggressive
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

// takePhase1 takes a message of phase 1.
func (s *Session) takePhase1(m message) {
	if r := s.replies.find(m.raw); r != nil {
		s.repeat(r, m)
		return
	}
	row, ok := tables[m.Exchange][s.state]
	if !ok || !s.cookiesMatch(m) || m.MessageID != 0 {
		return // late, early or not ours: none of it is worth a line
	}
	if !row.form.fits(m.Flags) {
		s.refuse(m.Exchange, row.step, malformed("what must be encrypted is not, or the other way round").fault)
		return
	}
	accept, no := row.take(s, m)
	if no != nil {
		s.refusePhase1(m, row.step, no)
		return
	}
	if row.form != untried {
		s.accepted(m, row.step)
	}
	accept()
}

// accepted notes that a message is the one that was waited for.
func (s *Session) accepted(m message, step string) {
	s.replies.took(m.raw)
	s.report(ike.Report{Kind: ike.MessageIn, Exchange: m.Exchange.String(), Step: step, Bytes: len(m.raw)})
	s.flight.answered()
}

// cookiesMatch holds a message of phase 1 against what is known so far.
func (s *Session) cookiesMatch(m message) bool {
	switch s.state {
	case wantOffer:
		return true // begins has seen to it
	case wantChoice, wantResponderProof:
		return m.Initiator == s.cookies.Initiator && m.Responder != [8]byte{}
	}
	return m.Initiator == s.cookies.Initiator && m.Responder == s.cookies.Responder
}

func (s *Session) refusePhase1(m message, step string, no *refusal) {
	s.refuse(m.Exchange, step, no.fault)
	if s.hint == nil || no.fault.Cause != ike.CauseMalformed {
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

// clearMessage makes a message that is not encrypted. It is not padded: some peers
// drop padded ones.
func clearMessage(h isakmp.Header, chain []isakmp.Payload) []byte {
	body := isakmp.AppendChain(nil, chain...)
	h.Next, h.Length = chain[0].Type, uint32(isakmp.HeaderSize+len(body))
	return append(h.Append(make([]byte, 0, h.Length)), body...)
}

// sendClear sends our next clear message of phase 1: as initiator one that
// waits for its answer, as responder the answer to the newest request.
func (s *Session) sendClear(step string, chain []isakmp.Payload) {
	s.sendPhase1(step, clearMessage(s.header(exchangeOf(s.mode), 0), chain))
}

func (s *Session) sendPhase1(step string, data []byte) {
	if s.initiator {
		s.send(&s.flight, s.remote, exchangeOf(s.mode), step, data)
		return
	}
	s.replies.answer(data)
	s.sendOnce(s.remote, exchangeOf(s.mode), step, data, 0)
}

// establish ends phase 1. Only the keys, the last block and the answer to the
// last message are kept.
func (s *Session) establish(peerID []byte) {
	c := s.phase1.choice
	life := ike.Lifetime{Time: c.life.Time}.Min(ike.Lifetime{Time: s.peer.Lifetime.Time})
	oldKey := s.phase1.oldKey
	s.iv = append([]byte(nil), s.iv...)
	s.phase1.exponent.Wipe()
	clear(s.phase1.shared)
	s.state, s.phase1, s.deadline, s.hint = established, nil, zeroTime, nil
	s.heard = s.now
	s.lives()
	s.status = ike.SessionStatus{
		Cookies: s.cookies, Local: s.local, Remote: s.remote, Initiator: s.initiator, Mode: s.mode,
		Proposal: c.proposal, PeerID: describeID(peerID), NAT: s.nat.String(), OldKey: oldKey,
		Established: s.now,
	}
	s.setLife(life.Time)
	if s.nat.here && s.floated() {
		s.alive = s.now.Add(keepaliveEvery)
	}
	status := s.status
	s.report(ike.Report{Kind: ike.SessionUp, Session: &status})
	s.lifeUntold = !s.initiator && life.Time < c.life.Time
}

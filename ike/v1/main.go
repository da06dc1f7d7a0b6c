package v1

import (
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
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
		s.refuse(m.Exchange, step, malformed("what must be encrypted is not, or the other way round").fault)
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
		return true // beginsMain has seen to it
	case wantChoice:
		return m.Initiator == s.cookies.Initiator && m.Responder != [8]byte{}
	}
	return m.Initiator == s.cookies.Initiator && m.Responder == s.cookies.Responder
}

func (s *Session) refuseMain(m message, step string, no *refusal) {
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

// establish ends main mode. Only the keys, the last block and the answer to
// message 5 are kept.
func (s *Session) establish(peerID []byte) {
	c := s.main.choice
	life := ike.Lifetime{Time: c.life.Time}.Min(ike.Lifetime{Time: s.peer.Lifetime.Time})
	s.iv = append([]byte(nil), s.iv...)
	s.main.exponent.Wipe()
	clear(s.main.shared)
	s.state, s.main, s.deadline, s.hint = established, nil, zeroTime, nil
	s.hears()
	s.status = ike.SessionStatus{
		Cookies: s.cookies, Local: s.local, Remote: s.remote, Initiator: s.initiator, Mode: ike.Main,
		Proposal: c.proposal, PeerID: describeID(peerID), NAT: s.nat.String(),
		Established: s.now,
	}
	s.setLife(life.Time)
	if s.nat.here && s.floated() {
		s.alive = s.now.Add(keepaliveEvery)
	}
	status := s.status
	s.report(ike.Report{Kind: ike.SessionUp, Session: &status})
	s.tellLife(c.life.Time)
}

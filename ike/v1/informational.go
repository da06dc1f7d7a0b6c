package v1

import (
	"bytes"
	"encoding/binary"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// maxNotified bounds the error notifications that go out in clear.
const maxNotified = 3

// notifyInClear tells the sender of a message of phase 1 what is wrong. It is
// shorter than what it answers, else it is not sent.
func (s *Session) notifyInClear(m message, t isakmp.NotifyType) {
	h := isakmp.Header{
		Initiator: m.Initiator, Responder: m.Responder, Exchange: isakmp.Informational, MessageID: s.newMessageID(&s.informed),
	}
	data := clearMessage(h, []isakmp.Payload{{
		Type: isakmp.Notify, Body: isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: t}.Append(nil),
	}})
	if s.phase1 == nil || s.phase1.notified >= maxNotified || len(data) > len(m.raw) {
		return
	}
	s.phase1.notified++
	s.do(ike.Send{Local: m.local, Remote: m.remote, Data: data})
	s.report(ike.Report{Kind: ike.MessageOut, Exchange: h.Exchange.String(), Step: t.String(), Bytes: len(data)})
}

// notifyAuthentic tells an authenticated peer what is wrong with its quick
// mode, 0 being nothing; spi is the one that it proposed.
func (s *Session) notifyAuthentic(t isakmp.NotifyType, spi uint32) {
	if t == 0 || s.state != established {
		return
	}
	n := isakmp.Notification{Protocol: isakmp.ProtoESP, Type: t}
	if spi != 0 {
		n.SPI = spiBytes(spi)
	}
	s.sendInformational(t.String(), isakmp.Payload{Type: isakmp.Notify, Body: n.Append(nil)})
}

// sendInformational sends an authenticated notification or deletion. It is
// never resent nor answered (RFC 2408 §4.8).
func (s *Session) sendInformational(step string, p isakmp.Payload) {
	s.inform(step, s.secrets.hashed, p)
}

// inform sends what hashed makes of a payload.
func (s *Session) inform(step string, hashed func([]isakmp.Payload, ...[]byte) []isakmp.Payload, p isakmp.Payload) {
	mid := s.newMessageID(&s.informed)
	chain := hashed([]isakmp.Payload{p}, midBytes(mid))
	data, _ := s.secrets.seal(s.secrets.iv2(s.iv, mid), s.header(isakmp.Informational, mid), chain)
	s.sendOnce(s.remote, isakmp.Informational, step, data, 0)
}

// initialContact says that we hold nothing else of this peer.
func (s *Session) initialContact() []byte {
	return isakmp.Notification{
		Protocol: isakmp.ProtoISAKMP, Type: isakmp.InitialContact, SPI: s.cookieSPI(),
	}.Append(nil)
}

// cookieSPI is the SPI of an ISAKMP SA: both cookies.
func (s *Session) cookieSPI() []byte {
	return append(append([]byte(nil), s.cookies.Initiator[:]...), s.cookies.Responder[:]...)
}

// deleteSession tells the peer that the ISAKMP SA is gone.
func (s *Session) deleteSession() {
	s.sendInformational("DELETE", isakmp.Payload{
		Type: isakmp.Delete,
		Body: isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{s.cookieSPI()}}.Append(nil),
	})
}

// withdraw has the quick mode that made an inbound SA of ours answer no more
// duplicates: they would confirm what is gone.
func (s *Session) withdraw(spi uint32) {
	for _, q := range s.quicks {
		if q.spiIn == spi {
			q.replies = q.replies.silent()
		}
	}
}

// deleteChildren tells the peer that inbound SAs of ours are gone, all in one
// payload. The SPIs are the sender's own (RFC 2408 §3.15).
func (s *Session) deleteChildren(spis []uint32) {
	d := isakmp.Deletion{Protocol: isakmp.ProtoESP}
	for _, spi := range spis {
		s.withdraw(spi)
		d.SPIs = append(d.SPIs, spiBytes(spi))
	}
	if s.state == established {
		s.sendInformational("DELETE", isakmp.Payload{Type: isakmp.Delete, Body: d.Append(nil)})
	}
}

// takeInformational takes a notification or deletion. Without keys it is a hint
// that anybody can have sent; with them it must be authentic.
func (s *Session) takeInformational(m message) {
	if m.Initiator != s.cookies.Initiator {
		return
	}
	if m.Flags&isakmp.Encrypted == 0 {
		s.takeHint(m)
		return
	}
	if !s.secrets.ready() || m.Responder != s.cookies.Responder || m.MessageID == 0 || s.knows(m.MessageID) {
		return
	}
	o, ok := s.openInformational(m)
	if !ok {
		s.takeForeign(m)
		return
	}
	s.informed.add(m.MessageID)
	// A deletion that overtook the end of its own exchange finds its SA all the
	// same: what is deleted is looked up by SPI, here and in the tunnel. That of
	// the session comes last: the children of the same message are to go too.
	closed := false
	for _, p := range o.chain {
		switch p.Type {
		case isakmp.Notify:
			s.takeNotify(m, p.Body)
		case isakmp.Delete:
			closed = s.takeDelete(m, p.Body) || closed
		}
		if s.state == dead {
			return
		}
	}
	if closed {
		if s.takesBack() {
			s.refuse(m.Exchange, "DELETE", s.weAreUnknown("it closed the IKE SA as soon as it stood"))
		}
		s.down(&ike.Fault{Cause: ike.CauseDeleted, Text: "the peer closed the IKE SA"})
	}
}

// openInformational decrypts an informational message and verifies its hash.
func (s *Session) openInformational(m message) (opened, bool) {
	o, err := s.secrets.open(s.secrets.iv2(s.iv, m.MessageID), m)
	if err != nil {
		return o, false
	}
	if s.secrets.verifyLast(o, midBytes(m.MessageID)) {
		s.dpd.hashLast = true
		return o, true
	}
	return o, s.secrets.verify(o, midBytes(m.MessageID))
}

// takeForeign takes an informational that our keys do not open. A peer with
// another pre-shared key answers so what was to authenticate us (strongSwan
// does): another hint.
func (s *Session) takeForeign(m message) {
	if s.state != wantResponderID && s.state != wantInitiatorProof || s.hint != nil {
		s.refuse(m.Exchange, "", malformed("the message is not authentic").fault)
		return
	}
	s.hint = otherKeys("the peer answers under other keys than ours: most likely the pre-shared keys differ")
	s.refuse(m.Exchange, "", s.hint)
}

// takeHint keeps what an unauthenticated error says, for the explanation of a
// failure; it never causes one.
func (s *Session) takeHint(m message) {
	if s.state == established || !s.initiator && s.state != wantInitiatorProof {
		return
	}
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return
	}
	body, ok := isakmp.Find(chain, isakmp.Notify)
	n, err := isakmp.ParseNotify(body)
	if !ok || err != nil || !n.Type.IsError() || s.hint != nil {
		return
	}
	s.hint = s.phase1Notified(n.Type)
	s.refuse(m.Exchange, n.Type.String(), s.hint)
}

// takeNotify takes an authenticated notification.
func (s *Session) takeNotify(m message, body []byte) {
	n, err := isakmp.ParseNotify(body)
	if err != nil {
		s.refuse(m.Exchange, "", malformed(err.Error()).fault)
		return
	}
	if n.Type == isakmp.RUThere || n.Type == isakmp.RUThereAck {
		s.takeDPD(m, n)
		return
	}
	s.hears()
	s.report(ike.Report{Kind: ike.MessageIn, Exchange: m.Exchange.String(), Step: n.Type.String(), Bytes: len(m.raw)})
	switch {
	case !n.Type.IsError():
		s.takeStatus(n)
	case s.state != established:
		s.down(s.phase1Refused(n.Type))
	default:
		s.quickRefused(m, n)
	}
}

// quickRefused fails the quick mode that an error is about: the one whose SPI
// it names, or the only one that waits for an answer, since many peers name no
// SPI or another. INVALID-SPI is about an SA that stands, not about an offer.
func (s *Session) quickRefused(m message, n isakmp.Notification) {
	var waiting []*quick
	for _, q := range s.sortedQuicks() {
		if q.phase != finished && bytes.Equal(n.SPI, spiBytes(q.spiIn)) {
			s.failQuick(q, s.quickNotified(q, n.Type))
			return
		}
		if q.phase == wantAnswer {
			waiting = append(waiting, q)
		}
	}
	if len(waiting) == 1 && n.Type != isakmp.InvalidSPI {
		s.failQuick(waiting[0], s.quickNotified(waiting[0], n.Type))
		return
	}
	f := sent(n.Type)
	if s.takesBack() && (n.Type == isakmp.InvalidID || n.Type == isakmp.AuthenticationFailed) {
		f, s.disliked = s.weAreUnknown("it sent "+n.Type.String()), true
	}
	s.refuse(m.Exchange, n.Type.String(), f)
}

// takeStatus takes an authenticated notification that is no error.
func (s *Session) takeStatus(n isakmp.Notification) {
	switch {
	case s.state != established:
	case n.Type == isakmp.InitialContact && !s.contacted:
		s.contacted = true // once: a recorded one must not do harm later
		s.report(ike.Report{Kind: ike.PeerRestarted})
	case n.Type == isakmp.ResponderLifetime:
		s.obeyLife(n)
	}
}

// takeAsides takes what a peer may say beside the matter of a message: in the last
// one of phase 1, and INITIAL-CONTACT also in QM1.
func (s *Session) takeAsides(o opened) {
	for _, body := range isakmp.All(o.chain, isakmp.Notify) {
		if n, err := isakmp.ParseNotify(body); err == nil {
			s.takeStatus(n)
		}
	}
}

// takeDelete takes an authenticated deletion, and tells whether it is about this
// session. Children survive that of their phase 1.
func (s *Session) takeDelete(m message, body []byte) (closed bool) {
	d, err := isakmp.ParseDelete(body)
	if err != nil {
		s.refuse(m.Exchange, "DELETE", malformed(err.Error()).fault)
		return false
	}
	s.hears()
	s.report(ike.Report{Kind: ike.MessageIn, Exchange: m.Exchange.String(), Step: "DELETE", Bytes: len(m.raw)})
	for _, spi := range d.SPIs {
		switch {
		case d.Protocol == isakmp.ProtoESP && len(spi) == 4:
			s.peerDeleted(binary.BigEndian.Uint32(spi))
		case d.Protocol == isakmp.ProtoISAKMP && len(spi) == 16:
			closed = s.peerClosed(ike.Cookies{Initiator: [8]byte(spi), Responder: [8]byte(spi[8:])}) || closed
		}
	}
	return closed
}

// peerClosed tells whether the peer means this session, be it with the cookies in
// the wrong order. Another one of the same peer is left to the engine.
func (s *Session) peerClosed(c ike.Cookies) bool {
	if c == s.cookies || c == (ike.Cookies{Initiator: s.cookies.Responder, Responder: s.cookies.Initiator}) {
		return true
	}
	if s.state == established && c.Initiator != [8]byte{} {
		s.do(ike.Report{Kind: ike.PeerClosed, Tunnel: s.peer.Name, Local: s.local, Remote: s.remote, Cookies: c})
	}
	return false
}

// peerDeleted ends a quick mode in progress, or leaves a finished child to its
// tunnel. A peer may name its SA by our SPI instead of its own, as some Ciscos do.
func (s *Session) peerDeleted(spi uint32) {
	if spi < xfrm.MinSPI {
		return
	}
	for _, q := range s.sortedQuicks() {
		if q.phase != finished && (q.spiOut == spi || q.spiIn == spi) {
			s.failQuick(q, &ike.Fault{Cause: ike.CauseDeleted, Text: "the peer gave the negotiation up"})
			return
		}
	}
	s.report(ike.Report{Kind: ike.PeerDeleted, SPI: spi})
}

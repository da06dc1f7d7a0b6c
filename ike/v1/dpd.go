package v1

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// dpd is dead peer detection (RFC 3706) under one session. Questions carry
// numbers that grow by one; each is an exchange of its own and is not resent: the
// next one takes its place. strongSwan wants the numbers so.
type dpd struct {
	seen  time.Time // the last sign of life of the peer, its ESP included
	asked time.Time // when the first question was sent that no sign of life has followed; zero: none
	again time.Time // when the next one is due

	number uint32 // of our last question, 0 before the first
	sent   uint32 // how many we have asked
	open   uint32 // how many of the last questions have no answer yet
	theirs uint32 // the number of the peer's newest question
	heard  bool   // it has asked one

	hashLast bool // the peer puts the HASH behind the notification
}

// questions is how many are asked within the timeout, unless the pause between two
// would leave its bounds: over a network that loses a fifth each way, one in
// two hundred thousand living peers is then taken for dead.
const (
	questions     = 12
	shortestPause = time.Second
	longestPause  = 10 * time.Second
)

// asks tells whether this session has to find out if the peer is there.
func (s *Session) asks() bool {
	return s.state == established && !s.superseded && s.ext.dpd && s.peer.DPD.Delay > 0
}

// hears notes that the peer has shown, under this session's keys, that it is there.
func (s *Session) hears() {
	s.heard = s.now
	if s.state == established {
		s.flight.answered() // message 3 of aggressive mode
	}
	s.lives()
	s.tellLife()
}

// lives notes a sign of life of the peer, under whichever keys.
func (s *Session) lives() { s.dpd.seen, s.dpd.asked = s.now, zeroTime }

// dpdWake is when the peer is to be asked, or taken for dead; zero for never.
func (s *Session) dpdWake() time.Time {
	switch {
	case !s.asks():
		return zeroTime
	case s.dpd.asked.IsZero():
		return s.dpd.seen.Add(s.peer.DPD.Delay)
	}
	return earliest(s.dpd.again, s.deadAt())
}

// deadAt is when a peer that goes on to be silent is taken for dead, zero while it
// has not been asked.
func (s *Session) deadAt() time.Time {
	if !s.asks() || s.dpd.asked.IsZero() {
		return zeroTime
	}
	return s.dpd.asked.Add(s.peer.DPD.Timeout)
}

// isDead explains the end of a session whose peer does not answer any more.
func (s *Session) isDead() *ike.Fault {
	return &ike.Fault{
		Cause: ike.CauseDead,
		Text: fmt.Sprintf("%v has given no sign of life for %v and does not answer dead peer detection",
			s.remote, s.now.Sub(s.dpd.seen).Round(time.Second)),
		Advice: "see that the peer runs, and that UDP 500 and 4500 still pass in both directions",
	}
}

// askPeer asks whether the peer is there. The first number is chance, its highest
// bit zero, so that it never overflows (RFC 3706 §6.2).
func (s *Session) askPeer() {
	if s.dpd.asked.IsZero() {
		s.dpd.asked = s.now
	}
	if s.dpd.number == 0 {
		s.dpd.number = binary.BigEndian.Uint32(s.random(make([]byte, 4))) >> 1
	}
	s.dpd.number++
	s.dpd.sent++
	s.dpd.open++
	s.dpd.again = s.now.Add(min(max(s.peer.DPD.Timeout/questions, shortestPause), longestPause))
	s.sayDPD(isakmp.RUThere, s.dpd.number)
}

func (s *Session) sayDPD(t isakmp.NotifyType, number uint32) {
	n := isakmp.Payload{Type: isakmp.Notify, Body: isakmp.Notification{
		Protocol: isakmp.ProtoISAKMP, SPI: s.cookieSPI(), Type: t, Data: binary.BigEndian.AppendUint32(nil, number),
	}.Append(nil)}
	if s.dpd.hashLast {
		s.inform(t.String(), s.secrets.hashedLast, n)
		return
	}
	s.sendInformational(t.String(), n)
}

// hashedLast puts the HASH payload behind a notification.
func (s secrets) hashedLast(chain []isakmp.Payload, parts ...[]byte) []isakmp.Payload {
	hash := isakmp.Payload{Type: isakmp.Hash, Body: make([]byte, s.hash.Size())}
	covered := isakmp.AppendChain(nil, append(chain, hash)...)
	hash.Body = s.prf(append(parts, covered[:4+len(chain[0].Body)])...)
	return append(chain, hash)
}

// verifyLast checks a notification of dead peer detection whose HASH comes behind
// it: Huawei writes them so unless it is told otherwise (seq-notify-hash). It is
// answered as it asks.
func (s secrets) verifyLast(o opened, parts ...[]byte) bool {
	if len(o.chain) != 2 || o.chain[0].Type != isakmp.Notify || o.chain[1].Type != isakmp.Hash {
		return false
	}
	n, err := isakmp.ParseNotify(o.chain[0].Body)
	if err != nil || n.Type != isakmp.RUThere && n.Type != isakmp.RUThereAck {
		return false
	}
	covered := o.bytes[:4+len(o.chain[0].Body)]
	return subtle.ConstantTimeCompare(o.chain[1].Body, s.prf(append(parts, covered)...)) == 1
}

// takeDPD takes a question or an answer. Cookies in the wrong order, or others,
// are tolerated: the message is authentic. What is not fresh is no sign of life,
// and gets no answer: it may be a recorded one (RFC 3706 §6.1).
func (s *Session) takeDPD(m message, n isakmp.Notification) {
	if s.state != established || len(n.Data) != 4 {
		return
	}
	number := binary.BigEndian.Uint32(n.Data)
	if n.Type == isakmp.RUThere && !s.dpd.asksNow(number) || n.Type == isakmp.RUThereAck && !s.dpd.answers(number) {
		return
	}
	s.authentic(m)
	s.report(ike.Report{Kind: ike.MessageIn, Exchange: m.Exchange.String(), Step: n.Type.String(), Bytes: len(m.raw)})
	if n.Type == isakmp.RUThere {
		s.sayDPD(isakmp.RUThereAck, number)
	}
}

// asksNow tells whether a question of the peer's is fresh. Its newest one may come
// again: some resend the same number in another exchange. One of our own, that
// somebody sends back to us, is as authentic as the peer's.
func (d *dpd) asksNow(number uint32) bool {
	if d.heard && int32(number-d.theirs) < 0 || d.number-number < d.sent {
		return false
	}
	d.theirs, d.heard = number, true
	return true
}

// answers tells whether a number is that of a question which has no answer yet.
// An answer is also one to the questions before.
func (d *dpd) answers(number uint32) bool {
	after := d.number - number
	if after >= d.open {
		return false
	}
	d.open = after
	return true
}

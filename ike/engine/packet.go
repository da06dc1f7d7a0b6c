package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/tunnel"
)

// addrs are the outer addresses of a peer: ours and its own.
type addrs struct{ local, remote netip.Addr }

func addrsOf(local, remote netip.AddrPort) addrs {
	return addrs{local.Addr().Unmap(), remote.Addr().Unmap()}
}

// ownCookie leads to a session: CKY-I when we began, CKY-R when we answer.
type ownCookie struct {
	cookie    [8]byte
	initiator bool
}

// firstMessage leads from a repeated first message to the session that answers
// it: there is no cookie of ours in it.
type firstMessage struct {
	cookie [8]byte
	remote netip.AddrPort
}

// packet finds the session of a datagram, or makes one. A message that has our
// cookie as initiator may lack the responder's: a peer that refuses a first
// message has none.
func (e *Engine) packet(p ike.Packet) {
	e.count.Packets++
	h, err := isakmp.ParseHeader(p.Data)
	switch {
	case errors.Is(err, isakmp.ErrIKEv2):
		e.count.BadHeader++
		e.otherVersion(p, h)
		return
	case err != nil:
		e.count.BadHeader++
		return
	case h.Initiator == [8]byte{}:
		e.count.BadCookie++
		return
	case !known(h.Exchange):
		e.count.BadExchange++
		return
	}
	s := e.byCookie[ownCookie{h.Initiator, true}]
	if s == nil && h.Responder != [8]byte{} {
		s = e.byCookie[ownCookie{h.Responder, false}]
	}
	switch {
	case s != nil:
		e.nextMessage(s, p, h)
	case h.Responder != [8]byte{}:
		e.count.UnknownCookie++
	default:
		e.firstMessage(p, h)
	}
}

// otherVersion hands a message of IKEv2 to the session that it seems to answer: its
// peer may speak nothing else. A peer that begins so gets silence, as one does
// whose address is forged, and its tunnel is told, now and then.
func (e *Engine) otherVersion(p ike.Packet, h isakmp.Header) {
	at := addrsOf(p.Local, p.Remote)
	switch s := e.byCookie[ownCookie{h.Initiator, true}]; {
	case s != nil && s.addrs == at:
		e.drive(s, p)
	case s == nil && h.Responder == [8]byte{}:
		candidates, _ := e.candidates(at)
		if len(candidates) != 1 {
			return // nobody's, or one of several: nobody knows whose
		}
		if m := e.tunnels[candidates[0].Name]; m != nil && e.rarely(&m.foreign) {
			e.beginsIKEv2(candidates[0].Name, p)
		}
	}
}

func (e *Engine) beginsIKEv2(name string, p ike.Packet) {
	f := &ike.Fault{
		Cause: ike.CauseVersion, Text: fmt.Sprintf("%v begins with IKEv2, and this tunnel is one of IKEv1", p.Remote),
		Ours: "IKEv1", Theirs: "IKEv2", PeerAdvice: "let it use IKEv1 with us (strongSwan: version = 1; Libreswan: keyexchange=ikev1)",
		Compared: []ike.Parameter{{Name: "ike.version", Ours: "IKEV1", Theirs: "IKEV2"}},
	}
	e.emit(ike.Report{Kind: ike.Refused, Tunnel: name, Local: p.Local, Remote: p.Remote, Bytes: len(p.Data), Fault: f})
	e.tellLater(e.tunnels[name], tunnel.Noted{Fault: f})
}

// rarely tells whether something was not told for a while, and is to be now.
func (e *Engine) rarely(last *time.Time) bool {
	if !last.IsZero() && e.now.Sub(*last) < reportStrangers {
		return false
	}
	*last = e.now
	return true
}

// known tells the exchanges of IKEv1 that a session can take.
func known(x isakmp.Exchange) bool {
	switch x {
	case isakmp.MainMode, isakmp.AggressiveMode, isakmp.Informational, isakmp.QuickMode:
		return true
	}
	return false
}

// nextMessage hands a datagram to the session that it names, if all else that
// is known of the session fits.
func (e *Engine) nextMessage(s *session, p ike.Packet, h isakmp.Header) {
	c := s.carrier.Cookies()
	at := addrsOf(p.Local, p.Remote)
	switch {
	case s.addrs != at && !s.mayMove(at):
		e.count.WrongAddress++
	case c.Initiator != h.Initiator || c.Responder != [8]byte{} && c.Responder != h.Responder:
		e.count.UnknownCookie++
	default:
		e.drive(s, p)
	}
}

// firstMessage hands a repeated first message to its session, and makes one
// for a new one of a configured peer. Strangers get no answer and no state.
func (e *Engine) firstMessage(p ike.Packet, h isakmp.Header) {
	if h.Exchange != isakmp.MainMode && h.Exchange != isakmp.AggressiveMode ||
		h.MessageID != 0 || h.Flags&isakmp.Encrypted != 0 {
		e.count.BadExchange++
		return
	}
	first := firstMessage{h.Initiator, p.Remote}
	if s := e.byFirst[first]; s != nil {
		e.drive(s, p)
		return
	}
	candidates, known := e.candidates(addrsOf(p.Local, p.Remote))
	switch {
	case !known:
		e.stranger(p)
	case len(candidates) == 0:
		e.count.Disabled++
	case h.Exchange == isakmp.AggressiveMode && e.unproven.full(addrsOf(p.Local, p.Remote)):
		e.count.HalfOpenDropped++
	default:
		e.answer(candidates, first, p)
	}
}

// answer makes a session for a first message.
func (e *Engine) answer(candidates []*ike.Peer, first firstMessage, p ike.Packet) {
	s := &session{
		carrier: e.newResponder(&e.env, candidates, p.Local, p.Remote),
		addrs:   addrsOf(p.Local, p.Remote),
		first:   first,
		begun:   e.now,
	}
	e.drive(s, p)
	if s.dead {
		e.count.RefusedFirst++
		return
	}
	s.cookie = ownCookie{s.carrier.Cookies().Responder, false}
	e.byCookie[s.cookie] = s
	e.byFirst[first] = s
	if old := e.half.add(s); old != nil {
		e.count.HalfOpenDropped++
		e.discard(old, &ike.Fault{
			Cause: ike.CauseLimit,
			Text:  fmt.Sprintf("too many exchanges with %v were begun and not finished, and this was the oldest", old.addrs.remote),
		})
	}
}

// reportStrangers is how often at most a packet of a stranger is reported.
const reportStrangers = time.Minute

// stranger counts a first message from an address that nobody is configured
// with. Silence is the answer; the operator gets a line now and then, because
// a mistyped address looks just like this.
func (e *Engine) stranger(p ike.Packet) {
	e.count.UnknownPeer++
	if !e.rarely(&e.strangers) {
		return
	}
	e.emit(ike.Report{
		Kind: ike.Refused, Local: p.Local, Remote: p.Remote, Bytes: len(p.Data),
		Fault: &ike.Fault{
			Cause:  ike.CauseUnknown,
			Text:   fmt.Sprintf("%v asks for a session with %v, and no tunnel has these two addresses", p.Remote, p.Local.Addr()),
			Advice: "if it is a peer of yours, make the public_ip of its customer gateway this address",
		},
	})
}

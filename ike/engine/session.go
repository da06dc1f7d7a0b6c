package engine

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/tunnel"
	"github.com/twinspan/twinspan/xfrm"
)

// session is an ISAKMP SA and what the engine knows of it.
type session struct {
	carrier    carrier
	alarm      alarm
	addrs      addrs
	cookie     ownCookie
	first      firstMessage // of one that we answer
	member     *member      // its tunnel, nil until it is known
	asked      []xfrm.Selector
	spis       []uint32 // handed out and not installed yet
	status     *ike.SessionStatus
	place      halfPlace
	begun      time.Time
	renewal    bool // it is to replace another one
	superseded bool // by a newer one
	dead       bool
}

func (s *session) initiator() bool { return s.cookie.initiator }

func (s *session) established() bool { return s.status != nil && !s.dead }

// begin makes a session with the tunnel's peer. The peer is told that we hold
// nothing of it, if that is so when the session comes to say it.
func (e *Engine) begin(m *member) *session {
	p := m.Peer()
	if n := len(p.Keys); n > 1 {
		k, turned := m.failed%n, *p
		turned.Keys = slices.Concat(p.Keys[k:], p.Keys[:k])
		p = &turned
	}
	local, remote := netip.AddrPortFrom(p.Local, xfrm.PortIKE), netip.AddrPortFrom(m.at.remote, xfrm.PortIKE)
	s := &session{
		carrier: e.newInitiator(&e.env, p, local, remote, func() bool { return !m.near.held(m) }),
		addrs:   addrsOf(local, remote),
		member:  m,
		begun:   e.now,
	}
	s.cookie = ownCookie{s.carrier.Cookies().Initiator, true}
	e.byCookie[s.cookie] = s
	m.sessions = append(m.sessions, s)
	e.starts.add(s, e.now)
	return s
}

// drive gives a session an input and passes on what it says.
func (e *Engine) drive(s *session, in ike.Input) {
	if s.dead {
		return
	}
	e.running = s
	said := s.carrier.Step(e.now, in)
	e.running = nil
	ends, waits := slices.ContainsFunc(said, isEnd), e.replacing(s, said)
	for _, a := range said {
		if in, ok := a.(ike.Install); ok && in.SA.Dir == xfrm.Out {
			if h, waits := waits[in.SA.SPI]; waits {
				h.out = in.SA
				e.installed(s, in.SA)
				e.putOff(h)
				continue
			}
		}
		e.pass(s, a, ends)
	}
	if s.dead {
		return
	}
	if s.carrier.Progressed() {
		e.half.progressed(s)
	}
	e.deadlines.set(&s.alarm, alarm{session: s}, s.carrier.Wake)
}

func isEnd(a ike.Action) bool {
	r, ok := a.(ike.Report)
	return ok && r.Kind == ike.SessionDown
}

// pass hands on one action of a session, and keeps the books. ends tells that
// the session ends in this Step.
func (e *Engine) pass(s *session, a ike.Action, ends bool) {
	switch a := a.(type) {
	case ike.Install:
		e.installed(s, a.SA)
	case ike.Remove:
		e.removed(a.SPI, a.Dst)
	case ike.Compute:
		e.jobs[a.ID] = s
		e.unproven.add(a.ID, s)
	case ike.Report:
		e.heard(s, a, ends)
		return
	}
	e.emit(a)
}

// heard takes a session's report: the tunnel's part is told to it, and the
// report goes on.
func (e *Engine) heard(s *session, r ike.Report, ends bool) {
	if r.Kind == ike.SessionUp {
		e.sessionUp(s, r.Session)
	}
	if s.member != nil {
		r.Tunnel = s.member.Peer().Name
	}
	if r.Kind != ike.PeerDeleted && r.Kind != ike.PeerClosed {
		e.emit(r)
	}
	switch r.Kind {
	case ike.SessionDown:
		e.sessionDown(s, r.Fault)
	case ike.MessageIn:
		e.peerLives(s)
	case ike.SessionChanged:
		s.status = r.Session
		if s.member.established() == s {
			e.tellLater(s.member, tunnel.SessionAges{Renew: s.status.Renew})
		}
	case ike.PeerClosed:
		e.later(func() { e.peerClosed(s.member, r.Cookies) })
	case ike.ChildUp:
		e.childUp(s, *r.Child)
	case ike.ChildFailed:
		e.childFailed(s, r, ends)
	case ike.ChildUnconfirmed:
		e.note(s, r)
		e.tellLater(s.member, tunnel.Unconfirmed{Sel: r.Sel})
	case ike.PeerDeleted:
		e.tellLater(s.member, tunnel.PeerDeleted{SPI: r.SPI})
	case ike.PeerRestarted:
		e.later(func() { e.peerRestarted(s) })
	case ike.PeerMoved:
		e.peerMoved(s, r.Remote)
	}
	if r.Kind == ike.Refused || s.member == nil {
		e.note(s, r)
	}
}

// note shows a fault that no negotiation of ours has: the peer cannot get
// through to us. What is only malformed explains nothing to an operator, and
// anybody can send it.
func (e *Engine) note(s *session, r ike.Report) {
	if r.Fault != nil && r.Fault.Cause != ike.CauseMalformed {
		up := s.established()
		e.tellLater(e.tunnels[r.Tunnel], tunnel.Noted{
			Fault: r.Fault, Exchange: cmp.Or(r.Exchange, s.exchange(up)), Proven: up, Ours: s.initiator() && !up,
		})
	}
}

// exchange is the one that a session is in, or ends in: phase 1, or the quick
// modes for which it stands.
func (s *session) exchange(stood bool) string {
	switch {
	case stood:
		return "quick mode"
	case s.member != nil:
		return s.member.Peer().Mode.String()
	}
	return "phase 1"
}

// sessionUp gives an authenticated session to its tunnel. One whose tunnel went
// away or was taken down meanwhile is closed.
func (e *Engine) sessionUp(s *session, status *ike.SessionStatus) {
	s.status = status
	e.half.remove(s)
	e.starts.remove(s)
	if s.member == nil {
		m := e.tunnels[s.carrier.Peer()]
		if m == nil || m.Stopped() {
			e.later(func() { e.drive(s, ike.CloseSession{}) })
			return
		}
		s.member = m
	} else {
		s.member.detach(s)
	}
	m := s.member
	e.locate(m, s.addrs.remote)
	m.lookup.tried = false
	older := slices.Clone(m.sessions)
	m.sessions = append(m.sessions, s) // the newest is the last
	e.later(func() {
		for _, o := range older {
			if o.established() {
				o.superseded = true
				e.drive(o, ike.Superseded{})
			}
		}
		e.crowded(m)
		e.handOver(m)
		e.tell(m, tunnel.SessionUp{Initiator: s.initiator(), Renew: status.Renew})
	})
}

// mostSessions is how many established sessions with one peer are kept: it may
// use an older one as long as it likes, but not gather them.
const mostSessions = 4

// crowded drops the oldest established session when there are too many. The
// peer is not told: some take the children down with it.
func (e *Engine) crowded(m *member) {
	var up []*session
	for _, s := range m.sessions {
		if s.established() {
			up = append(up, s)
		}
	}
	if len(up) > mostSessions {
		e.discard(up[0], &ike.Fault{Cause: ike.CauseLimit, Text: "newer sessions with the peer stand"})
	}
}

// peerLives tells the newest session that the peer has spoken under an older one:
// each end may take another one for the newest, and ask under that alone whether
// the other lives.
func (e *Engine) peerLives(s *session) {
	if s.member == nil || !s.established() {
		return
	}
	if newest := s.member.established(); newest != s {
		e.later(func() { e.drive(newest, ike.Used{}) })
	}
}

// peerRestarted ends the tunnel's other established sessions, which the peer
// does not know any more, and puts its children in doubt. Those that came up
// since this one was begun the peer knows: when both ends begin at once in
// aggressive mode, each says in its last message that it holds nothing else, and
// means the time before.
func (e *Engine) peerRestarted(s *session) {
	if s.dead || s.member == nil {
		return
	}
	for _, other := range slices.Clone(s.member.sessions) {
		if other != s && other.established() && !other.status.Established.After(s.begun) {
			e.discard(other, &ike.Fault{Cause: ike.CauseDeleted, Text: "the peer began anew"})
		}
	}
	e.tell(s.member, tunnel.Restarted{})
}

// peerClosed ends another session of a peer's, which that has named by its
// cookies.
func (e *Engine) peerClosed(m *member, c ike.Cookies) {
	for _, s := range slices.Clone(m.sessions) {
		if s.established() && s.carrier.Cookies() == c {
			e.discard(s, &ike.Fault{Cause: ike.CauseDeleted, Text: "the peer closed the IKE SA"})
		}
	}
}

// sessionDown forgets a session. The pairs that it was asked for and has not
// finished are the tunnel's again. A dead peer has none of its older ones either.
func (e *Engine) sessionDown(s *session, f *ike.Fault) {
	stood := s.established()
	e.forget(s)
	m := s.member
	if m == nil {
		return
	}
	if stood && f.Cause == ike.CauseDead {
		for _, o := range slices.Clone(m.sessions) {
			if o.established() {
				e.later(func() { e.discard(o, f) })
			}
		}
	}
	if !stood && s.initiator() && f.Cause == ike.CauseAuth {
		m.failed++
	}
	e.later(func() {
		left := m.established()
		e.tell(m, tunnel.SessionDown{
			Asked: s.asked, Fault: f, Exchange: s.exchange(stood), Renewal: s.renewal && !stood, Last: stood && left == nil,
		})
		if stood && left != nil && left.superseded && !left.status.Renew.IsZero() {
			e.tell(m, tunnel.SessionAges{Renew: e.now}) // nobody asks for the peer under it, nor renews it
		}
	})
}

// forget removes a session from all tables.
func (e *Engine) forget(s *session) {
	s.dead = true
	delete(e.byCookie, s.cookie)
	if e.byFirst[s.first] == s {
		delete(e.byFirst, s.first)
	}
	for _, spi := range s.spis {
		delete(e.spoken, spi)
	}
	e.half.remove(s)
	e.starts.remove(s)
	e.deadlines.remove(&s.alarm)
	if s.member != nil {
		s.member.detach(s)
	}
}

// discard ends a session without a word to the peer.
func (e *Engine) discard(s *session, why *ike.Fault) {
	if s.dead {
		return
	}
	for _, a := range s.carrier.Step(e.now, ike.CloseSession{}) {
		switch a := a.(type) {
		case ike.Remove:
			e.pass(s, a, true)
		case ike.Report:
			if a.Kind == ike.MessageOut {
				continue
			}
			if a.Fault != nil {
				a.Fault = why
			}
			e.heard(s, a, true)
		}
	}
	if !s.dead {
		e.sessionDown(s, why)
	}
}

// hangUp ends a session and tells the peer.
func (e *Engine) hangUp(s *session) {
	e.drive(s, ike.CloseSession{})
	if !s.dead {
		e.sessionDown(s, &ike.Fault{Cause: ike.CauseAsked, Text: "closed on request"})
	}
}

// childUp makes a child the tunnel's.
func (e *Engine) childUp(s *session, c ike.ChildSA) {
	if s.member == nil {
		return // a session reports it only after SessionUp
	}
	if c.Initiator {
		s.finished(c.Sel)
	}
	e.handedOver(s.member, c)
	e.tellLater(s.member, tunnel.ChildUp{Child: c})
}

// childFailed tells the tunnel of a failed quick mode; of one that the peer
// began it only shows why. When the session itself ends, the pair stays among
// those it was asked for, and sessionDown tells all of them at once.
func (e *Engine) childFailed(s *session, r ike.Report, ends bool) {
	if ends {
		return
	}
	e.takeBack(s, r.SPI)
	if !r.Initiator {
		e.note(s, r)
		return
	}
	s.finished(r.Sel)
	e.tellLater(s.member, tunnel.ChildFailed{Sel: r.Sel, Fault: r.Fault})
}

// finished strikes a pair off those that the session was asked for.
func (s *session) finished(sel xfrm.Selector) {
	if i := slices.Index(s.asked, sel); i >= 0 {
		s.asked = slices.Delete(s.asked, i, i+1)
	}
}

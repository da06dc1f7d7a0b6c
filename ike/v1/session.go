// Package v1 is IKEv1 (RFC 2408, 2409, 2407): main mode and aggressive mode with
// pre-shared keys, quick mode, informational exchanges and NAT traversal (RFC
// 3947), behind the ike.Session interface. A session is one ISAKMP SA. It knows no
// socket, no clock, no data plane and no other session: whether it is wanted, and
// what becomes of the SAs that it made, is the tunnel's business.
package v1

import (
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// halfOpen is how long a responder waits for an exchange to end.
const halfOpen = 30 * time.Second

// keepaliveEvery is how often a mapping is kept alive when the translator sits
// on our side (RFC 3948 §4).
const keepaliveEvery = 20 * time.Second

// Session is one ISAKMP SA, from its first message to its end.
type Session struct {
	env        *ike.Env
	peer       *ike.Peer   // shared, never changed; as responder nobody until authenticated
	candidates []*ike.Peer // as responder, until authenticated
	initiator  bool
	mode       ike.Mode    // as responder that of the first message
	contact    func() bool // whether to send INITIAL-CONTACT

	local, remote netip.AddrPort
	cookies       ike.Cookies
	state         state
	progressed    bool
	phase1        *keyExchange // nil once it is over
	flight        flight       // the last message of phase 1 that waits for an answer
	replies       replies      // to the messages of phase 1
	deadline      time.Time    // of phase 1 as responder

	secrets  secrets
	iv       []byte // phase 1's; once established, the base of phase 2's
	ext      extensions
	nat      nat
	parts    *parts // of a message in fragments, nil without
	status   ike.SessionStatus
	hint     *ike.Fault // what else than silence may be the reason, said by whoever has seen our cookie
	disliked bool       // the peer has said that it minds our identity
	heard    time.Time  // when the peer last proved, under this session's keys, to be there
	dpd      dpd
	alive    time.Time // when the next keepalive is due

	superseded bool // by another session with the peer
	contacted  bool // by INITIAL-CONTACT
	lifeUntold bool // as responder: our lifetime is the shorter one

	quicks   map[uint32]*quick // by message id
	used     usedIDs           // by quick modes
	informed usedIDs           // by informational exchanges
	queue    []ike.Negotiate
	unproven int       // how many QM2 were resent and had no QM3
	pause    time.Time // until when no quick mode of ours begins
	jobs     map[uint64]func(any)

	now time.Time // of the Step that runs
	out []ike.Action
}

var _ ike.Session = (*Session)(nil)

// nobody is the peer of a responder that has not authenticated one.
var nobody ike.Peer

func newSession(env *ike.Env, local, remote netip.AddrPort) *Session {
	return &Session{
		env: env, peer: &nobody, local: local, remote: remote, phase1: new(keyExchange),
		used: usedIDs{most: quicksRemembered}, informed: usedIDs{most: informedRemembered},
	}
}

// NewInitiator makes a session that begins phase 1 with p, in p's mode, at its
// first Step, which must be a Negotiate or, for phase 1 alone, a Begin. With its
// identity it tells the peer that we hold nothing else of it (INITIAL-CONTACT, RFC
// 2407 §4.6.3.3), if contact says so by then: in message 5 of main mode, message 3
// of aggressive mode.
func NewInitiator(env *ike.Env, p *ike.Peer, local, remote netip.AddrPort, contact func() bool) *Session {
	s := newSession(env, local, remote)
	s.peer, s.mode, s.initiator, s.contact = p, p.Mode, true, contact
	s.cookies.Initiator = s.newCookie()
	return s
}

// NewResponder makes a session that answers phase 1 for one of the candidates,
// the peers whose addresses match the first message's. Its first Step must be
// that message; a session that refuses it ends in the same Step.
func NewResponder(env *ike.Env, candidates []*ike.Peer, local, remote netip.AddrPort) *Session {
	s := newSession(env, local, remote)
	s.candidates, s.state = candidates, wantOffer
	return s
}

// newCookie makes a cookie. Cookies are chance alone, so they differ per
// exchange and after a restart (RFC 2408 §2.5.3).
func (s *Session) newCookie() (c [8]byte) {
	for c == [8]byte{} {
		s.random(c[:])
	}
	return c
}

func (s *Session) random(b []byte) []byte {
	if _, err := s.env.Rand.Read(b); err != nil {
		panic("v1: the source of randomness failed: " + err.Error()) // ike.Env promises that it does not
	}
	return b
}

// Cookies name the session; the responder's is zero until known.
func (s *Session) Cookies() ike.Cookies { return s.cookies }

// Established tells that phase 1 is done and not yet closed.
func (s *Session) Established() bool { return s.state == established }

// Progressed tells a responder that a message came with its own cookie, so the
// peer's address is not forged.
func (s *Session) Progressed() bool { return s.progressed }

// Peer is the tunnel's name, "" for a responder before authentication.
func (s *Session) Peer() string { return s.peer.Name }

// Step takes one input and says what to do. It is not called again after a
// Report of kind SessionDown.
func (s *Session) Step(now time.Time, in ike.Input) []ike.Action {
	s.now, s.out = now, nil
	if s.state == dead {
		return nil
	}
	switch in := in.(type) {
	case ike.Packet:
		s.packet(in)
	case ike.Tick:
		s.tick()
	case ike.Computed:
		if next, ok := s.jobs[in.ID]; ok {
			if delete(s.jobs, in.ID); len(s.jobs) == 0 {
				s.jobs = nil // most of a session's life there is nothing to compute
			}
			next(in.Result)
		}
	case ike.Failed:
		s.failed(in)
	case ike.Used:
		s.trafficSeen(in.SPI)
	case ike.Begin:
		s.begin()
	case ike.Moved:
		s.follow(in.From)
	case ike.Negotiate:
		s.negotiate(in)
	case ike.Superseded:
		s.superseded, s.status.Renew = true, zeroTime
	case ike.ChildGone:
		s.withdraw(in.SPI)
	case ike.DeleteChild:
		s.deleteChildren(in.SPIs)
	case ike.CloseSession:
		s.close(&ike.Fault{Cause: ike.CauseAsked, Text: "closed on request"})
	}
	s.startQueued()
	return s.out
}

// Wake is when Tick is wanted.
func (s *Session) Wake() (time.Time, bool) {
	if s.state == dead {
		return time.Time{}, false
	}
	first := earliest(s.flight.wake, s.deadline, s.alive, s.dpdWake(), s.parts.wake())
	if s.state == established {
		first = earliest(first, s.status.Expires)
		if len(s.queue) > 0 {
			first = earliest(first, s.pause)
		}
	}
	for _, q := range s.quicks {
		first = earliest(first, q.wake())
	}
	return first, !first.IsZero()
}

// earliest of the times that are not zero.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func (s *Session) due(t time.Time) bool { return !t.IsZero() && !s.now.Before(t) }

func (s *Session) tick() {
	switch {
	case s.state == established && s.due(s.status.Expires):
		// No Delete goes out: peers take their phase 2 down with it, and the
		// children outlive their phase 1.
		s.down(&ike.Fault{Cause: ike.CauseExpired, Text: "the IKE SA's lifetime ended"})
		return
	case s.due(s.deadAt()):
		s.down(s.isDead())
		return
	case s.due(s.deadline):
		s.down(s.noAnswer())
		return
	case s.due(s.flight.wake):
		if !s.resend(&s.flight, s.remote) && s.state != established {
			s.down(s.noAnswer())
			return
		}
	}
	if s.due(s.alive) {
		s.do(ike.Keepalive{Local: s.local, Remote: s.remote})
		s.alive = s.now.Add(keepaliveEvery)
	}
	if s.due(s.dpdWake()) {
		s.askPeer()
	}
	s.forgetParts()
	for _, q := range s.sortedQuicks() {
		s.tickQuick(q)
	}
}

// do appends an action.
func (s *Session) do(a ike.Action) { s.out = append(s.out, a) }

// standing is what the peer has shown so far.
func (s *Session) standing() ike.Standing {
	switch {
	case s.initiator || s.state == established:
		return ike.Known
	case s.progressed:
		return ike.Proven
	}
	return ike.Unproven
}

// compute leaves the loop: next gets the job's result in a later Step.
func (s *Session) compute(job func() any, next func(any)) {
	id := s.env.ID()
	if s.jobs == nil {
		s.jobs = map[uint64]func(any){}
	}
	s.jobs[id] = next
	s.do(ike.Compute{ID: id, Do: job, For: s.standing()})
}

// report appends a report, filled in with what the session knows of itself.
func (s *Session) report(r ike.Report) {
	r.Tunnel, r.Local, r.Remote, r.Cookies = s.tunnel(), s.local, s.remote, s.cookies
	s.do(r)
}

// tunnel names the tunnel that messages are about: the peer's, or the only
// candidate's.
func (s *Session) tunnel() string {
	if s.peer.Name == "" && len(s.candidates) == 1 {
		return s.candidates[0].Name
	}
	return s.peer.Name
}

// refuse reports a message that is not accepted. The session goes on: whoever
// sent it need not be the peer.
func (s *Session) refuse(x isakmp.Exchange, step string, f *ike.Fault) {
	s.report(ike.Report{Kind: ike.Refused, Exchange: x.String(), Step: step, Fault: f})
}

// down ends the session.
func (s *Session) down(f *ike.Fault) {
	if s.state == dead {
		return
	}
	for _, q := range s.sortedQuicks() {
		s.failQuick(q, f)
	}
	for _, n := range s.queue {
		s.report(ike.Report{Kind: ike.ChildFailed, Sel: n.Child.Sel, Initiator: true, Fault: f})
	}
	s.state, s.queue, s.phase1, s.jobs = dead, nil, nil, nil
	s.secrets.wipe()
	s.report(ike.Report{Kind: ike.SessionDown, Fault: f})
}

// close tells the peer, and ends the session.
func (s *Session) close(f *ike.Fault) {
	if s.state == established {
		s.deleteSession()
	}
	s.down(f)
}

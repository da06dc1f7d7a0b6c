package engine

import (
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/tunnel"
)

// member is a tunnel and what the engine knows of it.
type member struct {
	*tunnel.Tunnel
	alarm    alarm
	near     *neighbours
	at       addrs           // where the peer is; its remote is invalid while that is not known
	sessions []*session      // ours in negotiation, and the established ones: the newest last
	waiting  []ike.Negotiate // pairs that wait for a session to begin
	renewal  bool            // so does the session that replaces one that grows old
	queued   bool            // among those who wait for a place
	lookup   lookup
	failed   int       // attempts of ours that the peer refused for the key: the next one takes the next key
	gone     bool      // no longer configured
	foreign  time.Time // when the peer was last seen to begin with IKEv2
}

// wants tells that a session is waited for.
func (m *member) wants() bool { return len(m.waiting) > 0 || m.renewal }

// neighbours are the tunnels that have the same two outer addresses, or the same
// one of ours and a peer whose address may change.
type neighbours struct {
	at         addrs
	members    []*member
	candidates []*ike.Peer // those that may be answered; made anew when they change, since sessions keep it
}

// held tells that we hold something of the peer that is where m's is: a child or
// a session.
func (n *neighbours) held(m *member) bool {
	return slices.ContainsFunc(n.members, func(o *member) bool {
		return o.at == m.at && (o.Holds() || o.established() != nil)
	})
}

func (n *neighbours) renew() {
	n.candidates = nil
	for _, m := range n.members {
		if !m.Stopped() {
			n.candidates = append(n.candidates, m.Peer())
		}
	}
}

// established is the newest established session, or nil.
func (m *member) established() *session {
	for _, s := range slices.Backward(m.sessions) {
		if s.established() {
			return s
		}
	}
	return nil
}

// starting is a session that we have begun and that is not established, or nil.
func (m *member) starting() *session {
	for _, s := range m.sessions {
		if s.initiator() && !s.established() {
			return s
		}
	}
	return nil
}

func (m *member) detach(s *session) {
	if i := slices.Index(m.sessions, s); i >= 0 {
		m.sessions = slices.Delete(m.sessions, i, i+1)
	}
}

// tellMember tells a tunnel, if there is one.
func (e *Engine) tellMember(m *member, in tunnel.Input) {
	if m != nil {
		e.tell(m, in)
	}
}

// tellLater tells a tunnel, if there is one, once the session that runs has
// spoken.
func (e *Engine) tellLater(m *member, in tunnel.Input) {
	if m != nil {
		e.later(func() { e.tell(m, in) })
	}
}

// tell gives a tunnel an input and does what it says.
func (e *Engine) tell(m *member, in tunnel.Input) {
	if m.gone {
		return
	}
	for _, a := range m.Step(e.now, in) {
		switch a := a.(type) {
		case tunnel.Negotiate:
			e.negotiate(m, ike.Negotiate(a))
		case tunnel.Renew:
			e.renew(m)
		case tunnel.Follow:
			e.emit(ike.Follow(a))
		case tunnel.Delete:
			e.deleteChildren(m, a.SPIs)
		case tunnel.Disconnect:
			e.disconnect(m)
		case tunnel.Remove:
			e.removed(a.SPI, a.Dst)
			e.emit(ike.Remove(a))
		case tunnel.Report:
			e.emit(ike.Report(a))
		}
	}
	e.deadlines.set(&m.alarm, alarm{member: m}, m.Wake)
}

// deleteChildren tells the peer that inbound SAs of ours are gone, through the
// newest session. The older ones may have made them.
func (e *Engine) deleteChildren(m *member, spis []uint32) {
	newest := m.established()
	for _, s := range slices.Clone(m.sessions) {
		switch {
		case s == newest:
			e.drive(s, ike.DeleteChild{SPIs: spis})
		case s.established():
			for _, spi := range spis {
				e.drive(s, ike.ChildGone{SPI: spi})
			}
		}
	}
}

// negotiate gives a quick mode to the newest session that stands, or to the one
// that we are beginning, or sees to it that one begins.
func (e *Engine) negotiate(m *member, n ike.Negotiate) {
	s := m.established()
	if s == nil {
		s = m.starting()
	}
	if s == nil {
		m.waiting = append(m.waiting, n)
		e.demand(m)
		return
	}
	s.asked = append(s.asked, n.Child.Sel)
	e.drive(s, n)
}

// renew begins a session beside the one that stands.
func (e *Engine) renew(m *member) {
	if s := m.starting(); s != nil {
		s.renewal = true
		return
	}
	m.renewal = true
	e.demand(m)
}

// demand begins the session that is waited for, when there is a place for it and
// the peer's address is known.
func (e *Engine) demand(m *member) {
	switch p := m.Peer(); {
	case !m.wants() || m.queued:
	case p.Anywhere():
		e.giveUp(m, &ike.Fault{
			Cause: ike.CauseTimeout, Text: "no session stands, and only the peer can begin one: its address is not known",
			Advice: "have the peer begin",
		})
	case !e.starts.free(e.now):
		m.queued = true
		e.starts.wait(m)
	case p.Host != "" && !m.lookup.fresh(e.now):
		e.lookUp(m)
	default:
		e.launch(m)
	}
}

// launch begins the session that is waited for.
func (e *Engine) launch(m *member) {
	s := e.begin(m)
	s.renewal, m.renewal = m.renewal, false
	if len(m.waiting) == 0 {
		e.drive(s, ike.Begin{})
		return
	}
	e.handOver(m)
}

// giveUp tells the tunnel that the session it waits for cannot begin.
func (e *Engine) giveUp(m *member, f *ike.Fault) {
	down := tunnel.SessionDown{Fault: f, Renewal: m.renewal}
	for _, n := range m.waiting {
		down.Asked = append(down.Asked, n.Child.Sel)
	}
	m.waiting, m.renewal = nil, false
	e.tellLater(m, down)
}

// handOver gives the pairs that waited to the session that there is now.
func (e *Engine) handOver(m *member) {
	waiting := m.waiting
	m.waiting = nil
	for _, n := range waiting {
		e.negotiate(m, n)
	}
}

// disconnect closes every session of a tunnel.
func (e *Engine) disconnect(m *member) {
	m.waiting, m.renewal = nil, false
	for _, s := range slices.Clone(m.sessions) {
		s.asked, s.renewal = nil, false // the tunnel has forgotten what it asked for
		e.hangUp(s)
	}
}

// initiate lets an operator bring a tunnel up.
func (e *Engine) initiate(name string) {
	if m := e.tunnels[name]; m != nil {
		e.tell(m, tunnel.Start{})
		m.near.renew()
	}
}

// close lets an operator take a tunnel down. The peer cannot bring it up again
// either.
func (e *Engine) close(name string) {
	m := e.tunnels[name]
	if m == nil {
		return
	}
	e.tell(m, tunnel.Stop{Why: &ike.Fault{
		Cause: ike.CauseAsked, Text: "an operator took the tunnel down", Advice: "bring it up again when it is wanted",
	}})
	m.near.renew()
}

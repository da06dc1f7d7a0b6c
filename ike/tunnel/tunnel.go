// Package tunnel is the durable tunnel: its selector pairs, whether it is
// wanted, the children that stand, its retries and the history of its
// negotiations. Sessions come and go; the tunnel outlives them, and a child
// belongs to it as soon as it stands.
//
// It is pure and says what it wants as Actions. It knows no session, no
// message and no cookie: the engine finds the session for what the tunnel
// asks, and translates what the sessions report.
package tunnel

import (
	"cmp"
	"io"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// desire is how much we want the tunnel to be up.
type desire uint8

const (
	off       desire = iota + 1 // an operator took it down
	onPeer                      // when the peer begins
	onTraffic                   // when a packet asks for it
	always
)

func desireOf(s ike.Start) desire {
	switch s {
	case ike.Active:
		return always
	case ike.FlowTrigger:
		return onTraffic
	}
	return onPeer
}

// headStart is what the peer gets for its next quick mode after it began a
// session or a child: it asks for the same pairs, and two children for each
// are one too many.
const headStart = 2 * time.Second

// Tunnel is one tunnel. Make it with New; its first Step is a Tick.
type Tunnel struct {
	peer    ike.Peer
	rand    io.Reader
	desire  desire
	pairs   []pair
	carrier backoff // of sessions; that of a pair's quick mode is the pair's
	state   ike.State
	since   time.Time
	fault   *ike.Fault
	history history
	doubts  map[uint32]doubt // of children, by their SPIIn

	renew    time.Time // when the session is to be replaced, zero for not by us
	renewing bool      // that was asked for
	reviving bool      // the peer is dead: we begin, whoever began before
	probed   bool      // a probe goes through the tunnel
	passing  bool      // and comes back
	ladder   ladder

	now time.Time // of the Step that runs
	out []Action  // of the Step that runs
}

// New is the tunnel of a peer, with nothing standing; it keeps p.Children. rand
// spreads the retries and never fails.
func New(p ike.Peer, rand io.Reader, now time.Time) *Tunnel {
	t := &Tunnel{peer: p, rand: rand, desire: desireOf(p.Start), state: ike.Down, since: now, passing: true}
	t.pairs = make([]pair, len(p.Children))
	for i := range p.Children {
		t.pairs[i] = pair{child: &p.Children[i], since: now}
	}
	return t
}

// Peer is the configuration of the tunnel. Do not change what it points to.
func (t *Tunnel) Peer() *ike.Peer { return &t.peer }

// Stopped tells that the tunnel is wanted down, so that the peer may not begin
// it either.
func (t *Tunnel) Stopped() bool { return t.desire == off }

// Step takes what happened and says what to do.
func (t *Tunnel) Step(now time.Time, in Input) []Action {
	t.now, t.out = now, nil
	switch in := in.(type) {
	case Start:
		t.start()
	case Stop:
		t.stop(in.Why)
	case SessionUp:
		t.sessionUp(in)
	case SessionAges:
		t.renew = in.Renew
	case SessionDown:
		t.sessionDown(in)
	case ChildUp:
		t.childUp(in.Child)
	case ChildFailed:
		t.childFailed(in)
	case Unconfirmed:
		t.unconfirmed(in.Sel)
	case PeerDeleted:
		t.peerDeleted(in.SPI)
	case InstallFailed:
		t.installFailed(in)
	case Expired:
		t.expired(in)
	case SoftLimit:
		t.softLimit(in.SPI, in.Dst)
	case Rekey:
		t.rekey(in)
	case Acquired:
		t.acquired(in.ReqID)
	case Noted:
		t.noted(in)
	case Restarted:
		t.doubtAll(doubt{why: beganAnew})
	case Used:
		t.used(in.SPI)
	case Sent:
		t.sent(in)
	case Probed:
		t.probe(in.Passing)
	case Moved:
		t.moved(in.To)
	case Tick:
		t.dropDoubted()
		t.thin()
	}
	t.heal()
	t.begin()
	t.renewSession()
	t.judge()
	out := t.out
	t.out = nil
	return out
}

func (t *Tunnel) start() {
	t.desire = always
	t.fault = nil
	t.carrier = backoff{}
	for i := range t.pairs {
		t.pairs[i].wait, t.pairs[i].fault = backoff{}, nil
	}
}

func (t *Tunnel) stop(why *ike.Fault) {
	t.desire = off
	t.clearAll(why)
	t.carrier = backoff{}
	t.fault = why
	t.say(Disconnect{})
}

// clearAll takes down every child, and forgets what was asked for: a child that
// we ended ourselves did not fail.
func (t *Tunnel) clearAll(why *ike.Fault) {
	for i := range t.pairs {
		p := &t.pairs[i]
		p.asked, p.urgent = false, false
		for len(p.children) > 0 {
			t.takeDown(p, 0, why)
		}
		p.wait = backoff{}
	}
	t.renew, t.renewing, t.reviving = time.Time{}, false, false
}

// sessionUp ends the pause that a failed session made. The count of failures
// stays until a child stands: a peer that takes sessions and gives no child
// must not be asked without a pause.
func (t *Tunnel) sessionUp(in SessionUp) {
	t.renew, t.renewing = in.Renew, false
	if t.ladder.step == renewCarrier {
		t.rekeyMute()
	}
	if in.Initiator {
		t.carrier.next = time.Time{}
		return
	}
	if n := t.carrier.next; !n.After(t.now) || n.After(t.now.Add(headStart)) {
		t.yield() // not longer than once: a peer that only makes sessions would put us off for ever
	}
}

// yield lets the peer go on with the pairs that it asks for.
func (t *Tunnel) yield() { t.carrier.next = t.now.Add(headStart) }

// sessionDown plans another try for the pairs whose negotiation ended with the
// session, and for the session itself where children need one.
func (t *Tunnel) sessionDown(in SessionDown) {
	var began time.Time
	for _, sel := range in.Asked {
		if p := t.pair(sel); p != nil && p.asked {
			p.asked = false
			began = p.began
		}
	}
	if in.Renewal {
		t.renewing = false
		began = cmp.Or(began, t.now)
	}
	switch {
	case in.Last && in.Fault.Cause == ike.CauseDead:
		t.peerDead(in.Fault)
	case !began.IsZero(): // something was waiting for it
		f := t.history.informed(in.Fault)
		t.blame(f)
		t.history.add(t.now, Negotiation{Began: began, Took: t.now.Sub(began), Exchange: in.Exchange, Initiator: true, Fault: f})
		t.carrier.fail(t.now, t.rand)
	}
	if in.Last && !t.renew.IsZero() {
		t.renew = latest(t.renew, t.now.Add(headStart)) // the peer's next one may be on its way
	}
	if t.peer.Anywhere() && (in.Last || !began.IsZero()) {
		t.reviving = false // only the peer can begin
	}
}

// noted shows why the peer cannot reach us. What comes from an address that
// nobody has proved must not spoil a good state: it shows while nothing stands.
func (t *Tunnel) noted(in Noted) {
	n := t.standing()
	if in.Fault == nil || t.desire == off || n > 0 && !in.Proven {
		return
	}
	if !in.Ours && !t.history.tells(in.Fault) {
		t.history.add(t.now, Negotiation{Began: t.now, Exchange: in.Exchange, Fault: in.Fault})
	}
	if n < len(t.pairs) {
		t.fault = in.Fault
	}
}

func (t *Tunnel) acquired(reqID uint32) {
	if t.desire < onTraffic {
		return
	}
	for i := range t.pairs {
		if p := &t.pairs[i]; p.child.ReqID == reqID && !t.stands(p) {
			p.traffic = t.now.Add(trafficLasts)
			p.urgent = true
		}
	}
}

// begin asks for the quick modes whose time has come: for pairs that are down,
// and for those whose newest child is to be replaced.
func (t *Tunnel) begin() {
	for i := range t.pairs {
		p := &t.pairs[i]
		if at, ok := t.due(p); !ok || at.After(t.now) {
			continue
		}
		t.negotiate(p)
	}
}

func (t *Tunnel) negotiate(p *pair) {
	p.asked, p.began = true, t.now
	t.say(Negotiate{Child: *p.child, Urgent: p.urgent})
	p.urgent = false
}

// due is when a pair is to be negotiated, the zero time for at once; false for
// not at all. A child is replaced by whoever comes first, also where it is the
// peer that begins tunnels: what it has begun is kept alive.
func (t *Tunnel) due(p *pair) (time.Time, bool) {
	if p.asked || t.desire == off {
		return time.Time{}, false
	}
	at := latest(p.wait.next, t.carrier.next)
	switch {
	case t.stands(p):
		return latest(at, p.renew), !p.renew.IsZero()
	case t.reviving || t.desire == always:
		return at, true
	case t.desire == onTraffic && !p.traffic.Before(t.now) && !p.traffic.Before(at):
		return at, true
	}
	return time.Time{}, false
}

// Wake is when a Tick is wanted, false for never: for a negotiation, for a rung
// of the ladder, or to see whether the children in doubt live.
func (t *Tunnel) Wake() (time.Time, bool) {
	first, found := t.nextTry()
	sooner := func(at time.Time, ok bool) {
		if ok && (!found || at.Before(first)) {
			first, found = at, true
		}
	}
	sooner(t.renewDue())
	sooner(t.nextRung())
	for i := range t.pairs {
		sooner(t.pairs[i].thinDue())
	}
	for _, d := range t.doubts {
		sooner(d.until, true)
	}
	return first, found
}

// nextTry is when the next quick mode is due, false for none.
func (t *Tunnel) nextTry() (first time.Time, found bool) {
	for i := range t.pairs {
		if at, ok := t.due(&t.pairs[i]); ok && (!found || at.Before(first)) {
			first, found = at, true
		}
	}
	return first, found
}

// judge reports the state when it is another one.
func (t *Tunnel) judge() {
	s := t.stateNow()
	switch s {
	case ike.Up:
		t.fault, t.reviving = nil, false
	case ike.Silent:
		t.fault, t.reviving = silence, false
	default:
		t.passing = true // what the probe said was about what stood before
	}
	if s == t.state {
		return
	}
	t.state, t.since = s, t.now
	t.say(Report{Kind: ike.TunnelChanged, Tunnel: t.peer.Name, State: s, Fault: t.fault})
}

func (t *Tunnel) stateNow() ike.State {
	n := t.standing()
	switch {
	case t.desire == off:
		return ike.Disabled
	case n > 0 && n == len(t.pairs) && t.silent():
		return ike.Silent
	case n > 0 && n == len(t.pairs):
		return ike.Up
	case n > 0:
		return ike.PartlyUp
	case t.asking():
		return ike.Negotiating
	}
	return ike.Down
}

// standing counts the pairs that stand.
func (t *Tunnel) standing() int {
	n := 0
	for i := range t.pairs {
		if t.stands(&t.pairs[i]) {
			n++
		}
	}
	return n
}

func (t *Tunnel) asking() bool {
	for i := range t.pairs {
		if t.pairs[i].asked {
			return true
		}
	}
	return false
}

// Sending is the child that a pair's packets leave by, if there is one and no
// doubt of it.
func (t *Tunnel) Sending(sel xfrm.Selector) (ike.ChildSA, bool) {
	p := t.pair(sel)
	if p == nil || p.mute || len(p.children) == 0 {
		return ike.ChildSA{}, false
	}
	newest := p.children[len(p.children)-1]
	_, doubted := t.doubts[newest.SPIIn]
	return newest, !doubted
}

// Holds tells that there is a child, be it in doubt.
func (t *Tunnel) Holds() bool {
	return slices.ContainsFunc(t.pairs, func(p pair) bool { return len(p.children) > 0 })
}

func (t *Tunnel) pair(sel xfrm.Selector) *pair {
	for i := range t.pairs {
		if t.pairs[i].child.Sel == sel {
			return &t.pairs[i]
		}
	}
	return nil
}

// blame keeps the last fault for those who ask why the tunnel is not up.
func (t *Tunnel) blame(f *ike.Fault) {
	if f != nil && t.desire != off {
		t.fault = f
	}
}

// blamePair keeps the fault of a pair that is down.
func (t *Tunnel) blamePair(p *pair, f *ike.Fault) {
	p.fault = f
	t.blame(f)
}

// pairFault is the fault of a pair that is down, or nil.
func (t *Tunnel) pairFault() *ike.Fault {
	for i := range t.pairs {
		if p := &t.pairs[i]; !t.stands(p) && p.fault != nil {
			return p.fault
		}
	}
	return nil
}

func (t *Tunnel) say(a Action) { t.out = append(t.out, a) }

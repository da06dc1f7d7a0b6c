package v1

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// status is what an end has said last about its session.
func (e *end) status() ike.SessionStatus {
	e.t.Helper()
	var last *ike.SessionStatus
	for _, r := range e.reports {
		if r.Session != nil {
			last = r.Session
		}
	}
	if last == nil {
		e.t.Fatalf("no session in %v", e.reports)
	}
	return *last
}

// Who began renews first, both in time for a main mode with resends, and neither
// earlier than half a margin more.
func TestRenewal(t *testing.T) {
	for _, c := range []struct {
		life                           time.Duration
		initiatorMargin, responderMost time.Duration
	}{
		{24 * time.Hour, 144 * time.Minute, 108 * time.Minute},
		{time.Hour, 6 * time.Minute, 270 * time.Second},
		{time.Minute, 10 * time.Second, 7500 * time.Millisecond},
	} {
		a, b := peers()
		a.Lifetime.Time, b.Lifetime.Time = c.life, c.life
		p := newPair(t, a, b)
		p.start()
		first, second := p.a.status(), p.b.status()
		early, late := first.Expires.Sub(first.Renew), second.Expires.Sub(second.Renew)
		if early < c.initiatorMargin || early > c.initiatorMargin*3/2 {
			t.Errorf("%v: the initiator renews %v before the end", c.life, early)
		}
		if late < 5*time.Second || late > c.responderMost || late >= early {
			t.Errorf("%v: the responder renews %v before the end", c.life, late)
		}
	}
}

// A responder does not renew a session whose peer sits behind a translator, nor
// does whoever has a newer one.
func TestNoRenewal(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	for what, e := range map[string]*end{"the initiator": p.a, "the responder": p.b} {
		e.s.nat.there = true
		if renews := !e.s.renewal(time.Hour).IsZero(); renews != e.s.initiator {
			t.Errorf("%s renews: %v", what, renews)
		}
	}
	p.step(p.a, ike.Superseded{})
	if !p.a.s.status.Renew.IsZero() || !p.a.s.renewal(time.Hour).IsZero() {
		t.Error("a superseded session is renewed")
	}
}

// A responder with the shorter lifetime says so, and the initiator obeys.
func TestResponderLifetimeOfPhase1(t *testing.T) {
	a, b := peers()
	a.Lifetime.Time, b.Lifetime.Time = 24*time.Hour, time.Hour
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
	if n := p.b.said("RESPONDER-LIFETIME"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	s := p.a.status()
	if p.a.has(ike.SessionChanged) == nil || s.Expires != begin.Add(time.Hour) || s.Expires.Sub(s.Renew) > 9*time.Minute {
		t.Errorf("the initiator renews at %v and expires at %v", s.Renew, s.Expires)
	}
	p.run(time.Hour)
	p.a.wantFault(ike.SessionDown, ike.CauseExpired)
}

// It is said as soon as the initiator shows that it has message 6, and not before.
func TestWhenTheLifetimeIsTold(t *testing.T) {
	a, b := peers()
	b.Lifetime.Time = time.Hour
	p := newPair(t, a, b)
	p.step(p.a, ike.Begin{})
	if n := p.b.said("RESPONDER-LIFETIME"); n != 0 {
		t.Errorf("it is said %d times right behind message 6", n)
	}
	p.informs(p.a, 77, question(isakmp.RUThere, nil, 1))
	if n := p.b.said("RESPONDER-LIFETIME"); n != 1 || p.a.status().Expires != begin.Add(time.Hour) {
		t.Errorf("it is said %d times", n)
	}
}

// What is longer, says nothing or comes from an initiator is not obeyed; what is
// very short is taken for the shortest that there is.
func TestWhichLifetimesAreObeyed(t *testing.T) {
	of := func(protocol isakmp.Protocol, list ...isakmp.Attribute) isakmp.Payload {
		return isakmp.Payload{Type: isakmp.Notify, Body: isakmp.Notification{
			Protocol: protocol, Type: isakmp.ResponderLifetime, Data: isakmp.AppendAttributes(nil, isakmp.ProtoISAKMP, list),
		}.Append(nil)}
	}
	life := func(v uint64) isakmp.Attribute { return isakmp.Attribute{Type: isakmp.AttrLife, Value: v} }
	kind := func(v uint64) isakmp.Attribute { return isakmp.Attribute{Type: isakmp.AttrLifeType, Value: v} }
	for _, c := range []struct {
		what string
		n    isakmp.Payload
		want time.Duration
	}{
		{"ten minutes", of(isakmp.ProtoISAKMP, kind(isakmp.LifeSeconds), life(600)), 10 * time.Minute},
		{"a longer one", of(isakmp.ProtoISAKMP, kind(isakmp.LifeSeconds), life(100000)), 24 * time.Hour},
		{"kilobytes", of(isakmp.ProtoISAKMP, kind(isakmp.LifeKB), life(600)), 24 * time.Hour},
		{"that of a child", of(isakmp.ProtoESP, kind(isakmp.LifeSeconds), life(600)), 24 * time.Hour},
		{"none", of(isakmp.ProtoISAKMP), 24 * time.Hour},
		{"0 seconds", of(isakmp.ProtoISAKMP, kind(isakmp.LifeSeconds), life(0)), 24 * time.Hour},
		{"1 second", of(isakmp.ProtoISAKMP, kind(isakmp.LifeSeconds), life(1)), time.Minute},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := establishedPair(t)
			p.informs(p.b, 77, c.n)
			p.informs(p.a, 78, c.n)
			if got := p.a.s.status.Expires.Sub(begin); got != c.want {
				t.Errorf("the initiator's life is %v instead of %v", got, c.want)
			}
			if got := p.b.s.status.Expires.Sub(begin); got != 24*time.Hour {
				t.Errorf("the responder's life is %v", got)
			}
		})
	}
}

// Peers may say it in message 6.
func TestResponderLifetimeInMessage6(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		h, _ := isakmp.ParseHeader(data)
		if from != p.b || h.Exchange != isakmp.MainMode || h.Flags&isakmp.Encrypted == 0 {
			return data
		}
		o, _ := p.a.s.secrets.open(p.a.s.iv, message{Header: h, raw: data})
		n := isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.ResponderLifetime, Data: isakmp.AppendAttributes(nil,
			isakmp.ProtoISAKMP, []isakmp.Attribute{{Type: isakmp.AttrLifeType, Value: isakmp.LifeSeconds}, {Type: isakmp.AttrLife, Value: 900}})}
		changed, next := p.a.s.secrets.seal(p.a.s.iv, h, append(o.chain, isakmp.Payload{Type: isakmp.Notify, Body: n.Append(nil)}))
		p.b.s.iv = append([]byte(nil), next...)
		return changed
	}
	p.start()
	p.wantTunnel()
	if got := p.a.status().Expires; got != begin.Add(15*time.Minute) {
		t.Errorf("expires at %v", got)
	}
}

// A peer cannot make us negotiate without a pause, nor a number overflow.
func TestLifetimesOfThePeerAreBounded(t *testing.T) {
	for _, c := range []struct {
		seconds, kb uint64
		want        ike.Lifetime
	}{
		{0, 0, ike.Lifetime{Time: defaultLife}},
		{1, 1, ike.Lifetime{Time: time.Minute, KB: 2560}},
		{1 << 40, 1 << 63, ike.Lifetime{Time: maxLife, KB: 1 << 63}},
	} {
		var o offered
		o.lifetime([]isakmp.Attribute{
			{Type: isakmp.ESPLifeType, Value: isakmp.LifeSeconds}, {Type: isakmp.ESPLife, Value: c.seconds},
			{Type: isakmp.ESPLifeType, Value: isakmp.LifeKB}, {Type: isakmp.ESPLife, Value: c.kb},
		}, isakmp.ESPLifeType, isakmp.ESPLife)
		if o.life != c.want {
			t.Errorf("%d seconds and %d KB are %v", c.seconds, c.kb, o.life)
		}
	}
}

// Phase 1 may be begun alone.
func TestBegin(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.step(p.a, ike.Begin{})
	p.step(p.a, ike.Begin{})
	if !p.a.s.Established() || !p.b.s.Established() || len(p.a.sent)+len(p.b.sent) != 6 {
		t.Errorf("%d datagrams", len(p.a.sent)+len(p.b.sent))
	}
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.wantTunnel()
}

// A session that has carried so many quick modes that it begins to forget them is
// replaced before its time.
func TestManyQuickModesRenewTheSession(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	for range quicksRemembered {
		p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
		p.run(time.Second)
	}
	for _, e := range []*end{p.a, p.b} {
		changes := 0
		for _, r := range e.reports {
			if r.Kind == ike.SessionChanged {
				changes++
			}
		}
		if s := e.status(); changes != 1 || s.Renew.After(p.now) || !s.Expires.After(p.now.Add(time.Hour)) {
			t.Errorf("%d changes; renew at %v, now %v, expires %v", changes, s.Renew, p.now, s.Expires)
		}
	}
}

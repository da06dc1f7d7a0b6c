package tunnel

import (
	"github.com/twinspan/twinspan/ike"
)

// Status is what the tunnel is doing. Session is the engine's to fill in.
func (t *Tunnel) Status() ike.Status {
	s := ike.Status{
		Tunnel: t.peer.Name,
		State:  t.state,
		Since:  t.since,
		Fault:  t.fault,
		Try:    t.carrier.try,
		Pairs:  make([]ike.PairStatus, len(t.pairs)),
	}
	for i := range t.pairs {
		p := &t.pairs[i]
		s.Pairs[i] = p.status()
		if t.stands(p) {
			continue
		}
		s.Try = max(s.Try, p.wait.try)
		if at, ok := t.due(p); ok && (s.NextTry.IsZero() || at.Before(s.NextTry)) {
			s.NextTry = at
		}
	}
	return s
}

func (p *pair) status() ike.PairStatus {
	s := ike.PairStatus{Sel: p.child.Sel, Since: p.since, Mute: p.mute}
	if n := len(p.children); n > 0 {
		c := p.children[n-1]
		s.Child, s.Renew = &c, p.renew
	}
	return s
}

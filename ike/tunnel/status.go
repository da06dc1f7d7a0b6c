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
		if len(p.children) == 0 {
			s.Try = max(s.Try, p.wait.try)
		}
	}
	if at, ok := t.nextTry(); ok {
		s.NextTry = at
	}
	return s
}

func (p *pair) status() ike.PairStatus {
	s := ike.PairStatus{Sel: p.child.Sel, Since: p.since}
	if n := len(p.children); n > 0 {
		c := p.children[n-1]
		s.Child = &c
	}
	return s
}

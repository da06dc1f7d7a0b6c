package ikesim

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Whatever an operator does at whatever moment of the negotiation, in the middle
// of a Compute too: the tunnel comes up, and nothing is left of what was before.
func TestEveryMoment(t *testing.T) {
	both := func(do func(*Host)) func(a, b *Host) { return func(a, b *Host) { do(a); do(b) } }
	rekeyed := func(h *Host) {
		p := h.Peer(gz)
		p.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("another"))}
		h.Configure(p)
	}
	reopened := func(h *Host) {
		h.Step(ike.Close{Tunnel: gz})
		h.Step(ike.Initiate{Tunnel: gz})
	}
	for name, do := range map[string]func(a, b *Host){
		"another key here first":  both(rekeyed),
		"another key there first": func(a, b *Host) { rekeyed(b); a.After(15*time.Millisecond, func() { rekeyed(a) }) },
		"closed and opened here":  func(a, _ *Host) { reopened(a) },
		"closed and opened there": func(_, b *Host) { reopened(b) },
		"restart here":            func(a, _ *Host) { a.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			for at := 0; at < 120; at += 3 {
				w, a, b := tunnel(t, 1, nil, func(a, b *ike.Peer) {
					pfs(a, b)
					if at%2 == 0 { // every other moment
						b.Start = ike.Active
					}
				})
				w.Run(time.Duration(at) * time.Millisecond)
				do(a, b)
				w.Run(2 * time.Minute)
				w.WantUp(gz)
				w.Run(2 * time.Hour)
				w.WantUp(gz)
				for _, h := range []*Host{a, b} {
					if c := h.Engine.Counters(); c.HalfOpen != 0 || c.Sessions > 4 {
						t.Errorf("%s: %+v", h.Name, c)
					}
				}
				if t.Failed() {
					t.Fatalf("at %d ms", at)
				}
			}
		})
	}
}

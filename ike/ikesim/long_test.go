package ikesim

import (
	"fmt"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// shortLives lets phase 1 and the children of both ends expire often, and not
// together.
func shortLives(a, b *ike.Peer) {
	for _, p := range []*ike.Peer{a, b} {
		p.Lifetime.Time = 25 * time.Minute
		for i := range p.Children {
			p.Children[i].Lifetime.Time = 10 * time.Minute
		}
	}
}

// Whoever begins, a tunnel whose phase 1 and children expire again and again is
// up at all times that anybody looks, and nothing gathers.
func TestHalfADay(t *testing.T) {
	for _, b := range []ike.Start{ike.Active, ike.Passive, ike.FlowTrigger} {
		for _, pairs := range []int{1, 5} {
			t.Run(fmt.Sprintf("%d pairs, the other end is %v", pairs, b), func(t *testing.T) {
				w, x, y := tunnel(t, pairs, nil, func(pa, pb *ike.Peer) {
					shortLives(pa, pb)
					pb.Start = b
				})
				for range 12 * 60 {
					w.Run(time.Minute)
					x.WantState(gz, ike.Up)
					y.WantState(gz, ike.Up)
				}
				w.WantUp(gz)
				w.WantDatagrams(30*6 + 90*pairs*5) // main mode, and per pair quick mode and two deletions
				for _, h := range []*Host{x, y} {
					if n := len(h.SAs()); n < 2*pairs || n > 4*pairs { // some are being replaced
						t.Errorf("%s: %d SAs for %d pairs", h.Name, n, pairs)
					}
					if n := h.Engine.Counters().Sessions; n > 2 {
						t.Errorf("%s: %d sessions", h.Name, n)
					}
				}
			})
		}
	}
}

// Two machines that slept for more than a day find all their SAs expired, and
// begin anew at once.
func TestTimeLeaps(t *testing.T) {
	w, a, b := tunnel(t, 3, nil, nil)
	w.Run(time.Minute)
	before := w.Datagrams()
	w.now = w.now.Add(30 * time.Hour)
	w.RunUntilUp(2*time.Second, gz)
	w.WantDatagrams(before + 6 + 3*3 + 6 + 1) // and the deletions, and a QM1 on the old session
	a.WantSAs(6)
	b.WantSAs(6)
}

// Whatever operators, crashes, leaps of time and the network do, once they leave
// it alone the tunnel comes up, carries, and is quiet.
func TestTurmoil(t *testing.T) {
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			w, a, b := tunnel(t, 3, Chaos(t.Name(), 0.15), func(pa, pb *ike.Peer) {
				shortLives(pa, pb)
				if i%2 == 0 {
					pb.Start = ike.Active
				}
			})
			chance := newDice(t.Name() + "/turmoil").r
			for range 100 {
				w.Run(time.Duration(chance.Uint64() % uint64(40*time.Second)))
				disturb(w, []*Host{a, b}[chance.Uint64()%2], chance.Uint64())
			}
			w.Rule = nil
			for _, h := range []*Host{a, b} {
				h.Step(ike.Initiate{Tunnel: gz})
			}
			w.Run(20 * time.Minute) // until what only one end holds has expired
			w.WantUp(gz)
			before := w.Datagrams()
			w.Run(20 * time.Minute)
			w.WantUp(gz)
			w.WantDatagrams(before + 3*2*(6+5*3))
		})
	}
}

// disturb does one of the things that happen to a host.
func disturb(w *World, h *Host, chance uint64) {
	p := h.Peer(gz)
	switch chance % 6 {
	case 0:
		h.Step(ike.Initiate{Tunnel: gz})
	case 1:
		h.Step(ike.Close{Tunnel: gz})
	case 2:
		h.Step(ike.Close{Tunnel: gz})
		h.Step(ike.Initiate{Tunnel: gz})
	case 3:
		h.Restart()
	case 4:
		h.Configure()
		h.Configure(p)
	case 5:
		w.now = w.now.Add(time.Duration(chance % uint64(time.Hour)))
	}
}

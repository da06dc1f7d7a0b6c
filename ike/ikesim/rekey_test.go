package ikesim

import (
	"fmt"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// hourly lets children live for an hour and phase 1 for four.
func hourly(a, b *ike.Peer) {
	for _, p := range []*ike.Peer{a, b} {
		p.Lifetime.Time = 4 * time.Hour
		for i := range p.Children {
			p.Children[i].Lifetime = ike.Lifetime{Time: time.Hour}
		}
	}
}

// usable fails the test when a packet of a pair would be lost now, in either
// direction: the SA that would be taken for it must stand at the other end.
func usable(t *testing.T, w *World, a, b *Host, sel xfrm.Selector) {
	t.Helper()
	if !carries(a, b, sel) || !carries(b, a, xfrm.Selector{Local: sel.Remote, Remote: sel.Local}) {
		t.Fatalf("at %v no usable SAs for %v, after\n%s", w.now.Sub(w.start), sel, lastLines(w, 60))
	}
}

// carries tells whether what from would send is taken in by to.
func carries(from, to *Host, sel xfrm.Selector) bool {
	var out xfrm.SA
	for _, sa := range from.SAs() {
		if sa.Dir == xfrm.Out && sa.ReqID == reqID(from, sel) {
			out = sa // the newest is the last
		}
	}
	for _, sa := range to.SAs() {
		if sa.Dir == xfrm.In && sa.SPI == out.SPI && out.SPI != 0 {
			return true
		}
	}
	return false
}

func reqID(h *Host, sel xfrm.Selector) uint32 {
	for _, c := range h.Peer(gz).Children {
		if c.Sel == sel {
			return c.ReqID
		}
	}
	return 0
}

func lastLines(w *World, n int) string {
	all := w.trace[max(0, len(w.trace)-n):]
	text := ""
	for _, line := range all {
		text += line + "\n"
	}
	return text
}

// watched lets time pass and looks after everything that happens whether the
// pair can be used.
func watched(t *testing.T, w *World, a, b *Host, d time.Duration) {
	t.Helper()
	sel := a.Peer(gz).Children[0].Sel
	seen := -1
	w.RunUntil(d, func() bool {
		if happened := w.count + len(a.Reports) + len(b.Reports); happened != seen {
			seen = happened
			usable(t, w, a, b, sel)
		}
		return false
	})
}

// Thirty days of hourly rekeys over a network that loses a fifth, doubles,
// reorders and delays, while both ends are asked to rekey at the same moment
// again and again: at no moment is there no usable pair of SAs.
func TestThirtyDays(t *testing.T) {
	days := 30
	if testing.Short() {
		days = 3
	}
	for _, tc := range []struct {
		name string
		b    ike.Start
		pfs  bool
	}{
		{"both ends begin", ike.Active, false},
		{"one end begins", ike.Passive, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w, a, b := tunnel(t, 1, nil, func(pa, pb *ike.Peer) {
				hourly(pa, pb)
				pb.Start = tc.b
				for _, p := range []*ike.Peer{pa, pb} {
					p.DPD = ike.DPD{Delay: 30 * time.Second, Timeout: 150 * time.Second}
				}
				if tc.pfs {
					pfs(pa, pb)
				}
			})
			w.RunUntilUp(time.Second, gz)
			w.Run(time.Minute)
			w.Rule = Chaos(t.Name(), 0.2)
			before := w.Datagrams()
			for hour := range 24 * days {
				watched(t, w, a, b, 40*time.Minute)
				if hour%3 == 0 {
					for _, h := range []*Host{a, b} {
						h.Step(ike.Rekey{Tunnel: gz, IKE: hour%6 == 0, IPsec: true})
					}
				}
				watched(t, w, a, b, 20*time.Minute)
				w.trace = w.trace[max(0, len(w.trace)-1000):]
				a.Reports, b.Reports = nil, nil
			}
			// Of each hour: dead peer detection has 120 pauses and asks and answers in
			// each, by either end; two rekeys of children with their deletions, half of
			// a phase 1, and what is lost of all that and said again.
			perHour := float64(w.Datagrams()-before) / float64(24*days)
			t.Logf("%.0f datagrams an hour", perHour)
			if most := 400.0; perHour > most {
				t.Errorf("%.0f datagrams an hour, at most %.0f should do", perHour, most)
			}
			for _, h := range []*Host{a, b} {
				if n := len(h.SAs()); n > 8 {
					t.Errorf("%s: %d SAs have gathered", h.Name, n)
				}
			}
			w.Rule = nil
			w.Run(5 * time.Minute)
			w.WantUp(gz)
		})
	}
}

// Both ends are asked to rekey in the same instant: two children for each pair,
// and from then on one again.
func TestSimultaneousRekeysConverge(t *testing.T) {
	w, a, b := tunnel(t, 3, nil, func(pa, pb *ike.Peer) { hourly(pa, pb); bothActive(pa, pb) })
	w.RunUntilUp(time.Second, gz)
	w.Run(10 * time.Minute)
	for _, h := range []*Host{a, b} {
		h.Step(ike.Rekey{Tunnel: gz, IKE: true, IPsec: true})
	}
	watched(t, w, a, b, 2*time.Hour)
	before := w.Datagrams()
	watched(t, w, a, b, 10*time.Hour)
	rounds := 10*60/50 + 1 // of less than an hour each
	w.WantDatagrams(before + rounds*3*(3+2) + 4*6)
	for _, h := range []*Host{a, b} {
		if n := len(h.SAs()); n > 2*2*3 {
			t.Errorf("%s: %d SAs for three pairs", h.Name, n)
		}
	}
}

// A child that has carried most of what it may is replaced before it has
// carried all.
func TestRekeyByBytes(t *testing.T) {
	w, a, b := tunnel(t, 1, nil, func(pa, pb *ike.Peer) {
		for _, p := range []*ike.Peer{pa, pb} {
			p.Children[0].Lifetime = ike.Lifetime{Time: 24 * time.Hour, KB: 2560}
		}
	})
	w.RunUntilUp(time.Second, gz)
	sel := a.Peer(gz).Children[0].Sel
	ups := func() (n int) {
		for _, r := range a.Reports {
			if r.Kind == ike.ChildUp {
				n++
			}
		}
		return n
	}
	for i := 0; ups() < 6; i++ {
		if i > 1_000_000 {
			t.Fatalf("%d children after %d packets", ups(), i)
		}
		if fate, arrived := a.Send(a.Peer(gz), sel); !arrived {
			t.Fatalf("packet %d: %v, after\n%s", i, fate, w.Trace())
		}
		w.Run(time.Millisecond)
	}
	b.WantState(gz, ike.Up)
}

// Whichever datagram of a rekey is lost, of a child or of phase 1, the pair can
// be used all the time.
func TestOneDatagramOfARekeyIsLost(t *testing.T) {
	for _, what := range []ike.Rekey{{Tunnel: gz, IPsec: true}, {Tunnel: gz, IKE: true}, {Tunnel: gz, IKE: true, IPsec: true}} {
		for _, theirs := range []bool{false, true} {
			for lost := 1; lost <= nine; lost++ {
				t.Run(fmt.Sprintf("IKE %v, IPsec %v, theirs %v, datagram %d", what.IKE, what.IPsec, theirs, lost), func(t *testing.T) {
					w, a, b := tunnel(t, 1, nil, func(pa, pb *ike.Peer) { hourly(pa, pb); pfs(pa, pb) })
					w.RunUntilUp(time.Second, gz)
					w.Run(time.Minute)
					before := w.Datagrams()
					w.Rule = Lose(before + lost)
					h := a
					if theirs {
						h = b
					}
					h.Step(what)
					watched(t, w, a, b, 5*time.Minute)
					w.WantDatagrams(before + nine + 2)
					w.WantUp(gz)
				})
			}
		}
	}
}

// The session ends, by the peer or by its time, while children stand: another
// one takes its place, and the children do not notice.
func TestSessionIsReplacedWhenThePeerClosesIt(t *testing.T) {
	w, a, b := tunnel(t, 2, nil, hourly)
	w.RunUntilUp(time.Second, gz)
	w.Run(time.Minute)
	old := a.Status(gz).Session.Cookies
	for range 3 {
		before := len(a.Reports)
		a.Step(ike.Rekey{Tunnel: gz, IKE: true})
		watched(t, w, a, b, 10*time.Second)
		now := a.Status(gz).Session.Cookies
		if now == old {
			t.Fatalf("the session is the same after %d reports", len(a.Reports)-before)
		}
		old = now
	}
	watched(t, w, a, b, 4*time.Hour)
	for _, h := range []*Host{a, b} {
		for _, r := range h.Reports {
			if r.Kind == ike.PeerRestarted && r.Cookies != h.Reports[0].Cookies && w.now.Sub(w.start) > time.Minute {
				continue
			}
			if r.Kind == ike.TunnelChanged && r.State == ike.Down {
				t.Errorf("%s: the tunnel was down", h.Name)
			}
		}
		if n := h.Engine.Counters().Sessions; n > 2 {
			t.Errorf("%s: %d sessions", h.Name, n)
		}
	}
}

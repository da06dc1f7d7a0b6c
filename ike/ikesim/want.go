package ikesim

import (
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// WantUp fails the test unless the tunnel is up at every host that has it, and
// a packet of each of its pairs gets through from each end.
func (w *World) WantUp(tunnel string) {
	w.t.Helper()
	for _, h := range w.having(tunnel) {
		s := h.Status(tunnel)
		if s.State != ike.Up {
			w.t.Errorf("%s: %q is %v, fault %v, after\n%s", h.Name, tunnel, s.State, s.Fault, w.Trace())
			continue
		}
		if h.joined == nil {
			continue
		}
		for _, pair := range s.Pairs {
			if fate, arrived := h.Send(h.Peer(tunnel), pair.Sel); !arrived {
				w.t.Errorf("%s: a packet for %v does not arrive (%v), after\n%s", h.Name, pair.Sel, fate, w.Trace())
			}
		}
	}
}

// WantState fails the test unless the tunnel is in that state at a host.
func (h *Host) WantState(tunnel string, want ike.State) {
	h.t.Helper()
	if s := h.Status(tunnel); s.State != want {
		h.t.Errorf("%s: %q is %v, wants %v, fault %v, after\n%s", h.Name, tunnel, s.State, want, s.Fault, h.Trace())
	}
}

// WantFault fails the test unless the tunnel's last fault at a host is of that
// cause.
func (h *Host) WantFault(tunnel string, want ike.Cause) {
	h.t.Helper()
	if f := h.Status(tunnel).Fault; f == nil || f.Cause != want {
		h.t.Errorf("%s: the fault of %q is %v, wants one of %v, after\n%s", h.Name, tunnel, f, want, h.Trace())
	}
}

// WantDatagrams fails the test when more were sent: a storm is also "up".
func (w *World) WantDatagrams(atMost int) {
	w.t.Helper()
	if w.count > atMost {
		w.t.Errorf("%d datagrams, at most %d should do:\n%s", w.count, atMost, w.Trace())
	}
}

// SAs are those that the host's data plane holds, oldest first.
func (h *Host) SAs() []xfrm.SA {
	h.t.Helper()
	s, err := h.Plane.Dump(h.t.Context())
	h.must(err)
	return s.SAs
}

// WantSAs fails the test unless the host's data plane holds that many SAs.
func (h *Host) WantSAs(want int) {
	h.t.Helper()
	if n := len(h.SAs()); n != want {
		h.t.Errorf("%s: %d SAs, wants %d, after\n%s", h.Name, n, want, h.Trace())
	}
}

// RunUntilUp lets time pass until the tunnel is up at every host that has it,
// and fails the test when that takes longer than d.
func (w *World) RunUntilUp(d time.Duration, tunnel string) {
	w.t.Helper()
	w.RunUntil(d, func() bool {
		for _, h := range w.having(tunnel) {
			if h.Status(tunnel).State != ike.Up {
				return false
			}
		}
		return true
	})
	w.WantUp(tunnel)
}

func (w *World) having(tunnel string) []*Host {
	var all []*Host
	for _, h := range w.hosts {
		for _, p := range h.peers {
			if p.Name == tunnel {
				all = append(all, h)
			}
		}
	}
	return all
}

package ikesim

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// asking makes the initiator ask whether its peer is there.
func asking(d ike.DPD) func(a, b *ike.Peer) {
	return func(a, _ *ike.Peer) { a.DPD = d }
}

// dead tells whether a host has taken its peer for dead.
func (h *Host) dead() bool {
	for _, r := range h.Reports {
		if r.Kind == ike.SessionDown && r.Fault != nil && r.Fault.Cause == ike.CauseDead {
			return true
		}
	}
	return false
}

// A peer that has vanished is taken for dead after the delay and the timeout, not
// before, and the questions are few.
func TestPeerVanishes(t *testing.T) {
	w, a, _ := tunnel(t, 1, nil, asking(ike.DPD{Delay: 10 * time.Second, Timeout: 30 * time.Second}))
	w.RunUntilUp(time.Second, gz)
	w.Run(25 * time.Second) // the last answer comes at about 20 s
	before := w.Datagrams()
	w.Rule = func(Datagram) []Arrival { return nil }
	w.Run(34 * time.Second)
	if a.dead() {
		t.Error("the peer is taken for dead too early")
	}
	if n := w.Datagrams() - before; n > 12 {
		t.Errorf("asked %d times", n)
	}
	w.Run(3 * time.Second)
	if !a.dead() {
		t.Errorf("the peer is not taken for dead:\n%s", w.Trace())
	}
}

// A bad network for a day, with a fifth of all datagrams lost each way, is no dead
// peer.
func TestDPDOverABadNetwork(t *testing.T) {
	w, a, b := tunnel(t, 1, nil, asking(ike.DPD{Delay: 30 * time.Second, Timeout: 120 * time.Second}))
	w.RunUntilUp(time.Second, gz)
	w.Quiet, w.Rule = true, Chaos(t.Name(), 0.2)
	w.Run(23 * time.Hour)
	if a.dead() || b.dead() {
		t.Error("the peer is taken for dead")
	}
}

package ikesim

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// sendsWith is the SA that a host's packets of a pair leave by.
func sendsWith(h *Host, sel xfrm.Selector) (spi uint32) {
	for _, sa := range h.SAs() {
		if sa.Dir == xfrm.Out && sa.ReqID == reqID(h, sel) {
			spi = sa.SPI // the newest is the last
		}
	}
	return spi
}

// A child that replaces another one is there for what comes in, and the older one
// sends on: until the peer has used the new one, or has had time to take QM3, or
// deletes the older.
func TestTheOlderSASendsUntilThePeerHasTheNew(t *testing.T) {
	for what, after := range map[string]struct {
		happens func(a, b *Host)
		within  time.Duration
	}{
		"the peer sends on it":    {func(a, _ *Host) { a.Step(ike.Used{SPI: a.Status(gz).Pairs[0].Child.SPIIn}) }, 0},
		"the peer says nothing":   {func(*Host, *Host) {}, 6 * time.Second},
		"the older one is closed": {func(_, b *Host) { b.Step(ike.LimitReached{SPI: oldest(b).SPI, Dst: oldest(b).Dst, Hard: true}) }, 100 * time.Millisecond},
	} {
		t.Run(what, func(t *testing.T) {
			w, a, b := tunnel(t, 1, nil, hourly)
			w.RunUntilUp(time.Second, gz)
			w.Run(time.Second)
			sel := a.Peer(gz).Children[0].Sel
			before := sendsWith(a, sel)
			a.Step(ike.Rekey{Tunnel: gz, IPsec: true})
			w.Run(time.Second)
			child := a.Status(gz).Pairs[0].Child
			if now := sendsWith(a, sel); now != before || child.SPIOut == before {
				t.Fatalf("a sends with %#x, before it was %#x, the new child is %+v", now, before, child)
			}
			usable(t, w, a, b, sel)
			after.happens(a, b)
			w.Run(after.within)
			if now := sendsWith(a, sel); now != child.SPIOut {
				t.Errorf("a sends with %#x, want the new %#x, after\n%s", now, child.SPIOut, w.Trace())
			}
			usable(t, w, a, b, sel)
		})
	}
}

// oldest is the inbound SA that a host has had for longest.
func oldest(h *Host) (sa xfrm.SA) {
	for _, sa := range h.SAs() {
		if sa.Dir == xfrm.In {
			return sa
		}
	}
	return sa
}

package daemon

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// What another program takes off the host comes back within the half minute,
// and the tunnel does not notice.
func TestWhatOthersRemoveComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		before := spis(w.wantState(t, "TomVPNConn", "up"))
		guards, policies := w.host().guards, w.held(t).Policies
		w.strip()
		if err := w.Memory.SetPolicies(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(upkeepTime + beat)
		if !slices.Equal(w.host().guards, guards) || len(w.host().routes.Routes) == 0 {
			t.Errorf("guards %v, routes %v", w.host().guards, w.host().routes)
		}
		if got := w.held(t).Policies; !slices.Equal(got, policies) {
			t.Errorf("policies %v instead of %v", got, policies)
		}
		if after := spis(w.wantState(t, "TomVPNConn", "up")); !slices.Equal(before, after) {
			t.Errorf("the tunnel was renegotiated: %v, then %v", before, after)
		}
		w.finish(t)
		x.finish(t)
	})
}

func TestKeepaliveIsOneBare0xFF(t *testing.T) {
	wire := (&ether{}).plug("203.195.147.82")
	l := newLoop(discard())
	l.wire = wire
	to := netip.MustParseAddrPort("202.108.22.5:4500")
	l.obey([]ike.Action{ike.Keepalive{Local: netip.AddrPortFrom(wire.addr, xfrm.PortNATT), Remote: to}})
	if want := []string{"ff to 202.108.22.5:4500"}; !slices.Equal(wire.raw, want) {
		t.Errorf("%q instead of %q", wire.raw, want)
	}
}

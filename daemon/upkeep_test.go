package daemon

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// What another program takes off the host comes back at once when it is
// noticed, else within the half minute, and the tunnel goes on.
func TestWhatOthersRemoveComesBack(t *testing.T) {
	t.Run("noticed", func(t *testing.T) { comesBack(t, (*machine).strip, time.Millisecond) })
	t.Run("not noticed", func(t *testing.T) { comesBack(t, (*machine).stripUnseen, upkeepTime+beat) })
}

func comesBack(t *testing.T, strip func(*machine), within time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		before := spis(w.wantState(t, "TomVPNConn", "up"))
		guards, plane := w.host().guards, w.held(t)
		strip(w.machine)
		time.Sleep(within)
		if !slices.Equal(w.host().guards, guards) || len(w.host().routes.Routes) == 0 {
			t.Errorf("guards %v, routes %v", w.host().guards, w.host().routes)
		}
		if got := w.held(t); !slices.Equal(got.Policies, plane.Policies) || !slices.Equal(got.Links, plane.Links) {
			t.Errorf("policies %v and devices %v instead of %v and %v", got.Policies, got.Links, plane.Policies, plane.Links)
		}
		if after := spis(w.wantState(t, "TomVPNConn", "up")); !slices.Equal(before, after) {
			t.Errorf("the tunnel was renegotiated: %v, then %v", before, after)
		}
		w.finish(t)
		x.finish(t)
	})
}

// Somebody who meddles without end does not get all of the loop's time.
func TestMeddlingWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSide(t, &ether{}, west())
		w.start(t)
		w.since()
		w.mu.Lock()
		w.slow = 100 * time.Millisecond
		w.mu.Unlock()
		for range 1000 {
			w.strip()
			time.Sleep(10 * time.Millisecond)
		}
		if n := strings.Count(strings.Join(w.since(), " "), "guards"); n < 5 || n > 20 {
			t.Errorf("in 10 s the host was looked over %d times at 0.1 s each", n)
		}
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

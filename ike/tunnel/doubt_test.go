package tunnel

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// After INITIAL-CONTACT the old children must show that they live: one does,
// one is replaced, one is silent. The peer is told of those that go: one that
// says so without having lost them would go on sending into them.
func TestChildrenOfAPeerThatBeganAnew(t *testing.T) {
	tun := tell(t, peer(ike.Passive, 3),
		step{0, Tick{}, ""},
		step{0, answered(0, 0x300), "partly up"},
		step{0, answered(1, 0x301), ""},
		step{0, answered(2, 0x302), "up"},
		step{time.Hour, Restarted{}, ""},
		step{time.Second, answered(0, 0x310), "delete 300, remove in 300, remove out 1300, child 300 down: deleted"},
		step{time.Second, Used{0x301}, ""},
		step{signOfLife - 3*time.Second, Tick{}, ""},
		step{time.Second, Tick{}, "delete 302, remove in 302, remove out 1302, child 302 down: deleted, partly up: deleted"},
	)
	wantSleep(t, tun)
	if c := tun.Status().Pairs[1].Child; c == nil || c.SPIIn != 0x301 {
		t.Errorf("the child that is in use went: %+v", c)
	}
}

// A silent child of an active tunnel is negotiated anew as soon as it is gone,
// and the tunnel wakes for that.
func TestSilentChildIsNegotiatedAnew(t *testing.T) {
	tun := tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, up(0, 0x300), "up"},
		step{time.Hour, Restarted{}, ""},
	)
	wantWake(t, tun, time.Hour+signOfLife)
	if s := tun.Status(); !s.NextTry.IsZero() {
		t.Errorf("all is up and a try is planned for %v", s.NextTry)
	}
	got := words(tun.Step(began.Add(time.Hour+signOfLife), Tick{}))
	if want := "delete 300, remove in 300, remove out 1300, child 300 down: deleted, negotiate 0, negotiating: deleted"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

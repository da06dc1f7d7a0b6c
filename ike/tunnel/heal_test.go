package tunnel

import (
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// muted is a story of a tunnel of one pair that sends and hears nothing.
func muted() []step {
	return []step{
		{0, Tick{}, "negotiate 0, negotiating"},
		{0, SessionUp{Initiator: true, Renew: began.Add(time.Hour)}, ""},
		{0, living(up(0, 0x300)), "up"},
		{10 * time.Second, Sent{SPI: 0x1300, Dst: there}, ""},
		{50 * time.Second, Sent{SPI: 0x1300, Dst: there}, ""},
		{10 * time.Second, Sent{SPI: 0x1300, Dst: there}, "negotiate 0, established, nothing comes back: nothing comes back"},
	}
}

// The ladder: new children, a new session with new children, and without a probe
// nothing that would take down what stands.
func TestNothingComesBack(t *testing.T) {
	story := append(muted(),
		step{time.Second, living(up(0, 0x301)), ""},
		step{29 * time.Second, Tick{}, "renew"},
		step{time.Second, SessionUp{Initiator: true, Renew: began.Add(time.Hour)}, "negotiate 0"},
		step{0, living(up(0, 0x302)), ""},
		step{time.Minute, Tick{}, ""},
		step{4 * time.Minute, Tick{}, ""},
		step{time.Minute, Tick{}, "negotiate 0"},
		step{0, living(up(0, 0x303)), ""},
		step{0, Used{SPI: 0x303}, "up"},
		step{turnsOver, Tick{}, "delete 300, remove in 300, remove out 1300, child 300 down: limit"},
		step{time.Minute, Tick{}, ""},
	)
	tun := tell(t, peer(ike.Active, 1), story...)
	if s := tun.Status(); s.Fault != nil || s.Pairs[0].Mute {
		t.Errorf("status %+v", s)
	}
}

// A pair that works does not hide another one that is mute, and the other way
// round.
func TestOneOfTwoPairsIsMute(t *testing.T) {
	tun := tell(t, peer(ike.Active, 2),
		step{0, Tick{}, "negotiate 0, negotiate 1, negotiating"},
		step{0, living(up(0, 0x300)), "partly up"},
		step{0, living(up(1, 0x301)), "up"},
		step{0, Sent{SPI: 0x1300, Dst: there}, ""},
		step{0, Used{SPI: 0x301}, ""},
		step{2 * time.Minute, Sent{SPI: 0x1300, Dst: there}, ""},
	)
	if s := tun.Status(); s.State != ike.Up || !s.Pairs[0].Mute || s.Pairs[1].Mute {
		t.Errorf("status %+v", s)
	}
	if got := words(tun.Step(began.Add(12*time.Minute), Sent{SPI: 0x1300, Dst: there})); got != "negotiate 0, established, nothing comes back: nothing comes back" {
		t.Errorf("when the other has been still for long: %q", got)
	}
}

// Traffic that is answered, and one way within reason, is no silence.
func TestNoSilence(t *testing.T) {
	story := muted()[:5]
	for range 100 {
		story = append(story, step{40 * time.Second, Used{SPI: 0x300}, ""}, step{0, Sent{SPI: 0x1300, Dst: there}, ""})
	}
	story = append(story[:70], step{0, Sent{SPI: 0x1999, Dst: there}, ""})
	tell(t, peer(ike.Active, 1), story...)
}

// With a probe the last rung is a fresh start, after which the pauses grow. A
// probe that began before the tunnel stood does not count.
func TestProbeFails(t *testing.T) {
	tell(t, peer(ike.Passive, 1),
		step{0, Probed{false}, ""},
		step{0, SessionUp{Renew: began.Add(time.Hour)}, ""},
		step{0, living(answered(0, 0x300)), "up"},
		step{time.Second, Probed{false}, ""},
		step{10 * time.Second, Probed{true}, ""},
		step{10 * time.Second, Probed{false}, "negotiate 0, established, nothing comes back: nothing comes back"},
		step{0, living(up(0, 0x301)), ""},
		step{30 * time.Second, Tick{}, "renew"},
		step{0, SessionUp{Initiator: true, Renew: began.Add(time.Hour)}, "negotiate 0"},
		step{0, living(up(0, 0x302)), ""},
		step{time.Minute, Probed{false}, "delete 300, remove in 300, remove out 1300, child 300 down: nothing comes back, " +
			"delete 301, remove in 301, remove out 1301, child 301 down: nothing comes back, " +
			"delete 302, remove in 302, remove out 1302, child 302 down: nothing comes back, " +
			"disconnect, negotiate 0, negotiating: nothing comes back"},
		step{0, SessionUp{Initiator: true, Renew: began.Add(2 * time.Hour)}, ""},
		step{0, living(up(0, 0x303)), "up"},
		step{10 * time.Second, Probed{true}, ""},
	)
}

// A dead peer's children stand no longer, and are kept a little in case that it
// was the network.
func TestDeadPeer(t *testing.T) {
	stood := []step{
		{0, SessionUp{Renew: began.Add(time.Hour)}, ""},
		{0, living(answered(0, 0x300)), "up"},
	}
	dead := SessionDown{Fault: fault(ike.CauseDead), Last: true}
	restart, clears := peer(ike.Passive, 1), peer(ike.Passive, 1)
	restart.DPD.Action, clears.DPD.Action = ike.DPDRestart, ike.DPDClear
	t.Run("restart", func(t *testing.T) {
		tell(t, restart, append(stood,
			step{time.Minute, dead, "negotiate 0, negotiating: dead peer"},
			step{signOfLife, Tick{}, "delete 300, remove in 300, remove out 1300, child 300 down: dead peer"},
			step{0, living(up(0, 0x301)), "up"},
		)...)
	})
	t.Run("restart, and it was the network", func(t *testing.T) {
		tell(t, restart, append(stood,
			step{time.Minute, dead, "negotiate 0, negotiating: dead peer"},
			step{time.Second, Used{SPI: 0x300}, "up"},
			step{signOfLife, Tick{}, ""},
		)...)
	})
	t.Run("clear", func(t *testing.T) {
		tun := tell(t, clears, append(stood,
			step{time.Minute, dead, "remove in 300, remove out 1300, child 300 down: dead peer, down: dead peer"},
		)...)
		wantSleep(t, tun)
	})
	t.Run("clear, and we begin tunnels", func(t *testing.T) {
		p := clears
		p.Start = ike.Active
		tell(t, p, append([]step{{0, Tick{}, "negotiate 0, negotiating"}}, append(stood[:1:1],
			step{0, living(up(0, 0x300)), "up"},
			step{time.Minute, dead, "remove in 300, remove out 1300, child 300 down: dead peer, negotiate 0, negotiating: dead peer"})...)...)
	})
	t.Run("another session stands", func(t *testing.T) {
		tell(t, restart, append(stood, step{time.Minute, SessionDown{Fault: fault(ike.CauseDead)}, ""})...)
	})
}

// A peer that moves keeps its SAs where only its port is another one; at another
// address they are made anew at once.
func TestMoved(t *testing.T) {
	inUDP := living(answered(0, 0x300))
	inUDP.Child.Local, inUDP.Child.Remote = netip.AddrPortFrom(here, 4500), netip.AddrPortFrom(there, 30000)
	away := netip.MustParseAddr("198.51.100.99")
	tun := tell(t, peer(ike.Passive, 2),
		step{0, inUDP, "partly up"},
		step{0, living(answered(1, 0x301)), "up"},
		step{0, Moved{netip.AddrPortFrom(there, 30000)}, ""},
		step{0, Moved{netip.AddrPortFrom(there, 31000)}, "follow 300, follow 1300"},
	)
	if got := tun.Status().Pairs[0].Child.Remote.Port(); got != 31000 {
		t.Errorf("the status says port %d", got)
	}
	got := words(tun.Step(began.Add(time.Minute), Moved{netip.AddrPortFrom(away, 31000)}))
	if want := "remove in 300, remove out 1300, child 300 down: deleted, " +
		"remove in 301, remove out 1301, child 301 down: deleted, urgent 0, urgent 1, negotiating: deleted"; got != want {
		t.Errorf("says %s\nwant %s", got, want)
	}
}

// A pair that the peer began and did not prove is asked for once.
func TestUnconfirmed(t *testing.T) {
	tun := tell(t, peer(ike.Passive, 2),
		step{0, living(answered(0, 0x300)), "partly up"},
		step{0, Unconfirmed{sel(0)}, ""},
		step{0, Unconfirmed{sel(1)}, "negotiate 1"},
		step{0, Unconfirmed{sel(1)}, ""},
		step{0, Unconfirmed{sel(9)}, ""},
		step{minute, ChildFailed{sel(1), fault(ike.CauseTimeout)}, ""},
		step{minute, Tick{}, ""},
	)
	wantWake(t, tun, 60*minute-3*minute-45*time.Second)
}

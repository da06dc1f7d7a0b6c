package tunnel

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// living is a child of an hour.
func living(c ChildUp) ChildUp {
	c.Child.Lifetime = ike.Lifetime{Time: time.Hour}
	return c
}

const minute = time.Minute

// Whoever began a child replaces it in the last tenth of its life and half as
// much again, the other end in half of that: with this chance, in the middle.
func TestChildIsReplacedInAdvance(t *testing.T) {
	for name, tc := range map[string]struct {
		up   ChildUp
		want time.Duration
	}{
		"we began it":     {living(up(0, 0x300)), 60*minute - 6*minute - 90*time.Second},
		"the peer did":    {living(answered(0, 0x300)), 60*minute - 3*minute - 45*time.Second},
		"of a long life":  {lasting(up(0, 0x300), 24*time.Hour), 24*time.Hour - longestMargin - longestMargin/4},
		"of a short life": {lasting(up(0, 0x300), 3*minute), 3*minute - 18*time.Second - 4500*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			tun := tell(t, peer(ike.Passive, 1), step{0, tc.up, "up"}, step{tc.want - time.Second, Tick{}, ""})
			wantWake(t, tun, tc.want)
			if got := tun.Status().Pairs[0].Renew; got != began.Add(tc.want) {
				t.Errorf("the status says %v", got.Sub(began))
			}
			if got := words(tun.Step(began.Add(tc.want), Tick{})); got != "negotiate 0" {
				t.Errorf("says %q", got)
			}
		})
	}
}

func lasting(c ChildUp, d time.Duration) ChildUp {
	c.Child.Lifetime = ike.Lifetime{Time: d}
	return c
}

// The old child serves beside the new one until it expires; the tunnel is up
// all the time.
func TestOldChildServesOn(t *testing.T) {
	tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, living(up(0, 0x300)), "up"},
		step{53 * minute, Tick{}, "negotiate 0"},
		step{time.Second, living(up(0, 0x301)), ""},
		step{7 * minute, Expired{SPI: 0x300, Dst: here}, "delete 300, remove in 300, remove out 1300, child 300 down: expired"},
		step{45 * minute, Tick{}, ""},
		step{2 * minute, Tick{}, "negotiate 0"},
	)
}

// A rekey that fails is tried again after pauses that grow, while the old child
// stands. The peer's own ends it.
func TestRekeyThatFails(t *testing.T) {
	tun := tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, living(up(0, 0x300)), "up"},
		step{53 * minute, Tick{}, "negotiate 0"},
		step{0, ChildFailed{sel(0), fault(ike.CauseTimeout)}, ""},
		step{time.Second, Tick{}, "negotiate 0"},
		step{0, ChildFailed{sel(0), fault(ike.CauseTimeout)}, ""},
		step{time.Second, Tick{}, ""},
		step{0, living(answered(0, 0x301)), ""},
	)
	wantWake(t, tun, 53*minute+2*time.Second+60*minute-3*minute-45*time.Second)
	if s := tun.Status(); s.State != ike.Up || s.Fault != nil || s.Try != 0 || !s.NextTry.IsZero() {
		t.Errorf("status %+v", s)
	}
}

// The data plane's soft limit counts for the newest child, once.
func TestSoftLimit(t *testing.T) {
	tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, living(up(0, 0x300)), "up"},
		step{minute, SoftLimit{SPI: 0x999, Dst: here}, ""},
		step{0, SoftLimit{SPI: 0x1300, Dst: there}, "negotiate 0"},
		step{0, SoftLimit{SPI: 0x300, Dst: here}, ""},
		step{0, living(up(0, 0x301)), ""},
		step{0, SoftLimit{SPI: 0x300, Dst: here}, ""},
		step{0, SoftLimit{SPI: 0x301, Dst: here}, "negotiate 0"},
	)
}

// An operator's wish counts at once; one of a pair that is down is none.
func TestRekeyOnRequest(t *testing.T) {
	tell(t, peer(ike.Passive, 2),
		step{0, SessionUp{Renew: began.Add(time.Hour)}, ""},
		step{0, living(answered(0, 0x300)), "partly up"},
		step{minute, Rekey{IPsec: true}, "negotiate 0"},
		step{0, Rekey{IPsec: true}, ""},
		step{0, living(up(0, 0x301)), ""},
		step{0, Rekey{IKE: true}, "renew"},
		step{0, SessionUp{Initiator: true, Renew: began.Add(time.Hour)}, ""},
		step{0, Rekey{IPsec: true, Sel: sel(1)}, ""},
		step{0, Rekey{IPsec: true, Sel: sel(0)}, "negotiate 0"},
		step{0, Stop{fault(ike.CauseAsked)}, "delete 300, remove in 300, remove out 1300, child 300 down: asked, " +
			"delete 301, remove in 301, remove out 1301, child 301 down: asked, disconnect, disabled: asked"},
		step{0, Rekey{IKE: true, IPsec: true}, ""},
	)
}

// A session is replaced when it says so; one that fails to come is asked for
// again, also when the old one has ended meanwhile.
func TestSessionIsReplacedInAdvance(t *testing.T) {
	tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, SessionUp{Initiator: true, Renew: began.Add(20 * minute)}, ""},
		step{0, living(up(0, 0x300)), "up"},
		step{19 * minute, Tick{}, ""},
		step{minute, Tick{}, "renew"},
		step{minute, SessionDown{Fault: fault(ike.CauseTimeout), Renewal: true}, ""},
		step{time.Second, Tick{}, "renew"},
		step{0, SessionDown{Fault: fault(ike.CauseExpired), Last: true}, ""},
		step{minute, SessionDown{Fault: fault(ike.CauseTimeout), Renewal: true}, ""},
		step{2 * time.Second, Tick{}, "renew"},
		step{0, SessionUp{Initiator: true, Renew: began.Add(90 * minute)}, ""},
		step{minute, SessionAges{Renew: began.Add(30 * minute)}, ""},
		step{10 * minute, Tick{}, "renew"},
	)
}

// The peer closed the session that carries children: it gets a moment to begin
// the next one itself.
func TestSessionThatThePeerCloses(t *testing.T) {
	tell(t, peer(ike.Passive, 1),
		step{0, SessionUp{Renew: began.Add(20 * minute)}, ""},
		step{0, living(answered(0, 0x300)), "up"},
		step{minute, SessionDown{Fault: fault(ike.CauseDeleted), Last: true}, ""},
		step{18 * minute, Tick{}, ""},
		step{minute, Tick{}, "renew"},
	)
}

// What nobody needs is not renewed, and a peer from anywhere cannot be asked.
func TestSessionThatIsNotReplaced(t *testing.T) {
	for name, p := range map[string]ike.Peer{
		"without children":     peer(ike.Passive, 1),
		"on traffic":           peer(ike.FlowTrigger, 1),
		"a peer from anywhere": {Name: "any", Local: here, Start: ike.Passive},
	} {
		t.Run(name, func(t *testing.T) {
			tun := tell(t, p, step{0, SessionUp{Renew: began.Add(minute)}, ""}, step{time.Hour, Tick{}, ""})
			wantSleep(t, tun)
		})
	}
}

package ikesim

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
)

var (
	addrA = netip.MustParseAddr("203.195.147.82")
	addrB = netip.MustParseAddr("202.108.22.5")
)

const gz = "gz-idc"

// two is a world with two hosts that have not been configured.
func two(t testing.TB) (w *World, a, b *Host) {
	w = New(t, t.Name())
	a, b = w.Host("a", engine.Options{}, addrA), w.Host("b", engine.Options{}, addrB)
	Join(a, b)
	return w, a, b
}

// tunnel is a world whose two hosts have one tunnel of n pairs; change may
// change the configurations, rule may be nil. Nothing has happened yet but what
// happens in the first instant.
func tunnel(t testing.TB, n int, rule Rule, change func(a, b *ike.Peer)) (w *World, a, b *Host) {
	w, a, b = two(t)
	w.Rule = rule
	start(a, b, n, change)
	return w, a, b
}

func start(a, b *Host, n int, change func(a, b *ike.Peer)) {
	pa, pb := Between(gz, addrA, addrB, n)
	if change != nil {
		change(&pa, &pb)
	}
	b.Configure(pb)
	a.Configure(pa)
}

func pfs(a, b *ike.Peer) { WithPFS(a, 2); WithPFS(b, 2) }

func bothActive(a, b *ike.Peer) { b.Start = ike.Active }

// nine datagrams are main mode and one quick mode, six are aggressive mode and one.
const (
	nine = 9
	six  = 6
)

// course is a way to make a tunnel: a phase 1 and one quick mode.
type course struct {
	name      string
	change    func(a, b *ike.Peer)
	mode      ike.Mode
	datagrams int // undisturbed
	// What one lost datagram, and two or a late one, may cost beyond those.
	oneLost, more int
	bits          int // of a datagram that are spoiled, every step of them
	step          int
	spoiled       time.Duration // until it is up whatever was spoiled
	chaos         int           // datagrams of three pairs in five minutes of it
}

// In aggressive mode nothing answers message 3: it is said again beside a quick
// mode that nothing answered.
var (
	mainCourse = course{
		name: "main mode", mode: ike.Main, change: func(*ike.Peer, *ike.Peer) {}, datagrams: nine, oneLost: 2, more: 4,
		bits: 8 * 120, step: 37, spoiled: 90 * time.Second, chaos: 150,
	}
	aggressiveCourse = course{
		name: "aggressive mode", mode: ike.Aggressive, change: aggressive, datagrams: six, oneLost: 3, more: 6,
		bits: 8 * 480, step: 197, spoiled: 3 * time.Minute, chaos: 180,
	}
	courses = []course{mainCourse, aggressiveCourse, mainCourse.withPFS(), aggressiveCourse.withPFS()}
)

func (c course) withPFS() course {
	change := c.change
	c.name += " with PFS"
	c.change = func(a, b *ike.Peer) { change(a, b); pfs(a, b) }
	return c
}

func TestTunnelComesUp(t *testing.T) {
	for _, c := range courses {
		t.Run(c.name, func(t *testing.T) {
			w, a, b := tunnel(t, 1, nil, c.change)
			w.RunUntilUp(time.Second, gz)
			w.Run(time.Minute)
			w.WantUp(gz)
			w.WantDatagrams(c.datagrams)
			a.WantSAs(2)
			b.WantSAs(2)
			if got := b.Status(gz).Session.Mode; got != c.mode {
				t.Errorf("the session was made by %v", got)
			}
		})
	}
}

// Whatever single datagram is lost, the tunnel is up within the first resend of
// who waits, and nobody storms: the lost one, its resend, and an answer that had
// to be said again.
func TestOneDatagramIsLost(t *testing.T) {
	for _, c := range courses {
		for lost := 1; lost <= c.datagrams; lost++ {
			t.Run(fmt.Sprintf("%s, datagram %d", c.name, lost), func(t *testing.T) {
				w, _, _ := tunnel(t, 1, Lose(lost), c.change)
				w.RunUntilUp(3*time.Second, gz)
				w.Run(time.Minute)
				w.WantUp(gz)
				w.WantDatagrams(c.datagrams + c.oneLost)
			})
		}
	}
}

func TestTwoDatagramsAreLost(t *testing.T) {
	for _, c := range courses {
		for first := 1; first <= c.datagrams+1; first++ {
			for second := first + 1; second <= c.datagrams+2; second++ {
				t.Run(fmt.Sprintf("%s, %d and %d", c.name, first, second), func(t *testing.T) {
					w, _, _ := tunnel(t, 1, Lose(first, second), c.change)
					w.RunUntilUp(9*time.Second, gz)
					w.Run(time.Minute)
					w.WantUp(gz)
					w.WantDatagrams(c.datagrams + c.more)
				})
			}
		}
	}
}

func TestEveryDatagramComesTwice(t *testing.T) {
	for _, c := range courses {
		for _, after := range []time.Duration{0, time.Millisecond, 25 * time.Millisecond, 3 * time.Second} {
			t.Run(fmt.Sprintf("%s, after %v", c.name, after), func(t *testing.T) {
				w, a, b := tunnel(t, 1, Twice(after), c.change)
				w.RunUntilUp(time.Second, gz)
				w.Run(time.Minute)
				w.WantUp(gz)
				w.WantDatagrams(2 * c.datagrams) // an answer for each duplicate of a question
				a.WantSAs(2)
				b.WantSAs(2)
			})
		}
	}
}

// Message 3 of aggressive mode may come after the quick mode that it was sent
// before.
func TestOneDatagramComesLate(t *testing.T) {
	for _, c := range courses {
		for late := 1; late <= c.datagrams; late++ {
			for _, by := range []time.Duration{50 * time.Millisecond, 2500 * time.Millisecond, 7 * time.Second} {
				t.Run(fmt.Sprintf("%s, datagram %d by %v", c.name, late, by), func(t *testing.T) {
					w, _, _ := tunnel(t, 1, Delay(by, late), c.change)
					w.RunUntilUp(8*time.Second, gz)
					w.Run(time.Minute)
					w.WantUp(gz)
					w.WantDatagrams(c.datagrams + c.more)
				})
			}
		}
	}
}

// A spoiled datagram is as good as lost, wherever it is spoiled: who answers it
// must not give up what the real one needs.
func TestOneDatagramIsSpoiled(t *testing.T) {
	for _, c := range []course{mainCourse, aggressiveCourse} {
		for spoiled := 1; spoiled <= c.datagrams; spoiled++ {
			for bit := 5; bit < c.bits; bit += c.step {
				w, _, _ := tunnel(t, 1, Spoil(spoiled, bit), c.change)
				w.Run(c.spoiled)
				w.WantUp(gz)
				w.WantDatagrams(36)
				if t.Failed() {
					t.Fatalf("%s, bit %d of datagram %d", c.name, bit, spoiled)
				}
			}
		}
	}
}

func TestChaos(t *testing.T) {
	for _, c := range []course{mainCourse.withPFS(), aggressiveCourse.withPFS()} {
		for i := range 50 {
			t.Run(fmt.Sprintf("%s, %d", c.name, i), func(t *testing.T) {
				w, _, _ := tunnel(t, 3, Chaos(t.Name(), 0.15), func(a, b *ike.Peer) {
					c.change(a, b)
					if i%2 == 0 {
						b.Start = ike.Active
					}
				})
				w.Run(5 * time.Minute)
				w.Rule = nil
				w.Run(2 * time.Minute)
				w.WantUp(gz)
				w.WantDatagrams(c.chaos)
			})
		}
	}
}

// Twenty pairs come up by twenty quick modes, eight at a time between gateways of
// our kind.
func TestTwentyPairs(t *testing.T) {
	w, a, b := two(t)
	open, most := 0, 0
	w.OnSend = func(d Datagram) {
		switch d.Step {
		case "QM1":
			open++
		case "QM3":
			open--
		}
		most = max(most, open)
	}
	start(a, b, 20, nil)
	w.RunUntilUp(time.Second, gz)
	w.WantDatagrams(6 + 20*3)
	a.WantSAs(40)
	b.WantSAs(40)
	if most != 8 {
		t.Errorf("%d quick modes went on at once", most)
	}
}

func TestTwentyPairsAndOneDatagramIsLost(t *testing.T) {
	const all = 6 + 20*3
	for lost := 7; lost <= all; lost++ {
		w, a, b := tunnel(t, 20, Lose(lost), nil)
		w.RunUntilUp(5*time.Second, gz)
		w.Run(time.Minute)
		w.WantUp(gz)
		w.WantDatagrams(all + 2)
		a.WantSAs(40)
		b.WantSAs(40)
	}
}

func TestBothBeginAtOnce(t *testing.T) {
	w, a, b := tunnel(t, 2, nil, bothActive)
	w.RunUntilUp(time.Second, gz)
	w.Run(time.Minute)
	w.WantUp(gz)
	w.WantDatagrams(2 * (6 + 2*3))
	a.WantSAs(8)
	b.WantSAs(8)
}

// A session that was begun when nothing stood does not say so any more when the
// peer's own session has come up meanwhile: the peer would drop that.
func TestSlowerSessionIsNoInitialContact(t *testing.T) {
	w, a, b := tunnel(t, 1, nil, nil)
	w.Run(45 * time.Millisecond)
	b.Step(ike.Initiate{Tunnel: gz})
	w.Run(10 * time.Second)
	w.WantUp(gz)
	for _, r := range a.Reports {
		if r.Kind == ike.PeerRestarted || r.Kind == ike.SessionDown {
			t.Errorf("%v, after\n%s", r.Kind, w.Trace())
		}
	}
}

func TestFlowTrigger(t *testing.T) {
	w, a, b := tunnel(t, 2, nil, func(a, _ *ike.Peer) { a.Start = ike.FlowTrigger })
	w.Run(time.Minute)
	w.WantDatagrams(0)
	if _, arrived := a.Send(a.Peer(gz), a.Peer(gz).Children[1].Sel); arrived {
		t.Error("a packet got through without a tunnel")
	}
	w.Run(time.Second)
	a.WantState(gz, ike.PartlyUp)
	b.WantState(gz, ike.PartlyUp)
	w.WantDatagrams(nine)
	if _, arrived := a.Send(a.Peer(gz), a.Peer(gz).Children[1].Sel); !arrived {
		t.Error("the second packet does not get through")
	}
}

// Packets that go on ask again and again for a peer that is away: it is tried
// seldom and for ever, and found soon after it is back.
func TestFlowTriggerOfAPeerThatIsAway(t *testing.T) {
	away := func(Datagram) []Arrival { return nil }
	w, a, _ := tunnel(t, 1, away, func(a, _ *ike.Peer) { a.Start = ike.FlowTrigger })
	send := func() bool {
		_, arrived := a.Send(a.Peer(gz), a.Peer(gz).Children[0].Sel)
		return arrived
	}
	w.Run(time.Second)
	for range 12 {
		before := w.Datagrams()
		for range 10 * 60 {
			send()
			w.Run(time.Second)
		}
		if n := w.Datagrams() - before; n < 20 || n > 50 {
			t.Fatalf("%d datagrams in ten minutes", n)
		}
	}
	w.Rule = nil
	if !w.RunUntil(2*longestTry, send) {
		t.Errorf("no packet gets through, after\n%s", w.Trace())
	}
}

// longestTry is how long a session waits for a peer, and then the longest pause.
const longestTry = time.Minute + 75*time.Second

// Behind a translator both ends move to port 4500 and ESP goes in UDP, to the
// port that the translator has chosen.
func TestBehindATranslator(t *testing.T) {
	private, public := netip.MustParseAddr("192.168.0.9"), addrA
	w := New(t, t.Name())
	a, b := w.Host("a", engine.Options{}, private), w.Host("b", engine.Options{}, addrB)
	w.Translate(private, public)
	pa, _ := Between(gz, private, addrB, 2)
	_, pb := Between(gz, public, addrB, 2)
	pb.RemoteID = ike.AddressID(private)
	b.Configure(pb)
	a.Configure(pa)
	w.RunUntilUp(time.Second, gz)
	w.WantDatagrams(nine + 3)
	if got := a.Status(gz).Session.NAT; got != "here" {
		t.Errorf("a sees a translator %q", got)
	}
	if got := b.Status(gz).Session.NAT; got != "there" {
		t.Errorf("b sees a translator %q", got)
	}
	want := netip.AddrPortFrom(public, 4500+translated)
	if got := b.Status(gz).Pairs[1].Child.Remote; got != want {
		t.Errorf("b sends ESP to %v, wants %v", got, want)
	}
	b.Step(ike.Close{Tunnel: gz})
	w.Run(time.Second)
	a.WantSAs(0)
}

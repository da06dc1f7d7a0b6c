package ikesim

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
)

func aggressive(a, b *ike.Peer) { a.Mode, b.Mode = ike.Aggressive, ike.Aggressive }

func TestBothBeginAtOnceInAggressiveMode(t *testing.T) {
	w, a, b := tunnel(t, 2, nil, func(a, b *ike.Peer) { aggressive(a, b); bothActive(a, b) })
	w.RunUntilUp(time.Second, gz)
	w.Run(time.Minute)
	w.WantUp(gz)
	w.WantDatagrams(2 * (3 + 2*3))
	a.WantSAs(8)
	b.WantSAs(8)
}

// A restarted initiator says so in message 3, and is believed.
func TestRestartInAggressiveMode(t *testing.T) {
	w, a, b := tunnel(t, 1, nil, aggressive)
	w.RunUntilUp(time.Second, gz)
	a.Restart()
	w.Run(5 * time.Second)
	w.WantUp(gz)
	restarted := slices.ContainsFunc(b.Reports, func(r ike.Report) bool { return r.Kind == ike.PeerRestarted })
	if c := b.Engine.Counters(); c.Sessions != 1 || !restarted {
		t.Errorf("%+v, a restart is heard: %v", c, restarted)
	}
}

// Behind a translator the initiator moves to port 4500 with message 3.
func TestAggressiveModeBehindATranslator(t *testing.T) {
	private, public := netip.MustParseAddr("192.168.0.9"), addrA
	w := New(t, t.Name())
	a, b := w.Host("a", engine.Options{}, private), w.Host("b", engine.Options{}, addrB)
	w.Translate(private, public)
	pa, _ := Between(gz, private, addrB, 1)
	_, pb := Between(gz, public, addrB, 1)
	pb.RemoteID = ike.AddressID(private)
	aggressive(&pa, &pb)
	b.Configure(pb)
	a.Configure(pa)
	w.RunUntilUp(time.Second, gz)
	w.WantDatagrams(six)
	if here, there := a.Status(gz).Session.NAT, b.Status(gz).Session.NAT; here != "here" || there != "there" {
		t.Errorf("translators are seen %q and %q", here, there)
	}
	want := netip.AddrPortFrom(public, 4500+translated)
	if got := b.Status(gz).Pairs[0].Child.Remote; got != want {
		t.Errorf("b sends ESP to %v, wants %v", got, want)
	}
}

// Main mode and aggressive mode do not meet: whoever is asked says which to take.
func TestModesThatDoNotMeet(t *testing.T) {
	for theirs, ours := range map[ike.Mode]ike.Mode{ike.Main: ike.Aggressive, ike.Aggressive: ike.Main} {
		w, a, b := tunnel(t, 1, nil, func(a, b *ike.Peer) { a.Mode, b.Mode = theirs, ours })
		w.Run(5 * time.Second)
		a.WantState(gz, ike.Negotiating)
		b.WantFault(gz, ike.CauseMode)
	}
}

// No message, in whatever state and however spoiled, makes the responder send
// more than it got, and none keeps the peer out for long.
func TestSpoiledMessagesAtEveryStepOfAggressiveMode(t *testing.T) {
	for n := 1; n <= six; n++ {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, uint64(n)))
			w := attacked(t, n, aggressive, func(data []byte) [][]byte { return [][]byte{mutate(r, data)} })
			w.Run(10 * time.Minute)
			w.WantUp(gz)
			if t.Failed() {
				t.Fatalf("datagram %d, seed %d", n, seed)
			}
		}
	}
}

// Each forged first message costs a computation, so there are only so many at a
// time, and little is done in vain; the peer whose address is forged can still
// begin once the flood is over, and what it has stands.
func TestForgedFirstMessagesInAggressiveMode(t *testing.T) {
	first := messages(t, aggressive)[0]
	w, a, b := tunnel(t, 1, nil, aggressive)
	w.RunUntilUp(time.Second, gz)
	w.Quiet = true
	r := rand.New(rand.NewPCG(1, 2))
	in, before := 0, b.BytesOut
	for range 20000 {
		data := slices.Clone(first.Data)
		binary.BigEndian.PutUint64(data, r.Uint64())
		b.Step(ike.Packet{Local: first.Remote, Remote: first.Local, Data: data})
		in += len(data)
	}
	if c := b.Engine.Counters(); c.HalfOpen > 256 || c.HalfOpenDropped < 19000 {
		t.Errorf("%+v", c)
	}
	a.Step(ike.Rekey{Tunnel: gz, IKE: true, IPsec: true})
	w.Run(10 * time.Second)
	w.WantUp(gz)
	if out := b.BytesOut - before; out > in {
		t.Errorf("%d bytes in, %d out", in, out)
	}
	w.Run(time.Minute)
	if c := b.Engine.Counters(); c.HalfOpen != 0 || c.Sessions > 2 {
		t.Errorf("%+v", c)
	}
}

// FuzzAggressive is FuzzEngine in aggressive mode.
func FuzzAggressive(f *testing.F) {
	for n := range byte(six) {
		f.Add([]byte{n, 0, 0, 1, 0xff})
		f.Add([]byte{n, 3, 0, 18, 5, 0, 0, 19, 1})
		f.Add([]byte{n, 1, 0, 28, 13, 2, 0, 200, 0, 4, 0, 30, 4})
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) < 2 || len(input) > 256 {
			return
		}
		change := func(a, b *ike.Peer) { aggressive(a, b); quickGroup(a, b) }
		w := attacked(t, int(input[0])%six+1, change, func(data []byte) [][]byte { return spoil(data, input[1:]) })
		w.Run(5 * time.Minute)
		w.WantUp(gz)
	})
}

package ikesim

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// messages are the datagrams of a main mode and a quick mode.
func messages(t testing.TB, change func(a, b *ike.Peer)) []Datagram {
	var all []Datagram
	w, _, _ := tunnel(t, 1, func(d Datagram) []Arrival {
		all = append(all, d)
		return Deliver(d)
	}, change)
	w.RunUntilUp(time.Second, gz)
	return all
}

// inject gives a host a datagram out of nowhere and returns how many bytes it
// answers with, what it computes included.
func (h *Host) inject(local, remote netip.AddrPort, data []byte) int {
	before := h.BytesOut
	h.Step(ike.Packet{Local: local, Remote: remote, Data: slices.Clone(data)})
	h.Run(2 * Compute)
	return h.BytesOut - before
}

func TestStrangersGetSilence(t *testing.T) {
	for _, d := range messages(t, nil) {
		w, _, b := two(t)
		_, pb := Between(gz, addrA, addrB, 1)
		b.Configure(pb)
		stranger := netip.MustParseAddrPort("198.51.100.77:500")
		for range 100 {
			if out := b.inject(netip.AddrPortFrom(addrB, 500), stranger, d.Data); out != 0 {
				t.Fatalf("%s from a stranger is answered with %d bytes", d.Step, out)
			}
		}
		c := b.Engine.Counters()
		if c.Sessions != 0 || c.UnknownPeer+c.UnknownCookie != 100 || len(b.Reports) > 1 {
			t.Errorf("%s: %+v, %d reports", d.Step, c, len(b.Reports))
		}
		w.WantDatagrams(0)
	}
}

// No message, in whatever state and however spoiled, makes the responder send
// more than it got, and none keeps the peer out for long.
func TestSpoiledMessagesAtEveryStep(t *testing.T) {
	for n := 1; n <= nine; n++ {
		for seed := range uint64(12) {
			r := rand.New(rand.NewPCG(seed, uint64(n)))
			w := attacked(t, n, nil, func(data []byte) [][]byte { return [][]byte{mutate(r, data)} })
			w.Run(10 * time.Minute)
			w.WantUp(gz)
			if t.Failed() {
				t.Fatalf("datagram %d, seed %d", n, seed)
			}
		}
	}
}

// attacked is a world where the n-th datagram is overtaken by what spoil makes of
// it.
func attacked(t testing.TB, n int, change func(a, b *ike.Peer), spoil func([]byte) [][]byte) *World {
	w, a, b := two(t)
	w.Rule = func(d Datagram) []Arrival {
		if d.N == n {
			w.After(0, func() { w.attack(d, spoil(d.Data)) })
		}
		return Deliver(d)
	}
	start(a, b, 1, change)
	return w
}

// attack sends forged datagrams to where a genuine one is going. Only the
// responder must not answer with more: the initiator has asked for what it gets.
func (w *World) attack(d Datagram, forged [][]byte) {
	to := w.route[d.Remote.Addr()]
	before, in := to.BytesOut, 0
	for _, data := range forged {
		in += len(data)
		to.Step(ike.Packet{Local: d.Remote, Remote: d.Local, Data: slices.Clone(data)})
	}
	if to.Name != "b" {
		return
	}
	w.After(2*Compute, func() {
		if out := to.BytesOut - before; out > in {
			w.t.Errorf("%d bytes of %s are answered with %d", in, d.Step, out)
		}
	})
}

// mutate spoils a message in one to four places.
func mutate(r *rand.Rand, data []byte) []byte {
	b := slices.Clone(data)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b))
		switch r.IntN(6) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2: // a length or count
			if at+2 <= len(b) {
				binary.BigEndian.PutUint16(b[at:], uint16([]int{0, 1, 3, 4, 0xffff, len(b)}[r.IntN(6)]))
			}
		case 3: // cut
			b = b[:max(at, 1)]
		case 4: // grow
			b = append(b, make([]byte, r.IntN(64))...)
		case 5: // repeat a part
			b = slices.Concat(b[:at], b[at/2:])
		}
		if len(b) >= 28 && r.IntN(4) > 0 { // a length that fits gets further
			binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
		}
	}
	return b
}

// Whoever forges the peer's address can make half-open sessions, but not many,
// and cannot keep the peer out by them, even one that is on another continent.
func TestForgedFirstMessagesDoNotLockThePeerOut(t *testing.T) {
	first := messages(t, nil)[0]
	far := func(d Datagram) []Arrival { return []Arrival{{100 * time.Millisecond, d.Data}} }
	w, a, b := tunnel(t, 1, far, func(a, _ *ike.Peer) { a.Start = ike.Passive })
	w.Quiet = true
	r := rand.New(rand.NewPCG(1, 2))
	forge := func() int {
		data := slices.Clone(first.Data)
		binary.BigEndian.PutUint64(data, r.Uint64())
		before := b.BytesOut
		b.Step(ike.Packet{Local: first.Remote, Remote: first.Local, Data: data})
		if out := b.BytesOut - before; out > len(data) {
			t.Fatalf("%d bytes are answered with %d", len(data), out)
		}
		return len(data)
	}
	in := 0
	var flood func()
	flood = func() {
		in += forge()
		w.After(time.Second/10000, flood)
	}
	flood()
	w.Run(time.Second)
	if c := b.Engine.Counters(); c.HalfOpen > 4096 || c.HalfOpenDropped == 0 {
		t.Errorf("%+v", c)
	}
	a.Step(ike.Initiate{Tunnel: gz})
	w.RunUntilUp(3*time.Second, gz)
	if b.BytesOut > b.BytesIn+in {
		t.Errorf("%d bytes in, %d out", b.BytesIn+in, b.BytesOut)
	}
}

// Half-open sessions end by themselves.
func TestHalfOpenSessionsEnd(t *testing.T) {
	first := messages(t, nil)[0]
	w, _, b := two(t)
	_, pb := Between(gz, addrA, addrB, 1)
	b.Configure(pb)
	b.inject(first.Remote, first.Local, first.Data)
	if c := b.Engine.Counters(); c.HalfOpen != 1 {
		t.Fatalf("%+v", c)
	}
	w.Run(31 * time.Second)
	if c := b.Engine.Counters(); c.HalfOpen != 0 || c.Sessions != 0 {
		t.Errorf("%+v", c)
	}
}

// A recorded conversation that is played again and again gets the stored answers
// to what is a duplicate, a bounded number of times, and no second tunnel.
func TestReplay(t *testing.T) {
	all := messages(t, nil)
	w, a, b := tunnel(t, 1, nil, nil)
	w.RunUntilUp(time.Second, gz)
	w.Run(2 * time.Minute)
	before := b.Engine.Counters()
	answers := 0
	for range 200 {
		for _, d := range all {
			out := w.route[d.Remote.Addr()].inject(d.Remote, d.Local, d.Data)
			if out > len(d.Data) {
				t.Fatalf("%s is answered with %d bytes", d.Step, out)
			}
			if out > 0 {
				answers++
			}
		}
	}
	if answers > 4*21 {
		t.Errorf("%d messages are answered", answers)
	}
	w.Run(time.Minute)
	w.WantUp(gz)
	a.WantSAs(2)
	b.WantSAs(2)
	if after := b.Engine.Counters(); after.Sessions != before.Sessions {
		t.Errorf("%+v, was %+v", after, before)
	}
}

// Found by FuzzEngine: padding is not authenticated (RFC 2409 §5.5), so blocks
// can be added to QM2 on the way. The initiator takes it, and from then on the
// two chain different IVs: the responder never gets QM3. When it gives up, the
// initiator must hear of it, or it would take the tunnel for up.
func TestLengthenedAnswerInQuickMode(t *testing.T) {
	w, a, _ := tunnel(t, 1, func(d Datagram) []Arrival {
		if d.Step == "QM2" {
			d.Data = append(slices.Clone(d.Data), make([]byte, 16)...)
			binary.BigEndian.PutUint32(d.Data[24:], uint32(len(d.Data)))
		}
		return Deliver(d)
	}, nil)
	w.Run(30 * time.Second)
	a.WantState(gz, ike.Up) // it cannot know yet
	w.Rule = nil
	w.Run(time.Minute)
	w.WantUp(gz)
}

// Found by TestSpoiledMessagesAtEveryStep: NAT-D payloads are not authenticated
// either. Whoever changes them in MM4 makes the initiator alone believe in a
// translator, and move to port 4500.
func TestTranslatorThatOneEndSees(t *testing.T) {
	for step, want := range map[string]string{"MM3": "", "MM4": "there"} {
		t.Run(step, func(t *testing.T) {
			w, a, b := tunnel(t, 1, func(d Datagram) []Arrival {
				if d.Step == step {
					d.Data = slices.Clone(d.Data)
					d.Data[len(d.Data)-1] ^= 1
				}
				return Deliver(d)
			}, nil)
			w.RunUntilUp(time.Second, gz)
			w.WantDatagrams(nine)
			if got := a.Status(gz).Session.NAT; got != want {
				t.Errorf("a sees a translator %q", got)
			}
			encap := a.Status(gz).Pairs[0].Child.Remote.Port() != 0
			if encap != (want != "") || encap != (b.Status(gz).Pairs[0].Child.Remote.Port() != 0) {
				t.Errorf("ESP in UDP at a: %v", encap)
			}
		})
	}
}

// Thirty thousand hostile datagrams from the peer's own address, spoiled copies
// of what it sent in this conversation and in another: little comes back, no
// answer is longer than what it answers, and the tunnel stays up.
func TestHostileRun(t *testing.T) {
	fromA := func(all []Datagram) []Datagram {
		return slices.DeleteFunc(slices.Clone(all), func(d Datagram) bool { return d.From != "a" })
	}
	other := fromA(messages(t, nil))
	for seed := range uint64(5) {
		w, a, b := tunnel(t, 1, nil, nil)
		var own []Datagram
		w.OnSend = func(d Datagram) { own = append(own, d) }
		w.RunUntilUp(time.Second, gz)
		w.OnSend, w.Quiet, own = nil, true, fromA(own)
		r := rand.New(rand.NewPCG(seed, 3))
		in, out := 0, 0
		for range 6000 {
			from := [][]Datagram{own, other}[r.IntN(2)]
			d := from[r.IntN(len(from))]
			data := mutate(r, d.Data)
			got := b.inject(d.Remote, d.Local, data)
			in, out = in+len(data), out+got
			if got > len(data) {
				t.Errorf("seed %d: %d bytes of %s are answered with %d", seed, len(data), d.Step, got)
			}
		}
		t.Logf("seed %d: bytes out / bytes in %.3f, %+v", seed, float64(out)/float64(in), b.Engine.Counters())
		if out > in/10 {
			t.Errorf("seed %d: %d bytes in, %d out", seed, in, out)
		}
		w.Run(time.Minute)
		w.WantUp(gz)
		a.WantSAs(2)
		if c := b.Engine.Counters(); c.Sessions != 1 || c.HalfOpen != 0 {
			t.Errorf("seed %d: %+v", seed, c)
		}
	}
}

package ikesim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
	"github.com/twinspan/twinspan/xfrm"
)

// behind is a tunnel that is up, with a translator before a, who began. rebind
// makes the translator begin anew, with this public address.
func behind(t *testing.T, change func(a, b *ike.Peer)) (w *World, a, b *Host, rebind func(netip.Addr)) {
	private := netip.MustParseAddr("192.168.0.9")
	w = New(t, t.Name())
	a, b = w.Host("a", engine.Options{}, private), w.Host("b", engine.Options{}, addrB)
	rebind = w.Translate(private, addrA)
	pa, _ := Between(gz, private, addrB, 2)
	_, pb := Between(gz, addrA, addrB, 2)
	pb.RemoteID = ike.AddressID(private)
	if change != nil {
		change(&pa, &pb)
	}
	b.Configure(pb)
	a.Configure(pa)
	w.RunUntilUp(time.Second, gz)
	return w, a, b, rebind
}

// halfAMinute is how long b may be silent until a asks whether it is there.
var halfAMinute = asking(ike.DPD{Delay: 30 * time.Second, Timeout: 2 * time.Minute})

// wantPeerAt says where a host sends IKE and ESP for a tunnel: all children, in
// the engine's books and in the data plane.
func (h *Host) wantPeerAt(want netip.AddrPort) {
	h.t.Helper()
	s := h.Status(gz)
	if s.Session == nil || s.Session.Remote != want {
		h.t.Errorf("%s: the session is %+v, wants the peer at %v, after\n%s", h.Name, s.Session, want, h.Trace())
	}
	for _, p := range s.Pairs {
		if p.Child == nil || p.Child.Remote != want {
			h.t.Errorf("%s: %v goes to %+v, wants %v, after\n%s", h.Name, p.Sel, p.Child, want, h.Trace())
		}
	}
	state, err := h.Plane.Dump(h.t.Context())
	h.must(err)
	for _, sa := range state.SAs {
		here := xfrm.Encap{SrcPort: 4500, DstPort: want.Port()}
		if sa.Dir == xfrm.In {
			here = xfrm.Encap{SrcPort: want.Port(), DstPort: 4500}
		}
		if sa.Encap != here {
			h.t.Errorf("%s: SA %#x is in UDP %+v, wants %+v", h.Name, sa.SPI, sa.Encap, here)
		}
	}
}

// mappedTo is a's port 4500 as b sees it, after so many rebindings.
func mappedTo(rebindings int) netip.AddrPort {
	return netip.AddrPortFrom(addrA, uint16(4500+translated+rebindings*translatedAgain))
}

// A translator that forgets its mappings in mid-life is found out by the next
// thing that a says, whatever that is. Nothing is negotiated anew for it, and
// what b had to say in vain meanwhile arrives.
func TestTranslatorRebinds(t *testing.T) {
	rekey := ike.Rekey{Tunnel: gz, IPsec: true}
	for what, speak := range map[string]func(w *World, a, b *Host){
		"a has a pair renewed": func(_ *World, a, _ *Host) { a.Step(rekey) },
		"b has a pair renewed, and hears ESP": func(w *World, _, b *Host) {
			b.Step(rekey)
			w.Run(time.Second)
			b.Step(ike.Moved{SPI: b.Status(gz).Pairs[0].Child.SPIIn, From: mappedTo(1)})
		},
		"b hears ESP": func(_ *World, _, b *Host) {
			for range 2 {
				b.Step(ike.Moved{SPI: b.Status(gz).Pairs[1].Child.SPIIn, From: mappedTo(1)})
			}
		},
		"a asks whether b is there": func(w *World, _, _ *Host) { w.Run(time.Minute) },
	} {
		t.Run(what, func(t *testing.T) {
			w, a, b, rebind := behind(t, halfAMinute)
			up := a.Status(gz).Session.Established
			b.wantPeerAt(mappedTo(0))
			rebind(addrA)
			speak(w, a, b)
			w.Run(10 * time.Second)
			w.WantUp(gz)
			b.wantPeerAt(mappedTo(1))
			a.wantPeerAt(netip.AddrPortFrom(addrB, 4500))
			if again := a.Status(gz).Session.Established; again != up {
				t.Errorf("a new session since %v, after\n%s", again, w.Trace())
			}
			if n := b.moves(); n != 1 {
				t.Errorf("b says %d times that the peer moved", n)
			}
			if n := a.moves(); n != 0 {
				t.Errorf("a says %d times that the peer moved", n)
			}
		})
	}
}

// moves counts how often a host has reported that its peer moved.
func (h *Host) moves() int {
	n := 0
	for _, r := range h.Reports {
		if r.Kind == ike.PeerMoved {
			n++
		}
	}
	return n
}

// A translator that rebinds every two hours, for half a day: the tunnel stays up.
func TestTranslatorRebindsAllDay(t *testing.T) {
	w, _, b, rebind := behind(t, halfAMinute)
	for range 6 { // as many as its ports allow
		w.Run(2 * time.Hour)
		rebind(addrA)
		w.Run(time.Minute)
		w.WantUp(gz)
	}
	b.wantPeerAt(mappedTo(6))
}

// A peer that may come from anywhere is followed to another address too. Its
// children are made anew there, under the session that stands.
func TestTranslatorWithAnotherAddress(t *testing.T) {
	w, a, b, rebind := behind(t, func(a, b *ike.Peer) {
		halfAMinute(a, b)
		a.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "branch.example"}
		b.Remote, b.RemoteID = netip.Addr{}, a.LocalID
	})
	up := a.Status(gz).Session.Established
	elsewhere := netip.MustParseAddr("198.51.100.9")
	rebind(elsewhere)
	w.Run(time.Minute)
	w.WantUp(gz)
	b.wantPeerAt(netip.AddrPortFrom(elsewhere, mappedTo(1).Port()))
	if again := a.Status(gz).Session.Established; again != up {
		t.Errorf("a new session since %v, after\n%s", again, w.Trace())
	}
}

// What was recorded before a translator rebound, and comes again from where the
// peer was, does not bring it back.
func TestReplayDoesNotMoveThePeerBack(t *testing.T) {
	w, a, b, rebind := behind(t, nil)
	var said []Datagram
	w.OnSend = func(d Datagram) { said = append(said, d) }
	rebind(addrA)
	a.Step(ike.Rekey{Tunnel: gz, IPsec: true})
	w.Run(time.Second)
	b.wantPeerAt(mappedTo(1))
	for range 3 {
		for _, d := range said {
			if d.From == "a" {
				b.inject(d.Remote, mappedTo(0), d.Data)
			}
		}
		w.Run(2 * time.Minute)
	}
	b.wantPeerAt(mappedTo(1))
	w.WantUp(gz)
}

// Networks that lose the fragments of IP, and so all that does not fit 1280
// bytes, carry a quick mode with forty transforms: it goes in fragments of IKE.
// So does it through a translator, and while others are lost.
func TestFortyTransformsThroughANarrowNetwork(t *testing.T) {
	forty := func(a, b *ike.Peer) {
		for _, p := range []*ike.Peer{a, b} {
			for i := range p.Children {
				p.Children[i].Proposals = slices.Repeat([]ike.Proposal{{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA256}}, 40)
			}
		}
	}
	w, _, _ := tunnel(t, 1, Narrow(1280), forty)
	w.RunUntilUp(time.Second, gz)
	w.WantDatagrams(nine + 1)
	for n := 1; n <= nine+1; n++ {
		w, _, _ := tunnel(t, 1, func(d Datagram) []Arrival {
			if d.N == n {
				return nil
			}
			return Narrow(1280)(d)
		}, forty)
		w.RunUntilUp(time.Minute, gz)
	}
	w, _, _, _ = behind(t, forty)
	w.Rule = Narrow(1280)
	w.Run(time.Hour)
	w.WantUp(gz)
}

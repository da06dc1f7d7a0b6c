package ikesim

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
)

// crowd is two hosts with n tunnels in a group, each with an address of its own
// at a.
func crowd(t testing.TB, n int, g ike.Group) (w *World, a, b *Host) {
	w = New(t, t.Name())
	a, b = w.Host("a", engine.Options{}), w.Host("b", engine.Options{}, addrB)
	pa, pb := make([]ike.Peer, n), make([]ike.Peer, n)
	for i := range n {
		addr := netip.AddrFrom4([4]byte{100, 64 + byte(i>>16), byte(i >> 8), byte(i)})
		pa[i], pb[i] = Between(fmt.Sprintf("t%05d", i), addr, addrB, 1)
		for _, p := range []*ike.Peer{&pa[i], &pb[i]} {
			p.Proposals = []ike.Proposal{{Cipher: FastIKE.Cipher, KeyBits: 128, Hash: FastIKE.Hash, Group: g}}
			p.Children[0].ReqID = uint32(1 + i)
		}
	}
	w.CPU = processTime
	b.Configure(pb...)
	a.Configure(pa...)
	return w, a, b
}

// Tunnels that all begin at once come up without a single resend: no more begin
// than can be computed in time.
func TestManyTunnelsAtOnce(t *testing.T) {
	const n = 1000 // BenchmarkTenThousandTunnels has more
	w, a, b := crowd(t, n, 31)
	w.Run(n * 5 * time.Millisecond)
	for _, h := range []*Host{a, b} {
		for _, s := range h.Engine.Status() {
			if s.State != ike.Up {
				t.Fatalf("%s: %s is %v, fault %v", h.Name, s.Tunnel, s.State, s.Fault)
			}
		}
	}
	w.WantDatagrams(nine * n)
	if strings.Contains(w.Trace(), "again") {
		t.Error("something was sent again")
	}
}

// Peers that do not answer hold up the others for moments only.
func TestDeadPeersDoNotHoldUpTheOthers(t *testing.T) {
	const n, dead = 1200, 1000
	w := New(t, t.Name())
	a, b := w.Host("a", engine.Options{Starting: 100}), w.Host("b", engine.Options{})
	var pa, pb []ike.Peer
	for i := range n {
		addr := netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})
		x, y := Between(fmt.Sprintf("t%05d", i), addrA, addr, 1)
		x.Children[0].ReqID = uint32(1 + i)
		pa = append(pa, x)
		if i >= dead {
			pb = append(pb, y)
		}
	}
	b.Configure(pb...)
	a.Configure(pa...)
	w.Run(15 * time.Second)
	for _, s := range b.Engine.Status() {
		if s.State != ike.Up {
			t.Fatalf("%s is %v, fault %v", s.Tunnel, s.State, s.Fault)
		}
	}
}

// So are all of them when they are replaced in the same moment, as after an hour
// that began so: nothing is sent again, and each stays up.
func TestRekeyStorm(t *testing.T) {
	const n = 1000
	w, a, b := crowd(t, n, 31)
	w.Run(n * 5 * time.Millisecond)
	before := w.Datagrams()
	for _, s := range a.Engine.Status() {
		a.Step(ike.Rekey{Tunnel: s.Tunnel, IKE: true, IPsec: true})
	}
	w.Run(n*5*time.Millisecond + 10*time.Second)
	w.WantDatagrams(before + nine*n)
	for _, h := range []*Host{a, b} {
		for _, r := range h.Reports {
			if r.Kind == ike.Resent || r.Kind == ike.TunnelChanged && r.State == ike.Down {
				t.Fatalf("%s: %v of %s", h.Name, r.Kind, r.Tunnel)
			}
		}
		h.WantSAs(4 * n)
	}
}

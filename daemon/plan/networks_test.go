package plan

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
)

// randomPrefix is one of few networks, so that many of them overlap.
func randomPrefix(r *rand.Rand) netip.Prefix {
	if r.IntN(8) == 0 {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(4))}), 16+r.IntN(9)).Masked()
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(8)), byte(r.IntN(256)), 0}), 13+r.IntN(12)).Masked()
}

// The sorted networks answer as if each were looked at.
func TestNetworks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		all := make([]network, r.IntN(40))
		for i := range all {
			all[i] = network{Prefix: randomPrefix(r), Pos: config.Pos{Line: i + 1}}
		}
		kept, clashes := disjoint(all)
		if len(kept)+len(clashes) != len(all) {
			t.Fatalf("%d networks, %d kept, %d clashes", len(all), len(kept), len(clashes))
		}
		for _, c := range clashes {
			if !c.first.Overlaps(c.second.Prefix) || c.first.Line >= c.second.Line {
				t.Fatalf("%v and %v clash", c.first, c.second)
			}
		}
		for range 50 {
			p := randomPrefix(r)
			var want networks
			holds := false
			for _, n := range kept {
				if n.Overlaps(p) {
					want = append(want, n)
					holds = holds || n.Bits() <= p.Bits()
				}
			}
			if got := kept.overlapping(p); fmt.Sprint([]network(got)) != fmt.Sprint([]network(want)) || kept.holds(p) != holds {
				t.Fatalf("of %v, %v overlap %v, not %v", kept, got, p, want)
			}
		}
	}
}

// Pairs of two gateways overlap if, and only if, a fault says so.
func TestPairsOfGateways(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	bad := 0
	for range 500 {
		m := &maker{}
		line := 0
		for i := range 4 {
			tun := &tunnel{gateway: &gateway{}}
			tun.Name, tun.gateway.Name = fmt.Sprint("t", i), fmt.Sprint("g", i)
			for range 3 {
				line++
				at := config.Pos{File: "f", Line: line}
				s := config.SPD{Local: config.Value[netip.Prefix]{V: randomPrefix(r), Pos: at}}
				s.Peer = append(s.Peer, config.Value[netip.Prefix]{V: randomPrefix(r), Pos: at})
				tun.SPD = append(tun.SPD, s)
			}
			m.tunnels = append(m.tunnels, tun)
		}
		want := false
		for i, a := range m.tunnels {
			for _, b := range m.tunnels[:i] {
				want = want || pairsOverlap(a, b)
			}
		}
		m.checkPairs()
		if got := len(m.faults) > 0; got != want {
			t.Fatalf("faults: %v; pairs overlap: %v", m.faults, want)
		}
		if want {
			bad++
		}
	}
	if bad == 0 || bad == 500 {
		t.Errorf("%d of 500 configurations have pairs that overlap: there are none of the other kind", bad)
	}
}

func pairsOverlap(a, b *tunnel) bool {
	for _, x := range a.SPD {
		for _, y := range b.SPD {
			if x.Local.V.Overlaps(y.Local.V) && x.Peer[0].V.Overlaps(y.Peer[0].V) {
				return true
			}
		}
	}
	return false
}

package netcfg

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestCover(t *testing.T) {
	in := func(first, last string) span { return span{netip.MustParseAddr(first), netip.MustParseAddr(last)} }
	net1, net0 := in("10.0.1.0", "10.0.1.255"), in("10.0.0.0", "10.0.255.255")
	peer := in("192.168.0.0", "192.168.0.255")
	for _, row := range []struct {
		name  string
		pairs []pair
		want  []box
	}{
		{"nothing", nil, nil},
		{"one pair", []pair{{pfx("10.0.1.0/24"), pfx("192.168.0.0/24")}}, []box{{net1, peer}}},
		{"twice the same", []pair{
			{pfx("10.0.1.0/24"), pfx("192.168.0.0/24")},
			{pfx("10.0.1.0/24"), pfx("192.168.0.0/24")},
		}, []box{{net1, peer}}},
		{"a pair inside another", []pair{
			{pfx("10.0.1.0/24"), pfx("192.168.0.0/24")},
			{pfx("10.0.0.0/16"), pfx("192.168.0.0/16")},
		}, []box{{net0, in("192.168.0.0", "192.168.255.255")}}},
		{"two that cross", []pair{
			{pfx("10.0.0.0/16"), pfx("192.168.0.0/24")},
			{pfx("10.0.1.0/24"), pfx("192.168.0.0/16")},
		}, []box{{net0, peer}, {net1, in("192.168.1.0", "192.168.255.255")}}},
		{"everything but a hole", []pair{
			{pfx("10.0.0.0/16"), pfx("128.0.0.0/32")},
			{pfx("10.0.1.0/24"), pfx("0.0.0.0/0")},
		}, []box{
			{net0, in("128.0.0.0", "128.0.0.0")},
			{net1, in("0.0.0.0", "127.255.255.255")},
			{net1, in("128.0.0.1", "255.255.255.255")},
		}},
		{"IPv6", []pair{{pfx("2001:db8::/33"), pfx("::/0")}}, []box{{
			in("2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"),
			in("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}}},
	} {
		if got := cover(row.pairs); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

// FuzzCover asks each address of a small world: it is in one box when a pair has
// it, and in none when no pair has it.
func FuzzCover(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, 8)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n int) {
		pairs := randomPairs(seed, n)
		boxes := cover(pairs)
		for l := range 16 {
			for r := range 16 {
				local, remote := small(l), small(r)
				has := slices.ContainsFunc(pairs, func(p pair) bool {
					return p.local.Contains(local) && p.remote.Contains(remote)
				})
				in := 0
				for _, b := range boxes {
					if b.local.has(local) && b.remote.has(remote) {
						in++
					}
				}
				if has && in != 1 || !has && in != 0 {
					t.Fatalf("%v: %v and %v are in %d boxes of %v", pairs, local, remote, in, boxes)
				}
			}
		}
	})
}

// randomPairs are pairs in a world of sixteen addresses, so that many overlap.
func randomPairs(seed uint64, n int) []pair {
	rng := rand.New(rand.NewPCG(seed, 0))
	prefix := func() netip.Prefix { return netip.PrefixFrom(small(rng.IntN(16)), 28+rng.IntN(5)).Masked() }
	pairs := make([]pair, 1+uint(n)%12)
	for i := range pairs {
		pairs[i] = pair{prefix(), prefix()}
	}
	return pairs
}

func small(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }

func (s span) has(a netip.Addr) bool { return !a.Less(s.first) && !s.last.Less(a) }

// TestKernelTakesWhatOverlaps writes such pairs, each of one of three devices.
func TestKernelTakesWhatOverlaps(t *testing.T) {
	b := newBed(t)
	for seed := range uint64(25) {
		var list []Guard
		for i, p := range randomPairs(seed, 11) {
			list = append(list, Guard{p.local, p.remote, []string{"twin0001", "twin0002", "twin0003"}[i%3]})
		}
		b.guard(t, list)
	}
}

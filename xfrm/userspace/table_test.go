package userspace

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

func testRule(nth, priority int, local, remote string) *rule {
	return &rule{rank: rank{priority, nth}, Policy: xfrm.Policy{
		Sel: xfrm.Selector{Local: netip.MustParsePrefix(local), Remote: netip.MustParsePrefix(remote)}, Priority: priority,
	}}
}

func testFlow(local, remote string) (flow, bool) {
	l := netip.MustParseAddr(local)
	return flow{addrOf(l), addrOf(netip.MustParseAddr(remote))}, l.Is6()
}

func TestTable(t *testing.T) {
	rules := []*rule{
		testRule(0, 100, "10.0.0.0/24", "192.168.0.0/24"),
		testRule(1, 100, "10.0.0.0/24", "192.168.1.0/24"),
		testRule(2, 200, "0.0.0.0/0", "0.0.0.0/0"),
		testRule(3, 50, "10.0.0.7/32", "192.168.1.0/25"),
		testRule(4, 100, "10.0.0.0/25", "192.168.1.0/24"), // same priority as 1, given later
		testRule(5, 100, "fd00:a::/64", "fd00:b::/64"),
		testRule(6, 100, "fd00:a::/33", "fd00:b::/127"),
		testRule(7, 300, "10.0.0.0/24", "192.168.0.0/24"), // never: 0 is the same and ranks higher
	}
	table := newTable(rules)
	for _, c := range []struct {
		local, remote string
		want          int // -1 is none
	}{
		{"10.0.0.1", "192.168.0.1", 0},
		{"10.0.0.1", "192.168.1.1", 1},
		{"10.0.0.7", "192.168.1.1", 3},
		{"10.0.0.7", "192.168.1.200", 1},
		{"10.0.1.1", "192.168.1.1", 2},
		{"192.168.0.1", "10.0.0.1", 2},
		{"fd00:a::1", "fd00:b::99", 5},
		{"fd00:a:0:1::1", "fd00:b::1", 6},
		{"fd00:a::1", "fd00:c::1", -1},
		{"::10.0.0.1", "::192.168.0.1", -1}, // looks like an IPv4 pair inside
	} {
		f, six := testFlow(c.local, c.remote)
		got := table.find(f, six)
		if c.want < 0 && got != nil || c.want >= 0 && got != rules[c.want] {
			t.Errorf("%s -> %s: found %+v, want rule %d", c.local, c.remote, got, c.want)
		}
	}
	if f, six := testFlow("10.0.0.1", "192.168.0.1"); newTable(nil).find(f, six) != nil {
		t.Error("an empty table found something")
	}
}

// Against looking at each rule in turn.
func TestTableAgainstAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	prefix := func(six bool) netip.Prefix {
		if six {
			a := [16]byte{0xfd, 15: byte(rng.IntN(8))}
			a[7], a[8] = byte(rng.IntN(4)), byte(rng.IntN(4))
			return netip.PrefixFrom(netip.AddrFrom16(a), []int{0, 8, 63, 64, 65, 127, 128}[rng.IntN(7)]).Masked()
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(4)), byte(rng.IntN(8))}), rng.IntN(33)).Masked()
	}
	for range 200 {
		var rules []*rule
		for i := range 1 + rng.IntN(40) {
			six := i%2 == 0
			r := testRule(i, rng.IntN(3), "0.0.0.0/0", "0.0.0.0/0")
			r.Sel = xfrm.Selector{Local: prefix(six), Remote: prefix(six)}
			rules = append(rules, r)
		}
		table := newTable(rules)
		for i := range 200 {
			local, remote := prefix(i%2 == 0).Addr(), prefix(i%2 == 0).Addr()
			var want *rule
			for _, r := range rules {
				if r.Sel.Local.Contains(local) && r.Sel.Remote.Contains(remote) && (want == nil || r.rank.less(want.rank)) {
					want = r
				}
			}
			if got := table.find(flow{addrOf(local), addrOf(remote)}, i%2 == 0); got != want {
				t.Fatalf("%v -> %v: found %+v, want %+v", local, remote, got, want)
			}
		}
	}
}

func TestMemoForgetsWithTheTable(t *testing.T) {
	f, six := testFlow("10.0.0.1", "192.168.0.1")
	old := newTable([]*rule{testRule(0, 1, "10.0.0.0/8", "0.0.0.0/0")})
	var m memo
	for range 2 {
		if r := m.find(old, f, six); r == nil || r.Sel.Local.Bits() != 8 {
			t.Fatalf("found %+v", r)
		}
	}
	if r := m.find(newTable(nil), f, six); r != nil {
		t.Fatalf("found %+v in the new table", r)
	}
}

func TestAddrTurnsBack(t *testing.T) {
	for _, s := range []string{"0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "fd00:1:2:3:4:5:6:7", "::ffff:10.0.0.1"} {
		a := netip.MustParseAddr(s)
		if got := addrOf(a).netip(a.Is6()); got != a {
			t.Errorf("%v came back as %v", a, got)
		}
	}
}

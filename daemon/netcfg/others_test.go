package netcfg

import (
	"net/netip"
	"strings"
	"testing"
)

// TestOuterAddressesInsideThePair: a host-to-host tunnel over one cable, where
// what is guarded and what carries it are between the same two addresses. IKE and
// ESP find the neighbour by themselves; nothing else passes.
func TestOuterAddressesInsideThePair(t *testing.T) {
	b := newBed(t)
	near4, far4, near6, far6 := "203.0.113.2", "203.0.113.1", "2001:db8:f::2", "2001:db8:f::1"
	b.guard(t, []Guard{
		{pfx(near4 + "/32"), pfx(far4 + "/32"), device},
		{pfx(near6 + "/128"), pfx(far6 + "/128"), device},
	})
	b.run(t, b.gateway, "ip neigh flush dev wan0")
	b.run(t, b.internet, "ip neigh flush dev eth0")
	var list []packet
	for _, a := range [][2]string{{near4, far4}, {near6, far6}} {
		list = append(list,
			packet{"IKE out", b.gateway, b.internet, a[0], a[1], 500, 500, true},
			packet{"IKE in", b.internet, b.gateway, a[1], a[0], 500, 500, true},
			packet{"ESP out", b.gateway, b.internet, a[0], a[1], 0, 0, true},
			packet{"ESP in", b.internet, b.gateway, a[1], a[0], 0, 0, true},
			packet{"ESP in UDP out", b.gateway, b.internet, a[0], a[1], 4500, 4500, true},
			packet{"ESP in UDP in", b.internet, b.gateway, a[1], a[0], 4500, 4500, true},
			packet{"DNS out", b.gateway, b.internet, a[0], a[1], 1000, 53, false},
			packet{"DNS in", b.internet, b.gateway, a[1], a[0], 1000, 53, false},
		)
	}
	b.try(t, list, true)
}

// TestAnotherGatewaysDevice: the pair of one gateway does not pass through the
// device of another, and one that both have passes through either.
func TestAnotherGatewaysDevice(t *testing.T) {
	b := newBed(t)
	b.throughDevice(t)
	other := guards()
	for i := range other {
		other[i].Device = "twin0002"
	}
	out := []packet{
		{"out", b.vpc, b.idc, "192.168.1.2", "10.0.1.2", 1000, 2000, false},
		{"in", b.idc, b.vpc, "10.0.1.2", "192.168.1.2", 1000, 2000, false},
		{"IPv6", b.vpc, b.idc, "2001:db8:1::2", "2001:db8:2::2", 1000, 2000, false},
	}
	b.guard(t, other)
	b.try(t, out, true)
	for i := range out {
		out[i].passes = true
	}
	b.guard(t, append(other, guards()...))
	b.try(t, out, true)
}

// TestReroutedAfterTheCheck: a mark of somebody else's firewall sends our own
// packets another way after the routing decision that the output hook saw.
func TestReroutedAfterTheCheck(t *testing.T) {
	b := newBed(t)
	b.throughDevice(t)
	b.guard(t, guards())
	p := []packet{{"marked", b.gateway, b.internet, "192.168.1.1", "10.0.1.2", 1000, 2000, false}}
	nft(t, b.gateway, `table inet other { chain c { type route hook output priority mangle; meta l4proto udp meta mark set 7; }; }`)
	b.run(t, b.gateway, "ip rule add fwmark 7 lookup 77")
	b.run(t, b.gateway, "ip route add default via 203.0.113.1 table 77")
	b.try(t, p, true)
	if err := b.net.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.try(t, p, false) // the other way is one
}

// TestTranslatedSource: masquerading does not make a pair's packets presentable.
func TestTranslatedSource(t *testing.T) {
	b := newBed(t)
	nft(t, b.gateway, `table ip nat { chain c { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }`)
	b.guard(t, guards())
	b.try(t, []packet{
		{"guarded", b.vpc, b.internet, "192.168.1.2", "10.0.1.2", 1000, 2000, false},
		{"beside", b.vpc, b.internet, "192.168.1.2", "203.0.113.1", 1000, 2000, true},
	}, true)
}

// TestForeignTablesStay: others' tables are what they were, and ours reads as the
// comment in ruleset.go says.
func TestForeignTablesStay(t *testing.T) {
	b := newBed(t)
	nft(t, b.gateway, `table inet other {
		set pairs4 { type ipv4_addr; elements = { 192.0.2.1 } }
		chain forward { type filter hook forward priority 0; ip saddr @pairs4 counter; }
	}
	table ip twinspan { chain c { }; }`)
	before := b.run(t, b.gateway, "nft list ruleset")
	b.guard(t, guards())
	ruleset := b.run(t, b.gateway, "nft list table inet twinspan")
	for _, line := range []string{
		"type ipv4_addr . ipv4_addr . ifname",
		`elements = { 192.168.1.0/24 . 10.0.1.0/24 . "twin0001" }`,
		"elements = { 2001:db8:1::/64 . 2001:db8:2::/64 }",
		"type filter hook postrouting priority filter; policy accept;",
		"ip saddr . ip daddr @pairs4 jump leave",
		"ip6 daddr . ip6 saddr . iifname @ways6 return",
		`oifname "lo" accept`, "meta l4proto esp accept", "udp sport 500 accept", "udp dport 4500 accept",
		"icmpv6 type nd-neighbor-advert accept",
	} {
		if !strings.Contains(ruleset, line) {
			t.Errorf("nft does not list %q", line)
		}
	}
	if t.Failed() {
		t.Log(ruleset)
	}
	if err := b.net.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := b.run(t, b.gateway, "nft list ruleset"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestTamperedGuardIsMended: what others took out of our table comes back, and
// what is right is left alone.
func TestTamperedGuardIsMended(t *testing.T) {
	b := newBed(t)
	b.guard(t, guards())
	good := b.run(t, b.gateway, "nft -n list table inet twinspan")
	handle := b.run(t, b.gateway, "nft -a list table inet twinspan")
	b.guard(t, guards())
	if again := b.run(t, b.gateway, "nft -a list table inet twinspan"); again != handle {
		t.Error("the same guards were written again")
	}
	for _, damage := range []string{
		"flush chain inet twinspan forward",
		"flush set inet twinspan pairs6",
		"add rule inet twinspan leave accept",
		"insert rule inet twinspan input accept",
		"delete table inet twinspan",
		`add element inet twinspan ways4 { 192.168.1.0/24 . 10.0.1.0/24 . "wan0" }`,
		"add table inet twinspan-standin",
		"add table inet twinspan { flags dormant; }",
	} {
		nft(t, b.gateway, damage)
		b.guard(t, guards())
		if mended := b.run(t, b.gateway, "nft -n list table inet twinspan"); mended != good {
			t.Errorf("after %q:\n%s", damage, mended)
		}
	}
	if tables := b.run(t, b.gateway, "nft list tables"); strings.Contains(tables, standInName) {
		t.Error("a stand-in is left:\n" + tables)
	}
}

func TestGuardRefuses(t *testing.T) {
	b := newBed(t)
	v4, v6 := pfx("10.0.0.0/8"), pfx("fd00::/8")
	for _, g := range []Guard{
		{v4, v6, device}, {v6, v4, device}, {v4, v4, ""}, {v4, v4, "sixteen-bytes-is"}, {netip.Prefix{}, v4, device},
	} {
		if err := b.net.SetGuards(t.Context(), []Guard{g}); err == nil {
			t.Errorf("%v was taken", g)
		}
	}
}

package netcfg

import (
	"slices"
	"strings"
	"testing"
)

func says(list []string, words string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, words) })
}

func TestForwardingIsTurnedOn(t *testing.T) {
	b := newBed(t)
	b.run(t, b.gateway, "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")
	b.routed(t, Want{Devices: want().Devices})
	if on := b.run(t, b.gateway, "sysctl -n net.ipv4.ip_forward"); on != "0\n" {
		t.Error("it forwards without a route")
	}
	b.routed(t, want())
	if on := b.run(t, b.gateway, "sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding"); on != "1\n1\n" {
		t.Errorf("forwarding is %q", on)
	}
	notes := b.net.Notes()
	if len(notes) != 2 || !says(notes, "net.ipv4.ip_forward was 0") || !says(notes, "net.ipv6.conf.all.forwarding was 0") {
		t.Errorf("notes: %q", notes)
	}
	b.routed(t, want())
	if notes := b.net.Notes(); len(notes) != 0 {
		t.Errorf("noted again: %q", notes)
	}
	if w := b.net.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
	b.run(t, b.gateway, "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")
	if w := b.net.Warnings(); !says(w, "net.ipv4.ip_forward is off") || !says(w, "set net.ipv6.conf.all.forwarding = 1") {
		t.Errorf("warnings: %q", w)
	}
}

// TestRouterAdvertisements: a host that has its default route from them would
// lose it by forwarding.
func TestRouterAdvertisements(t *testing.T) {
	b := newBed(t)
	b.run(t, b.gateway, "sysctl -qw net.ipv6.conf.all.forwarding=0")
	b.run(t, b.gateway, "ip -6 route replace default via 2001:db8:f::1 dev wan0 proto ra")
	b.run(t, b.gateway, "sysctl -qw net.ipv6.conf.wan0.accept_ra=1")
	b.routed(t, want())
	if on := b.run(t, b.gateway, "sysctl -n net.ipv6.conf.all.forwarding"); on != "0\n" {
		t.Error("it forwards")
	}
	if w := b.net.Warnings(); !says(w, "set net.ipv6.conf.wan0.accept_ra = 2 first") {
		t.Errorf("warnings: %q", w)
	}
	b.run(t, b.gateway, "sysctl -qw net.ipv6.conf.wan0.accept_ra=2")
	b.routed(t, want())
	if w := b.net.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
}

func TestReversePathFilter(t *testing.T) {
	b := newBed(t)
	b.run(t, b.gateway, "sysctl -qw net.ipv4.conf.all.rp_filter=1")
	b.guard(t, guards())
	in := []packet{{"in", b.idc, b.gateway, "10.0.1.2", "203.0.113.2", 1000, 2000, true}}
	b.routed(t, want())
	// The route back to 10.0.1.2 is in our table, for the VPC's addresses only:
	// for this one it would be the default route.
	b.try(t, in, true)
	b.run(t, b.gateway, "sysctl -qw net.ipv4.conf."+device+".rp_filter=0")
	if w := b.net.Warnings(); !says(w, "net.ipv4.conf."+device+".rp_filter is strict") {
		t.Errorf("warnings: %q", w)
	}
	b.routed(t, want())
	if w := b.net.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
}

func TestFirewallThatDrops(t *testing.T) {
	b := newBed(t)
	nft(t, b.gateway, `table ip filter {
		chain FORWARD { type filter hook forward priority 0; policy drop; }
		chain OUTPUT { type filter hook output priority 0; policy drop; }
	}
	table inet host { chain in { type filter hook input priority 0; policy drop; }; }`)
	b.routed(t, want())
	w := b.net.Warnings()
	if len(w) != 2 || !says(w, "ip filter FORWARD drops") || !says(w, "inet host in drops") || !says(w, "UDP 500 and 4500") {
		t.Errorf("warnings: %q", w)
	}
}

package netio

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/vishvananda/netlink"
)

func in(t testing.TB, space *netns.Space, do func() error) {
	t.Helper()
	if err := space.Do(do); err != nil {
		t.Fatal(err)
	}
}

func namespace(t testing.TB, name string) *netns.Space {
	t.Helper()
	netns.NeedRoot(t)
	space, err := netns.New(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := space.Close(); err != nil {
			t.Error(err)
		}
	})
	return space
}

// wire makes two namespaces with a cable: ours has two addresses of each family
// on one interface, the peer's has one.
func wire(t testing.TB) (ours, peer *netns.Space) {
	t.Helper()
	ours, peer = namespace(t, "ours"), namespace(t, "peer")
	err := netns.Wire(
		netns.End{Space: ours, Device: "eth0", Addresses: prefixes(
			"192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64", "2001:db8::2/64", "fe80::1/64")},
		netns.End{Space: peer, Device: "eth0", Addresses: prefixes("192.0.2.9/24", "2001:db8::9/64", "fe80::9/64")})
	if err != nil {
		t.Fatal(err)
	}
	return ours, peer
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// zone is the number of eth0: package net would look its name up in the
// namespace of whatever thread it runs on.
func zone(t *testing.T, space *netns.Space) (index string) {
	t.Helper()
	in(t, space, func() error {
		link, err := net.InterfaceByName("eth0")
		if err == nil {
			index = strconv.Itoa(link.Index)
		}
		return err
	})
	return index
}

// address gives eth0 one more address.
func address(t *testing.T, space *netns.Space, prefix string) {
	t.Helper()
	in(t, space, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, addr)
	})
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

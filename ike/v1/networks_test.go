package v1

import (
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/ike/isakmp"
)

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		what string
		id   isakmp.Identification
		want string // "" for a refusal
	}{
		{"subnet", isakmp.Identification{Type: isakmp.IPv4Subnet, Data: []byte{10, 0, 1, 0, 255, 255, 255, 0}}, "10.0.1.0/24"},
		{"subnet with host bits", isakmp.Identification{Type: isakmp.IPv4Subnet, Data: []byte{10, 0, 1, 9, 255, 255, 255, 0}}, "10.0.1.0/24"},
		{"everything", isakmp.Identification{Type: isakmp.IPv4Subnet, Data: make([]byte, 8)}, "0.0.0.0/0"},
		{"a mask with holes", isakmp.Identification{Type: isakmp.IPv4Subnet, Data: []byte{10, 0, 1, 0, 255, 0, 255, 0}}, ""},
		{"address", isakmp.Identification{Type: isakmp.IPv4Addr, Data: []byte{10, 0, 1, 7}}, "10.0.1.7/32"},
		{"the unspecified address", isakmp.Identification{Type: isakmp.IPv4Addr, Data: make([]byte, 4)}, ""},
		{"a range that is a network", isakmp.Identification{Type: isakmp.IPv4Range, Data: []byte{10, 0, 2, 0, 10, 0, 3, 255}}, "10.0.2.0/23"},
		{"a range of one", isakmp.Identification{Type: isakmp.IPv4Range, Data: []byte{10, 0, 2, 1, 10, 0, 2, 1}}, "10.0.2.1/32"},
		{"a range that is none", isakmp.Identification{Type: isakmp.IPv4Range, Data: []byte{10, 0, 2, 1, 10, 0, 2, 9}}, ""},
		{"a range backwards", isakmp.Identification{Type: isakmp.IPv4Range, Data: []byte{10, 0, 3, 255, 10, 0, 2, 0}}, ""},
		{"IPv6 subnet", isakmp.Identification{Type: isakmp.IPv6Subnet, Data: append(netip.MustParseAddr("2001:db8::").AsSlice(), mask(32, 16)...)}, "2001:db8::/32"},
		{"IPv6 address", isakmp.Identification{Type: isakmp.IPv6Addr, Data: netip.MustParseAddr("2001:db8::1").AsSlice()}, "2001:db8::1/128"},
		{"an address of five bytes", isakmp.Identification{Type: isakmp.IPv4Addr, Data: make([]byte, 5)}, ""},
		{"a subnet of nothing", isakmp.Identification{Type: isakmp.IPv4Subnet}, ""},
		{"an IPv4 subnet in 32 bytes", isakmp.Identification{Type: isakmp.IPv4Subnet, Data: make([]byte, 32)}, ""},
		{"only TCP", isakmp.Identification{Type: isakmp.IPv4Subnet, Protocol: 6, Data: []byte{10, 0, 1, 0, 255, 255, 255, 0}}, ""},
		{"a name", isakmp.Identification{Type: isakmp.FQDN, Data: []byte("x")}, ""},
	} {
		p, err := readNetwork(c.id.Append(nil))
		if (err != nil) != (c.want == "") || err == nil && p.String() != c.want {
			t.Errorf("%s: %v, %v", c.what, p, err)
		}
	}
	for _, text := range []string{"10.0.1.0/24", "10.0.1.7/32", "0.0.0.0/0", "2001:db8::/48", "2001:db8::1/128"} {
		p := netip.MustParsePrefix(text)
		if got, err := readNetwork(networkID(p).Append(nil)); err != nil || got != p {
			t.Errorf("%s comes back as %v, %v", text, got, err)
		}
	}
}

package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// Site is one side of a Bed.
type Site struct {
	Public netip.Prefix   // the gateway's address on the internet; the router takes the first of that network
	Behind netip.Prefix   // the gateway's own address when a translator has the public one; else none
	Hosts  []netip.Prefix // the host's addresses inside, one per network; the gateway takes the last of each
}

// Own is the address that the gateway itself has outside.
func (s Site) Own() netip.Addr {
	if s.Behind.IsValid() {
		return s.Behind.Addr()
	}
	return s.Public.Addr()
}

// Networks are the site's networks inside.
func (s Site) Networks() []netip.Prefix {
	all := make([]netip.Prefix, len(s.Hosts))
	for i, h := range s.Hosts {
		all[i] = h.Masked()
	}
	return all
}

// inside are the gateway's own addresses inside.
func (s Site) inside() []netip.Prefix {
	all := make([]netip.Prefix, len(s.Hosts))
	for i, h := range s.Hosts {
		all[i] = netip.PrefixFrom(lastOf(h), h.Bits())
	}
	return all
}

// Sites are the two sides of a Bed.
type Sites struct{ VPC, IDC Site }

// QuickStart are the sites of the seed's Quick Start: TomVPC behind TomVPNGw,
// and the IDC behind 202.108.22.5.
func QuickStart() Sites {
	return Sites{
		VPC: Site{Public: netip.MustParsePrefix("203.195.147.82/24"), Hosts: []netip.Prefix{netip.MustParsePrefix("192.168.1.10/24")}},
		IDC: Site{Public: netip.MustParsePrefix("202.108.22.5/24"), Hosts: []netip.Prefix{netip.MustParsePrefix("10.0.1.1/24")}},
	}
}

// Bed is a network of five namespaces in a row: a host in the VPC, its VPN
// gateway, the internet, the customer gateway, and a host in the IDC. The
// gateways send whatever they have no better route for to the internet, so what
// they leak shows there; the internet has no route to the networks inside. A
// gateway that has no public address of its own has a translator before it.
type Bed struct {
	Sites                                 Sites
	VPC, Gateway, Internet, Customer, IDC *Space
	Translators                           []*Translator
}

// The names of the devices: the gateways have one to each side, the internet
// one to each gateway, the hosts a single one.
const (
	Inside  = "inside"
	Outside = "outside"
	Host    = "eth0"
	ToVPC   = "vpc"
	ToIDC   = "idc"
)

// Build makes a bed.
func Build(sites Sites) (*Bed, error) {
	b := &Bed{Sites: sites}
	if err := b.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build the test network: %w", err), b.Close())
	}
	return b, nil
}

func (b *Bed) build() error {
	for name, space := range map[string]**Space{
		"vpc": &b.VPC, "gateway": &b.Gateway, "internet": &b.Internet, "customer": &b.Customer, "idc": &b.IDC,
	} {
		var err error
		if *space, err = New(name); err != nil {
			return err
		}
	}
	for _, router := range []*Space{b.Gateway, b.Internet, b.Customer} {
		if err := router.Forward(); err != nil {
			return err
		}
	}
	if err := b.side(b.Sites.VPC, b.VPC, b.Gateway, ToVPC); err != nil {
		return err
	}
	return b.side(b.Sites.IDC, b.IDC, b.Customer, ToIDC)
}

// side wires a host to its gateway, and the gateway to the internet.
func (b *Bed) side(site Site, host, gateway *Space, device string) error {
	err := Wire(End{host, Host, site.Hosts}, End{gateway, Inside, site.inside()})
	if err != nil {
		return err
	}
	if err := host.DefaultRoute(site.inside()[0].Addr()); err != nil {
		return err
	}
	if !site.Behind.IsValid() {
		return uplink(gateway, site.Public, b.Internet, device)
	}
	translator, err := newTranslator(gateway.Name)
	if err != nil {
		return err
	}
	b.Translators = append(b.Translators, translator)
	if err := uplink(gateway, site.Behind, translator.Space, Inside); err != nil {
		return err
	}
	return uplink(translator.Space, site.Public, b.Internet, device)
}

// uplink wires a gateway to the router that it sends everything to, which takes
// the first address of the network between them.
func uplink(gateway *Space, address netip.Prefix, router *Space, device string) error {
	first := netip.PrefixFrom(firstOf(address), address.Bits())
	err := Wire(End{gateway, Outside, []netip.Prefix{address}}, End{router, device, []netip.Prefix{first}})
	if err != nil {
		return err
	}
	return gateway.DefaultRoute(first.Addr())
}

// Close takes the bed down. The error names what was left running in it.
func (b *Bed) Close() error {
	var err error
	all := []*Space{b.VPC, b.Gateway, b.Internet, b.Customer, b.IDC}
	for _, t := range b.Translators {
		all = append(all, t.Space)
	}
	for _, s := range all {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}

// ForTest makes a bed that ends with the test, which fails if something was
// left running in it. Without root the test is skipped.
func ForTest(t testing.TB, sites Sites) *Bed {
	t.Helper()
	NeedRoot(t)
	b, err := Build(sites)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// firstOf is the first host address of an address's network.
func firstOf(p netip.Prefix) netip.Addr { return p.Masked().Addr().Next() }

// lastOf is the last address of a network but one, which IPv4 keeps for
// broadcasts.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last.Prev()
}

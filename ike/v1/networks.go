package v1

import (
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/twinspan/twinspan/ike/isakmp"
)

// networkID is a network on the wire. A single address goes as an address,
// which is what strongSwan and Libreswan expect of it.
func networkID(p netip.Prefix) isakmp.Identification {
	if p.IsSingleIP() {
		return addressID(p.Addr())
	}
	width := p.Addr().BitLen() / 8
	data := append(p.Masked().Addr().AsSlice(), mask(p.Bits(), width)...)
	if width == 4 {
		return isakmp.Identification{Type: isakmp.IPv4Subnet, Data: data}
	}
	return isakmp.Identification{Type: isakmp.IPv6Subnet, Data: data}
}

func mask(ones, width int) []byte {
	m := make([]byte, width)
	for i := range ones {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// readNetwork reads a phase 2 identity as a network: an address is a /32, a
// range must be one that a prefix can name. Protocols and ports are not to be
// had: our pairs carry everything.
func readNetwork(body []byte) (netip.Prefix, error) {
	id, err := isakmp.ParseID(body)
	if err != nil {
		return netip.Prefix{}, err
	}
	if id.Protocol != 0 || id.Port != 0 {
		return netip.Prefix{}, fmt.Errorf("%w: only protocol %d, port %d", isakmp.ErrMalformed, id.Protocol, id.Port)
	}
	switch id.Type {
	case isakmp.IPv4Addr, isakmp.IPv6Addr:
		return single(id.Type == isakmp.IPv6Addr, id.Data)
	case isakmp.IPv4Subnet, isakmp.IPv6Subnet:
		return subnet(id.Type == isakmp.IPv6Subnet, id.Data)
	case isakmp.IPv4Range, isakmp.IPv6Range:
		return span(id.Type == isakmp.IPv6Range, id.Data)
	}
	return netip.Prefix{}, fmt.Errorf("%w: a network of type %d", isakmp.ErrMalformed, id.Type)
}

// single is an address alone. The unspecified one means nothing so written.
func single(six bool, b []byte) (netip.Prefix, error) {
	a, err := address(six, b)
	if err != nil {
		return netip.Prefix{}, err
	}
	if a.IsUnspecified() {
		return netip.Prefix{}, fmt.Errorf("%w: the address %v", isakmp.ErrMalformed, a)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// halves splits two values of the same size.
func halves(six bool, b []byte) (first, second netip.Addr, err error) {
	if first, err = address(six, b[:len(b)/2]); err != nil {
		return first, second, err
	}
	second, err = address(six, b[len(b)/2:])
	return first, second, err
}

func subnet(six bool, b []byte) (netip.Prefix, error) {
	a, m, err := halves(six, b)
	if err != nil {
		return netip.Prefix{}, err
	}
	ones := leadingOnes(m.AsSlice())
	if string(mask(ones, len(b)/2)) != string(m.AsSlice()) {
		return netip.Prefix{}, fmt.Errorf("%w: the mask %v", isakmp.ErrMalformed, m)
	}
	return netip.PrefixFrom(a, ones).Masked(), nil
}

func leadingOnes(m []byte) int {
	n := 0
	for _, b := range m {
		ones := bits.LeadingZeros8(^b)
		n += ones
		if ones < 8 {
			break
		}
	}
	return n
}

func span(six bool, b []byte) (netip.Prefix, error) {
	low, high, err := halves(six, b)
	if err != nil {
		return netip.Prefix{}, err
	}
	same := commonBits(low.AsSlice(), high.AsSlice())
	p := netip.PrefixFrom(low, same)
	if p.Masked().Addr() != low || last(p) != high {
		return netip.Prefix{}, fmt.Errorf("%w: the range %v-%v is no network", isakmp.ErrMalformed, low, high)
	}
	return p, nil
}

func commonBits(a, b []byte) int {
	n := 0
	for i := range a {
		same := bits.LeadingZeros8(a[i] ^ b[i])
		n += same
		if same < 8 {
			break
		}
	}
	return n
}

// last is the highest address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i, m := range mask(p.Bits(), len(b)) {
		b[i] |= ^m
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

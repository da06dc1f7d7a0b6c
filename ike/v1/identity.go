package v1

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// identity is a phase 1 identity on the wire. Protocol and port are 0: with
// NAT traversal anything else would be wrong (RFC 3947 §4).
func identity(id ike.ID) isakmp.Identification {
	if id.Kind == ike.IDFQDN {
		return isakmp.Identification{Type: isakmp.FQDN, Data: []byte(id.Text)}
	}
	a, err := netip.ParseAddr(id.Text)
	if err != nil { // the plan holds addresses only; a name is the honest rest
		return isakmp.Identification{Type: isakmp.FQDN, Data: []byte(id.Text)}
	}
	return addressID(a)
}

func addressID(a netip.Addr) isakmp.Identification {
	if a.Is4() {
		return isakmp.Identification{Type: isakmp.IPv4Addr, Data: a.AsSlice()}
	}
	return isakmp.Identification{Type: isakmp.IPv6Addr, Data: a.AsSlice()}
}

// readIdentity reads a phase 1 identity that the configuration can name.
func readIdentity(body []byte) (ike.ID, error) {
	id, err := isakmp.ParseID(body)
	if err != nil {
		return ike.ID{}, err
	}
	switch id.Type {
	case isakmp.IPv4Addr, isakmp.IPv6Addr:
		a, err := address(id.Type == isakmp.IPv6Addr, id.Data)
		if err != nil {
			return ike.ID{}, err
		}
		return ike.AddressID(a), nil
	case isakmp.FQDN, isakmp.UserFQDN:
		return ike.ID{Kind: ike.IDFQDN, Text: string(id.Data)}, nil
	}
	return ike.ID{}, fmt.Errorf("%w: an identity of type %d", isakmp.ErrMalformed, id.Type)
}

// describeID is an identity for people; foreign bytes come quoted.
func describeID(body []byte) string {
	id, err := readIdentity(body)
	switch {
	case err != nil:
		return fmt.Sprintf("%x", body)
	case id.Kind == ike.IDFQDN:
		return strings.Trim(fmt.Sprintf("%q", id.Text), `"`)
	}
	return id.Text
}

// checkIdentity holds the peer's identity against the one it must have. Names
// are compared without regard to case (RFC 1035 §2.3.3).
func checkIdentity(p ike.Peer, body []byte) *ike.Fault {
	id, err := readIdentity(body)
	if err == nil && id.Kind == p.RemoteID.Kind && strings.EqualFold(id.Text, p.RemoteID.Text) {
		return nil
	}
	theirs := describeID(body)
	advice := fmt.Sprintf("write remote_identity = \"FQDN\" and remote_fqdn = %q", theirs)
	if id.Kind == ike.IDAddress {
		advice = fmt.Sprintf("write remote_identity = \"ADDRESS\" and remote_address = %q", theirs)
	}
	return &ike.Fault{
		Cause: ike.CauseIdentity, Text: "the peer calls itself otherwise than it should",
		Ours: p.RemoteID.Text, Theirs: theirs,
		Advice: advice + " in the tunnel's [ike], or change the peer's own identity",
	}
}

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

func address(six bool, b []byte) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.Is6() != six {
		return netip.Addr{}, fmt.Errorf("%w: an address of %d bytes", isakmp.ErrMalformed, len(b))
	}
	return a, nil
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

// noSuchPair explains a pair of networks that is not ours, and names the
// nearest that is.
func noSuchPair(p ike.Peer, asked xfrm.Selector) *ike.Fault {
	f := &ike.Fault{
		Cause: ike.CauseSelectors, Text: "the peer asks for a pair of networks that the tunnel does not have",
		Theirs: asked.String(),
		Advice: fmt.Sprintf("add an spd with local = %q and peer = [%q], or change the peer", asked.Local, asked.Remote),
	}
	score := -1
	for _, c := range p.Children {
		if n := likeness(c.Sel, asked); n > score {
			score, f.Ours = n, c.Sel.String()
		}
	}
	return f
}

// likeness counts the bits that two pairs have in common.
func likeness(a, b xfrm.Selector) int {
	return alike(a.Local, b.Local) + alike(a.Remote, b.Remote)
}

func alike(a, b netip.Prefix) int {
	if a.Addr().BitLen() != b.Addr().BitLen() {
		return 0
	}
	n := commonBits(a.Addr().AsSlice(), b.Addr().AsSlice())
	if a.Bits() == b.Bits() {
		n++
	}
	return n
}

// spiBytes is an SPI on the wire.
func spiBytes(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }

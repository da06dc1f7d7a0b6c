package kernel

import (
	"net/netip"

	"github.com/twinspan/twinspan/xfrm"
)

// appendSelector writes the xfrm_selector of all packets from src to dst:
// every protocol, port and interface.
func appendSelector(b []byte, src, dst netip.Prefix) []byte {
	b = appendAddr(b, dst.Addr())
	b = appendAddr(b, src.Addr())
	b = appendZeros(b, 8) // ports and their masks
	b = native.AppendUint16(b, family(dst.Addr()))
	b = append(b, byte(dst.Bits()), byte(src.Bits()))
	return appendZeros(b, 4+8) // protocol, interface, user
}

// selector is an xfrm_selector read back. Prefixes of an unknown family, or of
// an impossible length, are the zero Prefix.
type selector struct {
	src, dst netip.Prefix
	narrowed bool // to ports, a protocol, an interface or a user, which ours never are
}

func (r *reader) selector() selector {
	dst, src := r.addr(), r.addr()
	ports := r.u64()
	family := r.u16()
	dstBits, srcBits := r.u8(), r.u8()
	protocol := r.u8()
	r.skip(3)
	device, user := r.u32(), r.u32()
	return selector{
		src: prefix(src.in(family), srcBits), dst: prefix(dst.in(family), dstBits),
		narrowed: ports != 0 || protocol != 0 || device != 0 || user != 0,
	}
}

func prefix(a netip.Addr, bits uint8) netip.Prefix {
	p := netip.PrefixFrom(a, int(bits))
	if !p.IsValid() {
		return netip.Prefix{}
	}
	return p
}

// hosts is the selector of one packet: its addresses, each alone.
func (s selector) hosts() (xfrm.Selector, bool) {
	if !s.src.IsValid() || !s.dst.IsValid() {
		return xfrm.Selector{}, false
	}
	return xfrm.Selector{Local: alone(s.src.Addr()), Remote: alone(s.dst.Addr())}, true
}

func alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

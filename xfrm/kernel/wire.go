package kernel

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Netlink speaks the machine's byte order; addresses, ports and SPIs inside it
// are in network order.
var (
	native  = binary.NativeEndian
	network = binary.BigEndian
)

// appendAddr writes an xfrm_address_t: 16 bytes, of which IPv4 takes the first
// four. The zero Addr is all zeros.
func appendAddr(b []byte, a netip.Addr) []byte {
	var raw [16]byte
	copy(raw[:], a.AsSlice())
	return append(b, raw[:]...)
}

func appendZeros(b []byte, n int) []byte { return append(b, make([]byte, n)...) }

// family is the address family of a valid address.
func family(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// attrHeader is the size of an attribute's length and type, and align the
// boundary that attributes and messages begin at.
const (
	attrHeader = 4
	align      = 4
)

func aligned(n int) int { return (n + align - 1) &^ (align - 1) }

// attr writes one attribute; body appends what is in it.
func attr(b []byte, kind uint16, body func(b []byte) []byte) []byte {
	start := len(b)
	b = native.AppendUint16(b, 0)
	b = native.AppendUint16(b, kind)
	b = body(b)
	native.PutUint16(b[start:], uint16(len(b)-start))
	return appendZeros(b, aligned(len(b))-len(b))
}

func attrUint32(b []byte, kind uint16, v uint32) []byte {
	b = native.AppendUint16(b, attrHeader+4)
	b = native.AppendUint16(b, kind)
	return native.AppendUint32(b, v)
}

// reader takes a structure apart. Its first failure sticks: after it every
// value is zero and ok is false.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) ok() bool { return !r.failed }

// take returns the next n bytes, which alias the message.
func (r *reader) take(n int) []byte {
	if r.failed || n < 0 || n > len(r.b) {
		r.failed, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return native.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return native.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return native.Uint64(b)
	}
	return 0
}

func (r *reader) port() uint16 {
	if b := r.take(2); b != nil {
		return network.Uint16(b)
	}
	return 0
}

func (r *reader) spi() uint32 {
	if b := r.take(4); b != nil {
		return network.Uint32(b)
	}
	return 0
}

// rawAddr is an address whose family stands elsewhere in the message. It is
// never guessed: 2001:db8:: and 32.1.13.184 are the same bytes.
type rawAddr [16]byte

func (r *reader) addr() (a rawAddr) {
	copy(a[:], r.take(len(a)))
	return a
}

// in is the address in that family, the zero Addr in an unknown one.
func (a rawAddr) in(family uint16) netip.Addr {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(a[:4]))
	case unix.AF_INET6:
		return netip.AddrFrom16(a)
	}
	return netip.Addr{}
}

// eachAttr calls f with the type and the body of each attribute, and tells
// whether they fill b.
func eachAttr(b []byte, f func(kind uint16, body []byte)) bool {
	for len(b) >= attrHeader {
		size := int(native.Uint16(b))
		if size < attrHeader || size > len(b) {
			return false
		}
		const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
		f(native.Uint16(b[2:])&^flags, b[attrHeader:size])
		b = b[min(aligned(size), len(b)):]
	}
	return len(b) == 0
}

// uint32Of reads an attribute that is one number; a short one is zero.
func uint32Of(body []byte) uint32 {
	r := reader{b: body}
	return r.u32()
}

package userspace

import (
	"encoding/binary"
	"net/netip"
)

// Next header values of ESP and IPv6 (IANA protocol numbers).
const (
	protoICMP     = 1
	protoIPIP     = 4 // an IPv4 packet inside
	protoIPv6     = 41
	protoICMPv6   = 58
	protoNone     = 59 // a dummy packet (RFC 4303 §2.6)
	ipv4HeaderMin = 20
	ipv6Header    = 40
)

// flow is what the selectors look at, kept small and comparable: the addresses
// of an inner packet.
type flow struct {
	src, dst addr
}

// addr is an address as two numbers, high half first. An IPv4 address is in
// the low half; which family it is the context says.
type addr struct{ hi, lo uint64 }

func addrOf(a netip.Addr) addr {
	if a.Is4() {
		b := a.As4()
		return addr{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// netip turns an addr back.
func (a addr) netip(six bool) netip.Addr {
	if !six {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(a.lo))))
	}
	b := binary.BigEndian.AppendUint64(nil, a.hi)
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(b, a.lo)))
}

// turned is the flow of the answers.
func (f flow) turned() flow { return flow{f.dst, f.src} }

// inner is what the data plane reads of an inner packet's header.
type inner struct {
	flow
	six bool
	len int  // the whole packet, as its header says
	tos byte // type of service, or traffic class
}

// readInner reads the header of an IP packet. False: it is no whole packet.
func readInner(p []byte) (inner, bool) {
	if len(p) < ipv4HeaderMin {
		return inner{}, false
	}
	switch p[0] >> 4 {
	case 4:
		h := inner{len: int(binary.BigEndian.Uint16(p[2:])), tos: p[1]}
		h.src.lo = uint64(binary.BigEndian.Uint32(p[12:]))
		h.dst.lo = uint64(binary.BigEndian.Uint32(p[16:]))
		ihl := int(p[0]&15) * 4
		return h, ihl >= ipv4HeaderMin && ihl <= h.len && h.len <= len(p)
	case 6:
		if len(p) < ipv6Header {
			return inner{}, false
		}
		h := inner{six: true, len: ipv6Header + int(binary.BigEndian.Uint16(p[4:])), tos: p[0]<<4 | p[1]>>4}
		h.src = addr{binary.BigEndian.Uint64(p[8:]), binary.BigEndian.Uint64(p[16:])}
		h.dst = addr{binary.BigEndian.Uint64(p[24:]), binary.BigEndian.Uint64(p[32:])}
		return h, h.len <= len(p)
	}
	return inner{}, false
}

// nextHeader is what the ESP trailer calls the packet.
func (h inner) nextHeader() byte {
	if h.six {
		return protoIPv6
	}
	return protoIPIP
}

// Explicit congestion notification (RFC 3168 §5).
const (
	ecnMask = 3
	ecnCE   = 3
)

// markCongestion sets CE in an inner packet whose outer header had it (RFC 6040
// §4.2). False: the packet does not know of ECN and must be dropped.
func markCongestion(p []byte, h inner) bool {
	switch h.tos & ecnMask {
	case 0:
		return false
	case ecnCE:
		return true
	}
	if h.six {
		p[1] |= ecnCE << 4
		return true
	}
	p[1] |= ecnCE
	setChecksum(p[:int(p[0]&15)*4])
	return true
}

// setChecksum writes the checksum of an IPv4 header.
func setChecksum(header []byte) {
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], ^fold(sum(header, 0)))
}

// sum adds up 16-bit words as the Internet checksum does (RFC 1071).
func sum(b []byte, start uint32) uint32 {
	for len(b) >= 2 {
		start += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		start += uint32(b[0]) << 8
	}
	return start
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

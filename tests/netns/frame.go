package netns

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// Class is what a frame on the internet is.
type Class uint8

// The classes of frames.
const (
	Other     Class = iota // ARP, neighbour discovery, what has nothing to do with it
	IKE                    // UDP 500, or UDP 4500 with the non-ESP marker
	ESP                    // IP protocol 50
	ESPinUDP               // UDP 4500 with an SPI in front (RFC 3948)
	Keepalive              // UDP 4500, the single byte 0xff
	Clear                  // from or to a network that must not be seen here
)

var classes = [...]string{Other: "other", IKE: "IKE", ESP: "ESP", ESPinUDP: "ESP in UDP", Keepalive: "NAT keepalive", Clear: "clear text"}

func (c Class) String() string { return classes[c] }

// Frame is one frame that a Capture saw.
type Frame struct {
	Class    Class
	Src, Dst netip.Addr // zero when it is not IP
	Protocol uint8      // IP protocol
	SPI      uint32     // of ESP
	Size     int        // bytes, with the Ethernet header
	Fragment bool       // a later fragment: what it carries is not known, only its addresses
}

func (f Frame) String() string {
	if f.SPI != 0 {
		return fmt.Sprintf("%v > %v: %v, spi %#08x, %d bytes", f.Src, f.Dst, f.Class, f.SPI, f.Size)
	}
	return fmt.Sprintf("%v > %v: %v, protocol %d, %d bytes", f.Src, f.Dst, f.Class, f.Protocol, f.Size)
}

const (
	ethernetHeader = 14
	udpHeader      = 8
	protoUDP       = 17
	protoESP       = 50
	portIKE        = 500
	portNATT       = 4500
)

// decode reads a frame. Whatever has an address within one of the private
// networks is Clear, be it ever so well wrapped otherwise.
func decode(data []byte, private []netip.Prefix) Frame {
	f := Frame{Size: len(data)}
	payload, ok := f.network(data)
	if !ok {
		return f
	}
	within := func(p netip.Prefix) bool { return p.Contains(f.Src) || p.Contains(f.Dst) }
	switch {
	case slices.ContainsFunc(private, within):
		f.Class = Clear
	case f.Fragment:
	case f.Protocol == protoESP && len(payload) >= 8:
		f.Class, f.SPI = ESP, binary.BigEndian.Uint32(payload)
	case f.Protocol == protoUDP && len(payload) >= udpHeader:
		f.udp(payload)
	}
	return f
}

// network reads the IP header and returns what follows it.
func (f *Frame) network(data []byte) ([]byte, bool) {
	if len(data) < ethernetHeader {
		return nil, false
	}
	switch b := data[ethernetHeader:]; binary.BigEndian.Uint16(data[12:]) {
	case 0x0800:
		return f.ipv4(b)
	case 0x86dd:
		return f.ipv6(b)
	}
	return nil, false
}

func (f *Frame) ipv4(b []byte) ([]byte, bool) {
	if len(b) < 20 || int(b[0]&15)*4 < 20 || len(b) < int(b[0]&15)*4 {
		return nil, false
	}
	f.Src, _ = netip.AddrFromSlice(b[12:16])
	f.Dst, _ = netip.AddrFromSlice(b[16:20])
	f.Protocol = b[9]
	f.Fragment = binary.BigEndian.Uint16(b[6:])&0x1fff != 0
	return b[int(b[0]&15)*4:], true
}

// ipv6 does not look behind extension headers: nothing here sends any.
func (f *Frame) ipv6(b []byte) ([]byte, bool) {
	if len(b) < 40 {
		return nil, false
	}
	f.Src, _ = netip.AddrFromSlice(b[8:24])
	f.Dst, _ = netip.AddrFromSlice(b[24:40])
	f.Protocol = b[6]
	return b[40:], true
}

// udp tells IKE, ESP and keepalives from each other (RFC 3948 §2).
func (f *Frame) udp(b []byte) {
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	data := b[udpHeader:]
	switch {
	case src == portIKE || dst == portIKE:
		f.Class = IKE
	case src != portNATT && dst != portNATT:
	case len(data) == 1 && data[0] == 0xff:
		f.Class = Keepalive
	case len(data) >= 4:
		f.Class, f.SPI = IKE, binary.BigEndian.Uint32(data)
		if f.SPI != 0 {
			f.Class = ESPinUDP
		}
	}
}

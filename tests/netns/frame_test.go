package netns

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// packet wraps a payload into Ethernet and IPv4.
func packet(src, dst string, protocol uint8, fragment uint16, payload []byte) []byte {
	b := make([]byte, ethernetHeader+20)
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	ip := b[ethernetHeader:]
	ip[0], ip[9] = 0x45, protocol
	binary.BigEndian.PutUint16(ip[6:], fragment)
	copy(ip[12:], netip.MustParseAddr(src).AsSlice())
	copy(ip[16:], netip.MustParseAddr(dst).AsSlice())
	return append(b, payload...)
}

func packet6(src, dst string, protocol uint8, payload []byte) []byte {
	b := make([]byte, ethernetHeader+40)
	binary.BigEndian.PutUint16(b[12:], 0x86dd)
	ip := b[ethernetHeader:]
	ip[0], ip[6] = 0x60, protocol
	copy(ip[8:], netip.MustParseAddr(src).AsSlice())
	copy(ip[24:], netip.MustParseAddr(dst).AsSlice())
	return append(b, payload...)
}

func udp(src, dst uint16, data ...byte) []byte {
	b := make([]byte, udpHeader)
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	return append(b, data...)
}

func TestFramesAreToldFromEachOther(t *testing.T) {
	const a, b = "203.195.147.82", "202.108.22.5"
	esp := []byte{0xc0, 1, 2, 3, 0, 0, 0, 1}
	marked := append(make([]byte, 4), esp...)
	for name, c := range map[string]struct {
		frame []byte
		class Class
		spi   uint32
	}{
		"ESP":                             {packet(a, b, protoESP, 0, esp), ESP, 0xc0010203},
		"ESP over IPv6":                   {packet6("2001:db8::1", "2001:db8::2", protoESP, esp), ESP, 0xc0010203},
		"ESP cut short":                   {packet(a, b, protoESP, 0, esp[:7]), Other, 0},
		"a later fragment of ESP":         {packet(a, b, protoESP, 185, esp), Other, 0},
		"IKE":                             {packet(a, b, protoUDP, 0, udp(500, 500, esp...)), IKE, 0},
		"IKE from another port":           {packet(a, b, protoUDP, 0, udp(1024, 500, esp...)), IKE, 0},
		"IKE with the marker":             {packet(a, b, protoUDP, 0, udp(4500, 4500, marked...)), IKE, 0},
		"ESP in UDP":                      {packet(a, b, protoUDP, 0, udp(4500, 4500, esp...)), ESPinUDP, 0xc0010203},
		"ESP in UDP behind a translator":  {packet(a, b, protoUDP, 0, udp(61000, 4500, esp...)), ESPinUDP, 0xc0010203},
		"a keepalive":                     {packet(a, b, protoUDP, 0, udp(4500, 4500, 0xff)), Keepalive, 0},
		"UDP of somebody else":            {packet(a, b, protoUDP, 0, udp(53, 53, esp...)), Other, 0},
		"UDP cut short":                   {packet(a, b, protoUDP, 0, []byte{1, 2, 3}), Other, 0},
		"ICMP between the gateways":       {packet(a, b, 1, 0, nil), Other, 0},
		"clear text":                      {packet("192.168.1.10", "10.0.1.1", 1, 0, nil), Clear, 0},
		"clear text to the networks":      {packet(a, "10.0.1.1", 1, 0, nil), Clear, 0},
		"clear text in a later fragment":  {packet("192.168.1.10", b, protoUDP, 185, esp), Clear, 0},
		"clear text over IPv6":            {packet6("2001:db8::1", "fd00::7", protoUDP, nil), Clear, 0},
		"ESP with an address from inside": {packet("192.168.1.10", b, protoESP, 0, esp), Clear, 0},
		"ARP":                             {append(make([]byte, 12), 0x08, 0x06), Other, 0},
		"nothing":                         {nil, Other, 0},
		"a header cut short":              {packet(a, b, protoESP, 0, nil)[:30], Other, 0},
	} {
		t.Run(name, func(t *testing.T) {
			private := []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("fd00::/64")}
			got := decode(c.frame, private)
			if got.Class != c.class || got.SPI != c.spi || got.Size != len(c.frame) {
				t.Errorf("got %v, want %v with spi %#x and %d bytes", got, c.class, c.spi, len(c.frame))
			}
		})
	}
}

func TestFrameSaysWhatItIs(t *testing.T) {
	f := decode(packet("203.195.147.82", "202.108.22.5", protoESP, 0, []byte{0xc0, 1, 2, 3, 0, 0, 0, 1}), nil)
	if got, want := f.String(), "203.195.147.82 > 202.108.22.5: ESP, spi 0xc0010203, 42 bytes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f = decode(packet("192.168.1.10", "10.0.1.1", 1, 0, nil), []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	if got, want := f.String(), "192.168.1.10 > 10.0.1.1: clear text, protocol 1, 34 bytes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheEdgesOfANetwork(t *testing.T) {
	for network, want := range map[string][2]string{
		"192.168.1.10/24": {"192.168.1.1", "192.168.1.254"},
		"10.0.1.1/24":     {"10.0.1.1", "10.0.1.254"},
		"10.0.0.9/29":     {"10.0.0.9", "10.0.0.14"},
		"172.16.3.4/12":   {"172.16.0.1", "172.31.255.254"},
		"fd00::5/64":      {"fd00::1", "fd00::ffff:ffff:ffff:fffe"},
	} {
		p := netip.MustParsePrefix(network)
		if got := [2]string{firstOf(p).String(), lastOf(p).String()}; got != want {
			t.Errorf("%s: first and last are %v, want %v", network, got, want)
		}
	}
}

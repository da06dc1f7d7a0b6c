package userspace

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

func TestReadInner(t *testing.T) {
	cut := func(p []byte, n int) []byte { return p[:n] }
	with := func(p []byte, at int, v byte) []byte {
		p = bytes.Clone(p)
		p[at] = v
		return p
	}
	four, six := testPacket(false, 60), testPacket(true, 60)
	for _, c := range []struct {
		what string
		p    []byte
		ok   bool
		len  int
	}{
		{"IPv4", four, true, 60},
		{"IPv6", six, true, 60},
		{"IPv4 with something behind", append(bytes.Clone(four), 1, 2, 3), true, 60},
		{"IPv6 with something behind", append(bytes.Clone(six), 1, 2, 3), true, 60},
		{"nothing", nil, false, 0},
		{"IPv4 cut", cut(four, 59), false, 0},
		{"IPv4 header cut", cut(four, 19), false, 0},
		{"IPv6 cut", cut(six, 59), false, 0},
		{"IPv6 header cut", cut(six, 39), false, 0},
		{"IPv4 whose header is too short", with(four, 0, 0x44), false, 0},
		{"IPv4 whose header is longer than the packet", with(with(four, 0, 0x4f), 3, 59), false, 0},
		{"version 5", with(four, 0, 0x55), false, 0},
		{"IPv6 that is said to be longer", with(six, 4, 1), false, 0},
	} {
		h, ok := readInner(c.p)
		if ok != c.ok || ok && h.len != c.len {
			t.Errorf("%s: %+v, %v", c.what, h, ok)
		}
	}
	h, _ := readInner(with(with(six, 0, 0x6a), 1, 0xb0))
	if h.tos != 0xab || h.src.netip(true) != netip.AddrFrom16([16]byte(six[8:24])) || h.dst.netip(true) != netip.AddrFrom16([16]byte(six[24:40])) {
		t.Errorf("IPv6 header read as %+v", h)
	}
}

// RFC 6040 figure 4, for an outer header with CE.
func TestMarkCongestion(t *testing.T) {
	for _, six := range []bool{false, true} {
		for ecn, survives := range map[byte]bool{0: false, 1: true, 2: true, 3: true} {
			p := testPacket(six, 60)
			if six {
				p[0], p[1] = 0x6b, 0x80|ecn<<4 // DSCP 46
			} else {
				p[1] = 46<<2 | ecn
				setChecksum(p[:ipv4HeaderMin])
			}
			h, _ := readInner(p)
			if got := markCongestion(p, h); got != survives {
				t.Errorf("IPv6 %v, ECN %d: %v", six, ecn, got)
			}
			after, ok := readInner(p)
			if survives && (!ok || after.tos != 46<<2|ecnCE) {
				t.Errorf("IPv6 %v, ECN %d: type of service %#x after", six, ecn, after.tos)
			}
			if !six && fold(sum(p[:ipv4HeaderMin], 0)) != 0xffff {
				t.Errorf("ECN %d: the header's checksum is wrong", ecn)
			}
		}
	}
}

// Fragments put together again are the packet, each fits, and all but the last
// are filled.
func TestFragment(t *testing.T) {
	for _, c := range []struct {
		what    string
		n, most int
		options []byte
		place   uint16 // the packet's own flags and offset
	}{
		{"two", 1400, 1300, nil, 0},
		{"many", 65000, 576, nil, 0},
		{"just too big", 1001, 1000, nil, 0},
		{"options: a copied one, one that is not, an end", 1400, 700, []byte{0x83, 5, 4, 1, 2, 7, 3, 4, 1, 0, 0, 0}, 0},
		{"options that make no sense", 1400, 700, []byte{0x83, 50, 0, 0}, 0},
		{"a fragment of a fragment", 1400, 700, nil, flagMF | 100},
		{"the last fragment", 1400, 700, nil, 100},
	} {
		t.Run(c.what, func(t *testing.T) {
			head := ipv4HeaderMin + len(c.options)
			p := testPacket(false, c.n)
			p[0] = 4<<4 | byte(head/4)
			copy(p[ipv4HeaderMin:], c.options)
			binary.BigEndian.PutUint16(p[6:], c.place)
			setChecksum(p[:head])
			var whole []byte
			for at := 0; at < c.n-head; {
				dst := make([]byte, packetMax)
				n, next := fragment(dst, p, at, c.most)
				f := dst[:n]
				h, ok := readInner(f)
				size := int(f[0]&15) * 4
				if !ok || h.len > c.most || fold(sum(f[:size], 0)) != 0xffff || next <= at {
					t.Fatalf("fragment at %d: %d bytes, next %d, %x", at, h.len, next, f[:size])
				}
				place := binary.BigEndian.Uint16(f[6:])
				last := next == c.n-head
				if int(place&offset) != int(c.place&offset)+at/8 || (place&flagMF == 0) != (last && c.place&flagMF == 0) {
					t.Fatalf("fragment at %d says it is at %#x", at, place)
				}
				if !last && n+8 <= c.most {
					t.Fatalf("fragment at %d has %d bytes where %d would fit", at, n, c.most)
				}
				if at == 0 && !bytes.Equal(f[ipv4HeaderMin:size], c.options) {
					t.Fatalf("the first fragment's options are %x", f[ipv4HeaderMin:size])
				}
				if len(c.options) == 12 && at > 0 && !bytes.Equal(f[ipv4HeaderMin:size], []byte{0x83, 5, 4, 1, 2, 0, 0, 0}) {
					t.Fatalf("a later fragment's options are %x", f[ipv4HeaderMin:size])
				}
				whole, at = append(whole, f[size:]...), next
			}
			if !bytes.Equal(whole, p[head:]) {
				t.Fatal("the fragments are not the packet")
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	for _, six := range []bool{false, true} {
		p := testPacket(six, 1400)
		h, _ := readInner(p)
		dst := make([]byte, answerMax)
		n := answerTooBig(dst, p, h, 1300)
		a, ok := readInner(dst[:n])
		if !ok || a.len != n || a.flow != h.turned() {
			t.Fatalf("IPv6 %v: the answer is %+v", six, a)
		}
		head, want := ipv4HeaderMin, []byte{unreachable4, codeTooBig4}
		if six {
			head, want = ipv6Header, []byte{tooBig6, 0}
		}
		body := dst[head:n]
		if !bytes.Equal(body[:2], want) || binary.BigEndian.Uint32(body[4:]) != 1300 || !bytes.Equal(body[icmpHeader:], p[:len(body)-icmpHeader]) {
			t.Errorf("IPv6 %v: the answer says %x", six, body[:icmpHeader])
		}
		start := uint32(0)
		if six {
			start = sum(dst[8:40], uint32(len(body))+protoICMPv6)
		}
		if fold(sum(body, start)) != 0xffff {
			t.Errorf("IPv6 %v: wrong checksum", six)
		}
	}
}

func TestNotEverythingIsAnswered(t *testing.T) {
	icmp := func(six bool, kind byte) []byte {
		p := testPacket(six, 80)
		if six {
			p[6], p[ipv6Header] = protoICMPv6, kind
		} else {
			p[9], p[ipv4HeaderMin] = protoICMP, kind
		}
		return p
	}
	to := func(p []byte, dst string) []byte {
		a := netip.MustParseAddr(dst).AsSlice()
		if len(a) == 4 {
			copy(p[16:], a)
		} else {
			copy(p[24:], a)
		}
		return p
	}
	from := func(p []byte, src string) []byte {
		copy(p[12:], netip.MustParseAddr(src).AsSlice())
		return p
	}
	later := testPacket(false, 80)
	binary.BigEndian.PutUint16(later[6:], 10)
	for _, c := range []struct {
		what string
		p    []byte
		want bool
	}{
		{"UDP", testPacket(false, 80), true},
		{"a ping", icmp(false, echo4), true},
		{"a ping's answer", icmp(false, echoBack4), true},
		{"an IPv6 ping", icmp(true, firstQuery6), true},
		{"an ICMP error", icmp(false, unreachable4), false},
		{"an ICMPv6 error", icmp(true, tooBig6), false},
		{"a later fragment", later, false},
		{"multicast", to(testPacket(false, 80), "224.0.0.5"), false},
		{"IPv6 multicast", to(testPacket(true, 80), "ff02::2"), false},
		{"broadcast", to(testPacket(false, 80), "255.255.255.255"), false},
		{"from nobody", from(testPacket(false, 80), "0.0.0.0"), false},
	} {
		h, ok := readInner(c.p)
		if got := answer(make([]byte, answerMax), c.p, h, unreachable4, codeProhibited4, 0) > 0; !ok || got != c.want {
			t.Errorf("%s: answered %v, want %v", c.what, got, c.want)
		}
	}
}

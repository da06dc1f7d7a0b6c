package userspace

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// loop is both ends of one SA, without sockets and devices: what out seals, in
// opens.
type loop struct {
	out, in *assoc
	count   counters
}

var (
	outerA = netip.MustParseAddr("192.0.2.1")
	outerB = netip.MustParseAddr("192.0.2.2")
	plain  = xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}
)

// suites lists all that an xfrm.Suite can be.
func suites() (all []xfrm.Suite) {
	for _, h := range []xfrm.Hash{xfrm.MD5, xfrm.SHA1, xfrm.SHA256, xfrm.SHA384, xfrm.SHA512} {
		all = append(all, xfrm.Suite{Cipher: xfrm.DESCBC, Hash: h}, xfrm.Suite{Cipher: xfrm.TripleDESCBC, Hash: h})
		for _, bits := range []int{128, 192, 256} {
			all = append(all, xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: bits, Hash: h})
		}
	}
	return all
}

// testSA is an SA from A to B with made-up keys.
func testSA(s xfrm.Suite) xfrm.SA {
	key := func(size int, first byte) xfrm.Secret {
		k := make([]byte, size)
		for i := range k {
			k[i] = first + byte(i)*7
		}
		return xfrm.NewSecret(k)
	}
	return xfrm.SA{
		Dir: xfrm.Out, SPI: 0xc0ffee01, Src: outerA, Dst: outerB, ReqID: 1, IfID: xfrm.Ours | 1, Suite: s,
		EncKey: key(s.EncKeySize(), 1), AuthKey: key(s.Hash.Size(), 2),
	}
}

func newLoop(tb testing.TB, s xfrm.Suite) *loop {
	tb.Helper()
	return newKeyedLoop(tb, s, 0)
}

// newKeyedLoop is newLoop with keys that differ for each seed.
func newKeyedLoop(tb testing.TB, s xfrm.Suite, seed byte) *loop {
	tb.Helper()
	sa := testSA(s)
	key := bytes.Clone(sa.AuthKey.Open())
	key[0] += seed
	sa.AuthKey = xfrm.NewSecret(key)
	p := &path{remote: netip.AddrPortFrom(outerB, 0), room: 1480}
	out, err := newAssoc(sa, p, newIVSource(), time.Unix(0, 0))
	if err != nil {
		tb.Fatal(err)
	}
	sa.Dir = xfrm.In
	in, err := newAssoc(sa, nil, nil, time.Unix(0, 0))
	if err != nil {
		tb.Fatal(err)
	}
	return &loop{out: out, in: in}
}

// seal returns the ESP packet of an inner one, in memory of its own.
func (l *loop) seal(tb testing.TB, packet []byte) []byte {
	tb.Helper()
	buf := make([]byte, headroom+len(packet)+tailroom)
	copy(buf[headroom:], packet)
	h, ok := readInner(packet)
	if !ok {
		tb.Fatal("no whole packet to seal")
	}
	esp, _, v := l.out.seal(buf, h, time.Unix(0, 0))
	if v != pass {
		tb.Fatalf("the limits say %d", v)
	}
	return esp
}

// open opens a copy of an ESP packet.
func (l *loop) open(esp []byte) (packet []byte, ok bool) {
	esp = append([]byte(nil), esp...)
	h, _, _, ok := l.in.open(&l.count, arrival{esp: esp}, false, time.Unix(0, 0))
	if !ok {
		return nil, false
	}
	start := espHeader + l.in.in.opener.block
	return esp[start : start+h.len], true
}

// testPacket is an inner packet of n bytes with something in it.
func testPacket(six bool, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 13)
	}
	if six {
		p[0], p[1], p[6], p[7] = 6<<4, 0, 17, 64
		binary.BigEndian.PutUint16(p[4:], uint16(n-ipv6Header))
		return p
	}
	p[0], p[1], p[9] = 4<<4|5, 0, 17
	binary.BigEndian.PutUint16(p[2:], uint16(n))
	binary.BigEndian.PutUint16(p[6:], 0)
	setChecksum(p[:ipv4HeaderMin])
	return p
}

package userspace

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"slices"
	"testing"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/twinspan/twinspan/xfrm"
)

// device is a make-believe TUN device: what the test puts in is read, what is
// written the test keeps.
type device struct {
	tun.Device // nil: what is not below is not called
	in         chan []byte
	out        [][]byte
}

func (d *device) BatchSize() int { return 1 }

func (d *device) Read(bufs [][]byte, sizes []int, at int) (int, error) {
	p, ok := <-d.in
	if !ok {
		return 0, os.ErrClosed
	}
	sizes[0] = copy(bufs[0][at:], p)
	return 1, nil
}

func (d *device) Write(bufs [][]byte, at int) (n int, err error) {
	for _, b := range bufs {
		d.out = append(d.out, bytes.Clone(b[at:]))
	}
	return len(bufs), nil
}

func (d *device) Close() error {
	close(d.in)
	return nil
}

// end is a backend with a make-believe device and wire, without sockets.
type end struct {
	*Backend
	dev  *device
	box  *outbound
	sent [][]byte // into the wire
}

func (e *end) SendESP(_, _ netip.AddrPort, packet []byte) error {
	e.sent = append(e.sent, bytes.Clone(packet))
	return nil
}

// newEnd makes one end of the tunnel of testSA: A sends, B receives.
func newEnd(t *testing.T, dir xfrm.Direction, sel xfrm.Selector) *end {
	t.Helper()
	e := &end{dev: &device{in: make(chan []byte)}}
	e.Backend = newBackend(e)
	e.sockets.probe4, e.sockets.probe6 = -1, -1
	sa := testSA(plain)
	sa.Dir, sa.Encap = dir, xfrm.Encap{SrcPort: 4500, DstPort: 4500}
	check(t, e.SetPolicies(context.Background(), []xfrm.Policy{{Sel: sel, ReqID: 1, IfID: sa.IfID, Action: xfrm.Protect}}))
	check(t, e.PutSA(context.Background(), sa))
	g := e.gates[sa.IfID]
	l := &link{Link: xfrm.Link{Name: "twin0001", IfID: sa.IfID, MTU: 1400}, gate: g, dev: e.dev}
	g.link.Store(l)
	e.box = &outbound{Backend: e.Backend, link: l, boxUDP: wirebox{wire: e}, spare: make([]byte, headroom+packetMax+tailroom), answer: make([]byte, tunHeader+answerMax)}
	return e
}

// send puts a packet in at the device's side.
func (e *end) send(p []byte) {
	buf := make([]byte, headroom+len(p)+tailroom)
	copy(buf[headroom:], p)
	e.box.one(buf, len(p), epoch)
	e.box.flush()
}

// take lets an ESP packet come in.
func (e *end) take(esp []byte, tos byte) {
	e.arrive(arrival{esp: bytes.Clone(esp), src: outerA, dst: outerB, port: 4500, tos: tos})
}

func (e *end) arrive(p arrival) {
	in := &inbound{Backend: e.Backend}
	in.one(p, true, epoch)
	in.flush()
}

var (
	netA = netip.MustParsePrefix("10.1.0.0/16")
	netB = netip.MustParsePrefix("10.2.0.0/16")
)

// ends are both ends of a tunnel between netA and netB.
func ends(t *testing.T) (a, b *end) {
	t.Helper()
	return newEnd(t, xfrm.Out, xfrm.Selector{Local: netA, Remote: netB}), newEnd(t, xfrm.In, xfrm.Selector{Local: netB, Remote: netA})
}

// between is a packet from netA to netB that carries a number.
func between(number, n int) []byte {
	p := testPacket(false, n)
	copy(p[12:], []byte{10, 1, 0, 1, 10, 2, 0, 1})
	p[20], p[21] = byte(number>>8), byte(number)
	setChecksum(p[:ipv4HeaderMin])
	return p
}

func numbers(packets [][]byte) (all []int) {
	for _, p := range packets {
		all = append(all, int(p[20])<<8|int(p[21]))
	}
	return all
}

// What the network does to ESP packets: each that comes is taken once, in the
// order of coming; what is older than the window is not.
func TestLossReorderReplay(t *testing.T) {
	const n = 1100 // more than the window
	a, b := ends(t)
	for i := range n {
		a.send(between(i, 100))
	}
	if len(a.sent) != n {
		t.Fatalf("%d packets were sent, not %d", len(a.sent), n)
	}
	var want []int
	arrive := func(i int, taken bool) {
		b.take(a.sent[i], 0)
		if taken {
			want = append(want, i)
		}
	}
	arrive(5, true)
	arrive(3, true) // late
	arrive(3, false)
	arrive(5, false)
	arrive(1040, true)
	arrive(16, false) // 1024 behind: sequence number 17 against 1041
	arrive(17, true)  // 1023 behind
	arrive(17, false)
	arrive(4, false) // never came, too late now
	for i := 1099; i > 1090; i-- {
		arrive(i, true)
	}
	if got := numbers(b.dev.out); !slices.Equal(got, want) {
		t.Errorf("came out %v, want %v", got, want)
	}
	if u := b.sas[testSA(plain).ID()].used; u.ReplayErrors != 5 || u.Packets != uint64(len(want)) || u.Bytes != uint64(100*len(want)) {
		t.Errorf("usage %+v", u)
	}
	if c := b.Counters(); c.Replayed != 5 {
		t.Errorf("counters %+v", c)
	}
}

// Each way to be dropped has its counter, and nothing comes out.
func TestDropsAreCounted(t *testing.T) {
	a, b := ends(t)
	a.send(between(1, 100))
	good := a.sent[0]
	changed := func(at int, v byte) []byte {
		p := bytes.Clone(good)
		p[at] ^= v
		return p
	}
	outside := between(2, 100)
	outside[12] = 11
	sealed := func(p []byte, next byte) []byte {
		buf := make([]byte, headroom+len(p)+tailroom)
		copy(buf[headroom:], p)
		out := a.sas[testSA(plain).ID()].out
		out.seq++
		return out.sealer.seal(buf, headroom, len(p), next, out.seq)
	}
	esp := func(e []byte) func() { return func() { b.take(e, 0) } }
	for _, c := range []struct {
		what string
		do   func()
		want Counters
	}{
		{"another SPI", esp(changed(0, 1)), Counters{UnknownSPI: 1}},
		{"changed on the way", esp(changed(40, 1)), Counters{Forged: 1}},
		{"cut", esp(good[:40]), Counters{Malformed: 1}},
		{"four bytes", esp(good[:4]), Counters{Malformed: 1}},
		{"not of the pair's networks", esp(sealed(outside, protoIPIP)), Counters{Outside: 1}},
		{"the other direction", esp(sealed(turnedPacket(between(3, 100)), protoIPIP)), Counters{Outside: 1}},
		{"a dummy", esp(sealed(between(4, 100), protoNone)), Counters{Dummies: 1}},
		{"IPv4 that is called IPv6", esp(sealed(between(5, 100), protoIPv6)), Counters{Malformed: 1}},
		{"transport mode", esp(sealed(between(6, 100), 17)), Counters{Malformed: 1}},
		{"no packet inside", esp(sealed([]byte{1, 2, 3}, protoIPIP)), Counters{Malformed: 1}},
		{"congestion for one who does not know it", func() { b.take(sealed(between(7, 100), protoIPIP), ecnCE) }, Counters{Congested: 1}},
		{"plain ESP for an SA in UDP", func() {
			in := &inbound{Backend: b.Backend}
			in.one(arrival{esp: bytes.Clone(good), src: outerA, dst: outerB}, false, epoch)
		}, Counters{Misdelivered: 1}},
	} {
		before := b.Counters()
		c.do()
		if got := minus(b.Counters(), before); got != c.want {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
	if len(b.dev.out) > 0 {
		t.Errorf("%d packets came out", len(b.dev.out))
	}
	b.take(good, 0)
	if got := numbers(b.dev.out); !slices.Equal(got, []int{1}) {
		t.Errorf("after all that, came out %v", got)
	}
}

func turnedPacket(p []byte) []byte {
	src := bytes.Clone(p[12:16])
	copy(p[12:16], p[16:20])
	copy(p[16:20], src)
	setChecksum(p[:ipv4HeaderMin])
	return p
}

// minus subtracts the counters that the test above looks at.
func minus(a, b Counters) Counters {
	return Counters{
		UnknownSPI: a.UnknownSPI - b.UnknownSPI, Forged: a.Forged - b.Forged, Malformed: a.Malformed - b.Malformed,
		Outside: a.Outside - b.Outside, Dummies: a.Dummies - b.Dummies, Congested: a.Congested - b.Congested,
		Misdelivered: a.Misdelivered - b.Misdelivered, Replayed: a.Replayed - b.Replayed, DeviceFailed: a.DeviceFailed - b.DeviceFailed,
	}
}

// What the peer adds behind the packet to hide its length goes no further
// (RFC 4303 §2.7), and a mark of congestion reaches the packet inside.
func TestWhatComesOutIsThePacket(t *testing.T) {
	a, b := ends(t)
	p := between(1, 100)
	p[1] = 46<<2 | 2 // ECT(0)
	setChecksum(p[:ipv4HeaderMin])
	out := a.sas[testSA(plain).ID()].out
	buf := make([]byte, headroom+300+tailroom)
	copy(buf[headroom:], p)
	b.take(out.sealer.seal(buf, headroom, 300, protoIPIP, 1), ecnCE)
	p[1] = 46<<2 | ecnCE
	setChecksum(p[:ipv4HeaderMin])
	if len(b.dev.out) != 1 || !bytes.Equal(b.dev.out[0], p) {
		t.Errorf("came out %x, want %x", b.dev.out, p)
	}
}

// A packet that does not fit: with DF its sender is told, without it goes in
// fragments, each of which fits.
func TestTooBigForThePath(t *testing.T) {
	a, b := ends(t)
	out := a.sas[testSA(plain).ID()]
	out.measure(func(netip.Addr) int { return 1000 })
	most := out.out.most

	keep := between(1, 1300)
	keep[6] = flagDF >> 8
	setChecksum(keep[:ipv4HeaderMin])
	a.send(keep)
	if len(a.sent) != 0 || len(a.dev.out) != 1 || a.Counters().TooBig != 1 {
		t.Fatalf("%d packets sent, %d answers, %+v", len(a.sent), len(a.dev.out), a.Counters())
	}
	if mtu := int(a.dev.out[0][26])<<8 | int(a.dev.out[0][27]); mtu != most {
		t.Errorf("the sender is told an MTU of %d, %d fit", mtu, most)
	}
	exact := between(2, most)
	exact[6] = flagDF >> 8
	setChecksum(exact[:ipv4HeaderMin])
	a.send(exact)
	a.send(between(3, 1300))
	if len(a.sent) != 3 {
		t.Fatalf("%d packets sent, not the one that fits and two fragments", len(a.sent))
	}
	total := 0
	for _, esp := range a.sent {
		if len(esp)+outer4+outerUDP > 1000 {
			t.Errorf("an ESP packet of %d bytes does not fit", len(esp))
		}
		b.take(esp, 0)
	}
	for _, p := range b.dev.out[1:] {
		total += len(p) - ipv4HeaderMin
	}
	if total != 1300-ipv4HeaderMin {
		t.Errorf("the fragments have %d bytes, not %d", total, 1300-ipv4HeaderMin)
	}
}

// An SA for sending whose peer moved keeps its numbers: they would be replays.
func TestPeerMovesSequenceStays(t *testing.T) {
	a, b := ends(t)
	a.send(between(1, 100))
	sa := testSA(plain)
	sa.Encap = xfrm.Encap{SrcPort: 4500, DstPort: 61000}
	sa.Dst = netip.MustParseAddr("203.0.113.9")
	check(t, a.PutSA(context.Background(), sa))
	a.send(between(2, 100))
	for _, esp := range a.sent {
		b.take(esp, 0)
	}
	if got := numbers(b.dev.out); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("came out %v", got)
	}
	if _, old := a.sas[testSA(plain).ID()]; old || len(a.sas) != 1 || len(a.pairs[pairID{1, sa.IfID}].sending) != 1 {
		t.Errorf("the SA is there twice: %v", a.sas)
	}
}

// Who sends from elsewhere what is forged, replayed or old moves nobody; the
// first new packet that is the peer's does, once.
func TestOnlyThePeerMoves(t *testing.T) {
	a, b := ends(t)
	for i := range 4 {
		a.send(between(i, 100))
	}
	forged := bytes.Clone(a.sent[2])
	forged[40] ^= 1
	from := func(port uint16, esp []byte) {
		b.arrive(arrival{esp: bytes.Clone(esp), src: outerA, dst: outerB, port: port})
	}
	from(4500, a.sent[1])
	from(666, forged)
	from(666, a.sent[1]) // again
	from(666, a.sent[0]) // late
	select {
	case e := <-b.Events():
		t.Fatalf("%+v, of a packet that tells nothing", e)
	default:
	}
	from(61000, a.sent[2])
	from(61000, a.sent[3])
	want := xfrm.PeerMoved{SPI: testSA(plain).SPI, ReqID: 1, From: netip.AddrPortFrom(outerA, 61000)}
	if len(b.events.out) != 1 || <-b.Events() != want {
		t.Errorf("want %+v, once", want)
	}
	if len(b.dev.out) != 4 {
		t.Errorf("%d packets came out of 4", len(b.dev.out))
	}
}

// Nothing stays behind of pairs that are gone.
func TestPairsAreForgotten(t *testing.T) {
	a, _ := ends(t)
	sa, ctx := testSA(plain), context.Background()
	check(t, a.DropSA(ctx, sa.SPI, sa.Dst))
	if len(a.pairs) != 1 {
		t.Errorf("%d pairs with a policy", len(a.pairs))
	}
	check(t, a.SetPolicies(ctx, nil))
	if len(a.pairs)+len(a.sas)+len(a.deadlines.queue) != 0 {
		t.Errorf("left over: %v %v %v", a.pairs, a.sas, a.deadlines.queue)
	}
}

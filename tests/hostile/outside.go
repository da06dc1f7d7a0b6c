package hostile

import (
	"encoding/binary"
	"net/netip"

	"github.com/twinspan/twinspan/ike/isakmp"
)

// outside are the cases of those who have no key: bytes that are no message,
// messages that lie, and what does not belong where it comes.
var outside = []Case{
	{Name: "noise", Shape: "random bytes of any length, on both ports", run: noise},
	{Name: "truncated at every byte", Shape: "each message of main mode and quick mode, cut anywhere, its length field true or not", run: truncated},
	{Name: "lying lengths", Shape: "each two bytes of message 1 as 0, 1, 3, 4, 255 and 65535: payloads, proposals, transforms, attributes", run: lyingLengths},
	{Name: "long datagrams", Shape: "messages of 60 KB: one payload, thousands of payloads, thousands of transforms", run: longDatagrams},
	{Name: "nonsense between messages", Shape: "everything that does not belong there before each message of a handshake, which must succeed", run: nonsense},
	{Name: "one message mutated", Shape: "spoiled copies of each live message overtake it; the handshake must go on", run: mutated},
	{Name: "cookies guessed", Shape: "messages of all exchanges under cookies that nobody has", run: guessed},
	{Name: "wrong source", Shape: "messages of a live session from other addresses and ports", run: wrongSource},
	{Name: "replay", Shape: "each message of a whole conversation, again and again, in order and not", run: replay},
	{Name: "fragments that lie", Shape: "IKE fragments (payload 132) with every lie about number, order, size and end", run: fragments},
	{Name: "ESP garbage in UDP", Shape: "ESP on port 4500 with random SPIs, and with those of the good tunnel from its peer's address", run: espInUDP},
	{Name: "ESP garbage", Shape: "the same as IP protocol 50", run: rawESP},
	{Name: "NAT keepalives", Shape: "a flood of single bytes 0xFF and of other short datagrams on port 4500", run: keepalives},
	{Name: "IKEv2", Shape: "IKE_SA_INIT and other exchanges of version 2, and of versions that are none", run: version2},
}

func noise(a *attack) {
	for range 2000 {
		port := []uint16{portIKE, portNATT}[a.r.IntN(2)]
		a.from(a.peer(port), port, a.bytes(a.r.IntN(1200)))
	}
}

// cut sends all beginnings of a message, with its own length field and with one
// that fits.
func (a *attack) cut(data []byte) {
	for n := range data {
		a.send(data[:n])
		if n >= isakmp.HeaderSize {
			a.send(fitted(data[:n]))
		}
	}
}

func truncated(a *attack) {
	f := a.forger()
	a.cut(a.opening(isakmp.Payload{Type: isakmp.SA, Body: f.offer}))
	a.must(f.begin())
	a.cut(f.third())
	a.must(f.agree())
	fifth, _ := f.fifth(f.identity())
	a.cut(fifth)
	a.must(f.authenticate())
	q := a.quick(f)
	a.cut(f.propose(q))
	a.must(f.child(q))
}

// lies replaces each two bytes of data by each lie.
func lies(data []byte, each func(lie []byte)) {
	for at := range len(data) - 1 {
		for _, lie := range []uint16{0, 1, 3, 4, 255, 0xffff} {
			b := append([]byte(nil), data...)
			binary.BigEndian.PutUint16(b[at:], lie)
			each(b)
		}
	}
}

func lyingLengths(a *attack) {
	f := a.forger()
	lies(f.first(isakmp.Payload{Type: isakmp.Vendor, Body: a.bytes(16)}), func(lie []byte) {
		copy(lie, a.bytes(4)) // another cookie each
		a.send(lie)
	})
}

func longDatagrams(a *attack) {
	huge := make([]byte, 60000)
	many := make([]isakmp.Payload, 10000)
	for i := range many {
		many[i].Type = isakmp.Vendor
	}
	for range 20 {
		f := a.forger()
		a.send(f.first(isakmp.Payload{Type: isakmp.Vendor, Body: huge}))
		a.send(a.opening(isakmp.Payload{Type: isakmp.Vendor, Body: huge}))
		a.send(a.opening(many...))
		a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: offerIKE(255).Append(nil)}))
		a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: manyProposals(1200)}))
		a.send(fitted(append(a.opening(isakmp.Payload{Type: isakmp.SA, Body: f.offer}), huge...)))
		a.must(a.fence()) // the victim keeps few of these in its queue
	}
}

// manyProposals is an SA payload with as many proposals of the same number.
func manyProposals(n int) []byte {
	sa := offerIKE(1)
	for range n - 1 {
		sa.Proposals = append(sa.Proposals, sa.Proposals[0])
	}
	return sa.Append(nil)
}

// oddities are messages that belong nowhere, under the cookies of a forger.
func (a *attack) oddities(f *forger, n int) {
	exchanges := []isakmp.Exchange{0, 1, isakmp.MainMode, 3, isakmp.AggressiveMode, isakmp.Informational, 6, isakmp.QuickMode, 33, 34, 37, 255}
	types := []isakmp.PayloadType{isakmp.SA, isakmp.KE, isakmp.ID, isakmp.Hash, isakmp.Nonce, isakmp.Notify, isakmp.Delete, isakmp.Vendor, isakmp.NATD, 2, 3, 6, 7, 9, 132, 255}
	for range n {
		h := f.header(exchanges[a.r.IntN(len(exchanges))], []uint32{0, 0, a.r.Uint32()}[a.r.IntN(3)])
		h.Flags = isakmp.Flags(a.r.Uint32()) & 15
		var chain []isakmp.Payload
		for range 1 + a.r.IntN(4) {
			chain = append(chain, isakmp.Payload{Type: types[a.r.IntN(len(types))], Body: a.bytes(a.r.IntN(80))})
		}
		a.send(clearText(h, chain...))
	}
}

func nonsense(a *attack) {
	f := a.forger()
	a.oddities(f, 200)
	for _, step := range []func() error{f.begin, f.agree, f.authenticate, func() error { return f.child(a.quick(f)) }} {
		a.must(step())
		a.oddities(f, 200)
	}
	a.must(f.child(a.quick(f)))
}

func mutated(a *attack) {
	spoil := func(data []byte, n int) {
		for range n {
			a.send(a.mutate(data))
		}
	}
	for range 30 {
		f := a.forger()
		for range 10 { // under other cookies: one that comes first under this one is message 1
			spoiled := a.mutate(f.first())
			copy(spoiled, a.bytes(8))
			a.send(spoiled)
		}
		a.must(f.begin())
		third := f.third()
		for range 10 { // cut, since a well-formed one is a message 3
			spoiled := a.mutate(third)
			a.send(spoiled[:min(len(spoiled), isakmp.HeaderSize+a.r.IntN(100))])
		}
		a.must(f.agree())
		fifth, _ := f.fifth(f.identity())
		spoil(fifth, 10)
		a.must(f.authenticate())
		spoil(f.propose(a.quick(f)), 10)
		a.must(f.child(a.quick(f))) // another one: blocks behind the padding are authenticated by nobody
	}
}

func guessed(a *attack) {
	for range 1500 {
		f := a.forger()
		f.cookies.Responder = [8]byte(a.bytes(8))
		a.oddities(f, 1)
	}
}

func wrongSource(a *attack) {
	f := a.insider()
	q := a.quick(f)
	for range 400 {
		a.from(a.stranger(), portIKE, f.propose(q))
		a.from(a.stranger(), portIKE, f.remove(isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{f.cookieSPI()}}))
	}
	a.must(f.child(q)) // it is still there
}

func replay(a *attack) {
	f := a.insider()
	q := a.quick(f)
	a.must(f.child(q))
	a.must(a.fence())
	recorded := append(f.sent, f.remove(isakmp.Deletion{Protocol: isakmp.ProtoESP, SPIs: [][]byte{q.spi}}))
	for range 100 {
		for _, data := range recorded {
			a.send(data)
		}
	}
	for range 1000 {
		data := recorded[a.r.IntN(len(recorded))]
		if a.r.IntN(2) == 0 {
			a.send(data)
		} else {
			a.from(a.stranger(), portIKE, data)
		}
	}
}

// fragment is one IKE fragment: id, number, flags, and a part of a message.
func fragment(h isakmp.Header, id uint16, number, last byte, part []byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, id)
	return clearText(h, isakmp.Payload{Type: 132, Body: append(append(body, number, last), part...)})
}

func fragments(a *attack) {
	f := a.forger()
	a.must(f.begin())
	third := f.third()
	h := f.header(isakmp.MainMode, 0)
	for range 700 {
		part := third[:a.r.IntN(len(third))]
		a.send(fragment(h, uint16(a.r.IntN(3)), byte(a.r.IntN(256)), byte(a.r.IntN(4)), part))
		fresh := a.header(isakmp.MainMode)
		a.send(fragment(fresh, 1, byte(a.r.IntN(3)), byte(a.r.IntN(2)), part))
	}
	for n := range 40 { // one message that never ends
		a.send(fragment(h, 7, byte(n+1), 0, make([]byte, 40000)))
	}
	a.must(a.fence())
	a.must(f.agree())
}

// espBody is ESP with an SPI, and nothing right behind it.
func (a *attack) espBody(spi []byte) []byte {
	return append(append([]byte(nil), spi...), a.bytes(4+a.r.IntN(200))...)
}

func espInUDP(a *attack) {
	good := netip.AddrPortFrom(a.bed.Sites.IDC.Public.Addr(), portNATT)
	spi := a.goodSPIs()[0]
	for range 1000 {
		a.from(a.peer(portNATT), portNATT, a.espBody(append(a.bytes(3), 1)))
		a.from(good, portNATT, a.espBody(spi))
	}
}

func rawESP(a *attack) {
	good := a.bed.Sites.IDC.Public.Addr()
	victim := a.port(0).Addr()
	spi := a.goodSPIs()[0]
	for range 500 {
		a.must(a.wire.sendIP(protoESP, a.stranger().Addr(), victim, a.espBody(append(a.bytes(3), 1))))
		a.must(a.wire.sendIP(protoESP, good, victim, a.espBody(spi)))
		a.must(a.wire.sendIP(protoESP, good, victim, a.bytes(a.r.IntN(12))))
		a.count()
		a.sent += 2
	}
}

func keepalives(a *attack) {
	for range 1500 {
		a.from(a.peer(portNATT), portNATT, []byte{0xff})
		a.from(a.stranger(), portNATT, a.bytes(a.r.IntN(5)))
	}
}

func version2(a *attack) {
	for range 800 {
		f := a.forger()
		data := f.first(isakmp.Payload{Type: isakmp.Nonce, Body: a.bytes(32)})
		data[17] = []byte{0x20, 0x21, 0x2f, 0x00, 0x0f, 0x30, 0xf0}[a.r.IntN(7)]
		data[18] = byte(34 + a.r.IntN(4))
		data[19] = 8
		if a.r.IntN(4) == 0 {
			data[16] = 33
		}
		a.send(data)
	}
}

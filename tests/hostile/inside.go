package hostile

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/twinspan/twinspan/ike/isakmp"
)

// inside are the cases of a peer that has the key and means ill: everything it
// sends is authentic. It may spoil its own tunnel and no other.
var inside = []Case{
	{Name: "quick modes of another shape", Shape: "each two bytes of an authentic QM1 as 0, 1, 3, 4, 255 and 65535", run: quickLies},
	{Name: "quick modes left open", Shape: "QM1 again and again, and never QM3", run: quickOpen},
	{Name: "quick modes with PFS left open", Shape: "the same where each costs the victim a Diffie-Hellman", run: quickOpenPFS, pfs: true},
	{Name: "quick modes without end", Shape: "complete quick modes for the same pair, one after the other", run: quickMany},
	{Name: "deletions", Shape: "authentic deletions of random SPIs, of the good tunnel's, of other sessions, with counts and sizes that lie", run: deletions},
	{Name: "notifications", Shape: "authentic notifications of all types, INITIAL-CONTACT again and again, with SPI sizes that lie", run: notifications},
	{Name: "DPD flood", Shape: "R-U-THERE with sequence numbers up, down and the same, and acknowledgements of nothing", run: dpdFlood},
	{Name: "huge offers inside", Shape: "authentic quick modes with thousands of proposals, transforms, attributes and payloads", run: hugeInside},
	{Name: "sessions without end", Shape: "complete main modes, one after the other, all left standing", run: sessionsMany},
	{Name: "informational chains", Shape: "authentic messages with a hundred notifications and deletions each", run: chains},
	{Name: "identities", Shape: "message 5 with identities of all types, empty, long, with zeros and control characters", run: identities},
	{Name: "commit bit and flags", Shape: "authentic messages with every flag set", run: flags},
}

func quickLies(a *attack) {
	f := a.insider()
	plain := isakmp.AppendChain(nil, a.quick(f).chain()...)
	lies(plain, func(lie []byte) {
		a.send(f.authentic(isakmp.QuickMode, f.newID(), isakmp.SA, lie))
	})
}

func quickOpen(a *attack) {
	f := a.insider()
	for range 300 {
		a.send(f.propose(a.quick(f)))
	}
}

func quickOpenPFS(a *attack) {
	f := a.insider()
	for range 300 {
		q := a.quick(f)
		sa := offerESP(q.spi)
		t := &sa.Proposals[0].Transforms[0]
		t.Attributes = append(t.Attributes, isakmp.Attribute{Type: isakmp.ESPGroup, Value: 14})
		q.sa = sa.Append(nil)
		q.more = append([]isakmp.Payload{{Type: isakmp.KE, Body: append([]byte{0}, a.bytes(255)...)}}, q.more...)
		a.send(f.propose(q))
	}
}

func quickMany(a *attack) {
	f := a.insider()
	for range 200 {
		a.must(f.child(a.quick(f)))
		a.count()
	}
}

// goodSPIs are those of the good tunnel, the victim's inbound one first: anybody
// on the path sees them.
func (a *attack) goodSPIs() [][]byte {
	a.t.Helper()
	t, err := a.victim.Tunnel(a.t.Context(), "good")
	a.must(err)
	if len(t.Pairs) != 1 || t.Pairs[0].Child == nil {
		a.t.Fatalf("the good tunnel is %s", t.State)
	}
	var spis [][]byte
	for _, text := range []string{t.Pairs[0].Child.SPIIn, t.Pairs[0].Child.SPIOut} {
		n, err := strconv.ParseUint(text, 0, 32)
		a.must(err)
		spis = append(spis, binary.BigEndian.AppendUint32(nil, uint32(n)))
	}
	return spis
}

func deletions(a *attack) {
	f := a.insider()
	good := a.goodSPIs()
	for range 150 {
		a.send(f.remove(isakmp.Deletion{Protocol: isakmp.ProtoESP, SPIs: good}))
		a.send(f.remove(isakmp.Deletion{Protocol: isakmp.ProtoESP, SPIs: [][]byte{a.bytes(4), a.bytes(4)}}))
		a.send(f.remove(isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{a.bytes(16)}}))
		lie := isakmp.Deletion{Protocol: isakmp.Protocol(a.r.Uint32()), SPIs: [][]byte{a.bytes(4)}}.Append(nil)
		lie[5] = byte(a.r.Uint32())
		binary.BigEndian.PutUint16(lie[6:], uint16(a.r.Uint32()))
		a.send(f.informational(isakmp.Payload{Type: isakmp.Delete, Body: lie}))
	}
	a.must(f.child(a.quick(f)))
}

func notifications(a *attack) {
	f := a.insider()
	for n := range 600 {
		kind := isakmp.NotifyType(a.r.Uint32())
		if n < 40 {
			kind = isakmp.NotifyType(n)
		}
		if kind == 36136 { // R-U-THERE is another case's
			kind++
		}
		a.send(f.notify(isakmp.Notification{Protocol: isakmp.Protocol(n % 5), Type: kind, SPI: a.bytes(a.r.IntN(20)), Data: a.bytes(a.r.IntN(40))}))
	}
	for range 100 {
		a.send(f.notify(isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.InitialContact, SPI: f.cookieSPI()}))
		lie := isakmp.Notification{Protocol: isakmp.ProtoESP, Type: isakmp.ResponderLifetime, SPI: a.bytes(4), Data: a.bytes(12)}.Append(nil)
		lie[5] = byte(a.r.Uint32())
		a.send(f.informational(isakmp.Payload{Type: isakmp.Notify, Body: lie}))
	}
	a.must(f.child(a.quick(f)))
}

func dpdFlood(a *attack) {
	f := a.insider()
	for n := range 700 {
		kind := isakmp.NotifyType(36136 + a.r.IntN(2))
		sequence := []uint32{uint32(n), 7, a.r.Uint32()}[a.r.IntN(3)]
		a.send(f.notify(isakmp.Notification{
			Protocol: isakmp.ProtoISAKMP, Type: kind, SPI: f.cookieSPI(), Data: binary.BigEndian.AppendUint32(nil, sequence),
		}))
	}
	a.must(f.child(a.quick(f)))
}

func hugeInside(a *attack) {
	f := a.insider()
	for range 15 {
		for _, size := range []int{200, 255, 1300} {
			q := a.quick(f)
			sa := offerESP(q.spi)
			for range size {
				sa.Proposals = append(sa.Proposals, sa.Proposals[0])
			}
			q.sa = sa.Append(nil)
			a.send(f.propose(q))
			q = a.quick(f)
			for range size {
				q.more = append(q.more, network(netip.MustParsePrefix("10.9.9.0/24")))
			}
			a.send(f.propose(q))
			q = a.quick(f)
			sa = offerESP(q.spi)
			t := &sa.Proposals[0].Transforms[0]
			for range size {
				t.Attributes = append(t.Attributes, isakmp.Attribute{Type: isakmp.ESPLife, Value: 1 << 40})
			}
			q.sa = sa.Append(nil)
			a.send(f.propose(q))
			a.must(a.fence())
		}
	}
}

func sessionsMany(a *attack) {
	for range 120 {
		f := a.insider()
		a.must(f.child(a.quick(f)))
		a.count()
	}
}

func chains(a *attack) {
	f := a.insider()
	for range 60 {
		var chain []isakmp.Payload
		for range 90 {
			chain = append(chain,
				isakmp.Payload{Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: isakmp.ProtoESP, SPIs: [][]byte{a.bytes(4)}}.Append(nil)})
		}
		a.send(f.informational(chain...))
		for i := range chain {
			chain[i] = isakmp.Payload{Type: isakmp.Notify, Body: isakmp.Notification{Protocol: isakmp.ProtoESP, Type: isakmp.NoProposalChosen, SPI: a.bytes(4)}.Append(nil)}
		}
		a.send(f.informational(chain...))
	}
}

func identities(a *attack) {
	bodies := [][]byte{
		nil, {1}, {1, 0, 0}, {1, 0, 0, 0}, {1, 17, 1, 244, 1, 2, 3}, {0, 0, 0, 0}, {2, 0, 0, 0}, {2, 0, 0, 0, 0, 0, 0},
		{3, 0, 0, 0, '\n', 0x1b, '[', '2', 'J'}, {4, 0, 0, 0, 1, 2, 3, 4}, {9, 0, 0, 0, 0x30, 0x80}, {9, 0, 0, 0, 0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		{10, 0, 0, 0}, {11, 0, 0, 0, 0xff}, {255, 255, 255, 255}, append([]byte{2, 0, 0, 0}, make([]byte, 50000)...),
	}
	for _, body := range bodies {
		f := a.forger()
		a.must(f.begin())
		a.must(f.agree())
		data, _ := f.fifth(body)
		a.refused("an identity that is not the peer's", f, data, f.isSixth)
	}
}

func flags(a *attack) {
	f := a.insider()
	for n := range 256 {
		data := f.propose(a.quick(f))
		data[19] = byte(n)
		a.send(data)
		data = f.notify(isakmp.Notification{Protocol: isakmp.ProtoESP, Type: isakmp.Connected, SPI: a.bytes(4)})
		data[19] = byte(n)
		a.send(data)
	}
}

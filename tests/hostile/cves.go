package hostile

import (
	"encoding/binary"

	"github.com/twinspan/twinspan/ike/isakmp"
)

// The payload types and notifications that only the cases need.
const (
	cert        isakmp.PayloadType = 6
	certRequest isakmp.PayloadType = 7
	signature   isakmp.PayloadType = 9
	sak         isakmp.PayloadType = 15 // of RFC 6407; Cisco's NAT-D of old
	fragmented  isakmp.PayloadType = 132

	areYouThere    isakmp.NotifyType = 36136
	areYouThereAck isakmp.NotifyType = 36137
)

// cves are the shapes of known faults of IKE daemons, each in the form that
// IKEv1 with a pre-shared key lets it have. Where a fault was of IKEv2, of
// certificates or of a local socket, its shape is carried over: the same lie, in
// the payload that this daemon reads.
var cves = []Case{
	// tcpdump, whose ISAKMP reader shares its forefathers with racoon's.
	{Name: "CVE-2003-0108 tcpdump", Shape: "a payload whose length is 0: a chain that never ends", run: clearly(zeroLength)},
	{Name: "CVE-2004-0183 tcpdump", Shape: "a delete payload that claims 65535 SPIs", run: everywhere(deleteClaims)},
	{Name: "CVE-2004-0184 tcpdump", Shape: "an identification shorter than its own header", run: everywhere(shortID)},

	// isakmpd
	{Name: "CVE-2004-0218 isakmpd", Shape: "a payload of length 0 behind a good one", run: everywhere(zeroBehind)},
	{Name: "CVE-2004-0219 isakmpd", Shape: "an IPsec SA payload with proposals cut short", run: clearly(cutProposal)},
	{Name: "CVE-2004-0220 isakmpd", Shape: "a certificate request whose length underflows", run: everywhere(tinyPayload(certRequest))},
	{Name: "CVE-2004-0221 isakmpd", Shape: "a delete payload with more SPIs than bytes", run: everywhere(deleteClaims)},
	{Name: "CVE-2004-0222 isakmpd", Shape: "messages that leak memory: begun and left, again and again", run: leftMainModes},

	// racoon
	{Name: "CVE-2004-0164 racoon", Shape: "unauthenticated delete and INITIAL-CONTACT that name the good tunnel's SPIs", run: clearDeletes},
	{Name: "CVE-2004-0392 racoon", Shape: "a generic payload header alone, over and over", run: clearly(barePayloads)},
	{Name: "CVE-2004-0403 racoon", Shape: "an ISAKMP length of 4 GiB", run: headerLengths},
	{Name: "CVE-2005-0398 racoon", Shape: "an ISAKMP length below the header's own size", run: headerLengths},
	{Name: "CVE-2005-3732 racoon", Shape: "aggressive mode with each of its payloads missing", run: aggressivePieces},
	{Name: "CVE-2008-3651 racoon", Shape: "invalid proposals, again and again: a leak", run: invalidProposals},
	{Name: "CVE-2008-3652 racoon", Shape: "orphaned phase 1 sessions, again and again: a leak", run: leftMainModes},
	{Name: "CVE-2009-1574 racoon", Shape: "an IKE fragment with no data", run: emptyFragments},
	{Name: "CVE-2009-1632 racoon", Shape: "NAT keepalives and NAT-D, again and again: a leak", run: natLeak},
	{Name: "CVE-2015-4047 racoon", Shape: "main mode with GSSAPI authentication and its attributes", run: gssOffers},
	{Name: "CVE-2016-10396 racoon", Shape: "fragments in the order that costs most, none the last", run: descendingFragments},

	// many at once: the PROTOS test suite c09-isakmp
	{Name: "CVE-2005-3666 PROTOS", Shape: "format strings wherever bytes are free", run: everywhere(formatStrings)},
	{Name: "CVE-2005-3667 PROTOS", Shape: "overlong vendor ids, nonces and identities", run: everywhere(overlong)},
	{Name: "CVE-2005-3668 PROTOS", Shape: "payloads of every type, empty, in every message", run: everywhere(everyType)},
	{Name: "CVE-2005-3669 PROTOS", Shape: "phase 1 attributes of every type with extreme values", run: extremeAttributes},
	{Name: "CVE-2005-3671 Openswan", Shape: "3DES with a key length attribute", run: keyLengths},

	// Openswan and Libreswan
	{Name: "CVE-2009-0790 Openswan, strongSwan", Shape: "DPD without a session, and within one that does not stand yet", run: dpdOutside},
	{Name: "CVE-2011-3380 Openswan", Shape: "a key length that no cipher has", run: keyLengths},
	{Name: "CVE-2011-4073 Openswan", Shape: "a session that goes while its Diffie-Hellman is computed", run: gone},
	{Name: "CVE-2013-6466 Openswan, Libreswan", Shape: "messages without the payloads that must be there, IKEv2's included", run: missingPayloads},
	{Name: "CVE-2013-7294 Libreswan", Shape: "a notification where the key exchange payload should be", run: notifyForKey},
	{Name: "CVE-2015-3204 Libreswan", Shape: "unassigned bits in the DOI and in the situation; a next payload of 15", run: strangeDOI},
	{Name: "CVE-2016-5361 Libreswan, strongSwan", Shape: "one first message, and answers again and again: amplification", run: amplification},
	{Name: "CVE-2019-10155 Libreswan", Shape: "encrypted informationals whose HASH does not hold", run: badHashes},
	{Name: "CVE-2019-12312 Libreswan", Shape: "an informational where message 5 should come", run: informationalForFifth},
	{Name: "CVE-2020-1763 Libreswan", Shape: "informationals in clear, cut in their notification", run: clearInformationals},
	{Name: "CVE-2022-23094 Libreswan", Shape: "malformed messages for which no session exists", run: noSession},
	{Name: "CVE-2023-2295 Libreswan", Shape: "aggressive mode with a responder cookie of zero where there is a session", run: zeroCookie},
	{Name: "CVE-2023-30570 Libreswan", Shape: "a second aggressive mode message without a responder cookie", run: zeroCookie},
	{Name: "CVE-2023-38710 Libreswan", Shape: "a quick mode and a deletion for the protocols 0 and 1", run: strangeProtocols},
	{Name: "CVE-2023-38711 Libreswan", Shape: "a name as IDcr in a quick mode", run: nameInQuick},
	{Name: "CVE-2023-38712 Libreswan", Shape: "deletion of the session followed by more deletions and notifications in one message", run: deleteAndMore},
	{Name: "CVE-2024-2357 Libreswan", Shape: "an identity that nobody has, sent again and again", run: unknownIdentity},
	{Name: "CVE-2024-3652 Libreswan", Shape: "a quick mode for AES-GMAC, and other transforms that only authenticate", run: gmac},

	// strongSwan
	{Name: "CVE-2013-2944 strongSwan", Shape: "an empty signature for a hash", run: emptySignature},
	{Name: "CVE-2013-5018 strongSwan", Shape: "an identity that looks like ASN.1 and is not", run: asn1Identities},
	{Name: "CVE-2013-6075 strongSwan", Shape: "a distinguished name whose lengths lie", run: asn1Identities},
	{Name: "CVE-2013-6076 strongSwan", Shape: "the last fragment alone, fragments numbered 0, and the same twice", run: oddFragments},
	{Name: "CVE-2014-2338 strongSwan", Shape: "quick mode and rekeying under a session that is not authenticated", run: quickBeforeAuth},
	{Name: "CVE-2014-2891 strongSwan", Shape: "an empty distinguished name", run: asn1Identities},
	{Name: "CVE-2018-5388 strongSwan", Shape: "a length shorter than the header that carries it", run: headerLengths},
	{Name: "CVE-2018-17540 strongSwan", Shape: "a signature and a certificate with a key of no size", run: emptySignature},
	{Name: "CVE-2021-45079 strongSwan", Shape: "success claimed early: CONNECTED and message 6 before message 5", run: earlySuccess},
	{Name: "CVE-2023-41913 strongSwan", Shape: "a public value longer than any group's", run: longPublic},

	// Cisco
	{Name: "CVE-2016-1287 Cisco ASA", Shape: "a fragment payload whose length is below its header's", run: tinyFragments},
	{Name: "CVE-2016-6415 Cisco IOS", Shape: "an SA payload that claims more than it has: the answer must hold no memory", run: bleeding},
}

// rounds is how often a shape is sent, with other bytes each time.
const rounds = 24

// spoiler makes the payloads of one round: the type of the first, and the bytes.
type spoiler func(a *attack) (isakmp.PayloadType, []byte)

// generic is a payload whose header says what it is told.
func generic(next isakmp.PayloadType, size int, body ...byte) []byte {
	b := []byte{byte(next), 0}
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	return append(b, body...)
}

// spoiled is a clear message of a spoiler's payloads.
func spoiled(h isakmp.Header, next isakmp.PayloadType, body []byte) []byte {
	h.Next, h.Length = next, uint32(isakmp.HeaderSize+len(body))
	return append(h.Append(nil), body...)
}

// clearly sends the shape as the first message, as message 3 and as an
// informational.
func clearly(make spoiler) func(*attack) {
	return func(a *attack) {
		f := a.forger()
		a.must(f.begin())
		for range rounds {
			for _, h := range []isakmp.Header{a.header(isakmp.MainMode), a.header(isakmp.AggressiveMode), f.header(isakmp.MainMode, 0), f.header(isakmp.Informational, 0)} {
				next, body := make(a)
				a.send(spoiled(h, next, body))
			}
		}
		a.must(f.agree())
		a.must(f.authenticate())
	}
}

// everywhere sends it clearly, and under authentic hashes in quick modes and
// informationals.
func everywhere(make spoiler) func(*attack) {
	return func(a *attack) {
		clearly(make)(a)
		f := a.insider()
		for range rounds {
			for _, x := range []isakmp.Exchange{isakmp.QuickMode, isakmp.Informational} {
				next, body := make(a)
				a.send(f.authentic(x, f.newID(), next, body))
			}
		}
		a.must(f.child(a.quick(f)))
	}
}

func zeroLength(a *attack) (isakmp.PayloadType, []byte) {
	return isakmp.Vendor, generic(isakmp.Vendor, 0, a.bytes(8)...)
}

func zeroBehind(a *attack) (isakmp.PayloadType, []byte) {
	good := generic(isakmp.Vendor, 12, a.bytes(8)...)
	return isakmp.Vendor, append(good, generic(isakmp.Vendor, a.r.IntN(4))...)
}

func barePayloads(a *attack) (isakmp.PayloadType, []byte) {
	var b []byte
	for range a.r.IntN(200) {
		b = append(b, generic(isakmp.Vendor, 4)...)
	}
	return isakmp.Vendor, b
}

func deleteClaims(a *attack) (isakmp.PayloadType, []byte) {
	body := []byte{0, 0, 0, 1, []byte{1, 3}[a.r.IntN(2)], []byte{4, 16, 0, 255}[a.r.IntN(4)], 0xff, byte(a.r.Uint32())}
	body = append(body, a.bytes(a.r.IntN(20))...)
	return isakmp.Delete, generic(0, 4+len(body), body...)
}

func shortID(a *attack) (isakmp.PayloadType, []byte) {
	n := a.r.IntN(4)
	return isakmp.ID, generic(0, 4+n, a.bytes(n)...)
}

func tinyPayload(t isakmp.PayloadType) spoiler {
	return func(a *attack) (isakmp.PayloadType, []byte) { return t, generic(0, a.r.IntN(5), a.bytes(2)...) }
}

func cutProposal(a *attack) (isakmp.PayloadType, []byte) {
	sa := offerIKE(2).Append(nil)
	body := sa[:8+a.r.IntN(len(sa)-8)]
	return isakmp.SA, generic(0, 4+len(body), body...)
}

func formatStrings(a *attack) (isakmp.PayloadType, []byte) {
	types := []isakmp.PayloadType{isakmp.Vendor, isakmp.ID, isakmp.Notify, isakmp.Hash, isakmp.Nonce, cert}
	text := []byte("\x02\x00\x00\x00%s%n%x%p%1000000d\x00\n\x1b[2J{{.}}$(id)")
	return types[a.r.IntN(len(types))], generic(0, 4+len(text), text...)
}

func overlong(a *attack) (isakmp.PayloadType, []byte) {
	types := []isakmp.PayloadType{isakmp.Vendor, isakmp.ID, isakmp.Nonce, isakmp.Hash, isakmp.KE, certRequest}
	n := 4000 + a.r.IntN(4000)
	return types[a.r.IntN(len(types))], generic(0, 4+n, a.bytes(n)...)
}

func everyType(a *attack) (isakmp.PayloadType, []byte) {
	var b []byte
	for range a.r.IntN(90) {
		b = append(b, generic(isakmp.PayloadType(1+a.r.IntN(255)), 4)...)
	}
	return isakmp.PayloadType(1 + a.r.IntN(255)), append(b, generic(0, 4)...)
}

// leftMainModes begins sessions and leaves them where they are.
func leftMainModes(a *attack) {
	for range 3 * rounds {
		f := a.forger()
		a.must(f.begin())
		a.count()
	}
}

func clearDeletes(a *attack) {
	f := a.insider()
	spis := a.goodSPIs()
	for range rounds {
		for _, p := range []isakmp.Payload{
			{Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: isakmp.ProtoESP, SPIs: spis}.Append(nil)},
			{Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{f.cookieSPI()}}.Append(nil)},
			{Type: isakmp.Notify, Body: isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.InitialContact, SPI: f.cookieSPI()}.Append(nil)},
		} {
			a.send(clearText(f.header(isakmp.Informational, f.newID()), p))
			a.send(clearText(f.header(isakmp.Informational, 0), isakmp.Payload{Type: isakmp.Hash, Body: nil}, p))
			a.send(clearText(a.header(isakmp.Informational), p))
		}
	}
	a.must(f.child(a.quick(f)))
}

func headerLengths(a *attack) {
	for range rounds {
		for _, length := range []uint32{0, 1, 27, 28, 29, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0} {
			data := a.forger().first()
			binary.BigEndian.PutUint32(data[24:], length)
			a.send(data)
		}
	}
}

// aggressiveChain is what a first message of aggressive mode has, with vendor ids
// behind it: the victim keeps silent where its answer would be the longer one.
func (a *attack) aggressiveChain(f *forger) []isakmp.Payload {
	return []isakmp.Payload{
		{Type: isakmp.SA, Body: f.offer}, {Type: isakmp.KE, Body: append([]byte{0}, a.bytes(255)...)},
		{Type: isakmp.Nonce, Body: f.ni}, {Type: isakmp.ID, Body: f.identity()},
		{Type: isakmp.Vendor, Body: a.bytes(16)}, {Type: isakmp.Vendor, Body: a.bytes(16)}, {Type: isakmp.Vendor, Body: a.bytes(16)},
	}
}

func aggressivePieces(a *attack) {
	for n := range 8 * rounds {
		f := a.forger()
		var some []isakmp.Payload
		for i, p := range a.aggressiveChain(f) {
			if n>>i&1 == 1 {
				some = append(some, p)
			}
		}
		a.send(clearText(a.header(isakmp.AggressiveMode), some...))
	}
}

func invalidProposals(a *attack) {
	for range 4 * rounds {
		sa := offerIKE(1 + a.r.IntN(30))
		for i := range sa.Proposals[0].Transforms {
			sa.Proposals[0].Transforms[i].Attributes[2].Value = uint64(100 + a.r.IntN(1000)) // a hash that nobody has
		}
		a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: sa.Append(nil)}))
	}
}

func emptyFragments(a *attack) {
	f := a.forger()
	a.must(f.begin())
	for range rounds {
		for _, h := range []isakmp.Header{f.header(isakmp.MainMode, 0), a.header(isakmp.MainMode)} {
			a.send(fragment(h, 1, 1, 1, nil))
			a.send(fragment(h, 1, 1, 0, nil))
			a.send(clearText(h, isakmp.Payload{Type: fragmented}))
			a.send(clearText(h, isakmp.Payload{Type: fragmented, Body: a.bytes(a.r.IntN(4))}))
		}
	}
	a.must(f.agree())
}

func natLeak(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		for range 4 {
			a.from(a.peer(portNATT), portNATT, []byte{0xff})
			a.send(f.third(isakmp.Payload{Type: isakmp.NATD, Body: a.bytes(20)}, isakmp.Payload{Type: isakmp.NATD, Body: a.bytes(a.r.IntN(40))}))
		}
	}
}

func gssOffers(a *attack) {
	for range rounds {
		for _, method := range []uint64{65001, 65002} {
			sa := offerIKE(1)
			t := &sa.Proposals[0].Transforms[0]
			t.Attributes = append(with(t.Attributes, isakmp.AttrAuth, method), isakmp.Attribute{Type: 16384, Value: uint64(a.r.Uint32())})
			a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: sa.Append(nil)}))
		}
	}
}

func descendingFragments(a *attack) {
	f := a.forger()
	a.must(f.begin())
	for range 6 {
		for n := 255; n >= 1; n -= 3 {
			a.send(fragment(f.header(isakmp.MainMode, 0), uint16(a.r.IntN(2)), byte(n), 0, a.bytes(30)))
		}
	}
	a.must(f.agree())
}

func extremeAttributes(a *attack) {
	for kind := range uint16(40) {
		for _, value := range []uint64{0, 1, 0xffff, 0xffffffff, 1<<64 - 1} {
			sa := offerIKE(1)
			t := &sa.Proposals[0].Transforms[0]
			t.Attributes = with(t.Attributes, kind, value)
			a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: sa.Append(nil)}))
		}
	}
}

func keyLengths(a *attack) {
	for range rounds {
		for _, cipher := range []uint64{1, 5, 7} {
			sa := offerIKE(1)
			t := &sa.Proposals[0].Transforms[0]
			t.Attributes = with(with(t.Attributes, isakmp.AttrCipher, cipher), isakmp.AttrKeyLength, uint64(a.r.IntN(70000)))
			a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: sa.Append(nil)}))
		}
	}
}

func dpdOutside(a *attack) {
	f := a.forger()
	a.must(f.begin())
	for range rounds {
		for _, kind := range []isakmp.NotifyType{areYouThere, areYouThereAck} {
			n := isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: kind, SPI: f.cookieSPI(), Data: a.bytes(4)}.Append(nil)
			for _, h := range []isakmp.Header{a.header(isakmp.Informational), f.header(isakmp.Informational, f.newID())} {
				a.send(clearText(h, isakmp.Payload{Type: isakmp.Notify, Body: n}))
				h.Flags = isakmp.Encrypted
				a.send(clearText(h, isakmp.Payload{Type: isakmp.Notify, Body: n}))
			}
		}
	}
	a.must(f.agree())
}

// gone has the victim compute, and at once takes away what it computes for.
func gone(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		a.send(f.third())
		a.send(f.third()) // the same again, while it is computed
		a.send(clearText(f.header(isakmp.Informational, 0), isakmp.Payload{
			Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{f.cookieSPI()}}.Append(nil),
		}))
		f = a.insider()
		a.send(f.propose(a.quick(f)))
		a.send(f.remove(isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{f.cookieSPI()}}))
	}
}

func missingPayloads(a *attack) {
	f := a.insider()
	half := a.forger()
	a.must(half.begin())
	whole := a.quick(f).chain()
	for n := range 2 * rounds {
		var some []isakmp.Payload
		for i, p := range whole {
			if n>>(i%4)&1 == 1 {
				some = append(some, p)
			}
		}
		if len(some) > 0 {
			a.send(f.authentic(isakmp.QuickMode, f.newID(), some[0].Type, isakmp.AppendChain(nil, some...)))
		}
		a.send(clearText(half.header(isakmp.MainMode, 0), some...))
		data := clearText(a.header(34), isakmp.Payload{Type: 41, Body: a.bytes(8)}) // IKE_SA_INIT with a notification alone
		data[17] = 0x20
		a.send(data)
	}
	a.must(half.agree())
	a.must(f.child(a.quick(f)))
}

func notifyForKey(a *attack) {
	f := a.forger()
	a.must(f.begin())
	for range rounds {
		n := isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyType(a.r.IntN(31)), Data: a.bytes(200)}.Append(nil)
		a.send(clearText(f.header(isakmp.MainMode, 0), isakmp.Payload{Type: isakmp.Notify, Body: n}, isakmp.Payload{Type: isakmp.Nonce, Body: f.ni}))
	}
	a.must(f.agree())
}

func strangeDOI(a *attack) {
	for range rounds {
		f := a.forger()
		body := append([]byte(nil), f.offer...)
		binary.BigEndian.PutUint32(body[4*a.r.IntN(2):], 1|1<<(1+a.r.IntN(31)))
		a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: body}))
		a.send(a.opening(isakmp.Payload{Type: sak, Body: f.offer}))
		a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: f.offer[:a.r.IntN(8)]}, isakmp.Payload{Type: sak}))
	}
}

// amplification begins a session and waits: what comes without a question
// counts against the victim.
func amplification(a *attack) {
	for range rounds {
		f := a.forger()
		a.send(f.first())
		a.send(clearText(a.header(isakmp.AggressiveMode), a.aggressiveChain(f)...))
	}
}

func badHashes(a *attack) {
	f := a.insider()
	for range rounds {
		for _, chain := range [][]isakmp.Payload{
			{{Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{f.cookieSPI()}}.Append(nil)}},
			{{Type: isakmp.Hash, Body: a.bytes(20)}, {Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{f.cookieSPI()}}.Append(nil)}},
			{{Type: isakmp.Hash}, {Type: isakmp.Notify, Body: isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.InitialContact, SPI: f.cookieSPI()}.Append(nil)}},
		} {
			mid := f.newID()
			data, _ := f.seal(f.iv2(mid), f.header(isakmp.Informational, mid), chain...)
			a.send(data)
		}
	}
	a.must(f.child(a.quick(f))) // nothing was deleted
}

func informationalForFifth(a *attack) {
	f := a.forger()
	a.must(f.begin())
	a.must(f.agree())
	for range rounds {
		a.send(clearText(f.header(isakmp.Informational, f.newID()), isakmp.Payload{Type: isakmp.Notify, Body: a.bytes(12)}))
		a.send(f.notify(isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.AuthenticationFailed}))
	}
	a.must(f.authenticate())
}

func clearInformationals(a *attack) {
	f := a.insider()
	for range 2 * rounds {
		body := isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyType(a.r.IntN(40)), SPI: f.cookieSPI()}.Append(nil)
		body[5] = byte(a.r.Uint32())
		for _, h := range []isakmp.Header{f.header(isakmp.Informational, 0), a.header(isakmp.Informational)} {
			a.send(clearText(h, isakmp.Payload{Type: isakmp.Notify, Body: body[:a.r.IntN(len(body))]}))
		}
	}
	a.must(f.child(a.quick(f)))
}

func noSession(a *attack) {
	for range 4 * rounds {
		f := a.forger()
		f.cookies.Responder = [8]byte(a.bytes(8))
		a.send(a.mutate(f.third()))
		a.send(spoiled(f.header(isakmp.QuickMode, f.newID()), isakmp.Hash, a.bytes(a.r.IntN(64))))
	}
}

func zeroCookie(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		h := f.header(isakmp.AggressiveMode, 0)
		h.Responder = [8]byte{}
		for range 3 {
			a.send(clearText(h, a.aggressiveChain(f)...))
			a.send(clearText(h, isakmp.Payload{Type: isakmp.Hash, Body: a.bytes(20)}))
		}
	}
}

func strangeProtocols(a *attack) {
	f := a.insider()
	for range rounds {
		for _, protocol := range []isakmp.Protocol{0, 1, 2, 4, 255} {
			q := a.quick(f)
			sa := offerESP(q.spi)
			sa.Proposals[0].Protocol = protocol
			q.sa = sa.Append(nil)
			a.send(f.propose(q))
			a.send(f.remove(isakmp.Deletion{Protocol: protocol, SPIs: [][]byte{a.bytes(4)}}))
		}
	}
	a.must(f.child(a.quick(f)))
}

func nameInQuick(a *attack) {
	f := a.insider()
	own, _ := a.pair()
	for range 2 * rounds {
		q := a.quick(f)
		q.more = []isakmp.Payload{network(own), rawID(isakmp.IDType(2+a.r.IntN(10)), 0, 0, a.bytes(a.r.IntN(40))...)}
		a.send(f.propose(q))
	}
	a.must(f.child(a.quick(f)))
}

func deleteAndMore(a *attack) {
	for range rounds {
		f := a.insider()
		gone := isakmp.Payload{Type: isakmp.Delete, Body: isakmp.Deletion{Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{f.cookieSPI(), f.cookieSPI()}}.Append(nil)}
		more := isakmp.Payload{Type: isakmp.Notify, Body: isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.InitialContact, SPI: f.cookieSPI()}.Append(nil)}
		a.send(f.informational(gone, gone, more, gone))
		a.send(f.informational(more, gone))
	}
}

func unknownIdentity(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		a.must(f.agree())
		data, _ := f.fifth(isakmp.Identification{Type: isakmp.FQDN, Data: []byte("nobody.example")}.Append(nil))
		for range 4 {
			a.send(data)
		}
	}
}

func gmac(a *attack) {
	f := a.insider()
	for range rounds {
		for _, transform := range []uint8{0, 11, 18, 19, 20, 21, 22, 23, 255} {
			q := a.quick(f)
			sa := offerESP(q.spi)
			sa.Proposals[0].Transforms[0].ID = transform
			q.sa = sa.Append(nil)
			a.send(f.propose(q))
		}
	}
	a.must(f.child(a.quick(f)))
}

func emptySignature(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		a.must(f.agree())
		for _, chain := range [][]isakmp.Payload{
			{{Type: isakmp.ID, Body: f.identity()}, {Type: signature}},
			{{Type: isakmp.ID, Body: f.identity()}, {Type: signature, Body: make([]byte, 64)}},
			{{Type: isakmp.ID, Body: f.identity()}, {Type: cert, Body: []byte{4, 0x30, 0x80}}, {Type: signature, Body: a.bytes(3)}},
			{{Type: isakmp.ID, Body: f.identity()}, {Type: isakmp.Hash}},
			{{Type: isakmp.ID, Body: f.identity()}},
		} {
			data, _ := f.seal(f.iv, f.header(isakmp.MainMode, 0), chain...)
			a.send(data)
		}
	}
}

func asn1Identities(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		a.must(f.agree())
		body := [][]byte{
			{9, 0, 0, 0}, {9, 0, 0, 0, 0x30}, {9, 0, 0, 0, 0x30, 0}, {9, 0, 0, 0, 0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
			{9, 0, 0, 0, 0x30, 2, 0x31, 0xff}, {2, 0, 0, 0, 0x30, 0x82}, {3, 0, 0, 0, 0x31, 0x82, 1},
		}[a.r.IntN(7)]
		data, _ := f.fifth(append(body, a.bytes(a.r.IntN(8))...))
		a.send(data)
	}
}

func oddFragments(a *attack) {
	f := a.forger()
	a.must(f.begin())
	third := f.third()
	h := f.header(isakmp.MainMode, 0)
	for n := range rounds {
		id := uint16(n)
		a.send(fragment(h, id, byte(2+a.r.IntN(250)), 1, third[200:]))
		a.send(fragment(h, id, 0, 0, third))
		a.send(fragment(h, id, 0, 1, third))
		a.send(fragment(h, id, 1, 0, third[:200]))
		a.send(fragment(h, id, 1, 0, third[:100]))
		a.send(fragment(h, id, 1, 1, a.bytes(50)))
	}
	a.must(f.agree())
}

func quickBeforeAuth(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		a.must(f.agree())
		for range 3 {
			a.send(f.propose(a.quick(f)))
			a.send(f.remove(isakmp.Deletion{Protocol: isakmp.ProtoESP, SPIs: a.goodSPIs()}))
		}
	}
}

func earlySuccess(a *attack) {
	for range rounds {
		f := a.forger()
		a.must(f.begin())
		a.must(f.agree())
		a.send(f.notify(isakmp.Notification{Protocol: isakmp.ProtoISAKMP, Type: isakmp.Connected, SPI: f.cookieSPI()}))
		hash := isakmp.Payload{Type: isakmp.Hash, Body: f.proof(f.identity())}
		data, _ := f.seal(f.iv, f.header(isakmp.MainMode, 0), hash)
		a.send(data)
		a.send(f.propose(a.quick(f)))
		a.must(f.authenticate())
	}
}

func longPublic(a *attack) {
	f := a.forger()
	a.must(f.begin())
	for range 2 * rounds {
		long := isakmp.Payload{Type: isakmp.KE, Body: a.bytes(257 + a.r.IntN(8000))}
		a.send(clearText(f.header(isakmp.MainMode, 0), long, isakmp.Payload{Type: isakmp.Nonce, Body: f.ni}))
	}
	a.must(f.agree())
}

func tinyFragments(a *attack) {
	f := a.forger()
	a.must(f.begin())
	for range rounds {
		for size := range 9 {
			a.send(spoiled(f.header(isakmp.MainMode, 0), fragmented, generic(0, size, a.bytes(8)...)))
			a.send(spoiled(a.header(isakmp.MainMode), fragmented, generic(0, size, a.bytes(size)...)))
		}
	}
	a.must(f.agree())
}

func bleeding(a *attack) {
	for range 2 * rounds {
		f := a.forger()
		body := generic(0, 4+len(f.offer)+1000, f.offer...)
		a.send(spoiled(a.header(isakmp.MainMode), isakmp.SA, body))
		a.send(spoiled(a.header(isakmp.MainMode), isakmp.SA, append(body[:len(body):len(body)], a.bytes(600)...)))
		short := append([]byte(nil), f.offer...)
		binary.BigEndian.PutUint16(short[10:], uint16(len(short)+500)) // the proposal's length
		a.send(a.opening(isakmp.Payload{Type: isakmp.SA, Body: short}))
	}
}

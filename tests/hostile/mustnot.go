package hostile

import (
	"bytes"
	"iter"
	"maps"
	"math/big"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/ike/isakmp"
)

// mustNot are the cases of what no gateway may accept, however authentic. Each
// is held against the victim's answer.
var mustNot = []Case{
	{Name: "must not: phase 1 offers", Shape: "AES with 0 bits, no authentication method, no hash, no group, RSA, XAUTH, an unknown PRF", run: mustNotOffers},
	{Name: "must not: public values", Shape: "0, 1, p-1, p, p+1, all ones, too short, too long, empty, in main mode", run: mustNotPublic},
	{Name: "must not: public values of PFS", Shape: "the same in quick mode", run: mustNotPFS, pfs: true},
	{Name: "must not: SPIs", Shape: "0, 1, 255, of 0, 2, 3, 5, 8 and 16 bytes in a quick mode", run: mustNotSPI},
	{Name: "must not: selectors", Shape: "0.0.0.0/0, wider, narrower, another's, another port, ranges, masks with holes, one or three identities", run: mustNotSelectors},
	{Name: "must not: phase 2 offers", Shape: "AES with 0 bits, no integrity, NULL encryption, transport mode, AH, bundles, a group without a key", run: mustNotESP},
	{Name: "must not: nonces", Shape: "of 0, 1, 7 and 257 bytes in both phases", run: mustNotNonces},
	{Name: "must not: keys", Shape: "message 5 under the key of another peer, the empty key, and the right one with the hash of another identity", run: mustNotKeys},
}

// inOrder walks a table by its names: what is sent must be the same each time.
func inOrder[V any](table map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range slices.Sorted(maps.Keys(table)) {
			if !yield(name, table[name]) {
				return
			}
		}
	}
}

// without are attributes but those of a type.
func without(list []isakmp.Attribute, kind uint16) []isakmp.Attribute {
	var rest []isakmp.Attribute
	for _, a := range list {
		if a.Type != kind {
			rest = append(rest, a)
		}
	}
	return rest
}

// with are attributes with another value of a type.
func with(list []isakmp.Attribute, kind uint16, value uint64) []isakmp.Attribute {
	return append(without(list, kind), isakmp.Attribute{Type: kind, Value: value})
}

func mustNotOffers(a *attack) {
	for what, change := range inOrder(map[string]func([]isakmp.Attribute) []isakmp.Attribute{
		"AES with a key of 0 bits":  func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, isakmp.AttrKeyLength, 0) },
		"AES with a key of 64 bits": func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, isakmp.AttrKeyLength, 64) },
		"no authentication method":  func(l []isakmp.Attribute) []isakmp.Attribute { return without(l, isakmp.AttrAuth) },
		"authentication method 0":   func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, isakmp.AttrAuth, 0) },
		"RSA signatures":            func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, isakmp.AttrAuth, 3) },
		"XAUTH":                     func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, isakmp.AttrAuth, 65001) },
		"no hash":                   func(l []isakmp.Attribute) []isakmp.Attribute { return without(l, isakmp.AttrHash) },
		"no group":                  func(l []isakmp.Attribute) []isakmp.Attribute { return without(l, isakmp.AttrGroup) },
		"group 0":                   func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, isakmp.AttrGroup, 0) },
		"no cipher":                 func(l []isakmp.Attribute) []isakmp.Attribute { return without(l, isakmp.AttrCipher) },
		"another PRF":               func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, 13, 1) },
		"a group of its own":        func(l []isakmp.Attribute) []isakmp.Attribute { return with(l, 6, 23) },
	}) {
		f := a.forger()
		sa := offerIKE(1)
		t := &sa.Proposals[0].Transforms[0]
		t.Attributes = change(t.Attributes)
		f.offer = sa.Append(nil)
		a.refused(what, f, f.first(), f.isSecond)
	}
	for what, change := range inOrder(map[string]func(*isakmp.SecurityAssociation){
		"protocol AH":    func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Protocol = 2 },
		"transform id 0": func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Transforms[0].ID = 0 },
		"no proposal":    func(sa *isakmp.SecurityAssociation) { sa.Proposals = nil },
		"no transform":   func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Transforms = nil },
	}) {
		f := a.forger()
		sa := offerIKE(1)
		change(&sa)
		f.offer = sa.Append(nil)
		a.refused(what, f, f.first(), f.isSecond)
	}
}

// prime14 is the prime of group 14 (RFC 3526 §3).
const prime14 = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F" +
	"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510" +
	"15728E5A8AACAA68FFFFFFFFFFFFFFFF"

// badValues are public values of no good for group 14.
func badValues() map[string][]byte {
	p, _ := new(big.Int).SetString(prime14, 16)
	size := (p.BitLen() + 7) / 8
	near := func(d int64) []byte { return new(big.Int).Add(p, big.NewInt(d)).FillBytes(make([]byte, size)) }
	small := func(v int64) []byte { return big.NewInt(v).FillBytes(make([]byte, size)) }
	return map[string][]byte{
		"the public value 0": small(0), "the public value 1": small(1),
		"the public value p-1": near(-1), "the public value p": near(0), "the public value p+1": near(1),
		"a public value above p": bytes.Repeat([]byte{0xff}, size), "a short public value": small(2)[1:],
		"a long public value": append([]byte{0}, small(2)...), "no public value": {},
	}
}

func mustNotPublic(a *attack) {
	for what, value := range inOrder(badValues()) {
		f := a.forger()
		a.must(f.begin())
		f.gxi = value
		a.refused(what, f, f.third(), f.isFourth)
	}
}

func mustNotPFS(a *attack) {
	f := a.insider()
	group := func(q *quick) {
		sa := offerESP(q.spi)
		t := &sa.Proposals[0].Transforms[0]
		t.Attributes = append(t.Attributes, isakmp.Attribute{Type: isakmp.ESPGroup, Value: 14})
		q.sa = sa.Append(nil)
	}
	for what, value := range inOrder(badValues()) {
		q := a.quick(f)
		group(&q)
		q.more = append([]isakmp.Payload{{Type: isakmp.KE, Body: value}}, q.more...)
		a.refused(what+" with PFS", f, f.propose(q), q.accepted)
	}
	q := a.quick(f)
	group(&q)
	a.refused("a PFS group without a public value", f, f.propose(q), q.accepted)
	q = a.quick(f)
	a.refused("no PFS where it is configured", f, f.propose(q), q.accepted)
}

// quickRefused offers a quick mode that must not be accepted.
func (a *attack) quickRefused(f *forger, what string, change func(*quick)) {
	a.t.Helper()
	q := a.quick(f)
	change(&q)
	a.refused(what, f, f.propose(q), q.accepted)
}

func mustNotSPI(a *attack) {
	f := a.insider()
	for what, spi := range inOrder(map[string][]byte{
		"SPI 0": {0, 0, 0, 0}, "SPI 1": {0, 0, 0, 1}, "SPI 255": {0, 0, 0, 255}, "an SPI of 0 bytes": {}, "an SPI of 2 bytes": {9, 9},
		"an SPI of 3 bytes": {9, 9, 9}, "an SPI of 5 bytes": {9, 9, 9, 9, 9}, "an SPI of 8 bytes": make([]byte, 8), "an SPI of 16 bytes": a.bytes(16),
	}) {
		a.quickRefused(f, what, func(q *quick) { q.sa = offerESP(spi).Append(nil) })
	}
	a.must(f.child(a.quick(f)))
}

// rawID is a phase 2 identity of any type and bytes.
func rawID(kind isakmp.IDType, protocol uint8, port uint16, data ...byte) isakmp.Payload {
	return isakmp.Payload{Type: isakmp.ID, Body: isakmp.Identification{Type: kind, Protocol: protocol, Port: port, Data: data}.Append(nil)}
}

func mustNotSelectors(a *attack) {
	f := a.insider()
	own, theirs := a.pair()
	all := netip.MustParsePrefix("0.0.0.0/0")
	idc := a.bed.Sites.IDC.Networks()[0]
	half := func(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(p.Addr(), p.Bits()+1) }
	wide := func(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(p.Addr(), p.Bits()-8).Masked() }
	first, last := own.Addr().AsSlice(), own.Addr().As4()
	last[3] = 254
	for what, ids := range inOrder(map[string][]isakmp.Payload{
		"0.0.0.0/0 on both sides":      {network(all), network(all)},
		"0.0.0.0/0 of the peer's":      {network(all), network(theirs)},
		"0.0.0.0/0 of ours":            {network(own), network(all)},
		"the good peer's network":      {network(idc), network(theirs)},
		"a wider network":              {network(wide(own)), network(theirs)},
		"a narrower network":           {network(half(own)), network(theirs)},
		"the pair the wrong way round": {network(theirs), network(own)},
		"one identity":                 {network(own)},
		"three identities":             {network(own), network(theirs), network(own)},
		"no identity":                  nil,
		"one port":                     {rawID(isakmp.IPv4Subnet, 6, 22, append(first, 255, 255, 255, 0)...), network(theirs)},
		"a mask with holes":            {rawID(isakmp.IPv4Subnet, 0, 0, append(first, 255, 0, 255, 0)...), network(theirs)},
		"a range that is no network":   {rawID(isakmp.IPv4Range, 0, 0, append(first, last[:]...)...), network(theirs)},
		"a name":                       {network(own), rawID(isakmp.FQDN, 0, 0, []byte("victim.example")...)},
		"the address 0.0.0.0":          {rawID(isakmp.IPv4Addr, 0, 0, 0, 0, 0, 0), network(theirs)},
	}) {
		a.quickRefused(f, what, func(q *quick) { q.more = ids })
	}
	a.must(f.child(a.quick(f)))
}

func mustNotESP(a *attack) {
	f := a.insider()
	for what, change := range inOrder(map[string]func(*isakmp.SecurityAssociation, *isakmp.Transform){
		"ESP AES with a key of 0 bits": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.Attributes = with(t.Attributes, isakmp.ESPKeyLength, 0)
		},
		"ESP without integrity": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.Attributes = without(t.Attributes, isakmp.ESPAuth)
		},
		"ESP with integrity 0": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.Attributes = with(t.Attributes, isakmp.ESPAuth, 0)
		},
		"ESP without encryption": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.ID, t.Attributes = 11, without(t.Attributes, isakmp.ESPKeyLength)
		},
		"transport mode": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.Attributes = with(t.Attributes, isakmp.ESPEncap, 2)
		},
		"UDP encapsulation without NAT traversal": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.Attributes = with(t.Attributes, isakmp.ESPEncap, 3)
		},
		"a PFS group where none is configured": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.Attributes = with(t.Attributes, isakmp.ESPGroup, 14)
		},
		"extended sequence numbers": func(_ *isakmp.SecurityAssociation, t *isakmp.Transform) {
			t.Attributes = with(t.Attributes, 11, 1)
		},
		"AH": func(sa *isakmp.SecurityAssociation, _ *isakmp.Transform) { sa.Proposals[0].Protocol = 2 },
		"a bundle": func(sa *isakmp.SecurityAssociation, _ *isakmp.Transform) {
			sa.Proposals = append(sa.Proposals, sa.Proposals[0])
			sa.Proposals[1].Protocol = 2
		},
	}) {
		a.quickRefused(f, what, func(q *quick) {
			sa := offerESP(q.spi)
			change(&sa, &sa.Proposals[0].Transforms[0])
			q.sa = sa.Append(nil)
		})
	}
	a.must(f.child(a.quick(f)))
}

func mustNotNonces(a *attack) {
	for _, size := range []int{0, 1, 7, 257} {
		f := a.forger()
		a.must(f.begin())
		f.ni = a.bytes(size)
		a.refused("a short or long nonce in main mode", f, f.third(), f.isFourth)
	}
	f := a.insider()
	for _, size := range []int{0, 1, 7, 257} {
		a.quickRefused(f, "a short or long nonce in quick mode", func(q *quick) { q.ni = a.bytes(size) })
	}
}

func mustNotKeys(a *attack) {
	for _, key := range []string{"key of fence", "key of good", "", "x"} {
		f := newForger(a.wire, a.dice, a.peer(portIKE), a.port(portIKE), key)
		a.must(f.begin())
		a.must(f.agree())
		data, _ := f.fifth(f.identity())
		a.refused("another key", f, data, f.isSixth)
	}
	f := a.forger()
	a.must(f.begin())
	a.must(f.agree())
	good := isakmp.Identification{Type: isakmp.IPv4Addr, Data: a.bed.Sites.IDC.Public.Addr().AsSlice()}.Append(nil)
	forged, _ := f.seal(f.iv, f.header(isakmp.MainMode, 0), isakmp.Payload{Type: isakmp.ID, Body: good}, isakmp.Payload{Type: isakmp.Hash, Body: f.proof(f.identity())})
	a.refused("a hash of another identity", f, forged, f.isSixth)
	honest, _ := f.fifth(good)
	a.refused("the good peer's identity under the attacker's key", f, honest, f.isSixth)
	f = a.forger()
	a.must(f.begin())
	a.must(f.agree())
	f.iv = make([]byte, f.cbc.BlockSize())
	data, _ := f.fifth(f.identity())
	a.refused("message 5 under another IV", f, data, f.isSixth)
}

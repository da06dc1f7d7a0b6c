package v1

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// What must not be accepted, by whoever has the keys or not.

// Transforms of phase 1 that are ambiguous, or protect nothing.
func TestMustNotAcceptInPhase1(t *testing.T) {
	list := func(sa *isakmp.SecurityAssociation) *[]isakmp.Attribute {
		return &sa.Proposals[0].Transforms[0].Attributes
	}
	set := func(kind uint16, value uint64) func(*isakmp.SecurityAssociation) {
		return func(sa *isakmp.SecurityAssociation) {
			for i, a := range *list(sa) {
				if a.Type == kind {
					(*list(sa))[i].Value = value
				}
			}
		}
	}
	without := func(kind uint16) func(*isakmp.SecurityAssociation) {
		return func(sa *isakmp.SecurityAssociation) {
			var rest []isakmp.Attribute
			for _, a := range *list(sa) {
				if a.Type != kind {
					rest = append(rest, a)
				}
			}
			*list(sa) = rest
		}
	}
	twice := func(kind uint16) func(*isakmp.SecurityAssociation) {
		return func(sa *isakmp.SecurityAssociation) {
			for _, a := range *list(sa) {
				if a.Type == kind {
					*list(sa) = append(*list(sa), a)
					return
				}
			}
		}
	}
	for what, change := range map[string]func(*isakmp.SecurityAssociation){
		"no authentication method":  without(isakmp.AttrAuth),
		"signatures":                set(isakmp.AttrAuth, 3),
		"method 0":                  set(isakmp.AttrAuth, 0),
		"no cipher":                 without(isakmp.AttrCipher),
		"no hash":                   without(isakmp.AttrHash),
		"no group":                  without(isakmp.AttrGroup),
		"group 0":                   set(isakmp.AttrGroup, 0),
		"group 2 and 65536":         set(isakmp.AttrGroup, 2+1<<16),
		"a key length of 0":         set(isakmp.AttrKeyLength, 0),
		"a key length of 127":       set(isakmp.AttrKeyLength, 127),
		"a key length of 2^32":      set(isakmp.AttrKeyLength, 1<<32),
		"a key length of 128+65536": set(isakmp.AttrKeyLength, 128+1<<16),
		"two ciphers":               twice(isakmp.AttrCipher),
		"two hashes":                twice(isakmp.AttrHash),
		"two groups":                twice(isakmp.AttrGroup),
		"two methods":               twice(isakmp.AttrAuth),
		"two key lengths":           twice(isakmp.AttrKeyLength),
		"the protocol ESP":          func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Protocol = isakmp.ProtoESP },
		"a transform of number 2":   func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Transforms[0].ID = 2 },
		"a bundle":                  func(sa *isakmp.SecurityAssociation) { sa.Proposals = append(sa.Proposals, sa.Proposals[0]) },
		"no proposal":               func(sa *isakmp.SecurityAssociation) { sa.Proposals = nil },
		"no transform":              func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Transforms = nil },
	} {
		t.Run(what, func(t *testing.T) {
			a, b := peers()
			sa := offerIKE(&a)
			change(&sa)
			p := newPair(t, a, b)
			p.says(p.a, clearMessage(isakmp.Header{Initiator: [8]byte{1}, Exchange: isakmp.MainMode},
				[]isakmp.Payload{{Type: isakmp.SA, Body: sa.Append(nil)}}))
			if p.b.has(ike.SessionDown) == nil {
				t.Errorf("accepted as %v", p.b.s.phase1.choice.proposal)
			}
		})
	}
}

// First messages with more than one of what there is one of, or with very many
// vendor ids.
func TestSeveralOfOneInMessage1(t *testing.T) {
	a, b := peers()
	sa := isakmp.Payload{Type: isakmp.SA, Body: offerIKE(&a).Append(nil)}
	flood := func(n int) []isakmp.Payload {
		chain := []isakmp.Payload{sa}
		for i := range n {
			chain = append(chain, vendor(binary.BigEndian.AppendUint64(nil, uint64(i))))
		}
		return chain
	}
	for _, c := range []struct {
		what  string
		chain []isakmp.Payload
		taken bool
	}{
		{"two SAs", []isakmp.Payload{sa, sa}, false},
		{"90 vendor ids", flood(90), true},
		{"100 vendor ids", flood(isakmp.MaxPayloads), false},
	} {
		p := newPair(t, a, b)
		p.tamper = func(*end, []byte) []byte { return nil }
		p.says(p.a, clearMessage(isakmp.Header{Initiator: [8]byte{1}, Exchange: isakmp.MainMode}, c.chain))
		if taken := p.b.has(ike.SessionDown) == nil; taken != c.taken {
			t.Errorf("%s are taken: %v", c.what, taken)
		}
	}
}

// prime2 is the prime of group 2 (RFC 2409 §6.2).
var prime2, _ = hex.DecodeString("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74" +
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF")

// badPublics are public values that must not be taken.
func badPublics() map[string]struct {
	group ike.Group
	value []byte
} {
	small := func(size int, v byte) []byte { return append(make([]byte, size-1), v) }
	minus1 := bytes.Clone(prime2)
	minus1[len(minus1)-1]--
	type bad = struct {
		group ike.Group
		value []byte
	}
	return map[string]bad{
		"0": {2, small(128, 0)}, "1": {2, small(128, 1)}, "p-1": {2, minus1}, "p": {2, prime2},
		"beyond p":           {2, bytes.Repeat([]byte{0xff}, 128)},
		"nothing":            {2, nil},
		"a byte short":       {2, prime2[1:]},
		"a byte long":        {2, append([]byte{0}, small(128, 7)...)},
		"another group's":    {2, small(256, 7)},
		"outside a subgroup": {24, small(256, 2)},
		"no point":           {19, bytes.Repeat([]byte{7}, 64)},
	}
}

// In either phase and of either role a bad public value ends in nothing, and
// nothing is computed with it that the peer could see.
func TestBadPublicValues(t *testing.T) {
	for what, c := range badPublics() {
		t.Run(what, func(t *testing.T) {
			a, b := peers()
			a.Proposals = []ike.Proposal{{Cipher: fastIKE.Cipher, KeyBits: 128, Hash: fastIKE.Hash, Group: c.group}}
			b.Proposals = a.Proposals
			for _, from := range []state{wantResponderKey, wantInitiatorKey} {
				p := newPair(t, a, b)
				p.tamper = func(e *end, data []byte) []byte {
					if p.other(e).s.state == from {
						return rewritten(data, func(chain []isakmp.Payload) { chain[0].Body = c.value })
					}
					return data
				}
				p.start()
				if p.a.s.Established() || p.b.s.Established() {
					t.Errorf("phase 1, state %d: established", from)
				}
			}
			a.Proposals, b.Proposals = []ike.Proposal{fastIKE}, []ike.Proposal{fastIKE}
			withPFS(&a, c.group)
			withPFS(&b, c.group)
			p := newPair(t, a, b)
			p.step(p.a, ike.Begin{})
			p.says(p.a, p.asksWithKey(c.value))
			if p.b.s.responding() != 0 || len(p.b.sas) != 0 {
				t.Errorf("phase 2: %d quick modes go on, %d SAs", p.b.s.responding(), len(p.b.sas))
			}
		})
	}
}

// First messages of quick mode from a peer that has the keys.
func TestMustNotAcceptInQuickMode(t *testing.T) {
	child := first(peers()).Children[0]
	offer := offerESP(child, 0x7777, isakmp.EncapTunnel)
	sa := isakmp.Payload{Type: isakmp.SA, Body: offer.Append(nil)}
	nonce := isakmp.Payload{Type: isakmp.Nonce, Body: make([]byte, 16)}
	local, remote := qmID("192.168.1.0/24"), qmID("10.0.1.0/24")
	changed := func(change func(*isakmp.SecurityAssociation)) isakmp.Payload {
		again := offerESP(child, 0x7777, isakmp.EncapTunnel)
		change(&again)
		return isakmp.Payload{Type: isakmp.SA, Body: again.Append(nil)}
	}
	attribute := func(kind uint16, value uint64) isakmp.Payload {
		return changed(func(sa *isakmp.SecurityAssociation) {
			list := &sa.Proposals[0].Transforms[0].Attributes
			for i, a := range *list {
				if a.Type == kind {
					(*list)[i].Value = value
					return
				}
			}
			*list = append(*list, isakmp.Attribute{Type: kind, Value: value})
		})
	}
	second := func(kind uint16) isakmp.Payload {
		return changed(func(sa *isakmp.SecurityAssociation) {
			list := &sa.Proposals[0].Transforms[0].Attributes
			for _, a := range *list {
				if a.Type == kind {
					*list = append(*list, a)
					return
				}
			}
		})
	}
	port := isakmp.Identification{Type: isakmp.IPv4Subnet, Protocol: 6, Port: 22, Data: []byte{10, 0, 1, 0, 255, 255, 255, 0}}
	for what, chain := range map[string][]isakmp.Payload{
		"everything for everything": {sa, nonce, qmID("0.0.0.0/0"), qmID("0.0.0.0/0")},
		"everything to our network": {sa, nonce, qmID("0.0.0.0/0"), remote},
		"the networks exchanged":    {sa, nonce, remote, local},
		"one port":                  {sa, nonce, local, {Type: isakmp.ID, Body: port.Append(nil)}},
		"no identities":             {sa, nonce},
		"two SAs":                   {sa, sa, nonce, local, remote},
		"two nonces":                {sa, nonce, nonce, local, remote},
		"no SA":                     {nonce, local, remote},
		"a nonce of 7 bytes":        {sa, {Type: isakmp.Nonce, Body: make([]byte, 7)}, local, remote},
		"a nonce of 257 bytes":      {sa, {Type: isakmp.Nonce, Body: make([]byte, 257)}, local, remote},
		"AES of 0 bits":             {attribute(isakmp.ESPKeyLength, 0), nonce, local, remote},
		"AES of 129 bits":           {attribute(isakmp.ESPKeyLength, 129), nonce, local, remote},
		"AES of 65664 bits":         {attribute(isakmp.ESPKeyLength, 128+1<<16), nonce, local, remote},
		"integrity 0":               {attribute(isakmp.ESPAuth, 0), nonce, local, remote},
		"integrity of 2^32":         {attribute(isakmp.ESPAuth, 2+1<<32), nonce, local, remote},
		"transport mode":            {attribute(isakmp.ESPEncap, 2), nonce, local, remote},
		"no encapsulation mode":     {attribute(isakmp.ESPEncap, 0), nonce, local, remote},
		"PFS without a key":         {attribute(isakmp.ESPGroup, 2), nonce, local, remote},
		"two key lengths":           {second(isakmp.ESPKeyLength), nonce, local, remote},
		"two integrity algorithms":  {second(isakmp.ESPAuth), nonce, local, remote},
		"two encapsulation modes":   {second(isakmp.ESPEncap), nonce, local, remote},
		"no encryption":             {changed(func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Transforms[0].ID = 11 }), nonce, local, remote},
		"AH and ESP together": {changed(func(sa *isakmp.SecurityAssociation) {
			ah := sa.Proposals[0]
			ah.Protocol, ah.SPI = 2, spiBytes(0x8888)
			sa.Proposals = append([]isakmp.Proposal{ah}, sa.Proposals...)
		}), nonce, local, remote},
		"ESP and IPCOMP together": {changed(func(sa *isakmp.SecurityAssociation) {
			comp := sa.Proposals[0]
			comp.Protocol, comp.SPI = 4, []byte{0, 2}
			sa.Proposals = append(sa.Proposals, comp)
		}), nonce, local, remote},
		"SPI 0":             {changed(func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].SPI = spiBytes(0) }), nonce, local, remote},
		"SPI 255":           {changed(func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].SPI = spiBytes(255) }), nonce, local, remote},
		"an SPI of 8 bytes": {changed(func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].SPI = make([]byte, 8) }), nonce, local, remote},
	} {
		t.Run(what, func(t *testing.T) {
			p := establishedPair(t)
			p.says(p.a, p.a.sealed(isakmp.QuickMode, 77, chain...))
			if p.b.s.responding() != 0 || len(p.b.sas) != 2 || p.b.has(ike.Refused) == nil || !p.b.s.Established() {
				t.Errorf("%d quick modes go on, %d SAs, %v", p.b.s.responding(), len(p.b.sas), p.b.reports)
			}
		})
	}
}

// Quick modes that are not authentic, or are none.
func TestForgedQuickModes(t *testing.T) {
	p := establishedPair(t)
	s := p.a.s
	payloads := []isakmp.Payload{
		{Type: isakmp.SA, Body: offerESP(s.peer.Children[0], 0x7777, isakmp.EncapTunnel).Append(nil)},
		{Type: isakmp.Nonce, Body: make([]byte, 16)}, qmID("192.168.1.0/24"), qmID("10.0.1.0/24"),
	}
	sealed := func(mid uint32, chain []isakmp.Payload) []byte {
		data, _ := s.secrets.seal(s.secrets.iv2(s.iv, mid), s.header(isakmp.QuickMode, mid), chain)
		return data
	}
	good := s.secrets.hashed(payloads, midBytes(77))
	last := append(append([]isakmp.Payload(nil), good[1:]...), good[0])
	short := append([]isakmp.Payload{{Type: isakmp.Hash, Body: good[0].Body[:8]}}, payloads...)
	empty := append([]isakmp.Payload{{Type: isakmp.Hash}}, payloads...)
	bare := s.header(isakmp.QuickMode, 77)
	bare.Flags, bare.Length = isakmp.Encrypted, isakmp.HeaderSize
	for what, data := range map[string][]byte{
		"message id 0":       p.a.sealed(isakmp.QuickMode, 0, payloads...),
		"HASH at the end":    sealed(77, last),
		"no HASH":            sealed(77, payloads),
		"a short HASH":       sealed(77, short),
		"an empty HASH":      sealed(77, empty),
		"another message id": sealed(78, good),
		"in clear":           clearMessage(s.header(isakmp.QuickMode, 77), good),
		"nothing encrypted":  bare.Append(nil),
	} {
		p.says(p.a, data)
		if p.b.s.responding() != 0 || len(p.b.sent) != 0 {
			t.Errorf("%s: %d quick modes go on, %d answers", what, p.b.s.responding(), len(p.b.sent))
		}
	}
	p.says(p.a, sealed(77, good))
	if p.b.s.responding() != 1 {
		t.Errorf("the genuine one is not taken: %v", p.b.reports)
	}
}

// A recorded quick mode begins nothing, whatever else was said since: questions of
// dead peer detection do not make us forget it, and as many quick modes as
// there are between two sessions do not either.
func TestReplaysAfterManyExchanges(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	p.wantTunnel()
	recorded := p.a.sent[3] // QM1
	p.tamper = func(*end, []byte) []byte { return nil }
	for i := range uint32(quicksRemembered - 1) {
		p.says(p.a, p.a.asks(i+1, func(sa *isakmp.SecurityAssociation) { sa.Proposals[0].Protocol = 2 }))
		p.informs(p.a, 1<<21+i, question(isakmp.RUThere, nil, i))
		p.run(linger / 100)
	}
	p.run(2 * linger)
	p.b.sent, p.b.reports = nil, nil
	p.says(p.a, recorded)
	if len(p.b.sent)+len(p.b.reports)+p.b.s.responding() != 0 {
		t.Errorf("a replay does %v", p.b.reports)
	}
}

// Whatever comes instead of message 5 gets no more bytes than it has, and none of
// it makes more than one report. The harness counts the bytes.
func TestGarbageForMessage5(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for size := range 200 {
		p := newPair(t, first(peers()), second(peers()))
		p.tamper = func(_ *end, data []byte) []byte {
			if p.b.s.state == wantInitiatorID && p.a.s.state == wantResponderID {
				return nil // the genuine one
			}
			return data
		}
		p.start()
		h := p.b.s.header(isakmp.MainMode, 0)
		h.Flags, h.Next, h.Length = isakmp.Encrypted, isakmp.ID, uint32(isakmp.HeaderSize+size)
		data := h.Append(nil)
		for range size {
			data = append(data, byte(r.Uint32()))
		}
		before := len(p.b.reports)
		p.says(p.a, data)
		if n := len(p.b.reports) - before; n > 2 || p.b.s.state != wantInitiatorID {
			t.Fatalf("%d bytes: %v", size, p.b.reports[before:])
		}
	}
}

// One message of garbage is one report at most, in every state, so that a limit on
// lines is a limit on datagrams.
func TestOneReportForEachMessage(t *testing.T) {
	p := establishedPair(t)
	r := rand.New(rand.NewPCG(1, 6))
	for i := range 2000 {
		h := p.b.s.header([]isakmp.Exchange{isakmp.MainMode, isakmp.Informational, isakmp.QuickMode}[i%3], r.Uint32N(3))
		h.Flags, h.Next, h.Length = isakmp.Flags(r.Uint32N(4)), isakmp.PayloadType(r.Uint32N(14)), uint32(isakmp.HeaderSize+r.IntN(100)*8)
		data := h.Append(nil)
		for len(data) < int(h.Length) {
			data = append(data, byte(r.Uint32()))
		}
		p.b.reports, p.b.sent = nil, nil
		p.says(p.a, data)
		if len(p.b.reports) > 1 || len(p.b.sent) != 0 {
			t.Fatalf("%x does %s", data, fmt.Sprint(p.b.reports))
		}
	}
}

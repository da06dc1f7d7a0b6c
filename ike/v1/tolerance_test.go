package v1

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// What peers do that the RFCs do not quite say, and what they leave out.

// Each clear message may have payloads that we do not know, attributes may come
// in any order and a lifetime may be missing.
func TestUnusualMainMode(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		h, _ := isakmp.ParseHeader(data)
		if h.Flags&isakmp.Encrypted != 0 || p.b.s.state == wantOffer {
			return data // message 1 is under the hashes
		}
		chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
		return clearMessage(h, append(chain,
			isakmp.Payload{Type: isakmp.Vendor, Body: []byte("somebody")},
			isakmp.Payload{Type: 15, Body: make([]byte, 20)},
			isakmp.Payload{Type: 200, Body: nil}))
	}
	p.start()
	p.wantTunnel()
}

func TestAttributesInAnyOrder(t *testing.T) {
	a, b := peers()
	offer := offerIKE(&a)
	list := offer.Proposals[0].Transforms[0].Attributes
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	read, err := isakmp.ParseSA(offer.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	c, _, fault := chooseForAny([]*ike.Peer{&b}, read)
	if fault != nil || c.life.Time != a.Lifetime.Time {
		t.Fatalf("%v, %v", c.life, fault)
	}
	if !bytes.Equal(c.answer(nil).Append(nil), offer.Append(nil)) {
		t.Error("the answer is not an echo")
	}
	offer.Proposals[0].Transforms[0].Attributes = list[2:] // duration and type are the first two now
	if c, _, fault := chooseForAny([]*ike.Peer{&b}, offer); fault != nil || c.life.Time != defaultLife {
		t.Errorf("without a lifetime: %v, %v", c.life, fault)
	}
}

// Phase 1 identities may name UDP and a port.
func TestIdentityWithAPort(t *testing.T) {
	_, b := peers()
	for _, port := range []uint16{0, 500, 4500} {
		id := identity(b.RemoteID)
		id.Protocol, id.Port = 17, port
		if f := checkIdentity(&b, id.Append(nil)); f != nil {
			t.Errorf("UDP/%d: %v", port, f)
		}
	}
}

// A quick mode without identities is about the two hosts.
func TestQuickModeOfTheHosts(t *testing.T) {
	a, b := peers()
	hosts := xfrm.Selector{Local: host(addrA), Remote: host(addrB)}
	a.Children[0].Sel = hosts
	b.Children[0].Sel = xfrm.Selector{Local: hosts.Remote, Remote: hosts.Local}
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
	p.tamper = func(*end, []byte) []byte { return nil }
	p.b.sent = nil
	p.says(p.a, p.a.sealed(isakmp.QuickMode, 77,
		isakmp.Payload{Type: isakmp.SA, Body: offerESP(a.Children[0], 0x7777, isakmp.EncapTunnel).Append(nil)},
		isakmp.Payload{Type: isakmp.Nonce, Body: make([]byte, 16)}))
	if len(p.b.sent) != 1 || p.b.s.quicks[77].phase != wantProof {
		t.Errorf("%v", p.b.reports)
	}
}

// Some peers end quick mode with a fourth message, or say CONNECTED.
func TestFourthMessageOfQuickMode(t *testing.T) {
	p := establishedPair(t)
	reports := len(p.a.reports)
	for mid, q := range p.a.s.quicks {
		fourth, _ := p.b.s.secrets.seal(q.iv, p.b.s.header(isakmp.QuickMode, mid),
			p.b.s.secrets.hashed([]isakmp.Payload{notify(isakmp.Connected, nil, nil)}, midBytes(mid)))
		p.says(p.b, fourth)
	}
	if len(p.a.reports) != reports || len(p.a.sas) != 2 {
		t.Errorf("the fourth message does %v", p.a.reports[reports:])
	}
	p.informs(p.b, 99, notify(isakmp.Connected, nil, nil))
	if len(p.a.sas) != 2 || !p.a.s.Established() {
		t.Error("CONNECTED does harm")
	}
}

// Peers that have floated may still write plain tunnel mode, may send more NAT-D
// payloads than two, and those of a draft, of the RFC or of both.
func TestNATDetection(t *testing.T) {
	s := newSession(testEnv(1), netip.AddrPortFrom(addrA, 500), netip.AddrPortFrom(addrB, 500))
	s.phase1.choice.proposal = fastIKE
	ours, theirs, wrong := s.natHash(s.local), s.natHash(s.remote), make([]byte, 20)
	of := func(t isakmp.PayloadType, hashes ...[]byte) (chain []isakmp.Payload) {
		for _, h := range hashes {
			chain = append(chain, isakmp.Payload{Type: t, Body: h})
		}
		return chain
	}
	const cisco = isakmp.PayloadType(15) // what draft 00 and old Cisco use
	for _, c := range []struct {
		what   string
		chain  []isakmp.Payload
		want   nat
		agreed bool
	}{
		{"no translator", of(isakmp.NATD, ours, theirs), nat{}, true},
		{"several addresses of its own", of(isakmp.NATD, ours, wrong, theirs, wrong), nat{}, true},
		{"before us", of(isakmp.NATD, wrong, theirs), nat{here: true}, true},
		{"before the peer", of(isakmp.NATD, ours, wrong), nat{there: true}, true},
		{"before both", of(isakmp.NATD, wrong, wrong), nat{here: true, there: true}, true},
		{"in the wrong order", of(isakmp.NATD, theirs, ours), nat{here: true, there: true}, true},
		{"as the drafts have it", of(isakmp.NATDDraft, ours, wrong), nat{there: true}, true},
		{"as the drafts and the RFC have it", append(of(isakmp.NATDDraft, ours, theirs), of(isakmp.NATD, ours, theirs)...), nat{}, true},
		{"one payload", of(isakmp.NATD, ours), nat{}, false},
		{"one of each kind", append(of(isakmp.NATD, ours), of(isakmp.NATDDraft, theirs)...), nat{}, false},
		{"none", nil, nat{}, false},
		{"no hashes", of(isakmp.NATD, []byte{1}, nil), nat{}, false},
		{"of number 15", of(cisco, ours, theirs), nat{}, false},
	} {
		for _, v := range allowed(ike.NATTAuto) {
			s.nat, s.ext.natt = nat{}, v
			s.detectNAT(c.chain)
			if s.nat != c.want || s.ext.natt != natNone != c.agreed {
				t.Errorf("%s, version %d: %+v instead of %+v, %+v", c.what, v, s.nat, c.want, s.ext)
			}
		}
	}
	s.local, s.nat = netip.AddrPortFrom(addrA, xfrm.PortNATT), nat{there: true}
	inUDP := []uint64{isakmp.EncapUDPTunnel, isakmp.EncapUDPTunnelDraft}
	if !s.encapFits(isakmp.EncapTunnel) || !s.encapFits(inUDP[0]) || !s.encapFits(inUDP[1]) || s.encapFits(2) {
		t.Error("after floating")
	}
	s.local = netip.AddrPortFrom(addrA, xfrm.PortIKE)
	if !s.encapFits(isakmp.EncapTunnel) || s.encapFits(inUDP[0]) || s.encapFits(inUDP[1]) {
		t.Error("without floating")
	}
}

// A responder that has the keys may refuse message 5 under them: that is no hint
// but the end. It has the pre-shared key, so what it minds is our identity.
func TestAuthenticRefusalOfMessage5(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		if p.a.s.state == wantResponderID {
			return nil
		}
		return data
	}
	p.start()
	p.tamper = nil
	data := p.a.sealed(isakmp.Informational, 7, notify(isakmp.AuthenticationFailed, nil, nil))
	p.step(p.a, ike.Packet{Local: p.a.s.local, Remote: p.a.s.remote, Data: data})
	if f := p.a.wantFault(ike.SessionDown, ike.CauseIdentity); !strings.Contains(f.Text, "AUTHENTICATION-FAILED") || f.Key() != "ike.local_address" {
		t.Error(f.Error())
	}
}

// Answers to our quick mode that are not what was asked for.
func TestUselessAnswersInQuickMode(t *testing.T) {
	for _, c := range []struct {
		what   string
		group  ike.Group
		change func(q *quick) // of the responder's, before it answers
		cause  ike.Cause
	}{
		{"other networks", 0, func(q *quick) { q.ids[0].Body = networkID(netip.MustParsePrefix("10.7.0.0/16")).Append(nil) }, ike.CauseSelectors},
		{"no network but a name", 0, func(q *quick) { q.ids[1].Body = isakmp.Identification{Type: isakmp.FQDN}.Append(nil) }, ike.CauseSelectors},
		{"one identity", 0, func(q *quick) { q.ids = q.ids[:1] }, ike.CauseMalformed},
		{"a short nonce", 0, func(q *quick) { q.nr = q.nr[:4] }, ike.CauseMalformed},
		{"PFS that nobody asked for", 0, func(q *quick) { q.public = make([]byte, 128) }, ike.CausePFS},
		{"no public value", 2, func(q *quick) { q.public = nil }, ike.CausePFS},
		{"a short public value", 2, func(q *quick) { q.public = q.public[:96] }, ike.CauseMalformed},
	} {
		t.Run(c.what, func(t *testing.T) {
			a, b := peers()
			withPFS(&a, c.group)
			withPFS(&b, c.group)
			p := newPair(t, a, b)
			p.start()
			p.wantTunnel()
			p.tamper = func(from *end, data []byte) []byte {
				h, _ := isakmp.ParseHeader(data)
				q := p.b.s.quicks[h.MessageID]
				if from != p.b || q == nil || q.phase != wantProof || len(p.a.sent) < len(p.b.sent) {
					return data
				}
				c.change(q)
				chain := append(q.payloads(q.choice.answer(spiBytes(q.spiIn)).Append(nil), q.nr), q.ids...)
				q.iv = p.a.s.quicks[h.MessageID].iv
				return p.b.s.sealQuick(q, p.b.s.secrets.hashed(chain, midBytes(q.mid), q.ni))
			}
			p.step(p.a, ike.Negotiate{Child: a.Children[0]})
			p.a.wantFault(ike.ChildFailed, c.cause)
			if len(p.a.sas) != 2 || !p.a.s.Established() {
				t.Errorf("%d SAs instead of the 2 of before", len(p.a.sas))
			}
		})
	}
}

// Offers that are no use are told apart, and the advice is one that can be
// followed.
func TestUselessOffersInQuickMode(t *testing.T) {
	transform := func(sa *isakmp.SecurityAssociation) *isakmp.Transform { return &sa.Proposals[0].Transforms[0] }
	for _, c := range []struct {
		what   string
		change func(sa *isakmp.SecurityAssociation)
		cause  ike.Cause
		text   string
	}{
		{"transport mode", func(sa *isakmp.SecurityAssociation) { transform(sa).Attributes[2].Value = 2 },
			ike.CauseProposal, "tunnel mode"},
		{"transport mode, or DES", func(sa *isakmp.SecurityAssociation) {
			des := *transform(sa)
			des.ID, des.Attributes = 2, append([]isakmp.Attribute(nil), des.Attributes[1:]...)
			transform(sa).Attributes[2].Value = 2
			sa.Proposals[0].Transforms = append(sa.Proposals[0].Transforms, des)
		}, ike.CauseProposal, `encryption = "DES-CBC"`},
		{"an unknown cipher", func(sa *isakmp.SecurityAssociation) { transform(sa).ID = 99 },
			ike.CauseProposal, "encryption 99 with 128-bit keys"},
		{"an unknown group", func(sa *isakmp.SecurityAssociation) {
			list := &transform(sa).Attributes
			*list = append(*list, isakmp.Attribute{Type: isakmp.ESPGroup, Value: 3})
		}, ike.CausePFS, "DH group 3"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := establishedPair(t)
			p.says(p.a, p.a.asks(77, c.change))
			f := p.b.wantFault(ike.Refused, c.cause)
			if !strings.Contains(f.Error(), c.text) || strings.Contains(f.Advice, "write  in") {
				t.Error(f.Error())
			}
		})
	}
}

// What cannot be read as a quick mode's first message is refused, once.
func TestUnreadableOffersInQuickMode(t *testing.T) {
	offer := offerESP(first(peers()).Children[0], 0x7777, isakmp.EncapTunnel).Append(nil)
	sa, nonce := isakmp.Payload{Type: isakmp.SA, Body: offer}, isakmp.Payload{Type: isakmp.Nonce, Body: make([]byte, 16)}
	id := isakmp.Payload{Type: isakmp.ID, Body: networkID(netip.MustParsePrefix("10.0.0.0/8")).Append(nil)}
	zero := isakmp.Payload{Type: isakmp.ID, Body: isakmp.Identification{Type: isakmp.IPv4Addr, Data: make([]byte, 4)}.Append(nil)}
	for what, chain := range map[string][]isakmp.Payload{
		"nothing":                   nil,
		"no nonce":                  {sa},
		"three identities":          {sa, nonce, id, id, id},
		"an unspecified initiator":  {sa, nonce, zero, id},
		"an unspecified responder":  {sa, nonce, id, zero},
		"a nonce of 257 bytes":      {sa, {Type: isakmp.Nonce, Body: make([]byte, 257)}},
		"a public value for no PFS": {sa, nonce, {Type: isakmp.KE, Body: make([]byte, 128)}, qmID("192.168.1.0/24"), qmID("10.0.1.0/24")},
	} {
		t.Run(what, func(t *testing.T) {
			p := establishedPair(t)
			data := p.a.sealed(isakmp.QuickMode, 77, chain...)
			p.says(p.a, data)
			p.says(p.a, data)
			if len(p.b.sent) != 1 || p.b.has(ike.Refused) == nil || p.b.s.responding() != 0 {
				t.Errorf("%d answers, %v", len(p.b.sent), p.b.reports)
			}
			p.run(2 * time.Minute)
			if len(p.b.s.quicks) != 0 || !p.b.s.Established() {
				t.Error("it leaves something behind")
			}
		})
	}
}

func qmID(network string) isakmp.Payload {
	return isakmp.Payload{Type: isakmp.ID, Body: networkID(netip.MustParsePrefix(network)).Append(nil)}
}

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

// Each way of not fitting is explained in words of the configuration, on the
// side that sees it, and hinted at on the other.
func TestMisfits(t *testing.T) {
	for _, c := range []struct {
		what         string
		change       func(a, b *ike.Peer)
		cause        ike.Cause
		ours, theirs string
		advice       string
	}{
		{"no common proposal", func(a, _ *ike.Peer) {
			a.Proposals = []ike.Proposal{{Cipher: xfrm.TripleDESCBC, Hash: xfrm.MD5, Group: 2}}
		}, ike.CauseProposal, "AES-CBC-128/SHA1/GROUP2", "3DES-CBC/MD5/GROUP2", `encryption = "3DES-CBC" and integrity = "MD5"`},
		{"only the group differs", func(a, _ *ike.Peer) {
			a.Proposals = []ike.Proposal{{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1, Group: 5}}
		}, ike.CauseProposal, "AES-CBC-128/SHA1/GROUP2", "AES-CBC-128/SHA1/GROUP5", `write dh_group = "GROUP5" in [vpn_tunnel.b.ike]`},
		{"another key", func(a, _ *ike.Peer) { a.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("12345"))} },
			ike.CauseAuth, "", "", "same pre_shared_key"},
		{"another identity", func(a, _ *ike.Peer) { a.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "gz.example"} },
			ike.CauseIdentity, addrA.String(), "gz.example", `remote_fqdn = "gz.example"`},
	} {
		t.Run(c.what, func(t *testing.T) {
			a, b := peers()
			c.change(&a, &b)
			p := newPair(t, a, b)
			p.start()
			f := p.b.wantFault(ike.Refused, c.cause)
			if f.Ours != c.ours || f.Theirs != c.theirs || !strings.Contains(f.Advice, c.advice) {
				t.Errorf("explains %q; wants ours %q, theirs %q, advice %q", f.Error(), c.ours, c.theirs, c.advice)
			}
			p.a.wantFault(ike.Refused, c.cause)
			if p.a.has(ike.SessionDown) != nil {
				t.Error("an unauthenticated notification ended the session")
			}
			p.run(2 * time.Minute)
			p.a.wantFault(ike.SessionDown, c.cause)
			p.b.wantFault(ike.SessionDown, c.cause)
			p.a.wantFault(ike.ChildFailed, c.cause)
		})
	}
}

// A peer whose key differs may answer message 5 under its own keys, as
// strongSwan does. That is no more than a hint, since anybody could send it.
func TestAnAnswerUnderOtherKeysIsAHint(t *testing.T) {
	a, b := peers()
	a.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("12345"))}
	p := newPair(t, a, b)
	p.tamper = func(from *end, data []byte) []byte {
		h, err := isakmp.ParseHeader(data)
		if err != nil || from != p.b || h.Exchange != isakmp.Informational {
			return data
		}
		h.Flags |= isakmp.Encrypted
		h.MessageID, h.Length = 7, isakmp.HeaderSize+64
		return append(h.Append(nil), make([]byte, 64)...)
	}
	p.start()
	if f := p.a.wantFault(ike.Refused, ike.CauseAuth); !strings.Contains(f.Advice, "same pre_shared_key") {
		t.Error(f.Error())
	}
	if p.a.has(ike.SessionDown) != nil {
		t.Error("what is not authentic ended the session")
	}
}

// The responder's identity is the initiator's to check.
func TestInitiatorChecksIdentity(t *testing.T) {
	a, b := peers()
	b.LocalID = ike.AddressID(netip.MustParseAddr("192.0.2.9"))
	p := newPair(t, a, b)
	p.start()
	f := p.a.wantFault(ike.SessionDown, ike.CauseIdentity)
	if f.Theirs != "192.0.2.9" || !strings.Contains(f.Advice, `remote_address = "192.0.2.9"`) {
		t.Error(f.Error())
	}
}

// An initiator that nobody answers gives up after a minute and says so.
func TestNobodyAnswers(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(*end, []byte) []byte { return nil }
	p.start()
	p.run(2 * time.Minute)
	f := p.a.wantFault(ike.SessionDown, ike.CauseTimeout)
	if !strings.Contains(f.Text, addrB.String()) || !strings.Contains(f.Advice, "4500") {
		t.Error(f.Error())
	}
	if n := len(p.a.sent); n != len(retry) {
		t.Errorf("%d datagrams instead of %d", n, len(retry))
	}
	for _, data := range p.a.sent[1:] {
		if !bytes.Equal(data, p.a.sent[0]) {
			t.Error("a resend is not the same bytes")
		}
	}
}

func TestQuickMisfits(t *testing.T) {
	for _, c := range []struct {
		what         string
		change       func(a, b *ike.Peer)
		cause        ike.Cause
		ours, theirs string
		advice       string
	}{
		{"no common proposal", func(a, _ *ike.Peer) {
			a.Children[0].Proposals = []ike.Proposal{{Cipher: xfrm.DESCBC, Hash: xfrm.SHA1}}
		}, ike.CauseProposal, "AES-CBC-128/SHA1", "DES-CBC/SHA1/no PFS", `encryption = "DES-CBC"`},
		{"only the initiator has PFS", func(a, _ *ike.Peer) { withPFS(a, 2) },
			ike.CausePFS, "AES-CBC-128/SHA1", "AES-CBC-128/SHA1/GROUP2", `pfs = "DH-GROUP2"`},
		{"only the responder has PFS", func(_, b *ike.Peer) { withPFS(b, 2) },
			ike.CausePFS, "AES-CBC-128/SHA1/GROUP2", "AES-CBC-128/SHA1/no PFS", `pfs = "disable"`},
		{"another network", func(a, _ *ike.Peer) {
			a.Children[0].Sel.Remote = netip.MustParsePrefix("10.0.2.0/24")
		}, ike.CauseSelectors, "10.0.1.0/24 <-> 192.168.1.0/24", "10.0.2.0/24 <-> 192.168.1.0/24", `local = "10.0.2.0/24"`},
		{"a narrower network", func(a, _ *ike.Peer) {
			a.Children[0].Sel.Remote = netip.MustParsePrefix("10.0.1.0/25")
		}, ike.CauseSelectors, "10.0.1.0/24 <-> 192.168.1.0/24", "10.0.1.0/25 <-> 192.168.1.0/24", "add [[vpn_tunnel.b.spd]]"},
	} {
		t.Run(c.what, func(t *testing.T) {
			a, b := peers()
			a.Children, b.Children = append([]ike.Child(nil), a.Children...), append([]ike.Child(nil), b.Children...)
			c.change(&a, &b)
			p := newPair(t, a, b)
			p.start()
			f := p.b.wantFault(ike.Refused, c.cause)
			if f.Ours != c.ours || f.Theirs != c.theirs || !strings.Contains(f.Advice, c.advice) {
				t.Errorf("explains %q", f.Error())
			}
			failed := p.a.has(ike.ChildFailed)
			if failed == nil || failed.Fault == nil || failed.Fault.Advice == "" {
				t.Errorf("the initiator is told %v", p.a.reports)
			}
			if len(p.a.sas)+len(p.b.sas) != 0 || !p.a.s.Established() || !p.b.s.Established() {
				t.Error("the misfit left SAs behind, or took phase 1 down")
			}
		})
	}
}

// rewritten is a clear message whose payloads were changed on the way.
func rewritten(data []byte, change func(chain []isakmp.Payload)) []byte {
	h, _ := isakmp.ParseHeader(data)
	chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
	change(chain)
	return clearMessage(h, chain)
}

// A message of main mode that is of no use explains why main mode came to
// nothing, better than that no answer came.
func TestUselessAnswersExplainTheTimeout(t *testing.T) {
	for _, c := range []struct {
		what   string
		step   state // of the initiator that hears it
		change func(chain []isakmp.Payload)
		cause  ike.Cause
		text   string
	}{
		{"what was not offered", wantChoice, func(chain []isakmp.Payload) {
			a, _ := peers()
			a.Proposals = []ike.Proposal{{Cipher: xfrm.DESCBC, Hash: xfrm.MD5, Group: 1}}
			chain[0].Body = offerIKE(&a).Append(nil)
		}, ike.CauseProposal, "chose what we did not offer"},
		{"no SA at all", wantChoice, func(chain []isakmp.Payload) { chain[0].Type = isakmp.Vendor }, ike.CauseMalformed, "SA"},
		{"a short nonce", wantResponderKey, func(chain []isakmp.Payload) { chain[1].Body = chain[1].Body[:7] }, ike.CauseMalformed, "nonce"},
		{"a short public value", wantResponderKey, func(chain []isakmp.Payload) { chain[0].Body = chain[0].Body[:96] }, ike.CauseMalformed, "96 bytes"},
		{"a public value of 1", wantResponderKey, func(chain []isakmp.Payload) {
			chain[0].Body = append(make([]byte, 127), 1)
		}, ike.CauseMalformed, "group2"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPair(t, first(peers()), second(peers()))
			p.tamper = func(from *end, data []byte) []byte {
				if from == p.b && p.a.s.state == c.step {
					return rewritten(data, c.change)
				}
				return data
			}
			p.start()
			p.run(2 * time.Minute)
			if f := p.a.wantFault(ike.SessionDown, c.cause); !strings.Contains(f.Text, c.text) {
				t.Error(f.Error())
			}
		})
	}
}

// An initiator that wants another identity says so before it goes: the peer
// would else keep a session that nobody has.
func TestWrongResponderIsTold(t *testing.T) {
	a, b := peers()
	b.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "idc.example"}
	p := newPair(t, a, b)
	p.start()
	p.a.wantFault(ike.SessionDown, ike.CauseIdentity)
	p.b.wantFault(ike.SessionDown, ike.CauseDeleted)
	told := false
	for _, r := range p.b.reports {
		told = told || r.Kind == ike.MessageIn && r.Step == isakmp.InvalidID.String()
	}
	if !told {
		t.Errorf("the peer hears %v", p.b.reports)
	}
}

// Identities that the configuration cannot name get no advice that would not
// help.
func TestIdentitiesThatCannotBeConfigured(t *testing.T) {
	_, b := peers()
	for what, body := range map[string][]byte{
		"a key id":               isakmp.Identification{Type: 11, Data: []byte("xy")}.Append(nil),
		"an address of 3 bytes":  isakmp.Identification{Type: isakmp.IPv4Addr, Data: []byte{1, 2, 3}}.Append(nil),
		"less than its own type": {1},
	} {
		f := checkIdentity(&b, body)
		if f == nil || strings.Contains(f.Advice, "remote_fqdn") || strings.Contains(f.Advice, "remote_address") || f.Theirs == "" {
			t.Errorf("%s: %v", what, f)
		}
	}
	name := isakmp.Identification{Type: isakmp.FQDN, Data: []byte("a\nb\x00\"c")}.Append(nil)
	if f := checkIdentity(&b, name); strings.ContainsAny(f.Theirs, "\n\x00") {
		t.Errorf("a foreign name goes out as it came: %q", f.Theirs)
	}
}

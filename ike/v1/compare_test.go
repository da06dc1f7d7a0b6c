package v1

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// compared is what a fault compares, in one line: "ike.dh_group GROUP2/GROUP5 !".
func compared(f *ike.Fault) string {
	var all []string
	for _, p := range f.Compared {
		mark := ""
		if !p.Agrees {
			mark = " !"
		}
		all = append(all, fmt.Sprintf("%s %s/%s%s", p.Name, p.Ours, p.Theirs, mark))
	}
	return strings.Join(all, ", ")
}

// What the responder sees is told parameter by parameter; the initiator, which
// hears no more than that it was refused, tells what it may be. The names are the
// keys of the configuration.
func TestMisfitsAreComparedByParameter(t *testing.T) {
	suite := func(p ike.Proposal) func(a, b *ike.Peer) {
		return func(a, _ *ike.Peer) { a.Proposals = []ike.Proposal{p} }
	}
	esp := func(p ike.Proposal) func(a, b *ike.Peer) {
		return func(a, _ *ike.Peer) { a.Children[0].Proposals = []ike.Proposal{p} }
	}
	other := netip.MustParsePrefix("172.16.0.0/16")
	for _, c := range []struct {
		what         string
		change       func(a, b *ike.Peer)
		responder    string // what it compares
		key          string // that the responder blames
		peerAdvice   string
		hears        string // the key that the initiator blames
		compares     string // in what it compares
		theInitiator bool   // it is the initiator that sees all, and the responder that hears of it
	}{
		{"cipher", suite(ike.Proposal{Cipher: xfrm.TripleDESCBC, Hash: xfrm.SHA1, Group: 2}),
			"ike.encryption AES-CBC-128/3DES-CBC !, ike.integrity SHA1/SHA1, ike.dh_group GROUP2/GROUP2, ike.lifetime_seconds 86400/86400",
			"ike.encryption", "set encryption AES-CBC-128 in phase 1", "", "ike.encryption 3DES-CBC/ !", false},
		{"hash and group", suite(ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.MD5, Group: 5}),
			"ike.encryption AES-CBC-128/AES-CBC-128, ike.integrity SHA1/MD5 !, ike.dh_group GROUP2/GROUP5 !, ike.lifetime_seconds 86400/86400",
			"ike.integrity", "set integrity SHA1 and set DH group GROUP2 in phase 1", "", "ike.mode MAIN/ !", false},
		{"key", func(a, _ *ike.Peer) { a.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("12345"))} },
			"pre_shared_key / !", "pre_shared_key", "", "pre_shared_key", "pre_shared_key / !", false},
		{"the initiator's identity", func(a, _ *ike.Peer) { a.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "gz.example"} },
			"ike.remote_identity ADDRESS/FQDN !, ike.remote_fqdn /gz.example !", "ike.remote_identity",
			`make "203.195.147.82" its own identity`, "ike.local_fqdn", "ike.local_fqdn gz.example/ !", false},
		{"the responder's identity", func(_, b *ike.Peer) { b.LocalID = ike.AddressID(netip.MustParseAddr("192.0.2.9")) },
			"ike.remote_identity ADDRESS/ADDRESS, ike.remote_address 202.108.22.5/192.0.2.9 !", "ike.remote_address",
			`make "202.108.22.5" its own identity`, "ike.local_address", "ike.local_address 192.0.2.9/ !", true},
		{"cipher of ESP", esp(ike.Proposal{Cipher: xfrm.DESCBC, Hash: xfrm.SHA1}),
			"ipsec.encryption AES-CBC-128/DES-CBC !, ipsec.integrity SHA1/SHA1, ipsec.pfs disable/disable, ipsec.lifetime_seconds 3600/3600",
			"ipsec.encryption", "set encryption AES-CBC-128 in phase 2", "", "ipsec.encryption DES-CBC/ !", false},
		{"PFS of the initiator's", func(a, _ *ike.Peer) { withPFS(a, 2) },
			"ipsec.encryption AES-CBC-128/AES-CBC-128, ipsec.integrity SHA1/SHA1, ipsec.pfs disable/DH-GROUP2 !, ipsec.lifetime_seconds 3600/3600",
			"ipsec.pfs", "switch PFS off in phase 2", "", "ipsec.pfs DH-GROUP2/ !", false},
		{"PFS of the responder's", func(_, b *ike.Peer) { withPFS(b, 5) },
			"ipsec.encryption AES-CBC-128/AES-CBC-128, ipsec.integrity SHA1/SHA1, ipsec.pfs DH-GROUP5/disable !, ipsec.lifetime_seconds 3600/3600",
			"ipsec.pfs", "set PFS with DH-GROUP5 in phase 2", "", "ipsec.pfs disable/ !", false},
		{"the responder's network", func(a, _ *ike.Peer) { a.Children[0].Sel.Remote = other },
			"spd.local 10.0.1.0/24/172.16.0.0/16 !, spd.peer 192.168.1.0/24/192.168.1.0/24", "spd.local",
			"set the networks 192.168.1.0/24 on its side and 10.0.1.0/24 on ours", "", "spd.local 192.168.1.0/24/ !", false},
		{"the initiator's network", func(a, _ *ike.Peer) { a.Children[0].Sel.Local = other },
			"spd.local 10.0.1.0/24/10.0.1.0/24, spd.peer 192.168.1.0/24/172.16.0.0/16 !", "spd.peer",
			"set the networks 192.168.1.0/24 on its side and 10.0.1.0/24 on ours", "", "spd.peer 10.0.1.0/24/ !", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			a, b := peers()
			a.Children, b.Children = slices.Clone(a.Children), slices.Clone(b.Children)
			c.change(&a, &b)
			p := newPair(t, a, b)
			p.start()
			p.run(2 * time.Minute)
			sees, hears := p.b, p.a
			if c.theInitiator {
				sees, hears = p.a, p.b
			}
			f := fault(sees)
			if f == nil || compared(f) != c.responder || f.Key() != c.key || f.PeerAdvice != c.peerAdvice {
				t.Fatalf("compares %q, blames %q, says to the peer %q:\n%v", compared(f), f.Key(), f.PeerAdvice, f)
			}
			if f := fault(hears); f == nil || f.Key() != c.hears || !strings.Contains(compared(f), c.compares) {
				t.Errorf("the other side compares %q and blames %q", compared(f), f.Key())
			}
		})
	}
}

// fault is the first that an end tells of.
func fault(e *end) *ike.Fault {
	for _, r := range e.reports {
		if r.Fault != nil {
			return r.Fault
		}
	}
	return nil
}

// A peer that closes its new session before it asks for anything has seen no more
// of us than our identity (strongSwan does so without a word).
func TestPeerThatTakesPhase1Back(t *testing.T) {
	for what, late := range map[string]time.Duration{"at once": 0, "later": atOnce} {
		t.Run(what, func(t *testing.T) {
			p := newPair(t, first(peers()), second(peers()))
			p.tamper = func(_ *end, data []byte) []byte {
				if h, _ := isakmp.ParseHeader(data); h.Exchange == isakmp.QuickMode {
					return nil
				}
				return data
			}
			p.start()
			p.now = p.now.Add(late)
			p.informs(p.a, 7, isakmp.Payload{Type: isakmp.Delete, Body: isakmp.Deletion{
				Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{p.b.s.cookieSPI()},
			}.Append(nil)})
			p.b.wantFault(ike.SessionDown, ike.CauseDeleted)
			refused := p.b.has(ike.Refused)
			if told := refused != nil && refused.Fault.Key() == "ike.local_address"; told != (late == 0) {
				t.Errorf("it says %+v", refused)
			}
		})
	}
}

// Of many proposals the two that differ least are compared, and what nobody here
// could write is not advised.
func TestNearestProposal(t *testing.T) {
	_, b := peers()
	b.Name = "上海 1"
	b.Proposals = append([]ike.Proposal{{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA256, Group: 14}}, b.Proposals...)
	a := b
	a.Proposals = []ike.Proposal{{Cipher: xfrm.DESCBC, Hash: xfrm.MD5, Group: 1}, {Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA256, Group: 15}}
	_, _, f := chooseForAny([]*ike.Peer{&b}, offerIKE(&a))
	if f.Key() != "ike.dh_group" || f.Advice != `write dh_group = "GROUP15" in [vpn_tunnel."上海 1".ike]` {
		t.Errorf("blames %q: %v", f.Key(), f)
	}
	offer := offerIKE(&a)
	for i := range offer.Proposals[0].Transforms {
		list := offer.Proposals[0].Transforms[i].Attributes
		for k := range list {
			switch list[k].Type {
			case isakmp.AttrAuth:
				list[k].Value = 65001
			case isakmp.AttrGroup:
				list[k].Value = 14
			}
		}
	}
	_, _, f = chooseForAny([]*ike.Peer{&b}, offer)
	if f.Key() != "ike.authentication" || f.Advice != "" || !strings.Contains(f.Error(), "at the peer: set authentication method pre-shared key in phase 1") {
		t.Errorf("blames %q: %v", f.Key(), f)
	}
}

// A lifetime in a unit that is not ours would be agreed to by the answer, which
// echoes it.
func TestLifetimeOfAnotherType(t *testing.T) {
	a, b := peers()
	offer := offerIKE(&a)
	list := offer.Proposals[0].Transforms[0].Attributes
	list[slices.IndexFunc(list, func(x isakmp.Attribute) bool { return x.Type == isakmp.AttrLifeType })].Value = 3
	_, _, f := chooseForAny([]*ike.Peer{&b}, offer)
	if f == nil || f.Cause != ike.CauseLifetime || f.Key() != "ike.lifetime_seconds" {
		t.Fatalf("%v", f)
	}
}

// Message 5 under another key is garbage; one that was changed on the way is
// not, and its sender is not accused. The peer says it again, and all is well.
func TestDamageIsNotTakenForAnotherKey(t *testing.T) {
	for what, damage := range map[string]func(data []byte) []byte{
		"the end is missing": func(data []byte) []byte { return shortened(data, 5) },
		"a byte of the hash is another": func(data []byte) []byte {
			data[isakmp.HeaderSize+17]++
			return data
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := newPair(t, first(peers()), second(peers()))
			done := false
			p.tamper = func(from *end, data []byte) []byte {
				if h, _ := isakmp.ParseHeader(data); !done && from == p.a && h.Exchange == isakmp.MainMode && h.Flags&isakmp.Encrypted != 0 {
					done = true
					return damage(data)
				}
				return data
			}
			p.start()
			if f := p.b.wantFault(ike.Refused, ike.CauseMalformed); !strings.Contains(f.Text, "damaged") {
				t.Error(f)
			}
			if p.a.has(ike.Refused) != nil {
				t.Errorf("the peer is told of damage: %v", p.a.reports)
			}
			p.run(time.Minute)
			p.wantTunnel()
		})
	}
}

// shortened is a message that lost bytes at its end, its header being right.
func shortened(data []byte, n int) []byte {
	h, _ := isakmp.ParseHeader(data)
	h.Length = uint32(len(data) - n)
	return append(h.Append(nil), data[isakmp.HeaderSize:len(data)-n]...)
}

// How far phase 1 came tells what is in the way.
func TestSilenceIsToldByHowFarItCame(t *testing.T) {
	for _, c := range []struct {
		what string
		last int // message of phase 1 that passes
		nat  bool
		key  string
		text string
	}{
		{"nothing passes", 0, false, "udp.500", "nothing at all came back"},
		{"the first two pass", 2, false, "", "MM4 did not come"},
		{"UDP 4500 is closed", 4, true, "udp.4500", "not on UDP 4500"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPair(t, first(peers()), second(peers()))
			n := 0
			p.tamper = func(_ *end, data []byte) []byte {
				if n++; n > c.last {
					return nil
				}
				return data
			}
			if c.nat {
				p.b.s.remote = netip.AddrPortFrom(addrA, 501) // as a translator would have it
			}
			p.start()
			p.run(2 * time.Minute)
			if f := p.a.wantFault(ike.SessionDown, ike.CauseTimeout); f.Key() != c.key || !strings.Contains(f.Text, c.text) {
				t.Errorf("blames %q: %v", f.Key(), f)
			}
		})
	}
}

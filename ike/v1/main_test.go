package v1

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

func TestMainAndQuick(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	p.wantTunnel()
	if n := len(p.a.sent) + len(p.b.sent); n != 9 {
		t.Errorf("%d datagrams instead of 6 + 3", n)
	}
	if got := p.b.s.Peer(); got != "b" {
		t.Errorf("the responder takes the peer for %q", got)
	}
	for _, e := range []*end{p.a, p.b} {
		up := e.has(ike.SessionUp)
		if up == nil || up.Session.Proposal != fastIKE || up.Session.Expires != begin.Add(86400*time.Second) {
			t.Errorf("session up: %+v", up)
		}
	}
}

func first(a, _ ike.Peer) ike.Peer { return a }

func second(_, b ike.Peer) ike.Peer { return b }

// Every algorithm and group that the table has carries a session.
func TestEveryProposal(t *testing.T) {
	for _, prop := range everyProposal() {
		t.Run(prop.String(), func(t *testing.T) {
			a, b := peers()
			esp := prop
			a.Proposals, b.Proposals = []ike.Proposal{prop}, []ike.Proposal{prop}
			a.Children[0].Proposals, b.Children[0].Proposals = []ike.Proposal{esp}, []ike.Proposal{esp}
			p := newPair(t, a, b)
			p.start()
			p.wantTunnel()
		})
	}
}

func everyProposal() []ike.Proposal {
	var list []ike.Proposal
	for _, c := range []xfrm.Suite{{Cipher: xfrm.DESCBC}, {Cipher: xfrm.TripleDESCBC}, {Cipher: xfrm.AESCBC, KeyBits: 128}, {Cipher: xfrm.AESCBC, KeyBits: 192}, {Cipher: xfrm.AESCBC, KeyBits: 256}} {
		for _, h := range []xfrm.Hash{xfrm.MD5, xfrm.SHA1, xfrm.SHA256, xfrm.SHA384, xfrm.SHA512} {
			list = append(list, ike.Proposal{Cipher: c.Cipher, KeyBits: c.KeyBits, Hash: h, Group: 2})
		}
	}
	for _, g := range []ike.Group{1, 5, 14, 15, 16, 19, 20, 21, 24, 31} {
		list = append(list, ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA1, Group: g})
	}
	return list
}

// Of several proposals the responder takes the one that it likes best.
func TestResponderPrefersItsOwnOrder(t *testing.T) {
	a, b := peers()
	better := ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA256, Group: 2}
	a.Proposals, b.Proposals = []ike.Proposal{fastIKE, better}, []ike.Proposal{better, fastIKE}
	p := newPair(t, a, b)
	p.start()
	if up := p.a.has(ike.SessionUp); up == nil || up.Session.Proposal != better {
		t.Fatalf("%+v", up)
	}
}

func TestNames(t *testing.T) {
	a, b := peers()
	a.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "gz.example"}
	b.RemoteID = ike.ID{Kind: ike.IDFQDN, Text: "GZ.Example"}
	a.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("密钥 ключ"))}
	b.Keys = a.Keys
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
}

// In main mode the key is needed before the identity is known: of several peers
// behind one address the one whose key fits is the one.
func TestCandidatesByKey(t *testing.T) {
	a, b := peers()
	other, third := b, b
	other.Name, other.Keys = "other", []xfrm.Secret{xfrm.NewSecret([]byte("something else"))}
	third.Name, third.Proposals = "third", []ike.Proposal{{Cipher: xfrm.DESCBC, Hash: xfrm.MD5, Group: 1}}
	p := newPair(t, a, b)
	p.b.s = NewResponder(testEnv(2), []*ike.Peer{&third, &other, &b}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 500))
	p.start()
	p.wantTunnel()
	if got := p.b.s.Peer(); got != "b" {
		t.Errorf("the responder takes the peer for %q", got)
	}
}

// Several peers behind one address may have the same key: then it is the
// identity that tells them apart.
func TestCandidatesByIdentity(t *testing.T) {
	a, b := peers()
	a.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "gz.example"}
	other := b
	other.Name, other.RemoteID = "other", ike.ID{Kind: ike.IDFQDN, Text: "sh.example"}
	b.RemoteID = a.LocalID
	for _, candidates := range [][]*ike.Peer{{&other, &b}, {&b, &other}} {
		p := newPair(t, a, b)
		p.b.s = NewResponder(testEnv(2), candidates, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 500))
		p.start()
		p.wantTunnel()
		if got := p.b.s.Peer(); got != "b" {
			t.Errorf("the responder takes the peer for %q", got)
		}
	}
	p := newPair(t, a, b)
	p.b.s = NewResponder(testEnv(2), []*ike.Peer{&other, &other}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 500))
	p.start()
	if f := p.b.wantFault(ike.SessionDown, ike.CauseIdentity); f.Theirs != "gz.example" {
		t.Error(f.Error())
	}
}

// The shorter lifetime holds, whoever has it.
func TestPhase1Lifetime(t *testing.T) {
	for _, c := range []struct{ a, b, want time.Duration }{
		{time.Hour, 2 * time.Hour, time.Hour}, {2 * time.Hour, time.Hour, time.Hour}, {time.Hour, time.Hour, time.Hour},
	} {
		a, b := peers()
		a.Lifetime.Time, b.Lifetime.Time = c.a, c.b
		p := newPair(t, a, b)
		p.start()
		if up := p.b.has(ike.SessionUp); up.Session.Expires != begin.Add(c.want) {
			t.Errorf("%v and %v: the responder expires at %v", c.a, c.b, up.Session.Expires)
		}
		p.run(3 * time.Hour)
		p.b.wantFault(ike.SessionDown, ike.CauseExpired)
		if n := len(p.a.sas); n != 2 {
			t.Errorf("%d SAs outlive their phase 1 instead of 2", n)
		}
	}
}

// INITIAL-CONTACT goes out when asked for, and only then.
func TestInitialContact(t *testing.T) {
	for _, contact := range []bool{true, false} {
		t.Run(fmt.Sprint(contact), func(t *testing.T) {
			p := newPair(t, first(peers()), second(peers()))
			p.a.s.contact = func() bool { return contact }
			found := false
			p.tamper = func(from *end, data []byte) []byte {
				if h, _ := isakmp.ParseHeader(data); from == p.a && p.a.s.state == wantResponderID && h.Flags&isakmp.Encrypted != 0 {
					found = len(data) > 80
				}
				return data
			}
			p.start()
			p.wantTunnel()
			if found != contact {
				t.Errorf("INITIAL-CONTACT sent: %v", found)
			}
			if heard := p.b.has(ike.PeerRestarted) != nil; heard != contact {
				t.Errorf("INITIAL-CONTACT heard: %v", heard)
			}
		})
	}
}

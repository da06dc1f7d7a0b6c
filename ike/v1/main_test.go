package v1

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
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

func first(a, _ ike.Peer) ike.Peer  { return a }
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
		}, ike.CauseProposal, "AES-CBC-128/SHA1/GROUP2", "AES-CBC-128/SHA1/GROUP5", `write dh_group = "GROUP5" in the tunnel's [ike]`},
		{"another key", func(a, _ *ike.Peer) { a.PSK = xfrm.NewSecret([]byte("12345")) },
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
	a.PSK = xfrm.NewSecret([]byte("12345"))
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

func TestNames(t *testing.T) {
	a, b := peers()
	a.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "gz.example"}
	b.RemoteID = ike.ID{Kind: ike.IDFQDN, Text: "GZ.Example"}
	a.PSK, b.PSK = xfrm.NewSecret([]byte("密钥 ключ")), xfrm.NewSecret([]byte("密钥 ключ"))
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
}

// In main mode the key is needed before the identity is known: of several peers
// behind one address the one whose key fits is the one.
func TestCandidatesByKey(t *testing.T) {
	a, b := peers()
	other, third := b, b
	other.Name, other.PSK = "other", xfrm.NewSecret([]byte("something else"))
	third.Name, third.Proposals = "third", []ike.Proposal{{Cipher: xfrm.DESCBC, Hash: xfrm.MD5, Group: 1}}
	p := newPair(t, a, b)
	p.b.s = NewResponder(testEnv(2), []ike.Peer{third, other, b}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 500))
	p.start()
	p.wantTunnel()
	if got := p.b.s.Peer(); got != "b" {
		t.Errorf("the responder takes the peer for %q", got)
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

// A duplicate of any datagram changes nothing, and gets the same answer.
func TestEveryDatagramTwice(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	var wire [][]byte
	p.tamper = func(_ *end, data []byte) []byte { wire = append(wire, data); return data }
	p.start()
	p.wantTunnel()
	p.tamper = func(*end, []byte) []byte { return nil }
	want := map[int]int{0: 0, 2: 3, 4: 5, 6: 7, 7: 8} // which datagram answers which, of those still remembered
	for i, data := range wire {
		e := p.b
		if i == 1 || i == 3 || i == 5 || i == 7 {
			e = p.a
		}
		e.sent = nil
		p.step(e, ike.Packet{Local: e.s.local, Remote: e.s.remote, Data: data})
		if answer, ok := want[i]; ok && answer != 0 && (len(e.sent) != 1 || !bytes.Equal(e.sent[0], wire[answer])) {
			t.Errorf("a duplicate of datagram %d is answered by %x", i, e.sent)
		}
		if len(e.sent) > 1 {
			t.Errorf("a duplicate of datagram %d is answered %d times", i, len(e.sent))
		}
	}
	if n := len(p.a.sas) + len(p.b.sas); n != 4 {
		t.Errorf("%d SAs instead of 4", n)
	}
}

func TestDuplicatesAreBounded(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	var mm1 []byte
	p.tamper = func(_ *end, data []byte) []byte {
		if mm1 == nil {
			mm1 = data
			return data
		}
		return nil
	}
	p.start()
	p.b.sent = nil
	for range 1000 {
		p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: mm1})
	}
	if n := len(p.b.sent); n != duplicatesAnswered {
		t.Errorf("%d answers to 1000 duplicates", n)
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

// Bytes that are changed on the way do not end what goes on: the right ones
// still find everything in its place.
func TestForgedBeforeEachGenuine(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		to := p.other(from)
		if to.s.state == wantOffer {
			return data // a refused first message leaves nothing to go on with
		}
		places := []int{20} // the message id; more of a clear message cannot be told from a genuine one
		if data[19]&byte(isakmp.Encrypted) != 0 {
			places = []int{20, isakmp.HeaderSize, isakmp.HeaderSize + 9}
			if from.s.state != wantResponderID { // the end of message 5, INITIAL-CONTACT, is under no hash
				places = append(places, len(data)-1)
			}
		}
		saved := p.tamper
		p.tamper = func(*end, []byte) []byte { return nil }
		for _, at := range places {
			forged := bytes.Clone(data)
			forged[at] ^= 0x55
			p.step(to, ike.Packet{Local: to.s.local, Remote: to.s.remote, Data: forged})
		}
		p.tamper = saved
		return data
	}
	p.start()
	p.wantTunnel()
}

// Nothing that a stranger sends is answered by more bytes than it has, and a
// refused first message ends the session at once.
func TestStrangers(t *testing.T) {
	a, b := peers()
	good := clearMessage(isakmp.Header{Initiator: [8]byte{1}, Exchange: isakmp.MainMode}, []isakmp.Payload{
		{Type: isakmp.SA, Body: offerIKE(a).Append(nil)},
	})
	change := func(at int, b ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:], b)
		return data
	}
	for what, data := range map[string][]byte{
		"nothing":              {},
		"a header alone":       good[:isakmp.HeaderSize],
		"half an SA":           good[:isakmp.HeaderSize+10],
		"a message id":         change(20, 1),
		"a zero cookie":        change(0, make([]byte, 8)...),
		"a responder's cookie": change(8, 1),
		"encrypted":            change(19, 1),
		"quick mode":           change(18, 32),
		"informational":        change(18, 5),
		"aggressive mode":      change(18, 4),
		"an unknown exchange":  change(18, 77),
		"the wrong hash":       change(len(good)-22, 0x80, 2, 0, 99),
		"no SA payload":        change(16, 13),
	} {
		t.Run(what, func(t *testing.T) {
			p := newPair(t, a, b)
			p.tamper = func(*end, []byte) []byte { return nil }
			p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: data})
			out := 0
			for _, sent := range p.b.sent {
				out += len(sent)
			}
			if out > len(data) {
				t.Errorf("%d bytes are answered by %d", len(data), out)
			}
			if p.b.s.state == wantInitiatorKey {
				t.Error("it is taken for a first message")
			}
		})
	}
}

// The shortest message 1 that is good is still not shorter than its answer; so
// are the shortest message 3 and its.
func TestNoAmplification(t *testing.T) {
	a, b := peers()
	p := newPair(t, a, b)
	p.tamper = func(from *end, data []byte) []byte {
		h, _ := isakmp.ParseHeader(data)
		if from != p.a || h.Exchange != isakmp.MainMode || h.Flags&isakmp.Encrypted != 0 {
			return data
		}
		chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
		for i := range chain {
			if chain[i].Type == isakmp.Nonce {
				chain[i].Body = chain[i].Body[:minNonce]
			}
		}
		chain = chain[:map[isakmp.PayloadType]int{isakmp.SA: 1, isakmp.KE: 2}[h.Next]]
		short := clearMessage(h, chain)
		before := len(p.b.sent)
		p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: short})
		if len(p.b.sent) > before && len(p.b.sent[before]) > len(short) {
			t.Errorf("%d bytes are answered by %d", len(short), len(p.b.sent[before]))
		}
		return nil
	}
	p.start()
	if len(p.b.sent) == 0 {
		t.Error("the responder said nothing")
	}
}

// A responder that hears nothing more forgets the session without a word.
func TestHalfOpenEnds(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		if from == p.b {
			return nil
		}
		return data
	}
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.tamper = func(*end, []byte) []byte { return nil }
	p.b.sent = nil
	p.run(halfOpen)
	if p.b.has(ike.SessionDown) == nil || len(p.b.sent) != 0 {
		t.Errorf("%v, %d datagrams", p.b.reports, len(p.b.sent))
	}
}

// A translator before the initiator: both find it, both float to port 4500, ESP
// goes in UDP to the translated port, and the inner side keeps the mapping.
func TestNATTraversal(t *testing.T) {
	a, b := peers()
	inside := netip.MustParseAddr("10.99.0.2")
	p := newPair(t, a, b)
	p.a.s = NewInitiator(testEnv(1), a, netip.AddrPortFrom(inside, 500), netip.AddrPortFrom(addrB, 500), true)
	n := &translator{pair: p, inside: inside, ports: map[uint16]uint16{500: 30000}}
	p.b.s = NewResponder(testEnv(2), []ike.Peer{b}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 30000))
	n.give(n.a, ike.Negotiate{Child: a.Children[0]})
	if p.a.s.nat.String() != "here" || p.b.s.nat.String() != "there" {
		t.Fatalf("NAT: %q and %q", p.a.s.nat, p.b.s.nat)
	}
	up, peer := p.a.has(ike.ChildUp), p.b.has(ike.ChildUp)
	if up == nil || peer == nil {
		t.Fatalf("no child: %v %v", p.a.reports, p.b.reports)
	}
	out := p.b.sas[peer.Child.SPIOut]
	if out.Encap != (xfrm.Encap{SrcPort: 4500, DstPort: n.ports[4500]}) || out.Dst != addrA {
		t.Errorf("the responder sends to %v, %+v", out.Dst, out.Encap)
	}
	if in := p.a.sas[up.Child.SPIIn]; in.Encap != (xfrm.Encap{SrcPort: 4500, DstPort: 4500}) || in.Dst != inside {
		t.Errorf("the initiator hears on %v, %+v", in.Dst, in.Encap)
	}
	if wake, ok := p.a.s.Wake(); !ok || wake.After(begin.Add(keepaliveEvery)) {
		t.Errorf("no keepalive before %v", wake)
	}
	alive := p.a.s.Step(begin.Add(keepaliveEvery), ike.Tick{})
	if len(alive) != 1 || alive[0] != (ike.Keepalive{Local: p.a.s.local, Remote: p.a.s.remote}) {
		t.Errorf("instead of a keepalive: %v", alive)
	}
}

// translator sits before the initiator and gives each of its ports another.
type translator struct {
	*pair
	inside netip.Addr
	ports  map[uint16]uint16
}

func (n *translator) give(e *end, in ike.Input) {
	for _, action := range e.s.Step(n.now, in) {
		switch action := action.(type) {
		case ike.Send:
			n.translate(e, action)
		case ike.Compute:
			n.give(e, ike.Computed{ID: action.ID, Result: action.Do()})
		case ike.Install:
			e.sas[action.SA.SPI] = action.SA
		case ike.Report:
			e.reports = append(e.reports, action)
		}
	}
}

func (n *translator) translate(from *end, s ike.Send) {
	if from == n.a {
		port, ok := n.ports[s.Local.Port()]
		if !ok {
			port = 30000 + uint16(len(n.ports))
			n.ports[s.Local.Port()] = port
		}
		n.give(n.b, ike.Packet{Local: s.Remote, Remote: netip.AddrPortFrom(addrA, port), Data: s.Data})
		return
	}
	for inner, outer := range n.ports {
		if outer == s.Remote.Port() {
			n.give(n.a, ike.Packet{Local: netip.AddrPortFrom(n.inside, inner), Remote: s.Local, Data: s.Data})
		}
	}
}

// INITIAL-CONTACT goes out when asked for, and only then.
func TestInitialContact(t *testing.T) {
	for _, contact := range []bool{true, false} {
		t.Run(fmt.Sprint(contact), func(t *testing.T) {
			p := newPair(t, first(peers()), second(peers()))
			p.a.s.contact = contact
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

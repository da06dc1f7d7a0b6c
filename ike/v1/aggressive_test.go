package v1

import (
	"bytes"
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

// aggressivePeers are two ends that fit each other in aggressive mode.
func aggressivePeers() (a, b ike.Peer) {
	a, b = peers()
	a.Mode, b.Mode = ike.Aggressive, ike.Aggressive
	return a, b
}

// aggressivePair is a pair in aggressive mode; change may change either end.
func aggressivePair(t *testing.T, change func(a, b *ike.Peer)) *pair {
	a, b := aggressivePeers()
	if change != nil {
		change(&a, &b)
	}
	return newPair(t, a, b)
}

// exchange is that of a datagram.
func exchange(data []byte) isakmp.Exchange { return isakmp.Exchange(data[18]) }

// isAM3 tells message 3 by its sender.
func (p *pair) isAM3(from *end, data []byte) bool {
	return from == p.a && exchange(data) == isakmp.AggressiveMode && p.a.s.Established()
}

func (e *end) steps(k ike.Kind) string {
	var all []string
	for _, r := range e.reports {
		if r.Kind == k && r.Exchange == ike.Aggressive.String() {
			all = append(all, r.Step)
		}
	}
	slices.Sort(all) // the pair is so quick that a report comes after what it led to
	return strings.Join(all, " ")
}

// Three messages, and then quick mode as after main mode.
func TestAggressiveMode(t *testing.T) {
	p := aggressivePair(t, nil)
	p.start()
	p.wantTunnel()
	if len(p.a.sent) != 4 || len(p.b.sent) != 2 {
		t.Errorf("%d and %d datagrams", len(p.a.sent), len(p.b.sent))
	}
	for _, e := range []*end{p.a, p.b} {
		up := e.has(ike.SessionUp)
		if up == nil || up.Session.Mode != ike.Aggressive || up.Session.Proposal != fastIKE || up.Session.OldKey {
			t.Errorf("session up: %+v", up)
		}
	}
	if out, in := p.a.steps(ike.MessageOut), p.a.steps(ike.MessageIn); out != "AM1 AM3" || in != "AM2" {
		t.Errorf("the initiator sends %q and hears %q", out, in)
	}
	if out, in := p.b.steps(ike.MessageOut), p.b.steps(ike.MessageIn); out != "AM2" || in != "AM1 AM3" {
		t.Errorf("the responder sends %q and hears %q", out, in)
	}
	if got := p.b.s.Peer(); got != "b" || p.b.has(ike.PeerRestarted) == nil {
		t.Errorf("the responder takes the peer for %q", got)
	}
}

func TestAggressiveModeWithEveryProposal(t *testing.T) {
	for _, prop := range everyProposal() {
		t.Run(prop.String(), func(t *testing.T) {
			p := aggressivePair(t, func(a, b *ike.Peer) {
				a.Proposals, b.Proposals = []ike.Proposal{prop}, []ike.Proposal{prop}
				withPFS(a, prop.Group)
				withPFS(b, prop.Group)
			})
			p.start()
			p.wantTunnel()
			if in, out := len(p.a.sent[0]), len(p.b.sent[0]); out > in {
				t.Errorf("message 1 has %d bytes, its answer %d", in, out)
			}
			p.a.reports, p.b.reports = nil, nil
			p.step(p.b, ike.Negotiate{Child: p.b.s.peer.Children[0]})
			p.wantTunnel()
		})
	}
}

// The group is the first proposal's, and only proposals that have it go out.
func TestAggressiveModeHasOneGroup(t *testing.T) {
	other := fastIKE
	other.Group, other.Hash = 14, xfrm.SHA256
	better := fastIKE
	better.Hash = xfrm.SHA256
	p := aggressivePair(t, func(a, b *ike.Peer) {
		a.Proposals, b.Proposals = []ike.Proposal{fastIKE, other, better}, []ike.Proposal{other, better, fastIKE}
	})
	p.start()
	p.wantTunnel()
	if got := p.b.has(ike.SessionUp).Session.Proposal; got != better {
		t.Errorf("agreed on %v", got)
	}
}

// Identities of every kind tell the tunnels of one address apart, and the key is
// that of the tunnel.
func TestAggressiveModeByIdentity(t *testing.T) {
	name := ike.ID{Kind: ike.IDFQDN, Text: "gz.example"}
	a, b := aggressivePeers()
	a.LocalID, b.RemoteID = name, ike.ID{Kind: ike.IDFQDN, Text: "GZ.Example"}
	b.LocalID = ike.ID{Kind: ike.IDFQDN, Text: strings.Repeat("idc.", 50) + "example"}
	a.RemoteID = b.LocalID
	other := b
	other.Name, other.RemoteID = "other", ike.ID{Kind: ike.IDFQDN, Text: "sh.example"}
	other.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("something else"))}
	main := b
	main.Name, main.Mode = "main", ike.Main
	p := newPair(t, a, b)
	p.b.s = NewResponder(testEnv(2), []*ike.Peer{&main, &other, &b}, p.b.s.local, p.b.s.remote)
	p.start()
	p.wantTunnel()
	if got := p.b.s.Peer(); got != "b" || p.a.has(ike.SessionUp).Session.PeerID != b.LocalID.Text {
		t.Errorf("the responder takes the peer for %q", got)
	}
	if in, out := len(p.a.sent[0]), len(p.b.sent[0]); out > in {
		t.Errorf("message 1 has %d bytes, its answer %d", in, out)
	}
}

// A peer without an identity of its own has that of its address, in both modes.
func TestIdentityOfTheAddress(t *testing.T) {
	for _, mode := range []ike.Mode{ike.Main, ike.Aggressive} {
		p := aggressivePair(t, func(a, b *ike.Peer) {
			a.Mode, b.Mode = mode, mode
			a.RemoteID, b.RemoteID, b.Remote = ike.ID{}, ike.ID{}, netip.Addr{}
		})
		p.start()
		p.wantTunnel()
	}
}

// Whichever datagram is lost, the tunnel is up after the first resend; and each
// may come twice.
func TestAggressiveModeLosesADatagram(t *testing.T) {
	for lost := range 6 {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			p, n := aggressivePair(t, nil), 0
			p.tamper = func(_ *end, data []byte) []byte {
				if n++; n == lost+1 {
					return nil
				}
				return data
			}
			p.start()
			p.run(2 * time.Second)
			p.wantTunnel()
			p.run(3 * time.Minute)
			if n > 9 {
				t.Errorf("%d datagrams", n)
			}
		})
	}
}

func TestAggressiveModeDoublesEachDatagram(t *testing.T) {
	p := aggressivePair(t, nil)
	var wire [][]byte
	p.tamper = func(_ *end, data []byte) []byte { wire = append(wire, data); return data }
	p.start()
	p.wantTunnel()
	p.tamper = func(*end, []byte) []byte { return nil }
	answers := map[int]int{1: 2, 3: 4, 4: 5} // what is left to answer a duplicate once all is done
	for i, data := range wire {
		e := p.b
		if i == 1 || i == 4 {
			e = p.a
		}
		e.sent = nil
		p.step(e, ike.Packet{Local: e.s.local, Remote: e.s.remote, Data: data})
		answer, ok := answers[i]
		if ok != (len(e.sent) == 1) || ok && !bytes.Equal(e.sent[0], wire[answer]) {
			t.Errorf("a duplicate of datagram %d is answered by %x", i, e.sent)
		}
	}
	if n := len(p.a.sas) + len(p.b.sas); n != 4 {
		t.Errorf("%d SAs instead of 4", n)
	}
}

// Message 2 is resent only to who sends message 1 again, and not without end.
func TestAggressiveResponderWaits(t *testing.T) {
	p := aggressivePair(t, nil)
	p.tamper = func(from *end, data []byte) []byte {
		if from == p.b {
			return nil
		}
		return data
	}
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	am1 := p.a.sent[0]
	p.b.sent = nil
	for range 100 {
		p.says(p.a, am1)
	}
	if n := len(p.b.sent); n != duplicatesAnswered {
		t.Errorf("%d answers to 100 duplicates", n)
	}
	p.tamper = func(*end, []byte) []byte { return nil }
	p.b.sent = nil
	p.run(halfOpen)
	if f := p.b.wantFault(ike.SessionDown, ike.CauseAuth); !strings.Contains(f.Text, "AM3") && f.Advice == "" {
		t.Error(f.Error())
	}
	p.says(p.a, am1)
	if len(p.b.sent) != 0 {
		t.Errorf("%d datagrams of a session that is over", len(p.b.sent))
	}
}

// When nothing is heard after message 3 the session ends with its first quick
// mode, and does not stay to swallow the next one.
func TestNothingFollowsMessage3(t *testing.T) {
	p := aggressivePair(t, nil)
	p.tamper = func(from *end, data []byte) []byte {
		if p.a.s.Established() {
			return nil
		}
		return data
	}
	p.start()
	p.run(2 * time.Minute)
	p.a.wantFault(ike.ChildFailed, ike.CauseTimeout)
	p.a.wantFault(ike.SessionDown, ike.CauseTimeout)
	if n := len(p.a.sent); n != 1+len(retry)*2 {
		t.Errorf("%d datagrams", n)
	}
}

// A session that replaces another one has no quick mode at first. Message 3 goes out
// for a while, in case that it was lost, and then the session stands all the same.
func TestNothingIsAskedAfterMessage3(t *testing.T) {
	p := aggressivePair(t, nil)
	p.step(p.a, ike.Begin{})
	p.run(time.Hour)
	if !p.a.s.Established() || !p.b.s.Established() || len(p.a.sent) != 2+len(retry)-1 || len(p.b.sent) != 1 {
		t.Fatalf("%d and %d datagrams, %v", len(p.a.sent), len(p.b.sent), p.a.reports)
	}
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.wantTunnel()
}

// A network that lets UDP 500 pass and not UDP 4500 shows only after message 3.
func TestAggressiveModeWithoutPort4500(t *testing.T) {
	a, b := aggressivePeers()
	a.NATT = ike.NATTForce
	p := newPair(t, a, b)
	p.tamper = func(from *end, data []byte) []byte {
		if from.s.local.Port() == xfrm.PortNATT {
			return nil
		}
		return data
	}
	p.start()
	p.run(2 * time.Minute)
	if f := p.a.wantFault(ike.SessionDown, ike.CauseTimeout); !strings.Contains(f.Text, "not on UDP 4500") {
		t.Error(f.Error())
	}
}

// inTheClear makes message 3 one that is not encrypted, as some peers send it; the
// first IV of phase 1 is then also its last block.
func (p *pair) inTheClear(data []byte) []byte {
	h, _ := isakmp.ParseHeader(data)
	o, err := p.b.s.secrets.open(p.b.s.iv, message{Header: h, raw: data})
	if err != nil {
		p.t.Fatal(err)
	}
	p.a.s.iv = p.b.s.iv
	h.Flags &^= isakmp.Encrypted
	return clearMessage(h, o.chain)
}

func TestMessage3InTheClear(t *testing.T) {
	p := aggressivePair(t, nil)
	p.tamper = func(from *end, data []byte) []byte {
		switch {
		case p.isAM3(from, data):
			return p.inTheClear(data)
		case exchange(data) == isakmp.QuickMode:
			return nil // made with the other IV
		}
		return data
	}
	p.start()
	if !p.b.s.Established() || p.b.has(ike.PeerRestarted) != nil {
		t.Fatalf("%v", p.b.reports)
	}
	p.tamper = nil
	clear(p.a.s.quicks)
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.wantTunnel()
	p.a.reports, p.b.reports = nil, nil
	p.step(p.b, ike.Negotiate{Child: p.b.s.peer.Children[0]})
	p.wantTunnel()
}

// INITIAL-CONTACT goes out when asked for, and only then.
func TestInitialContactInAggressiveMode(t *testing.T) {
	p := aggressivePair(t, nil)
	p.a.s.contact = func() bool { return false }
	p.start()
	p.wantTunnel()
	if p.b.has(ike.PeerRestarted) != nil {
		t.Error("INITIAL-CONTACT is heard")
	}
}

// A translator before the initiator: message 3 goes out from port 4500, and all
// that follows.
func TestAggressiveModeThroughATranslator(t *testing.T) {
	for _, natt := range []ike.NATT{ike.NATTAuto, ike.NATTDraft, ike.NATTForce} {
		a, b := aggressivePeers()
		a.NATT = natt
		n := behind(t, a, b)
		n.now = n.now.Add(afterProof)
		n.give(n.a, ike.Tick{})
		if n.a.s.nat.String() != "here" || n.b.s.nat.String() != "there" {
			t.Fatalf("%v: NAT %q and %q", natt, n.a.s.nat, n.b.s.nat)
		}
		n.wantInUDP()
		n.wantKeepalive()
	}
}

// Each way of not fitting is explained on the side that sees it, and hinted at on
// the other.
func TestAggressiveMisfits(t *testing.T) {
	name := ike.ID{Kind: ike.IDFQDN, Text: "gz.example"}
	for _, c := range []struct {
		what   string
		change func(a, b *ike.Peer)
		seen   func(p *pair) *end
		cause  ike.Cause
		advice string
		hinted ike.Cause
	}{
		{"no common proposal", func(a, _ *ike.Peer) {
			a.Proposals = []ike.Proposal{{Cipher: xfrm.TripleDESCBC, Hash: xfrm.MD5, Group: 2}}
		},
			responder, ike.CauseProposal, "3DES-CBC", ike.CauseProposal},
		{"another group", func(a, _ *ike.Peer) { a.Proposals = []ike.Proposal{withGroup(fastIKE, 5)} },
			responder, ike.CauseProposal, "GROUP5", ike.CauseProposal},
		{"an initiator of another name", func(a, _ *ike.Peer) { a.LocalID = name },
			responder, ike.CauseIdentity, `remote_fqdn = "gz.example"`, ike.CauseIdentity},
		{"another key", func(a, _ *ike.Peer) { a.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("12345"))} },
			initiator, ike.CauseAuth, "same pre_shared_key", ike.CauseAuth},
		{"an older key", func(a, b *ike.Peer) { b.Keys = append([]xfrm.Secret{xfrm.NewSecret([]byte("new"))}, a.Keys...) },
			responder, ike.CauseAuth, "first of several keys", ike.CauseAuth},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := aggressivePair(t, c.change)
			p.start()
			if f := c.seen(p).wantFault(ike.Refused, c.cause); !strings.Contains(f.Advice, c.advice) {
				t.Errorf("explains %q", f.Error())
			}
			if p.a.has(ike.SessionDown) != nil {
				t.Error("what is not authenticated ended the session")
			}
			p.other(c.seen(p)).wantFault(ike.Refused, c.hinted)
			p.run(2 * time.Minute)
			p.a.wantFault(ike.SessionDown, c.cause)
			p.b.wantFault(ike.SessionDown, c.cause)
		})
	}
}

func initiator(p *pair) *end { return p.a }
func responder(p *pair) *end { return p.b }

func withGroup(p ike.Proposal, g ike.Group) ike.Proposal {
	p.Group = g
	return p
}

// A responder that has the key and another name is told so under the keys, and
// nothing of it stays.
func TestAggressiveResponderOfAnotherName(t *testing.T) {
	p := aggressivePair(t, func(_, b *ike.Peer) { b.LocalID = ike.ID{Kind: ike.IDFQDN, Text: "idc.example"} })
	p.start()
	if f := p.a.wantFault(ike.SessionDown, ike.CauseIdentity); f.Theirs != "idc.example" {
		t.Error(f.Error())
	}
	p.b.wantFault(ike.SessionDown, ike.CauseIdentity)
}

// The two modes do not mix, and whoever is asked says so.
func TestModesDoNotMix(t *testing.T) {
	for theirs, ours := range map[ike.Mode]ike.Mode{ike.Main: ike.Aggressive, ike.Aggressive: ike.Main} {
		t.Run(theirs.String(), func(t *testing.T) {
			p := aggressivePair(t, func(a, b *ike.Peer) { a.Mode, b.Mode = theirs, ours })
			p.start()
			f := p.b.wantFault(ike.SessionDown, ike.CauseMode)
			if f.Ours != ours.String() || f.Theirs != theirs.String() || !strings.Contains(f.Advice, "mode = ") ||
				!strings.Contains(f.PeerAdvice, ours.String()) {
				t.Errorf("explains %q", f.Error())
			}
			if len(p.b.sent) != 1 || len(p.b.sent[0]) > len(p.a.sent[0]) || exchange(p.b.sent[0]) != isakmp.Informational {
				t.Errorf("answers %x", p.b.sent)
			}
			p.run(2 * time.Minute)
			if p.a.has(ike.SessionDown) == nil {
				t.Error("the initiator goes on")
			}
		})
	}
}

// In main mode a responder tries every key of the peer, and tells of an old one.
func TestKeysInRotation(t *testing.T) {
	keys := []xfrm.Secret{xfrm.NewSecret([]byte("newest")), xfrm.NewSecret([]byte("older")), xfrm.NewSecret([]byte("oldest"))}
	for i := range keys {
		a, b := peers()
		a.Keys, b.Keys = keys[i:], keys
		p := newPair(t, a, b)
		p.start()
		p.wantTunnel()
		if old := p.b.has(ike.SessionUp).Session.OldKey; old != (i > 0) {
			t.Errorf("key %d: an old key: %v", i, old)
		}
		if p.a.has(ike.SessionUp).Session.OldKey {
			t.Errorf("key %d: the initiator began with an old key", i)
		}
	}
	a, b := aggressivePeers()
	a.Keys, b.Keys = keys, keys
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
}

// While message 1 may be forged the responder sends no more bytes than it got:
// for a short message 1 it waits until that has come again.
func TestAggressiveModeDoesNotAmplify(t *testing.T) {
	for _, hash := range []xfrm.Hash{xfrm.MD5, xfrm.SHA1, xfrm.SHA256, xfrm.SHA512} {
		for _, group := range []ike.Group{2, 31} {
			for _, id := range []string{"idc", strings.Repeat("idc.", 60)} {
				t.Run(fmt.Sprintf("%v, %v, %d", hash, group, len(id)), func(t *testing.T) {
					p := aggressivePair(t, func(a, b *ike.Peer) {
						prop := withGroup(fastIKE, group)
						prop.Hash = hash
						a.Proposals, b.Proposals = []ike.Proposal{prop}, []ike.Proposal{prop}
						b.LocalID = ike.ID{Kind: ike.IDFQDN, Text: id}
						a.RemoteID = b.LocalID
					})
					in, out := 0, 0
					p.tamper = func(from *end, data []byte) []byte {
						if exchange(data) != isakmp.AggressiveMode || p.a.s.Established() {
							return data
						}
						if from == p.b {
							out += len(data)
						} else {
							data = withoutBallast(data)
							in += len(data)
						}
						if out > in {
							t.Errorf("%d bytes are answered by %d", in, out)
						}
						return data
					}
					p.start()
					p.run(15 * time.Second)
					p.wantTunnel()
				})
			}
		}
	}
}

// withoutBallast is message 1 as short as other peers send it.
func withoutBallast(data []byte) []byte {
	h, _ := isakmp.ParseHeader(data)
	chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
	return clearMessage(h, slices.DeleteFunc(chain, func(p isakmp.Payload) bool { return bytes.HasPrefix(p.Body, vendorTwinspan) }))
}

// To strongSwan's message 1, whose vendor ids have 96 bytes, the answer with SHA1
// goes out at once and with all that both can do.
func TestAnswerToStrongSwan(t *testing.T) {
	p := aggressivePair(t, nil)
	p.tamper = func(from *end, data []byte) []byte {
		if from != p.a || p.b.s.state != wantOffer {
			return data
		}
		h, _ := isakmp.ParseHeader(data)
		chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
		vendors := []isakmp.Payload{
			vendor(make([]byte, 8)), vendor(vendorDPD), vendor(make([]byte, 20)),
			vendor(natVendors[natRFC]), vendor(natVendors[natDraft2ln]),
		}
		return clearMessage(h, append(chain[:4], vendors...))
	}
	p.start()
	p.wantTunnel()
	if !p.b.s.ext.dpd || p.b.s.ext.natt != natRFC || !p.a.s.ext.dpd {
		t.Errorf("%+v and %+v", p.a.s.ext, p.b.s.ext)
	}
}

// A bit that flips in any message, wherever, and comes before the right one: a
// wrong message 2 does no harm at all. Of message 3 only the hash is authentic
// (RFC 2409 §5.4): who changes what comes after it can make the two ends disagree
// about the last block, and then they begin anew.
func TestBitsFlipInAggressiveMode(t *testing.T) {
	for n := 1; n < 6; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			for bit := 0; bit < 8*520; bit += 13 {
				p, at := aggressivePair(t, nil), -1
				p.tamper = func(from *end, data []byte) []byte {
					if at++; at == n && bit < 8*len(data) {
						p.unheard(p.other(from), flipped(data, bit))
					}
					return data
				}
				p.start()
				p.run(2 * time.Minute)
				up, down := p.a.has(ike.ChildUp) != nil, p.a.has(ike.SessionDown) != nil
				if !up && (n == 1 || !down) {
					t.Fatalf("bit %d: up %v, down %v: %v", bit, up, down, p.a.reports)
				}
			}
		})
	}
}

func flipped(data []byte, bit int) []byte {
	forged := bytes.Clone(data)
	forged[bit/8] ^= 1 << (bit % 8)
	return forged
}

// unheard lets an end hear a datagram, and loses what it answers.
func (p *pair) unheard(to *end, data []byte) {
	saved := p.tamper
	p.tamper = func(*end, []byte) []byte { return nil }
	p.step(to, ike.Packet{Local: to.s.local, Remote: to.s.remote, Data: data})
	p.tamper = saved
}

// Once the session stands none of these messages changes it, right or wrong.
func TestNothingChangesAnEstablishedSession(t *testing.T) {
	p := aggressivePair(t, nil)
	type sent struct {
		to   *end
		data []byte
	}
	var wire []sent
	p.tamper = func(from *end, data []byte) []byte { wire = append(wire, sent{p.other(from), data}); return data }
	p.start()
	p.wantTunnel()
	ivs := [][]byte{bytes.Clone(p.a.s.iv), bytes.Clone(p.b.s.iv)}
	statuses := []ike.SessionStatus{p.a.s.status, p.b.s.status}
	for _, d := range wire {
		for bit := 0; bit < 8*len(d.data); bit += 3 {
			p.unheard(d.to, flipped(d.data, bit))
		}
	}
	for i, e := range []*end{p.a, p.b} {
		if !e.s.Established() || len(e.sas) != 2 || !bytes.Equal(e.s.iv, ivs[i]) || e.s.status != statuses[i] {
			t.Errorf("end %d: %+v", i, e.s.status)
		}
	}
	p.tamper, p.a.reports, p.b.reports = nil, nil, nil
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.wantTunnel()
}

// forgedAnswers is a pair whose initiator hears n forged answers before the
// genuine one: message 2 with another public value each.
func forgedAnswers(t *testing.T, n int) (p *pair, computed int) {
	p = aggressivePair(t, nil)
	var forge func(from *end, data []byte) []byte
	forge = func(from *end, data []byte) []byte {
		if from != p.b || exchange(data) != isakmp.AggressiveMode {
			return data
		}
		p.tamper = nil
		for i := range n {
			forged := rewritten(data, func(chain []isakmp.Payload) { chain[2].Body = bytes.Repeat([]byte{byte(i)}, 32) })
			for range 3 {
				p.step(p.a, ike.Packet{Local: p.a.s.local, Remote: p.a.s.remote, Data: forged})
			}
		}
		computed = len(p.a.s.phase1.forged)
		p.tamper = forge
		return data
	}
	p.tamper = forge
	p.start()
	return p, computed
}

// Answers that are not the peer's do not keep its own out, unless there are many,
// and what they make us compute is bounded.
func TestForgedAnswersInAggressiveMode(t *testing.T) {
	p, computed := forgedAnswers(t, maxForged-1)
	p.wantTunnel()
	if computed != maxForged-1 {
		t.Errorf("%d computations", computed)
	}
	p.a.wantFault(ike.Refused, ike.CauseAuth)
	p, computed = forgedAnswers(t, 50)
	if computed != maxForged || p.a.s.Established() {
		t.Errorf("%d computations", computed)
	}
	notified := 0
	for _, r := range p.a.reports {
		if r.Kind == ike.MessageOut && r.Exchange == isakmp.Informational.String() {
			notified++
		}
	}
	if notified != maxNotified {
		t.Errorf("%d notifications", notified)
	}
}

// Message 1 that is not whole leaves nothing behind.
func TestMessage1ThatIsNotWhole(t *testing.T) {
	a, _ := aggressivePeers()
	two := a
	two.Proposals = []ike.Proposal{withGroup(fastIKE, 14), fastIKE}
	for what, change := range map[string]func(chain []isakmp.Payload){
		"no public value":               func(chain []isakmp.Payload) { chain[1].Type = isakmp.Vendor },
		"a short public value":          func(chain []isakmp.Payload) { chain[1].Body = chain[1].Body[:96] },
		"no nonce":                      func(chain []isakmp.Payload) { chain[2].Type = isakmp.Vendor },
		"a short nonce":                 func(chain []isakmp.Payload) { chain[2].Body = chain[2].Body[:7] },
		"no identity":                   func(chain []isakmp.Payload) { chain[3].Type = isakmp.Vendor },
		"an identity of no kind":        func(chain []isakmp.Payload) { chain[3].Body = []byte{1} },
		"another group before ours":     func(chain []isakmp.Payload) { chain[0].Body = offerIKE(&two).Append(nil) },
		"a public value of 1":           func(chain []isakmp.Payload) { chain[1].Body = append(make([]byte, 127), 1) },
		"more of an offer than is read": func(chain []isakmp.Payload) { chain[0].Body = make([]byte, maxOffer+1) },
	} {
		t.Run(what, func(t *testing.T) {
			p := aggressivePair(t, nil)
			p.tamper = func(from *end, data []byte) []byte {
				if from == p.b || p.b.s.state != wantOffer {
					return nil
				}
				return rewritten(data, change)
			}
			p.start()
			if p.b.has(ike.SessionDown) == nil || len(p.b.sent) > 1 {
				t.Errorf("%v", p.b.reports)
			}
		})
	}
}

// Of an offer with several groups only the transforms of the first one's count,
// since the public value is of that.
func TestSeveralGroupsBesideOnePublicValue(t *testing.T) {
	a, b := aggressivePeers()
	a.Proposals = []ike.Proposal{fastIKE, withGroup(fastIKE, 24), withGroup(fastIKE, 14)}
	sa := withFirstGroup(offerIKE(&a))
	if list := sa.Proposals[0].Transforms; len(list) != 1 || attributes(list[0])[isakmp.AttrGroup] != 2 {
		t.Errorf("%v", list)
	}
	b.Proposals = []ike.Proposal{withGroup(fastIKE, 14)}
	if c, _, fault := chooseForAny([]*ike.Peer{&b}, sa); fault == nil {
		t.Errorf("chooses %v", c.proposal)
	}
	if list := withFirstGroup(isakmp.SecurityAssociation{}).Proposals; len(list) != 0 {
		t.Errorf("of nothing: %v", list)
	}
}

// Message 3 that is not authentic changes nothing, clear or encrypted.
func TestForgedMessage3(t *testing.T) {
	p := aggressivePair(t, nil)
	p.tamper = func(from *end, data []byte) []byte {
		if !p.isAM3(from, data) || p.b.s.state != wantInitiatorProof {
			return data
		}
		saved := p.tamper
		p.tamper = func(*end, []byte) []byte { return nil }
		for _, proof := range [][]byte{nil, make([]byte, 20), make([]byte, 4)} {
			h := p.a.s.header(isakmp.AggressiveMode, 0)
			chain := []isakmp.Payload{{Type: isakmp.Hash, Body: proof}}
			sealed, _ := p.a.s.secrets.seal(p.b.s.iv, h, chain)
			p.says(p.a, sealed)
			p.says(p.a, clearMessage(h, chain))
		}
		p.tamper = saved
		return data
	}
	p.start()
	p.wantTunnel()
	p.b.wantFault(ike.Refused, ike.CauseAuth)
}

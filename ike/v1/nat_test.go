package v1

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// A translator before the initiator: both find it, both float to port 4500, ESP
// goes in UDP to the translated port, and the inner side keeps the mapping. The
// RFC and the drafts have other numbers for it.
func TestNATTraversal(t *testing.T) {
	for _, c := range []struct {
		here, there ike.NATT
		payload     isakmp.PayloadType
		encap       uint64
	}{
		{ike.NATTAuto, ike.NATTAuto, isakmp.NATD, isakmp.EncapUDPTunnel},
		{ike.NATTAuto, ike.NATTForce, isakmp.NATD, isakmp.EncapUDPTunnel},
		{ike.NATTForce, ike.NATTRFC, isakmp.NATD, isakmp.EncapUDPTunnel},
		{ike.NATTRFC, ike.NATTAuto, isakmp.NATD, isakmp.EncapUDPTunnel},
		{ike.NATTDraft, ike.NATTAuto, isakmp.NATDDraft, isakmp.EncapUDPTunnelDraft},
		{ike.NATTAuto, ike.NATTDraft, isakmp.NATDDraft, isakmp.EncapUDPTunnelDraft},
		{ike.NATTDraft, ike.NATTForce, isakmp.NATDDraft, isakmp.EncapUDPTunnelDraft},
	} {
		t.Run(fmt.Sprintf("%v, %v", c.here, c.there), func(t *testing.T) {
			n := behindTranslator(t, c.here, c.there)
			if !n.a.s.nat.here || n.a.s.nat.there != (c.there == ike.NATTForce) || n.b.s.nat.String() != "there" {
				t.Fatalf("NAT: %q and %q", n.a.s.nat, n.b.s.nat)
			}
			n.wantInUDP()
			for _, data := range [][]byte{n.a.sent[1], n.b.sent[1]} {
				chain := clearChain(data)
				if all := isakmp.All(chain, c.payload); len(all) != 2 || len(chain) != 4 {
					t.Errorf("%d payloads of number %d among %d", len(all), c.payload, len(chain))
				}
			}
			for _, q := range n.a.s.quicks {
				if q.encap != c.encap || q.choice.encap != c.encap {
					t.Errorf("the encapsulation mode is %d, answered by %d", q.encap, q.choice.encap)
				}
			}
			n.wantKeepalive()
		})
	}
}

// Where one end has NAT traversal off, there is none: nothing is announced by
// it, nothing is detected, and nobody floats.
func TestNATTraversalOff(t *testing.T) {
	for _, words := range [][2]ike.NATT{{ike.NATTOff, ike.NATTAuto}, {ike.NATTForce, ike.NATTOff}, {ike.NATTRFC, ike.NATTDraft}} {
		t.Run(fmt.Sprintf("%v, %v", words[0], words[1]), func(t *testing.T) {
			n := behindTranslator(t, words[0], words[1])
			for _, e := range []*end{n.a, n.b} {
				if e.s.nat != (nat{}) || e.s.floated() || e.s.local.Port() != xfrm.PortIKE || e.has(ike.ChildUp) == nil {
					t.Errorf("%+v at %v, %v", e.s.nat, e.s.local, e.reports)
				}
				for _, sa := range e.sas {
					if sa.Encap != (xfrm.Encap{}) {
						t.Errorf("ESP goes in UDP: %+v", sa.Encap)
					}
				}
			}
			for _, v := range isakmp.All(clearChain(n.a.sent[0]), isakmp.Vendor) {
				if words[0] == ike.NATTOff && slices.ContainsFunc(natVendors[:], func(id []byte) bool { return bytes.Equal(id, v) }) {
					t.Errorf("%x is announced", v)
				}
			}
		})
	}
}

// clearChain are the payloads of a message in clear.
func clearChain(data []byte) []isakmp.Payload {
	h, _ := isakmp.ParseHeader(data)
	chain, _, _ := isakmp.Chain(h.Next, data[isakmp.HeaderSize:])
	return chain
}

// translator sits before the initiator and gives each of its ports another.
type translator struct {
	*pair
	inside, outside netip.Addr
	ports           map[uint16]uint16
	amid            func() // is called with each datagram of a's, before it is translated
}

// behindTranslator is a pair with a translator before a, after it has negotiated.
func behindTranslator(t *testing.T, here, there ike.NATT) *translator {
	a, b := peers()
	a.NATT, b.NATT = here, there
	return behind(t, a, b)
}

// behind is the same for any two peers.
func behind(t *testing.T, a, b ike.Peer) *translator {
	n := &translator{
		pair: newPair(t, a, b), inside: netip.MustParseAddr("10.99.0.2"), outside: addrA,
		ports: map[uint16]uint16{500: 30000, 4500: 30001}, amid: func() {},
	}
	n.a.s = NewInitiator(testEnv(1), &a, netip.AddrPortFrom(n.inside, 500), netip.AddrPortFrom(addrB, 500), contact)
	n.b.s = NewResponder(testEnv(2), []*ike.Peer{&b}, netip.AddrPortFrom(addrB, 500), netip.AddrPortFrom(addrA, 30000))
	n.give(n.a, ike.Negotiate{Child: a.Children[0]})
	return n
}

func (n *translator) give(e *end, in ike.Input) {
	for _, action := range e.s.Step(n.now, in) {
		switch action := action.(type) {
		case ike.Send:
			e.sent = append(e.sent, action.Data)
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
		n.amid()
		n.give(n.b, ike.Packet{Local: s.Remote, Remote: n.mapped(s.Local.Port()), Data: s.Data})
		return
	}
	for inner, outer := range n.ports {
		if s.Remote == netip.AddrPortFrom(n.outside, outer) {
			n.give(n.a, ike.Packet{Local: netip.AddrPortFrom(n.inside, inner), Remote: s.Local, Data: s.Data})
		}
	}
}

// mapped is what a port of the initiator's looks like from outside.
func (n *translator) mapped(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(n.outside, n.ports[port])
}

// wantInUDP says that the newest SAs are in UDP, from and to the ports of now.
func (n *translator) wantInUDP() {
	n.t.Helper()
	up, peer := n.a.last(ike.ChildUp), n.b.last(ike.ChildUp)
	if up == nil || peer == nil {
		n.t.Fatalf("no child: %v %v", n.a.reports, n.b.reports)
	}
	to := n.mapped(4500)
	out := n.b.sas[peer.Child.SPIOut]
	if out.Encap != (xfrm.Encap{SrcPort: 4500, DstPort: to.Port()}) || out.Dst != to.Addr() || peer.Child.Remote != to {
		n.t.Errorf("the responder sends to %v, %+v, %v", out.Dst, out.Encap, peer.Child.Remote)
	}
	if in := n.a.sas[up.Child.SPIIn]; in.Encap != (xfrm.Encap{SrcPort: 4500, DstPort: 4500}) || in.Dst != n.inside {
		n.t.Errorf("the initiator hears on %v, %+v", in.Dst, in.Encap)
	}
}

func (n *translator) wantKeepalive() {
	n.t.Helper()
	if wake, ok := n.a.s.Wake(); !ok || wake.After(begin.Add(keepaliveEvery)) {
		n.t.Errorf("no keepalive before %v", wake)
	}
	alive := n.a.s.Step(begin.Add(keepaliveEvery), ike.Tick{})
	if len(alive) != 1 || alive[0] != (ike.Keepalive{Local: n.a.s.local, Remote: n.a.s.remote}) {
		n.t.Errorf("instead of a keepalive: %v", alive)
	}
}

// last is the newest report of a kind.
func (e *end) last(k ike.Kind) *ike.Report {
	for i := range e.reports {
		if r := &e.reports[len(e.reports)-1-i]; r.Kind == k {
			return r
		}
	}
	return nil
}

// moves are the reports that the peer has moved.
func (e *end) moves() (to []netip.AddrPort) {
	for _, r := range e.reports {
		if r.Kind == ike.PeerMoved {
			to = append(to, r.Remote)
		}
	}
	return to
}

// A translator that forgets its mapping and gives another: with the first
// authentic message from there, whichever it is, all that follows goes there. It
// is said once.
func TestPeerIsFollowed(t *testing.T) {
	for what, speak := range map[string]func(n *translator){
		"by a quick mode": func(n *translator) { n.give(n.a, ike.Negotiate{Child: n.a.s.peer.Children[0]}) },
		"by a question of dead peer detection": func(n *translator) {
			n.give(n.b, ike.Packet{Local: n.b.s.local, Remote: n.mapped(4500), Data: n.a.question(7, 1)})
		},
		"by ESP": func(n *translator) {
			for range 2 {
				n.give(n.b, ike.Moved{SPI: n.b.has(ike.ChildUp).Child.SPIIn, From: n.mapped(4500)})
			}
		},
	} {
		for where, outside := range map[string]netip.Addr{"another port": addrA, "another address": netip.MustParseAddr("203.195.147.99")} {
			t.Run(what+", "+where, func(t *testing.T) {
				n := behindTranslator(t, ike.NATTAuto, ike.NATTAuto)
				n.ports[4500], n.outside = 31000, outside
				speak(n)
				if got := n.b.moves(); len(got) != 1 || got[0] != n.mapped(4500) || n.b.s.remote != got[0] {
					t.Fatalf("the peer has moved to %v, and %v is spoken to", got, n.b.s.remote)
				}
				n.give(n.b, ike.Negotiate{Child: n.b.s.peer.Children[0]})
				n.wantInUDP()
				if got := n.b.moves(); len(got) != 1 {
					t.Errorf("it is said again: %v", got)
				}
				if got := n.a.moves(); len(got) != 0 {
					t.Errorf("the initiator follows to %v", got)
				}
			})
		}
	}
}

// A resend goes to where the peer is by then.
func TestResendFollowsThePeer(t *testing.T) {
	n := behindTranslator(t, ike.NATTAuto, ike.NATTAuto)
	n.ports[4500] = 31000
	n.give(n.b, ike.Negotiate{Child: n.b.s.peer.Children[0]}) // goes to where nobody is any more
	n.give(n.b, ike.Moved{From: n.mapped(4500)})
	n.now = n.now.Add(retry[0])
	n.give(n.b, ike.Tick{})
	n.wantInUDP()
}

// question is one of dead peer detection.
func (e *end) question(mid, number uint32) []byte {
	return e.sealed(isakmp.Informational, mid, notify(isakmp.RUThere, e.s.cookieSPI(), midBytes(number)))
}

// A translator that gives another mapping amid a quick mode: both SAs are as the
// last of its messages has shown the peer to be.
func TestPeerMovesAmidAQuickMode(t *testing.T) {
	n := behindTranslator(t, ike.NATTAuto, ike.NATTAuto)
	sent := len(n.b.sent)
	n.amid = func() {
		if len(n.b.sent) == sent+1 {
			n.ports[4500], n.outside = 31000, netip.MustParseAddr("203.195.147.99")
		}
	}
	n.give(n.a, ike.Negotiate{Child: n.a.s.peer.Children[0]})
	n.wantInUDP()
	in := n.b.sas[n.b.last(ike.ChildUp).Child.SPIIn]
	if in.Src != n.outside || in.Encap != (xfrm.Encap{SrcPort: 31000, DstPort: 4500}) {
		t.Errorf("the responder hears from %v, %+v", in.Src, in.Encap)
	}
}

// What was said before, what nobody has signed, what comes to another port and
// what we have said ourselves moves nobody. Nor does a notification or deletion:
// of these not all are remembered, so it may be a recorded one.
func TestPeerIsNotMovedByOthers(t *testing.T) {
	n := behindTranslator(t, ike.NATTAuto, ike.NATTAuto)
	thief := netip.MustParseAddrPort("198.51.100.7:4500")
	heard := n.a.question(7, 100)
	n.give(n.b, ike.Packet{Local: n.b.s.local, Remote: n.b.s.remote, Data: heard})
	n.b.s.peer.DPD = ike.DPD{Delay: time.Second, Timeout: time.Hour}
	n.now = n.now.Add(time.Second)
	n.give(n.b, ike.Tick{})
	if n.b.s.dpd.number == 0 {
		t.Fatal("nobody is asked")
	}
	n.b.s.dpd.theirs = n.b.s.dpd.number - 1 // so that our own question looks like the next of the peer's
	forged := n.a.question(8, n.b.s.dpd.number)
	forged[len(forged)-1] ^= 1
	recorded := slices.Concat(n.a.sent, n.b.sent, [][]byte{heard, forged})
	want := n.b.s.remote
	replay := func() {
		t.Helper()
		for _, data := range recorded {
			n.give(n.b, ike.Packet{Local: n.b.s.local, Remote: thief, Data: data})
		}
		if n.b.s.remote != want || len(n.b.moves()) != 0 {
			t.Errorf("the peer is at %v instead of %v", n.b.s.remote, want)
		}
	}
	replay()
	n.now = n.now.Add(2 * linger)
	n.give(n.b, ike.Tick{})
	for id := range uint32(informedRemembered) {
		n.b.s.informed.add(1000 + id)
	}
	replay()
	n.give(n.b, ike.Packet{Local: netip.AddrPortFrom(addrB, 500), Remote: thief, Data: n.a.question(9, n.b.s.dpd.theirs+1)})
	n.give(n.b, ike.Packet{Local: n.b.s.local, Remote: thief, Data: n.a.sealed(isakmp.Informational, 10, notify(isakmp.Connected, nil, nil))})
	if n.b.s.remote != want {
		t.Errorf("the peer is at %v instead of %v", n.b.s.remote, want)
	}
}

// Who follows: the responder, when a translator is before the peer, whether or
// not there is one before itself; the initiator, unless it is behind one. Nobody
// does without UDP encapsulation, nor before phase 1 is done.
func TestWhoFollows(t *testing.T) {
	to := netip.MustParseAddrPort("198.51.100.7:4711")
	for _, c := range []struct {
		what      string
		port      uint16
		nat       nat
		initiator bool
		follows   bool
	}{
		{"no translator", 500, nat{}, false, false},
		{"a translator, and no UDP", 500, nat{there: true}, false, false},
		{"one before the peer", 4500, nat{there: true}, false, true},
		{"one that the peer alone sees", 4500, nat{moved: true}, false, true},
		{"one before us", 4500, nat{here: true}, false, false},
		{"one before us, and the peer moved", 4500, nat{here: true, moved: true}, false, true},
		{"before both", 4500, nat{here: true, there: true}, false, true},
		{"forced", 4500, nat{forced: true}, true, false},
		{"we begin, one before the peer", 4500, nat{there: true}, true, true},
		{"we begin, one before us", 4500, nat{here: true}, true, false},
		{"we begin, before both", 4500, nat{here: true, there: true}, true, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newSession(testEnv(1), netip.AddrPortFrom(addrB, c.port), netip.AddrPortFrom(addrA, c.port))
			s.nat, s.initiator = c.nat, c.initiator
			if out := s.Step(begin, ike.Moved{From: to}); len(out) != 0 || s.remote == to {
				t.Errorf("before phase 1 is done: %v", out)
			}
			s.state = established
			s.Step(begin, ike.Moved{From: to})
			if follows := s.remote == to; follows != c.follows {
				t.Errorf("follows: %v", follows)
			}
		})
	}
}

// Without UDP encapsulation there is no mapping to keep alive, whatever the
// NAT-D payloads say: the peer that began stays on port 500.
func TestNoKeepaliveWithoutEncapsulation(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		if from != p.a || p.b.s.state != wantInitiatorKey {
			return data
		}
		return rewritten(data, func(chain []isakmp.Payload) { chain[2].Body = bytes.Repeat([]byte{7}, 20) })
	}
	p.start()
	p.wantTunnel()
	if p.b.s.nat.String() != "here" {
		t.Fatalf("NAT %q", p.b.s.nat)
	}
	for _, action := range p.b.s.Step(begin.Add(2*keepaliveEvery), ike.Tick{}) {
		if _, ok := action.(ike.Keepalive); ok {
			t.Errorf("%v", action)
		}
	}
}

package v1

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// A translator before the initiator: both find it, both float to port 4500, ESP
// goes in UDP to the translated port, and the inner side keeps the mapping.
func TestNATTraversal(t *testing.T) {
	a, b := peers()
	inside := netip.MustParseAddr("10.99.0.2")
	p := newPair(t, a, b)
	p.a.s = NewInitiator(testEnv(1), a, netip.AddrPortFrom(inside, 500), netip.AddrPortFrom(addrB, 500), contact)
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

package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// up is an engine with an active tunnel that is up.
func up(t *testing.T) (*bench, ike.Peer) {
	b := newBench(t, Options{})
	p := active(peerOf("a", there, 1))
	p.Lifetime = ike.Lifetime{Time: time.Hour}
	b.tell(ike.Configure{Peers: []ike.Peer{p}})
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.wantState("a", ike.Up)
	return b, p
}

func TestEqualPeersAreNotTouched(t *testing.T) {
	b, p := up(t)
	same := p
	same.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("key of a"))}
	same.Children = slices.Clone(p.Children)
	b.tell(ike.Configure{Peers: []ike.Peer{same}})
	b.wantWords("")
	b.wantState("a", ike.Up)
	other := peerOf("b", host(1), 1)
	b.tell(ike.Configure{Peers: []ike.Peer{other, same}})
	b.wantWords("")
	b.wantState("a", ike.Up)
	b.wantState("b", ike.Down)
}

func TestChangedPeersRestart(t *testing.T) {
	for name, change := range map[string]func(*ike.Peer){
		"key":       func(p *ike.Peer) { p.Keys = []xfrm.Secret{xfrm.NewSecret([]byte("another"))} },
		"no key":    func(p *ike.Peer) { p.Keys = nil },
		"lifetime":  func(p *ike.Peer) { p.Lifetime.Time++ },
		"child":     func(p *ike.Peer) { p.Children = append(slices.Clone(p.Children), ike.Child{Sel: sel(1), ReqID: 9}) },
		"proposals": func(p *ike.Peer) { p.Proposals = []ike.Proposal{{Group: 14}} },
		"remote":    func(p *ike.Peer) { p.Remote = host(1) },
		"device":    func(p *ike.Peer) { p.IfID++ },
	} {
		t.Run(name, func(t *testing.T) {
			b, p := up(t)
			change(&p)
			b.tell(ike.Configure{Peers: []ike.Peer{p}})
			b.wantWords("remove 300, remove 1300, child down, send, session down, tunnel changed, tunnel changed")
			b.wantState("a", ike.Negotiating)
			if len(b.fakes) != 2 || len(b.Status()) != 1 {
				t.Errorf("%d sessions, %d tunnels", len(b.fakes), len(b.Status()))
			}
			b.first(7, p.Remote)
			if got := b.fakes[2].candidates; len(got) != 1 || !got[0].Equal(p) {
				t.Errorf("the peer is answered by %+v", got)
			}
		})
	}
}

func TestAbsentPeersAreClosed(t *testing.T) {
	b, _ := up(t)
	b.first(7, there) // half open
	b.tell(ike.Configure{})
	b.wantWords("remove 300, remove 1300, child down, send, session down, tunnel changed, session down")
	c := b.Counters()
	if c.Sessions != 0 || c.HalfOpen != 0 || c.Tunnels != 0 || len(b.sas) != 0 || len(b.byAddrs) != 0 || len(b.byReqID) != 0 {
		t.Errorf("%+v, %d SAs", c, len(b.sas))
	}
	if at, ok := b.Wake(); ok {
		t.Errorf("wakes at %v", at)
	}
	b.first(8, there)
	if b.Counters().UnknownPeer != 1 {
		t.Error("the peer is still known")
	}
}

// Two tunnels between the same addresses: the session decides by the identity.
func TestNeighbours(t *testing.T) {
	b := newBench(t, Options{})
	x, y := peerOf("x", there, 1), peerOf("y", there, 1)
	y.RemoteID = ike.ID{Kind: ike.IDFQDN, Text: "y.example"}
	b.tell(ike.Configure{Peers: []ike.Peer{x, y}})
	b.first(7, there)
	if n := len(b.fakes[0].candidates); n != 2 {
		t.Fatalf("%d candidates", n)
	}
	b.upNow(b.fakes[0], "y")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.wantState("y", ike.Up)
	b.wantState("x", ike.Down)
	b.tell(ike.Close{Tunnel: "y"})
	b.first(8, there)
	if got := b.fakes[1].candidates; len(got) != 1 || got[0].Name != "x" {
		t.Errorf("%d candidates", len(got))
	}
	b.tell(ike.Configure{Peers: []ike.Peer{y}})
	if len(b.byAddrs) != 1 || b.Counters().HalfOpen != 0 {
		t.Errorf("%d address pairs, %+v", len(b.byAddrs), b.Counters())
	}
}

// The refusals of what a single tunnel's peer offers show in that tunnel.
func TestRefusalsShowInTheTunnel(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	f := &ike.Fault{Cause: ike.CauseAuth, Text: "the keys differ"}
	b.say(b.fakes[0], ike.Report{Kind: ike.Refused, Tunnel: "a", Fault: f})
	b.say(b.fakes[0], ike.Report{Kind: ike.Refused, Tunnel: "a", Fault: &ike.Fault{Cause: ike.CauseMalformed}})
	if got := b.Status()[0].Fault; got != f {
		t.Errorf("the status shows %v", got)
	}
	b.say(b.fakes[0], ike.Report{Kind: ike.SessionDown, Tunnel: "a", Fault: f})
	if h := b.History("a"); len(h) != 1 {
		t.Errorf("the history is %+v", h)
	}
}

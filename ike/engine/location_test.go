package engine

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

var elsewhere = netip.MustParseAddr("198.51.100.99")

// anywhere is a passive tunnel whose peer may come from anywhere.
func anywhere(name string, pairs int) ike.Peer { return peerOf(name, netip.Addr{}, pairs) }

func named(name, host string) ike.Peer {
	p := active(peerOf(name, netip.Addr{}, 1))
	p.Host = host
	return p
}

// A peer's name is looked up before each session that we begin, and each
// attempt takes the next address of our version.
func TestNameIsResolvedAtEachAttempt(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{named("a", "vpn.example.com")}})
	b.wantWords("resolve, tunnel changed")
	if got := b.out[0].(ike.Resolve); got != (ike.Resolve{Tunnel: "a", Host: "vpn.example.com"}) {
		t.Errorf("asks for %+v", got)
	}
	found := []netip.Addr{netip.MustParseAddr("2001:db8::1"), there, elsewhere}
	for _, want := range []netip.Addr{there, elsewhere, there} {
		b.tell(ike.Resolved{Tunnel: "a", Addrs: found})
		if got := b.out[0].(ike.Locate); got != (ike.Locate{Tunnel: "a", Remote: want}) {
			t.Errorf("locates %+v", got)
		}
		f := b.fakes[len(b.fakes)-1]
		b.wantLast(f, "Negotiate")
		if s := b.session(f); s.addrs.remote != want {
			t.Errorf("the session is with %v, not %v", s.addrs.remote, want)
		}
		b.say(f, ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseTimeout}})
		b.now = b.now.Add(5 * time.Minute)
		b.tell(ike.Tick{})
		b.wantWords("resolve, tunnel changed")
	}
}

// A peer whose session is gone and whose children stand is looked for where it was:
// another address of its name would cost the children.
func TestNameIsTriedWhereThePeerWas(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{named("a", "vpn.example.com")}})
	found := []netip.Addr{there, elsewhere}
	b.tell(ike.Resolved{Tunnel: "a", Addrs: found})
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.say(b.fakes[0], ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseDeleted}})
	b.now = b.now.Add(time.Minute)
	b.tell(ike.Rekey{Tunnel: "a", IPsec: true})
	b.wantWords("resolve")
	b.tell(ike.Resolved{Tunnel: "a", Addrs: found})
	b.wantWords("")
	b.wantState("a", ike.Up)
	if s := b.session(b.fakes[1]); s.addrs.remote != there {
		t.Errorf("the session is with %v", s.addrs.remote)
	}
}

// A name without an address is a fault of its own, and is asked for again. An
// answer that nobody asked for is none.
func TestNameWithoutAnAddress(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{named("a", "vpn.example.com")}})
	b.tell(ike.Resolved{Tunnel: "a", Err: errors.New("no such host")})
	b.wantState("a", ike.Down)
	if f := b.Status()[0].Fault; f.Cause != ike.CauseResolve {
		t.Errorf("fault %v", f)
	}
	b.tell(ike.Resolved{Tunnel: "a", Addrs: []netip.Addr{there}})
	b.tell(ike.Resolved{Tunnel: "gone", Addrs: []netip.Addr{there}})
	b.wantWords("")
	b.now = b.now.Add(2 * time.Second)
	b.tell(ike.Tick{})
	b.wantWords("resolve, tunnel changed")
	b.tell(ike.Resolved{Tunnel: "a", Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::1")}})
	b.wantState("a", ike.Down)
}

// Whoever comes from an address that nobody has may be a peer that may come from
// anywhere; one that is configured with the address comes first.
func TestPeersFromAnywhere(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("fixed", there, 1), anywhere("any", 1), named("name", "x")}})
	b.first(7, there)
	b.first(8, elsewhere)
	for i, want := range [][]string{{"fixed", "any", "name"}, {"any", "name"}} {
		var got []string
		for _, p := range b.fakes[i].candidates {
			got = append(got, p.Name)
		}
		if len(got) != len(want) || got[0] != want[0] {
			t.Errorf("candidates %v, want %v", got, want)
		}
	}
	b.tell(ike.Close{Tunnel: "any"})
	b.first(9, elsewhere)
	if got := b.fakes[2].candidates; len(got) != 1 || got[0].Name != "name" {
		t.Errorf("candidates %v", got)
	}
}

// The peer that authenticates itself is where the policies must look for it.
// When it comes from elsewhere, what it had goes.
func TestPeerFromAnywhereIsLocated(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{anywhere("any", 1)}})
	b.first(7, there)
	b.upNow(b.fakes[0], "any")
	b.wantWords("locate, session up")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.wantState("any", ike.Up)
	b.first(8, elsewhere)
	b.upNow(b.fakes[1], "any")
	b.wantWords("locate, session up, session down, remove 300, remove 1300, child down, tunnel changed")
	b.wantLast(b.fakes[0], "CloseSession")
	b.wantLast(b.fakes[1], "Negotiate")
}

// Nothing can be begun with a peer whose address is not known.
func TestNothingBeginsWithAPeerFromAnywhere(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{anywhere("any", 1)}})
	b.tell(ike.Initiate{Tunnel: "any"})
	if len(b.fakes) != 0 {
		t.Error("a session was begun")
	}
	b.wantState("any", ike.Down)
	if f := b.Status()[0].Fault; f == nil || f.Cause != ike.CauseTimeout {
		t.Errorf("fault %v", f)
	}
}

// An established session may be spoken to from another address if its peer has
// none that is configured. The session says whether it was the peer.
func TestSessionFollowsItsPeer(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{anywhere("any", 1), peerOf("fixed", there, 1)}})
	b.first(7, elsewhere)
	b.first(8, there)
	b.upNow(b.fakes[0], "any")
	b.upNow(b.fakes[1], "fixed")
	away := netip.MustParseAddr("198.51.100.50")
	for i, wrong := range []uint64{0, 1} {
		f := b.fakes[i]
		f.got = nil
		f.cookies.Initiator[7] = byte(7 + i)
		p := packet(uint64(7+i), 0xb000+uint64(i), isakmp.QuickMode, away)
		b.tell(p)
		if got := b.Counters().WrongAddress; got != wrong {
			t.Errorf("session %d: %d messages from a wrong address", i, got)
		}
	}
	b.wantLast(b.fakes[0], "Packet")
	b.wantLast(b.fakes[1], "nothing")
	b.say(b.fakes[0], ike.Report{Kind: ike.PeerMoved, Remote: netip.AddrPortFrom(away, 4500)})
	b.wantWords("peer moved, locate")
	if s := b.session(b.fakes[0]); s.addrs.remote != away {
		t.Errorf("the session is with %v", s.addrs.remote)
	}
}

// ESP from another port moves the session and the SAs; from another address only
// if the peer has none of its own.
func TestESPMoves(t *testing.T) {
	for name, p := range map[string]ike.Peer{"fixed": peerOf("a", there, 1), "anywhere": anywhere("a", 1)} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.tell(ike.Configure{Peers: []ike.Peer{p}})
			b.first(7, there)
			b.upNow(b.fakes[0], "a")
			c := child(0, 0x300, 0x1300)
			c.Local, c.Remote = netip.AddrPortFrom(here, xfrm.PortNATT), netip.AddrPortFrom(there, 30000)
			b.childUp(b.fakes[0], c)
			b.tell(ike.Moved{SPI: 0x300, From: netip.AddrPortFrom(there, 31000)})
			b.wantWords("follow, follow")
			b.wantLast(b.fakes[0], "Moved")
			b.tell(ike.Moved{SPI: 0x999, From: netip.AddrPortFrom(there, 31000)})
			b.wantWords("")
			b.tell(ike.Moved{SPI: 0x300, From: netip.AddrPortFrom(elsewhere, 31000)})
			b.wantWords("") // the session does not say that it follows
			b.fakes[0].says = []ike.Action{ike.Report{Kind: ike.PeerMoved, Remote: netip.AddrPortFrom(elsewhere, 31000)}}
			b.tell(ike.Moved{SPI: 0x300, From: netip.AddrPortFrom(elsewhere, 31000)})
			want := ""
			if p.Anywhere() {
				want = "peer moved, locate, remove 300, remove 1300, child down, tunnel changed"
			}
			if got := b.words(); got != want {
				t.Errorf("the engine says %q, wants %q", got, want)
			}
		})
	}
}

// A tunnel whose peer may come from anywhere takes the half-open sessions with it
// when its configuration changes: they may be about to authenticate by it.
func TestHalfOpenOfAPeerFromAnywhere(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{anywhere("any", 1)}})
	b.first(7, there)
	b.first(8, elsewhere)
	b.tell(ike.Configure{Peers: []ike.Peer{anywhere("any", 2)}})
	if c := b.Counters(); c.HalfOpen != 0 || c.Sessions != 0 {
		t.Errorf("%+v", c)
	}
}

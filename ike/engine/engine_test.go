package engine

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

var stranger = netip.MustParseAddr("203.0.113.9")

func TestPacketsFindTheirSession(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	b.first(7, there)
	began, answers := b.fakes[0], b.fakes[1]
	answers.cookies.Initiator = [8]byte{7: 7}
	for _, tc := range []struct {
		name  string
		p     ike.Packet
		to    *fake
		count func(Counters) uint64
	}{
		{"ours", packet(0xa000, 1, isakmp.MainMode, there), began, nil},
		{"ours, without the responder's cookie", packet(0xa000, 0, isakmp.Informational, there), began, nil},
		{"the peer's", packet(7, 0xb001, isakmp.MainMode, there), answers, nil},
		{"the first message again", packet(7, 0, isakmp.MainMode, there), answers, nil},
		{"from elsewhere", packet(7, 0xb001, isakmp.MainMode, stranger), nil, func(c Counters) uint64 { return c.WrongAddress }},
		{"half a cookie", packet(8, 0xb001, isakmp.MainMode, there), nil, func(c Counters) uint64 { return c.UnknownCookie }},
		{"no session", packet(9, 9, isakmp.QuickMode, there), nil, func(c Counters) uint64 { return c.UnknownCookie }},
		{"no cookie", packet(0, 9, isakmp.MainMode, there), nil, func(c Counters) uint64 { return c.BadCookie }},
		{"an exchange of IKEv2", packet(9, 0, 34, there), nil, func(c Counters) uint64 { return c.BadExchange }},
		{"quick mode as a first message", packet(9, 0, isakmp.QuickMode, there), nil, func(c Counters) uint64 { return c.BadExchange }},
		{"a stranger", packet(9, 0, isakmp.MainMode, stranger), nil, func(c Counters) uint64 { return c.UnknownPeer }},
		{"ours, in IKEv2", version2(packet(0xa000, 1, 37, there)), began, func(c Counters) uint64 { return c.BadHeader }},
		{"ours, in IKEv2 and from elsewhere", version2(packet(0xa000, 1, 37, stranger)), nil, func(c Counters) uint64 { return c.BadHeader }},
		{"the peer's, in IKEv2", version2(packet(7, 0xb001, 34, there)), nil, func(c Counters) uint64 { return c.BadHeader }},
		{"a first message of IKEv2", version2(packet(9, 0, 34, there)), nil, func(c Counters) uint64 { return c.BadHeader }},
		{"a short one", ike.Packet{Data: make([]byte, 27)}, nil, func(c Counters) uint64 { return c.BadHeader }},
		{"an empty one", ike.Packet{}, nil, func(c Counters) uint64 { return c.BadHeader }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, f := range b.fakes {
				f.got = nil
			}
			before := b.Counters()
			b.tell(tc.p)
			for _, f := range b.fakes {
				if got := len(f.got) == 1; got != (f == tc.to) {
					t.Errorf("a session got %v", f.got)
				}
			}
			if tc.count != nil && tc.count(b.Counters()) != tc.count(before)+1 {
				t.Errorf("not counted: %+v", b.Counters())
			}
			if len(b.fakes) != 2 {
				t.Fatalf("%d sessions", len(b.fakes))
			}
		})
	}
}

// version2 makes a packet one of IKEv2.
func version2(p ike.Packet) ike.Packet {
	p.Data[17] = 0x20
	return p
}

// A message under an older session is a sign of life that the newest one hears of.
func TestSignsOfLifeUnderAnOlderSession(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	b.upNow(b.fakes[0], "a")
	b.first(7, there)
	b.upNow(b.fakes[1], "a")
	for _, f := range b.fakes {
		f.got = nil
	}
	b.say(b.fakes[0], ike.Report{Kind: ike.MessageIn})
	b.wantLast(b.fakes[1], "Used")
	b.fakes[1].got = nil
	b.say(b.fakes[1], ike.Report{Kind: ike.MessageIn})
	b.wantLast(b.fakes[1], "Tick")
	if n := len(b.fakes[0].got); n != 1 {
		t.Errorf("the older one got %v", b.fakes[0].got)
	}
}

// What a session says of its own change is what its tunnel shows.
func TestSessionChanged(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	b.upNow(b.fakes[0], "a")
	expires := begun.Add(time.Hour)
	b.say(b.fakes[0], ike.Report{Kind: ike.SessionChanged, Session: &ike.SessionStatus{Expires: expires}})
	if s := b.Status()[0]; s.Session == nil || s.Session.Expires != expires {
		t.Errorf("%+v", s.Session)
	}
}

func TestStrangersAreReportedNowAndThen(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	reports := 0
	for i := range uint64(200) {
		b.first(1+i, stranger)
		reports += len(b.out)
		b.now = b.now.Add(time.Second)
	}
	if reports != 4 || len(b.fakes) != 0 || b.Counters().UnknownPeer != 200 {
		t.Errorf("%d reports, %d sessions, %+v", reports, len(b.fakes), b.Counters())
	}
}

// A peer that begins with IKEv2 gets silence, and its tunnel tells why.
func TestPeerThatBeginsWithIKEv2IsReportedNowAndThen(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	reports := 0
	for i := range uint64(200) {
		p := packet(1+i, 0, 34, there)
		p.Data[17] = 0x20
		b.tell(p)
		reports += len(b.out)
		b.now = b.now.Add(time.Second)
	}
	f := b.Status()[0].Fault
	if reports != 4 || len(b.fakes) != 0 || f == nil || f.Cause != ike.CauseVersion || f.Key() != "ike.version" {
		t.Errorf("%d reports, %d sessions, fault %v", reports, len(b.fakes), f)
	}
}

func TestRefusedFirstMessageLeavesNothing(t *testing.T) {
	b := newBench(t, Options{})
	b.refuses = true
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.wantWords("session down")
	if c := b.Counters(); c.Sessions != 0 || c.HalfOpen != 0 || c.RefusedFirst != 1 {
		t.Errorf("%+v", c)
	}
}

func TestNegotiateGoesToTheNewestSession(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 2))}})
	if len(b.fakes) != 1 || len(b.fakes[0].got) != 2 || !b.fakes[0].contact() {
		t.Fatalf("%d sessions, %+v", len(b.fakes), b.fakes[0])
	}
	first := b.fakes[0]
	b.upNow(first, "a")
	b.childUp(first, child(0, 0x300, 0x1300))
	b.first(7, there)
	second := b.fakes[1]
	b.upNow(second, "a")
	b.now = b.now.Add(time.Hour)
	b.tell(ike.LimitReached{SPI: 0x300, Dst: here, ReqID: 100, Hard: true})
	b.wantWords("remove 300, remove 1300, child down, tunnel changed")
	if n := len(second.got); n < 2 {
		t.Fatalf("the newest session got %v", second.got)
	}
	if _, told := second.got[len(second.got)-2].(ike.DeleteChild); !told {
		t.Errorf("the peer is not told: %v", second.got)
	}
	b.wantLast(second, "Negotiate")
	if s := b.Status()[0].Session; s == nil || s.Cookies != second.cookies {
		t.Errorf("the status shows %+v", s)
	}
}

func TestContactOnlyWhenNothingIsHeld(t *testing.T) {
	b := newBench(t, Options{})
	x, y := active(peerOf("x", there, 1)), active(peerOf("y", there, 1))
	y.Start = ike.Passive
	b.tell(ike.Configure{Peers: []ike.Peer{x, y}})
	b.upNow(b.fakes[0], "x")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.say(b.fakes[0], ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: ike.CauseExpired}})
	b.tell(ike.Initiate{Tunnel: "y"}) // the same peer, of which x holds a child
	if f := b.fakes[len(b.fakes)-1]; f.peer != "y" || f.contact() {
		t.Errorf("%q tells of an initial contact: %v", f.peer, f.contact())
	}
}

func TestEndedSessionGivesItsPairsBack(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 2))}})
	f := &ike.Fault{Cause: ike.CauseTimeout, Text: "no answer"}
	b.say(b.fakes[0],
		ike.Report{Kind: ike.ChildFailed, Sel: sel(0), Initiator: true, Fault: f},
		ike.Report{Kind: ike.ChildFailed, Sel: sel(1), Initiator: true, Fault: f},
		ike.Report{Kind: ike.SessionDown, Fault: f})
	b.wantWords("child failed, child failed, session down, tunnel changed")
	h := b.History("a")
	if len(h) != 1 || h[0].Fault != f || h[0].Sel != (xfrm.Selector{}) {
		t.Errorf("the history is %+v", h)
	}
	at, ok := b.Wake()
	if !ok || at.Sub(b.now) > 2*time.Second {
		t.Fatalf("wakes at %v", at)
	}
	b.now = at
	b.tell(ike.Tick{})
	if len(b.fakes) != 2 || len(b.fakes[1].got) != 2 {
		t.Errorf("%d sessions", len(b.fakes))
	}
}

// A quick mode of the peer's that comes to nothing is not ours for the same
// pair, which goes on.
func TestPeersFailureIsNotOurs(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	f := b.fakes[0]
	b.upNow(f, "a")
	no := &ike.Fault{Cause: ike.CauseTimeout}
	b.say(f, ike.Report{Kind: ike.ChildFailed, Sel: sel(0), Fault: no})
	b.wantState("a", ike.Negotiating)
	if got := b.Status()[0].Fault; got != no {
		t.Errorf("the status shows %v", got)
	}
	b.now = b.now.Add(time.Hour)
	b.tell(ike.Tick{})
	b.wantLast(f, "Tick") // and no second Negotiate
	b.say(f, ike.Report{Kind: ike.ChildFailed, Sel: sel(0), Initiator: true, Fault: no})
	b.wantState("a", ike.Down)
}

func TestOldSessionsDoNotGather(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	for i := range uint64(7) {
		b.first(1+i, there)
		b.upNow(b.fakes[i], "a")
		for _, a := range b.out {
			if _, sent := a.(ike.Send); sent {
				t.Error("the peer is told that an old session goes")
			}
		}
	}
	if c := b.Counters(); c.Sessions != mostSessions || c.HalfOpen != 0 {
		t.Errorf("%+v", c)
	}
	b.wantLast(b.fakes[2], "CloseSession")
	b.wantLast(b.fakes[3], "Superseded")
	b.wantLast(b.fakes[6], "Tick")
}

func TestPeerDeletedStaysInside(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.wantState("a", ike.Up)
	b.say(b.fakes[0], ike.Report{Kind: ike.PeerDeleted, SPI: 0x1300})
	b.wantWords("remove 300, remove 1300, child down, tunnel changed")
	b.wantState("a", ike.Down)
}

func TestFailedInstallFindsItsOwner(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 2)}})
	b.first(7, there)
	f := b.fakes[0]
	b.upNow(f, "a")
	b.say(f, ike.Install{SA: xfrm.SA{Dir: xfrm.In, SPI: 0x300, Dst: here}})
	b.tell(ike.Failed{SPI: 0x300, Err: errors.New("no")})
	b.wantLast(f, "Failed")
	b.say(f, ike.Remove{SPI: 0x300, Dst: here})
	b.childUp(f, child(1, 0x301, 0x1301))
	b.tell(ike.Failed{SPI: 0x1301, Err: errors.New("no")})
	b.wantLast(f, "DeleteChild")
	b.wantWords("remove 301, remove 1301, child down, tunnel changed")
	b.tell(ike.Failed{SPI: 0x999, Err: errors.New("no")})
	b.wantWords("")
	if len(b.sas) != 0 {
		t.Errorf("%d SAs are kept", len(b.sas))
	}
}

// The peer chooses the SPIs that we send with: it may choose one that an inbound
// SA of ours has.
func TestTwoSAsWithOneSPI(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 2)}})
	b.first(7, there)
	f := b.fakes[0]
	b.upNow(f, "a")
	b.childUp(f, child(0, 0x300, 0x1300))
	b.childUp(f, child(1, 0x301, 0x300))
	b.wantState("a", ike.Up)
	b.tell(ike.LimitReached{SPI: 0x300, Dst: there, Hard: true})
	b.wantWords("remove 301, remove 300, child down, tunnel changed")
	b.tell(ike.LimitReached{SPI: 0x300, Dst: here, Hard: false})
	b.wantWords("")
	b.tell(ike.LimitReached{SPI: 0x300, Dst: here, Hard: true})
	b.wantWords("remove 300, remove 1300, child down, tunnel changed")
	if len(b.sas) != 0 {
		t.Errorf("%d SAs are kept", len(b.sas))
	}
}

func TestUsedFindsTheSessionThatNegotiates(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	f := b.fakes[0]
	b.upNow(f, "a")
	b.say(f, ike.Install{SA: xfrm.SA{Dir: xfrm.In, SPI: 0x300, Dst: here}})
	b.tell(ike.Used{SPI: 0x300})
	b.wantLast(f, "Used")
	b.childUp(f, child(0, 0x300, 0x1300))
	f.got = nil
	b.tell(ike.Used{SPI: 0x1300})
	b.tell(ike.Used{SPI: 0x999})
	b.wantLast(f, "nothing")
}

// What comes in on a child is a sign of life to the newest session of its
// tunnel, whichever made it.
func TestUsedIsASignOfLife(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.first(8, there)
	b.upNow(b.fakes[1], "a")
	b.tell(ike.Used{SPI: 0x300})
	b.wantLast(b.fakes[0], "Superseded")
	b.wantLast(b.fakes[1], "Used")
}

// An SA that goes while its quick mode goes on must not end in a child that
// carries nothing.
func TestLimitReachedWhileNegotiating(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	f := b.fakes[0]
	b.upNow(f, "a")
	b.say(f, ike.Install{SA: xfrm.SA{Dir: xfrm.In, SPI: 0x300, Src: there, Dst: here}})
	b.tell(ike.LimitReached{SPI: 0x300, Dst: here})
	b.wantLast(f, "Tick")
	b.tell(ike.LimitReached{SPI: 0x300, Dst: here, Hard: true})
	b.wantLast(f, "Failed")
}

// A peer that says it holds nothing else of ours knows the older session no
// more; a child that it uses all the same stays.
func TestPeerThatBeganAnew(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 2)}})
	b.first(7, there)
	old := b.fakes[0]
	b.upNow(old, "a")
	b.childUp(old, child(0, 0x300, 0x1300))
	b.childUp(old, child(1, 0x301, 0x1301))
	b.first(8, there)
	b.upNow(b.fakes[1], "a")
	b.say(b.fakes[1], ike.Report{Kind: ike.PeerRestarted})
	if n := b.Counters().Sessions; n != 1 {
		t.Errorf("%d sessions are kept", n)
	}
	b.tell(ike.Used{SPI: 0x300})
	b.now = b.now.Add(time.Minute)
	b.tell(ike.Tick{})
	if b.sas[0x300] == nil || b.sas[0x301] != nil {
		t.Errorf("the child in use stands: %v, the silent one: %v", b.sas[0x300] != nil, b.sas[0x301] != nil)
	}
}

// Who says that it holds nothing else does not mean what came up since it began.
func TestPeerThatBeganAtTheSameTime(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.now = b.now.Add(time.Millisecond)
	b.first(8, there)
	b.upNow(b.fakes[1], "a")
	b.upNow(b.fakes[0], "a")
	b.say(b.fakes[0], ike.Report{Kind: ike.PeerRestarted})
	if n := b.Counters().Sessions; n != 2 {
		t.Errorf("%d sessions are kept", n)
	}
}

func TestComputedFindsItsSessionOnce(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	f := b.fakes[0]
	id := f.env.ID()
	b.say(f, ike.Compute{ID: id, Do: func() any { return 1 }})
	b.wantWords("compute")
	b.tell(ike.Computed{ID: id, Result: 1})
	b.wantLast(f, "Computed")
	f.got = nil
	b.tell(ike.Computed{ID: id, Result: 1})
	b.tell(ike.Computed{ID: id + 1, Result: 1})
	b.wantLast(f, "nothing")
}

// A job that was dropped ends its session, and nothing of it is kept.
func TestComputeThatIsDropped(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	f := b.fakes[0]
	id := f.env.ID()
	b.say(f, ike.Compute{ID: id, Do: func() any { return 1 }, For: ike.Unproven})
	b.tell(ike.Computed{ID: id})
	b.wantLast(f, "CloseSession")
	if c := b.Counters(); c.Sessions != 0 || len(b.jobs) != 0 {
		t.Errorf("%+v, %d jobs", c, len(b.jobs))
	}
}

func TestAcquiredBeginsAFlowTrigger(t *testing.T) {
	b := newBench(t, Options{})
	p := peerOf("a", there, 2)
	p.Start = ike.FlowTrigger
	b.tell(ike.Configure{Peers: []ike.Peer{p}})
	b.tell(ike.Acquired{ReqID: 5})
	if len(b.fakes) != 0 {
		t.Fatal("begins unasked")
	}
	b.tell(ike.Acquired{ReqID: 101})
	if n, ok := b.fakes[0].got[0].(ike.Negotiate); !ok || !n.Urgent || n.Child.ReqID != 101 {
		t.Errorf("the session got %+v", b.fakes[0].got)
	}
}

func TestCloseAndInitiate(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	b.upNow(b.fakes[0], "a")
	b.childUp(b.fakes[0], child(0, 0x300, 0x1300))
	b.tell(ike.Close{Tunnel: "a"})
	b.wantWords("remove 300, remove 1300, child down, send, session down, tunnel changed")
	b.wantState("a", ike.Disabled)
	b.first(7, there)
	if c := b.Counters(); c.Disabled != 1 || c.Sessions != 0 {
		t.Errorf("%+v", c)
	}
	b.tell(ike.Initiate{Tunnel: "a"})
	b.wantState("a", ike.Negotiating)
	b.first(8, there)
	if c := b.Counters(); c.Sessions != 2 {
		t.Errorf("%+v", c)
	}
	b.tell(ike.Initiate{Tunnel: "nobody"})
	b.tell(ike.Close{Tunnel: "nobody"})
	b.wantWords("")
}

// A session that was being answered when its tunnel was taken down does not
// bring it up again.
func TestCloseWhileThePeerBegins(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.tell(ike.Close{Tunnel: "a"})
	f := b.fakes[0]
	b.upNow(f, "a")
	b.wantLast(f, "CloseSession")
	if c := b.Counters(); c.Sessions != 0 || c.HalfOpen != 0 {
		t.Errorf("%+v", c)
	}
}

func TestSPIs(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{active(peerOf("a", there, 1))}})
	f := b.fakes[0]
	var given []byte
	draw := func(chance ...uint32) uint32 {
		given = nil
		for _, v := range chance {
			given = append(given, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		}
		b.env.Rand = script{&given}
		f.spi = true
		b.say(f, ike.Report{Kind: ike.MessageOut})
		return f.drew
	}
	if got := draw(0, 1, 255, 256); got != 256 {
		t.Errorf("%d, a reserved one", got)
	}
	if got := draw(256, 0x300); got != 0x300 {
		t.Errorf("%#x, which was handed out", got)
	}
	b.say(f, ike.Report{Kind: ike.ChildFailed, SPI: 256, Sel: sel(0), Fault: &ike.Fault{}})
	if got := draw(256); got != 256 {
		t.Errorf("%#x instead of the one that was given back", got)
	}
	b.say(f, ike.Install{SA: xfrm.SA{Dir: xfrm.In, SPI: 256, Dst: here}})
	if got := draw(256, 0x301); got != 0x301 {
		t.Errorf("%#x, which stands", got)
	}
	b.say(f, ike.Remove{SPI: 256, Dst: here}, ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{}})
	if len(b.spoken) != 0 || len(b.sas) != 0 {
		t.Errorf("%d and %d SPIs outlive the session", len(b.spoken), len(b.sas))
	}
}

// script is chance that the test has written down.
type script struct{ left *[]byte }

func (s script) Read(b []byte) (int, error) {
	n := copy(b, *s.left)
	*s.left = (*s.left)[n:]
	return n, nil
}

func TestDeadlines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d deadlines
	all := make([]alarm, 200)
	want := map[*alarm]time.Time{}
	for range 20000 {
		a := &all[r.IntN(len(all))]
		at := begun.Add(time.Duration(r.IntN(1000)) * time.Second)
		switch r.IntN(4) {
		case 0:
			d.remove(a)
			delete(want, a)
		case 1:
			for _, a := range d.due(at) {
				if want[a].After(at) {
					t.Fatal("woken too early")
				}
				delete(want, a)
			}
		default:
			d.set(a, alarm{}, func() (time.Time, bool) { return at, true })
			want[a] = at
		}
		first, ok := d.first()
		if ok != (len(want) > 0) {
			t.Fatalf("first is %v with %d", ok, len(want))
		}
		for _, at := range want {
			if at.Before(first) {
				t.Fatalf("first is %v, one wants %v", first, at)
			}
		}
	}
}

func TestStatusIsSorted(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("c", there, 1), peerOf("a", there, 1), peerOf("b", there, 1)}})
	var names []string
	for _, s := range b.Status() {
		names = append(names, s.Tunnel)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("%v", names)
	}
	if b.History("nobody") != nil {
		t.Error("nobody has a history")
	}
}

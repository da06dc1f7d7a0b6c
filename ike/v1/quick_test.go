package v1

import (
	"errors"
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

func TestQuickWithPFS(t *testing.T) {
	a, b := peers()
	withPFS(&a, 2)
	withPFS(&b, 2)
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
}

func withPFS(p *ike.Peer, g ike.Group) {
	prop := fastESP
	prop.Group = g
	p.Children = append([]ike.Child(nil), p.Children...)
	p.Children[0].Proposals = []ike.Proposal{prop}
}

// A responder begins quick modes under a session that the peer began.
func TestQuickFromTheResponder(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	p.step(p.b, ike.Negotiate{Child: p.b.s.peer.Children[0]})
	if n := len(p.a.sas) + len(p.b.sas); n != 8 {
		t.Errorf("%d SAs instead of 8", n)
	}
}

// Both lifetimes are the shorter ones, each for itself, on both sides.
func TestLifetimes(t *testing.T) {
	for _, c := range []struct{ a, b, want ike.Lifetime }{
		{life(3600, 5000), life(1800, 9000), life(1800, 5000)},
		{life(1800, 9000), life(3600, 5000), life(1800, 5000)},
		{life(3600, 0), life(3600, 5000), life(3600, 0)},
		{life(3600, 1<<33), life(3600, 1<<34), life(3600, 1<<33)},
	} {
		a, b := peers()
		a.Children[0].Lifetime = c.a
		b.Children = []ike.Child{b.Children[0]}
		b.Children[0].Lifetime = c.b
		p := newPair(t, a, b)
		p.start()
		if got := p.a.has(ike.ChildUp).Child.Lifetime; got != c.want {
			t.Errorf("%v with %v: the initiator has %v", c.a, c.b, got)
		}
		for _, sa := range p.a.sas {
			if sa.Hard.Time != c.want.Time || sa.Soft.Time >= sa.Hard.Time || sa.Hard.Bytes != c.want.KB*1024 {
				t.Errorf("%v with %v: limits %v, %v", c.a, c.b, sa.Soft, sa.Hard)
			}
			if sa.Hard.Bytes != 0 && (sa.Soft.Bytes < sa.Hard.Bytes/100*79 || sa.Soft.Bytes > sa.Hard.Bytes/100*91) {
				t.Errorf("the soft limit is %d of %d bytes", sa.Soft.Bytes, sa.Hard.Bytes)
			}
		}
	}
}

func life(s, kb uint64) ike.Lifetime {
	return ike.Lifetime{Time: time.Duration(s) * time.Second, KB: kb}
}

// 64-bit blocks are not used beyond 4 GiB whatever the lifetime says.
func TestSmallBlocksAreCapped(t *testing.T) {
	a, b := peers()
	for _, p := range []*ike.Peer{&a, &b} {
		p.Children = []ike.Child{p.Children[0]}
		p.Children[0].Proposals = []ike.Proposal{{Cipher: xfrm.TripleDESCBC, Hash: xfrm.SHA1}}
		p.Children[0].Lifetime = life(3600, 4294967295)
	}
	p := newPair(t, a, b)
	p.start()
	for _, sa := range p.a.sas {
		if sa.Hard.Bytes != smallBlockLimit {
			t.Errorf("3DES may protect %d bytes", sa.Hard.Bytes)
		}
	}
}

// manyPairs gives both peers twenty pairs of networks.
func manyPairs() (a, b ike.Peer) {
	a, b = peers()
	a.Children, b.Children = nil, nil
	for i := range 20 {
		sel := xfrm.Selector{Local: netip.MustParsePrefix(fmt.Sprintf("192.168.%d.0/24", i)), Remote: netip.MustParsePrefix("10.0.1.0/24")}
		child := ike.Child{Sel: sel, ReqID: uint32(i + 1), Proposals: []ike.Proposal{fastESP}, Lifetime: life(3600, 0)}
		a.Children = append(a.Children, child)
		child.Sel = xfrm.Selector{Local: sel.Remote, Remote: sel.Local}
		b.Children = append(b.Children, child)
	}
	return a, b
}

// No more quick modes of ours than the window go at once; the urgent ones go
// first. Another Twinspan gets several.
func TestWindow(t *testing.T) {
	for ours, most := range map[bool]int{false: window, true: unanswered} {
		a, b := manyPairs()
		p := newPair(t, a, b)
		var held [][]byte
		p.tamper = func(from *end, data []byte) []byte {
			if h, _ := isakmp.ParseHeader(data); h.Exchange == isakmp.QuickMode && from == p.a {
				held = append(held, data)
				return nil
			}
			return data
		}
		p.step(p.a, ike.Begin{})
		if !p.a.s.ext.ours || !p.b.s.ext.ours {
			t.Fatal("two Twinspans do not know each other")
		}
		p.a.s.ext.ours = ours
		for i, c := range a.Children {
			p.step(p.a, ike.Negotiate{Child: c, Urgent: i == 19})
		}
		if len(held) != most || p.a.s.room() {
			t.Fatalf("%d quick modes at once", len(held))
		}
		if next := p.a.s.queue[0]; next.Child.ReqID != 20 {
			t.Errorf("the urgent one waits behind %d", next.Child.ReqID)
		}
		p.tamper = nil
		for _, data := range held {
			p.step(p.b, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: data})
		}
		if n := len(p.a.sas); n != 40 {
			t.Errorf("%d SAs instead of 40", n)
		}
	}
}

// A peer that says nothing to some pairs does not keep the others waiting for
// longer than a first try each, and never has more than a few to think about.
func TestSilenceKeepsNobodyWaiting(t *testing.T) {
	a, b := manyPairs()
	p := newPair(t, a, b)
	firsts, dropped := map[uint32]bool{}, 3
	p.tamper = func(from *end, data []byte) []byte {
		h, _ := isakmp.ParseHeader(data)
		if h.Exchange != isakmp.QuickMode || from != p.a {
			return data
		}
		if _, seen := firsts[h.MessageID]; !seen {
			firsts[h.MessageID] = len(firsts) < dropped
		}
		if firsts[h.MessageID] {
			return nil
		}
		return data
	}
	for _, c := range a.Children {
		p.step(p.a, ike.Negotiate{Child: c})
	}
	p.run(time.Duration(dropped)*retry[0] + time.Second)
	if n := len(p.a.sas); n != 2*(20-dropped) {
		t.Errorf("%d SAs instead of %d", n, 2*(20-dropped))
	}
	dropped = 1000 // from now on, all
	for _, c := range a.Children {
		p.step(p.a, ike.Negotiate{Child: c})
	}
	for range 60 {
		p.run(time.Second)
		going := 0
		for _, q := range p.a.s.quicks {
			if q.initiator && q.phase != finished {
				going++
			}
		}
		if going > unanswered {
			t.Fatalf("%d quick modes wait for answers at once", going)
		}
	}
}

// When QM3 is lost the responder resends QM2, and gets the stored QM3.
func TestLostQM3(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	quick := 0
	p.tamper = func(from *end, data []byte) []byte {
		if h, _ := isakmp.ParseHeader(data); h.Exchange == isakmp.QuickMode {
			if quick++; quick == 3 {
				return nil
			}
		}
		return data
	}
	p.start()
	if p.b.has(ike.ChildUp) != nil || p.b.has(ike.SessionUp) == nil {
		t.Fatal("QM3 was not lost")
	}
	p.run(3 * time.Second)
	p.wantTunnel()
}

// Traffic on the new inbound SA stands for a QM3 that never came.
func TestTrafficIsAnImplicitQM3(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(from *end, data []byte) []byte {
		if h, _ := isakmp.ParseHeader(data); h.Exchange == isakmp.QuickMode && from == p.a && len(from.sent) > 4 {
			return nil
		}
		return data
	}
	p.start()
	up := p.a.has(ike.ChildUp)
	if up == nil || p.b.has(ike.ChildUp) != nil {
		t.Fatal("QM3 was not lost")
	}
	p.step(p.b, ike.Used{SPI: up.Child.SPIOut})
	p.wantTunnel()
}

// The inbound SA stands before the message that lets the peer use it, and that
// message is not sent when it cannot.
func TestInstallBeforeSend(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.tamper = func(_ *end, data []byte) []byte {
		if h, _ := isakmp.ParseHeader(data); h.Exchange == isakmp.QuickMode {
			return nil
		}
		return data
	}
	p.start()
	qm1 := p.a.sent[len(p.a.sent)-1]
	actions := p.b.s.Step(p.now, ike.Packet{Local: p.b.s.local, Remote: p.b.s.remote, Data: qm1})
	installed := uint32(0)
	for _, action := range actions {
		switch action := action.(type) {
		case ike.Install:
			installed = action.SA.SPI
		case ike.Send:
			if installed == 0 || action.Needs != installed {
				t.Errorf("QM2 needs %#x, installed is %#x", action.Needs, installed)
			}
		}
	}
	p.step(p.b, ike.Failed{SPI: installed, Err: errors.New("no buffer space")})
	f := p.b.wantFault(ike.ChildFailed, ike.CauseDataPlane)
	if !strings.Contains(f.Text, "no buffer space") {
		t.Error(f.Error())
	}
	if p.b.has(ike.ChildFailed).Initiator {
		t.Error("the peer's quick mode is reported as ours")
	}
}

// A peer that forgot the session does not answer: it ends, so that the next
// try is a new one.
func TestForgottenByThePeer(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	p.now = p.now.Add(time.Hour)
	p.tamper = func(*end, []byte) []byte { return nil }
	p.step(p.a, ike.Negotiate{Child: p.a.s.peer.Children[0]})
	p.run(2 * time.Minute)
	p.a.wantFault(ike.ChildFailed, ike.CauseTimeout)
	p.a.wantFault(ike.SessionDown, ike.CauseTimeout)
	if !p.a.has(ike.ChildFailed).Initiator {
		t.Error("our quick mode is reported as the peer's")
	}
}

// The peer's deletion of a child goes to the tunnel; that of the session ends
// it and leaves the children.
func TestDeletes(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	child := p.a.has(ike.ChildUp).Child
	p.step(p.a, ike.DeleteChild{SPIs: []uint32{child.SPIIn}})
	if r := p.b.has(ike.PeerDeleted); r == nil || r.SPI != child.SPIIn {
		t.Fatalf("%v", r)
	}
	p.step(p.a, ike.CloseSession{})
	p.b.wantFault(ike.SessionDown, ike.CauseDeleted)
	p.a.wantFault(ike.SessionDown, ike.CauseAsked)
	if len(p.b.sas) != 2 {
		t.Error("the children went with their phase 1")
	}
}

// Several children are deleted in one message, which is hardly longer than that of
// one.
func TestDeletesOfSeveral(t *testing.T) {
	p := establishedPair(t)
	p.step(p.a, ike.DeleteChild{SPIs: []uint32{0x1111, 0x2222, 0x3333}})
	if len(p.a.sent) != 1 {
		t.Fatalf("%d messages", len(p.a.sent))
	}
	p.says(p.a, p.a.sent[0])
	var gone []uint32
	for _, r := range p.b.reports {
		if r.Kind == ike.PeerDeleted {
			gone = append(gone, r.SPI)
		}
	}
	if !slices.Equal(gone, []uint32{0x1111, 0x2222, 0x3333}) {
		t.Errorf("the peer takes down %x", gone)
	}
}

// A responder that never gets QM3 keeps its inbound SA: to the initiator QM2 was
// the end, and what it sends proves that it has got that.
func TestUnconfirmedSA(t *testing.T) {
	without := func(t *testing.T) (*pair, *ike.ChildSA) {
		p := newPair(t, first(peers()), second(peers()))
		quick := 0
		p.tamper = func(from *end, data []byte) []byte {
			if h, _ := isakmp.ParseHeader(data); h.Exchange == isakmp.QuickMode {
				if quick++; quick > 2 {
					return nil
				}
			}
			return data
		}
		p.start()
		p.run(2 * time.Minute)
		p.tamper = nil
		if p.b.has(ike.ChildUp) != nil || len(p.b.sas) != 1 {
			t.Fatalf("the responder has %d SAs", len(p.b.sas))
		}
		p.b.wantFault(ike.ChildUnconfirmed, ike.CauseTimeout)
		return p, p.a.has(ike.ChildUp).Child
	}
	t.Run("is proved by traffic", func(t *testing.T) {
		p, child := without(t)
		p.step(p.b, ike.Used{SPI: child.SPIOut})
		p.wantTunnel()
	})
	t.Run("is proved by a late QM3", func(t *testing.T) {
		p, _ := without(t)
		p.says(p.a, p.a.sent[len(p.a.sent)-1])
		p.wantTunnel()
	})
	t.Run("goes with its lifetime", func(t *testing.T) {
		p, _ := without(t)
		sent := len(p.b.sent)
		p.run(p.b.s.peer.Children[0].Lifetime.Time)
		p.b.wantFault(ike.ChildFailed, ike.CauseTimeout)
		if len(p.b.sas) != 0 || len(p.b.sent) != sent {
			t.Errorf("%d SAs stay, %d messages were sent", len(p.b.sas), len(p.b.sent)-sent)
		}
	})
	t.Run("goes when the data plane says that it is gone", func(t *testing.T) {
		p, child := without(t)
		sent := len(p.b.sent)
		p.step(p.b, ike.Failed{SPI: child.SPIOut, Err: errors.New("gone")})
		if p.b.has(ike.ChildFailed) == nil || len(p.b.sent) != sent {
			t.Errorf("%d messages were sent", len(p.b.sent)-sent)
		}
	})
	t.Run("is one for each pair", func(t *testing.T) {
		p, _ := without(t)
		p.tamper = func(from *end, data []byte) []byte {
			if from == p.b {
				return nil
			}
			return data
		}
		p.says(p.a, p.a.asks(4711, nil))
		p.run(2 * time.Minute)
		if len(p.b.sas) != 1 {
			t.Errorf("%d SAs wait for a proof", len(p.b.sas))
		}
	})
}

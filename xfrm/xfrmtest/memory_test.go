package xfrmtest

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// pair joins two memories. Their time passes only while the suite waits.
func pair(*testing.T) Subject {
	a, b := NewMemory(), NewMemory()
	Join(a, b)
	wait := func(d time.Duration) {
		a.Tick(a.Now().Add(d))
		b.Tick(b.Now().Add(d))
	}
	side := func(m *Memory, outer, outer6 string) Side {
		return Side{
			Backend: m, Outer: netip.MustParseAddr(outer), Outer6: netip.MustParseAddr(outer6),
			Send:  func(p Inner) error { m.Send(ifID, p); return nil },
			Inbox: m.Inbox(), Wait: wait,
		}
	}
	return Subject{A: side(a, "198.51.100.1", "2001:db8::1"), B: side(b, "198.51.100.2", "2001:db8::2")}
}

func TestMemoryKeepsTheContract(t *testing.T) { Contract(t, pair) }

func TestMemoryTellsTheFateOfAPacket(t *testing.T) {
	s := pair(t)
	g := &bench{T: t, subject: s, a: &s.A, b: &s.B}
	m := s.A.Backend.(*Memory)
	p := g.protect(1, false)
	block := xfrm.Policy{Sel: nets(2, false), IfID: ifID, Action: xfrm.Block}
	send := func(sel xfrm.Selector, want Fate) {
		t.Helper()
		if got := m.Send(ifID, g.packet(sel, 1, 100-28)); got != want {
			t.Errorf("%v: %v, want %v", sel, got, want)
		}
	}
	send(p.Sel, NoLink)
	g.must(m.SetLinks(g.ctx(), []xfrm.Link{gateway}))
	send(p.Sel, Unselected)
	g.setPolicies(p, block)
	send(p.Sel, NoSA)
	send(block.Sel, Blocked)
	sa := g.sa(p, 0x1000, plain)
	sa.Hard.Bytes = 150
	g.must(m.PutSA(g.ctx(), sa))
	send(p.Sel, Sent)
	send(p.Sel, Sent)
	send(p.Sel, SpentSA)
	send(p.Sel, NoSA)
}

func TestMemoryFailsOnce(t *testing.T) {
	s := pair(t)
	g := &bench{T: t, subject: s, a: &s.A, b: &s.B}
	m, no := s.A.Backend.(*Memory), errors.New("no room")
	sa := g.sa(g.protect(1, false), 0x1000, plain)
	m.FailPut(no)
	if err := m.PutSA(g.ctx(), sa); !errors.Is(err, no) {
		t.Fatalf("the first PutSA returned %v", err)
	}
	g.wantSAs(g.a)
	g.must(m.PutSA(g.ctx(), sa))
	g.wantSAs(g.a, sa)
}

// Nobody reads: events are dropped, and the first one after says so.
func TestMemorySaysThatEventsWereLost(t *testing.T) {
	m := NewMemory()
	for range eventRoom + 5 {
		m.Emit(xfrm.PeerMoved{})
	}
	for range 2 {
		<-m.Events()
	}
	m.Emit(xfrm.Acquire{ReqID: 9})
	g := &bench{T: t}
	all := seen(&Side{Backend: m})
	if n := len(all); n < 2 || all[n-2] != (xfrm.Lost{}) || all[n-1] != (xfrm.Acquire{ReqID: 9}) {
		g.Errorf("the last events are %+v", all[len(all)-2:])
	}
}

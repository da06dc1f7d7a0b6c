package xfrmtest

import (
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

func (g *bench) usage() {
	p := g.protect(1, false)
	g.setPolicies(p)
	out, back := g.connect(p, 0x1000, plain)
	if u := g.used(g.a, out); u.Packets != 0 || u.Bytes != 0 || !u.LastUsed.IsZero() || u.Added.IsZero() {
		g.Errorf("a fresh SA has the usage %+v", u)
	}
	var want uint64
	for size := 10; size < 20; size++ {
		in := g.packet(p.Sel, 1, size)
		want += in.Size()
		g.passes(g.a, g.b, in)
	}
	for _, side := range []*Side{g.a, g.b} {
		u := g.used(side, out)
		if u.Packets != 10 || u.Bytes != want {
			g.Errorf("usage %+v, want 10 packets of %d bytes in all", u, want)
		}
		if u.LastUsed.Before(u.Added) {
			g.Errorf("used at %v, added at %v", u.LastUsed, u.Added)
		}
	}
	if u := g.used(g.a, back); u.Packets != 0 {
		g.Errorf("the other direction has %d packets", u.Packets)
	}
}

func isExpired(sa xfrm.SA, hard bool) func(xfrm.Event) bool {
	return func(e xfrm.Event) bool {
		return e == xfrm.Expired{SPI: sa.SPI, Dst: sa.Dst, ReqID: sa.ReqID, Hard: hard}
	}
}

// One limit is on the sender's SA, the other on the receiver's: both ends look
// at theirs. The packets go on until the limit is told, but not for ever: a
// data plane may let the packet that reaches a limit pass, not ten more.
func (g *bench) byteLimits() {
	p := g.protect(1, false)
	g.setPolicies(p)
	for i, limited := range []*Side{g.a, g.b} {
		out := g.sa(p, uint32(0x1000+i), plain)
		in := received(out)
		end := &out
		if limited == g.b {
			end = &in
		}
		end.Soft.Bytes, end.Hard.Bytes = 3000, 6000
		g.must(g.b.PutSA(g.ctx(), in))
		g.must(g.a.PutSA(g.ctx(), out))
		soft := g.pump(p.Sel, limited, isExpired(out, false))
		hard := g.pump(p.Sel, limited, isExpired(out, true))
		if soft < 3 || soft > 5 || soft+hard < 6 || soft+hard > 8 {
			g.Errorf("limits of 3000 and 6000 bytes were told after %d and %d packets of 1000", soft, soft+hard)
		}
		for _, sa := range g.dump(limited).SAs {
			if sa.ID() == out.ID() {
				g.Errorf("the SA is there after its hard limit")
			}
		}
		g.drain(p.Sel, limited)
		g.must(g.a.DropSA(g.ctx(), out.SPI, out.Dst))
		g.must(g.b.DropSA(g.ctx(), out.SPI, out.Dst))
	}
	g.nothingInClear()
}

// pump sends packets of 1000 bytes from A until the limited side tells of it,
// and returns how many it took.
func (g *bench) pump(sel xfrm.Selector, limited *Side, want func(xfrm.Event) bool) int {
	g.Helper()
	for sent := 1; sent <= 12; sent++ {
		p := g.packet(sel, 1, 1000-28)
		_ = g.a.Send(p)
		for range 40 { // 0.2 s: an event follows its packet at once
			for _, e := range seen(limited) {
				if want(e) {
					return sent
				}
			}
			g.a.wait(tick)
		}
	}
	g.Fatal("no event by 12 packets")
	return 0
}

// drain empties B's inbox and sees that what is sent now stays away: without
// the SA nothing passes.
func (g *bench) drain(sel xfrm.Selector, limited *Side) {
	g.Helper()
	for len(g.b.Inbox) > 0 {
		<-g.b.Inbox
	}
	g.refused(g.a, g.packet(sel, 1, 50))
	if limited == g.a {
		g.event(g.a, "acquire after the hard limit", isAcquire(uint32(101)))
	}
	g.a.wait(100 * time.Millisecond)
	if len(g.b.Inbox) > 0 {
		g.Error("a packet passed after the hard limit")
	}
}

// Kernels count lifetimes in whole seconds.
func (g *bench) timeLimits() {
	p := g.protect(1, false)
	g.setPolicies(p)
	out := g.sa(p, 0x1000, plain)
	out.Soft.Time, out.Hard.Time = time.Second, 3*time.Second
	g.carry(g.a, g.b, out)
	g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
	for _, side := range []*Side{g.a, g.b} {
		g.event(side, "soft limit", isExpired(out, false))
	}
	g.passes(g.a, g.b, g.packet(p.Sel, 1, 40)) // soft means: still good
	for _, side := range []*Side{g.a, g.b} {
		g.event(side, "hard limit", isExpired(out, true))
		g.wantSAs(side)
	}
	g.refused(g.a, g.packet(p.Sel, 1, 40))
	g.event(g.a, "acquire after the hard limit", isAcquire(p.ReqID))
	g.nothingInClear()
}

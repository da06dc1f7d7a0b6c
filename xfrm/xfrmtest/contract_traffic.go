package xfrmtest

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

func isAcquire(reqID uint32) func(xfrm.Event) bool {
	return func(e xfrm.Event) bool {
		a, ok := e.(xfrm.Acquire)
		return ok && a.ReqID == reqID
	}
}

// The first packet asks, the following do not; an SA ends the matter, and its
// loss opens it again.
func (g *bench) acquire() {
	p, other := g.protect(1, false), g.protect(2, true)
	g.setPolicies(p, other)
	early := []Inner{g.packet(p.Sel, 7, 40)}
	for range 30 {
		early = append(early, g.packet(p.Sel, 8, 40))
	}
	for _, in := range early {
		_ = g.a.Send(in)
	}
	first := early[0]
	_ = g.a.Send(g.packet(other.Sel, 9, 40))
	a := g.event(g.a, "acquire of the first pair", isAcquire(p.ReqID)).(xfrm.Acquire)
	host := xfrm.Selector{Local: netip.PrefixFrom(first.Src.Addr(), 32), Remote: netip.PrefixFrom(first.Dst.Addr(), 32)}
	if a.IfID != ifID || a.Packet != host {
		g.Errorf("acquire %+v is not about %v on %#x", a, host, ifID)
	}
	// The second pair's packet was sent last: its event is behind all others.
	g.event(g.a, "acquire of the second pair", func(e xfrm.Event) bool {
		if isAcquire(p.ReqID)(e) {
			g.Error("one pair asked twice")
		}
		return isAcquire(other.ReqID)(e)
	})
	out, _ := g.connect(p, 0x1000, plain)
	if g.subject.HoldsFirst {
		g.wantHeld(early)
	}
	g.passes(g.a, g.b, g.packet(p.Sel, 7, 40)) // and none of the earlier ones any more: they were dropped
	if ev := seen(g.a); len(ev) > 0 {
		g.Errorf("events although the SA is there: %+v", ev)
	}
	g.must(g.a.DropSA(g.ctx(), out.SPI, out.Dst))
	_ = g.a.Send(g.packet(p.Sel, 7, 40))
	g.event(g.a, "acquire after the SA was dropped", isAcquire(p.ReqID))
	g.nothingInClear()
}

// wantHeld wants the first of what was sent to come out at B, and some of the
// rest, in their order.
func (g *bench) wantHeld(early []Inner) {
	g.Helper()
	last := -1
	for g.a.wait(20 * tick); len(g.b.Inbox) > 0 || last < 0; {
		got, ok := g.next(g.b)
		if !ok {
			g.Fatal("no packet was held")
		}
		nth := slices.IndexFunc(early, func(p Inner) bool { return bytes.Equal(p.Payload, got.Payload) })
		if nth != last+1 {
			g.Errorf("packet %d came after packet %d", nth, last)
		}
		last = nth
	}
}

func (g *bench) rekey() {
	p := g.protect(1, false)
	g.setPolicies(p)
	old, _ := g.connect(p, 0x1000, plain)
	g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
	fresh := g.sa(p, 0x2000, xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA256})
	g.must(g.b.PutSA(g.ctx(), received(fresh)))
	g.passes(g.a, g.b, g.packet(p.Sel, 1, 40)) // the peer may still use the old one
	if n := g.used(g.b, old).Packets; n != 2 {
		g.Fatalf("the old SA has brought %d packets, not 2", n)
	}
	g.must(g.a.PutSA(g.ctx(), fresh))
	for range 3 {
		g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
	}
	if was, is := g.used(g.b, old).Packets, g.used(g.b, fresh).Packets; was != 2 || is != 3 {
		g.Errorf("the old SA has brought %d packets, the new one %d; want 2 and 3", was, is)
	}
	g.must(g.a.DropSA(g.ctx(), old.SPI, old.Dst))
	g.must(g.b.DropSA(g.ctx(), old.SPI, old.Dst))
	g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
}

// SAs of one pair that come within a moment, as when both ends begin a quick
// mode: each is used at once, also by a flow that has had another. Many SAs of
// others make the data plane's tables grow meanwhile.
func (g *bench) fallback() {
	p, other := g.protect(1, false), g.protect(2, false)
	g.setPolicies(p, other)
	sends := func(sa xfrm.SA) {
		g.Helper()
		was := g.used(g.a, sa).Packets
		g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
		if g.used(g.a, sa).Packets != was+1 {
			g.Fatalf("another SA than %#x has sent", sa.SPI)
		}
	}
	var all []xfrm.SA
	for i := range 5 {
		sa := g.sa(p, uint32(0x1000+i), plain)
		g.carry(g.a, g.b, sa)
		sends(sa)
		all = append(all, sa)
	}
	for i := range 200 {
		g.must(g.a.PutSA(g.ctx(), g.sa(other, uint32(0x2000+i), plain)))
	}
	for i := len(all) - 1; i > 0; i-- {
		sends(all[i])
		g.must(g.a.DropSA(g.ctx(), all[i].SPI, all[i].Dst))
	}
	sends(all[0])
}

func (g *bench) blocked() {
	open := g.protect(1, false)
	open6 := g.protect(1, true)
	wide := func(a, b netip.Prefix) xfrm.Policy {
		return xfrm.Policy{Sel: xfrm.Selector{Local: a, Remote: b}, IfID: ifID, Priority: 50, Action: xfrm.Block}
	}
	// Before the Protect policy below, and not quite its selector: a kernel has
	// one policy for each selector.
	shut := wide(nets(2, false).Local, netip.MustParsePrefix("10.77.130.0/25"))
	never := g.protect(2, false)
	late := wide(NetA6, NetB6) // behind open6
	late.Priority = 500
	g.setPolicies(open, open6, shut, never, late)
	g.connect(open, 0x1000, plain)
	g.connect(open6, 0x1100, plain)
	g.connect(never, 0x1200, plain)

	g.refused(g.a, g.packet(never.Sel, 1, 40))
	g.refused(g.a, g.packet(nets(3, true), 1, 40))                                                             // blocked by late
	g.refused(g.a, g.packet(nets(4, false), 1, 40))                                                            // unselected
	g.refused(g.a, g.packet(xfrm.Selector{Local: nets(1, false).Local, Remote: nets(4, false).Remote}, 1, 40)) // half selected
	g.passes(g.a, g.b, g.packet(open.Sel, 1, 40))
	g.passes(g.a, g.b, g.packet(open6.Sel, 1, 40))
	for _, e := range seen(g.a) {
		g.Errorf("event %+v; nobody may ask for what is blocked or unselected", e)
	}
	g.nothingInClear()
}

// B's policy is narrower than what A sends through its SA (RFC 4301 §5.2).
func (g *bench) outsideSelector() {
	p := g.protect(1, false)
	narrow := mirrored(p)
	narrow.Sel.Local = netip.MustParsePrefix("10.77.129.0/28")
	g.must(g.a.SetPolicies(g.ctx(), []xfrm.Policy{p}))
	g.must(g.b.SetPolicies(g.ctx(), []xfrm.Policy{narrow, mirrored(g.protect(2, false))}))
	g.carry(g.a, g.b, g.sa(p, 0x1000, plain))
	g.refused(g.a, g.packet(p.Sel, 99, 40))
	g.passes(g.a, g.b, g.packet(p.Sel, 3, 40))
}

func (g *bench) wrongKey() {
	p, good := g.protect(1, false), g.protect(2, false)
	g.setPolicies(p, good)
	sa := g.sa(p, 0x1000, plain)
	in := received(sa)
	in.AuthKey = key(0x77, 'a', plain.Hash.Size())
	g.must(g.b.PutSA(g.ctx(), in))
	g.must(g.a.PutSA(g.ctx(), sa))
	g.connect(good, 0x1100, plain)
	g.refused(g.a, g.packet(p.Sel, 1, 40))
	g.passes(g.a, g.b, g.packet(good.Sel, 1, 40))
	if u := g.used(g.b, sa); u.IntegrityErrs != 1 || u.Packets != 0 {
		g.Errorf("usage %+v; want one integrity error and no packet", u)
	}
}

// everySuite lists all that an xfrm.Suite can be.
func everySuite() (all []xfrm.Suite) {
	for _, h := range []xfrm.Hash{xfrm.MD5, xfrm.SHA1, xfrm.SHA256, xfrm.SHA384, xfrm.SHA512} {
		all = append(all, xfrm.Suite{Cipher: xfrm.DESCBC, Hash: h}, xfrm.Suite{Cipher: xfrm.TripleDESCBC, Hash: h})
		for _, bits := range []int{128, 192, 256} {
			all = append(all, xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: bits, Hash: h})
		}
	}
	return all
}

func (g *bench) suites() {
	four, six := g.protect(1, false), g.protect(1, true)
	g.setPolicies(four, six)
	for i, s := range everySuite() {
		g.Log(s)
		g.connect(four, uint32(0x1000+4*i), s)
		g.connect(six, uint32(0x1002+4*i), s)
		for _, p := range []xfrm.Policy{four, six} {
			for size := 12; size < 30; size++ { // every length of padding
				g.passes(g.a, g.b, g.packet(p.Sel, 1, size))
			}
			g.passes(g.b, g.a, g.packet(turned(p.Sel), 1, 1200))
		}
	}
	g.nothingInClear()
}

func (g *bench) encapsulated() {
	p := g.protect(1, false)
	g.setPolicies(p)
	for i, six := range []bool{false, true} {
		p := g.protect(1+i, six)
		g.setPolicies(p)
		out, back := g.sa(p, 0x1000, plain), g.sa(mirrored(p), 0x1001, plain)
		out.Encap = xfrm.Encap{SrcPort: xfrm.PortNATT, DstPort: xfrm.PortNATT}
		back.Encap = out.Encap
		g.carry(g.a, g.b, out)
		g.carry(g.b, g.a, back)
		for size := 20; size < 1300; size += 160 {
			g.passes(g.a, g.b, g.packet(p.Sel, 1, size))
			g.passes(g.b, g.a, g.packet(turned(p.Sel), 1, size))
		}
		g.wantSAs(g.a, out, received(back))
		g.must(g.a.DropSA(g.ctx(), out.SPI, out.Dst))
		g.must(g.a.DropSA(g.ctx(), back.SPI, back.Dst))
		g.must(g.b.DropSA(g.ctx(), out.SPI, out.Dst))
		g.must(g.b.DropSA(g.ctx(), back.SPI, back.Dst))
	}
	for _, e := range append(seen(g.a), seen(g.b)...) {
		if _, ok := e.(xfrm.PeerMoved); ok {
			g.Errorf("nobody moved: %+v", e)
		}
	}
	g.nothingInClear()
}

// A translator gave A's packets another source port than B was told.
func (g *bench) moved() {
	p := g.protect(1, false)
	g.setPolicies(p)
	out := g.sa(p, 0x1000, plain)
	out.Encap = xfrm.Encap{SrcPort: xfrm.PortNATT, DstPort: xfrm.PortNATT}
	in := received(out)
	in.Encap.SrcPort = 61234
	g.must(g.b.PutSA(g.ctx(), in))
	g.must(g.a.PutSA(g.ctx(), out))
	g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
	e := g.event(g.b, "peer moved", isMoved)
	want := xfrm.PeerMoved{SPI: out.SPI, ReqID: out.ReqID, From: netip.AddrPortFrom(g.a.Outer, xfrm.PortNATT)}
	if e != want {
		g.Errorf("got %+v, want %+v", e, want)
	}
}

func isMoved(e xfrm.Event) bool {
	_, ok := e.(xfrm.PeerMoved)
	return ok
}

// To follow a peer changes ports and nothing else: an SA that counted or
// numbered its packets anew would be seen by the counters or the window.
func (g *bench) followed() {
	p := g.protect(1, false)
	g.setPolicies(p)
	out, back := g.sa(p, 0x1000, plain), g.sa(mirrored(p), 0x1001, plain)
	out.Encap = xfrm.Encap{SrcPort: xfrm.PortNATT, DstPort: xfrm.PortNATT}
	back.Encap = out.Encap
	g.carry(g.a, g.b, out)
	g.carry(g.b, g.a, back)
	sent := 0
	both := func(n int) {
		g.Helper()
		for range n {
			g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
			g.passes(g.b, g.a, g.packet(turned(p.Sel), 1, 40))
		}
		sent += n
	}
	both(3)
	for round := range 2 { // B believes A behind another port, and learns better, twice
		g.must(g.b.SetEncap(g.ctx(), out.ID(), xfrm.Encap{SrcPort: 61234, DstPort: xfrm.PortNATT}))
		g.must(g.b.SetEncap(g.ctx(), back.ID(), xfrm.Encap{SrcPort: xfrm.PortNATT, DstPort: 61234}))
		if ev := seen(g.b); len(ev) > 0 {
			g.Errorf("events before a packet came: %+v", ev)
		}
		want := xfrm.PeerMoved{SPI: out.SPI, ReqID: out.ReqID, From: netip.AddrPortFrom(g.a.Outer, xfrm.PortNATT)}
		if got := g.toldOfMove(p, &sent); got != want {
			g.Errorf("round %d: got %+v, want %+v", round, got, want)
		}
		g.must(g.b.SetEncap(g.ctx(), out.ID(), out.Encap))
		g.must(g.b.SetEncap(g.ctx(), back.ID(), back.Encap))
		seen(g.b)
		both(5)
		if ev := seen(g.b); len(ev) > 0 {
			g.Errorf("events of a peer that was followed: %+v", ev)
		}
	}
	g.wantSAs(g.b, received(out), back)
	if u := g.used(g.b, out); u.Packets != uint64(sent) || u.ReplayErrors+u.IntegrityErrs > 0 {
		g.Errorf("usage %+v after %d packets", u, sent)
	}
	if u := g.used(g.a, back); u.Packets != 13 || u.ReplayErrors+u.IntegrityErrs > 0 {
		g.Errorf("usage %+v after 13 packets back", u)
	}
	g.must(g.b.SetEncap(g.ctx(), xfrm.SAID{SPI: 0x9999, Dst: g.b.Outer}, out.Encap)) // never was
	if err := g.b.SetEncap(g.ctx(), out.ID(), xfrm.Encap{}); err == nil {
		g.Error("ESP in UDP became plain ESP")
	}
}

// toldOfMove sends from A until B tells that A has moved, and sees that not
// every packet tells it. A data plane may take seconds to tell the same place
// again.
func (g *bench) toldOfMove(p xfrm.Policy, sent *int) (moved xfrm.Event) {
	g.Helper()
	for waited := time.Duration(0); waited < patience; waited += 10 * tick {
		g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
		*sent++
		g.a.wait(10 * tick)
		if moved = first(seen(g.b), isMoved); moved != nil {
			break
		}
	}
	for range 20 {
		g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
		*sent++
	}
	if again := seen(g.b); len(again) > 2 {
		g.Errorf("20 packets told %d times of the same move", len(again))
	}
	return moved
}

func first(all []xfrm.Event, want func(xfrm.Event) bool) xfrm.Event {
	for _, e := range all {
		if want(e) {
			return e
		}
	}
	return nil
}

func (g *bench) outside6() {
	if !g.a.Outer6.IsValid() {
		g.Log("left out: this subject has no IPv6 outside")
		return
	}
	for i, six := range []bool{false, true} {
		p := g.protect(1, six)
		p.TunnelLocal, p.TunnelRemote = g.a.Outer6, g.b.Outer6
		g.setPolicies(p)
		g.connect(p, uint32(0x1000+2*i), plain)
		for size := 20; size < 1300; size += 160 {
			g.passes(g.a, g.b, g.packet(p.Sel, 1, size))
			g.passes(g.b, g.a, g.packet(turned(p.Sel), 1, size))
		}
	}
	g.nothingInClear()
}

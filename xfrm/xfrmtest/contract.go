package xfrmtest

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Contract runs the whole suite. open gives a fresh subject for each test: two
// data planes that hold nothing. The suite closes both backends.
func Contract(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		run  func(*bench)
	}{
		{"an SA may be put and dropped twice", (*bench).repeatedSAs},
		{"an SA that is put again goes on counting", (*bench).putAgain},
		{"an impossible SA is refused", (*bench).impossibleSAs},
		{"policies become what is wanted", (*bench).policies},
		{"a change of policies leaves the others alone", (*bench).unchangedPolicies},
		{"links become what is wanted", (*bench).links},
		{"a dump holds only what is ours", (*bench).onlyOurs},
		{"a packet without an SA asks once", (*bench).acquire},
		{"the newest SA sends, the old one still receives", (*bench).rekey},
		{"without the newest SA the one before it sends", (*bench).fallback},
		{"what is blocked or unselected never passes", (*bench).blocked},
		{"what a peer sends outside its selector is dropped", (*bench).outsideSelector},
		{"another key does not pass", (*bench).wrongKey},
		{"usage counts inner packets", (*bench).usage},
		{"byte limits", (*bench).byteLimits},
		{"time limits", (*bench).timeLimits},
		{"every suite carries IPv4 and IPv6", (*bench).suites},
		{"ESP in UDP", (*bench).encapsulated},
		{"a peer that moved is told", (*bench).moved},
		{"a peer that moved is followed", (*bench).followed},
		{"an IPv6 outside", (*bench).outside6},
		{"close ends the events", (*bench).closing},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(setUp(t, open)) })
	}
}

// bench is a subject with one link on each side and the routes into them.
type bench struct {
	*testing.T
	a, b    *Side
	subject Subject
	count   int // packets so far, so that each differs
}

// The suite's one gateway interface, the same on both sides.
const (
	ifID     = xfrm.Ours | 1
	linkName = "twin0001"
	linkMTU  = 1400
	patience = 10 * time.Second // of waiting for what must come
	tick     = 5 * time.Millisecond
)

var gateway = xfrm.Link{Name: linkName, IfID: ifID, MTU: linkMTU}

// plain is the suite of the tests that are not about suites.
var plain = xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}

func setUp(t *testing.T, open func(t *testing.T) Subject) *bench {
	s := open(t)
	g := &bench{T: t, subject: s, a: &s.A, b: &s.B}
	for _, side := range []*Side{g.a, g.b} {
		t.Cleanup(func() { g.must(side.Close()) })
		g.must(side.SetLinks(g.ctx(), []xfrm.Link{gateway}))
	}
	for _, r := range []struct {
		side *Side
		dst  netip.Prefix
	}{{g.a, NetB}, {g.a, NetB6}, {g.b, NetA}, {g.b, NetA6}} {
		if r.side.Route != nil {
			r.side.Route(t, linkName, r.dst)
		}
	}
	return g
}

func (g *bench) ctx() context.Context { return context.Background() }

func (g *bench) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// nets are the networks of pair i as A sees them.
func nets(i int, six bool) xfrm.Selector {
	if six {
		return xfrm.Selector{
			Local:  netip.MustParsePrefix(fmt.Sprintf("fd77:a:%x::/48", i)),
			Remote: netip.MustParsePrefix(fmt.Sprintf("fd77:b:%x::/48", i)),
		}
	}
	return xfrm.Selector{
		Local:  netip.MustParsePrefix(fmt.Sprintf("10.77.%d.0/24", i)),
		Remote: netip.MustParsePrefix(fmt.Sprintf("10.77.%d.0/24", 128+i)),
	}
}

func turned(s xfrm.Selector) xfrm.Selector { return xfrm.Selector{Local: s.Remote, Remote: s.Local} }

// protect is A's policy for a pair, IPv4 and IPv6 under one reqid each.
func (g *bench) protect(i int, six bool) xfrm.Policy {
	reqID := uint32(100 + i)
	if six {
		reqID += 1000
	}
	return xfrm.Policy{
		Sel: nets(i, six), TunnelLocal: g.a.Outer, TunnelRemote: g.b.Outer,
		ReqID: reqID, IfID: ifID, Priority: 100, Action: xfrm.Protect,
	}
}

// mirrored is the same policy as the other side has it.
func mirrored(p xfrm.Policy) xfrm.Policy {
	p.Sel = turned(p.Sel)
	p.TunnelLocal, p.TunnelRemote = p.TunnelRemote, p.TunnelLocal
	return p
}

// setPolicies gives A the policies and B their mirror.
func (g *bench) setPolicies(want ...xfrm.Policy) {
	g.Helper()
	var back []xfrm.Policy
	for _, p := range want {
		back = append(back, mirrored(p))
	}
	g.must(g.a.SetPolicies(g.ctx(), want))
	g.must(g.b.SetPolicies(g.ctx(), back))
}

// sa is the SA from A to B under a policy, as A has it. Its keys follow from
// the SPI.
func (g *bench) sa(p xfrm.Policy, spi uint32, s xfrm.Suite) xfrm.SA {
	return xfrm.SA{
		Dir: xfrm.Out, SPI: spi, Src: p.TunnelLocal, Dst: p.TunnelRemote, ReqID: p.ReqID, IfID: p.IfID, Suite: s,
		EncKey: key(spi, 'e', s.EncKeySize()), AuthKey: key(spi, 'a', s.Hash.Size()),
	}
}

func key(spi uint32, use byte, size int) xfrm.Secret {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(spi) + use*31 + byte(i)*17
	}
	return xfrm.NewSecret(b)
}

func received(sa xfrm.SA) xfrm.SA {
	sa.Dir = xfrm.In
	return sa
}

// connect puts SAs for both directions of a policy, with SPIs spi and spi+1.
func (g *bench) connect(p xfrm.Policy, spi uint32, s xfrm.Suite) (out, back xfrm.SA) {
	g.Helper()
	out, back = g.sa(p, spi, s), g.sa(mirrored(p), spi+1, s)
	g.carry(g.a, g.b, out)
	g.carry(g.b, g.a, back)
	return out, back
}

// carry puts one SA at both its ends, the receiver first.
func (g *bench) carry(from, to *Side, sa xfrm.SA) {
	g.Helper()
	g.must(to.PutSA(g.ctx(), received(sa)))
	g.must(from.PutSA(g.ctx(), sa))
}

// packet makes a packet between the hosts with number host of a pair.
func (g *bench) packet(sel xfrm.Selector, host byte, size int) Inner {
	g.count++
	body := make([]byte, size)
	copy(body, fmt.Sprintf("packet %d", g.count))
	return Inner{at(sel.Local, host), at(sel.Remote, host), body}
}

func at(net netip.Prefix, host byte) netip.AddrPort {
	b := net.Addr().AsSlice()
	b[len(b)-1] = host
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, Port)
}

// passes sends a packet and waits until it, and nothing else, comes out.
func (g *bench) passes(from, to *Side, p Inner) {
	g.Helper()
	if err := from.Send(p); err != nil {
		g.Fatalf("send %v -> %v: %v", p.Src, p.Dst, err)
	}
	got, ok := g.next(to)
	switch {
	case !ok:
		g.Fatalf("%v -> %v did not arrive", p.Src, p.Dst)
	case got.Src != p.Src || got.Dst != p.Dst || !bytes.Equal(got.Payload, p.Payload):
		g.Fatalf("%v -> %v %.20q came out where %v -> %v %.20q went in", got.Src, got.Dst, got.Payload, p.Src, p.Dst, p.Payload)
	}
}

// refused sends a packet that must not come out. Whether it does is seen by
// the packet that passes after it.
func (g *bench) refused(from *Side, p Inner) { _ = from.Send(p) }

func (g *bench) next(s *Side) (Inner, bool) { return await(s, s.Inbox) }

// event waits for an event that is wanted and passes over others.
func (g *bench) event(s *Side, what string, want func(xfrm.Event) bool) xfrm.Event {
	g.Helper()
	for {
		e, ok := await(s, s.Events())
		if !ok {
			g.Fatalf("no event: %s", what)
		}
		if want(e) {
			return e
		}
	}
}

// await waits for something to come, in the side's own time; false when
// patience ends first, or the channel.
func await[T any](s *Side, from <-chan T) (got T, ok bool) {
	if s.Wait == nil {
		select {
		case got, ok = <-from:
		case <-time.After(patience):
		}
		return got, ok
	}
	for waited := time.Duration(0); waited < patience; waited += tick {
		select {
		case got, ok = <-from:
			return got, ok
		default:
			s.Wait(tick)
		}
	}
	return got, false
}

// seen takes the events that are there now.
func seen(s *Side) (all []xfrm.Event) {
	for {
		select {
		case e, ok := <-s.Events():
			if !ok {
				return all
			}
			all = append(all, e)
		default:
			return all
		}
	}
}

func (g *bench) dump(s *Side) xfrm.State {
	g.Helper()
	st, err := s.Dump(g.ctx())
	g.must(err)
	return st
}

func (g *bench) used(s *Side, sa xfrm.SA) xfrm.Usage {
	g.Helper()
	all, err := s.Usage(g.ctx())
	g.must(err)
	u, ok := all[sa.ID()]
	if !ok {
		g.Fatalf("no usage of SA %#x to %v in %v", sa.SPI, sa.Dst, all)
	}
	return u
}

// nothingInClear fails when the outside has seen an inner packet.
func (g *bench) nothingInClear() {
	g.Helper()
	if g.subject.Clear == nil {
		g.Log("left out: this subject has no outside to look at for clear text")
		return
	}
	if n := g.subject.Clear(); n > 0 {
		g.Errorf("%d inner packets went out in clear text", n)
	}
}

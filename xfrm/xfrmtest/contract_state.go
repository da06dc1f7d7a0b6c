package xfrmtest

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"sync"

	"github.com/twinspan/twinspan/xfrm"
)

// bare is an SA as Dump returns it: without its keys.
func bare(sa xfrm.SA) xfrm.SA {
	sa.EncKey, sa.AuthKey = xfrm.Secret{}, xfrm.Secret{}
	return sa
}

func (g *bench) wantSAs(s *Side, want ...xfrm.SA) {
	g.Helper()
	got := g.dump(s).SAs
	for i := range got {
		if !got[i].EncKey.IsZero() || !got[i].AuthKey.IsZero() {
			g.Fatalf("the dump of SA %#x brings its keys", got[i].SPI)
		}
	}
	for i := range want {
		want[i] = bare(want[i])
	}
	order := func(a, b xfrm.SA) int { return cmp.Compare(a.SPI, b.SPI) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		g.Fatalf("SAs\n got %+v\nwant %+v", got, want)
	}
}

func (g *bench) repeatedSAs() {
	p := g.protect(1, false)
	g.setPolicies(p)
	out := g.sa(p, 0x1000, plain)
	in := received(g.sa(mirrored(p), 0x1001, plain))
	in.Encap = xfrm.Encap{SrcPort: 4501, DstPort: 4500}
	in.Soft, in.Hard = xfrm.Limit{Bytes: 1 << 20, Time: 3000e9}, xfrm.Limit{Bytes: 1 << 21, Time: 3600e9}

	g.must(g.a.DropSA(g.ctx(), 0x1000, g.b.Outer)) // never was
	for range 2 {
		g.must(g.a.PutSA(g.ctx(), out))
		g.must(g.a.PutSA(g.ctx(), in))
		g.wantSAs(g.a, out, in)
	}
	other := out
	other.Suite = xfrm.Suite{Cipher: xfrm.TripleDESCBC, Hash: xfrm.MD5}
	other.EncKey, other.AuthKey = key(9, 'e', 24), key(9, 'a', 16)
	g.must(g.a.PutSA(g.ctx(), other))
	g.wantSAs(g.a, other, in)
	for range 2 {
		g.must(g.a.DropSA(g.ctx(), out.SPI, out.Dst))
		g.wantSAs(g.a, in)
	}
	g.must(g.a.DropSA(g.ctx(), in.SPI, g.b.Outer)) // its SPI with another destination
	g.wantSAs(g.a, in)
}

// A sender that began again at sequence number 1 with the same keys would be
// taken for a replay; a receiver that forgot its window would take one.
func (g *bench) putAgain() {
	p := g.protect(1, false)
	g.setPolicies(p)
	out, _ := g.connect(p, 0x1000, plain)
	for range 3 {
		g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
		out.Soft.Bytes += 1 << 20
		g.must(g.a.PutSA(g.ctx(), out))
		g.must(g.b.PutSA(g.ctx(), received(out)))
	}
	for _, side := range []*Side{g.a, g.b} {
		if u := g.used(side, out); u.Packets != 3 || u.ReplayErrors+u.IntegrityErrs > 0 {
			g.Errorf("usage %+v, want 3 packets and no error", u)
		}
	}
}

func (g *bench) impossibleSAs() {
	good := g.sa(g.protect(1, false), 0x1000, plain)
	for what, wrong := range map[string]func(*xfrm.SA){
		"a reserved SPI":            func(sa *xfrm.SA) { sa.SPI = 255 },
		"an if_id that is not ours": func(sa *xfrm.SA) { sa.IfID = 1 },
		"a short key":               func(sa *xfrm.SA) { sa.EncKey = key(1, 'e', 15) },
		"no key":                    func(sa *xfrm.SA) { sa.AuthKey = xfrm.Secret{} },
		"an unknown suite":          func(sa *xfrm.SA) { sa.Suite.Hash = 77 },
		"ends of two families":      func(sa *xfrm.SA) { sa.Src = netip.MustParseAddr("2001:db8::1") },
	} {
		sa := good
		wrong(&sa)
		if err := g.a.PutSA(g.ctx(), sa); err == nil {
			g.Errorf("an SA with %s was taken", what)
		}
	}
	g.wantSAs(g.a)
}

func (g *bench) wantPolicies(s *Side, want ...xfrm.Policy) {
	g.Helper()
	got := g.dump(s).Policies
	order := func(a, b xfrm.Policy) int { return cmp.Compare(a.Sel.String(), b.Sel.String()) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		g.Fatalf("policies\n got %+v\nwant %+v", got, want)
	}
}

func (g *bench) policies() {
	one, two, three := g.protect(1, false), g.protect(2, true), g.protect(3, false)
	block := xfrm.Policy{Sel: nets(4, false), IfID: ifID, Priority: 200, Action: xfrm.Block}
	steps := [][]xfrm.Policy{
		{one, two}, {one, two}, {two, three, block}, {one}, {}, {},
	}
	for _, want := range steps {
		g.must(g.a.SetPolicies(g.ctx(), want))
		g.wantPolicies(g.a, slices.Clone(want)...)
	}
	moved := one
	moved.TunnelRemote, moved.ReqID = netip.MustParseAddr("198.51.100.77"), 4711
	g.must(g.a.SetPolicies(g.ctx(), []xfrm.Policy{one}))
	g.must(g.a.SetPolicies(g.ctx(), []xfrm.Policy{moved})) // same selector, other tunnel
	g.wantPolicies(g.a, moved)

	foreign := one
	foreign.IfID = 7
	if err := g.a.SetPolicies(g.ctx(), []xfrm.Policy{foreign}); err == nil {
		g.Error("a policy with an if_id that is not ours was taken")
	}
}

// Policies of other pairs come and go while one pair's packets pass: none of
// them may be lost or asked for.
func (g *bench) unchangedPolicies() {
	stays := g.protect(1, false)
	g.setPolicies(stays)
	g.connect(stays, 0x1000, plain)
	var changes sync.WaitGroup
	stop, failed := make(chan struct{}), make(chan error, 1)
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := g.a.SetPolicies(g.ctx(), []xfrm.Policy{g.protect(2+i%9, i%2 == 0), stays}); err != nil {
				failed <- err
				return
			}
		}
	})
	for range 200 {
		g.passes(g.a, g.b, g.packet(stays.Sel, 1, 40))
		g.passes(g.b, g.a, g.packet(turned(stays.Sel), 1, 40))
	}
	close(stop)
	changes.Wait()
	select {
	case err := <-failed:
		g.Fatal(err)
	default:
	}
	if ev := seen(g.a); len(ev) > 0 {
		g.Errorf("events although the pair has its SA: %+v", ev)
	}
}

func (g *bench) links() {
	second := xfrm.Link{Name: "twin0002", IfID: xfrm.Ours | 2, MTU: 1300}
	narrow := gateway
	narrow.MTU = 1280
	for _, want := range [][]xfrm.Link{
		{gateway}, {gateway, second}, {second, narrow}, {narrow}, {}, {}, {gateway},
	} {
		g.must(g.a.SetLinks(g.ctx(), want))
		got := g.dump(g.a).Links
		want = slices.Clone(want)
		order := func(a, b xfrm.Link) int { return cmp.Compare(a.Name, b.Name) }
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			g.Fatalf("links\n got %+v\nwant %+v", got, want)
		}
	}
	// A link that came back carries packets like the first.
	if g.a.Route != nil {
		g.a.Route(g, linkName, NetB)
		g.a.Route(g, linkName, NetB6)
	}
	p := g.protect(1, false)
	g.setPolicies(p)
	g.connect(p, 0x1000, plain)
	g.passes(g.a, g.b, g.packet(p.Sel, 1, 40))
	if err := g.a.SetLinks(g.ctx(), []xfrm.Link{{Name: "twin0003", IfID: 3, MTU: 1400}}); err == nil {
		g.Error("a link with an if_id that is not ours was taken")
	}
}

func (g *bench) onlyOurs() {
	if g.subject.Foreign == nil {
		g.Log("left out: this data plane cannot hold what is not ours")
		g.wantSAs(g.a)
		return
	}
	check := g.subject.Foreign(g)
	g.wantSAs(g.a)
	g.wantPolicies(g.a)
	p := g.protect(1, false)
	sa := g.sa(p, 0x1000, plain)
	g.setPolicies(p)
	g.must(g.a.PutSA(g.ctx(), sa))
	g.wantSAs(g.a, sa)
	g.wantPolicies(g.a, p)
	if n := len(g.dump(g.a).Links); n != 1 {
		g.Errorf("the dump has %d links, one is ours", n)
	}
	all, err := g.a.Usage(g.ctx())
	g.must(err)
	if len(all) != 1 {
		g.Errorf("usage of %d SAs, one is ours", len(all))
	}
	g.setPolicies()
	g.must(g.a.DropSA(g.ctx(), sa.SPI, sa.Dst))
	g.must(g.a.SetLinks(g.ctx(), nil))
	check(g)
}

func (g *bench) closing() {
	g.must(g.a.Close())
	for waited := 0; waited < 1000; waited++ {
		select {
		case _, ok := <-g.a.Events():
			if !ok {
				g.must(g.a.Close()) // a second time changes nothing
				return
			}
		default:
			g.a.wait(tick)
		}
	}
	g.Fatal("the events go on after Close")
}

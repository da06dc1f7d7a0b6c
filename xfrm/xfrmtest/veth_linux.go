package xfrmtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// The outside that Veth builds.
const (
	vethName  = "outside"
	vethBits  = 24
	vethBits6 = 64
)

var vethAddrs = [2][2]string{{"198.51.100.1", "2001:db8::1"}, {"198.51.100.2", "2001:db8::2"}}

// Veth builds a Subject out of two data planes of this machine: two network
// namespaces joined by a veth pair, in each of them a backend from open, the
// networks behind it (every address of NetA is A's own) and UDP sockets that
// are its hosts. open, and every call of the backend but Close, runs on a
// thread that lives in its namespace; what open starts elsewhere does not.
// outer is the site's IPv4 address outside.
//
// It needs root and skips without. The namespaces end with the test.
func Veth(t testing.TB, open func(t testing.TB, outer netip.Addr) xfrm.Backend) Subject {
	t.Helper()
	if unix.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	a, b := newSite(t), newSite(t)
	joinSites(t, a, b)
	s := Subject{}
	for i, site := range []*site{a, b} {
		own, own6 := NetA, NetA6
		if i == 1 {
			own, own6 = NetB, NetB6
		}
		side := []*Side{&s.A, &s.B}[i]
		side.Outer, side.Outer6 = netip.MustParseAddr(vethAddrs[i][0]), netip.MustParseAddr(vethAddrs[i][1])
		site.do(t, func() error { return site.setUp(vethAddrs[i], own, own6) })
		hosts := openHosts(t, site)
		side.Inbox, side.Send, side.Route, side.Inside = hosts.inbox, hosts.send, site.route, site.run
		site.do(t, func() error {
			side.Backend = inside{open(t, side.Outer), site}
			return nil
		})
	}
	s.Clear = watchOutside(t, b)
	return s
}

// site is a network namespace and the thread that lives in it.
type site struct {
	ns   netns.NsHandle
	work chan func()
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		s.ns, err = netns.New()
		ready <- err
		for f := range s.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	t.Cleanup(func() {
		close(s.work)
		_ = s.ns.Close()
	})
	return s
}

// run does f on the site's thread.
func (s *site) run(f func() error) error {
	done := make(chan error, 1)
	s.work <- func() {
		defer close(done) // also when f ends the test, and the thread with it
		done <- f()
	}
	err, ok := <-done
	if !ok {
		return errors.New("the test was ended on the thread of a site")
	}
	return err
}

func (s *site) do(t testing.TB, f func() error) {
	t.Helper()
	if err := s.run(f); err != nil {
		t.Fatal(err)
	}
}

func joinSites(t testing.TB, a, b *site) {
	t.Helper()
	a.do(t, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = vethName
		err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: vethName, PeerNamespace: netlink.NsFd(int(b.ns))})
		if err != nil {
			return fmt.Errorf("make a veth pair: %w", err)
		}
		return nil
	})
}

// setUp gives the site its addresses outside and makes the networks behind it
// its own.
func (s *site) setUp(outer [2]string, own ...netip.Prefix) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	veth, err := netlink.LinkByName(vethName)
	if err != nil {
		return err
	}
	for i, bits := range []int{vethBits, vethBits6} {
		addr := &netlink.Addr{
			IPNet: ipNet(netip.PrefixFrom(netip.MustParseAddr(outer[i]), bits)),
			Flags: unix.IFA_F_NODAD, // there is nobody to collide with, and no second to wait
		}
		if err := netlink.AddrAdd(veth, addr); err != nil {
			return fmt.Errorf("add %v: %w", addr, err)
		}
	}
	for _, l := range []netlink.Link{lo, veth} {
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	for _, p := range own {
		r := &netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: ipNet(p), Type: unix.RTN_LOCAL,
			Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
		}
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("make %v local: %w", p, err)
		}
	}
	return nil
}

func (s *site) route(t testing.TB, link string, dst netip.Prefix) {
	t.Helper()
	s.do(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return fmt.Errorf("link %s: %w", link, err)
		}
		if err := netlink.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(dst)}); err != nil {
			return fmt.Errorf("route %v to %s: %w", dst, link, err)
		}
		return nil
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// inside calls a backend on the thread of its namespace.
type inside struct {
	xfrm.Backend
	site *site
}

func (i inside) PutSA(ctx context.Context, sa xfrm.SA) error {
	return i.site.run(func() error { return i.Backend.PutSA(ctx, sa) })
}

func (i inside) DropSA(ctx context.Context, spi uint32, dst netip.Addr) error {
	return i.site.run(func() error { return i.Backend.DropSA(ctx, spi, dst) })
}

func (i inside) SetEncap(ctx context.Context, id xfrm.SAID, e xfrm.Encap) error {
	return i.site.run(func() error { return i.Backend.SetEncap(ctx, id, e) })
}

func (i inside) SetPolicies(ctx context.Context, want []xfrm.Policy) error {
	return i.site.run(func() error { return i.Backend.SetPolicies(ctx, want) })
}

func (i inside) SetLinks(ctx context.Context, want []xfrm.Link) error {
	return i.site.run(func() error { return i.Backend.SetLinks(ctx, want) })
}

func (i inside) Dump(ctx context.Context) (st xfrm.State, err error) {
	err = i.site.run(func() (err error) { st, err = i.Backend.Dump(ctx); return err })
	return st, err
}

func (i inside) Usage(ctx context.Context) (u map[xfrm.SAID]xfrm.Usage, err error) {
	err = i.site.run(func() (err error) { u, err = i.Backend.Usage(ctx); return err })
	return u, err
}

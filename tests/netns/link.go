package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// End is one end of a wire: a device in a namespace, and its addresses.
type End struct {
	Space     *Space
	Device    string
	Addresses []netip.Prefix
}

// firstIndex is where the device numbers of the near ends begin, away from
// those of the far ends: a pair with the same number on both ends is not told
// from a plain device, and the kernel looks after its link once a second only.
const firstIndex = 1000

// Wire joins two namespaces with a pair of virtual Ethernet devices, gives them
// their addresses and sets them up.
func Wire(a, b End) error {
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: a.Device, Index: a.Space.nextIndex()},
		PeerName:      b.Device,
		PeerNamespace: netlink.NsFd(int(b.Space.handle)),
	}
	if err := a.Space.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("wire %s of %s to %s of %s: %w", a.Device, a.Space.Name, b.Device, b.Space.Name, err)
	}
	for _, e := range []End{a, b} {
		if err := e.raise(); err != nil {
			return fmt.Errorf("%s in namespace %s: %w", e.Device, e.Space.Name, err)
		}
	}
	for _, e := range []End{a, b} {
		if err := e.ready(); err != nil {
			return fmt.Errorf("%s in namespace %s: %w", e.Device, e.Space.Name, err)
		}
	}
	return nil
}

// nextIndex is a number for a new near end.
func (s *Space) nextIndex() int {
	s.wires++
	return firstIndex + s.wires
}

func (e End) raise() error {
	link, err := e.Space.links.LinkByName(e.Device)
	if err != nil {
		return err
	}
	if err := e.Space.Sysctl("ipv6/conf/"+e.Device+"/accept_dad", "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, p := range e.Addresses {
		if err := e.Space.links.AddrAdd(link, &netlink.Addr{IPNet: ipNet(p)}); err != nil {
			return fmt.Errorf("address %s: %w", p, err)
		}
	}
	return e.Space.links.LinkSetUp(link)
}

// ready waits until the kernel has noticed that there is somebody at the other
// end. Before that it drops what is sent, and IPv6 waits with its link-local
// address.
func (e End) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience(5*time.Second))
	defer cancel()
	return Until(ctx, func() error {
		link, err := e.Space.links.LinkByName(e.Device)
		if err != nil {
			return err
		}
		if state := link.Attrs().OperState; state != netlink.OperUp {
			return fmt.Errorf("the link is %v", state)
		}
		return e.ready6(link)
	})
}

func (e End) ready6(link netlink.Link) error {
	if !slices.ContainsFunc(e.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		return nil
	}
	addrs, err := e.Space.links.AddrList(link, netlink.FAMILY_V6)
	own := func(a netlink.Addr) bool { return a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 }
	if err == nil && !slices.ContainsFunc(addrs, own) {
		err = errors.New("no link-local address yet")
	}
	return err
}

// Route sends what goes to dst through a next hop. That of IPv4 may be an IPv6
// router (RFC 5549).
func (s *Space) Route(dst netip.Prefix, via netip.Addr) error {
	route := &netlink.Route{Dst: ipNet(dst.Masked())}
	if dst.Addr().Is4() && via.Is6() {
		route.Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: via.AsSlice()}
	} else {
		route.Gw = via.AsSlice()
	}
	if err := s.links.RouteReplace(route); err != nil {
		return fmt.Errorf("route to %s via %s in namespace %s: %w", dst, via, s.Name, err)
	}
	return nil
}

// DefaultRoute sends everything through a router: IPv4 in any case, IPv6 if the
// router's address is of IPv6.
func (s *Space) DefaultRoute(via netip.Addr) error {
	err := s.Route(netip.PrefixFrom(netip.IPv4Unspecified(), 0), via)
	if via.Is6() {
		err = errors.Join(err, s.Route(netip.PrefixFrom(netip.IPv6Unspecified(), 0), via))
	}
	return err
}

// SetMTU changes the MTU of a device.
func (s *Space) SetMTU(device string, mtu int) error {
	link, err := s.links.LinkByName(device)
	if err != nil {
		return fmt.Errorf("%s in namespace %s: %w", device, s.Name, err)
	}
	return s.links.LinkSetMTU(link, mtu)
}

// SetLink sets a device up or down. Its addresses stay; routes through it go.
func (s *Space) SetLink(device string, up bool) error {
	link, err := s.links.LinkByName(device)
	if err != nil {
		return fmt.Errorf("%s in namespace %s: %w", device, s.Name, err)
	}
	if up {
		return s.links.LinkSetUp(link)
	}
	return s.links.LinkSetDown(link)
}

// Devices lists the names of the namespace's network devices.
func (s *Space) Devices() ([]string, error) {
	links, err := s.links.LinkList()
	if err != nil {
		return nil, fmt.Errorf("devices of namespace %s: %w", s.Name, err)
	}
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.Attrs().Name
	}
	return names, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

package netcfg

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The host's settings, below /proc/sys.
const (
	forward4 = "net/ipv4/ip_forward"
	forward6 = "net/ipv6/conf/all/forwarding"
)

// The values of rp_filter (RFC 3704). The kernel takes the larger of the
// device's and that of "all", so 2 is how one device is loosened.
const (
	strict = "1"
	loose  = "2"
)

func rpFilter(device string) string { return "net/ipv4/conf/" + device + "/rp_filter" }

// hasXFRM tells whether the kernel was built with XFRM.
func hasXFRM() bool {
	_, err := os.Stat("/proc/sys/net/core/xfrm_acq_expires")
	return err == nil
}

// prepareHost turns forwarding on for the address families that have routes, and
// strict reverse path filtering off for our devices: what comes out of a tunnel
// need not have its route back through it. What it cannot write, in a container
// or without the capability, Warnings tells.
func (n *Net) prepareHost(want Want) error {
	return n.inside(func() error {
		for _, d := range want.Devices {
			_ = setting(rpFilter(d.Name), loose)
		}
		if want.has((netip.Addr).Is4) {
			n.turnOn(forward4)
		}
		if want.has((netip.Addr).Is6) && n.advertised() == "" {
			n.turnOn(forward6)
		}
		return nil
	})
}

// has tells whether there is a route of an address family.
func (w Want) has(family func(netip.Addr) bool) bool {
	return slices.ContainsFunc(w.Routes, func(r Route) bool { return family(r.Dst.Addr()) })
}

// turnOn sets a switch, and notes that it was off.
func (n *Net) turnOn(name string) {
	if read(name) == "1" || setting(name, "1") != nil {
		return
	}
	n.notes = append(n.notes, fmt.Sprintf("%s was 0 and is now 1: a gateway forwards; to have it from boot put it into /etc/sysctl.d", dotted(name)))
}

// Notes tells, since the last call, what SetRoutes changed of the host's
// settings, and what somebody else had changed of ours and was set again.
func (n *Net) Notes() []string {
	notes := n.notes
	n.notes = nil
	return notes
}

// Warnings tells what of the host would stop the traffic of the last SetRoutes,
// each with what to do about it.
func (n *Net) Warnings() []string {
	var list []string
	err := n.inside(func() error {
		list = slices.Concat(n.forwarding(), n.filtering(), firewall())
		return nil
	})
	if err != nil {
		list = append(list, "the host's settings cannot be read: "+err.Error())
	}
	return list
}

func (n *Net) forwarding() []string {
	var list []string
	if n.want.has((netip.Addr).Is4) && read(forward4) != "1" {
		list = append(list, "net.ipv4.ip_forward is off: nothing passes between the VPC and the tunnels; "+
			"set net.ipv4.ip_forward = 1 in /etc/sysctl.d and run `sysctl --system`")
	}
	if !n.want.has((netip.Addr).Is6) || read(forward6) == "1" {
		return list
	}
	if device := n.advertised(); device != "" {
		return append(list, fmt.Sprintf("net.ipv6.conf.all.forwarding is off, and turning it on would lose the default route "+
			"that router advertisements gave to %s; set net.ipv6.conf.%[1]s.accept_ra = 2 first, then net.ipv6.conf.all.forwarding = 1", device))
	}
	return append(list, "net.ipv6.conf.all.forwarding is off: no IPv6 passes between the VPC and the tunnels; "+
		"set net.ipv6.conf.all.forwarding = 1 in /etc/sysctl.d and run `sysctl --system`")
}

// filtering lists the devices that drop what comes from networks whose route
// they are not.
func (n *Net) filtering() []string {
	var list []string
	for _, d := range n.want.Devices {
		if max(read(rpFilter("all")), read(rpFilter(d.Name))) == strict {
			list = append(list, fmt.Sprintf("net.ipv4.conf.%s.rp_filter is strict and drops what comes out of the tunnels; set it to 2", d.Name))
		}
	}
	return list
}

// advertised is a device that has an IPv6 default route from router
// advertisements and would lose it as soon as the host forwards.
func (n *Net) advertised() string {
	routes, err := n.handle.RouteListFiltered(netlink.FAMILY_V6,
		&netlink.Route{Protocol: unix.RTPROT_RA}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return ""
	}
	for _, r := range routes {
		if prefixOf(r.Dst, netlink.FAMILY_V6).Bits() != 0 {
			continue
		}
		link, err := n.handle.LinkByIndex(r.LinkIndex)
		if err == nil && read("net/ipv6/conf/"+link.Attrs().Name+"/accept_ra") != "2" {
			return link.Attrs().Name
		}
	}
	return ""
}

// firewall lists the chains of others that drop what no rule of theirs accepts.
// Their rules are not read: it is a hint where to look.
func firewall() []string {
	conn, err := nftables.New()
	if err != nil {
		return nil
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil
	}
	must := map[nftables.ChainHook]string{
		*nftables.ChainHookForward: "it must accept what goes from and to the gateways' devices (twin*)",
		*nftables.ChainHookInput:   "it must accept UDP 500 and 4500 and IP protocol 50 (esp)",
	}
	var list []string
	for _, c := range chains {
		if c.Hooknum == nil || c.Policy == nil || *c.Policy != nftables.ChainPolicyDrop || must[*c.Hooknum] == "" {
			continue
		}
		list = append(list, fmt.Sprintf("the firewall's chain %s %s drops what none of its rules accepts: %s; see `nft list table %[1]s`",
			familyName(c.Table.Family)+" "+c.Table.Name, c.Name, must[*c.Hooknum]))
	}
	return list
}

func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	}
	return "inet"
}

func read(name string) string {
	b, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(b))
}

// setting writes a setting; one that the kernel does not have is no error.
func setting(name, value string) error {
	err := os.WriteFile("/proc/sys/"+name, []byte(value), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// dotted is the name as sysctl spells it.
func dotted(name string) string { return strings.ReplaceAll(name, "/", ".") }

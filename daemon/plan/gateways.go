package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/xfrm"
)

// tiers are the bandwidths that a gateway may have, in Mbit/s.
var tiers = []int64{5, 10, 20, 50, 100, 200, 500, 1000}

// MTUs of a gateway's device, in bytes.
const (
	defaultMTU = 1400 // leaves room for ESP in UDP on a path of 1500
	minMTU     = 576
	maxMTU     = 9000
	minMTUv6   = 1280 // RFC 8200 §5
)

// makeVPCs resolves the VPCs, and checks their networks against each other.
func (m *maker) makeVPCs() {
	m.vpcs = map[string]*vpc{}
	for _, c := range m.cfg.VPCs {
		v := &vpc{VPC: c}
		m.vpcs[c.Name] = v
		var cidrs []network
		for _, p := range c.CIDR {
			cidrs = append(cidrs, network{p.V, p.Pos, v})
		}
		var clashes []clash
		v.cidrs, clashes = disjoint(cidrs)
		for _, c := range clashes {
			m.fault(c.second.Pos, keepOne(c), "%s: cidr %v overlaps cidr %v (%v)", v.noun(), c.second, c.first, c.first.Pos)
		}
		m.makeSubnets(v)
	}
}

// makeSubnets checks that the subnets are in their VPC, each on its own.
func (m *maker) makeSubnets(v *vpc) {
	var subnets []network
	for i := range v.Subnets {
		s := &v.Subnets[i]
		if !s.CIDR.IsSet() {
			continue
		}
		subnets = append(subnets, network{s.CIDR.V, s.CIDR.Pos, s})
		if !v.Faulty && !v.cidrs.holds(s.CIDR.V) {
			m.fault(s.CIDR.Pos, "give it a part of the VPC's cidr, or add to that",
				"%s, subnet %q: %v is not inside the VPC's cidr %s (%v)", v.noun(), s.Name, s.CIDR.V, v.cidrs, v.Pos)
		}
	}
	var clashes []clash
	v.subnets, clashes = disjoint(subnets)
	for _, c := range clashes {
		m.fault(c.second.Pos, "give each subnet its own network", "%s, subnet %q: %v overlaps %v of subnet %q (%v)", v.noun(),
			c.second.owner.(*config.Subnet).Name, c.second, c.first, c.first.owner.(*config.Subnet).Name, c.first.Pos)
	}
}

// String lists networks for a message.
func (ns networks) String() string {
	var s []string
	for _, n := range ns[:min(len(ns), 5)] {
		s = append(s, n.Prefix.String())
	}
	if len(ns) > len(s) {
		s = append(s, "and "+strconv.Itoa(len(ns)-len(s))+" more")
	}
	return strings.Join(s, ", ")
}

// String is the prefix.
func (n network) String() string { return n.Prefix.String() }

// makeGateways plans the VPN gateways and their links.
func (m *maker) makeGateways() {
	m.gateways = map[string]*gateway{}
	if !m.few("VPN gateways", len(m.cfg.VPNGateways)) {
		return
	}
	ids := newNumbers(shortMask)
	for _, c := range m.cfg.VPNGateways {
		g := &gateway{VPNGateway: c, ifID: ours(ids.of(c.Name))}
		g.device = device(g.ifID)
		g.vpc = find(m, g.noun(), "VPC", c.VPC, m.vpcs)
		m.gateways[c.Name] = g
		if c.BandwidthMbps.IsSet() && !slices.Contains(tiers, c.BandwidthMbps.V) {
			m.fault(c.BandwidthMbps.Pos, "write one of "+tierWords(),
				"%s: there is no tier of %d Mbit/s", g.noun(), c.BandwidthMbps.V)
		}
		m.inRange(g.noun(), "mtu", c.MTU, minMTU, maxMTU)
		planned := Gateway{Name: c.Name, IfID: g.ifID, Device: g.device, PublicIP: c.PublicIP.V,
			BandwidthMbps: int(c.BandwidthMbps.V), VPC: c.VPC.V, MTU: int(c.MTU.Or(defaultMTU)), Defined: c.Pos}
		if g.vpc != nil {
			planned.Region = g.vpc.Region.V
			for _, p := range g.vpc.CIDR {
				planned.CIDR = append(planned.CIDR, p.V)
			}
		}
		m.plan.Gateways = append(m.plan.Gateways, planned)
		m.plan.Links = append(m.plan.Links, xfrm.Link{Name: g.device, IfID: g.ifID, MTU: int(c.MTU.Or(defaultMTU))})
	}
}

// tierWords lists the tiers.
func tierWords() string { return strings.Trim(fmt.Sprint(tiers), "[]") }

// few reports more things than there are numbers for.
func (m *maker) few(what string, n int) bool {
	if n > most {
		m.fault(config.Pos{}, "take some out", "there are %d %s, and at most %d can be", n, what, most)
	}
	return n <= most
}

// checkMTU holds a gateway's MTU against its IPv6 pairs.
func (m *maker) checkMTU(g *gateway) {
	if !g.MTU.IsSet() || g.MTU.V >= minMTUv6 || g.MTU.V < minMTU {
		return
	}
	for _, t := range g.tunnels {
		for _, s := range t.SPD {
			if s.Local.IsSet() && s.Local.V.Addr().Is6() {
				m.fault(g.MTU.Pos, fmt.Sprintf("write at least %d", minMTUv6),
					"%s: mtu %d is too small for the IPv6 networks of %s", g.noun(), g.MTU.V, t.noun())
				return
			}
		}
	}
}

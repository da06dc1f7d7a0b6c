package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/twinspan/twinspan/daemon/config"
)

// makeTables resolves the route tables and their routes.
func (m *maker) makeTables() {
	m.tables = map[string]*table{}
	if !m.few("route tables", len(m.cfg.RouteTables)) {
		return
	}
	ids := newNumbers(shortMask)
	for _, c := range m.cfg.RouteTables {
		t := &table{RouteTable: c, id: ours(ids.of(c.Name)), to: map[netip.Prefix]string{}}
		t.vpc = find(m, t.noun(), "VPC", c.VPC, m.vpcs)
		m.tables[c.Name] = t
		m.plan.RouteTables = append(m.plan.RouteTables, RouteTable{c.Name, t.id})
	}
}

// makeRoutes plans the routes, and the rules that lead to them.
func (m *maker) makeRoutes() {
	for _, t := range byName(m.tables) {
		m.routesOf(t)
	}
	var ruled []network
	for _, v := range byName(m.vpcs) {
		ruled = append(ruled, m.rulesOf(v)...)
	}
	m.checkRules(ruled)
	slices.SortFunc(m.plan.Routes, func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), a.Dst.Compare(b.Dst))
	})
	slices.SortFunc(m.plan.Rules, func(a, b Rule) int { return a.From.Compare(b.From) })
}

func (m *maker) routesOf(t *table) {
	seen := map[netip.Prefix]config.Pos{}
	for i, r := range t.Routes {
		noun := fmt.Sprintf("%s, route %d", t.noun(), i+1)
		g := find(m, noun, "VPN gateway", r.NextHop, m.gateways)
		if first, ok := seen[r.Destination.V]; ok && r.Destination.IsSet() {
			m.fault(r.Destination.Pos, "keep one of the two", "%s: %v has a route already, at %v", noun, r.Destination.V, first)
			continue
		}
		seen[r.Destination.V] = r.Destination.Pos
		if g == nil || !r.Destination.IsSet() {
			continue
		}
		if g.vpc != nil && t.vpc != nil && g.vpc != t.vpc {
			m.fault(r.NextHop.Pos, "name a VPN gateway of the table's VPC", "%s: %s belongs to %s, the table to %s",
				noun, g.noun(), g.vpc.noun(), t.vpc.noun())
		}
		route := Route{t.id, r.Destination.V, g.device}
		t.to[route.Dst] = g.device
		m.plan.Routes = append(m.plan.Routes, route)
	}
}

// ruleOwner is whose a rule is.
type ruleOwner struct {
	vpc    *vpc
	subnet *config.Subnet
}

// rulesOf plans the rules of a VPC's subnets.
func (m *maker) rulesOf(v *vpc) []network {
	var out []network
	for i := range v.Subnets {
		s := &v.Subnets[i]
		noun := fmt.Sprintf("%s, subnet %q", v.noun(), s.Name)
		t := find(m, noun, "route table", s.RouteTable, m.tables)
		if t == nil || !s.CIDR.IsSet() {
			continue
		}
		if t.vpc != nil && t.vpc != v {
			m.fault(s.RouteTable.Pos, "name a route table of this VPC", "%s: %s belongs to %s", noun, t.noun(), t.vpc.noun())
		}
		m.plan.Rules = append(m.plan.Rules, Rule{s.CIDR.V, t.id})
		out = append(out, network{s.CIDR.V, s.CIDR.Pos, ruleOwner{v, s}})
	}
	return out
}

// checkRules holds that a source address has one route table. Within a VPC the
// subnets do not overlap anyhow.
func (m *maker) checkRules(ruled []network) {
	_, clashes := disjoint(ruled)
	for _, c := range clashes {
		a, b := c.first.owner.(ruleOwner), c.second.owner.(ruleOwner)
		if a.vpc != b.vpc {
			m.fault(c.second.Pos, "let one host route for one of the two",
				"%s, subnet %q: %v overlaps %v of %s, and both have a route table: their packets cannot be told apart on one host",
				b.vpc.noun(), b.subnet.Name, c.second, c.first, a.vpc.noun())
		}
	}
}

// warnUnrouted warns of the pairs that no route leads to. In what was not
// wholly read, routes may only seem to be missing.
func (m *maker) warnUnrouted() {
	if m.cfg.Faulty || len(m.faults) > 0 {
		return
	}
	lengths := m.destinationLengths()
	for _, t := range m.tunnels {
		for i := range t.SPD {
			m.warnPolicy(t, &t.SPD[i], lengths)
		}
	}
}

// destinationLengths are the prefix lengths that occur in routes.
func (m *maker) destinationLengths() []int {
	var lengths []int
	for _, r := range m.plan.Routes {
		lengths = append(lengths, r.Dst.Bits())
	}
	slices.Sort(lengths)
	return slices.Compact(lengths)
}

// warnPolicy warns of the networks of one policy that no table of its subnets
// sends to the gateway.
func (m *maker) warnPolicy(t *tunnel, s *config.SPD, lengths []int) {
	var tables []*table
	subnets := t.vpc().subnets.overlapping(s.Local.V)
	for _, n := range subnets {
		if rt := m.tables[n.owner.(*config.Subnet).RouteTable.V]; rt != nil && !slices.Contains(tables, rt) {
			tables = append(tables, rt)
		}
	}
	var lost []string
	for _, p := range s.Peer {
		routed := slices.ContainsFunc(tables, func(rt *table) bool { return rt.sends(p.V, t.gateway.device, lengths) })
		if !routed {
			lost = append(lost, p.V.String())
		}
	}
	if len(lost) > 0 {
		m.warn(s.Pos, routeAdvice(s, subnets, tables), "%s: no route table sends %s from %v to %s: without it there is no communication",
			t.noun(), abridged(lost), s.Local.V, t.gateway.noun())
	}
}

// sends tells that of the table's routes that cover a network the longest one
// leads to a device.
func (t *table) sends(p netip.Prefix, device string, lengths []int) bool {
	for _, bits := range slices.Backward(lengths) {
		if bits > p.Bits() {
			continue
		}
		dst, err := p.Addr().Prefix(bits)
		if to, ok := t.to[dst]; ok && err == nil {
			return to == device
		}
	}
	return false
}

// routeAdvice says what is missing for a policy to be routed.
func routeAdvice(s *config.SPD, subnets networks, tables []*table) string {
	switch {
	case len(subnets) == 0:
		return fmt.Sprintf("define the subnet %v of the VPC with a route_table, and the route in that", s.Local.V)
	case len(tables) == 0:
		return fmt.Sprintf("give subnet %q a route_table with that route", subnets[0].owner.(*config.Subnet).Name)
	}
	return fmt.Sprintf("add the route to route table %q", tables[0].Name)
}

// abridged lists the first few words.
func abridged(words []string) string {
	const few = 3
	if len(words) <= few {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:few], ", "), len(words)-few)
}

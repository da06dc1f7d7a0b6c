package plan

import "fmt"

// hostDiff gathers the changes of what is no tunnel: gateways, routes and
// rules. All of them are Live: where one does stop a tunnel, the tunnel has a
// change of its own.
type hostDiff struct {
	tables   map[uint32]string // the names of route tables
	gateways map[string]string // the names of gateways by device
	changes  []Change
}

func diffHost(old, new Plan) []Change {
	d := hostDiff{tables: map[uint32]string{}, gateways: map[string]string{}}
	for _, p := range []Plan{old, new} {
		for _, t := range p.RouteTables {
			d.tables[t.ID] = t.Name
		}
		for _, g := range p.Gateways {
			d.gateways[g.Device] = g.Name
		}
	}
	wasMTU, isMTU := mtus(old), mtus(new)
	byKey(old.Gateways, new.Gateways, func(g Gateway) string { return g.Name }, func(name string, was, is *Gateway) {
		d.gateway(fmt.Sprintf("VPN gateway %q", name), was, is)
		if was != nil && is != nil && wasMTU[was.Device] != isMTU[is.Device] {
			d.add(fmt.Sprintf("VPN gateway %q", name), "MTU %d -> %d", wasMTU[was.Device], isMTU[is.Device])
		}
	})
	byKey(old.Routes, new.Routes, d.routeKey, d.route)
	byKey(old.Rules, new.Rules, func(r Rule) string { return r.From.String() }, d.rule)
	return d.changes
}

// mtus are the MTUs of a plan's devices.
func mtus(p Plan) map[string]int {
	m := map[string]int{}
	for _, l := range p.Links {
		m[l.Name] = l.MTU
	}
	return m
}

func (d *hostDiff) add(object, what string, args ...any) {
	d.changes = append(d.changes, Change{Object: object, Impact: Live, What: fmt.Sprintf(what, args...)})
}

func (d *hostDiff) gateway(object string, was, is *Gateway) {
	if was == nil {
		d.add(object, "added")
		return
	}
	if is == nil {
		d.add(object, "removed")
		return
	}
	if was.PublicIP != is.PublicIP {
		d.add(object, "address %v -> %v", was.PublicIP, is.PublicIP)
	}
	if was.BandwidthMbps != is.BandwidthMbps {
		d.add(object, "bandwidth %d -> %d Mbit/s", was.BandwidthMbps, is.BandwidthMbps)
	}
	if was.VPC != is.VPC {
		d.add(object, "VPC %q -> %q", was.VPC, is.VPC)
	}
}

func (d *hostDiff) routeKey(r Route) string { return fmt.Sprintf("%q %v", d.tables[r.Table], r.Dst) }

func (d *hostDiff) route(_ string, was, is *Route) {
	table := func(r *Route) string { return fmt.Sprintf("route table %q", d.tables[r.Table]) }
	switch {
	case was == nil:
		d.add(table(is), "route %v to %s added", is.Dst, d.gateways[is.Device])
	case is == nil:
		d.add(table(was), "route %v to %s removed", was.Dst, d.gateways[was.Device])
	case was.Device != is.Device:
		d.add(table(is), "route %v to %s -> %s", is.Dst, d.gateways[was.Device], d.gateways[is.Device])
	}
}

func (d *hostDiff) rule(from string, was, is *Rule) {
	switch {
	case was == nil:
		d.add("subnet "+from, "uses route table %q", d.tables[is.Table])
	case is == nil:
		d.add("subnet "+from, "uses no route table any more")
	case was.Table != is.Table:
		d.add("subnet "+from, "uses route table %q, no longer %q", d.tables[is.Table], d.tables[was.Table])
	}
}

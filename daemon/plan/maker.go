package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/daemon/config"
)

// maker gathers a plan and what is wrong with it.
type maker struct {
	cfg      config.Config
	plan     Plan
	faults   config.Faults
	warnings config.Faults
	unknown  int // names that were looked for in vain

	vpcs      map[string]*vpc
	gateways  map[string]*gateway
	customers map[string]*config.CustomerGateway
	tables    map[string]*table
	tunnels   []*tunnel
}

// The resources with their names resolved. A nil pointer is a name that is not
// known, and reported.
type (
	vpc struct {
		config.VPC
		cidrs, subnets networks
	}
	gateway struct {
		config.VPNGateway
		vpc     *vpc
		ifID    uint32
		device  string
		tunnels []*tunnel
	}
	table struct {
		config.RouteTable
		id  uint32
		vpc *vpc
		to  map[netip.Prefix]string // the devices of its routes by destination
	}
	tunnel struct {
		config.Tunnel
		gateway  *gateway
		customer *config.CustomerGateway
	}
)

func (v *vpc) noun() string     { return fmt.Sprintf("VPC %q", v.Name) }
func (g *gateway) noun() string { return fmt.Sprintf("VPN gateway %q", g.Name) }
func (t *table) noun() string   { return fmt.Sprintf("route table %q", t.Name) }
func (t *tunnel) noun() string  { return fmt.Sprintf("tunnel %q", t.Name) }

// newMaker checks and plans everything; the order is that of the references.
func newMaker(c config.Config) *maker {
	m := &maker{cfg: c, customers: map[string]*config.CustomerGateway{}}
	for i := range c.CustomerGateways {
		m.customers[c.CustomerGateways[i].Name] = &c.CustomerGateways[i]
	}
	m.plan.DataPlane = c.DataPlane.Or(config.DataPlaneAuto)
	m.plan.Metrics = c.Metrics.V
	for _, g := range c.CustomerGateways {
		m.plan.Customers = append(m.plan.Customers, CustomerGateway{g.Name, g.PublicIP.V, g.Region.V, g.Pos})
	}
	m.makeVPCs()
	m.makeGateways()
	m.makeTables()
	m.makeTunnels()
	m.checkPolicies()
	m.checkQuotas()
	m.makeCharges()
	m.makeRoutes()
	m.warnUnrouted()
	m.makeAlarms()
	return m
}

// result is the plan if there is no fault.
func (m *maker) result(faults config.Faults) (Plan, error) {
	m.plan.Warnings = m.warnings.Sorted()
	if len(faults) > 0 {
		return Plan{Warnings: m.plan.Warnings}, faults.Err()
	}
	return m.plan, nil
}

func (m *maker) fault(at config.Pos, do, what string, args ...any) {
	m.faults = append(m.faults, at.Fault(fmt.Sprintf(what, args...), do))
}

func (m *maker) warn(at config.Pos, do, what string, args ...any) {
	m.warnings = append(m.warnings, at.Fault(fmt.Sprintf(what, args...), do))
}

// enoughAdvice is for how many unknown names a near one is looked for: in a
// large configuration that has lost a file, each search would be long.
const enoughAdvice = 100

// find resolves a name, or reports it and gives the zero R.
func find[R any](m *maker, noun, kind string, name config.Value[string], all map[string]R) R {
	found, ok := all[name.V]
	if ok || !name.IsSet() || m.cfg.Incomplete {
		return found
	}
	do := "define it, or name another one"
	if m.unknown++; m.unknown <= enoughAdvice {
		if near, ok := config.Nearest(name.V, slices.Sorted(maps.Keys(all))); ok {
			do = fmt.Sprintf("did you mean %q?", near)
		}
	}
	m.fault(name.Pos, do, "%s: there is no %s %q", noun, kind, name.V)
	return found
}

// inRange checks a number that may be unset.
func (m *maker) inRange(noun, key string, v config.Value[int64], low, high int64) {
	if v.IsSet() && (v.V < low || v.V > high) {
		m.fault(v.Pos, fmt.Sprintf("write %d to %d", low, high), "%s: %s %d is out of range", noun, key, v.V)
	}
}

// byPlace sorts by where things stand in the files.
func byPlace[R any](list []R, at func(R) config.Pos) {
	slices.SortStableFunc(list, func(a, b R) int { return at(a).Compare(at(b)) })
}

// byName are the values of a map in the order of its keys.
func byName[K cmp.Ordered, R any](all map[K]R) []R {
	var out []R
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[k])
	}
	return out
}

package config

// Parse reads the files. Its error is Faults: every fault of all of them. With
// an error the Config still holds what could be read, so that package plan can
// find more faults in the same run. Files with pre-shared keys are read as
// they are named, relative ones from the directory of the file that names them.
func Parse(files []File) (Config, error) { return ParseWith(files, ReadFile) }

// ParseWith is Parse with another way to read the files with pre-shared keys.
func ParseWith(files []File, read func(name string) (File, error)) (Config, error) {
	p := &parser{read: read, seen: map[string]Pos{}}
	for _, f := range files {
		p.parse(f)
	}
	p.cfg.sort()
	p.cfg.Faulty = len(p.faults) > 0
	return p.cfg, p.faults.Err()
}

// parser gathers what the files say.
type parser struct {
	cfg    Config
	faults Faults
	seen   map[string]Pos // where each resource and setting was first defined
	read   func(name string) (File, error)

	file    File // the one that is read now
	exposed bool // that others can open it was reported
}

// parse adds what one file says. What is wrong in it takes nothing away from
// the others.
func (p *parser) parse(f File) {
	p.file, p.exposed = f, false
	values, place, broken := decode(f)
	if broken != nil {
		p.faults = append(p.faults, *broken)
		p.cfg.Incomplete = true
		return
	}
	root := &table{p: p, values: values, place: place}
	c := &p.cfg
	settings(root, c)
	c.VPCs = append(c.VPCs, each(root, "vpc", "VPC", vpc)...)
	c.VPNGateways = append(c.VPNGateways, each(root, "vpn_gateway", "VPN gateway", vpnGateway)...)
	c.CustomerGateways = append(c.CustomerGateways, each(root, "customer_gateway", "customer gateway", customerGateway)...)
	c.Tunnels = append(c.Tunnels, each(root, "vpn_tunnel", "tunnel", tunnel)...)
	c.RouteTables = append(c.RouteTables, each(root, "route_table", "route table", routeTable)...)
	c.Alarms = append(c.Alarms, each(root, "alarm", "alarm", alarmPolicy)...)
	c.Receivers = append(c.Receivers, each(root, "receiver", "receiver", receiver)...)
	root.close()
}

// first claims a name for a place, and tells where it was claimed before.
func (p *parser) first(name string, at Pos) (Pos, bool) {
	if before, ok := p.seen[name]; ok {
		return before, false
	}
	p.seen[name] = at
	return at, true
}

// each reads the resources of one kind, each name once.
func each[R any, P interface {
	*R
	resource() *Resource
}](t *table, key, kind string, read func(*table) R) []R {
	var out []R
	for name, one := range t.named(key, kind) {
		before := len(t.p.faults)
		r := read(one)
		one.close()
		*P(&r).resource() = Resource{name, one.here(), len(t.p.faults) > before}
		if at, ok := t.p.first(one.noun+"\x00"+name, one.here()); !ok {
			one.fault(one.here(), "it is already defined in "+at.String(), "keep one of the two")
			continue
		}
		out = append(out, r)
	}
	return out
}

func (r *Resource) resource() *Resource { return r }

// settings reads what is no resource.
func settings(root *table, c *Config) {
	set(root, &c.DataPlane, "dataplane", asOneOf(DataPlaneAuto, DataPlaneKernel, DataPlaneUserspace))
	security := root.sub("security")
	set(security, &c.Weak, "weak", asOneOf(WeakWarn, WeakRefuse))
	security.close()
	metrics := root.sub("metrics")
	set(metrics, &c.Metrics, "listen", asAddrPort)
	metrics.close()
	limits := root.sub("limits")
	for key, limit := range c.Limits.byKey() {
		set(limits, limit, key, asCount)
	}
	limits.close()
	prices(root.sub("prices"), &c.Prices)
}

// byKey gives each limit with its key.
func (l *Limits) byKey() map[string]*Value[int64] {
	return map[string]*Value[int64]{
		"vpn_gateways_per_vpc":         &l.VPNGatewaysPerVPC,
		"customer_gateways_per_region": &l.CustomerGatewaysPerRegion,
		"tunnels_per_customer_gateway": &l.TunnelsPerCustomerGateway,
		"tunnels_per_region":           &l.TunnelsPerRegion,
		"spds_per_tunnel":              &l.SPDsPerTunnel,
		"peer_networks_per_spd":        &l.PeerNetworksPerSPD,
	}
}

// set reads a setting, which only one file may have.
func set[T any](t *table, setting *Value[T], key string, convert conversion[T]) {
	v := one(t, key, convert)
	if _, ok := t.values[key]; !ok {
		return
	}
	if at, ok := t.p.first(t.prefix+key, t.pos(key)); !ok {
		t.fault(t.pos(key), t.prefix+key+" is already set in "+at.String(), "keep one of the two")
		return
	}
	*setting = v
}

// asCount takes a limit.
func asCount(v any) (int64, *problem) {
	n, wrong := asInt(v)
	if wrong == nil && (n < 1 || n > 1_000_000) {
		wrong = &problem{"must be from 1 to 1000000", ""}
	}
	return n, wrong
}

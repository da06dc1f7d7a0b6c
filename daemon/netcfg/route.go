package netcfg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// protocol marks our routes and rules for those who read `ip route`.
	protocol = 0x54
	// priority is that of a rule for a whole address family; longer prefixes
	// have lower numbers, so that the most specific rule goes first.
	priority = 0x5457 + 128
	// The metric of a route through a device, and of the route behind it that
	// refuses what would else fall through to the host's other tables.
	metricDevice      = 100
	metricUnreachable = 200
)

// routeKey is all that a route of ours is.
type routeKey struct {
	table  uint32
	dst    netip.Prefix
	kind   int // unix.RTN_UNICAST or RTN_UNREACHABLE
	metric int
	link   int  // number of the device, 0 for unreachable
	plain  bool // nothing else about it, as we make them
}

func keyOf(r netlink.Route, family int) routeKey {
	k := routeKey{table: uint32(r.Table), dst: prefixOf(r.Dst, family), kind: r.Type, metric: r.Priority, link: r.LinkIndex}
	k.plain = r.Protocol == protocol && r.Gw == nil && r.Via == nil && r.Encap == nil && len(r.MultiPath) == 0
	if r.Type == unix.RTN_UNREACHABLE {
		k.link = 0 // IPv6 has lo there
	}
	return k
}

// ruleKey is all that a rule of ours is.
type ruleKey struct {
	from  netip.Prefix
	table uint32
}

// SetRoutes makes devices, routes and rules those of want: adds first, then
// takes away what is ours and not wanted. Behind each route stands one that says
// "unreachable": it holds while the device is missing, and then the error names
// the device. Where want has routes it turns the host's forwarding on.
func (n *Net) SetRoutes(ctx context.Context, want Want) error {
	if err := checkWant(want); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	again := len(want.Rules) > 0 && reflect.DeepEqual(n.want, want)
	n.want = want
	n.watch.devices.Store(&want.Devices)
	changed, err := n.setRoutes(want)
	if again && changed && err == nil {
		n.notes = append(n.notes, "somebody had changed or removed routes, rules or devices of the gateways; they are set again")
	}
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w%s", err, needsAdmin)
	}
	return err
}

// setRoutes tells whether there were other routes and rules than wanted.
func (n *Net) setRoutes(want Want) (changed bool, err error) {
	indexes, missing := n.prepareDevices(want)
	routes, err := n.routes()
	if err != nil {
		return false, err
	}
	rules, err := n.rules()
	if err != nil {
		return false, err
	}
	wantRoutes, failed := n.addRoutes(want.Routes, routes, indexes)
	wantRules, err := n.addRules(want.Rules, rules)
	changed = !sameKeys(routes, wantRoutes) || len(rules) != len(wantRules)
	if err := errors.Join(failed, err); err != nil {
		return changed, errors.Join(missing, err) // what is there stays until all that is wanted stands
	}
	return changed, errors.Join(missing, n.dropRules(rules, wantRules), n.dropRoutes(routes, wantRoutes), n.prepareHost(want))
}

func sameKeys(have map[routeKey]netlink.Route, want map[routeKey]bool) bool {
	for key := range have {
		if !want[key] {
			return false
		}
	}
	return len(have) == len(want)
}

func checkWant(want Want) error {
	type place struct {
		table uint32
		dst   netip.Prefix
	}
	through := map[place]string{}
	for _, r := range want.Routes {
		if !ours(r.Table) || !r.Dst.IsValid() {
			return fmt.Errorf("route to %v in table %#x: the table must be one of %#x..%#x", r.Dst, r.Table, tables+1, tables|0xffff)
		}
		p := place{r.Table, r.Dst.Masked()}
		if other, ok := through[p]; ok && other != r.Device {
			return fmt.Errorf("route to %v in table %#x: through %s and through %s; give it one", r.Dst, r.Table, other, r.Device)
		}
		through[p] = r.Device
	}
	for _, r := range want.Rules {
		if !ours(r.Table) || !r.From.IsValid() {
			return fmt.Errorf("rule from %v to table %#x: the table must be one of %#x..%#x", r.From, r.Table, tables+1, tables|0xffff)
		}
	}
	return nil
}

// prepareDevices names the devices for people and returns the numbers of those
// that are up. The error names the others.
func (n *Net) prepareDevices(want Want) (map[string]int, error) {
	indexes := map[string]int{}
	var errs []error
	names := map[string]bool{}
	for _, r := range want.Routes {
		names[r.Device] = true
	}
	for _, d := range want.Devices {
		names[d.Name] = true
	}
	for name := range names {
		link, err := n.handle.LinkByName(name)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("device %s: %w; its routes say unreachable until the data plane has made it", name, err))
		case link.Attrs().Flags&net.FlagUp == 0:
			errs = append(errs, fmt.Errorf("device %s is down: its routes say unreachable until it is up", name))
		default:
			indexes[name] = link.Attrs().Index
			errs = append(errs, n.alias(link, want.Devices))
		}
	}
	return indexes, errors.Join(errs...)
}

// alias names a device of ours for people. One that is set again would be news
// for all who watch, us included.
func (n *Net) alias(link netlink.Link, devices []Device) error {
	i := slices.IndexFunc(devices, func(d Device) bool { return d.Name == link.Attrs().Name })
	if i < 0 || devices[i].Alias == link.Attrs().Alias {
		return nil
	}
	if err := n.handle.LinkSetAlias(link, devices[i].Alias); err != nil {
		return fmt.Errorf("device %s: set alias %q: %w", devices[i].Name, devices[i].Alias, err)
	}
	return nil
}

// routes lists what is in our tables.
func (n *Net) routes() (map[routeKey]netlink.Route, error) {
	found := map[routeKey]netlink.Route{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		err := n.handle.RouteListFilteredIter(family, &netlink.Route{}, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
			if ours(uint32(r.Table)) {
				found[keyOf(r, family)] = r
			}
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
	}
	return found, nil
}

// addRoutes adds what is not there, and tells what of ours shall stay.
func (n *Net) addRoutes(want []Route, have map[routeKey]netlink.Route, indexes map[string]int) (map[routeKey]bool, error) {
	keep := map[routeKey]bool{}
	var errs []error
	for _, w := range want {
		for _, r := range routesFor(w, indexes) {
			key := keyOf(r, familyOf(w.Dst))
			keep[key] = true
			if _, there := have[key]; there {
				continue
			}
			if err := n.handle.RouteReplace(&r); err != nil {
				errs = append(errs, fmt.Errorf("add route to %v through %s in table %d: %w; see `ip route show table %[3]d`",
					w.Dst, w.Device, w.Table, err))
			}
		}
	}
	return keep, errors.Join(errs...)
}

// routesFor is the route behind, and the one through the device when there is
// one.
func routesFor(w Route, indexes map[string]int) []netlink.Route {
	r := netlink.Route{Table: int(w.Table), Dst: ipNet(w.Dst.Masked()), Protocol: protocol}
	behind, through := r, r
	behind.Type, behind.Priority = unix.RTN_UNREACHABLE, metricUnreachable
	index, ok := indexes[w.Device]
	if !ok {
		return []netlink.Route{behind}
	}
	through.Type, through.Priority, through.LinkIndex, through.Scope = unix.RTN_UNICAST, metricDevice, index, netlink.SCOPE_LINK
	return []netlink.Route{behind, through}
}

func (n *Net) dropRoutes(have map[routeKey]netlink.Route, keep map[routeKey]bool) error {
	var errs []error
	for key, r := range have {
		if keep[key] {
			continue
		}
		if r.Dst == nil {
			r.Dst = ipNet(key.dst)
		}
		if err := n.handle.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("delete route to %v in table %d: %w", key.dst, key.table, err))
		}
	}
	return errors.Join(errs...)
}

// rules lists the rules that lead to our tables. A rule that has anything else
// about it than we give it gets the zero key, which nobody wants.
func (n *Net) rules() ([]keyedRule, error) {
	var found []keyedRule
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := n.handle.RuleList(family)
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue // a host without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list rules: %w", err)
		}
		for _, r := range list {
			if !ours(uint32(r.Table)) {
				continue
			}
			r.Family = family
			k := keyedRule{rule: r}
			if want := wantedRule(Rule{prefixOf(r.Src, family), uint32(r.Table)}); sameRule(&r, want) {
				k.key = ruleKey{prefixOf(r.Src, family), uint32(r.Table)}
			}
			found = append(found, k)
		}
	}
	return found, nil
}

type keyedRule struct {
	key  ruleKey
	rule netlink.Rule
}

func wantedRule(w Rule) *netlink.Rule {
	r := netlink.NewRule()
	r.Src, r.Table, r.Priority, r.Protocol = ipNet(w.From.Masked()), int(w.Table), priority-w.From.Bits(), protocol
	r.Family = familyOf(w.From)
	return r
}

func sameRule(a, b *netlink.Rule) bool {
	return a.Priority == b.Priority && a.Protocol == b.Protocol && a.Dst == nil && a.Mark == 0 && a.IifName == "" &&
		a.OifName == "" && !a.Invert && a.Tos == 0 && a.IPProto == 0 && a.Sport == nil && a.Dport == nil && a.UIDRange == nil
}

// addRules adds what is not there, and tells what of ours shall stay.
func (n *Net) addRules(want []Rule, have []keyedRule) (map[ruleKey]bool, error) {
	there, keep := map[ruleKey]bool{}, map[ruleKey]bool{}
	for _, h := range have {
		there[h.key] = true
	}
	var errs []error
	for _, w := range want {
		key := ruleKey{w.From.Masked(), w.Table}
		if keep[key] = true; there[key] {
			continue
		}
		there[key] = true
		if err := n.handle.RuleAdd(wantedRule(w)); err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("add rule from %v to table %#x: %w; see `ip rule`", w.From, w.Table, err))
		}
	}
	return keep, errors.Join(errs...)
}

func (n *Net) dropRules(have []keyedRule, keep map[ruleKey]bool) error {
	var errs []error
	for _, h := range have {
		if keep[h.key] {
			continue
		}
		if err := n.handle.RuleDel(&h.rule); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("delete %v: %w", h.rule, err))
		}
	}
	return errors.Join(errs...)
}

func familyOf(p netip.Prefix) int {
	if p.Addr().Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefixOf reads what netlink gives: nil is everything.
func prefixOf(n *net.IPNet, family int) netip.Prefix {
	if n == nil {
		if family == netlink.FAMILY_V4 {
			return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	addr, _ := netip.AddrFromSlice(n.IP)
	if family == netlink.FAMILY_V4 {
		addr = addr.Unmap()
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr, bits)
}

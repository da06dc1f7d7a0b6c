package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/monitor"
	"github.com/twinspan/twinspan/daemon/netcfg"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// applyTime bounds the changes to the host that one plan asks for; to take them
// back has the same time again. The most that the quotas allow, 10 000 pairs,
// takes a second, and half a minute where the processor is emulated.
const applyTime = 45 * time.Second

// apply puts next in force: only what differs. Whatever fails, fails before
// the engine hears of next; the host is then put back to what it was.
func (l *loop) apply(next plan.Plan) (api.Reloaded, error) {
	if next.DataPlane != l.plan.DataPlane {
		return api.Reloaded{}, &api.Error{Code: api.InvalidConfig, Message: fmt.Sprintf(
			"dataplane changed from %q to %q, which a reload cannot do; nothing was changed; systemctl restart twinspand does it",
			l.plan.DataPlane, next.DataPlane)}
	}
	changes := plan.Diff(l.plan, next)
	if err := l.prepare(l.plan, next); err != nil {
		back := l.prepare(next, l.plan)
		return api.Reloaded{}, errors.Join(fmt.Errorf("the host refused the change, what was in force stays: %w", err), back)
	}
	l.adopt(next)
	l.step(ike.Configure{Peers: next.Peers})
	l.ledger.forget(l.knows)
	l.tally.forget(l.knows)
	return summary(changes, next), l.tidy()
}

// prepare makes the host ready for next while the tunnels of old still stand:
// what either of them guards is guarded, devices of both exist.
func (l *loop) prepare(old, next plan.Plan) error {
	ctx, cancel := context.WithTimeout(context.Background(), applyTime)
	defer cancel()
	if err := l.net.SetGuards(ctx, guards(old, next)); err != nil {
		return fmt.Errorf("set the guard: %w", err)
	}
	if err := l.plane.SetLinks(ctx, links(old, next)); err != nil {
		return fmt.Errorf("set the gateways' devices: %w", err)
	}
	if err := l.plane.SetPolicies(ctx, next.PoliciesAt(l.where.in(l.plan, next))); err != nil {
		return fmt.Errorf("set the policies: %w", err)
	}
	if err := l.net.SetRoutes(ctx, routes(next)); err != nil {
		return fmt.Errorf("set the routes: %w", err)
	}
	return nil
}

// tidy takes away what the plan in force does not need.
func (l *loop) tidy() error {
	ctx, cancel := context.WithTimeout(context.Background(), applyTime)
	defer cancel()
	if err := l.plane.SetLinks(ctx, l.plan.Links); err != nil {
		return fmt.Errorf("the change is in force, but old devices remain: %w", err)
	}
	if err := l.net.SetGuards(ctx, guards(l.plan)); err != nil {
		return fmt.Errorf("the change is in force, but old guards remain: %w", err)
	}
	return nil
}

// adopt makes next the plan that is in force.
func (l *loop) adopt(next plan.Plan) {
	l.where = l.where.in(l.plan, next)
	before := l.about
	l.plan, l.loaded = next, l.now()
	l.owner = make(map[uint32]account)
	l.about = make(map[string]plan.Tunnel, len(next.Tunnels))
	for _, t := range next.Tunnels {
		l.about[t.Name] = t
	}
	for _, p := range next.Peers {
		for _, c := range p.Children {
			l.owner[c.ReqID] = account{p.Name, c.Sel.Local}
		}
	}
	l.probes.Set(probes(next))
	l.exporter.listen(next.Metrics)
	l.alarms.set(l.now(), next)
	maps.DeleteFunc(l.probed, func(name string, _ monitor.Result) bool {
		return l.about[name].Probe.String() != before[name].Probe.String()
	})
}

func (l *loop) knows(tunnel string) bool {
	_, ok := l.about[tunnel]
	return ok
}

// guards are those of all plans, each once.
func guards(plans ...plan.Plan) []netcfg.Guard {
	var all []netcfg.Guard
	seen := map[netcfg.Guard]bool{}
	for _, p := range plans {
		for _, g := range p.Guards {
			guard := netcfg.Guard{Local: g.Sel.Local, Remote: g.Sel.Remote, Device: g.Device}
			if !seen[guard] {
				seen[guard] = true
				all = append(all, guard)
			}
		}
	}
	return all
}

// links are those of next, and those of old that next does not have.
func links(old, next plan.Plan) []xfrm.Link {
	all := append([]xfrm.Link(nil), next.Links...)
	seen := map[string]bool{}
	for _, k := range all {
		seen[k.Name] = true
	}
	for _, k := range old.Links {
		if !seen[k.Name] {
			all = append(all, k)
		}
	}
	return all
}

func routes(p plan.Plan) netcfg.Want {
	var w netcfg.Want
	for _, g := range p.Gateways {
		w.Devices = append(w.Devices, netcfg.Device{Name: g.Device, Alias: g.Name})
	}
	for _, r := range p.Routes {
		w.Routes = append(w.Routes, netcfg.Route{Table: r.Table, Dst: r.Dst, Device: r.Device})
	}
	for _, r := range p.Rules {
		w.Rules = append(w.Rules, netcfg.Rule{From: r.From, Table: r.Table})
	}
	return w
}

func summary(changes []plan.Change, next plan.Plan) api.Reloaded {
	r := api.Reloaded{Version: api.Schema, Changes: []api.Change{}, Warnings: configFaults(next.Warnings)}
	touched := map[string]bool{}
	for _, c := range changes {
		if c.Tunnel != "" {
			touched[c.Tunnel] = true
		}
		r.Changes = append(r.Changes, api.Change{Tunnel: c.Tunnel, Object: c.Object, Impact: c.Impact.String(), What: c.What})
	}
	r.Changed = len(touched)
	for _, t := range next.Tunnels {
		if !touched[t.Name] {
			r.Untouched++
		}
	}
	r.Summary = fmt.Sprintf("%s changed, %d untouched", tunnels(r.Changed), r.Untouched)
	return r
}

func tunnels(n int) string {
	if n == 1 {
		return "1 tunnel"
	}
	return fmt.Sprintf("%d tunnels", n)
}

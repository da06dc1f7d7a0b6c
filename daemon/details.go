package daemon

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
)

// Details are all that is to be known of what has a name.
func (s *service) Details(ctx context.Context, name string) (api.Details, error) {
	var doc api.Details
	if err := s.loop.ask(ctx, func() { doc = s.loop.details(s.program, name) }); err != nil {
		return doc, err
	}
	if doc.Gateway == nil && doc.CustomerGateway == nil && doc.Tunnel == nil {
		return doc, &api.Error{Code: api.NotFound, Message: fmt.Sprintf(
			"no VPN gateway, customer gateway or tunnel %q; twinspan status lists the tunnels and gateways that are configured", name)}
	}
	return doc, nil
}

func (l *loop) details(program, name string) api.Details {
	now := l.view(program)
	doc := api.Details{Version: api.Schema, Time: now.Time}
	for i, g := range l.plan.Gateways {
		if g.Name == name {
			doc.Gateway = l.gatewayDetails(g, now.Gateways[i], now.Tunnels)
		}
	}
	for _, g := range l.plan.Customers {
		if g.Name == name {
			doc.CustomerGateway = customerDetails(g, now.Tunnels)
		}
	}
	for i, t := range now.Tunnels { // as the plan has them
		if t.Name == name {
			doc.Tunnel = tunnelDetails(t, l.plan.Peers[i], l.plan.Tunnels[i])
		}
	}
	return doc
}

func (l *loop) gatewayDetails(g plan.Gateway, now api.Gateway, tunnels []api.Tunnel) *api.GatewayDetails {
	d := &api.GatewayDetails{Gateway: now, Region: g.Region, CIDR: []string{}, MTU: g.MTU, Defined: g.Defined.String(),
		Tunnels: []api.TunnelState{}, Routes: []api.GatewayRoute{}}
	for _, p := range g.CIDR {
		d.CIDR = append(d.CIDR, p.String())
	}
	for _, t := range tunnels {
		if t.Gateway == g.Name {
			d.Tunnels = append(d.Tunnels, api.TunnelState{Name: t.Name, Peer: t.CustomerGateway, State: t.State, Since: t.Since})
		}
	}
	tables := map[uint32]string{}
	for _, t := range l.plan.RouteTables {
		tables[t.ID] = t.Name
	}
	for _, r := range l.plan.Routes {
		if r.Device == g.Device {
			d.Routes = append(d.Routes, api.GatewayRoute{Table: tables[r.Table], Destination: r.Dst.String()})
		}
	}
	return d
}

func customerDetails(g plan.CustomerGateway, tunnels []api.Tunnel) *api.CustomerGatewayDetails {
	d := &api.CustomerGatewayDetails{Name: g.Name, PublicIP: cmp.Or(g.PublicIP.Host, "any"), Region: g.Region,
		Defined: g.Defined.String(), Tunnels: []api.TunnelState{}}
	if g.PublicIP.Addr.IsValid() {
		d.PublicIP = g.PublicIP.Addr.String()
	}
	for _, t := range tunnels {
		if t.CustomerGateway == g.Name {
			d.Tunnels = append(d.Tunnels, api.TunnelState{Name: t.Name, Peer: t.Gateway, State: t.State, Since: t.Since})
		}
	}
	return d
}

func tunnelDetails(now api.Tunnel, p ike.Peer, t plan.Tunnel) *api.TunnelDetails {
	d := &api.TunnelDetails{Tunnel: now, Defined: t.Defined.String(), Policies: []api.SPDPolicy{}, IKE: api.IKESettings{
		IKEVersion: "IKEV1", Authentication: "pre-shared key", Mode: modeWord(p.Mode), Proposals: words(p.Proposals),
		LocalID: p.LocalID.String(), RemoteID: cmp.Or(p.RemoteID.String(), "the address that it has"),
		LifetimeSecond: int64(p.Lifetime.Time / time.Second),
	}}
	for _, c := range p.Children { // sorted
		if n := len(d.Policies); n > 0 && d.Policies[n-1].Local == c.Sel.Local.String() {
			d.Policies[n-1].Peer = append(d.Policies[n-1].Peer, c.Sel.Remote.String())
			continue
		}
		d.Policies = append(d.Policies, api.SPDPolicy{Local: c.Sel.Local.String(), Peer: []string{c.Sel.Remote.String()}})
	}
	if len(p.Children) > 0 {
		d.IPsec = ipsecDetails(p.Children[0]) // its settings are those of all
	}
	return d
}

func ipsecDetails(c ike.Child) api.IPsecSettings {
	s := api.IPsecSettings{Protocol: "ESP", Encapsulation: "TUNNEL", Proposals: words(c.Proposals), PFS: "disable",
		LifetimeSecond: int64(c.Lifetime.Time / time.Second), LifetimeKB: c.Lifetime.KB}
	if len(c.Proposals) > 0 && c.Proposals[0].Group != 0 {
		s.PFS = c.Proposals[0].Group.String()
	}
	return s
}

func words(proposals []ike.Proposal) []string {
	all := make([]string, len(proposals))
	for i, p := range proposals {
		all[i] = p.String()
	}
	return all
}

func modeWord(m ike.Mode) string {
	if m == ike.Aggressive {
		return config.AggressiveMode
	}
	return config.MainMode
}

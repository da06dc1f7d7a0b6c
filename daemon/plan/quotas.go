package plan

import (
	"fmt"
	"strconv"

	"github.com/twinspan/twinspan/daemon/config"
)

// The product's quotas, for what [limits] does not say.
const (
	vpnGatewaysPerVPC         = 10
	customerGatewaysPerRegion = 20
	tunnelsPerCustomerGateway = 1
	tunnelsPerRegion          = 20
	spdsPerTunnel             = 10
	peerNetworksPerSPD        = 50
)

// checkQuotas counts.
func (m *maker) checkQuotas() {
	l := m.cfg.Limits
	perVPC, perRegion, perCustomer, customers := counts{}, counts{}, counts{}, counts{}
	for _, g := range byName(m.gateways) {
		if g.vpc != nil {
			perVPC.add(g.vpc.noun(), g.Pos)
		}
	}
	region := map[string]string{} // of each customer gateway
	for _, t := range m.tunnels {
		if t.customer != nil {
			perCustomer.add("customer gateway "+strconv.Quote(t.customer.Name), t.Pos)
		}
		if v := t.vpc(); v != nil {
			perRegion.add(regionNoun(v.Region.V), t.Pos)
			region[t.CustomerGateway.V] = v.Region.V
		}
		m.checkSizes(t)
	}
	for _, c := range m.cfg.CustomerGateways {
		customers.add(regionNoun(c.Region.Or(region[c.Name])), c.Pos)
	}
	m.quota(perVPC, "VPN gateways", "vpn_gateways_per_vpc", l.VPNGatewaysPerVPC, vpnGatewaysPerVPC)
	m.quota(customers, "customer gateways", "customer_gateways_per_region", l.CustomerGatewaysPerRegion, customerGatewaysPerRegion)
	m.quota(perCustomer, "tunnels", "tunnels_per_customer_gateway", l.TunnelsPerCustomerGateway, tunnelsPerCustomerGateway)
	m.quota(perRegion, "tunnels", "tunnels_per_region", l.TunnelsPerRegion, tunnelsPerRegion)
}

// checkSizes counts the policies and networks of a tunnel.
func (m *maker) checkSizes(t *tunnel) {
	l := m.cfg.Limits
	spds, peers := counts{}, counts{}
	for i, s := range t.SPD {
		spds.add(t.noun(), s.Pos)
		for _, p := range s.Peer {
			peers.add(t.noun()+", spd "+strconv.Itoa(i+1), p.Pos)
		}
	}
	m.quota(spds, "SPD policies", "spds_per_tunnel", l.SPDsPerTunnel, spdsPerTunnel)
	m.quota(peers, "peer networks", "peer_networks_per_spd", l.PeerNetworksPerSPD, peerNetworksPerSPD)
}

// counts are the places of what is counted, by what it is counted for.
type counts map[string][]config.Pos

func (c counts) add(noun string, at config.Pos) { c[noun] = append(c[noun], at) }

// quota reports whoever has too many, at the first one that is too many.
func (m *maker) quota(c counts, what, key string, set config.Value[int64], usual int64) {
	limit, where := set.Or(usual), ""
	if set.IsSet() {
		where = fmt.Sprintf(" (%v)", set.Pos)
	}
	for noun, places := range c {
		if int64(len(places)) <= limit {
			continue
		}
		byPlace(places, func(p config.Pos) config.Pos { return p })
		m.fault(places[limit], "take some out, or raise "+key+" in [limits]",
			"%s has %d %s, and the limit is %d%s", noun, len(places), what, limit, where)
	}
}

// regionNoun names a region; a configuration may do without.
func regionNoun(name string) string {
	if name == "" {
		return "the region without a name"
	}
	return "region " + strconv.Quote(name)
}

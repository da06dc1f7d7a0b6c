package plan

import (
	"fmt"
	"net/netip"

	"github.com/twinspan/twinspan/daemon/config"
)

// checkPolicies holds the rules of the Security Policy Database.
func (m *maker) checkPolicies() {
	for _, t := range m.tunnels {
		for i := range t.SPD {
			m.checkPolicy(t, &t.SPD[i])
		}
	}
	for _, g := range byName(m.gateways) {
		m.checkLocals(g)
		m.checkMTU(g)
	}
	m.checkPairs()
}

// checkPolicy holds the rules of one policy of a tunnel.
func (m *maker) checkPolicy(t *tunnel, s *config.SPD) {
	var peers []network
	for _, p := range s.Peer {
		peers = append(peers, network{p.V, p.Pos, t})
	}
	_, clashes := disjoint(peers)
	for _, c := range clashes {
		m.fault(c.second.Pos, keepOne(c), "%s: peer network %v overlaps peer network %v of the same policy (%v)",
			t.noun(), c.second, c.first, c.first.Pos)
	}
	for _, p := range s.Peer {
		m.checkPeer(t, s.Local, p)
	}
	if v := t.vpc(); v != nil && !v.Faulty && s.Local.IsSet() && !v.cidrs.holds(s.Local.V) {
		m.fault(s.Local.Pos, "name a network of the VPC, or add it to the VPC's cidr",
			"%s: local network %v is not inside the cidr %v of %s (%v)", t.noun(), s.Local.V, v.cidrs, v.noun(), v.Pos)
	}
}

// vpc is the VPC of a tunnel's gateway, nil where it is not known.
func (t *tunnel) vpc() *vpc {
	if t.gateway == nil {
		return nil
	}
	return t.gateway.vpc
}

// checkPeer holds a peer network against the local one and the VPC.
func (m *maker) checkPeer(t *tunnel, local prefix, peer prefix) {
	if local.IsSet() {
		switch {
		case local.V.Addr().Is4() != peer.V.Addr().Is4():
			m.fault(peer.Pos, "write two policies, one for IPv4 and one for IPv6",
				"%s: local network %v (%v) and peer network %v are not of one IP version", t.noun(), local.V, local.Pos, peer.V)
			return
		case local.V.Overlaps(peer.V):
			m.fault(peer.Pos, "give the two sides different networks",
				"%s: peer network %v overlaps local network %v (%v)", t.noun(), peer.V, local.V, local.Pos)
			return
		}
	}
	if v := t.vpc(); v != nil {
		for _, own := range v.cidrs.overlapping(peer.V) {
			m.fault(peer.Pos, "give the two sides different networks",
				"%s: peer network %v overlaps %v of %s (%v)", t.noun(), peer.V, own, v.noun(), own.Pos)
			return
		}
	}
}

type prefix = config.Value[netip.Prefix]

// checkLocals holds that no two policies of a gateway's tunnels share local
// addresses.
func (m *maker) checkLocals(g *gateway) {
	var locals []network
	for _, t := range g.tunnels {
		for _, s := range t.SPD {
			if s.Local.IsSet() {
				locals = append(locals, network{s.Local.V, s.Local.Pos, t})
			}
		}
	}
	_, clashes := disjoint(locals)
	for _, c := range clashes {
		first, second := c.first.owner.(*tunnel), c.second.owner.(*tunnel)
		relation := fmt.Sprintf("overlaps %v of", c.first)
		if c.first.Prefix == c.second.Prefix {
			relation = "is already used by"
		}
		if first == second {
			m.fault(c.second.Pos, "put all its peers into one policy", "%s: local network %v %s another policy of this tunnel (%v)",
				second.noun(), c.second, relation, c.first.Pos)
			continue
		}
		m.fault(c.second.Pos, "give each network to one tunnel", "%s: local network %v %s %s (%v)",
			second.noun(), c.second, relation, first.noun(), c.first.Pos)
	}
}

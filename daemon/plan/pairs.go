package plan

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/daemon/config"
)

// Two gateways may have policies with the same local network. But a pair must
// be one gateway's: its guard lets it through that gateway's device only, and
// what answers could come through either. Pairs overlap where both of their
// networks do; so the pairs are put into groups by local network, and a group
// is held against those groups whose local network holds its own. There is one
// of these for each prefix length at most, so this takes n log n steps.

// group is the pairs of one local network.
type group struct {
	local netip.Prefix
	peers networks
}

// pairOwner is whose a pair is.
type pairOwner struct {
	tunnel *tunnel
	local  config.Value[netip.Prefix]
}

// checkPairs holds that no pair of one gateway overlaps a pair of another.
func (m *maker) checkPairs() {
	var outer []group // each one's local network holds the next one's
	for _, all := range m.pairsByLocal() {
		g := group{local: all[0].owner.(pairOwner).local.V}
		var clashes []clash
		g.peers, clashes = disjoint(all)
		for len(outer) > 0 && !outer[len(outer)-1].local.Overlaps(g.local) {
			outer = outer[:len(outer)-1]
		}
		for _, o := range outer {
			for _, peer := range g.peers {
				if other, ok := elsewhere(o.peers.overlapping(peer.Prefix), peer); ok {
					clashes = append(clashes, inOrder(other, peer))
				}
			}
		}
		outer = append(outer, g)
		m.reportPairs(clashes)
	}
}

// elsewhere is the first network of another gateway than that of peer.
func elsewhere(others networks, peer network) (network, bool) {
	at := slices.IndexFunc(others, func(o network) bool {
		return o.owner.(pairOwner).tunnel.gateway != peer.owner.(pairOwner).tunnel.gateway
	})
	if at < 0 {
		return network{}, false
	}
	return others[at], true
}

// pairsByLocal are the peer networks of all tunnels, in lists with one local
// network each, in the order of these.
func (m *maker) pairsByLocal() [][]network {
	lists := map[netip.Prefix][]network{}
	for _, t := range m.tunnels {
		for _, s := range t.SPD {
			if t.gateway == nil || !s.Local.IsSet() {
				continue
			}
			for _, p := range s.Peer {
				lists[s.Local.V] = append(lists[s.Local.V], network{p.V, p.Pos, pairOwner{t, s.Local}})
			}
		}
	}
	var out [][]network
	for _, list := range lists {
		out = append(out, list)
	}
	slices.SortFunc(out, func(a, b []network) int {
		return a[0].owner.(pairOwner).local.V.Compare(b[0].owner.(pairOwner).local.V)
	})
	return out
}

// reportPairs reports those clashes that the rules of one gateway do not.
func (m *maker) reportPairs(clashes []clash) {
	for _, c := range clashes {
		a, b := c.first.owner.(pairOwner), c.second.owner.(pairOwner)
		if a.tunnel.gateway == b.tunnel.gateway {
			continue
		}
		m.fault(c.second.Pos, "let each pair of networks use one VPN gateway",
			"%s: the pair %s overlaps %s of %s (%v) at another VPN gateway, so its packets would have two ways",
			b.tunnel.noun(), pairText(b, c.second), pairText(a, c.first), a.tunnel.noun(), c.first.Pos)
	}
}

func pairText(o pairOwner, peer network) string { return fmt.Sprintf("%v <-> %v", o.local.V, peer) }

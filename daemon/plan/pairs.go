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
// of these for each prefix length at most, and a question to one of them is a
// binary search, so this takes n log n steps.

// group is the pairs of one local network.
type group struct {
	local netip.Prefix
	peers networks
	turns []int // for each of peers, the first one after it that is another gateway's
}

// newGroup is the group of a local network with these peers.
func newGroup(local netip.Prefix, peers networks) group {
	turns := make([]int, len(peers))
	for i := len(peers) - 1; i >= 0; i-- {
		turns[i] = i + 1
		if i+1 < len(peers) && gatewayOf(peers[i]) == gatewayOf(peers[i+1]) {
			turns[i] = turns[i+1]
		}
	}
	return group{local, peers, turns}
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
		peers, clashes := disjoint(all)
		g := newGroup(all[0].owner.(pairOwner).local.V, peers)
		for len(outer) > 0 && !outer[len(outer)-1].local.Overlaps(g.local) {
			outer = outer[:len(outer)-1]
		}
		for _, o := range outer {
			for _, peer := range g.peers {
				if other, ok := o.elsewhere(peer); ok {
					clashes = append(clashes, inOrder(other, peer))
				}
			}
		}
		outer = append(outer, g)
		m.reportPairs(clashes)
	}
}

// elsewhere is the first network that overlaps peer and is another gateway's.
func (g group) elsewhere(peer network) (network, bool) {
	from, to := g.peers.span(peer.Prefix)
	if from < to && gatewayOf(g.peers[from]) == gatewayOf(peer) {
		from = g.turns[from]
	}
	if from >= to {
		return network{}, false
	}
	return g.peers[from], true
}

func gatewayOf(peer network) *gateway { return peer.owner.(pairOwner).tunnel.gateway }

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

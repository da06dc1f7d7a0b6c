package plan

import (
	"net/netip"

	"github.com/twinspan/twinspan/xfrm"
)

// priority of every policy: no two of them select the same packet.
const priority = 1000

// PoliciesAt are the policies of all pairs whose peer's address is known, given
// where peers have been found, by the names of the tunnels. What was found goes
// before what is configured. The order is the one that Policies has.
func (p Plan) PoliciesAt(where map[string]netip.Addr) []xfrm.Policy {
	var all []xfrm.Policy
	for _, peer := range p.Peers {
		remote := peer.Remote
		if found, ok := where[peer.Name]; ok {
			remote = found
		}
		if !peer.Local.IsValid() || !remote.IsValid() {
			continue
		}
		for _, c := range peer.Children {
			all = append(all, xfrm.Policy{Sel: c.Sel, TunnelLocal: peer.Local, TunnelRemote: remote,
				ReqID: c.ReqID, IfID: peer.IfID, Priority: priority, Action: xfrm.Protect})
		}
	}
	return all
}

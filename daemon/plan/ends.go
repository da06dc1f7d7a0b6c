package plan

import (
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// end is what a tunnel is told by when its peer begins. Without a remote
// address and a host the peer may come from anywhere.
type end struct {
	local, remote netip.Addr
	host          string
	id            ike.ID
}

// ends are the tunnels so far, by what they are told by, and the keys of those
// whose peers may come from anywhere.
type ends struct {
	tunnels  map[end]*tunnel
	anywhere []keyOf
}

// keyOf is a pre-shared key, and whose it is.
type keyOf struct {
	tunnel *tunnel
	key    config.Value[xfrm.Secret]
}

// checkEnds holds that a tunnel joins two addresses, and no other tunnel the
// same two in the same name.
func (m *maker) checkEnds(t *tunnel, p ike.Peer, seen *ends) {
	if !p.Local.IsValid() || !t.customer.PublicIP.IsSet() {
		return
	}
	switch {
	case p.Anywhere():
		m.checkAnywhere(t, p, seen)
	case p.Local == p.Remote:
		m.fault(t.Pos, "give the customer gateway the address of the other side",
			"%s: its VPN gateway and its customer gateway have the same address %v", t.noun(), p.Local)
	case p.Remote.IsValid() && p.Local.Is4() != p.Remote.Is4():
		m.fault(t.Pos, "give both gateways IPv4 addresses, or both IPv6 ones",
			"%s: the gateways' addresses %v and %v are not of one IP version", t.noun(), p.Local, p.Remote)
	}
	m.checkAlike(t, p, seen)
}

// checkAlike holds that the peers of two tunnels can be told apart.
func (m *maker) checkAlike(t *tunnel, p ike.Peer, seen *ends) {
	e := end{p.Local, p.Remote, p.Host, p.RemoteID}
	if seen.tunnels == nil {
		seen.tunnels = map[end]*tunnel{}
	}
	other := seen.tunnels[e]
	if other == nil {
		seen.tunnels[e] = t
		return
	}
	const do = "give the peers different identities, or put the policies into one tunnel"
	if p.Anywhere() {
		m.fault(t.Pos, do, "%s: its peer may come to %v from anywhere like that of %s (%v), and has the same identity%s, so they cannot be told apart",
			t.noun(), p.Local, other.noun(), other.Pos, spaced(p.RemoteID))
		return
	}
	m.fault(t.Pos, do, "%s: it joins the same addresses %v and %s as %s (%v), and the peer has the same identity%s, so they cannot be told apart",
		t.noun(), p.Local, remoteText(p), other.noun(), other.Pos, spaced(p.RemoteID))
}

// spaced is an identity to be said after another word, "" for one that is only
// known once the peer's address is.
func spaced(id ike.ID) string {
	if id.Kind == 0 {
		return ""
	}
	return " " + id.String()
}

// remoteText is where a peer is, in the words of the configuration.
func remoteText(p ike.Peer) string {
	switch {
	case p.Remote.IsValid():
		return p.Remote.String()
	case p.Host != "":
		return p.Host
	}
	return "any"
}

// checkAnywhere holds the rules of a peer without an address: only it can begin,
// and it is told by its key and its identity.
func (m *maker) checkAnywhere(t *tunnel, p ike.Peer, seen *ends) {
	if p.Start != ike.Passive {
		at := t.Pos
		if t.Negotiation.IsSet() {
			at = t.Negotiation.Pos
		}
		m.fault(at, `write negotiation = "passive", or give the customer gateway an address or a name of the DNS`,
			"%s: its peer may come from anywhere, so that only the peer can begin, and negotiation is %q", t.noun(), p.Start)
	}
	if p.RemoteID.Kind == 0 {
		m.fault(t.Pos, `write remote_identity = "FQDN" and remote_fqdn = "the name that the peer calls itself" in [vpn_tunnel.NAME.ike]`,
			"%s: its peer may come from anywhere, and nothing says what it calls itself", t.noun())
	}
	m.warnShared(t, seen)
}

// warnShared warns of two peers from anywhere that have a key in common.
func (m *maker) warnShared(t *tunnel, seen *ends) {
	for _, k := range t.Keys {
		same := func(o keyOf) bool { return o.tunnel.gateway == t.gateway && o.tunnel != t && o.key.V.Equal(k.V) }
		if at := slices.IndexFunc(seen.anywhere, same); at >= 0 {
			m.warn(k.Pos, "give each peer a key of its own", "%s: its peer and that of %s may come from anywhere and have the same pre-shared key, so that each can pose as the other",
				t.noun(), seen.anywhere[at].tunnel.noun())
		}
		seen.anywhere = append(seen.anywhere, keyOf{t, k})
	}
}

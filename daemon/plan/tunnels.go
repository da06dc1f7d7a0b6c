package plan

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// priority of every policy: no two of them select the same packet.
const priority = 1000

// makeTunnels plans the peers, their policies and their guards.
func (m *maker) makeTunnels() {
	reqIDs := newNumbers(reqIDMask)
	ends := map[end]*tunnel{}
	for _, c := range m.cfg.Tunnels {
		t := &tunnel{Tunnel: c}
		t.gateway = find(m, t.noun(), "VPN gateway", c.VPNGateway, m.gateways)
		t.customer = find(m, t.noun(), "customer gateway", c.CustomerGateway, m.customers)
		m.tunnels = append(m.tunnels, t)
		peer := m.peer(t, reqIDs)
		m.plan.Peers = append(m.plan.Peers, peer)
		m.plan.Tunnels = append(m.plan.Tunnels, Tunnel{c.Name, c.VPNGateway.V, c.CustomerGateway.V, c.Pos})
		if t.gateway == nil || t.customer == nil {
			continue
		}
		t.gateway.tunnels = append(t.gateway.tunnels, t)
		m.checkEnds(t, peer, ends)
		m.protect(t.gateway, peer)
	}
	slices.SortFunc(m.plan.Guards, func(a, b Guard) int { return compareSelectors(a.Sel, b.Sel) })
}

// end is what a tunnel is told by when its peer begins.
type end struct {
	local, remote netip.Addr
	id            ike.ID
}

// checkEnds holds that a tunnel joins two addresses, and no other tunnel the
// same two in the same name.
func (m *maker) checkEnds(t *tunnel, p ike.Peer, ends map[end]*tunnel) {
	if !p.Local.IsValid() || !p.Remote.IsValid() {
		return
	}
	switch {
	case p.Local == p.Remote:
		m.fault(t.Pos, "give the customer gateway the address of the other side",
			"%s: its VPN gateway and its customer gateway have the same address %v", t.noun(), p.Local)
	case p.Local.Is4() != p.Remote.Is4():
		m.fault(t.Pos, "give both gateways IPv4 addresses, or both IPv6 ones",
			"%s: the gateways' addresses %v and %v are not of one IP version", t.noun(), p.Local, p.Remote)
	}
	e := end{p.Local, p.Remote, p.RemoteID}
	if other := ends[e]; other != nil {
		m.fault(t.Pos, "give the peers different identities, or put the policies into one tunnel",
			"%s: it joins the same addresses %v and %v as %s, and the peer has the same identity %v, so they cannot be told apart",
			t.noun(), p.Local, p.Remote, other.noun(), p.RemoteID)
		return
	}
	ends[e] = t
}

// peer is what negotiation needs to know of a tunnel.
func (m *maker) peer(t *tunnel, reqIDs numbers) ike.Peer {
	p := ike.Peer{Name: t.Name, Keys: []xfrm.Secret{t.PSK.V}, Mode: ike.Main, Start: starts[t.Negotiation.Or(config.Active)]}
	if t.gateway != nil {
		p.Local, p.IfID = t.gateway.PublicIP.V, t.gateway.ifID
	}
	if t.customer != nil {
		p.Remote = t.customer.PublicIP.V
	}
	p.LocalID = identity(t.IKE.LocalIdentity, t.IKE.LocalAddress, t.IKE.LocalFQDN, p.Local)
	p.RemoteID = identity(t.IKE.RemoteIdentity, t.IKE.RemoteAddress, t.IKE.RemoteFQDN, p.Remote)
	p.Proposals = m.phase1(t)
	m.inRange(t.noun(), "ike.lifetime_seconds", t.IKE.LifetimeSeconds, 60, 604800)
	p.Lifetime = ike.Lifetime{Time: seconds(t.IKE.LifetimeSeconds.Or(86400))}
	p.Children = m.children(t, reqIDs)
	if n := t.PSK.V.Len(); n > 0 && n < shortKey {
		m.warn(t.PSK.Pos, "make a long one: openssl rand -base64 24",
			"%s: the pre-shared key has fewer than %d bytes: whoever can pose as the peer once can then find it by trying", t.noun(), shortKey)
	}
	return p
}

// shortKey is the length below which a pre-shared key gets a warning, in bytes.
const shortKey = 16

var starts = map[string]ike.Start{
	config.Active: ike.Active, config.Passive: ike.Passive, config.FlowTrigger: ike.FlowTrigger,
}

// identity is what one side calls itself: its name, or an address, which is by
// default that of its gateway.
func identity(kind config.Value[string], addr config.Value[netip.Addr], fqdn config.Value[string], own netip.Addr) ike.ID {
	if kind.V == config.IdentityFQDN {
		return ike.ID{Kind: ike.IDFQDN, Text: fqdn.V}
	}
	return ike.AddressID(addr.Or(own))
}

func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), math.MaxInt32)) * time.Second
}

// children are the pairs of a tunnel's policies, sorted, so that policies may
// change places in the file.
func (m *maker) children(t *tunnel, reqIDs numbers) []ike.Child {
	proposals := m.phase2(t)
	lifetime := m.lifetime2(t, proposals)
	var out []ike.Child
	for _, s := range t.SPD {
		for _, p := range s.Peer {
			out = append(out, ike.Child{Sel: xfrm.Selector{Local: s.Local.V, Remote: p.V}, Proposals: proposals, Lifetime: lifetime})
		}
	}
	slices.SortFunc(out, func(a, b ike.Child) int { return compareSelectors(a.Sel, b.Sel) })
	for i := range out {
		out[i].ReqID = reqIDs.of(t.Name, out[i].Sel.Local.String(), out[i].Sel.Remote.String())
	}
	return out
}

func compareSelectors(a, b xfrm.Selector) int {
	return cmp.Or(a.Local.Compare(b.Local), a.Remote.Compare(b.Remote))
}

// Bounds of the lifetime of an IPsec SA in KB of 1024 bytes.
const (
	defaultKB = 4096000000
	minKB     = 2560
	maxKB     = math.MaxUint32
	// maxKB64 is 4 GB: beyond it the blocks of a cipher with 64-bit blocks
	// repeat often enough to be told apart (Sweet32, RFC 8221 §5).
	maxKB64 = 4 << 20
	// shortest is how long an SA should last at the gateway's full bandwidth.
	shortest = 60 * time.Second
)

// lifetime2 is the lifetime of a tunnel's IPsec SAs.
func (m *maker) lifetime2(t *tunnel, proposals []ike.Proposal) ike.Lifetime {
	c := t.IPsec
	m.inRange(t.noun(), "ipsec.lifetime_seconds", c.LifetimeSeconds, 180, 604800)
	m.inRange(t.noun(), "ipsec.lifetime_kb", c.LifetimeKB, minKB, maxKB)
	kb := c.LifetimeKB.Or(defaultKB)
	small := slices.ContainsFunc(proposals, func(p ike.Proposal) bool { return p.Cipher.BlockSize() == 8 })
	if small && kb > maxKB64 {
		kb = maxKB64
		if c.LifetimeKB.IsSet() {
			m.warn(c.LifetimeKB.Pos, "name AES only, or write lifetime_kb = "+fmt.Sprint(maxKB64),
				"%s: ipsec.lifetime_kb is cut to %d, because DES and 3DES have 64-bit blocks", t.noun(), maxKB64)
		}
	}
	m.warnShort(t, kb, small)
	return ike.Lifetime{Time: seconds(c.LifetimeSeconds.Or(3600)), KB: uint64(max(kb, 0))}
}

// warnShort warns of SAs that full traffic uses up in no time.
func (m *maker) warnShort(t *tunnel, kb int64, small bool) {
	if t.gateway == nil || t.gateway.BandwidthMbps.V <= 0 || kb < minKB {
		return
	}
	perSecond := t.gateway.BandwidthMbps.V * 1_000_000 / 8
	if lasts := float64(kb) * 1024 / float64(perSecond); lasts < shortest.Seconds() {
		at := t.Pos
		if t.IPsec.LifetimeKB.IsSet() {
			at = t.IPsec.LifetimeKB.Pos
		}
		do := fmt.Sprintf("write at least %d", (perSecond*60+1023)/1024)
		if small {
			do += ", and AES only: DES and 3DES are not good for more"
		}
		m.warn(at, do, "%s: an IPsec SA of %d KB lasts %.1f s at the %d Mbit/s of %s",
			t.noun(), kb, lasts, t.gateway.BandwidthMbps.V, t.gateway.noun())
	}
}

// protect plans the policies and guards of a tunnel.
func (m *maker) protect(g *gateway, p ike.Peer) {
	for _, c := range p.Children {
		m.plan.Policies = append(m.plan.Policies, xfrm.Policy{Sel: c.Sel, TunnelLocal: p.Local, TunnelRemote: p.Remote,
			ReqID: c.ReqID, IfID: g.ifID, Priority: priority, Action: xfrm.Protect})
		m.plan.Guards = append(m.plan.Guards, Guard{c.Sel, g.device})
	}
}

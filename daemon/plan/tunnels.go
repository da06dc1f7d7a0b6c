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

// makeTunnels plans the peers, their policies, guards and probes.
func (m *maker) makeTunnels() {
	reqIDs := newNumbers(reqIDMask)
	var seen ends
	for _, c := range m.cfg.Tunnels {
		t := &tunnel{Tunnel: c}
		t.gateway = find(m, t.noun(), "VPN gateway", c.VPNGateway, m.gateways)
		t.customer = find(m, t.noun(), "customer gateway", c.CustomerGateway, m.customers)
		m.tunnels = append(m.tunnels, t)
		peer := m.peer(t, reqIDs)
		m.plan.Peers = append(m.plan.Peers, peer)
		m.plan.Tunnels = append(m.plan.Tunnels, Tunnel{c.Name, c.VPNGateway.V, c.CustomerGateway.V, c.Pos, m.probe(t)})
		if t.gateway == nil || t.customer == nil {
			continue
		}
		t.gateway.tunnels = append(t.gateway.tunnels, t)
		m.checkEnds(t, peer, &seen)
		for _, c := range peer.Children {
			m.plan.Guards = append(m.plan.Guards, Guard{c.Sel, t.gateway.device})
		}
	}
	m.plan.Policies = m.plan.PoliciesAt(nil)
	slices.SortFunc(m.plan.Guards, func(a, b Guard) int { return compareSelectors(a.Sel, b.Sel) })
}

// peer is what negotiation needs to know of a tunnel.
func (m *maker) peer(t *tunnel, reqIDs numbers) ike.Peer {
	p := ike.Peer{Name: t.Name, Mode: m.mode(t), Start: starts[t.Negotiation.Or(config.Active)],
		NATT: natts[t.NATT.Or(config.NATTAuto)], DPD: m.dpd(t)}
	if t.gateway != nil {
		p.Local, p.IfID = t.gateway.PublicIP.V, t.gateway.ifID
	}
	if t.customer != nil {
		p.Remote, p.Host = t.customer.PublicIP.V.Addr, t.customer.PublicIP.V.Host
	}
	p.LocalID = identity(t.IKE.LocalIdentity, t.IKE.LocalAddress, t.IKE.LocalFQDN, p.Local)
	p.RemoteID = identity(t.IKE.RemoteIdentity, t.IKE.RemoteAddress, t.IKE.RemoteFQDN, p.Remote)
	p.Keys = m.keys(t)
	p.Proposals = m.phase1(t)
	m.inRange(t.noun(), "ike.lifetime_seconds", t.IKE.LifetimeSeconds, 60, 604800)
	p.Lifetime = ike.Lifetime{Time: seconds(t.IKE.LifetimeSeconds.Or(86400))}
	p.Children = m.children(t, reqIDs)
	return p
}

// shortKey is the length below which a pre-shared key gets a warning, in bytes.
const shortKey = 16

// keys are the pre-shared keys of a tunnel.
func (m *maker) keys(t *tunnel) []xfrm.Secret {
	var keys []xfrm.Secret
	for _, k := range t.Keys {
		keys = append(keys, k.V)
		if k.V.Len() < shortKey {
			m.warn(k.Pos, "make a long one: openssl rand -base64 24",
				"%s: the pre-shared key has fewer than %d bytes: whoever can pose as the peer once can then find it by trying", t.noun(), shortKey)
		}
	}
	return keys
}

var starts = map[string]ike.Start{
	config.Active: ike.Active, config.Passive: ike.Passive, config.FlowTrigger: ike.FlowTrigger,
}

var natts = map[string]ike.NATT{
	config.NATTAuto: ike.NATTAuto, config.NATTRFC: ike.NATTRFC, config.NATTDraft: ike.NATTDraft,
	config.NATTOff: ike.NATTOff, config.NATTForce: ike.NATTForce,
}

// The defaults of dead peer detection, in seconds.
const (
	dpdDelay   = 30
	dpdTimeout = 120
)

// dpd is how a tunnel's peer is asked whether it lives.
func (m *maker) dpd(t *tunnel) ike.DPD {
	c := t.DPD
	m.inRange(t.noun(), "dpd.delay_seconds", c.DelaySeconds, 5, 3600)
	m.inRange(t.noun(), "dpd.timeout_seconds", c.TimeoutSeconds, 6, 86400)
	if c.Action.V == config.DPDOff {
		return ike.DPD{}
	}
	delay, timeout := c.DelaySeconds.Or(dpdDelay), c.TimeoutSeconds.Or(dpdTimeout)
	if timeout <= delay {
		at := c.TimeoutSeconds.Pos
		if !c.TimeoutSeconds.IsSet() {
			at = c.DelaySeconds.Pos
		}
		m.fault(at, fmt.Sprintf("write timeout_seconds = %d, or a shorter delay", 3*delay),
			"%s: dpd.timeout_seconds %d is not longer than dpd.delay_seconds %d", t.noun(), timeout, delay)
	}
	action := ike.DPDClear
	if c.Action.V == config.DPDRestart || !c.Action.IsSet() && t.Negotiation.Or(config.Active) == config.Active {
		action = ike.DPDRestart
	}
	return ike.DPD{Delay: seconds(delay), Timeout: seconds(timeout), Action: action}
}

// identity is what one side calls itself: its name, or an address, which is by
// default that of its gateway. It is zero for a peer that is at no address yet.
func identity(kind config.Value[string], addr config.Value[netip.Addr], fqdn config.Value[string], own netip.Addr) ike.ID {
	if kind.V == config.IdentityFQDN {
		return ike.ID{Kind: ike.IDFQDN, Text: fqdn.V}
	}
	if a := addr.Or(own); a.IsValid() {
		return ike.AddressID(a)
	}
	return ike.ID{}
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

package xfrmtest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Fate is what became of a packet at the side that sent it.
type Fate uint8

// The fates of a packet.
const (
	Sent       Fate = iota + 1 // left through an SA
	NoSA                       // its policy has no SA; Acquire was raised, unless it was lately
	Blocked                    // a Block policy took it
	Unselected                 // no policy wants it
	NoLink                     // there is no such link
	SpentSA                    // its SA reached the hard limit with it
)

func (f Fate) String() string {
	names := [...]string{Sent: "sent", NoSA: "no SA", Blocked: "blocked", Unselected: "unselected", NoLink: "no link", SpentSA: "SA spent"}
	if int(f) < len(names) && names[f] != "" {
		return names[f]
	}
	return fmt.Sprintf("fate(%d)", uint8(f))
}

// Send gives the packet to the link with that if_id.
func (m *Memory) Send(ifID uint32, p Inner) Fate {
	sa, peer, fate := m.seal(ifID, p)
	if fate == Sent && peer != nil {
		peer.arrive(sa, p)
	}
	return fate
}

// Inbox delivers what the joined Memory sent and this one let in.
func (m *Memory) Inbox() <-chan Inner { return m.inbox }

// seal decides about a packet and counts it. It also returns the peer, so that
// the two locks are never held together.
func (m *Memory) seal(ifID uint32, p Inner) (xfrm.SA, *Memory, Fate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.hasLink(ifID) {
		return xfrm.SA{}, nil, NoLink
	}
	pol, ok := m.policy(ifID, p.Src.Addr(), p.Dst.Addr())
	switch {
	case !ok:
		return xfrm.SA{}, nil, Unselected
	case pol.Action == xfrm.Block:
		return xfrm.SA{}, nil, Blocked
	}
	e := m.newest(pol)
	if e == nil {
		m.acquire(pol, p)
		return xfrm.SA{}, nil, NoSA
	}
	if !m.spend(e, p) {
		return xfrm.SA{}, nil, SpentSA
	}
	return e.SA, m.peer, Sent
}

func (m *Memory) hasLink(ifID uint32) bool {
	for _, l := range m.links {
		if l.IfID == ifID {
			return true
		}
	}
	return false
}

// policy finds what holds for packets from local to remote.
func (m *Memory) policy(ifID uint32, local, remote netip.Addr) (xfrm.Policy, bool) {
	for _, p := range m.policies {
		if p.IfID == ifID && p.Sel.Local.Contains(local) && p.Sel.Remote.Contains(remote) {
			return p, true
		}
	}
	return xfrm.Policy{}, false
}

// newest is the last SA that was put for sending under a policy.
func (m *Memory) newest(p xfrm.Policy) *memSA {
	var best *memSA
	for _, e := range m.sas {
		if e.Dir == xfrm.Out && e.ReqID == p.ReqID && e.IfID == p.IfID && (best == nil || e.nth > best.nth) {
			best = e
		}
	}
	return best
}

// askAgain is how long an Acquire may stay without an answer before the next
// packet raises another: the kernel's xfrm_acq_expires.
const askAgain = 30 * time.Second

func (m *Memory) acquire(pol xfrm.Policy, p Inner) {
	if at, ok := m.asked[pol.ReqID]; ok && m.now.Sub(at) < askAgain {
		return
	}
	m.asked[pol.ReqID] = m.now
	m.emit(xfrm.Acquire{ReqID: pol.ReqID, IfID: pol.IfID, Packet: xfrm.Selector{
		Local:  netip.PrefixFrom(p.Src.Addr(), p.Src.Addr().BitLen()),
		Remote: netip.PrefixFrom(p.Dst.Addr(), p.Dst.Addr().BitLen()),
	}})
}

// spend counts a packet against an SA. Like the kernel it looks at the limits
// before counting: the packet that reaches a limit still passes, the next one
// finds it.
func (m *Memory) spend(e *memSA, p Inner) bool {
	if e.Hard.Bytes > 0 && e.usage.Bytes >= e.Hard.Bytes {
		m.expire(e, true)
		return false
	}
	if e.Soft.Bytes > 0 && e.usage.Bytes >= e.Soft.Bytes && !e.dying {
		m.expire(e, false)
	}
	e.usage.Bytes += p.Size()
	e.usage.Packets++
	e.usage.LastUsed = m.now
	return true
}

// arrive takes what the peer sent through an SA of its own.
func (m *Memory) arrive(from xfrm.SA, p Inner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.sas[from.ID()]
	if e == nil || e.Dir != xfrm.In || m.closed {
		return
	}
	if e.Suite != from.Suite || !e.EncKey.Equal(from.EncKey) || !e.AuthKey.Equal(from.AuthKey) {
		e.usage.IntegrityErrs++
		return
	}
	if !m.spend(e, p) {
		return
	}
	m.follow(e, from)
	pol, ok := m.policy(e.IfID, p.Dst.Addr(), p.Src.Addr())
	if !ok || pol.ReqID != e.ReqID || pol.Action != xfrm.Protect || !m.hasLink(e.IfID) {
		return
	}
	select {
	case m.inbox <- p:
	default:
	}
}

// follow tells where an encapsulated peer has moved to, once per place.
func (m *Memory) follow(e *memSA, from xfrm.SA) {
	at := netip.AddrPortFrom(from.Src, from.Encap.SrcPort)
	if e.Encap == (xfrm.Encap{}) || at == netip.AddrPortFrom(e.Src, e.Encap.SrcPort) || e.movedTo == at {
		return
	}
	e.movedTo = at
	m.emit(xfrm.PeerMoved{SPI: e.SPI, ReqID: e.ReqID, From: at})
}

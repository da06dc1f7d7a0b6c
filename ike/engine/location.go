package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/tunnel"
)

// Peers with a name in the DNS are looked up before each session that we begin;
// those that may come from anywhere are where they last authenticated
// themselves. Both are answered wherever they come from, and told apart by their
// keys and identities.

// usable is how long the answer to a lookup may be used: for the sessions that
// waited for it.
const usable = time.Second

// lookup is what is known of a peer's name.
type lookup struct {
	asked bool      // the answer is on its way
	at    time.Time // of the last answer
	tried bool      // the address that the peer is taken to have, since it last authenticated itself
}

func (l lookup) fresh(now time.Time) bool { return !l.at.IsZero() && now.Sub(l.at) < usable }

// next is the address to try: that of now if it is still one of the name's and has
// not failed, since children stand with it, else the one after it.
func (l lookup) next(addrs []netip.Addr, now netip.Addr) netip.Addr {
	i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == now })
	if i < 0 || l.tried {
		i++
	}
	return addrs[i%len(addrs)].Unmap()
}

// lookUp asks for the addresses of a peer's name.
func (e *Engine) lookUp(m *member) {
	if m.lookup.asked {
		return
	}
	m.lookup.asked = true
	p := m.Peer()
	e.emit(ike.Resolve{Tunnel: p.Name, Host: p.Host})
}

// resolved begins what waited for an address.
func (e *Engine) resolved(in ike.Resolved) {
	m := e.tunnels[in.Tunnel]
	if m == nil || !m.lookup.asked {
		return
	}
	m.lookup.asked = false
	p := m.Peer()
	addrs := slices.DeleteFunc(slices.Clone(in.Addrs), func(a netip.Addr) bool { return a.Unmap().Is4() != p.Local.Unmap().Is4() })
	if len(addrs) == 0 {
		e.giveUp(m, unresolved(p, in.Err))
		return
	}
	to := m.lookup.next(addrs, m.at.remote)
	m.lookup.tried, m.lookup.at = true, e.now
	if m.established() == nil { // else the peer is where it has authenticated itself, until it does so elsewhere
		e.locate(m, to)
	}
	e.demand(m)
}

func unresolved(p *ike.Peer, err error) *ike.Fault {
	f := &ike.Fault{
		Cause: ike.CauseResolve, Text: fmt.Sprintf("%s has no address of the version of ours", p.Host),
		Advice: "correct public_ip of the customer gateway, or the name's entry in the DNS",
	}
	if err != nil {
		f.Text = fmt.Sprintf("%s could not be resolved: %v", p.Host, err)
	}
	return f
}

// fixed tells that a peer's address is configured.
func (m *member) fixed() bool { return m.Peer().Remote.IsValid() }

// locate notes where a peer is whose address may change. Its older sessions are
// of no use there, and its SAs neither.
func (e *Engine) locate(m *member, remote netip.Addr) {
	if m.fixed() || m.at.remote == remote {
		return
	}
	m.at.remote = remote
	e.emit(ike.Locate{Tunnel: m.Peer().Name, Remote: remote})
	e.later(func() {
		why := &ike.Fault{Cause: ike.CauseDeleted, Text: fmt.Sprintf("the peer moved to %v", remote)}
		for _, s := range slices.Clone(m.sessions) {
			if s.established() && s.addrs.remote != remote {
				e.discard(s, why)
			}
		}
		e.tell(m, tunnel.Moved{To: netip.AddrPortFrom(remote, 0)})
	})
}

// candidates are the peers that may be answered at a pair of addresses: those
// that are configured with both, then those that may come from anywhere.
func (e *Engine) candidates(at addrs) (all []*ike.Peer, known bool) {
	for _, where := range []addrs{at, {local: at.local}} {
		if n := e.byAddrs[where]; n != nil {
			all, known = append(all, n.candidates...), true
		}
	}
	return all, known
}

// mayMove tells that an established session may be spoken to from another
// address than it had: its peer has none of its own. Whether the message is
// authentic is the session's to say.
func (s *session) mayMove(at addrs) bool {
	return s.established() && s.addrs.local == at.local && s.member != nil && !s.member.fixed()
}

// peerMoved follows a peer that has proved to be elsewhere now.
func (e *Engine) peerMoved(s *session, to netip.AddrPort) {
	s.addrs.remote = to.Addr().Unmap()
	s.status.Remote = to
	m := s.member
	e.locate(m, s.addrs.remote)
	e.tellLater(m, tunnel.Moved{To: to})
}

// espMoved follows a peer whose authenticated ESP comes from elsewhere now.
func (e *Engine) espMoved(in ike.Moved) {
	for st := e.sas[in.SPI]; st != nil; st = st.next {
		m := st.member
		if m == nil || st.dst != m.Peer().Local || m.fixed() && m.at.remote != in.From.Addr().Unmap() {
			continue
		}
		if s := m.established(); s != nil {
			e.drive(s, in) // which says whether it follows to another address
		}
		if m.at.remote == in.From.Addr().Unmap() {
			e.tell(m, tunnel.Moved{To: in.From})
		}
		return
	}
}

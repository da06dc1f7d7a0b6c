package engine

import (
	"maps"
	"slices"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/tunnel"
)

// configure makes the tunnels those of peers. What is equal is not touched.
func (e *Engine) configure(peers []ike.Peer) {
	wanted := make(map[string]ike.Peer, len(peers))
	for _, p := range peers {
		wanted[p.Name] = p
	}
	for _, name := range slices.Clone(e.names) {
		m := e.tunnels[name]
		p, stays := wanted[name]
		switch {
		case !stays:
			e.dismiss(m, "the tunnel is no longer configured")
		case !m.Peer().Equal(p):
			e.dismiss(m, "the tunnel's configuration changed")
		}
	}
	e.settle()
	for _, p := range peers {
		if e.tunnels[p.Name] == nil {
			e.admit(wanted[p.Name])
		}
	}
}

// admit adds a tunnel and lets it begin.
func (e *Engine) admit(p ike.Peer) {
	at := addrs{p.Local.Unmap(), p.Remote.Unmap()}
	m := &member{Tunnel: tunnel.New(p, e.env.Rand, e.now), near: e.near(at), at: at}
	m.near.members = append(m.near.members, m)
	m.near.renew()
	e.tunnels[p.Name] = m
	i, _ := slices.BinarySearch(e.names, p.Name)
	e.names = slices.Insert(e.names, i, p.Name)
	for _, c := range p.Children {
		e.byReqID[c.ReqID] = m
	}
	e.tell(m, tunnel.Tick{})
}

// near are the tunnels at a pair of addresses; the remote one is invalid for
// those whose peer has none that is configured.
func (e *Engine) near(at addrs) *neighbours {
	if e.byAddrs[at] == nil {
		e.byAddrs[at] = &neighbours{at: at}
	}
	return e.byAddrs[at]
}

// dismiss closes a tunnel and forgets it.
func (e *Engine) dismiss(m *member, text string) {
	why := &ike.Fault{Cause: ike.CauseAsked, Text: text}
	e.tell(m, tunnel.Stop{Why: why})
	m.gone = true
	p := m.Peer()
	e.dropHalfOpen(m.near.at, why)
	e.deadlines.remove(&m.alarm)
	delete(e.tunnels, p.Name)
	if i, ok := slices.BinarySearch(e.names, p.Name); ok {
		e.names = slices.Delete(e.names, i, i+1)
	}
	for _, c := range p.Children {
		if e.byReqID[c.ReqID] == m {
			delete(e.byReqID, c.ReqID)
		}
	}
	e.leave(m)
}

// leave takes a tunnel from its neighbours.
func (e *Engine) leave(m *member) {
	n := m.near
	if i := slices.Index(n.members, m); i >= 0 {
		n.members = slices.Delete(n.members, i, i+1)
	}
	n.renew()
	if len(n.members) == 0 {
		delete(e.byAddrs, n.at)
	}
}

// dropHalfOpen ends the sessions that are about to authenticate a peer by a
// configuration that no longer holds: those at its addresses, or at all where it
// may come from anywhere.
func (e *Engine) dropHalfOpen(at addrs, why *ike.Fault) {
	sources := []addrs{at}
	if !at.remote.IsValid() {
		sources = slices.SortedFunc(maps.Keys(e.half.bySource), func(a, b addrs) int { return a.remote.Compare(b.remote) })
	}
	for _, source := range sources {
		if source.local != at.local {
			continue
		}
		for _, s := range slices.Clone(e.half.bySource[source]) {
			e.discard(s, why)
		}
	}
}

package xfrmtest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/xfrm"
)

// DropSA implements xfrm.Backend.
func (m *Memory) DropSA(_ context.Context, spi uint32, dst netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sas, xfrm.SAID{SPI: spi, Dst: dst})
	return nil
}

// SetEncap implements xfrm.Backend.
func (m *Memory) SetEncap(_ context.Context, id xfrm.SAID, to xfrm.Encap) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.sas[id]
	if e == nil {
		return nil
	}
	if err := e.CanHave(to); err != nil {
		return err
	}
	e.Encap, e.movedTo = to, netip.AddrPort{}
	return nil
}

// SetPolicies implements xfrm.Backend.
func (m *Memory) SetPolicies(_ context.Context, want []xfrm.Policy) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range want {
		if !xfrm.IsOurs(p.IfID) {
			return fmt.Errorf("policy %v: if_id %#x is not ours", p.Sel, p.IfID)
		}
	}
	m.policies = slices.Clone(want)
	slices.SortStableFunc(m.policies, func(a, b xfrm.Policy) int { return a.Priority - b.Priority })
	return nil
}

// SetLinks implements xfrm.Backend.
func (m *Memory) SetLinks(_ context.Context, want []xfrm.Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range want {
		if !xfrm.IsOurs(l.IfID) {
			return fmt.Errorf("link %s: if_id %#x is not ours", l.Name, l.IfID)
		}
	}
	m.links = slices.Clone(want)
	return nil
}

// Dump implements xfrm.Backend: SAs oldest first, policies by priority.
func (m *Memory) Dump(context.Context) (xfrm.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := xfrm.State{Policies: slices.Clone(m.policies), Links: slices.Clone(m.links)}
	for _, e := range m.byAge() {
		sa := e.SA
		sa.EncKey, sa.AuthKey = xfrm.Secret{}, xfrm.Secret{}
		s.SAs = append(s.SAs, sa)
	}
	return s, nil
}

// Usage implements xfrm.Backend.
func (m *Memory) Usage(context.Context) (map[xfrm.SAID]xfrm.Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[xfrm.SAID]xfrm.Usage, len(m.sas))
	for id, e := range m.sas {
		all[id] = e.usage
	}
	return all, nil
}

// Events implements xfrm.Backend.
func (m *Memory) Events() <-chan xfrm.Event { return m.events }

// Close implements xfrm.Backend. What it holds stays, as in a kernel.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.events)
	}
	return nil
}

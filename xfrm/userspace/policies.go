package userspace

import (
	"context"
	"fmt"
	"slices"

	"github.com/twinspan/twinspan/xfrm"
)

// SetPolicies implements xfrm.Backend. Each device gets its new table at once:
// no packet meets half of the old and half of the new.
func (b *Backend) SetPolicies(_ context.Context, want []xfrm.Policy) error {
	for _, p := range want {
		if err := validPolicy(p); err != nil {
			return err
		}
	}
	b.setting.Lock()
	defer b.setting.Unlock()
	rules, gates, err := b.refer(want)
	if err != nil {
		return err
	}
	for _, g := range gates {
		g.table.Store(newTable(rules[g]))
	}
	return nil
}

func validPolicy(p xfrm.Policy) error {
	switch {
	case !xfrm.IsOurs(p.IfID):
		return fmt.Errorf("policy %v: if_id %#x is not ours", p.Sel, p.IfID)
	case !p.Sel.Local.IsValid() || !p.Sel.Remote.IsValid() || p.Sel.Local.Addr().Is4() != p.Sel.Remote.Addr().Is4():
		return fmt.Errorf("policy %v: these are not two networks of one family", p.Sel)
	case p.Action != xfrm.Protect && p.Action != xfrm.Block:
		return fmt.Errorf("policy %v: %d is no action", p.Sel, p.Action)
	}
	return nil
}

// refer makes the rules of each gate and lets the pairs know that they are
// referred to. It returns all gates: some may have no rule any more.
func (b *Backend) refer(want []xfrm.Policy) (map[*gate][]*rule, []*gate, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, fmt.Errorf("set policies: %w", errClosed)
	}
	old := b.policies
	b.policies = slices.Clone(want)
	rules := map[*gate][]*rule{}
	for i, p := range want {
		r := &rule{Policy: p, rank: rank{p.Priority, i}}
		if p.Action == xfrm.Protect {
			r.pair = b.pairOf(p.ReqID, p.IfID)
			r.pair.policies++
		}
		g := b.gateOf(p.IfID)
		rules[g] = append(rules[g], r)
	}
	for _, p := range old {
		if p.Action == xfrm.Protect {
			pair := b.pairOf(p.ReqID, p.IfID)
			pair.policies--
			if pair.policies == 0 {
				b.count.noSA.Add(uint64(b.held.drop(pair)))
			}
			b.forget(pair)
		}
	}
	gates := make([]*gate, 0, len(b.gates))
	for _, g := range b.gates {
		gates = append(gates, g)
	}
	return rules, gates, nil
}

package userspace

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/xfrm"
)

// table finds the policy of a packet on one link. It never changes once built:
// the packets read it without a lock, and SetPolicies puts a new one in its
// place.
//
// Policies of the same prefix lengths share one hash map, keyed by the masked
// addresses. Ten thousand pairs of /24 are one probe; a packet costs as many
// probes as there are different pairs of lengths, and fewer where a shape that
// ranks higher has hit.
type table struct {
	v4, v6 []shape
}

// shape is all policies whose prefixes have the same lengths.
type shape struct {
	local, remote mask
	best          rank // of the policies in it
	rules         map[flow]*rule
}

// mask keeps the first bits of an addr.
type mask struct{ hi, lo uint64 }

// rule is one policy in a table.
type rule struct {
	xfrm.Policy
	rank rank
	pair *pair
}

// rank orders policies: by priority, then as they were given. Lower wins.
type rank struct{ priority, nth int }

func (r rank) less(o rank) bool {
	return r.priority < o.priority || r.priority == o.priority && r.nth < o.nth
}

func maskOf(p netip.Prefix) mask {
	bits := p.Bits()
	if p.Addr().Is4() {
		return mask{lo: uint64(^uint32(0) << (32 - bits))}
	}
	if bits <= 64 {
		return mask{hi: ^uint64(0) << (64 - bits)}
	}
	return mask{hi: ^uint64(0), lo: ^uint64(0) << (128 - bits)}
}

func (m mask) of(a addr) addr { return addr{a.hi & m.hi, a.lo & m.lo} }

// newTable builds the table of one link.
func newTable(rules []*rule) *table {
	t := &table{}
	at := map[[2]mask]int{}
	at6 := map[[2]mask]int{}
	for _, r := range rules {
		if r.Sel.Local.Addr().Is4() {
			t.v4 = add(t.v4, at, r)
		} else {
			t.v6 = add(t.v6, at6, r)
		}
	}
	for _, shapes := range [][]shape{t.v4, t.v6} {
		slices.SortFunc(shapes, func(a, b shape) int {
			return cmp.Or(cmp.Compare(a.best.priority, b.best.priority), cmp.Compare(a.best.nth, b.best.nth))
		})
	}
	return t
}

func add(shapes []shape, at map[[2]mask]int, r *rule) []shape {
	local, remote := maskOf(r.Sel.Local), maskOf(r.Sel.Remote)
	i, ok := at[[2]mask{local, remote}]
	if !ok {
		i = len(shapes)
		at[[2]mask{local, remote}] = i
		shapes = append(shapes, shape{local: local, remote: remote, best: r.rank, rules: map[flow]*rule{}})
	}
	s := &shapes[i]
	key := flow{local.of(addrOf(r.Sel.Local.Addr())), remote.of(addrOf(r.Sel.Remote.Addr()))}
	if old := s.rules[key]; old == nil || r.rank.less(old.rank) {
		s.rules[key] = r
	}
	if r.rank.less(s.best) {
		s.best = r.rank
	}
	return shapes
}

// find returns the policy for packets from local to remote, nil for none.
func (t *table) find(f flow, six bool) *rule {
	shapes := t.v4
	if six {
		shapes = t.v6
	}
	var found *rule
	for i := range shapes {
		s := &shapes[i]
		if found != nil && found.rank.less(s.best) {
			break // sorted: nothing behind can rank higher
		}
		r := s.rules[flow{s.local.of(f.src), s.remote.of(f.dst)}]
		if r != nil && (found == nil || r.rank.less(found.rank)) {
			found = r
		}
	}
	return found
}

package plan

import (
	"net/netip"
	"slices"
	"sort"

	"github.com/twinspan/twinspan/daemon/config"
)

// network is a prefix, where it stands and whose it is.
type network struct {
	netip.Prefix
	config.Pos
	owner any // what this is for is up to those who put it in
}

// networks are sorted by address, and none of them overlaps another. So a
// question costs one binary search, however many there are.
type networks []network

// clash is two networks that overlap; second is the one further on in the
// files.
type clash struct{ first, second network }

// disjoint sorts networks and takes out those that are in another one: of two
// prefixes that overlap one holds the other, and the larger one stays. Each
// one that is taken out clashes with the smallest of those that hold it.
func disjoint(all []network) (networks, []clash) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b network) int { return a.Prefix.Compare(b.Prefix) })
	var kept, outer networks // each of outer holds the next one
	var clashes []clash
	for _, n := range all {
		for len(outer) > 0 && !outer[len(outer)-1].Overlaps(n.Prefix) {
			outer = outer[:len(outer)-1]
		}
		if len(outer) > 0 {
			clashes = append(clashes, inOrder(outer[len(outer)-1], n))
		} else {
			kept = append(kept, n)
		}
		outer = append(outer, n)
	}
	return kept, clashes
}

func inOrder(a, b network) clash {
	if b.Pos.Compare(a.Pos) < 0 {
		a, b = b, a
	}
	return clash{a, b}
}

// keepOne is what to do about a clash within one list.
func keepOne(c clash) string {
	if c.first.Prefix == c.second.Prefix {
		return "keep one of the two"
	}
	return "keep the larger one"
}

// span are the indices of the networks that overlap a prefix: of one that
// holds it, or of any number that it holds.
func (ns networks) span(p netip.Prefix) (from, to int) {
	from = sort.Search(len(ns), func(i int) bool { return ns[i].Addr().Compare(p.Addr()) >= 0 })
	if from > 0 && ns[from-1].Overlaps(p) {
		return from - 1, from
	}
	return from, from + sort.Search(len(ns)-from, func(i int) bool { return !ns[from+i].Overlaps(p) })
}

// overlapping are the networks that overlap a prefix.
func (ns networks) overlapping(p netip.Prefix) networks {
	from, to := ns.span(p)
	return ns[from:to]
}

// holds tells that one of the networks holds the whole prefix.
func (ns networks) holds(p netip.Prefix) bool {
	found := ns.overlapping(p)
	return len(found) == 1 && found[0].Bits() <= p.Bits()
}

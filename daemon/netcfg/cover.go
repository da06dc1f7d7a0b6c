package netcfg

import (
	"cmp"
	"net/netip"
	"slices"
)

// span is a range of addresses, both ends in it.
type span struct{ first, last netip.Addr }

// box is a range of pairs: any local address with any remote one.
type box struct{ local, remote span }

func spanOf(p netip.Prefix) span {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(last)
	return span{p.Addr(), end}
}

// pair is a Guard without its device.
type pair struct{ local, remote netip.Prefix }

// cover lays boxes over the pairs: each address of a pair is in one box, no two
// boxes share any, as the kernel's interval sets demand. Pairs that do not
// overlap come out as they are.
func cover(pairs []pair) []box {
	remotes := map[netip.Prefix][]netip.Prefix{}
	for _, p := range pairs {
		remotes[p.local] = append(remotes[p.local], p.remote)
	}
	locals := make([]netip.Prefix, 0, len(remotes))
	for l := range remotes {
		locals = append(locals, l)
	}
	slices.SortFunc(locals, comparePrefix)
	var boxes []box
	for _, l := range locals {
		// What a wider local network has already needs no box here.
		var wider []netip.Prefix
		for bits := range l.Bits() {
			if len(remotes) > 1 {
				wide, _ := l.Addr().Prefix(bits)
				wider = append(wider, remotes[wide]...)
			}
		}
		for _, r := range subtract(union(remotes[l]), union(wider)) {
			boxes = append(boxes, box{spanOf(l), r})
		}
	}
	return boxes
}

// union is the spans of prefixes in order, without those inside others.
func union(prefixes []netip.Prefix) []span {
	sorted := slices.Clone(prefixes)
	slices.SortFunc(sorted, comparePrefix)
	var spans []span
	for _, p := range sorted {
		s := spanOf(p)
		if len(spans) == 0 || spans[len(spans)-1].last.Less(s.first) {
			spans = append(spans, s)
		}
	}
	return spans
}

// comparePrefix puts wider networks before those inside them.
func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// subtract is what of from is not in gone. Both are in order.
func subtract(from, gone []span) []span {
	var left []span
	for _, s := range from {
		for len(gone) > 0 && gone[0].last.Less(s.first) {
			gone = gone[1:]
		}
		rest := true
		for _, g := range gone {
			if s.last.Less(g.first) {
				break
			}
			if s.first.Less(g.first) {
				left = append(left, span{s.first, g.first.Prev()})
			}
			if rest = g.last.Less(s.last); !rest {
				break
			}
			s.first = g.last.Next()
		}
		if rest {
			left = append(left, s)
		}
	}
	return left
}

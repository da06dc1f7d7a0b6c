package netcfg

import (
	"slices"
	"strings"
)

// content is the elements of the sets, by the set's name, in order.
type content map[string][]element

// element is the first and the last key of a range.
type element struct{ first, last string }

// contentOf lays out the guards: the pairs, and the pairs with each device.
func contentOf(guards []Guard) content {
	all, byDevice := map[string][]pair{}, map[string]map[string][]pair{}
	for _, g := range guards {
		f := families()[0]
		if g.Local.Addr().Is6() {
			f = families()[1]
		}
		p := pair{g.Local.Masked(), g.Remote.Masked()}
		all[f.pairs] = append(all[f.pairs], p)
		if byDevice[f.ways] == nil {
			byDevice[f.ways] = map[string][]pair{}
		}
		byDevice[f.ways][g.Device] = append(byDevice[f.ways][g.Device], p)
	}
	c := content{}
	for set, pairs := range all {
		c.add(set, pairs, "")
	}
	for set, devices := range byDevice {
		for device, pairs := range devices {
			c.add(set, pairs, string(interfaceName(device)))
		}
	}
	for set := range c {
		slices.SortFunc(c[set], compareElement)
	}
	return c
}

func (c content) add(set string, pairs []pair, suffix string) {
	for _, b := range cover(pairs) {
		c[set] = append(c[set], element{
			string(b.local.first.AsSlice()) + string(b.remote.first.AsSlice()) + suffix,
			string(b.local.last.AsSlice()) + string(b.remote.last.AsSlice()) + suffix,
		})
	}
}

func compareElement(a, b element) int { return strings.Compare(a.first, b.first) }

package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// Impact is what a change does to the traffic of what it changes.
type Impact uint8

// The impacts, the least one first.
const (
	Live    Impact = iota + 1 // nothing is lost
	Rekey                     // new SAs are made beside the old ones
	Restart                   // the tunnel goes down and comes up again, or goes for good
)

func (i Impact) String() string {
	switch i {
	case Live:
		return "live"
	case Rekey:
		return "rekey"
	case Restart:
		return "restart"
	}
	return fmt.Sprintf("impact(%d)", uint8(i))
}

// Change is one difference between two plans.
type Change struct {
	Tunnel string // the tunnel's name where the change is one of a tunnel, else ""
	Object string // what it is a change of, as messages call it: `tunnel "b"`
	Impact Impact
	What   string
}

// Diff lists what is different in new, tunnels first, each kind by name. A
// tunnel that it does not name is not touched.
func Diff(old, new Plan) []Change {
	changes := append(diffTunnels(old, new), diffProbes(old, new)...)
	if old.Metrics != new.Metrics {
		changes = append(changes, Change{Object: "metrics", Impact: Live, What: served(old.Metrics) + " -> " + served(new.Metrics)})
	}
	if old.DataPlane != new.DataPlane {
		changes = append(changes, Change{Object: "dataplane", Impact: Restart, What: old.DataPlane + " -> " + new.DataPlane})
	}
	return append(append(changes, diffHost(old, new)...), diffAlarms(old, new)...)
}

// byKey merges two lists, and calls changed for each key that they do not have
// in common or with different values. A nil pointer is for what is absent.
func byKey[K cmp.Ordered, R any](old, new []R, key func(R) K, changed func(k K, was, is *R)) {
	index := func(list []R) map[K]*R {
		m := make(map[K]*R, len(list))
		for i := range list {
			m[key(list[i])] = &list[i]
		}
		return m
	}
	olds, news := index(old), index(new)
	keys := slices.Collect(maps.Keys(olds))
	for k := range news {
		if olds[k] == nil {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		changed(k, olds[k], news[k])
	}
}

func diffTunnels(old, new Plan) []Change {
	var out []Change
	byKey(old.Peers, new.Peers, func(p ike.Peer) string { return p.Name }, func(name string, was, is *ike.Peer) {
		add := func(impact Impact, what string) {
			out = append(out, Change{name, fmt.Sprintf("tunnel %q", name), impact, what})
		}
		switch {
		case was == nil:
			add(Live, "added")
		case is == nil:
			add(Restart, "removed")
		case !was.Equal(*is):
			// The engine ends a tunnel whose ike.Peer changed in any way, and
			// begins it anew: whatever it is, it is a Restart.
			for _, what := range diffPeers(*was, *is) {
				add(Restart, what)
			}
		}
	})
	return out
}

// diffProbes says which tunnels are probed otherwise. Negotiation knows nothing
// of it.
func diffProbes(old, new Plan) []Change {
	var out []Change
	byKey(old.Tunnels, new.Tunnels, func(t Tunnel) string { return t.Name }, func(name string, was, is *Tunnel) {
		if was == nil || is == nil || was.Probe.String() == is.Probe.String() {
			return
		}
		out = append(out, Change{name, fmt.Sprintf("tunnel %q", name), Live, fmt.Sprintf("health check %v -> %v", was.Probe, is.Probe)})
	})
	return out
}

// diffPeers says what is different in two peers that are not the same.
func diffPeers(a, b ike.Peer) []string {
	var out []string
	for _, f := range []struct{ name, was, is string }{
		{"VPN gateway's address", a.Local.String(), b.Local.String()},
		{"customer gateway's address", remoteText(a), remoteText(b)},
		{"local identity", a.LocalID.Text, b.LocalID.Text},
		{"remote identity", identityText(a), identityText(b)},
		{"mode", a.Mode.String(), b.Mode.String()},
		{"negotiation", a.Start.String(), b.Start.String()},
		{"NAT traversal", a.NATT.String(), b.NATT.String()},
		{"dead peer detection", dpdText(a.DPD), dpdText(b.DPD)},
		{"IKE proposals", proposalWords(a.Proposals), proposalWords(b.Proposals)},
		{"IKE lifetime", lifetimeText(a.Lifetime), lifetimeText(b.Lifetime)},
		{"IPsec proposals", proposalWords(ofFirst(a).Proposals), proposalWords(ofFirst(b).Proposals)},
		{"IPsec lifetime", lifetimeText(ofFirst(a).Lifetime), lifetimeText(ofFirst(b).Lifetime)},
		{"interface id", fmt.Sprintf("%#x", a.IfID), fmt.Sprintf("%#x", b.IfID)},
	} {
		if f.was != f.is {
			out = append(out, f.name+" "+f.was+" -> "+f.is)
		}
	}
	if !slices.EqualFunc(a.Keys, b.Keys, xfrm.Secret.Equal) {
		out = append(out, diffKeys(a.Keys, b.Keys))
	}
	out = append(out, diffPairs(a.Children, b.Children)...)
	if len(out) == 0 {
		out = append(out, "its numbers in the kernel changed")
	}
	return out
}

// diffKeys tells of pre-shared keys that are not the same, and nothing of them.
func diffKeys(was, is []xfrm.Secret) string {
	if len(was) == 1 && len(is) == 1 {
		return "pre-shared key changed"
	}
	return fmt.Sprintf("pre-shared keys changed, %d -> %d", len(was), len(is))
}

// identityText is what a peer calls itself.
func identityText(p ike.Peer) string {
	if p.RemoteID.Kind == 0 {
		return "its address"
	}
	return p.RemoteID.Text
}

func dpdText(d ike.DPD) string {
	if d.Delay == 0 {
		return "off"
	}
	return fmt.Sprintf("%v after %v, asked after %v", d.Action, d.Timeout, d.Delay)
}

// ofFirst stands for all children of a tunnel: they differ in their pairs only.
func ofFirst(p ike.Peer) ike.Child {
	if len(p.Children) == 0 {
		return ike.Child{}
	}
	return p.Children[0]
}

func diffPairs(old, new []ike.Child) []string {
	var out []string
	byKey(old, new, func(c ike.Child) string { return c.Sel.String() }, func(sel string, was, is *ike.Child) {
		switch {
		case was == nil:
			out = append(out, "pair "+sel+" added")
		case is == nil:
			out = append(out, "pair "+sel+" removed")
		}
	})
	return out
}

func proposalWords(ps []ike.Proposal) string {
	var words []string
	for _, p := range ps {
		words = append(words, suite.Words(p))
	}
	return "[" + strings.Join(words, "; ") + "]"
}

func lifetimeText(l ike.Lifetime) string {
	s := fmt.Sprintf("%.0f s", l.Time.Seconds())
	if l.KB != 0 {
		s += fmt.Sprintf(", %d KB", l.KB)
	}
	return s
}

// served is where metrics are served, in words.
func served(at netip.AddrPort) string {
	if !at.IsValid() {
		return "not served"
	}
	return at.String()
}

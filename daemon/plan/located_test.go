package plan_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/xfrm"
)

// A tunnel has policies once it is known where its peer is, and they stand where
// those of a configured peer stand.
func TestPoliciesAt(t *testing.T) {
	p, err := plan.Load(load(t, "testdata/good/peers.toml"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(tunnel string, policies []xfrm.Policy) (remotes []netip.Addr) {
		for _, peer := range p.Peers {
			for _, q := range policies {
				if peer.Name == tunnel && q.ReqID == peer.Children[0].ReqID {
					remotes = append(remotes, q.TunnelRemote)
				}
			}
		}
		return remotes
	}
	if len(p.Policies) != 1 || len(at("fixed", p.Policies)) != 1 {
		t.Errorf("before anybody is found there are the policies %v", p.Policies)
	}
	moved, found := netip.MustParseAddr("198.51.100.99"), netip.MustParseAddr("198.51.100.7")
	where := map[string]netip.Addr{"named": found, "roaming": found, "fixed": moved, "gone": found}
	got := p.PoliciesAt(where)
	if len(got) != 3 {
		t.Fatalf("there are %v", got)
	}
	for tunnel, want := range map[string]netip.Addr{"fixed": moved, "named": found, "roaming": found} {
		if remotes := at(tunnel, got); !slices.Equal(remotes, []netip.Addr{want}) {
			t.Errorf("the policies of %s lead to %v, want %v", tunnel, remotes, want)
		}
	}
	for i, tunnel := range []string{"fixed", "named", "roaming"} {
		if got[i].Sel != p.Peers[i].Children[0].Sel || p.Peers[i].Name != tunnel {
			t.Errorf("policy %d is %v, not that of %s", i, got[i], tunnel)
		}
	}
}

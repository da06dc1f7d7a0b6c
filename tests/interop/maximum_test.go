package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// The most that the product's quotas let a region have.
const (
	mostTunnels  = 20
	mostPolicies = 10 // of a tunnel
	mostPeers    = 50 // networks of a policy
)

// maximum is a configuration with all of that.
func maximum() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dataplane = %q\n[vpc.v]\ncidr = \"10.0.0.0/8\"\n[vpc.v.subnet.s]\ncidr = \"10.0.0.0/8\"\nroute_table = \"main\"\n"+
		"[vpn_gateway.g]\nvpc = \"v\"\npublic_ip = \"127.0.0.1\"\nbandwidth_mbps = 100\n[route_table.main]\nvpc = \"v\"\n"+
		"[[route_table.main.route]]\ndestination = \"172.16.0.0/16\"\nnext_hop_type = \"vpn_gateway\"\nnext_hop = \"g\"\n", planeWord())
	for i := range mostTunnels {
		fmt.Fprintf(&b, "[customer_gateway.c%d]\npublic_ip = \"198.51.100.%d\"\n[vpn_tunnel.t%d]\nvpn_gateway = \"g\"\ncustomer_gateway = \"c%d\"\n"+
			"pre_shared_key = \"the key of both sides\"\nnegotiation = \"passive\"\n", i, i+1, i, i)
		for k := range mostPolicies {
			fmt.Fprintf(&b, "[[vpn_tunnel.t%d.spd]]\nlocal = \"10.%d.%d.0/24\"\npeer = [", i, i, k)
			for n := range mostPeers {
				fmt.Fprintf(&b, "\"172.16.%d.0/24\",", n)
			}
			b.WriteString("]\n")
		}
	}
	return b.String()
}

// The most that the quotas allow, 10 000 pairs, is there after one reload and
// gone after another.
func TestMaximumInOneReload(t *testing.T) {
	space, err := netns.New("maximum")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := space.Close(); err != nil {
			t.Error(err)
		}
	})
	daemon := open(t, space, startTwin).(*twinSide).daemon
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(60*time.Second))
	defer cancel()
	for _, c := range []struct {
		text           string
		tunnels, pairs int
	}{
		{maximum(), mostTunnels, mostTunnels * mostPolicies * mostPeers},
		{fmt.Sprintf("dataplane = %q\n", planeWord()), 0, 0},
	} {
		if err := daemon.Configure(c.text); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := daemon.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("to %d pairs in %v", c.pairs, time.Since(began))
		s, err := daemon.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pairs := 0
		for _, tunnel := range s.Tunnels {
			pairs += len(tunnel.Pairs)
		}
		if len(s.Tunnels) != c.tunnels || pairs != c.pairs {
			t.Errorf("there are %d tunnels with %d pairs, and should be %d with %d", len(s.Tunnels), pairs, c.tunnels, c.pairs)
		}
		if kernelESP() {
			wantPolicies(ctx, t, space, c.pairs)
		}
	}
}

// wantPolicies holds that the kernel has so many policies of each direction.
func wantPolicies(ctx context.Context, t *testing.T, space *netns.Space, n int) {
	t.Helper()
	out, err := space.Run(ctx, "ip", "xfrm", "policy", "count")
	if want := fmt.Sprintf("IN  %d OUT %[1]d FWD %[1]d", n); err != nil || !strings.Contains(out, want) {
		t.Errorf("%v: the kernel has %q and should have %s", err, out, want)
	}
}

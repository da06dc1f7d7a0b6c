package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// large is a configuration of so many tunnels, policies and peer networks.
func large(tb testing.TB, tunnels, spds, peers int) config.Config {
	tb.Helper()
	var b strings.Builder
	b.WriteString("[limits]\ncustomer_gateways_per_region = 1000000\ntunnels_per_region = 1000000\n" +
		"[vpc.v]\ncidr = \"10.0.0.0/8\"\n[vpc.v.subnet.s]\ncidr = \"10.0.0.0/8\"\nroute_table = \"main\"\n" +
		"[vpn_gateway.g]\nvpc = \"v\"\npublic_ip = \"203.0.113.1\"\nbandwidth_mbps = 1000\n" +
		"[route_table.main]\nvpc = \"v\"\n[[route_table.main.route]]\ndestination = \"172.16.0.0/12\"\n" +
		"next_hop_type = \"vpn_gateway\"\nnext_hop = \"g\"\n")
	local := 0
	for i := range tunnels {
		fmt.Fprintf(&b, "[customer_gateway.c%d]\npublic_ip = \"198.18.%d.%d\"\n", i, i>>8, i&0xff)
		fmt.Fprintf(&b, "[vpn_tunnel.t%d]\nvpn_gateway = \"g\"\ncustomer_gateway = \"c%d\"\npre_shared_key = \"0123456789abcdef\"\n", i, i)
		for range spds {
			fmt.Fprintf(&b, "[[vpn_tunnel.t%d.spd]]\nlocal = \"10.%d.%d.%d/28\"\npeer = [", i, local>>12, local>>4&0xff, local<<4&0xff)
			local++
			for k := range peers {
				fmt.Fprintf(&b, "\"172.16.%d.0/24\", ", k)
			}
			b.WriteString("]\n")
		}
	}
	c, err := config.Parse([]config.File{{Name: "large.toml", Data: []byte(b.String()), Mode: 0o600}})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// The product's own maximum: every pair has a policy of its own.
func TestSpecMaximum(t *testing.T) {
	p, err := plan.Make(large(t, 20, 10, 50))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for _, q := range p.Policies {
		if seen[q.ReqID] || q.ReqID == 0 {
			t.Fatalf("policy %v has the reqid %#x", q.Sel, q.ReqID)
		}
		seen[q.ReqID] = true
	}
	if len(p.Policies) != 10000 || len(p.Guards) != 10000 || len(p.Warnings) != 0 {
		t.Errorf("%d policies, %d guards, warnings %v", len(p.Policies), len(p.Guards), p.Warnings)
	}
}

// The time to plan grows with the number of tunnels, not with its square: ten
// times the tunnels take less than forty times as long.
func TestPlanningIsNotQuadratic(t *testing.T) {
	few, many := large(t, 1000, 1, 1), large(t, 10000, 1, 1)
	best := func(c config.Config) time.Duration { // of three: others use this machine too
		took := time.Hour
		for range 3 {
			began := time.Now()
			if _, err := plan.Make(c); err != nil {
				t.Fatal(err)
			}
			took = min(took, time.Since(began))
		}
		return took
	}
	a, b := best(few), best(many)
	if b > 40*a {
		t.Errorf("1000 tunnels take %v, 10000 take %v", a, b)
	}
}

func BenchmarkMake(b *testing.B) {
	for _, size := range [][3]int{{20, 10, 50}, {10000, 1, 1}, {10000, 1, 10}} {
		c := large(b, size[0], size[1], size[2])
		b.Run(fmt.Sprintf("%dx%dx%d", size[0], size[1], size[2]), func(b *testing.B) {
			for b.Loop() {
				if _, err := plan.Make(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

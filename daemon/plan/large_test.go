package plan_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// large is a configuration of so many tunnels, policies and peer networks.
func large(tb testing.TB, tunnels, spds, peers int) config.Config {
	tb.Helper()
	return parsedLarge(tb, largeText(tunnels, spds, peers))
}

func largeText(tunnels, spds, peers int) string {
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
	return b.String()
}

func parsedLarge(tb testing.TB, text string) config.Config {
	tb.Helper()
	c, err := config.Parse([]config.File{{Name: "large.toml", Data: []byte(text), Mode: 0o600}})
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

// nested is one tunnel whose first policy has n peer networks, and whose n other
// policies have local and peer networks around those of the first.
func nested(tb testing.TB, n int) config.Config {
	tb.Helper()
	var b strings.Builder
	b.WriteString("[limits]\nspds_per_tunnel = 1000000\npeer_networks_per_spd = 1000000\n[vpc.v]\ncidr = \"10.0.0.0/8\"\n" +
		"[vpn_gateway.g]\nvpc = \"v\"\npublic_ip = \"203.0.113.1\"\nbandwidth_mbps = 1000\n" +
		"[customer_gateway.c]\npublic_ip = \"198.51.100.1\"\n" +
		"[vpn_tunnel.t]\nvpn_gateway = \"g\"\ncustomer_gateway = \"c\"\npre_shared_key = \"0123456789abcdef\"\n" +
		"[[vpn_tunnel.t.spd]]\nlocal = \"10.0.0.0/8\"\npeer = [\n")
	for i := range n {
		fmt.Fprintf(&b, "\"172.16.%d.%d/32\",\n", i>>8, i&0xff)
	}
	b.WriteString("]\n")
	for i := range n {
		fmt.Fprintf(&b, "[[vpn_tunnel.t.spd]]\nlocal = \"10.0.%d.%d/32\"\npeer = \"172.16.0.0/12\"\n", i>>8, i&0xff)
	}
	return parsedLarge(tb, b.String())
}

// The time to plan grows with the number of networks, not with its square: ten
// times as many take less than forty times as long, also when they overlap
// however badly. It is the processor's time of this thread: others use this
// machine too.
func TestPlanningIsNotQuadratic(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := func(c config.Config, faults int) time.Duration { // of three
		took := time.Hour
		for range 3 {
			began := threadTime(t)
			_, err := plan.Make(c)
			took = min(took, threadTime(t)-began)
			if got, _ := err.(config.Faults); len(got) != faults {
				t.Fatalf("there are %d faults, and should be %d", len(got), faults)
			}
		}
		return took
	}
	for _, tc := range []struct {
		name   string
		of     func(n int) config.Config
		few    int
		faults int // for each network
	}{
		{"tunnels", func(n int) config.Config { return large(t, n, 1, 1) }, 1000, 0},
		{"networks in each other", func(n int) config.Config { return nested(t, n) }, 4000, 1},
	} {
		few, many := best(tc.of(tc.few), tc.faults*tc.few), best(tc.of(10*tc.few), 10*tc.faults*tc.few)
		t.Logf("%d %s take %v, %d take %v", tc.few, tc.name, few, 10*tc.few, many)
		if many > 40*few {
			t.Errorf("%d %s take %v, %d take %v", tc.few, tc.name, few, 10*tc.few, many)
		}
	}
}

func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLoad is what a reload of the product's own maximum costs before
// anything is installed: read, checked and planned.
func BenchmarkLoad(b *testing.B) {
	files := []config.File{{Name: "large.toml", Data: []byte(largeText(20, 10, 50)), Mode: 0o600}}
	for b.Loop() {
		if p, err := plan.Load(files); err != nil || len(p.Policies) != 10000 {
			b.Fatal(err)
		}
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

package plan_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/xfrm"
)

// crowd is a configuration with so many of something, and one of the rest.
type crowd struct{ gateways, customers, perCustomer, tunnels, spds, peers int }

// quota holds that as many as the row says may be, one more is refused with the
// limit's key, and with that raised it may be.
func quota(key string, of func(n int) crowd) func(*testing.T, specLine) {
	return func(t *testing.T, line specLine) {
		n := int(line.numbers()[0])
		if _, err := plan.Load(of(n).files("")); err != nil {
			t.Errorf("%d: %v", n, err)
		}
		_, err := plan.Load(of(n + 1).files(""))
		var faults config.Faults
		if !errors.As(err, &faults) || len(faults) != 1 || !strings.Contains(faults[0].Do, "raise "+key+" in [limits]") ||
			!strings.Contains(faults[0].What, fmt.Sprintf("and the limit is %d", n)) {
			t.Errorf("%d: %v", n+1, err)
		}
		if _, err := plan.Load(of(n + 1).files(fmt.Sprintf("[limits]\n%s = %d\n", key, n+1))); err != nil {
			t.Errorf("%d, which is the limit now: %v", n+1, err)
		}
	}
}

// files writes the configuration. Customer gateways that are not counted are in
// regions of their own.
func (c crowd) files(limits string) []config.File {
	var b strings.Builder
	b.WriteString(limits + "[vpc.v]\nregion = \"Guangzhou\"\ncidr = \"192.168.0.0/16\"\n")
	for i := range max(c.gateways, c.perCustomer, 1) {
		fmt.Fprintf(&b, "[vpn_gateway.g%d]\nvpc = \"v\"\npublic_ip = \"203.0.113.%d\"\nbandwidth_mbps = 5\n", i, i+1)
	}
	for i := range max(c.customers, c.tunnels, 1) {
		region := "Guangzhou"
		if c.customers == 0 {
			region = fmt.Sprint("elsewhere ", i)
		}
		fmt.Fprintf(&b, "[customer_gateway.c%d]\npublic_ip = \"198.51.100.%d\"\nregion = %q\n", i, i+1, region)
	}
	local := 0
	for i := range max(c.tunnels, c.perCustomer, 1) {
		gateway, customer := 0, i
		if c.perCustomer > 0 {
			gateway, customer = i, 0
		}
		fmt.Fprintf(&b, "[vpn_tunnel.t%d]\nvpn_gateway = \"g%d\"\ncustomer_gateway = \"c%d\"\npre_shared_key = \"the key of both sides\"\n", i, gateway, customer)
		for range max(c.spds, 1) {
			fmt.Fprintf(&b, "[[vpn_tunnel.t%d.spd]]\nlocal = \"192.168.%d.0/24\"\npeer = [", i, local)
			local++
			for k := range max(c.peers, 1) {
				fmt.Fprintf(&b, "\"10.0.%d.0/24\", ", k)
			}
			b.WriteString("]\n")
		}
	}
	return []config.File{{Name: "spec.toml", Data: []byte(b.String()), Mode: 0o600}}
}

func onlyGatewaysCost(t *testing.T, _ specLine) {
	p := loads(t, "[route_table.main]", secondTunnel)
	if len(p.Tunnels) != 2 || len(p.Charges) != 1 || p.Charges[0].Monthly != 380_00 {
		t.Errorf("it costs %+v", p.Charges)
	}
}

// pricesOfTiers takes a tier, and its price elsewhere and in Toronto.
func pricesOfTiers(t *testing.T, line specLine) {
	n := line.numbers()
	for region, want := range map[string]int64{"Guangzhou": n[1], "Frankfurt": n[1], "North America (Toronto)": n[2], "toronto": n[2]} {
		p := loads(t, "bandwidth_mbps = 5", fmt.Sprint("bandwidth_mbps = ", n[0]), "Guangzhou", region)
		if c := p.Charges[0]; !c.Priced || c.Monthly != config.Money(want*100) || c.Region != region {
			t.Errorf("%d Mbit/s in %s cost %+v", n[0], region, c)
		}
	}
	p := loads(t, "bandwidth_mbps = 5", fmt.Sprint("bandwidth_mbps = ", n[0]), "[vpc.v]\n", fmt.Sprintf("[prices.Guangzhou]\n%d = 1.5\n[vpc.v]\n", n[0]))
	if c := p.Charges[0]; c.Monthly != 150 || c.From.Line != 2 {
		t.Errorf("with a price of its own it costs %+v", c)
	}
}

// quickStart is the plan of the configuration that is shipped for it.
func quickStart(t *testing.T) plan.Plan {
	t.Helper()
	p, err := plan.Load(load(t, "../../packaging/examples/minimal.toml"))
	if err != nil || len(p.Peers) != 1 || len(p.Policies) != 1 || len(p.Gateways) != 1 {
		t.Fatalf("%v: %+v", err, p)
	}
	return p
}

// isPair tells that a policy joins two networks.
func isPair(local, remote string) func(xfrm.Policy) bool {
	want := xfrm.Selector{Local: netip.MustParsePrefix(local), Remote: netip.MustParsePrefix(remote)}
	return func(q xfrm.Policy) bool { return q.Sel == want }
}

func startNetworks(t *testing.T, line specLine) {
	p, words := quickStart(t), line.ticked()
	if !isPair(words[0], words[1])(p.Policies[0]) || p.Peers[0].Remote.String() != words[2] ||
		p.Rules[0].From.String() != words[0] || p.Charges[0].VPC != "TomVPC" || p.Charges[0].Region != "Guangzhou" {
		t.Errorf("the plan is\n%s", describe(p))
	}
}

func startPublicIP(t *testing.T, line specLine) {
	if g := quickStart(t).Gateways[0]; g.PublicIP.String() != line.ticked()[0] {
		t.Errorf("the gateway is %+v", g)
	}
}

func startCustomerGateway(t *testing.T, line specLine) {
	if p := quickStart(t); p.Tunnels[0].CustomerGateway != "TomVPNUserGw" || p.Peers[0].Remote.String() != line.ticked()[0] {
		t.Errorf("the plan is\n%s", describe(p))
	}
}

func startTunnel(t *testing.T, line specLine) {
	p, words := quickStart(t), line.ticked()
	tunnel := p.Tunnels[0]
	if tunnel.Name != "TomVPNConn" || tunnel.Gateway != words[0] || tunnel.CustomerGateway != words[1] || string(p.Peers[0].Keys[0].Open()) != words[2] {
		t.Errorf("the plan is\n%s", describe(p))
	}
}

func startPolicy(t *testing.T, line specLine) {
	if p, words := quickStart(t), line.ticked(); !isPair(words[0], words[1])(p.Policies[0]) {
		t.Errorf("the policies are %v", p.Policies)
	}
}

// The file says nothing of phase 1 and 2, and there is something to propose.
func startDefaults(t *testing.T, _ specLine) {
	if p := quickStart(t); len(ikeProposals(p)) == 0 || len(espProposals(p)) == 0 {
		t.Errorf("the plan is\n%s", describe(p))
	}
}

func startRoute(t *testing.T, line specLine) {
	p, words := quickStart(t), line.ticked()
	if len(p.Routes) != 1 || p.Routes[0].Dst.String() != words[0] || p.Routes[0].Device != p.Gateways[0].Device || p.Gateways[0].Name != words[1] {
		t.Errorf("the plan is\n%s", describe(p))
	}
}

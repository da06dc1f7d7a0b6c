package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/xfrm"
)

// Every number is ours, nobody has a number twice, and a gateway that is added
// takes no other one's number.
func TestNumbers(t *testing.T) {
	const n = 2000 // of 65535 numbers: many names fall on the same one
	gateways := func(first int) plan.Plan {
		var b strings.Builder
		b.WriteString("[limits]\nvpn_gateways_per_vpc = 10000\n[vpc.v]\ncidr = \"10.0.0.0/8\"\n")
		for i := first; i < n; i++ {
			fmt.Fprintf(&b, "[vpn_gateway.gw%d]\nvpc = \"v\"\npublic_ip = \"203.0.%d.%d\"\nbandwidth_mbps = 5\n", i, i/200, i%200+1)
			fmt.Fprintf(&b, "[route_table.t%d]\nvpc = \"v\"\n", i)
		}
		return parsed(t, b.String())
	}
	p := gateways(0)
	ids, devices, tables := map[uint32]bool{}, map[string]bool{}, map[uint32]bool{}
	for i, g := range p.Gateways {
		if !xfrm.IsOurs(g.IfID) || ids[g.IfID] || devices[g.Device] || len(g.Device) > 15 {
			t.Fatalf("gateway %s has the number %#x and the device %s", g.Name, g.IfID, g.Device)
		}
		if l := p.Links[i]; l.IfID != g.IfID || l.Name != g.Device {
			t.Fatalf("gateway %s has the link %+v", g.Name, l)
		}
		ids[g.IfID], devices[g.Device] = true, true
	}
	for _, rt := range p.RouteTables {
		if !xfrm.IsOurs(rt.ID) || tables[rt.ID] {
			t.Fatalf("route table %s has the number %#x", rt.Name, rt.ID)
		}
		tables[rt.ID] = true
	}
	moved := 0
	before := map[string]uint32{}
	for _, g := range gateways(1).Gateways {
		before[g.Name] = g.IfID
	}
	for _, g := range p.Gateways {
		if id, ok := before[g.Name]; ok && id != g.IfID {
			moved++
		}
	}
	if moved > 1 {
		t.Errorf("one more gateway changed the numbers of %d others", moved)
	}
}

// More gateways than there are numbers for are refused.
func TestTooManyGateways(t *testing.T) {
	c := config.Config{VPNGateways: make([]config.VPNGateway, 50001)}
	for i := range c.VPNGateways {
		c.VPNGateways[i].Name = fmt.Sprint(i)
	}
	_, err := plan.Make(c)
	if err == nil || !strings.Contains(err.Error(), "there are 50001 VPN gateways, and at most 50000 can be") {
		t.Errorf("the error is %v", err)
	}
}

// A configuration with faults of its own gives no plan, whoever asks.
func TestFaultyConfig(t *testing.T) {
	p, err := plan.Make(config.Config{Faulty: true})
	if err == nil || p.DataPlane != "" {
		t.Errorf("the plan is %+v, the error %v", p, err)
	}
}

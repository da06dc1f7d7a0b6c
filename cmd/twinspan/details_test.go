package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// everyKind has a gateway, a customer gateway and a tunnel.
func everyKind() api.Details {
	s := office()
	states := []api.TunnelState{
		{Name: "TomVPNConn", Peer: "TomVPNUserGw", State: stateUp, Since: ago(3 * time.Hour)},
		{Name: "shanghai", Peer: "上海", State: stateNegotiating, Since: ago(time.Minute)},
	}
	s.Gateways[0].VPC = "TomVPC"
	return api.Details{
		Version: api.Schema, Time: noon,
		Gateway: &api.GatewayDetails{Gateway: s.Gateways[0], Region: "Guangzhou", CIDR: []string{"192.168.0.0/16"}, MTU: 1400,
			Defined: "twinspan.toml:8", Tunnels: states, Routes: []api.GatewayRoute{{Table: "main", Destination: "10.0.1.0/24"}}},
		CustomerGateway: &api.CustomerGatewayDetails{Name: "TomVPNUserGw", PublicIP: "202.108.22.5", Region: "Guangzhou", Defined: "twinspan.toml:13",
			Tunnels: []api.TunnelState{{Name: "TomVPNConn", Peer: "TomVPNGw", State: stateUp, Since: ago(3 * time.Hour)}}},
		Tunnel: &api.TunnelDetails{Tunnel: s.Tunnels[0], Defined: "twinspan.toml:16",
			Policies: []api.SPDPolicy{{Local: "192.168.1.0/24", Peer: []string{"10.0.1.0/24", "10.0.2.0/24"}}},
			IKE: api.IKESettings{IKEVersion: "IKEV1", Authentication: "pre-shared key", Mode: "MAIN", Proposals: []string{"aes256-sha256-group14"},
				LocalID: "203.195.147.82", RemoteID: "202.108.22.5", LifetimeSecond: 86400},
			IPsec: api.IPsecSettings{Protocol: "ESP", Encapsulation: "TUNNEL", Proposals: []string{"aes256-sha256"}, PFS: "disable",
				LifetimeSecond: 3600, LifetimeKB: 4096000000}},
	}
}

func TestDetails(t *testing.T) {
	socket := serve(t, &canned{details: everyKind()})
	code, out, errs := seat{}.run(t, "details", "TomVPNConn", "--socket", socket)
	if code != exitDone || errs != "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	golden(t, "details.txt", out)
	_, out, _ = seat{}.run(t, "details", "TomVPNConn", "--json", "--socket", socket)
	var d api.Details
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Gateway.MTU != 1400 || d.Tunnel.IPsec.LifetimeKB != 4096000000 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDetailsOfLittle(t *testing.T) {
	d := &canned{details: api.Details{Gateway: &api.GatewayDetails{Gateway: api.Gateway{Name: "idle"}}}}
	if _, out, _ := (seat{}).run(t, "details", "idle", "--socket", serve(t, d)); !strings.Contains(out, "none leads here") || !strings.Contains(out, "tunnels      none") {
		t.Errorf("a gateway without anything: %s", out)
	}
	if code, _, errs := (seat{}).run(t, "details", "nobody", "--socket", serve(t, &canned{})); code != exitFailed || !strings.Contains(errs, "nobody") {
		t.Errorf("of what there is not: exit %d, %s", code, errs)
	}
}

func TestNamesThatHaveDetails(t *testing.T) {
	_, out, _ := seat{}.run(t, "__complete", "details", "--socket", serve(t, &canned{status: office()}), "")
	for _, want := range []string{"TomVPNConn\n", "TomVPNGw\n", "TomVPNUserGw\n", "上海办公室\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

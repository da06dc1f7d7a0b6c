package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
)

// twoTunnels is what the edits of TestDiff begin with.
const twoTunnels = `
[vpc.v]
cidr = "192.168.0.0/16"
[vpc.v.subnet.s]
cidr = "192.168.0.0/16"
route_table = "main"
[vpn_gateway.g]
vpc = "v"
public_ip = "203.0.113.1"
bandwidth_mbps = 5
[customer_gateway.c]
public_ip = "198.51.100.1"
[customer_gateway.d]
public_ip = "198.51.100.2"
[vpn_tunnel.a]
vpn_gateway = "g"
customer_gateway = "c"
pre_shared_key = "the key of the tunnel a"
[[vpn_tunnel.a.spd]]
local = "192.168.1.0/24"
peer = ["10.0.1.0/24", "10.0.2.0/24"]
[vpn_tunnel.b]
vpn_gateway = "g"
customer_gateway = "d"
pre_shared_key = "the key of the tunnel b"
[[vpn_tunnel.b.spd]]
local = "192.168.2.0/24"
peer = ["10.0.1.0/24"]
[route_table.main]
vpc = "v"
[[route_table.main.route]]
destination = "10.0.0.0/8"
next_hop_type = "vpn_gateway"
next_hop = "g"
`

// An edit changes what it is about, and nothing else is named.
func TestDiff(t *testing.T) {
	type edit []string // what to replace and by what
	for _, tc := range []struct {
		name string
		edit edit
		want []string
	}{
		{"nothing", edit{}, nil},
		{"comments and the order of networks", edit{"[vpc.v]", "# the VPC\n[vpc.v]", `"10.0.1.0/24", "10.0.2.0/24"`, `"10.0.2.0/24", "10.0.1.0/24"`}, nil},
		{"a default written out", edit{"[vpn_tunnel.b]", "[vpn_tunnel.a.ike]\nlifetime_seconds = 86400\n[vpn_tunnel.b]"}, nil},
		{"metrics", edit{"[vpc.v]", "[metrics]\nlisten = \"127.0.0.1:9517\"\n[vpc.v]"}, []string{`live metrics: not served -> 127.0.0.1:9517`}},
		{"bandwidth", edit{"bandwidth_mbps = 5", "bandwidth_mbps = 10"}, []string{`live VPN gateway "g": bandwidth 5 -> 10 Mbit/s`}},
		{"MTU", edit{"bandwidth_mbps = 5", "bandwidth_mbps = 5\nmtu = 1380"}, []string{`live VPN gateway "g": MTU 1400 -> 1380`}},
		{"a pair added", edit{`"10.0.2.0/24"]`, `"10.0.2.0/24", "10.0.3.0/24"]`},
			[]string{`restart tunnel "a": pair 192.168.1.0/24 <-> 10.0.3.0/24 added`}},
		{"a pair removed", edit{`, "10.0.2.0/24"]`, `]`}, []string{`restart tunnel "a": pair 192.168.1.0/24 <-> 10.0.2.0/24 removed`}},
		{"the key", edit{"the key of the tunnel b", "another key of the tunnel b"}, []string{`restart tunnel "b": pre-shared key changed`}},
		{"the other side moves", edit{"198.51.100.2", "198.51.100.3"}, []string{
			`restart tunnel "b": customer gateway's address 198.51.100.2 -> 198.51.100.3`,
			`restart tunnel "b": remote identity 198.51.100.2 -> 198.51.100.3`}},
		{"we move", edit{"203.0.113.1", "203.0.113.9"}, []string{
			`restart tunnel "a": VPN gateway's address 203.0.113.1 -> 203.0.113.9`,
			`restart tunnel "a": local identity 203.0.113.1 -> 203.0.113.9`,
			`restart tunnel "b": VPN gateway's address 203.0.113.1 -> 203.0.113.9`,
			`restart tunnel "b": local identity 203.0.113.1 -> 203.0.113.9`,
			`live VPN gateway "g": address 203.0.113.1 -> 203.0.113.9`}},
		{"lifetimes", edit{"[vpn_tunnel.b]", "[vpn_tunnel.a.ike]\nlifetime_seconds = 3600\n[vpn_tunnel.a.ipsec]\nlifetime_kb = 5000000\n[vpn_tunnel.b]"}, []string{
			`restart tunnel "a": IKE lifetime 86400 s -> 3600 s`,
			`restart tunnel "a": IPsec lifetime 3600 s, 4096000000 KB -> 3600 s, 5000000 KB`}},
		{"algorithms", edit{"[vpn_tunnel.b]", "[vpn_tunnel.a.ike]\nintegrity = \"SHA1\"\n[vpn_tunnel.a.ipsec]\npfs = \"disable\"\nintegrity = \"SHA1\"\n[vpn_tunnel.b]"}, []string{
			`restart tunnel "a": IKE proposals [AES-CBC-256, SHA-256, GROUP14; AES-CBC-256, SHA1, GROUP14] -> [AES-CBC-256, SHA1, GROUP14]`,
			`restart tunnel "a": IPsec proposals [AES-CBC-256, SHA-256, GROUP14; AES-CBC-256, SHA1, GROUP14] -> [AES-CBC-256, SHA1]`}},
		{"who begins", edit{"the key of the tunnel b\"", "the key of the tunnel b\"\nnegotiation = \"passive\""},
			[]string{`restart tunnel "b": negotiation active -> passive`,
				`restart tunnel "b": dead peer detection restart after 2m0s, asked after 30s -> clear after 2m0s, asked after 30s`}},
		{"mode", edit{"[vpn_tunnel.b]", "[vpn_tunnel.a.ike]\nmode = \"AGGRESSIVE\"\n[vpn_tunnel.b]"},
			[]string{`restart tunnel "a": mode main mode -> aggressive mode`}},
		{"NAT traversal", edit{"the key of the tunnel b\"", "the key of the tunnel b\"\nnat_t = \"force\""},
			[]string{`restart tunnel "b": NAT traversal auto -> force`}},
		{"dead peer detection", edit{"[vpn_tunnel.b]", "[vpn_tunnel.a.dpd]\naction = \"off\"\n[vpn_tunnel.b]\ndpd.delay_seconds = 10"}, []string{
			`restart tunnel "a": dead peer detection restart after 2m0s, asked after 30s -> off`,
			`restart tunnel "b": dead peer detection restart after 2m0s, asked after 30s -> restart after 2m0s, asked after 10s`}},
		{"a newer key", edit{`"the key of the tunnel b"`, `["a newer key of the tunnel b", "the key of the tunnel b"]`},
			[]string{`restart tunnel "b": pre-shared keys changed, 1 -> 2`}},
		{"the other side has a name", edit{"198.51.100.2", "vpn.example.com"}, []string{
			`restart tunnel "b": customer gateway's address 198.51.100.2 -> vpn.example.com`,
			`restart tunnel "b": remote identity 198.51.100.2 -> its address`}},
		{"a health check", edit{"[vpn_tunnel.b]", "[vpn_tunnel.a.health_check]\ntarget = \"10.0.1.1\"\nsource = \"192.168.1.1\"\n[vpn_tunnel.b]"},
			[]string{`live tunnel "a": health check none -> 10.0.1.1 every 5s, 3 missing after 1s each from 192.168.1.1`}},
		{"a tunnel renamed", edit{"vpn_tunnel.b", "vpn_tunnel.e"}, []string{`restart tunnel "b": removed`, `live tunnel "e": added`}},
		{"the gateway renamed", edit{`"g"`, `"h"`, "vpn_gateway.g", "vpn_gateway.h"}, []string{
			`restart tunnel "a": interface id 0x54573d95 -> 0x54579652`,
			`restart tunnel "b": interface id 0x54573d95 -> 0x54579652`,
			`live VPN gateway "g": removed`,
			`live VPN gateway "h": added`,
			`live route table "main": route 10.0.0.0/8 to g -> h`}},
		{"a route", edit{"10.0.0.0/8", "10.0.0.0/9"}, []string{
			`live route table "main": route 10.0.0.0/8 to g removed`,
			`live route table "main": route 10.0.0.0/9 to g added`}},
		{"a subnet without its table", edit{`route_table = "main"`, ""}, []string{`live subnet 192.168.0.0/16: uses no route table any more`}},
		{"a subnet with another table", edit{`route_table = "main"`, `route_table = "empty"`, "[route_table.main]", "[route_table.empty]\nvpc = \"v\"\n[route_table.main]"},
			[]string{`live subnet 192.168.0.0/16: uses route table "empty", no longer "main"`}},
		{"the data plane", edit{"[vpc.v]", "dataplane = \"kernel\"\n[vpc.v]"}, []string{`restart dataplane: auto -> kernel`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			old, edited := parsed(t, twoTunnels), parsed(t, strings.NewReplacer(tc.edit...).Replace(twoTunnels))
			var got []string
			for _, c := range plan.Diff(old, edited) {
				got = append(got, fmt.Sprintf("%v %s: %s", c.Impact, c.Object, c.What))
				if named := strings.HasPrefix(c.Object, "tunnel"); named != (c.Tunnel != "") {
					t.Errorf("the change %+v does not name its tunnel", c)
				}
			}
			if g, w := strings.Join(got, "\n"), strings.Join(tc.want, "\n"); g != w {
				t.Errorf("the changes are\n%s\nbut should be\n%s", g, w)
			}
		})
	}
}

// A field of ike.Peer that Diff has no words for is a change all the same.
func TestDiffForgetsNothing(t *testing.T) {
	old, edited := parsed(t, twoTunnels), parsed(t, twoTunnels)
	edited.Peers[0].Children = append([]ike.Child(nil), edited.Peers[0].Children...)
	edited.Peers[0].Children[1].ReqID++
	changes := plan.Diff(old, edited)
	if len(changes) != 1 || changes[0].Tunnel != "a" || changes[0].Impact != plan.Restart {
		t.Errorf("the changes are %+v", changes)
	}
}

// Alarms and receivers change without a tunnel, and no secret is told.
func TestDiffOfAlarms(t *testing.T) {
	const receiver = "[receiver.r]\ntype = \"webhook\"\nurl = \"https://a/secret\"\ntoken = \"one\"\n"
	const policy = "[alarm.a]\ntype = \"vpn_tunnel\"\ncondition = \"state\"\nreceivers = \"r\"\n"
	both := twoTunnels + receiver + policy
	for _, tc := range []struct{ name, old, new, want string }{
		{"nothing", both, both, ""},
		{"added", twoTunnels, both, `live alarm "a": added; live receiver "r": added`},
		{"removed", both, twoTunnels, `live alarm "a": removed; live receiver "r": removed`},
		{"longer", both, both + "for_seconds = 90", `live alarm "a": vpn_tunnel state for 1m0s, objects all, told to r (repeated 1h0m0s, resolved true) -> ` +
			`vpn_tunnel state for 1m30s, objects all, told to r (repeated 1h0m0s, resolved true)`},
		{"another token", both, strings.Replace(both, "one", "two", 1), `live receiver "r": how it is reached changed`},
		{"another path", both, strings.Replace(both, "a/secret", "a/other", 1), `live receiver "r": how it is reached changed`},
		{"another server", both, strings.Replace(both, "//a/", "//b/", 1), `live receiver "r": webhook at https://a -> webhook at https://b`},
	} {
		var got []string
		for _, c := range plan.Diff(parsed(t, tc.old), parsed(t, tc.new)) {
			got = append(got, fmt.Sprintf("%v %s: %s", c.Impact, c.Object, c.What))
		}
		if strings.Join(got, "; ") != tc.want {
			t.Errorf("%s: %q, want %s", tc.name, got, tc.want)
		}
	}
}

func parsed(t *testing.T, text string) plan.Plan {
	t.Helper()
	p, err := plan.Load([]config.File{{Name: "t.toml", Data: []byte(text), Mode: 0o600}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

package plan_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

// TestSpec holds Twinspan against what the cloud product says of itself: every
// sentence and every row of a table in testdata/spec is a case, and one that
// nothing is held against fails.
func TestSpec(t *testing.T) {
	unsaid := maps.Clone(specCases)
	for _, line := range slices.Concat(specLines(t, "description.md"), specLines(t, "ranges.md")) {
		check := specCases[line.key()]
		delete(unsaid, line.key())
		t.Run(line.key(), func(t *testing.T) {
			if check == nil {
				t.Fatal("nothing is held against this")
			}
			check(t, line)
		})
	}
	for key := range unsaid {
		t.Errorf("nowhere in the description: %s", key)
	}
}

var specCases = map[string]func(*testing.T, specLine){
	"Each VPN gateway can establish multiple VPN tunnels.":                                                                               severalTunnels,
	"Each VPN tunnel can connect with one local IDC.":                                                                                    oneCustomerGateway,
	"A VPN gateway can establish encrypted VPN network tunnels with multiple customer gateways.":                                         severalTunnels,
	"According to the upper limit of bandwidth, VPN gateway is divided into five kinds of settings, namely: 5M, 10M, 20M, 50M and 100M.": tiersOfGateways,
	"You can adjust the VPN gateway bandwidth setting at any time.":                                                                      tierAtAnyTime,
	"The pre-shared private key is a Unicode string used to verify L2TP/IPSec connections.":                                              unicodeKey,
	"The local and peer must use the same pre-shared private key.":                                                                       keyIsNeeded,

	"Each SPD policy corresponds to a local network segment and multiple peer network segments.": severalPeers,
	"The local network segment and the peer network segments cannot overlap.":                    localAndPeer,
	"The local network segments of all policy collections cannot overlap.":                       localAndLocal,
	"The multiple peer network segments of each local network segment cannot overlap.":           peerAndPeer,
	"The peer network segment and the VPC network segment cannot overlap.":                       peerAndVPC,
	"Here is a correct instance:": correctInstance,
	"SPD policy":                  policyOfInstance,

	"IKE Configuration: Version":                  words("ike", "version", "IKEV2", nil),
	"IKE Configuration: Authentication method":    keyIsNeeded,
	"IKE Configuration: Authentication algorithm": words("ike", "integrity", "MD4", ikeProposals),
	"IKE Configuration: Negotiation mode":         negotiationModes,
	"IKE Configuration: Local identity":           identities("local"),
	"IKE Configuration: Peered identity":          identities("remote"),
	"IKE Configuration: DH group":                 groupsOfPhase1,
	"IKE Configuration: IKE SA Lifetime":          lifetimeOfPhase1,

	"Ipsec Information: Encryption algorithm":       words("ipsec", "encryption", "RC4", espProposals),
	"Ipsec Information: Authentication algorithm":   words("ipsec", "integrity", "MD4", espProposals),
	"Ipsec Information: Message encapsulation mode": words("ipsec", "encapsulation", "TRANSPORT", nil),
	"Ipsec Information: Security protocol":          words("ipsec", "protocol", "AH", nil),
	"Ipsec Information: PFS":                        words("ipsec", "pfs", "dh-group3", espProposals),
	"Ipsec Information: IPsec SA lifetime (s)":      lifetimeOfPhase2,
	"Ipsec Information: IPsec SA lifetime (KB)":     lifetimeOfPhase2,

	"After the VPN parameters are configured, **you need to add the routing policy directed to VPN gateway in the routing table associated with subnet**, so that the network requests from CVM to peer network segment within the subnet can reach the customer gateway through VPN tunnel.": routeIsNeeded,
	"After configuring the routing table, ** you need to ping the IP of peer network segment using the CVM of VPC to activate this VPN tunnel.**":                                                                                                                                             pingActivates,

	"Usage Constraints: Number of VPN gateways per VPC":             quota("vpn_gateways_per_vpc", func(n int) crowd { return crowd{gateways: n} }),
	"Usage Constraints: Number of customer gateways in a region":    quota("customer_gateways_per_region", func(n int) crowd { return crowd{customers: n} }),
	"Usage Constraints: Number of VPN tunnels per customer gateway": quota("tunnels_per_customer_gateway", func(n int) crowd { return crowd{perCustomer: n} }),
	"Usage Constraints: Number of VPN tunnels in a region":          quota("tunnels_per_region", func(n int) crowd { return crowd{tunnels: n} }),
	"Usage Constraints: Number of SPDs per VPN tunnel":              quota("spds_per_tunnel", func(n int) crowd { return crowd{spds: n} }),
	"Usage Constraints: Number of peered network segments per SPD":  quota("peer_networks_per_spd", func(n int) crowd { return crowd{peers: n} }),

	"VPN tunnel and customer gateway are free of charge.": onlyGatewaysCost,
	"VPN gateway will be charged by month.":               onlyGatewaysCost,
	"Configuration (Mbps)":                                pricesOfTiers,

	"Through IPsec VPN, connect the subnet A`192.168.1.0/24` in your VPC in **Guangzhou** (\"TomVPC\") with the subnet `10.0.1.0/24` in your IDC, and the public IP of the VPN gateway in IDC is `202.108.22.5`.": startNetworks,
	"After that, the system will randomly assign a public IP to you, such as: `203.195.147.82`.":                                                                                                                  startPublicIP,
	"Fill in the name of customer gateway (such as: TomVPNUserGw) and the public IP of VPN gateway of IDC `202.108.22.5`.":                                                                                        startCustomerGateway,
	"Enter the name of tunnel (e.g. TomVPNConn), select the VPN gateway `TomVPNGw` and the customer gateway` TomVPNUserGw`, and enter the pre-shared key (e.g. `123456`).":                                        startTunnel,
	"The local network segment in this example is the network segment of subnet A `192.168.1.0 / 24`, and the peer network segment is` 10.0.1.0 / 24`.":                                                           startPolicy,
	"Step 3: configure IKE parameters (optional).":   startDefaults,
	"Step 4: configure IPsec parameters (optional).": startDefaults,
	"Enter the destination network segment (`10.0.1.0/24`), select the \"VPN Gateway\" for the next hop type, and then select the VPN gateway`TomVPNGw` you just created.": startRoute,

	"Setting": rangeOfSetting,
}

// specBase is what the cases edit.
const specBase = `[vpc.v]
region = "Guangzhou"
cidr = ["192.168.0.0/16"]
[vpc.v.subnet.s]
cidr = "192.168.1.0/24"
route_table = "main"
[vpn_gateway.g]
vpc = "v"
public_ip = "203.0.113.1"
bandwidth_mbps = 5
[customer_gateway.c]
public_ip = "198.51.100.1"
[customer_gateway.d]
public_ip = "198.51.100.2"
[vpn_tunnel.t]
vpn_gateway = "g"
customer_gateway = "c"
pre_shared_key = "the key of both sides"
[[vpn_tunnel.t.spd]]
local = "192.168.1.0/24"
peer = ["10.0.1.0/24"]
[vpn_tunnel.t.ike]
# ike
[vpn_tunnel.t.ipsec]
# ipsec
[route_table.main]
vpc = "v"
[[route_table.main.route]]
destination = "10.0.0.0/8"
next_hop_type = "vpn_gateway"
next_hop = "g"
`

// secondTunnel is one beside that of specBase.
const secondTunnel = `[vpn_tunnel.u]
vpn_gateway = "g"
customer_gateway = "d"
pre_shared_key = "the key of both sides"
[[vpn_tunnel.u.spd]]
local = "192.168.2.0/24"
peer = ["10.0.1.0/24"]
[route_table.main]`

// edited is specBase with some of it replaced by something else.
func edited(edits ...string) []config.File {
	text := strings.NewReplacer(edits...).Replace(specBase)
	return []config.File{{Name: "spec.toml", Data: []byte(text), Mode: 0o600}}
}

// loads is the plan of an edit, which must have no fault.
func loads(t *testing.T, edits ...string) plan.Plan {
	t.Helper()
	p, err := plan.Load(edited(edits...))
	if err != nil {
		t.Fatalf("%q: %v", edits, err)
	}
	return p
}

// refuses holds that an edit has one fault, which has a line, says so and says
// what to do.
func refuses(t *testing.T, says string, edits ...string) {
	t.Helper()
	_, err := plan.Load(edited(edits...))
	var faults config.Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line == 0 || faults[0].Do == "" || !strings.Contains(faults[0].What, says) {
		t.Errorf("%q: the faults are %v, and should say %s", edits, err, says)
	}
}

func severalTunnels(t *testing.T, _ specLine) {
	p := loads(t, "[route_table.main]", secondTunnel)
	if len(p.Tunnels) != 2 || p.Tunnels[0].Gateway != p.Tunnels[1].Gateway || p.Tunnels[0].CustomerGateway == p.Tunnels[1].CustomerGateway {
		t.Errorf("the tunnels are %+v", p.Tunnels)
	}
}

func oneCustomerGateway(t *testing.T, _ specLine) {
	refuses(t, "customer_gateway must be text", `customer_gateway = "c"`, `customer_gateway = ["c", "d"]`)
}

func tiersOfGateways(t *testing.T, line specLine) {
	tiers := line.numbers()
	if len(tiers) != 5 {
		t.Fatalf("the tiers are %v", tiers)
	}
	for _, n := range tiers {
		if p := loads(t, "bandwidth_mbps = 5", fmt.Sprint("bandwidth_mbps = ", n)); p.Gateways[0].BandwidthMbps != int(n) {
			t.Errorf("the gateway is %+v", p.Gateways[0])
		}
	}
	refuses(t, "there is no tier of 7 Mbit/s", "bandwidth_mbps = 5", "bandwidth_mbps = 7")
}

func tierAtAnyTime(t *testing.T, _ specLine) {
	changes := plan.Diff(loads(t), loads(t, "bandwidth_mbps = 5", "bandwidth_mbps = 100"))
	if len(changes) != 1 || changes[0].Impact != plan.Live {
		t.Errorf("the changes are %v", changes)
	}
}

func unicodeKey(t *testing.T, _ specLine) {
	const key = "密钥 ключ κλειδί"
	if got := loads(t, "the key of both sides", key).Peers[0].Keys[0].Open(); string(got) != key {
		t.Errorf("the key is %q", got)
	}
}

func keyIsNeeded(t *testing.T, _ specLine) {
	refuses(t, "there is no pre-shared key", `pre_shared_key = "the key of both sides"`, "")
}

func routeIsNeeded(t *testing.T, _ specLine) {
	if p := loads(t); len(p.Routes) != 1 || len(p.Rules) != 1 || p.Routes[0].Device != p.Gateways[0].Device || p.Rules[0].Table != p.Routes[0].Table {
		t.Errorf("the routes are %v and the rules %v", p.Routes, p.Rules)
	}
	p := loads(t, "[[route_table.main.route]]\ndestination = \"10.0.0.0/8\"\nnext_hop_type = \"vpn_gateway\"\nnext_hop = \"g\"\n", "")
	unrouted := func(w config.Fault) bool {
		return strings.Contains(w.What, "without it there is no communication") && w.Do == `add the route to route table "main"`
	}
	if len(p.Routes) != 0 || len(p.Guards) != 1 || !slices.ContainsFunc(p.Warnings, unrouted) {
		t.Errorf("without the route: routes %v, guards %v, warnings %v", p.Routes, p.Guards, p.Warnings)
	}
}

func pingActivates(t *testing.T, _ specLine) {
	if p := loads(t, `customer_gateway = "c"`, "customer_gateway = \"c\"\nnegotiation = \"flow_trigger\""); p.Peers[0].Start != ike.FlowTrigger {
		t.Errorf("the tunnel starts %v", p.Peers[0].Start)
	}
}

// The proposals of the phases of a plan with one tunnel.
func ikeProposals(p plan.Plan) []ike.Proposal { return p.Peers[0].Proposals }
func espProposals(p plan.Plan) []ike.Proposal { return p.Peers[0].Children[0].Proposals }

// setting edits a key of the tunnel's phase 1 or 2.
func setting(section, key, value string) []string {
	return []string{"# " + section + "\n", key + " = " + value + "\n"}
}

// words holds that each supported word, as it is written there, is the only
// one proposed, and that another one is refused.
func words(section, key, other string, proposals func(plan.Plan) []ike.Proposal) func(*testing.T, specLine) {
	return func(t *testing.T, line specLine) {
		supported := line.supported()
		for _, word := range supported {
			p := loads(t, setting(section, key, fmt.Sprintf("%q", word))...)
			if proposals != nil && !proposes(t, key, word, proposals(p)) {
				t.Errorf("with %s = %q it proposes %v", key, word, proposals(p))
			}
		}
		refuses(t, other, setting(section, key, fmt.Sprintf("%q", other))...)
	}
}

// proposes tells that all proposals have the algorithm of this word.
func proposes(t *testing.T, key, word string, all []ike.Proposal) bool {
	t.Helper()
	cipher, _ := suite.ParseCipher(word)
	hash, _ := suite.ParseHash(word)
	group, _ := suite.ParseGroup(word) // of "disable" it is 0, like that of no PFS
	return len(all) > 0 && !slices.ContainsFunc(all, func(p ike.Proposal) bool {
		switch key {
		case "encryption":
			return p.Cipher != cipher.Cipher || p.KeyBits != cipher.KeyBits
		case "integrity":
			return p.Hash != hash.Hash
		}
		return p.Group != group.Group
	})
}

func negotiationModes(t *testing.T, _ specLine) {
	for word, want := range map[string]ike.Mode{"main": ike.Main, "aggressive": ike.Aggressive} {
		if p := loads(t, setting("ike", "mode", fmt.Sprintf("%q", word))...); p.Peers[0].Mode != want {
			t.Errorf("the mode is %v", p.Peers[0].Mode)
		}
	}
	refuses(t, "aggressive mode has one dh_group", setting("ike", "dh_group", "[\"GROUP14\", \"GROUP5\"]\nmode = \"aggressive\"")...)
	refuses(t, `"quick" is not known`, setting("ike", "mode", `"quick"`)...)
}

func identities(side string) func(*testing.T, specLine) {
	of := func(p plan.Plan) ike.ID {
		if side == "local" {
			return p.Peers[0].LocalID
		}
		return p.Peers[0].RemoteID
	}
	return func(t *testing.T, _ specLine) {
		p := loads(t, setting("ike", side+"_identity", "\"ADDRESS\"\n"+side+"_address = \"192.0.2.9\"")...)
		if want := ike.AddressID(netip.MustParseAddr("192.0.2.9")); of(p) != want {
			t.Errorf("the identity is %v", of(p))
		}
		p = loads(t, setting("ike", side+"_identity", "\"FQDN\"\n"+side+"_fqdn = \"vpn.example.com\"")...)
		if want := (ike.ID{Kind: ike.IDFQDN, Text: "vpn.example.com"}); of(p) != want {
			t.Errorf("the identity is %v", of(p))
		}
	}
}

// groupsOfPhase1 takes "Group5: DH group using 1536-bit MODP algorithm" for
// each group.
func groupsOfPhase1(t *testing.T, line specLine) {
	groups := strings.Split(line.of[1], "<br><br>")
	if len(groups) != 5 {
		t.Fatalf("the groups are %q", groups)
	}
	for _, text := range groups {
		word, rest, _ := strings.Cut(strings.TrimSpace(text), ":")
		if p := loads(t, setting("ike", "dh_group", fmt.Sprintf("%q", word))...); !proposes(t, "dh_group", word, ikeProposals(p)) {
			t.Errorf("with %s it proposes %v", word, ikeProposals(p))
		}
		g, err := suite.ParseGroup(word)
		if bits := (specLine{text: rest}).numbers()[0]; err != nil || int64(g.Public)*8 != bits {
			t.Errorf("%s has public values of %d bytes and should have %d bits", word, g.Public, bits)
		}
	}
}

func lifetimeOfPhase1(t *testing.T, _ specLine) {
	if p := loads(t, setting("ike", "lifetime_seconds", "7201")...); p.Peers[0].Lifetime.Time != 7201*time.Second {
		t.Errorf("the lifetime is %v", p.Peers[0].Lifetime)
	}
}

func lifetimeOfPhase2(t *testing.T, _ specLine) {
	p := loads(t, setting("ipsec", "lifetime_seconds", "7201\nlifetime_kb = 5000001")...)
	if got, want := p.Peers[0].Children[0].Lifetime, (ike.Lifetime{Time: 7201 * time.Second, KB: 5000001}); got != want {
		t.Errorf("the lifetime is %v", got)
	}
}

// rangeOfSetting takes key, least, most and default.
func rangeOfSetting(t *testing.T, line specLine) {
	section, key, _ := strings.Cut(line.of[0], ".")
	least, most, usual := line.numbers()[0], line.numbers()[1], line.numbers()[2]
	for _, n := range []int64{least - 1, most + 1} {
		refuses(t, fmt.Sprintf("%s %d is out of range", line.of[0], n), setting(section, key, fmt.Sprint(n))...)
	}
	lifetimes := func(p plan.Plan) string { return fmt.Sprint(p.Peers[0].Lifetime, p.Peers[0].Children[0].Lifetime) }
	byDefault := lifetimes(loads(t))
	for _, n := range []int64{least, most, usual} {
		if got := lifetimes(loads(t, setting(section, key, fmt.Sprint(n))...)); (got == byDefault) != (n == usual) {
			t.Errorf("with %s = %d the lifetimes are %s, and by default %s", line.of[0], n, got, byDefault)
		}
	}
}

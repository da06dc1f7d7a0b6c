package config_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
)

// The example with every key is read as it is meant, and each value knows its
// line.
func TestParse(t *testing.T) {
	c, err := config.ParseWith(load(t, "../../packaging/examples/full.toml"), func(name string) (config.File, error) {
		return config.File{Name: name, Data: []byte("the key in " + name + "\n"), Mode: 0o600}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	beijing := c.Tunnels[0]
	for _, f := range []struct{ name, got, want string }{
		{"dataplane, which is not written", c.DataPlane.V + " or " + c.DataPlane.Or(config.DataPlaneAuto), " or auto"},
		{"VPC", c.VPCs[0].Name + " in " + c.VPCs[0].Region.V, "TomVPC in Guangzhou"},
		{"cidr", values(c.VPCs[0].CIDR), "192.168.0.0/16 2001:db8:100::/48"},
		{"subnets by name", fmt.Sprint(len(c.VPCs[0].Subnets), " ", c.VPCs[0].Subnets[1].Name, " ", c.VPCs[0].Subnets[1].CIDR.V), "5 A6 2001:db8:100:1::/64"},
		{"gateway", fmt.Sprint(c.VPNGateways[0].PublicIP.V, c.VPNGateways[0].BandwidthMbps.V, c.VPNGateways[0].MTU.IsSet()), "203.195.147.82 100 false"},
		{"customer gateways", c.CustomerGateways[0].Name + " " + c.CustomerGateways[2].Name, "Beijing-IDC 上海机房"},
		{"tunnels", c.Tunnels[0].Name + " " + c.Tunnels[2].Name, "beijing 上海"},
		{"the keys' files", string(beijing.Keys[0].V.Open()) + ", " + string(beijing.Keys[1].V.Open()), "the key in beijing.psk, the key in beijing-old.psk"},
		{"negotiation", c.Tunnels[2].Negotiation.V, config.FlowTrigger},
		{"peers of a policy", values(beijing.SPD[0].Peer), "10.0.1.0/24 10.0.2.0/24"},
		{"a single peer", values(beijing.SPD[1].Peer), "10.0.1.0/24"},
		{"encryption", values(beijing.IKE.Encryption), "AES-CBC-256 AES-CBC-128"},
		{"where the peers are", fmt.Sprint(c.CustomerGateways[0].PublicIP.V.Addr, c.CustomerGateways[2].PublicIP.V.Host, c.CustomerGateways[1].PublicIP.V), "202.108.22.5vpn.shanghai.example.com{invalid IP }"},
		{"health check", fmt.Sprint(beijing.HealthCheck.Target.V, beijing.HealthCheck.Source.IsSet(), c.Tunnels[1].HealthCheck.Target.IsSet()), "10.0.1.1 false false"},
		{"identity", beijing.IKE.RemoteIdentity.V + " " + beijing.IKE.RemoteFQDN.V, "FQDN vpn.beijing.example.com"},
		{"lifetime", fmt.Sprint(beijing.IPsec.LifetimeSeconds.V), "7200"},
		{"route", fmt.Sprint(c.RouteTables[0].Routes[1].Destination.V, " ", c.RouteTables[0].Routes[1].NextHop.V), "2001:db8:200::/48 TomVPNGw"},
	} {
		if f.got != f.want {
			t.Errorf("%s: got %s, want %s", f.name, f.got, f.want)
		}
	}
	lines := readLines(t, "../../packaging/examples/full.toml")
	for text, at := range map[string]config.Pos{
		"[vpn_tunnel.beijing]":                beijing.Pos,
		"pre_shared_key_file = ":              beijing.Keys[1].Pos,
		"[[vpn_tunnel.beijing.spd]]":          beijing.SPD[1].Pos,
		`peer  = "10.0.1.0/24"`:               beijing.SPD[1].Peer[0].Pos,
		"remote_fqdn ":                        beijing.IKE.RemoteFQDN.Pos,
		"[vpc.TomVPC.subnet.A6]":              c.VPCs[0].Subnets[1].Pos,
		`destination   = "2001:db8:200::/48"`: c.RouteTables[0].Routes[1].Destination.Pos,
	} {
		if at.File != "full.toml" || !strings.HasPrefix(lines[at.Line-1], text) {
			t.Errorf("%s is said to be at %v, where there is %q", text, at, lines[at.Line-1])
		}
	}
}

func values[T any](list []config.Value[T]) string {
	var s []string
	for _, v := range list {
		s = append(s, fmt.Sprint(v.V))
	}
	return strings.Join(s, " ")
}

func readLines(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")
}

// The example with every key has every key. Which ones there are is what the
// faults about unknown keys say.
func TestExampleHasEveryKey(t *testing.T) {
	const everywhere = `
xxxxxxxxxxxxxxxxxxxx = 1
security.xxxxxxxxxxxxxxxxxxxx = 1
limits.xxxxxxxxxxxxxxxxxxxx = 1
vpc.v.xxxxxxxxxxxxxxxxxxxx = 1
vpc.v.subnet.s.xxxxxxxxxxxxxxxxxxxx = 1
vpn_gateway.g.xxxxxxxxxxxxxxxxxxxx = 1
customer_gateway.c.xxxxxxxxxxxxxxxxxxxx = 1
vpn_tunnel.t.xxxxxxxxxxxxxxxxxxxx = 1
vpn_tunnel.t.spd = [{ xxxxxxxxxxxxxxxxxxxx = 1 }]
vpn_tunnel.t.ike.xxxxxxxxxxxxxxxxxxxx = 1
vpn_tunnel.t.ipsec.xxxxxxxxxxxxxxxxxxxx = 1
vpn_tunnel.t.dpd.xxxxxxxxxxxxxxxxxxxx = 1
vpn_tunnel.t.health_check.xxxxxxxxxxxxxxxxxxxx = 1
route_table.r.xxxxxxxxxxxxxxxxxxxx = 1
alarm.a.xxxxxxxxxxxxxxxxxxxx = 1
receiver.r.xxxxxxxxxxxxxxxxxxxx = 1
route_table.r.route = [{ xxxxxxxxxxxxxxxxxxxx = 1 }]
`
	_, err := config.Parse([]config.File{{Name: "all.toml", Data: []byte(everywhere), Mode: 0o600}})
	faults, _ := err.(config.Faults)
	example := strings.Join(readLines(t, "../../packaging/examples/full.toml"), "\n")
	tables := 0
	for _, f := range faults {
		keys, ok := strings.CutPrefix(f.Do, "write one of ")
		if !ok {
			continue
		}
		tables++
		for _, key := range strings.Split(keys, ", ") {
			if !regexp.MustCompile(`(^|\W)` + key + `\W`).MatchString(example) {
				t.Errorf("the example does not have %s (%s)", key, f.What)
			}
		}
	}
	if tables != strings.Count(everywhere, "xxxxxxxxxxxxxxxxxxxx") {
		t.Errorf("%d tables were looked at:\n%v", tables, err)
	}
}

// The settings and words of a configuration, in any case, become the words
// that the constants have.
func TestWords(t *testing.T) {
	c, err := config.Parse([]config.File{{Name: "w.toml", Mode: 0o600, Data: []byte(`
dataplane = "UserSpace"
security = { weak = "REFUSE" }
limits.spds_per_tunnel = 7
[vpn_tunnel.t]
vpn_gateway = "g"
customer_gateway = "c"
pre_shared_key = "k"
negotiation = "Flow_Trigger"
nat_t = "FORCE"
spd = [{ local = "192.168.1.0/24", peer = "10.0.0.1/32" }]
ike.mode = "aggressive"
dpd.action = "Clear"
dpd.delay_seconds = 10
ike.local_identity = "fqdn"
ike.local_fqdn = "a.example.com"
ike.remote_identity = "address"
`)}})
	if err != nil {
		t.Fatal(err)
	}
	tunnel := c.Tunnels[0]
	got := []string{c.DataPlane.V, c.Weak.V, fmt.Sprint(c.Limits.SPDsPerTunnel.V), tunnel.Negotiation.V,
		tunnel.NATT.V, tunnel.IKE.Mode.V, tunnel.DPD.Action.V, fmt.Sprint(tunnel.DPD.DelaySeconds.V),
		tunnel.IKE.LocalIdentity.V, tunnel.IKE.RemoteIdentity.V}
	want := []string{config.DataPlaneUserspace, config.WeakRefuse, "7", config.FlowTrigger,
		config.NATTForce, config.AggressiveMode, config.DPDClear, "10", config.IdentityFQDN, config.IdentityAddress}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if at := tunnel.SPD[0].Peer[0]; at.V != netip.MustParsePrefix("10.0.0.1/32") || at.Line != 11 {
		t.Errorf("the peer of an inline table is %v at %v", at.V, at.Pos)
	}
}

// Files that would take the TOML library's stack or its time are refused at
// once, and so are those that are too large.
func TestHostileFiles(t *testing.T) {
	const n = 5_000_000
	for name, text := range map[string]string{
		"arrays":           "a = " + strings.Repeat("[", n),
		"arrays in lines":  "a = " + strings.Repeat("[\n", n),
		"inline tables":    strings.Repeat("a={", n),
		"a dotted key":     strings.Repeat("a.", n) + "a = 1",
		"a dotted header":  "[" + strings.Repeat("a.", n) + "a]",
		"after a mistake":  "a = # no value\n" + strings.Repeat("[", n),
		"in the mistake":   "a = , " + strings.Repeat("[", n),
		"too large a file": strings.Repeat("#", config.MaxSize+1),
		"one long key":     strings.Repeat("a", config.MaxSize-10) + " = 1",
		"one long word":    `dataplane = "` + strings.Repeat("a", config.MaxSize-20) + `"`,
	} {
		_, err := config.Parse([]config.File{{Name: "hostile.toml", Data: []byte(text)}})
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: the error is %.1000v", name, err)
		}
	}
}

// A fault knows its file and line, and prints them in front.
func TestFaultsError(t *testing.T) {
	faults := config.Faults{
		{File: "b.toml", Line: 2, What: "second of b"},
		{File: "b.toml", Line: 1, What: "first of b", Do: "mend it"},
		{File: "a.toml", What: "all of a"},
		{What: "nowhere"},
		{File: "b.toml", Line: 10, What: "third of b"},
	}
	want := "nowhere\na.toml: all of a\nb.toml:1: first of b; mend it\nb.toml:2: second of b\nb.toml:10: third of b"
	if got := faults.Error(); got != want {
		t.Errorf("it prints\n%s\nand not\n%s", got, want)
	}
	if err := config.Faults(nil).Err(); err != nil {
		t.Errorf("no faults are the error %v", err)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"cidr", "region", "route_table", "lifetime_seconds", "上海机房"}
	for word, want := range map[string]string{
		"cdir": "cidr", "CIDR": "cidr", "regoin": "region", "routetable": "route_table", "lifetime": "",
		"lifetime_second": "lifetime_seconds", "c": "", "上海机": "上海机房", "": "", "nothing like it": "",
		strings.Repeat("x", 1000): "",
	} {
		if got, ok := config.Nearest(word, known); got != want || ok != (want != "") {
			t.Errorf("%q is near %q, not %q", word, got, want)
		}
	}
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// example is the spec's Quick Start, with a key that deserves no warning.
const example = `[vpc.TomVPC]
region = "Guangzhou"
cidr   = ["192.168.0.0/16"]
[vpc.TomVPC.subnet.A]
cidr        = "192.168.1.0/24"
route_table = "main"
[vpn_gateway.TomVPNGw]
vpc            = "TomVPC"
public_ip      = "203.195.147.82"
bandwidth_mbps = 10
[customer_gateway.TomVPNUserGw]
public_ip = "202.108.22.5"
[vpn_tunnel.TomVPNConn]
vpn_gateway      = "TomVPNGw"
customer_gateway = "TomVPNUserGw"
pre_shared_key   = "kD9yq2Z1h3mYt8xWvB5c"
[[vpn_tunnel.TomVPNConn.spd]]
local = "192.168.1.0/24"
peer  = ["10.0.1.0/24"]
[route_table.main]
vpc = "TomVPC"
[[route_table.main.route]]
destination   = "10.0.1.0/24"
next_hop_type = "vpn_gateway"
next_hop      = "TomVPNGw"
`

// checkIn runs check in a directory with one file, edge.toml.
func checkIn(t *testing.T, text string, args ...string) (code int, out string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("edge.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := seat{}.run(t, append([]string{"check"}, args...)...)
	return code, out + errs
}

func TestCheck(t *testing.T) {
	weak := strings.Replace(example, "kD9yq2Z1h3mYt8xWvB5c", "123456", 1)
	bad := strings.NewReplacer("192.168.0.0/16", "192.168.0.0/99", `vpn_gateway      = "TomVPNGw"`, `vpn_gatewya = "TomVPNGw"`).Replace(example)
	for _, tc := range []struct {
		file, text string
		code       int
	}{
		{"check-valid.txt", example, exitDone},
		{"check-warning.txt", weak, exitDone},
		{"check-faults.txt", bad, exitInvalid},
	} {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		code, out := checkIn(t, tc.text, "edge.toml")
		if code != tc.code {
			t.Errorf("%s: exit %d, want %d", tc.file, code, tc.code)
		}
		t.Chdir(dir) // back to testdata
		golden(t, tc.file, out)
	}
}

func TestCheckJSON(t *testing.T) {
	for name, text := range map[string]string{"valid": example, "invalid": "[vpc.V]\nregoin = 1\n"} {
		code, out := checkIn(t, text, "--json", "edge.toml")
		var v verdict
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		valid := name == "valid"
		if v.Version != 1 || v.Valid != valid || (code == exitDone) != valid || (len(v.Faults) == 0) != valid || v.Warnings == nil {
			t.Errorf("%s: exit %d, %+v", name, code, v)
		}
		for _, f := range v.Faults {
			if f.File != "edge.toml" || f.What == "" {
				t.Errorf("fault %+v", f)
			}
		}
	}
}

func TestCheckOfADirectory(t *testing.T) {
	dir := t.TempDir()
	if code, _, _ := (seat{}).run(t, "check", dir); code != exitInvalid {
		t.Errorf("an empty directory: exit %d", code)
	}
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	half := strings.Index(example, "[vpn_tunnel")
	for name, text := range map[string]string{"twinspan.toml": example[:half], "conf.d/tom.toml": example[half:]} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, errs := (seat{}).run(t, "check", dir); code != exitDone || !strings.Contains(out, "valid, 1 tunnel") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
}

func TestCheckNeverPrintsKeys(t *testing.T) {
	const key = "kD9yq2Z1h3mYt8xWvB5c"
	for _, text := range []string{example, strings.Replace(example, `"`+key+`"`, `"`+key, 1), example + "pre_shared_key = \"" + key + "\"\n"} {
		if _, out := checkIn(t, text, "edge.toml"); strings.Contains(out, key) {
			t.Errorf("the key is in\n%s", out)
		}
	}
}

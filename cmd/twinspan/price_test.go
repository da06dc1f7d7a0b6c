package main

import (
	"os"
	"strings"
	"testing"
)

// twoRegions has a gateway of each kind of price.
const twoRegions = `[vpc.home]
region = "Guangzhou"
cidr   = "10.1.0.0/16"
[vpc.abroad]
region = "North America (Toronto)"
cidr   = "10.2.0.0/16"
[vpn_gateway.a]
vpc            = "home"
public_ip      = "203.0.113.1"
bandwidth_mbps = 5
[vpn_gateway.b]
vpc            = "abroad"
public_ip      = "203.0.113.2"
bandwidth_mbps = 5
[vpn_gateway."广州"]
vpc            = "home"
public_ip      = "203.0.113.3"
bandwidth_mbps = 100
[prices]
currency = "CNY"
[prices.Guangzhou]
100 = 9499.9
`

// beyond is a gateway whose tier the product has no price for.
const beyond = `[vpn_gateway.large]
vpc            = "home"
public_ip      = "203.0.113.4"
bandwidth_mbps = 500
`

// What the gateways cost is told from the files, and a sum that is not the
// whole is no success.
func TestPrice(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		file, text string
		args       string
		code       int
	}{
		{"price.txt", twoRegions, "price edge.toml", exitDone},
		{"price-quick-start.txt", example, "price edge.toml", exitDone},
		{"price.json", twoRegions, "price --json edge.toml", exitDone},
		{"price-unknown.txt", twoRegions + beyond, "price edge.toml", exitFailed},
		{"price-unknown.json", twoRegions + beyond, "price edge.toml --json", exitFailed},
		{"price-none.txt", "[vpc.v]\ncidr = \"10.0.0.0/8\"\n", "price edge.toml", exitDone},
		{"price-invalid.txt", twoRegions + "300 = 1\n", "price edge.toml", exitInvalid},
	} {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("edge.toml", []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := seat{}.run(t, strings.Fields(tc.args)...)
		t.Chdir(dir) // back to testdata
		if code != tc.code {
			t.Errorf("%s: exit %d, want %d", tc.file, code, tc.code)
		}
		golden(t, tc.file, out+errs)
	}
}

// PATH is completed by the shell as the name of a file.
func TestPriceCompletesFiles(t *testing.T) {
	if _, out, _ := (seat{}).run(t, "__complete", "price", ""); strings.TrimSpace(out) != ":0" {
		t.Errorf("the shell is told\n%s", out)
	}
}

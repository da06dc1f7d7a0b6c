package peerconfig_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/peerconfig"
	"github.com/twinspan/twinspan/daemon/plan"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// load reads a configuration that has no fault.
func load(t *testing.T, text string) (config.Config, plan.Plan) {
	t.Helper()
	c, err := config.Parse([]config.File{{Name: "tunnels.toml", Data: []byte(text), Mode: 0o600}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(c)
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func tunnels(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/tunnels.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every device's files of every tunnel, or why there are none, are as they were
// reviewed.
func TestGolden(t *testing.T) {
	c, p := load(t, tunnels(t))
	for _, device := range peerconfig.Devices() {
		for _, tunnel := range p.Tunnels {
			file := filepath.Join("testdata/golden", device.Word, strings.ToLower(strings.ReplaceAll(tunnel.Name, " ", "-"))+".txt")
			var got strings.Builder
			r, err := peerconfig.Make(c, p, peerconfig.Wanted{Tunnel: tunnel.Name, Device: device, ShowKey: true})
			if err != nil {
				got.WriteString(err.Error() + "\n")
			}
			for _, f := range r.Files {
				got.WriteString("==> " + f.Name + "\n" + f.Text)
			}
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
}

// Without being asked for, no file has the key.
func TestTheKeyIsLeftOut(t *testing.T) {
	c, p := load(t, tunnels(t))
	for _, device := range peerconfig.Devices() {
		for _, tunnel := range p.Tunnels {
			r, err := peerconfig.Make(c, p, peerconfig.Wanted{Tunnel: tunnel.Name, Device: device})
			if err != nil {
				continue // refused; TestGolden has why
			}
			text := ""
			for _, f := range r.Files {
				text += f.Text
			}
			if strings.Contains(text, "the-key-of") || !strings.Contains(text, peerconfig.Placeholder) {
				t.Errorf("%s, %s:\n%s", device.Word, tunnel.Name, text)
			}
		}
	}
}

// What is written for Twinspan is a configuration that Twinspan takes.
func TestTwinspanTakesItsOwn(t *testing.T) {
	c, p := load(t, tunnels(t))
	device, err := peerconfig.Find("Twinspan")
	if err != nil {
		t.Fatal(err)
	}
	for _, tunnel := range p.Tunnels {
		r, err := peerconfig.Make(c, p, peerconfig.Wanted{Tunnel: tunnel.Name, Device: device, ShowKey: true})
		if err != nil {
			t.Errorf("%s: %v", tunnel.Name, err)
			continue
		}
		load(t, r.Files[0].Text)
	}
}

// What a device cannot do is refused at the line to change.
func TestRefusals(t *testing.T) {
	text := strings.NewReplacer(`dh_group = "GROUP14"`, `dh_group = "GROUP2"`).Replace(tunnels(t))
	c, p := load(t, text)
	device, err := peerconfig.Find("libreswan")
	if err != nil {
		t.Fatal(err)
	}
	_, err = peerconfig.Make(c, p, peerconfig.Wanted{Tunnel: "names", Device: device})
	const want = `tunnel "names": Libreswan 4 cannot do ike.dh_group GROUP2: it has `
	const do = `write dh_group = "GROUP14" in [vpn_tunnel.names.ike]`
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), do) || !strings.HasPrefix(err.Error(), "tunnels.toml:") {
		t.Errorf("%v", err)
	}
}

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The key is written only when asked for; else a placeholder, and that is told.
func TestPeerConfigLeavesTheKeyOut(t *testing.T) {
	const key = "kD9yq2Z1h3mYt8xWvB5c"
	t.Chdir(t.TempDir())
	if err := os.WriteFile("edge.toml", []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"peer-config", "TomVPNConn", "--for", "strongswan", "--config", "edge.toml"}
	code, out, errs := seat{}.run(t, args...)
	if code != exitDone || strings.Contains(out, key) || !strings.Contains(errs, "--show-key") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	code, out, errs = seat{}.run(t, append(args, "--show-key", "--output", "peer.conf")...)
	b, err := os.ReadFile("peer.conf")
	if code != exitDone || out != "" || err != nil || !strings.Contains(string(b), key) {
		t.Errorf("exit %d, %v\n%s%s%s", code, err, out, errs, b)
	}
	if info, err := os.Stat("peer.conf"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

// A refusal names the line to change, in JSON too; wrong words are told.
func TestPeerConfigRefusals(t *testing.T) {
	t.Chdir(t.TempDir())
	text := example + "[vpn_tunnel.TomVPNConn.ike]\nmode = \"AGGRESSIVE\"\n"
	if err := os.WriteFile("edge.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := seat{}.run(t, "peer-config", "TomVPNConn", "--for", "windows", "--config", "edge.toml", "--json")
	var doc peerDocument
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != exitInvalid || len(doc.Refused) != 1 || doc.Refused[0].Line == 0 {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
	for want, args := range map[string][]string{
		"did you mean huawei?":     {"TomVPNConn", "--for", "huawai"},
		`did you mean "TomVPNConn`: {"TomVPNCon", "--for", "h3c"},
		"needs --for":              {"TomVPNConn"},
	} {
		if code, _, errs := (seat{}).run(t, append([]string{"peer-config", "--config", "edge.toml"}, args...)...); code == exitDone || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}

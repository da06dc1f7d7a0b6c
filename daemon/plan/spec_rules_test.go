package plan_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

func severalPeers(t *testing.T, _ specLine) {
	p := loads(t, `["10.0.1.0/24"]`, `["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]`)
	if len(p.Policies) != 3 || len(p.Guards) != 3 {
		t.Errorf("there are %d policies and %d guards", len(p.Policies), len(p.Guards))
	}
	refuses(t, "local must be text", `local = "192.168.1.0/24"`, `local = ["192.168.1.0/24", "192.168.2.0/24"]`)
}

func localAndPeer(t *testing.T, _ specLine) {
	apart(t, "192.168.1.0/24", `["192.168.0.0/16"]`, `["192.168.1.0/24"]`, `local = "192.168.1.0/24"`, "local = FIRST", `["10.0.1.0/24"]`, "SECOND")
}

// The policies may be those of one tunnel or of two.
func localAndLocal(t *testing.T, _ specLine) {
	const another = "peer = [\"10.0.1.0/24\"]\n[[vpn_tunnel.t.spd]]\nlocal = SECOND\npeer = [\"10.0.1.0/24\"]"
	apart(t, "192.168.4.0/24", `local = "192.168.1.0/24"`, "local = FIRST", `peer = ["10.0.1.0/24"]`, another)
	apart(t, "192.168.4.0/24", `local = "192.168.1.0/24"`, "local = FIRST",
		"[route_table.main]", strings.Replace(secondTunnel, `"192.168.2.0/24"`, "SECOND", 1))
}

func peerAndPeer(t *testing.T, _ specLine) {
	apart(t, "10.0.2.0/24", `["10.0.1.0/24"]`, "[ FIRST,\n\"10.0.9.0/24\",\nSECOND\n]")
}

func peerAndVPC(t *testing.T, _ specLine) {
	apart(t, "172.20.0.0/16", `["192.168.0.0/16"]`, "[ \"192.168.0.0/16\",\nFIRST\n]", `["10.0.1.0/24"]`, "SECOND")
}

// apart holds that two networks may stand beside each other, and may not be the
// same, nor one in the other. first stands where an edit has FIRST, and SECOND
// further on. The fault is at the second one and names both, the place of the
// first, and a way out.
func apart(t *testing.T, first string, edits ...string) {
	t.Helper()
	p := netip.MustParsePrefix(first)
	bytes := p.Addr().As4()
	bytes[(p.Bits()-1)/8] ^= 1
	beside := netip.PrefixFrom(netip.AddrFrom4(bytes), p.Bits())
	around, _ := p.Addr().Prefix(p.Bits() - 1)
	with := func(second netip.Prefix) []config.File {
		files := edited(edits...)
		text := strings.NewReplacer("FIRST", fmt.Sprintf("%q", first), "SECOND", fmt.Sprintf("%q", second)).Replace(string(files[0].Data))
		files[0].Data = []byte(text)
		return files
	}
	if _, err := plan.Load(with(beside)); err != nil {
		t.Errorf("%v beside %v: %v", beside, p, err)
	}
	for _, second := range []netip.Prefix{p, netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(p.Addr(), 32), around} {
		_, err := plan.Load(with(second))
		var faults config.Faults
		if !errors.As(err, &faults) || len(faults) != 1 {
			t.Errorf("%v and %v: the faults are %v", second, p, err)
			continue
		}
		text, at := string(edited(edits...)[0].Data), faults[0]
		if at.Line != lineOf(text, "SECOND") || !strings.Contains(at.What, second.String()) || at.Do == "" ||
			!strings.Contains(at.What, first) && first != second.String() ||
			!strings.Contains(at.What, fmt.Sprintf("(spec.toml:%d)", lineOf(text, "FIRST"))) {
			t.Errorf("%v and %v: the fault is %v", second, p, at)
		}
	}
}

// lineOf is the line of a word.
func lineOf(text, word string) int {
	before, _, _ := strings.Cut(text, word)
	return strings.Count(before, "\n") + 1
}

func correctInstance(t *testing.T, _ specLine) {
	if p := instance(t); len(p.Policies) != 4 {
		t.Errorf("the policies are %v", p.Policies)
	}
}

// policyOfInstance takes the local network and its peers.
func policyOfInstance(t *testing.T, line specLine) {
	p := instance(t)
	networks := line.ticked()
	for _, peer := range networks[1:] {
		if !slices.ContainsFunc(p.Policies, isPair(networks[0], peer)) {
			t.Errorf("%s <-> %s is not in %v", networks[0], peer, p.Policies)
		}
	}
}

// instance is the plan of the description's correct instance.
func instance(t *testing.T) plan.Plan {
	t.Helper()
	var spd strings.Builder
	for _, line := range specLines(t, "description.md") {
		if networks := line.ticked(); line.key() == "SPD policy" {
			fmt.Fprintf(&spd, "[[vpn_tunnel.t.spd]]\nlocal = %q\npeer = [\"%s\"]\n", networks[0], strings.Join(networks[1:], `", "`))
		}
	}
	return loads(t, `"192.168.0.0/16"`, `"10.0.0.0/16"`, `"192.168.1.0/24"`, `"10.0.0.0/24"`, "[[vpn_tunnel.t.spd]]\n", spd.String(),
		"local = \"192.168.1.0/24\"\npeer = [\"10.0.1.0/24\"]\n", "")
}

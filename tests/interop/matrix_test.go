package interop

import (
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/swan"
)

// needStrongSwan skips where it is not installed; `make test` installs it.
func needStrongSwan(t *testing.T) {
	t.Helper()
	if err := swan.Available(); err != nil {
		netns.Lacks(t, err)
	}
}

// Every cipher, hash and group of the seed with strongSwan, from both ends.
func TestEverySuiteWithStrongSwan(t *testing.T) {
	needStrongSwan(t)
	m := meet(t, netns.QuickStart(), startTwin, startSwan)
	for _, s := range matrix(between(m.bed.Sites)) {
		t.Run(s.name, func(t *testing.T) { m.run(t, s) })
	}
}

// Shapes of tunnels beside the algorithms.
func shapes(base tunnel) []scenario {
	key, names, address := base, base, base
	key.key = `密钥 "ключ" \ # {🔑}` // Unicode, as its UTF-8 bytes
	names.localID, names.remoteID = "vpc.example.com", "idc.example.com"
	address.remoteID = "idc.example.com"
	var all []scenario
	for _, theirs := range []bool{false, true} {
		all = append(all,
			scenario{name: who(theirs) + "/several pairs", theirs: theirs, tunnel: base},
			scenario{name: who(theirs) + "/Unicode key", theirs: theirs, tunnel: key},
			scenario{name: who(theirs) + "/both ends have names", theirs: theirs, tunnel: names},
			scenario{name: who(theirs) + "/one end has a name", theirs: theirs, tunnel: address},
		)
	}
	return all
}

// twoNetworks are sites with two networks on each side.
func twoNetworks() netns.Sites {
	s := netns.QuickStart()
	s.VPC.Hosts = append(s.VPC.Hosts, netip.MustParsePrefix("192.168.2.10/24"))
	s.IDC.Hosts = append(s.IDC.Hosts, netip.MustParsePrefix("10.0.2.1/24"))
	return s
}

func TestShapesWithStrongSwan(t *testing.T) {
	needStrongSwan(t)
	m := meet(t, twoNetworks(), startTwin, startSwan)
	for _, s := range shapes(between(m.bed.Sites)) {
		t.Run(s.name, func(t *testing.T) { m.run(t, s) })
	}
}

func TestShapesWithOurselves(t *testing.T) {
	m := meet(t, twoNetworks(), startTwin, startTwin)
	for _, s := range shapes(between(m.bed.Sites)) {
		t.Run(s.name, func(t *testing.T) { m.run(t, s) })
	}
}

// The bed and the scenarios hold without Twinspan: what fails above is ours.
func TestStrongSwanWithItself(t *testing.T) {
	needStrongSwan(t)
	m := meet(t, twoNetworks(), startSwan, startSwan)
	for _, s := range shapes(between(m.bed.Sites)) {
		t.Run(s.name, func(t *testing.T) { m.run(t, s) })
	}
}

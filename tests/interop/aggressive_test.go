package interop

import (
	"testing"

	"github.com/twinspan/twinspan/tests/libreswan"
	"github.com/twinspan/twinspan/tests/netns"
)

// aggressiveSuites are tunnels of aggressive mode: each hash, because the answer
// has three and must not be longer than its question, and each kind of group.
// strong leaves out what Libreswan has no more.
func aggressiveSuites(base tunnel, strong bool) []scenario {
	suites := []string{"aes128-sha1-group14", "aes256-sha256-group14", "aes256-sha512-group15"}
	if !strong {
		suites = append(suites, "des-md5-group1", "3des-sha1-group2", "aes256-sha1-group24", "aes128-sha256-group31")
	}
	base.aggressive = true
	var all []scenario
	for _, theirs := range []bool{false, true} {
		for i, suite := range suites {
			t := base
			t.ike, t.esp = suite, suite
			if theirs == (i%2 == 0) {
				t.esp = withoutGroup(suite)
			}
			all = append(all, scenario{name: who(theirs) + "/" + suite, theirs: theirs, tunnel: t})
		}
	}
	return all
}

func TestAggressiveModeWithStrongSwan(t *testing.T) {
	needStrongSwan(t)
	m := meet(t, twoNetworks(), startTwin, startSwan)
	for _, s := range aggressiveSuites(between(m.bed.Sites), false) {
		t.Run(s.name, func(t *testing.T) { m.run(t, s) })
	}
}

func TestAggressiveModeWithOurselves(t *testing.T) {
	m := meet(t, twoNetworks(), startTwin, startTwin)
	for _, s := range aggressiveSuites(between(m.bed.Sites), false) {
		t.Run(s.name, func(t *testing.T) { m.run(t, s) })
	}
}

// Libreswan does ESP in the kernel only.
func TestAggressiveModeWithLibreswan(t *testing.T) {
	if !kernelESP() {
		t.Skip("Libreswan needs a kernel with ESP")
	}
	if err := libreswan.Available(); err != nil {
		netns.Lacks(t, err)
	}
	m := meet(t, twoNetworks(), startTwin, startLibre)
	for _, s := range aggressiveSuites(between(m.bed.Sites), true) {
		t.Run(s.name, func(t *testing.T) { m.run(t, s) })
	}
}

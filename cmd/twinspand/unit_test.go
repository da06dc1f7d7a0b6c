package main

import (
	"os/exec"
	"testing"
)

// The unit's exposure is at most 2.2 by systemd's own count.
func TestUnitIsTight(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on this machine")
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=22", "--no-pager", "../../systemd/twinspand.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

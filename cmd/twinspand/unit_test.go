package main

import (
	"os/exec"
	"testing"
)

// The units' exposure is at most 2.2 by systemd's own count.
func TestUnitsAreTight(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on this machine")
	}
	for _, unit := range []string{"twinspand.service", "twinspand-guard.service"} {
		out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=22", "--no-pager", "../../systemd/"+unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

package v1

import (
	"slices"
	"testing"
)

// Only who answers a first exchange computes for a stranger: once the peer has
// shown that it has the key, it is none any more.
func TestWhoComputesForAStranger(t *testing.T) {
	a, b := peers()
	a.Children[0].Proposals[0].Group, b.Children[0].Proposals[0].Group = 2, 2
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
	if !slices.Equal(p.b.jobs, []bool{true, false}) {
		t.Errorf("the responder's jobs are for strangers: %v, want the one of main mode and not that of quick mode", p.b.jobs)
	}
	if slices.Contains(p.a.jobs, true) || len(p.a.jobs) == 0 {
		t.Errorf("the initiator's jobs are for strangers: %v", p.a.jobs)
	}
}

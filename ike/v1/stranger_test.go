package v1

import (
	"slices"
	"testing"

	"github.com/twinspan/twinspan/ike"
)

// Only who answers a first exchange computes for a stranger: in main mode for one
// whose address is real, in aggressive mode for one of whom nothing is known. Once
// the peer has shown that it has the key, it is none any more.
func TestWhoComputesForAStranger(t *testing.T) {
	for mode, want := range map[ike.Mode]ike.Standing{ike.Main: ike.Proven, ike.Aggressive: ike.Unproven} {
		a, b := peers()
		a.Mode, b.Mode = mode, mode
		a.Children[0].Proposals[0].Group, b.Children[0].Proposals[0].Group = 2, 2
		p := newPair(t, a, b)
		p.start()
		p.run(afterProof)
		p.wantTunnel()
		if !slices.Equal(p.b.jobs, []ike.Standing{want, ike.Known}) {
			t.Errorf("%v: the responder's jobs are for %v", mode, p.b.jobs)
		}
		if slices.ContainsFunc(p.a.jobs, func(f ike.Standing) bool { return f != ike.Known }) || len(p.a.jobs) == 0 {
			t.Errorf("%v: the initiator's jobs are for %v", mode, p.a.jobs)
		}
	}
}

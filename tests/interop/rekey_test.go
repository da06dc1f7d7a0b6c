package interop

import (
	"fmt"
	"testing"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/swan"
)

// rekeys is how often each phase is rekeyed.
func rekeys() int {
	if netns.InVM() {
		return 20
	}
	return 100
}

// Rekeys of both phases from both ends, under a flood of pings of which not one
// may be lost.
func TestRekeysLoseNothing(t *testing.T) {
	needStrongSwan(t)
	m := meet(t, netns.QuickStart(), startTwin, startSwan)
	by := kind{"strongSwan", startSwan, swan.Available, 0}
	for _, end := range []struct {
		name          string
		theirs        bool
		phase1, pairs func(*play) error
	}{
		{"by the peer, which began", true, (*play).peerRekeysPhase1, (*play).peerRekeysPair},
		{"by us, who began", false, (*play).weRekeyPhase1, (*play).weRekeyPair},
	} {
		name := fmt.Sprintf("%d rekeys of each phase %s", rekeys(), end.name)
		t.Run(name, func(t *testing.T) {
			m.tell(t, by, story{name: name, theirs: end.theirs, then: func(p *play) { p.manyRekeys(end.phase1, end.pairs) }})
		})
	}
}

// manyRekeys rekeys phase 1 and then the pair, again and again.
func (p *play) manyRekeys(phase1, pair func(*play) error) {
	p.unharmed(func() {
		for range rekeys() {
			p.renewsPhase1(func() error { return phase1(p) })
			p.renews(func() error { return pair(p) })
		}
	})
}

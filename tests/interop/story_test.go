package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// story is a scenario with what happens once the tunnel stands.
type story struct {
	name   string
	theirs bool            // the other end begins
	demand bool            // with a packet, not a command
	set    func(t *tunnel) // what differs from the plain tunnel
	then   func(p *play)   // nil: nothing more
	not    string          // the kind of peer that cannot play it
}

// play is a story that is being told.
type play struct {
	*testing.T
	*meeting
	scenario
	ctx  context.Context
	peer foreign

	loses int // see kind
	asked int // pairs that were replaced at our asking
}

// storyTime is how long a story may take.
const storyTime = 120 * time.Second

// tell plays a story from the beginning: both ends are configured anew.
func (m *meeting) tell(t *testing.T, by kind, st story) {
	record(t, by.name, st.name)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(storyTime))
	defer cancel()
	s := scenario{name: st.name, theirs: st.theirs, demand: st.demand, tunnel: between(m.bed.Sites)}
	s.key, s.pairs = st.name, s.pairs[:1]
	if st.set != nil {
		st.set(&s.tunnel)
	}
	m.run(t, s)
	if t.Failed() || st.then == nil {
		return
	}
	m.watch(t)
	st.then(&play{T: t, meeting: m, scenario: s, ctx: ctx, peer: m.theirs.(foreign), loses: by.loses})
}

// tellAll plays stories with each kind of peer, one after the other in one bed.
func tellAll(t *testing.T, sites netns.Sites, stories []story) {
	for _, by := range kinds(t) {
		t.Run(by.name, func(t *testing.T) {
			m := meet(t, sites, startTwin, by.start)
			for _, st := range stories {
				if st.not != by.name {
					t.Run(st.name, func(t *testing.T) { m.tell(t, by, st) })
				}
			}
		})
	}
}

// must ends the story when a step of it cannot be made.
func (p *play) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// within waits for a condition, and says how long it took.
func (p *play) within(limit time.Duration, what string, cond func() error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, netns.Patience(limit))
	defer cancel()
	begun := time.Now()
	if err := netns.Until(ctx, cond); err != nil {
		p.Fatalf("%s: %v", what, err)
	}
	p.Logf("%s after %v", what, time.Since(begun).Round(10*time.Millisecond))
}

// resumes waits until pings are answered again, and both ends agree.
func (p *play) resumes(limit time.Duration) {
	p.Helper()
	p.within(limit, "traffic is back", func() error { return p.ping(p.ctx) })
	p.within(limit, "both ends agree", p.matched)
}

// matched tells whether the SAs that we send and receive on stand at the peer,
// which may have more of them: those of both ends, when both have rekeyed.
func (p *play) matched() error {
	ours, err := p.ours.children(p.ctx)
	if err != nil {
		return err
	}
	theirs, err := p.peer.children(p.ctx)
	if err != nil {
		return err
	}
	if len(ours) != len(p.pairs) {
		return fmt.Errorf("ours has %v, want %d pairs", ours, len(p.pairs))
	}
	for _, a := range ours {
		if !slices.ContainsFunc(theirs, func(b child) bool { return a.spiIn == b.spiOut && a.spiOut == b.spiIn }) {
			return fmt.Errorf("ours has %v, which theirs has not: %v", a, theirs)
		}
	}
	return nil
}

// lost tells whether pings stay unanswered.
func (p *play) lost() error {
	if err := p.ping(p.ctx); !errors.Is(err, netns.ErrLost) {
		return fmt.Errorf("ping without a tunnel: %v", err)
	}
	return nil
}

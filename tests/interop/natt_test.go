package interop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// worded is a twinspand whose tunnel has one line more.
type worded struct {
	*twinSide
	line string
}

func (w worded) load(ctx context.Context, t tunnel) error {
	key := "negotiation = "
	if err := w.daemon.Configure(strings.Replace(configuration(t, w.start), key, w.line+"\n"+key, 1)); err != nil {
		return err
	}
	_, err := w.daemon.Reload(ctx)
	return err
}

// strongSwan has NAT traversal by the RFC and by draft 02: whichever of the two a
// tunnel of ours is told to use, it comes up. Where strongSwan's ESP is in user
// space it goes in UDP in any case, else only when we force it.
func TestNATTraversalByRFCAndByDraft(t *testing.T) {
	needStrongSwan(t)
	for _, word := range []string{"rfc", "draft", "force"} {
		t.Run(word, func(t *testing.T) {
			m := meet(t, netns.QuickStart(), func(ctx context.Context, space *netns.Space) (side, error) {
				s, err := startTwin(ctx, space)
				if err != nil {
					return nil, err
				}
				return worded{s.(*twinSide), "nat_t = " + quoted(word)}, nil
			}, startSwan)
			for _, theirs := range []bool{false, true} {
				s := scenario{theirs: theirs, tunnel: between(m.bed.Sites)}
				s.key = who(theirs) // another one, so that it is another tunnel
				m.inUDP(t, s, word == "force" || !kernelESP())
			}
		})
	}
}

// inUDP plays a scenario and tells whether ESP goes in UDP as it should.
func (m *meeting) inUDP(t *testing.T, s scenario, want bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	m.connect(ctx, t, s, s.mirror())
	children, err := m.ours.children(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range children {
		if c.encap != want {
			t.Errorf("%s: %v goes in UDP: %v", who(s.theirs), c, c.encap)
		}
	}
}

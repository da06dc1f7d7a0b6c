package interop

import (
	"context"
	"strings"
	"testing"

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

// strongSwan has NAT traversal by the RFC and by draft 02, and here insists on
// ESP in UDP: whichever of the two a tunnel of ours is told to use, it comes up.
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
				m.run(t, s)
			}
		})
	}
}

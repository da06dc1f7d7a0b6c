package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
)

// mistake is one setting that the two ends have differently.
type mistake struct {
	name   string
	make   func(theirs *tunnel)
	causes []string // of the fault that our status tells, when we begin and when they do
}

// mistakes of an administrator. What strongSwan says of them is little: as the
// initiator we may only know that it refused.
var mistakes = []mistake{
	{"another key", func(t *tunnel) { t.key = "something else" }, []string{"authentication"}},
	{"another cipher in phase 1", func(t *tunnel) { t.ike = "aes256-sha1-group14" }, []string{"proposal"}},
	{"another group in phase 1", func(t *tunnel) { t.ike = "aes128-sha1-group5" }, []string{"proposal"}},
	{"another cipher in phase 2", func(t *tunnel) { t.esp = "aes256-sha1-group14" }, []string{"proposal"}},
	{"another group for PFS", func(t *tunnel) { t.esp = "aes128-sha1-group5" }, []string{"proposal", "pfs"}},
	{"no PFS", func(t *tunnel) { t.esp = "aes128-sha1" }, []string{"proposal", "pfs"}},
	{"another name", func(t *tunnel) { t.localID = "somebody.example.com" }, []string{"identity"}},
	{"other networks", func(t *tunnel) { t.pairs[0].local = t.pairs[0].remote }, []string{"selectors"}},
}

// A mistake keeps the tunnel down, the status says which, and nothing passes.
func TestMistakesAreTold(t *testing.T) {
	needStrongSwan(t)
	m := meet(t, netns.QuickStart(), startTwin, startSwan)
	for _, theirs := range []bool{false, true} {
		for _, wrong := range mistakes {
			s := scenario{name: who(theirs) + "/" + wrong.name, theirs: theirs, tunnel: between(m.bed.Sites)}
			s.key = s.name
			t.Run(s.name, func(t *testing.T) { m.fails(t, s, wrong) })
		}
	}
}

func (m *meeting) fails(t *testing.T, s scenario, wrong mistake) {
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	theirs := s.mirror()
	wrong.make(&theirs)
	if err := m.theirs.load(ctx, theirs); err != nil {
		t.Fatal(err)
	}
	if err := m.ours.load(ctx, s.tunnel); err != nil {
		t.Fatal(err)
	}
	capture, err := m.bed.Internet.Capture(append(m.bed.Sites.VPC.Networks(), m.bed.Sites.IDC.Networks()...)...)
	if err != nil {
		t.Fatal(err)
	}
	m.begin(ctx, t, s, theirs)
	fault := m.fault(ctx, t)
	if !slices.Contains(wrong.causes, fault.Cause) {
		t.Errorf("the status tells of %s: %+v; want %v", fault.Cause, fault, wrong.causes)
	}
	_, err = m.bed.VPC.Ping(ctx, netns.Ping{From: m.bed.Sites.VPC.Hosts[0].Addr(), To: m.bed.Sites.IDC.Hosts[0].Addr(), Count: 2, Timeout: 100 * time.Millisecond})
	if !errors.Is(err, netns.ErrLost) {
		t.Errorf("ping without a tunnel: %v", err)
	}
	if tally, err := capture.Stop(); err != nil || tally.Clear > 0 {
		t.Errorf("seen outside: %v (%v), %v", tally, err, capture.Frames(netns.Clear))
	}
}

// begin asks the end that begins to, without waiting for what cannot come.
func (m *meeting) begin(ctx context.Context, t *testing.T, s scenario, theirs tunnel) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(500*time.Millisecond))
	defer cancel()
	var err error
	if s.theirs {
		err = m.theirs.initiate(ctx, theirs)
	} else {
		_, err = m.ours.(*twinSide).daemon.Up(ctx, name, netns.Patience(400*time.Millisecond))
	}
	if err == nil {
		t.Error("the tunnel is said to be up")
	}
}

// fault waits for the fault that our status tells.
func (m *meeting) fault(ctx context.Context, t *testing.T) (fault api.Fault) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(3*time.Second))
	defer cancel()
	err := netns.Until(ctx, func() error {
		s, err := m.ours.(*twinSide).daemon.Tunnel(ctx, name)
		switch {
		case err != nil:
			return err
		case s.State == "up" || s.Fault == nil:
			return fmt.Errorf("the tunnel is %s, without a fault", s.State)
		}
		fault = *s.Fault
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// startOnDemand is a twinspand whose tunnel waits for traffic.
func startOnDemand(ctx context.Context, space *netns.Space) (side, error) {
	s, err := startTwin(ctx, space)
	if err == nil {
		s.(*twinSide).start = "flow_trigger"
	}
	return s, err
}

// established is a meeting whose tunnel stands, begun by a ping.
func established(t *testing.T, theirs startSide) (*meeting, scenario) {
	t.Helper()
	m := meet(t, netns.QuickStart(), startOnDemand, theirs)
	s := scenario{tunnel: between(m.bed.Sites)}
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	if err := m.theirs.load(ctx, s.mirror()); err != nil {
		t.Fatal(err)
	}
	if err := m.ours.load(ctx, s.tunnel); err != nil {
		t.Fatal(err)
	}
	if c, err := m.ours.children(ctx); err != nil || len(c) > 0 {
		t.Fatalf("something stands before anybody asked: %v, %v", c, err)
	}
	m.answered(ctx, t)
	m.agree(ctx, t, s)
	return m, s
}

// ping is one ping through the tunnel from the VPC.
func (m *meeting) ping(ctx context.Context) error {
	from, to := m.bed.Sites.VPC.Hosts[0].Addr(), m.bed.Sites.IDC.Hosts[0].Addr()
	_, err := m.bed.VPC.Ping(ctx, netns.Ping{From: from, To: to, Timeout: netns.Patience(200 * time.Millisecond)})
	return err
}

// answered pings until there is an answer.
func (m *meeting) answered(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := netns.Until(ctx, func() error { return m.ping(ctx) }); err != nil {
		t.Fatal(err)
	}
}

// silent checks that pings stay unanswered and that nothing shows in clear.
func (m *meeting) silent(ctx context.Context, t *testing.T, capture *netns.Capture) {
	t.Helper()
	for range 3 {
		if err := m.ping(ctx); !errors.Is(err, netns.ErrLost) {
			t.Errorf("ping without a tunnel: %v", err)
		}
	}
	if tally := capture.Tally(); tally.Clear > 0 {
		t.Errorf("seen outside: %v, %v", tally, capture.Frames(netns.Clear))
	}
}

func (m *meeting) watch(t *testing.T) *netns.Capture {
	t.Helper()
	c, err := m.bed.Internet.Capture(append(m.bed.Sites.VPC.Networks(), m.bed.Sites.IDC.Networks()...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if tally, err := c.Stop(); err != nil || tally.Clear > 0 {
			t.Errorf("seen outside: %v (%v), %v", tally, err, c.Frames(netns.Clear))
		}
	})
	return c
}

// The first packet brings the tunnel up, with each kind of peer.
func TestTrafficBringsTheTunnelUp(t *testing.T) {
	for name, peer := range peers(t) {
		t.Run(name, func(t *testing.T) { established(t, peer) })
	}
}

// peers are the gateways that can be met on this machine.
func peers(t *testing.T) map[string]startSide {
	t.Helper()
	needStrongSwan(t)
	return map[string]startSide{"strongSwan": startSwan, "twinspand": startTwin}
}

// Down tells the peer, and then nothing passes, neither in ESP nor in clear;
// up brings it back.
func TestDownAndUpAgain(t *testing.T) {
	for kind, peer := range peers(t) {
		t.Run(kind, func(t *testing.T) {
			m, s := established(t, peer)
			ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
			defer cancel()
			daemon := m.ours.(*twinSide).daemon
			if _, err := daemon.Down(ctx, name); err != nil {
				t.Fatal(err)
			}
			m.gone(ctx, t, m.ours)
			m.gone(ctx, t, m.theirs)
			m.silent(ctx, t, m.watch(t))
			if err := m.ours.initiate(ctx, s.tunnel); err != nil {
				t.Fatal(err)
			}
			m.answered(ctx, t)
			m.agree(ctx, t, s)
		})
	}
}

// gone waits until an end has no pair any more.
func (m *meeting) gone(ctx context.Context, t *testing.T, end side) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(5*time.Second))
	defer cancel()
	err := netns.Until(ctx, func() error {
		c, err := end.children(ctx)
		if err == nil && len(c) > 0 {
			err = fmt.Errorf("%d pairs still stand: %v", len(c), c)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The peer closes; the next packet brings the tunnel back.
func TestThePeerCloses(t *testing.T) {
	needStrongSwan(t)
	m, s := established(t, startSwan)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	m.watch(t)
	if err := m.theirs.(*swanSide).charon.Terminate(ctx); err != nil {
		t.Fatal(err)
	}
	m.gone(ctx, t, m.ours)
	m.answered(ctx, t)
	m.agree(ctx, t, s)
}

// A daemon that dies leaves the guard: protected networks stay unreachable in
// clear. One that comes back finds its way.
func TestACrashLetsNothingOut(t *testing.T) {
	for kind, peer := range peers(t) {
		t.Run(kind, func(t *testing.T) {
			m, s := established(t, peer)
			ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(60*time.Second))
			defer cancel()
			capture := m.watch(t)
			daemon := m.ours.(*twinSide).daemon
			daemon.Kill()
			if !kernelESP() {
				m.silent(ctx, t, capture) // the TUN device went with the daemon; kernel SAs go on
			} else if err := m.ping(ctx); err != nil {
				t.Errorf("the kernel's SAs do not go on: %v", err)
			}
			if err := daemon.Start(ctx); err != nil {
				t.Fatal(err)
			}
			m.answered(ctx, t)
			m.agree(ctx, t, s)
		})
	}
}

// An orderly stop tells the peer, and leaves the guard too. Only when that is
// taken away as well does clear text show: so it was the guard that held it.
func TestAStopLetsNothingOut(t *testing.T) {
	m, _ := established(t, startTwin)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	daemon := m.ours.(*twinSide).daemon
	t.Run("the guard stays", func(t *testing.T) {
		capture := m.watch(t)
		if err := daemon.Stop(); err != nil {
			t.Fatal(err)
		}
		m.gone(ctx, t, m.theirs)
		m.silent(ctx, t, capture)
	})
	t.Run("cleanup takes it away", func(t *testing.T) {
		if err := daemon.Cleanup(ctx); err != nil {
			t.Fatal(err)
		}
		capture, err := m.bed.Internet.Capture(m.bed.Sites.VPC.Networks()...)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.ping(ctx); !errors.Is(err, netns.ErrLost) {
			t.Errorf("ping without a tunnel: %v", err)
		}
		if tally, err := capture.Stop(); err != nil || tally.Clear == 0 {
			t.Errorf("seen outside: %v (%v), want clear text", tally, err)
		}
	})
}

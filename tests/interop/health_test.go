package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
)

// healthCheck pings the peer's host each second.
const healthCheck = `
[vpn_tunnel.%s.health_check]
target = %s
interval_seconds = 1
timeout_ms = 500
threshold = 3
`

// hole is what a network does that loses ESP, in UDP or not, and carries IKE.
const hole = `add table inet hole
add chain inet hole forward { type filter hook forward priority 0 ; }
add rule inet hole forward meta l4proto esp drop
add rule inet hole forward udp dport 4500 @th,64,32 != 0 drop
`

// A tunnel that carries nothing is not up, whatever SAs stand: the pings that the
// gateway itself sends through it tell. Once they come back it is up again.
func TestHealthCheck(t *testing.T) {
	m, s := established(t, startTwin)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(90*time.Second))
	defer cancel()
	daemon := m.ours.(*twinSide).daemon
	target := m.bed.Sites.IDC.Hosts[0].Addr()
	text := configuration(s.tunnel, "active") + fmt.Sprintf(healthCheck, quoted(name), quoted(target.String()))
	if err := daemon.Configure(text); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	want := func(state string, passing bool) {
		t.Helper()
		var seen api.Tunnel
		err := netns.Until(ctx, func() (err error) {
			if seen, err = daemon.Tunnel(ctx, name); err != nil {
				return err
			}
			if p := seen.Probe; seen.State != state || p == nil || p.Passing == nil || *p.Passing != passing {
				return fmt.Errorf("it is %s, the probe %+v", seen.State, p)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("waiting for %s: %v\n%s", state, err, m.ours.log())
		}
	}
	want("up", true)
	m.nft(ctx, t, hole)
	want("established, nothing comes back", false)
	m.nft(ctx, t, "delete table inet hole")
	want("up", true)
	m.answered(ctx, t)
}

// nft has the internet obey nftables' commands, one a line.
func (m *meeting) nft(ctx context.Context, t *testing.T, commands string) {
	t.Helper()
	for command := range strings.Lines(commands) {
		if _, err := m.bed.Internet.Run(ctx, "nft", strings.TrimSpace(command)); err != nil {
			t.Fatal(err)
		}
	}
}

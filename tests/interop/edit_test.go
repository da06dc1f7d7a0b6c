package interop

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/twin"
)

// edits of the configuration that keep the pair of networks, and leave next to
// nothing else as it was.
func edits(original string) []string {
	replaced := func(words ...string) string { return strings.NewReplacer(words...).Replace(original) }
	return []string{
		replaced("[vpn_gateway.G]", "[vpn_gateway.H]", `"G"`, `"H"`), // another device
		replaced(name, "other"),                                      // another tunnel
		replaced("203.195.147.82", "203.195.147.83"),                 // another address of ours
		replaced("202.108.22.5", "202.108.22.6"),                     // another peer
		replaced("main", "side"),                                     // another routing table
		replaced(`peer = ["10.0.1.0/24"]`, `peer = ["10.0.0.0/16"]`), // a wider pair
		original,
	}
}

// traffic pings from the VPC without a pause until the returned function is
// called.
func (m *meeting) traffic(ctx context.Context, t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = m.bed.VPC.Ping(ctx, netns.Ping{
				From: m.bed.Sites.VPC.Hosts[0].Addr(), To: m.bed.Sites.IDC.Hosts[0].Addr(), Count: 50, Timeout: time.Millisecond})
		}
	}()
	return func() { cancel(); <-done }
}

// Whatever an edit moves, the pair passes through a tunnel or not at all.
func TestEditsLetNothingOut(t *testing.T) {
	m, s := established(t, startTwin)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(60*time.Second))
	defer cancel()
	m.watch(t)
	daemon := m.ours.(*twinSide).daemon
	stop := m.traffic(ctx, t)
	for range 5 {
		for _, text := range edits(configuration(s.tunnel, "flow_trigger")) {
			if err := daemon.Configure(text); err != nil {
				t.Fatal(err)
			}
			if _, err := daemon.Reload(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	m.answered(ctx, t)
}

// A daemon that is killed at any moment of a reload leaves the guard, and the
// next one finds its way.
func TestKilledInAReload(t *testing.T) {
	m, s := established(t, startTwin)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(60*time.Second))
	defer cancel()
	m.watch(t)
	daemon := m.ours.(*twinSide).daemon
	all := edits(configuration(s.tunnel, "flow_trigger"))
	stop := m.traffic(ctx, t)
	for i := range 14 {
		if err := daemon.Configure(all[i%len(all)]); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = daemon.Reload(ctx) }()
		time.Sleep(time.Duration(i) * 3 * time.Millisecond) // any moment will do
		daemon.Kill()
		if err := daemon.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	m.answered(ctx, t)
}

// A daemon that cannot start leaves the guard as it was, and one that fails half
// way has set it before.
func TestAFailedStartLetsNothingOut(t *testing.T) {
	m, s := established(t, startTwin)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	daemon := m.ours.(*twinSide).daemon
	good := configuration(s.tunnel, "flow_trigger")
	capture := m.watch(t)
	if err := daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	m.doesNotStart(ctx, t, good[:len(good)/2]+"[", "exit status 4") // half a file
	m.silent(ctx, t, capture)

	if err := daemon.Cleanup(ctx); err != nil {
		t.Fatal(err)
	}
	other := m.occupy(t, 500)
	m.doesNotStart(ctx, t, good, "UDP port 500")
	m.silent(ctx, t, capture)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(ctx); err != nil {
		t.Fatal(err)
	}
	m.answered(ctx, t)
}

// The guard alone, as at boot before the daemon: nothing passes, and the daemon
// takes it over.
func TestTheGuardAlone(t *testing.T) {
	m, _ := established(t, startTwin)
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	daemon := m.ours.(*twinSide).daemon
	programs, err := twin.Programs()
	if err != nil {
		t.Fatal(err)
	}
	guard := func() (string, error) {
		return m.bed.Gateway.Run(ctx, filepath.Join(programs, "twinspand"), "--guard", "--config", daemon.ConfigPath())
	}
	if out, err := guard(); err == nil || !strings.Contains(out, "another twinspand") {
		t.Errorf("beside the daemon: %v\n%s", err, out)
	}
	if err := daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Cleanup(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := guard(); err != nil {
		t.Fatal(err)
	}
	m.silent(ctx, t, m.watch(t))
	if err := daemon.Start(ctx); err != nil {
		t.Fatal(err)
	}
	m.answered(ctx, t)
}

func (m *meeting) doesNotStart(ctx context.Context, t *testing.T, text, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, netns.Patience(time.Second))
	defer cancel()
	daemon := m.ours.(*twinSide).daemon
	if err := daemon.Configure(text); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(ctx); err == nil || !strings.Contains(err.Error(), why) {
		t.Fatalf("start: %v, want %q", err, why)
	}
}

// occupy takes a UDP port of the gateway.
func (m *meeting) occupy(t *testing.T, port int) (taken net.PacketConn) {
	t.Helper()
	err := m.bed.Gateway.Do(func() (err error) {
		taken, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

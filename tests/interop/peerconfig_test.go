package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/libreswan"
	"github.com/twinspan/twinspan/tests/netns"
)

// told is a gateway that is configured by what twinspan peer-config wrote, and
// by nothing else.
type told struct {
	device string
	put    func(ctx context.Context, conf, secrets string) error
}

// files has twinspan write the device's files.
func (m *meeting) files(ctx context.Context, t *testing.T, device string) (conf, secrets string) {
	t.Helper()
	ours, out := m.ours.(*twinSide).daemon, filepath.Join(t.TempDir(), "peer.conf")
	if _, err := ours.Command(ctx, "peer-config", name, "--for", device, "--config", ours.ConfigPath(), "--show-key", "--output", out); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := os.ReadFile(strings.TrimSuffix(out, ".conf") + ".secrets"); err == nil {
		secrets = string(s)
	}
	return string(b), secrets
}

// byFile brings tunnels of several shapes up from the generated file alone,
// begun by us and by a packet at the other side, and pings both ways.
func byFile(t *testing.T, start startSide, device string, put func(s side) func(ctx context.Context, conf, secrets string) error) {
	base := between(twoNetworks())
	names, key := base, base
	names.localID, names.remoteID, names.aggressive = "vpc.example.com", "idc.example.com", true
	key.key, key.esp = `密钥 "ключ" \ # {🔑}`, withoutGroup(base.esp)
	for word, shape := range map[string]tunnel{"main mode": base, "aggressive mode, names": names, "no PFS, a key of Unicode": key} {
		for _, begins := range []string{"active", "passive"} {
			shape.mine.start = begins
			t.Run(word+"/"+begins, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(40*time.Second))
				defer cancel()
				m := meet(t, twoNetworks(), startTwin, start)
				m.comeUpByFile(ctx, t, told{device, put(m.theirs)}, scenario{theirs: begins == "passive", tunnel: shape})
			})
		}
	}
}

// comeUpByFile plays one shape. The end that begins is told last.
func (m *meeting) comeUpByFile(ctx context.Context, t *testing.T, peer told, s scenario) {
	t.Helper()
	ours := m.ours.(*twinSide).daemon
	if err := ours.Configure(configuration(s.tunnel, s.mine.start)); err != nil {
		t.Fatal(err)
	}
	conf, secrets := m.files(ctx, t, peer.device)
	steps := []func() error{
		func() error { return peer.put(ctx, conf, secrets) },
		func() error { _, err := ours.Reload(ctx); return err },
	}
	if s.theirs {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("%v\n%s", err, conf)
		}
	}
	m.both(ctx, t, s, func(ours, theirs []child) error { return nil })
	m.pingAll(ctx, t, s)
	m.counted(ctx, t, s)
}

func TestPeerConfigOfStrongSwan(t *testing.T) {
	needStrongSwan(t)
	byFile(t, startSwan, "strongswan", func(s side) func(context.Context, string, string) error {
		charon := s.(*swanSide).charon
		return func(ctx context.Context, conf, _ string) error {
			if err := charon.Load(ctx); err != nil {
				return err
			}
			out, err := charon.LoadText(ctx, conf)
			if err == nil && !strings.Contains(out, "successfully loaded 1 connections") {
				err = fmt.Errorf("swanctl: %s", out)
			}
			return err
		}
	})
}

func TestPeerConfigOfTwinspan(t *testing.T) {
	byFile(t, startTwin, "twinspan", func(s side) func(context.Context, string, string) error {
		daemon := s.(*twinSide).daemon
		return func(ctx context.Context, conf, _ string) error {
			if err := daemon.Configure("dataplane = " + quoted(planeWord()) + "\n" + conf); err != nil {
				return err
			}
			_, err := daemon.Reload(ctx)
			return err
		}
	})
}

func TestPeerConfigOfLibreswan(t *testing.T) {
	if !kernelESP() {
		t.Skip("its ESP is the kernel's: tests/vm/run runs this in a virtual machine")
	}
	if err := libreswan.Available(); err != nil {
		netns.Lacks(t, err)
	}
	byFile(t, startLibre, "libreswan", func(s side) func(context.Context, string, string) error {
		pluto := s.(*libreSide).pluto
		return func(ctx context.Context, conf, secrets string) error {
			var conns []string
			for _, line := range strings.Split(conf, "\n") {
				if conn, ok := strings.CutPrefix(line, "conn "); ok && !strings.Contains(conf, "also="+conn+"\n") {
					conns = append(conns, conn)
				}
			}
			return pluto.LoadFiles(ctx, conf, secrets, conns...)
		}
	})
}

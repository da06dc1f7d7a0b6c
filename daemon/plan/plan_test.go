package plan_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

var update = flag.Bool("update", false, "write the expected texts anew; the diff is the review")

// Each file, or directory of files, of testdata/faults breaks a rule. Its
// faults are beside it in a file of the same name that ends in .txt.
func TestFaults(t *testing.T) {
	each(t, "testdata/faults", func(t *testing.T, files []config.File) string {
		p, err := plan.Load(files)
		var faults config.Faults
		if !errors.As(err, &faults) {
			t.Fatalf("the error is %v, not Faults", err)
		}
		if len(p.Peers)+len(p.Gateways)+len(p.Policies) != 0 {
			t.Error("there is a plan in spite of the faults")
		}
		return faults.Error() + "\n"
	})
}

// The files of testdata/warnings may be loaded, but not without a word.
func TestWarnings(t *testing.T) {
	each(t, "testdata/warnings", func(t *testing.T, files []config.File) string {
		p, err := plan.Load(files)
		if err != nil {
			t.Fatalf("there are faults:\n%v", err)
		}
		if len(p.Peers) == 0 {
			t.Error("there is no plan")
		}
		return config.Faults(p.Warnings).Error() + "\n"
	})
}

// The files of testdata/good are right, and this is what becomes of them.
func TestPlans(t *testing.T) {
	each(t, "testdata/good", func(t *testing.T, files []config.File) string {
		p, err := plan.Load(files)
		if err != nil {
			t.Fatalf("there are faults:\n%v", err)
		}
		return describe(p)
	})
}

// The quick start gives the plan that the product's description asks for.
func TestQuickStart(t *testing.T) {
	p, err := plan.Load(load(t, "../../packaging/examples/minimal.toml"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/quick-start.txt", describe(p))
}

// describe writes everything of a plan but its secrets.
func describe(p plan.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dataplane %s\n", p.DataPlane)
	for i, g := range p.Gateways {
		fmt.Fprintf(&b, "gateway %s of %s: %v, %d Mbit/s, device %s, if_id %#x, MTU %d\n", g.Name, g.VPC, g.PublicIP, g.BandwidthMbps,
			g.Device, g.IfID, p.Links[i].MTU)
	}
	for i, peer := range p.Peers {
		fmt.Fprintf(&b, "tunnel %s: %s to %s, defined in %v\n", peer.Name, p.Tunnels[i].Gateway, p.Tunnels[i].CustomerGateway, p.Tunnels[i].Defined)
		fmt.Fprintf(&b, "  %v (%v) to %s (%v), %v, %v, if_id %#x\n", peer.Local, peer.LocalID, where(peer), peer.RemoteID,
			peer.Mode, peer.Start, peer.IfID)
		for _, k := range peer.Keys {
			fmt.Fprintf(&b, "  key   of %d bytes\n", k.Len())
		}
		fmt.Fprintf(&b, "  nat_t %v; dpd %+v\n", peer.NATT, peer.DPD)
		fmt.Fprintf(&b, "  probe %v, in %v\n", p.Tunnels[i].Probe, p.Tunnels[i].Probe.Locals)
		for _, q := range peer.Proposals {
			fmt.Fprintf(&b, "  ike   %s\n", suite.Words(q))
		}
		fmt.Fprintf(&b, "  ike   %v\n", peer.Lifetime.Time)
		for _, c := range peer.Children {
			fmt.Fprintf(&b, "  pair  %v, reqid %#x, %v, %d KB\n", c.Sel, c.ReqID, c.Lifetime.Time, c.Lifetime.KB)
			for _, q := range c.Proposals {
				fmt.Fprintf(&b, "    esp %s\n", suite.Words(q))
			}
		}
	}
	for _, q := range p.Policies {
		fmt.Fprintf(&b, "policy %v, %v to %v, reqid %#x, if_id %#x, priority %d, action %d\n", q.Sel, q.TunnelLocal, q.TunnelRemote,
			q.ReqID, q.IfID, q.Priority, q.Action)
	}
	for _, g := range p.Guards {
		fmt.Fprintf(&b, "guard %v through %s\n", g.Sel, g.Device)
	}
	for _, t := range p.RouteTables {
		fmt.Fprintf(&b, "route table %s: %#x\n", t.Name, t.ID)
	}
	for _, r := range p.Routes {
		fmt.Fprintf(&b, "route %v through %s in %#x\n", r.Dst, r.Device, r.Table)
	}
	for _, r := range p.Rules {
		fmt.Fprintf(&b, "rule from %v to %#x\n", r.From, r.Table)
	}
	for _, c := range p.Charges {
		fmt.Fprintf(&b, "charge %s of %s in %q: %d Mbit/s, %v %s a month, priced %v %v\n", c.Gateway, c.VPC, c.Region, c.BandwidthMbps,
			c.Monthly, p.Currency, c.Priced, c.From)
	}
	for _, r := range p.Alarms {
		fmt.Fprintf(&b, "alarm %s: %v\n", r.Name, r)
	}
	for _, r := range p.Receivers {
		fmt.Fprintf(&b, "receiver %s: %v, secrets of %d and %d bytes, own authorities %v\n", r.Name, r, r.Password.Len(), r.Token.Len(), r.Roots != nil)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning %v\n", w)
	}
	return b.String()
}

// where is the peer's address, or what is known of it.
func where(p ike.Peer) string {
	if p.Remote.IsValid() {
		return p.Remote.String()
	}
	return fmt.Sprintf("%q, to be found", p.Host)
}

// each runs one test for each case in a directory, and holds what it gives
// against the file beside the case.
func each(t *testing.T, dir string, run func(*testing.T, []config.File) string) {
	for _, path := range glob(t, dir+"/*") {
		if strings.HasSuffix(path, ".txt") {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(path), ".toml")
		t.Run(name, func(t *testing.T) {
			got := run(t, load(t, path))
			golden(t, filepath.Join(dir, name+".txt"), got)
			reversed := load(t, path)
			slices.Reverse(reversed)
			if again := run(t, reversed); again != got {
				t.Errorf("in another order of the files it is\n%s\nand was\n%s", again, got)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: it is\n%s\nbut should be\n%s", name, got, want)
	}
}

// load reads a file, or those of a directory, as if only the daemon could open
// them, and calls them by their base names.
func load(t testing.TB, path string) []config.File {
	t.Helper()
	names := []string{path}
	if info, err := os.Stat(path); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		names = glob(t, filepath.Join(path, "*.toml"))
	}
	var files []config.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, config.File{Name: filepath.Base(name), Data: data, Mode: 0o600})
	}
	return files
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return names
}

package plan_test

import (
	"errors"
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// FuzzLoad holds for any text: no panic, and either faults or a plan that is
// whole.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.toml", "../../packaging/examples/*.toml"} {
		for _, path := range glob(f, pattern) {
			f.Add(load(f, path)[0].Data)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := plan.Load([]config.File{{Name: "fuzz.toml", Data: text, Mode: 0o600}})
		var faults config.Faults
		if err != nil && (!errors.As(err, &faults) || len(faults) == 0) {
			t.Fatalf("the error is %v", err)
		}
		if err != nil {
			return
		}
		for _, peer := range p.Peers {
			if !peer.Local.IsValid() || peer.Anywhere() && peer.RemoteID.Kind == 0 || len(peer.Keys) == 0 || len(peer.Proposals) == 0 ||
				len(peer.Children) == 0 || peer.Start == 0 || peer.IfID == 0 || peer.Lifetime.Time == 0 {
				t.Errorf("the peer is not whole: %+v", peer)
			}
			for _, c := range peer.Children {
				if !c.Sel.Local.IsValid() || !c.Sel.Remote.IsValid() || c.ReqID == 0 || len(c.Proposals) == 0 || c.Lifetime.KB == 0 {
					t.Errorf("the child is not whole: %+v", c)
				}
			}
		}
		if changes := plan.Diff(p, p); len(changes) != 0 {
			t.Errorf("a plan differs from itself: %v", changes)
		}
	})
}

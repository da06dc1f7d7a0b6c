package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// two is a gateway with two tunnels.
func two() office {
	o := west()
	o.tunnels = append(o.tunnels, tunnelText{
		name: "shanghai", peer: "198.51.100.7", key: "abcdef", local: "192.168.2.0/24", remote: "10.7.0.0/16", start: "active",
	})
	return o
}

func shanghai() office {
	return office{"198.51.100.7", "10.7.0.0/16", []tunnelText{
		{name: "home", peer: "203.195.147.82", key: "abcdef", local: "10.7.0.0/16", remote: "192.168.2.0/24", start: "passive"},
	}}
}

// three starts a gateway with two tunnels, and both peers.
func three(t *testing.T) (w, idc, sh *side) {
	t.Helper()
	e := &ether{}
	w, idc, sh = newSide(t, e, two()), newSide(t, e, east()), newSide(t, e, shanghai())
	idc.start(t)
	sh.start(t)
	w.start(t)
	time.Sleep(time.Second)
	w.wantState(t, "TomVPNConn", "up")
	w.wantState(t, "shanghai", "up")
	w.since()
	return w, idc, sh
}

func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, idc, _ := three(t)
		before := w.tunnel(t, "shanghai")
		told := idc.wire.count()
		o := two()
		o.tunnels[0].key = "a new key"
		write(t, w.path, o.toml())
		o = east()
		o.tunnels[0].key = "a new key"
		write(t, idc.path, o.toml())
		if _, err := idc.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := w.Reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Summary != "1 tunnel changed, 1 untouched" || len(r.Changes) == 0 || r.Changes[0].Tunnel != "TomVPNConn" {
			t.Errorf("reloaded %+v", r)
		}
		time.Sleep(time.Minute)
		w.wantState(t, "TomVPNConn", "up")
		after := w.wantState(t, "shanghai", "up")
		if !slices.Equal(spis(before), spis(after)) || before.Session.Cookies != after.Session.Cookies {
			t.Errorf("shanghai was touched: %v, then %v", spis(before), spis(after))
		}
		if idc.wire.count() == told {
			t.Error("the changed tunnel was not negotiated again")
		}
	})
}

func TestReloadOfTheSameIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		sent := w.wire.count()
		r, err := w.Reload(t.Context())
		if err != nil || r.Summary != "0 tunnels changed, 2 untouched" || len(r.Changes) != 0 {
			t.Errorf("reloaded %+v, %v", r, err)
		}
		time.Sleep(20 * time.Second) // a little later dead peer detection asks
		if n := w.wire.count() - sent; n != 0 {
			t.Errorf("%d datagrams for nothing", n)
		}
	})
}

// While a pair moves it is guarded by the old guard and by the new one, and
// devices go last.
func TestReloadIsNeverUnguarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		old := slices.Clone(w.host().guards)
		o := two()
		o.tunnels[1].remote = "10.8.0.0/16"
		write(t, w.path, o.toml())
		if _, err := w.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"guards", "links", "policies", "routes", "links", "guards"}
		if got := w.since(); !slices.Equal(got, want) {
			t.Errorf("reloaded as %v\nwant %v", got, want)
		}
		if n := len(w.host().most); n != 3 {
			t.Errorf("guards %v during the change, want the old two and the new one", w.host().most)
		}
		if len(w.host().guards) != 2 || slices.Equal(w.host().guards, old) {
			t.Errorf("guards %v after, %v before", w.host().guards, old)
		}
	})
}

func TestBadEditChangesNothingAndTellsEveryFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		before := w.status(t)
		bad := strings.ReplaceAll(two().toml(), "10.0.1.0/24", "10.0.1.0/77")
		write(t, w.path, strings.Replace(bad, `negotiation = "active"`, `negotiation = "sometimes"`, 1))
		_, err := w.Reload(t.Context())
		var told *api.Error
		if !errors.As(err, &told) || told.Code != api.InvalidConfig || len(told.Faults) < 2 {
			t.Fatalf("reload: %v", err)
		}
		for _, f := range told.Faults {
			if f.File != w.path || f.Line == 0 || f.What == "" {
				t.Errorf("fault %+v has no place", f)
			}
		}
		if got := w.since(); len(got) != 0 {
			t.Errorf("the host was touched: %v", got)
		}
		time.Sleep(time.Minute)
		after := w.status(t)
		for i, tun := range after.Tunnels {
			if tun.State != "up" || !slices.Equal(spis(tun), spis(before.Tunnels[i])) {
				t.Errorf("%s is %s", tun.Name, tun.State)
			}
		}
		if !after.Loaded.Equal(before.Loaded) {
			t.Error("the configuration in force says that it is a new one")
		}
		write(t, w.path, two().toml())
		if r, err := w.Reload(t.Context()); err != nil || r.Changed != 0 {
			t.Errorf("after the mending: %+v, %v", r, err)
		}
	})
}

// The host refuses the new routes: what was in force is put back.
func TestReloadThatTheHostRefusesIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		policies := len(w.held(t).Policies)
		o := two()
		o.tunnels = o.tunnels[:1]
		write(t, w.path, o.toml())
		w.refuse("routes", errors.New("no such device"))
		if _, err := w.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "no such device") {
			t.Fatalf("reload: %v", err)
		}
		w.refuse("routes", nil)
		if n := len(w.held(t).Policies); n != policies {
			t.Errorf("%d policies, want the old %d", n, policies)
		}
		time.Sleep(time.Minute)
		w.wantState(t, "shanghai", "up")
		if len(w.host().guards) < 2 {
			t.Errorf("guards %v, want at least the old two", w.host().guards)
		}
		if r, err := w.Reload(t.Context()); err != nil || r.Changed != 1 {
			t.Errorf("once it can: %+v, %v", r, err)
		}
		if got := len(w.status(t).Tunnels); got != 1 {
			t.Errorf("%d tunnels", got)
		}
	})
}

// A change that takes too long is taken back in a time of its own.
func TestReloadThatTakesTooLongIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		policies := len(w.held(t).Policies)
		o := two()
		o.tunnels = o.tunnels[:1]
		write(t, w.path, o.toml())
		w.mu.Lock()
		w.slow = applyTime + time.Second
		w.mu.Unlock()
		if _, err := w.Reload(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("reload: %v", err)
		}
		if n := len(w.held(t).Policies); n != policies {
			t.Errorf("%d policies, want the old %d", n, policies)
		}
		w.mu.Lock()
		w.slow = 0
		w.mu.Unlock()
		w.finish(t)
	})
}

// The change is in force but something of the old stays behind: nobody says
// that the old is in force.
func TestReloadThatDoesNotTidyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		o := two()
		o.tunnels = o.tunnels[:1]
		write(t, w.path, o.toml())
		w.mu.Lock()
		w.fewer = errors.New("no buffer space")
		w.mu.Unlock()
		_, err := w.Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the change is in force, but old guards remain") {
			t.Fatalf("reload: %v", err)
		}
		if n := len(w.status(t).Tunnels); n != 1 {
			t.Errorf("%d tunnels", n)
		}
		w.finish(t)
		w.wantLog(t, "level=ERROR", `msg="reload failed"`, "the change is in force")
	})
}

func TestRemovedTunnelSaysGoodBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, sh := three(t)
		o := two()
		o.tunnels = o.tunnels[:1]
		write(t, w.path, o.toml())
		if _, err := w.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if n := len(sh.held(t).SAs); n != 0 {
			t.Errorf("the peer holds %d SAs of a tunnel that is no more", n)
		}
		if n := len(w.held(t).SAs); n != 2 {
			t.Errorf("%d SAs, want the two of the other tunnel", n)
		}
		if len(w.host().routes.Routes) != 1 {
			t.Errorf("routes %v", w.host().routes.Routes)
		}
	})
}

func TestDataPlaneDoesNotChangeByReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		write(t, w.path, "dataplane = \"kernel\"\n"+two().toml())
		if _, err := w.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "systemctl restart twinspand") {
			t.Errorf("reload: %v", err)
		}
		w.wantState(t, "shanghai", "up")
	})
}

func TestReloadsByMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := three(t)
		const many = 20
		ends := make(chan error, many)
		for range many {
			go func() {
				_, err := w.Reload(t.Context())
				ends <- err
			}()
		}
		for range many {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
		w.wantState(t, "shanghai", "up")
	})
}

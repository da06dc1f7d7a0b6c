package daemon

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// probing is West with a health check.
func probing() office {
	o := west()
	o.tunnels[0].extra = "health_check = { target = \"10.0.1.1\", threshold = 2 }"
	return o
}

func (m *machine) answers(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silent = !yes
}

// The probe's pings go from an address of the host in the local network, what
// they find is in the status, and the engine hears of it.
func TestProbeTellsWhetherPacketsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := newSide(t, e, probing()), newSide(t, e, east())
		x.start(t)
		w.start(t)
		time.Sleep(6 * time.Second)
		if p := w.tunnel(t, "TomVPNConn").Probe; p == nil || !strings.Contains(p.Error, "no address of this host is in [192.168.1.0/24]") || p.Passing != nil {
			t.Errorf("without an address to ping from the probe is %+v", p)
		}
		w.mu.Lock()
		w.own = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.254")}
		w.mu.Unlock()
		time.Sleep(30 * time.Second)
		p := w.wantState(t, "TomVPNConn", "up").Probe
		if p == nil || p.Passing == nil || !*p.Passing || p.RTT != 1 || p.Loss != 0 || p.Source != "192.168.1.254" || p.Error != "" {
			t.Errorf("the probe is %+v", p)
		}
		w.answers(false)
		time.Sleep(20 * time.Second)
		if p := w.tunnel(t, "TomVPNConn").Probe; p.Passing == nil || *p.Passing || p.Loss == 0 {
			t.Errorf("the probe is %+v", p)
		}
		w.wantState(t, "TomVPNConn", "established, nothing comes back")
		w.answers(true)
		time.Sleep(time.Minute)
		w.wantState(t, "TomVPNConn", "up")
		w.finish(t)
		if got := w.pinged[0]; got != "10.0.1.1 from 192.168.1.254" {
			t.Errorf("it pinged %s", got)
		}
	})
}

// A reload that takes the probe out, or changes it, forgets what it found, and
// leaves the tunnel alone.
func TestProbeGoesWithItsConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := newSide(t, e, probing()), newSide(t, e, east())
		w.own = []netip.Addr{netip.MustParseAddr("192.168.1.254")}
		x.start(t)
		w.start(t)
		time.Sleep(10 * time.Second)
		before := spis(w.wantState(t, "TomVPNConn", "up"))
		write(t, w.path, strings.Replace(probing().toml(), "10.0.1.1", "10.0.1.9", 1))
		if r, err := w.Reload(t.Context()); err != nil || len(r.Changes) != 1 || r.Changes[0].Impact != "live" {
			t.Fatalf("reloaded %+v, %v", r, err)
		}
		if p := w.tunnel(t, "TomVPNConn").Probe; p == nil || p.Target != "10.0.1.9" || p.Passing != nil {
			t.Errorf("the changed probe is %+v", p)
		}
		write(t, w.path, west().toml())
		if _, err := w.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.pinged = nil
		w.mu.Unlock()
		time.Sleep(10 * time.Second)
		tun := w.wantState(t, "TomVPNConn", "up")
		w.finish(t)
		if tun.Probe != nil || len(w.pinged) != 0 || strings.Join(spis(tun), " ") != strings.Join(before, " ") {
			t.Errorf("without the probe: %+v, pings %v, SPIs %v, before %v", tun.Probe, w.pinged, spis(tun), before)
		}
	})
}

package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

func TestTrafficOfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		for range 60 {
			if fate := x.Send(x.ifID(), answer()); fate != xfrmtest.Sent {
				t.Fatal(fate)
			}
			<-w.Inbox()
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		h, err := w.Traffic(t.Context(), api.Period{Last: time.Hour, Points: 60})
		if err != nil || h.StepSecond != 60 || len(h.Subjects) != 2 || h.To.Sub(h.From) != time.Hour {
			t.Fatalf("%+v, %v", h, err)
		}
		size := float64(answer().Size())
		for i, want := range []api.Carried{
			{Kind: api.KindGateway, Name: "G", BandwidthMbps: 10},
			{Kind: api.KindTunnel, Name: "TomVPNConn", Gateway: "G", BandwidthMbps: 10},
		} {
			got := h.Subjects[i]
			if got.Kind != want.Kind || got.Name != want.Name || got.Gateway != want.Gateway || got.BandwidthMbps != want.BandwidthMbps {
				t.Errorf("subject %d is %+v", i, got)
			}
			if got.BytesIn != uint64(60*size) || got.PacketsIn != 60 || got.BytesOut != 0 || got.In.Peak < 8*size || got.In.Peak > 9*size || got.Out.Peak != 0 {
				t.Errorf("%s carried %d bytes, %d packets, in %+v, out %+v", got.Name, got.BytesIn, got.PacketsIn, got.In, got.Out)
			}
			if len(got.Points) != 60 || got.Points[0].Known || !got.Points[59].Known {
				t.Errorf("%d points, the first and the last of which are %+v", len(got.Points), got.Points)
			}
		}
		one, err := w.Traffic(t.Context(), api.Period{Name: "TomVPNConn"})
		if err != nil || len(one.Subjects) != 1 || one.StepSecond != 10 || len(one.Subjects[0].Points) != 360 {
			t.Errorf("of one: %d subjects, %v", len(one.Subjects), err)
		}
		if _, err := w.Traffic(t.Context(), api.Period{Name: "nobody"}); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
			t.Errorf("of nobody: %v", err)
		}
	})
}

func TestStepFor(t *testing.T) {
	for _, tc := range []struct {
		length time.Duration
		points int
		want   time.Duration
	}{
		{time.Hour, 360, 10 * time.Second}, {time.Hour, 60, time.Minute}, {24 * time.Hour, 360, 4 * time.Minute},
		{time.Hour, 100, 40 * time.Second}, {10 * time.Second, 60, 10 * time.Second},
	} {
		if got := stepFor(tc.length, tc.points); got != tc.want {
			t.Errorf("%v in %d points: %v each, want %v", tc.length, tc.points, got, tc.want)
		}
	}
}

func TestDetailsOfEveryKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, _ := pair(t, e)
		time.Sleep(time.Second)
		g, err := w.Details(t.Context(), "G")
		if err != nil || g.CustomerGateway != nil || g.Tunnel != nil {
			t.Fatalf("%+v, %v", g, err)
		}
		if d := g.Gateway; d.Region != "Guangzhou" || d.CIDR[0] != "192.168.0.0/16" || d.MTU != 1400 || len(d.Tunnels) != 1 || d.Tunnels[0].State != "up" ||
			d.Routes[0] != (api.GatewayRoute{Table: "main", Destination: "10.0.1.0/24"}) || !strings.Contains(d.Defined, "twinspan.toml:") {
			t.Errorf("gateway %+v", d)
		}
		c, err := w.Details(t.Context(), "at TomVPNConn")
		if err != nil || c.CustomerGateway == nil || c.CustomerGateway.PublicIP != "202.108.22.5" || c.CustomerGateway.Tunnels[0].Peer != "G" {
			t.Errorf("customer gateway %+v, %v", c.CustomerGateway, err)
		}
		tun, err := w.Details(t.Context(), "TomVPNConn")
		if err != nil || tun.Tunnel == nil {
			t.Fatalf("%+v, %v", tun, err)
		}
		if d := tun.Tunnel; d.State != "up" || d.IKE.Mode != "MAIN" || d.IKE.LifetimeSecond != 86400 || d.IPsec.LifetimeSecond != 3600 ||
			len(d.IKE.Proposals) == 0 || len(d.IPsec.Proposals) == 0 || d.Policies[0].Local != "192.168.1.0/24" || d.Policies[0].Peer[0] != "10.0.1.0/24" {
			t.Errorf("tunnel %+v", d)
		}
		if _, err := w.Details(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
			t.Errorf("of nobody: %v", err)
		}
	})
}

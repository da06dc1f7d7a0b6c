package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// office is a status with a tunnel in each state.
func office() api.Status {
	pair := func(local, remote string, up bool) api.Pair {
		p := api.Pair{Local: local, Remote: remote, Up: up, Since: ago(time.Hour), Renews: noon.Add(41 * time.Minute)}
		if up {
			p.Child = &api.Child{SPIIn: "0xc0de0001", SPIOut: "0x0000c0de", Suite: "aes256-sha256-group14",
				LifetimeSecond: 3600, Expires: noon.Add(45 * time.Minute), Encapsulation: strings.HasPrefix(remote, "10.0.2")}
		}
		return p
	}
	return api.Status{
		Version: api.Schema, Time: noon, Program: "9.9", DataPlane: "userspace",
		Warnings: []string{"ESP runs in user space, slower than in the kernel: try modprobe esp4"},
		Gateways: []api.Gateway{
			{Name: "TomVPNGw", PublicIP: "203.195.147.82", BandwidthMbps: 10, Device: "twin0a0b",
				Traffic: api.Traffic{BytesIn: 1_234_000_000, BytesOut: 310_000_000, PacketsIn: 1, PacketsOut: 1}},
		},
		Tunnels: []api.Tunnel{
			{Name: "TomVPNConn", Gateway: "TomVPNGw", CustomerGateway: "TomVPNUserGw", Local: "203.195.147.82", Remote: "202.108.22.5",
				Start: "active", State: "up", Since: ago(3*time.Hour + 12*time.Minute), PairsUp: 2, Renews: noon.Add(41 * time.Minute),
				DPD:   api.DPD{Action: "restart", DelaySecond: 30, TimeoutSecond: 120},
				Probe: &api.Probe{Target: "10.0.1.1", Source: "192.168.1.254", Passing: new(true), RTT: 12.3, Loss: 0.05},
				Session: &api.Session{Cookies: "0102_i 0304_r", Local: "203.195.147.82:4500", Remote: "202.108.22.5:4500", Initiator: true,
					Mode: "main mode", Proposal: "aes256-sha256-group14", PeerID: "202.108.22.5", NAT: "there", OldKey: true,
					Established: ago(3 * time.Hour), Renews: noon.Add(19 * time.Hour), Expires: noon.Add(21 * time.Hour)},
				Pairs:   []api.Pair{pair("192.168.1.0/24", "10.0.1.0/24", true), pair("192.168.1.0/24", "10.0.2.0/24", true)},
				Traffic: api.Traffic{BytesIn: 1_234_000_000, BytesOut: 310_000_000, PacketsIn: 999, PacketsOut: 1, ReplayErrors: 3}},
			{Name: "shanghai", Remote: "198.51.100.7", Start: "active", State: "negotiating", Since: ago(4*time.Minute + 12*time.Second),
				Try: 9, NextTry: noon.Add(12 * time.Second), Pairs: []api.Pair{pair("10.9.0.0/16", "10.1.0.0/16", false)},
				Fault: &api.Fault{Cause: "proposal", Text: "no proposal in common", Ours: "aes256-sha1-group2", Theirs: "aes256-sha1-group14",
					Advice: `set dh_group = "GROUP14" in [vpn_tunnel.shanghai.ike]`}},
			{Name: "上海办公室", Remote: "198.51.100.8", Start: "active", State: "partly up", Since: ago(30 * time.Second), PairsUp: 1,
				Pairs: []api.Pair{pair("10.9.0.0/16", "10.2.0.0/16", true), pair("10.9.0.0/16", "10.3.0.0/16", false)}},
			{Name: "lazy", Remote: "198.51.100.9", Start: "flow_trigger", State: "down", Since: ago(50 * time.Hour), Pairs: make([]api.Pair, 3)},
			{Name: "off", Remote: "2001:db8::1", Start: "passive", State: "disabled", Since: ago(time.Second), Pairs: make([]api.Pair, 1)},
		},
	}
}

func TestStatusTable(t *testing.T) {
	socket := serve(t, &canned{status: office()})
	for _, tc := range []struct {
		file string
		seat seat
		args []string
	}{
		{"status.txt", seat{}, nil},
		{"status-colour.txt", seat{tty: true}, nil},
		{"status.txt", seat{tty: true, env: map[string]string{"NO_COLOR": "1"}}, nil},
		{"status.txt", seat{tty: true, env: map[string]string{"TERM": "dumb"}}, nil},
		{"tunnel-up.txt", seat{}, []string{"TomVPNConn"}},
		{"tunnel-negotiating.txt", seat{}, []string{"shanghai"}},
	} {
		code, out, errs := tc.seat.run(t, append([]string{"status", "--socket", socket}, tc.args...)...)
		if code != exitDone || errs != "" {
			t.Errorf("%s: exit %d, %s", tc.file, code, errs)
		}
		golden(t, tc.file, out)
	}
}

func TestStatusJSONIsTheDaemonsDocument(t *testing.T) {
	socket := serve(t, &canned{status: office()})
	for args, want := range map[string]int{"": 5, "上海办公室": 1} {
		_, out, _ := seat{}.run(t, append([]string{"status", "--json", "--socket", socket}, strings.Fields(args)...)...)
		var s api.Status
		if err := json.Unmarshal([]byte(out), &s); err != nil || s.Version != api.Schema || len(s.Tunnels) != want {
			t.Errorf("%q: %v, version %d, %d tunnels\n%s", args, err, s.Version, len(s.Tunnels), out)
		}
		if !s.Time.Equal(noon) {
			t.Errorf("time %v, want %v", s.Time, noon)
		}
	}
}

func TestWordsOfThePeerCannotCommandTheTerminal(t *testing.T) {
	s := office()
	s.Tunnels = s.Tunnels[:2]
	s.Tunnels[0].Session.PeerID = "\x1b[2Jgone\a"
	s.Tunnels[1].Fault.Theirs = "\x1b]0;owned\x07\nsecond line"
	socket := serve(t, &canned{status: s})
	for _, args := range [][]string{{"status"}, {"status", "TomVPNConn"}, {"status", "shanghai"}} {
		_, out, _ := seat{}.run(t, append(args, "--socket", socket)...)
		if strings.ContainsAny(out, "\x1b\a") || strings.Contains(out, "\nsecond") {
			t.Errorf("%v: %q", args, out)
		}
	}
}

func TestWatchGoesOnUntilInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := &counting{canned: canned{status: office()}, third: cancel}
	code, out, errs := seat{tty: true, ctx: ctx}.run(t, "status", "--watch=100ms", "--socket", serve(t, d))
	if code != exitDone || errs != "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	if n := strings.Count(out, clearScreen); n < 2 || n > 3 {
		t.Errorf("the screen was drawn %d times, want it cleared for each of 2 or 3", n)
	}
}

// counting calls third at the third status.
type counting struct {
	canned
	n     int
	third func()
}

func (d *counting) Status(ctx context.Context) (api.Status, error) {
	if d.n++; d.n == 3 {
		d.third()
	}
	return d.canned.Status(ctx)
}

func TestAmount(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 999: "999", 1000: "1.0K", 1234: "1.2K", 9949: "9.9K", 9951: "10K", 999_499: "999K", 999_500: "1.0M",
		310_000_000: "310M", 1_234_000_000: "1.2G", 1 << 63: "9.2E",
	} {
		if got := amount(n); got != want {
			t.Errorf("amount(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 59999 * time.Millisecond: "59s", time.Minute: "1m00s", 252 * time.Second: "4m12s",
		3*time.Hour + 12*time.Minute: "3h12m", 50 * time.Hour: "2d02h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
	}
}

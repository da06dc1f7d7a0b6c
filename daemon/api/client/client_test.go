package client

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// daemon is a Daemon whose words are given.
type daemon struct {
	up     api.Tunnel
	err    error
	events chan api.Event
	rekey  api.Rekey
	wanted api.Wanted
}

func (d *daemon) Status(context.Context) (api.Status, error) {
	return api.Status{Version: api.Schema, Tunnels: []api.Tunnel{d.up}}, d.err
}
func (d *daemon) Up(_ context.Context, name string) (api.Tunnel, error) {
	d.up.Name = name
	return d.up, d.err
}
func (d *daemon) Down(ctx context.Context, name string) (api.Tunnel, error) { return d.Up(ctx, name) }
func (d *daemon) Rekey(ctx context.Context, name string, what api.Rekey) (api.Tunnel, error) {
	d.rekey = what
	return d.Up(ctx, name)
}
func (d *daemon) Reload(context.Context) (api.Reloaded, error) {
	return api.Reloaded{Changed: 2, Untouched: 24}, d.err
}
func (d *daemon) Alarms(context.Context) (api.Alarms, error) {
	return api.Alarms{Version: api.Schema, Policies: []api.AlarmPolicy{{Name: "down"}}}, nil
}
func (d *daemon) TestReceiver(_ context.Context, name string) error {
	if name != "ops" {
		return &api.Error{Code: api.NotFound, Message: "no receiver " + name}
	}
	return nil
}
func (d *daemon) Silence(_ context.Context, s api.Silence) (api.Alarms, error) {
	return api.Alarms{Version: api.Schema, Silences: []api.Silence{s}}, nil
}
func (d *daemon) Why(_ context.Context, name string) (api.Why, error) {
	return api.Why{Version: api.Schema, Tunnel: name}, d.err
}
func (d *daemon) Traffic(_ context.Context, p api.Period) (api.History, error) {
	return api.History{Subjects: []api.Carried{{Name: p.Name, BandwidthMbps: p.Points, KnownSecond: int64(p.Last.Seconds())}}}, nil
}

func (d *daemon) Details(_ context.Context, name string) (api.Details, error) {
	return api.Details{Tunnel: &api.TunnelDetails{Tunnel: api.Tunnel{Name: name}}}, nil
}

func (d *daemon) Events(_ context.Context, w api.Wanted) (<-chan api.Event, error) {
	d.wanted = w
	return d.events, d.err
}

func dial(t *testing.T, d api.Daemon) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := api.NewServer(d, "1.2.3")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return New(path)
}

func TestCalls(t *testing.T) {
	// Names that a path, a query or a pattern would trip over.
	for _, name := range []string{"TomVPNConn", "上海 办公室", "a/b?c#d%20", "up"} {
		d := &daemon{up: api.Tunnel{State: "negotiating"}}
		c := dial(t, d)
		for verb, call := range map[string]func(context.Context, string) (api.Tunnel, error){"up": c.Up, "down": c.Down} {
			got, err := call(t.Context(), name)
			if err != nil || got.Name != name || got.State != "negotiating" {
				t.Errorf("%s %q: %+v, %v", verb, name, got, err)
			}
		}
	}
	d := &daemon{}
	c := dial(t, d)
	what := api.Rekey{Phase: api.RekeyIPsec, Local: "10.1.0.0/16", Remote: "2001:db8::/32"}
	if got, err := c.Rekey(t.Context(), "a/b?c", what); err != nil || got.Name != "a/b?c" || d.rekey != what {
		t.Errorf("rekey: %+v, %v, asked for %+v", got, err, d.rekey)
	}
	if v, err := c.Version(t.Context()); err != nil || v.Program != "1.2.3" {
		t.Errorf("version: %+v, %v", v, err)
	}
	if s, err := c.Status(t.Context()); err != nil || len(s.Tunnels) != 1 {
		t.Errorf("status: %+v, %v", s, err)
	}
	if w, err := c.Why(t.Context(), "上海/1"); err != nil || w.Tunnel != "上海/1" {
		t.Errorf("why: %+v, %v", w, err)
	}
	if a, err := c.Alarms(t.Context()); err != nil || len(a.Policies) != 1 {
		t.Errorf("alarms: %+v, %v", a, err)
	}
	if r, err := c.TestReceiver(t.Context(), "ops"); err != nil || r.Receiver != "ops" {
		t.Errorf("test: %+v, %v", r, err)
	}
	if a, err := c.Silence(t.Context(), "a b", "上海/1", time.Hour); err != nil || a.Silences[0].Alarm != "a b" || a.Silences[0].Object != "上海/1" || time.Until(a.Silences[0].Until) < 59*time.Minute {
		t.Errorf("silence: %+v, %v", a, err)
	}
	if r, err := c.Reload(t.Context()); err != nil || r.Changed != 2 || r.Untouched != 24 {
		t.Errorf("reload: %+v, %v", r, err)
	}
}

func TestErrorsKeepWhatTheDaemonSaid(t *testing.T) {
	fault := api.ConfigFault{File: "edge.toml", Line: 41, What: "cidr is not a network", Do: `write "10.0.0.0/24"`}
	c := dial(t, &daemon{err: &api.Error{Code: api.InvalidConfig, Message: "invalid", Faults: []api.ConfigFault{fault}}})
	_, err := c.Reload(t.Context())
	var told *api.Error
	if !errors.As(err, &told) || told.Code != api.InvalidConfig || len(told.Faults) != 1 || told.Faults[0] != fault {
		t.Fatalf("error %+v", err)
	}
	if want := "invalid\nedge.toml:41: cidr is not a network; write \"10.0.0.0/24\""; err.Error() != want {
		t.Errorf("it reads %q, want %q", err, want)
	}
}

func TestNobodyThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	_, err := New(path).Status(t.Context())
	var gone *Unreachable
	if !errors.As(err, &gone) || gone.Socket != path || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
}

func TestDaemonThatHangsUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	_, err = New(path).Status(t.Context())
	var gone *Unreachable
	if !errors.As(err, &gone) {
		t.Errorf("a daemon that hangs up: %v", err)
	}
}

// A daemon that is stopped or hangs still has its connections accepted, by the
// kernel.
func TestDaemonThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := New(path)
	transport := c.http.Transport.(*http.Transport)
	if transport.ResponseHeaderTimeout != answerTime {
		t.Errorf("it waits for %v", transport.ResponseHeaderTimeout)
	}
	transport.ResponseHeaderTimeout = 50 * time.Millisecond
	_, err = c.Status(t.Context())
	var gone *Unreachable
	if !errors.As(err, &gone) {
		t.Errorf("a daemon that hangs: %v", err)
	}
}

func TestEvents(t *testing.T) {
	d := &daemon{events: make(chan api.Event, 2)}
	c := dial(t, d)
	wanted := api.Wanted{Tunnel: "上海", Since: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), Last: 7, Follow: true}
	events, err := c.Events(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	if d.wanted != wanted {
		t.Errorf("the daemon was asked for %+v", d.wanted)
	}
	d.events <- api.Event{Kind: "message out", Step: "MM1"}
	d.events <- api.Event{Kind: "tunnel changed", State: "up"}
	close(d.events)
	for _, want := range []string{"message out", "tunnel changed"} {
		if e, err := events.Next(); err != nil || e.Kind != want {
			t.Errorf("event %+v, %v; want %s", e, err, want)
		}
	}
	if _, err := events.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestCancelledCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(t, &daemon{}).Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsAskedOfTheHistory(t *testing.T) {
	c := dial(t, &daemon{})
	for _, tc := range []struct{ asked, want api.Period }{
		{api.Period{Name: "汤姆/1", Last: 6 * time.Hour, Points: 7}, api.Period{Name: "汤姆/1", Last: 6 * time.Hour, Points: 7}},
		{api.Period{}, api.Period{Last: api.DefaultPeriod, Points: api.DefaultPoints}},
	} {
		h, err := c.Traffic(t.Context(), tc.asked)
		if err != nil || len(h.Subjects) != 1 {
			t.Fatalf("%+v, %v", h, err)
		}
		got := h.Subjects[0]
		if got.Name != tc.want.Name || got.BandwidthMbps != tc.want.Points || got.KnownSecond != int64(tc.want.Last.Seconds()) {
			t.Errorf("asked for %+v, the daemon heard %+v", tc.asked, got)
		}
	}
	for _, last := range []time.Duration{-time.Second, api.LongestPeriod + time.Second} {
		if _, err := c.Traffic(t.Context(), api.Period{Last: last}); err == nil {
			t.Errorf("the traffic of %v was given", last)
		}
	}
	if d, err := c.Details(t.Context(), "汤姆/1"); err != nil || d.Tunnel.Name != "汤姆/1" {
		t.Errorf("%+v, %v", d, err)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/api/client"
)

var update = flag.Bool("update", false, "write testdata/*.txt anew")

// noon is when the canned daemon answers.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// canned is a daemon whose words are given.
type canned struct {
	status   api.Status
	reloaded api.Reloaded
	err      error
	why      api.Why
	history  api.History
	details  api.Details
	alarms   api.Alarms
	events   []api.Event
	wanted   api.Wanted
	end      bool // the stream ends after events
	asked    []string
}

func (d *canned) Status(context.Context) (api.Status, error) { return d.status, d.err }
func (d *canned) Up(_ context.Context, name string) (api.Tunnel, error) {
	d.asked = append(d.asked, "up "+name)
	return d.tunnel(name)
}
func (d *canned) Down(_ context.Context, name string) (api.Tunnel, error) {
	d.asked = append(d.asked, "down "+name)
	return d.tunnel(name)
}
func (d *canned) Rekey(_ context.Context, name string, what api.Rekey) (api.Tunnel, error) {
	d.asked = append(d.asked, strings.TrimSpace("rekey "+name+" "+what.Phase))
	return d.tunnel(name)
}
func (d *canned) Reload(context.Context) (api.Reloaded, error) { return d.reloaded, d.err }

func (d *canned) Why(_ context.Context, name string) (api.Why, error) {
	d.asked = append(d.asked, "why "+name)
	if d.why.Tunnel != name {
		return api.Why{}, &api.Error{Code: api.NotFound, Message: "no tunnel " + name}
	}
	return d.why, d.err
}

func (d *canned) Traffic(_ context.Context, p api.Period) (api.History, error) {
	d.asked = append(d.asked, fmt.Sprintf("traffic %s %v", p.Name, p.Last))
	return d.history, d.err
}

func (d *canned) Details(_ context.Context, name string) (api.Details, error) {
	if d.details.Gateway == nil && d.details.CustomerGateway == nil && d.details.Tunnel == nil {
		return api.Details{}, &api.Error{Code: api.NotFound, Message: "nothing is called " + name}
	}
	return d.details, d.err
}

func (d *canned) Alarms(context.Context) (api.Alarms, error) { return d.alarms, d.err }

func (d *canned) TestReceiver(_ context.Context, name string) error {
	d.asked = append(d.asked, "test "+name)
	if name == "dead" {
		return &api.Error{Code: api.Failed, Message: `receiver "dead" did not take it: connection refused`}
	}
	return d.err
}

func (d *canned) Silence(_ context.Context, s api.Silence) (api.Alarms, error) {
	d.asked = append(d.asked, fmt.Sprintf("silence %q %q for %v", s.Alarm, s.Object, time.Until(s.Until).Round(time.Minute)))
	doc := d.alarms
	s.Until = doc.Time.Add(time.Until(s.Until).Round(time.Minute))
	doc.Silences = append(doc.Silences, s)
	return doc, d.err
}

func (d *canned) Events(ctx context.Context, w api.Wanted) (<-chan api.Event, error) {
	d.asked, d.wanted = append(d.asked, "events "+w.Tunnel), w
	if d.err != nil {
		return nil, d.err
	}
	c := make(chan api.Event, len(d.events))
	for _, e := range d.events {
		c <- e
	}
	if d.end || !w.Follow {
		close(c)
	} else {
		context.AfterFunc(ctx, func() { close(c) })
	}
	return c, nil
}

func (d *canned) tunnel(name string) (api.Tunnel, error) {
	for _, t := range d.status.Tunnels {
		if t.Name == name {
			return t, d.err
		}
	}
	return api.Tunnel{}, &api.Error{Code: api.NotFound, Message: "no tunnel " + name}
}

// serve puts d on a socket.
func serve(t *testing.T, d api.Daemon) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "control.sock")
	l, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	s := api.NewServer(d, "9.9")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return socket
}

// seat is a terminal of make-believe.
type seat struct {
	env map[string]string
	tty bool
	ctx context.Context
}

// type runs a command and returns what came of it.
func (s seat) run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	if s.ctx == nil {
		s.ctx = t.Context()
	}
	var stdout, stderr bytes.Buffer
	code = run(s.ctx, args, terminal{&stdout, &stderr, func(k string) string { return s.env[k] }, s.tty, time.UTC})
	return code, stdout.String(), stderr.String()
}

// golden compares with testdata/name, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestExitCodes(t *testing.T) {
	up := &canned{status: api.Status{Tunnels: []api.Tunnel{{Name: "a", State: "up"}}}}
	half := &canned{status: api.Status{Tunnels: []api.Tunnel{{Name: "a", State: "up"}, {Name: "b", State: "down"}}}}
	none := &canned{status: api.Status{Tunnels: []api.Tunnel{{Name: "a", State: "negotiating"}, {Name: "b", State: "disabled"}}}}
	off := &canned{status: api.Status{Tunnels: []api.Tunnel{{Name: "b", State: "disabled"}}}}
	broken := &canned{err: errors.New("the machine is on fire")}
	denied := &canned{err: &api.Error{Code: api.Forbidden, Message: "you may not"}}
	invalid := &canned{err: &api.Error{Code: api.InvalidConfig, Message: "invalid", Faults: []api.ConfigFault{{File: "a.toml", Line: 3, What: "no"}}}}
	for _, tc := range []struct {
		name   string
		daemon *canned // nil: nobody there
		args   string
		code   int
		says   string // in either output
	}{
		{"all is well", up, "status", exitDone, "up"},
		{"the machine fails", broken, "status", exitFailed, "on fire"},
		{"a tunnel that is not there", up, "status nobody", exitFailed, "there are: a"},
		{"down of one that is not there", up, "down nobody", exitFailed, "no tunnel nobody"},
		{"why of one that is not there", up, "why nobody", exitFailed, "no tunnel nobody"},
		{"why without a daemon", nil, "why a", exitUnreachable, "systemctl status twinspand"},
		{"log without a daemon", nil, "log", exitUnreachable, "control.sock"},
		{"names to explain", up, "__complete why ", exitDone, "a\n"},
		{"names to follow", up, "__complete log ", exitDone, "a\n"},
		{"no such command", nil, "stauts", exitUsage, "unknown command"},
		{"no such flag", nil, "status --jsno", exitUsage, "unknown flag"},
		{"too many words", nil, "reload now", exitUsage, "unknown command"},
		{"a tunnel is missing", nil, "up", exitUsage, "1 arg"},
		{"a time in the wrong place", nil, "up a --wait 5s", exitUsage, "--wait=5s"},
		{"both at once", nil, "status --watch --check", exitUsage, "watch"},
		{"nobody there", nil, "status", exitUnreachable, "systemctl status twinspand"},
		{"nobody to reload", nil, "reload", exitUnreachable, "control.sock"},
		{"an invalid file", invalid, "reload", exitInvalid, "a.toml:3: no"},
		{"not permitted", denied, "down a", exitFailed, "no tunnel a"},
		{"not permitted to reload", denied, "reload", exitNotPermitted, "you may not"},
		{"probe: all up", up, "status --check", 0, "up"},
		{"probe: some up", half, "status --check", 1, "down"},
		{"probe: none up", none, "status --check", 2, "negotiating"},
		{"probe: none wanted", off, "status --check", 0, "disabled"},
		{"version without a daemon", nil, "version", exitDone, "does not answer"},
		{"version", up, "version", exitDone, "twinspand 9.9"},
		{"help", nil, "", exitDone, "Available Commands"},
		{"completion", nil, "completion bash", exitDone, "bash completion"},
		{"names to complete", up, "__complete up ", exitDone, "a\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "control.sock")
			if tc.daemon != nil {
				socket = serve(t, tc.daemon)
			}
			args := strings.Split(tc.args, " ")
			if tc.args == "" {
				args = []string{}
			}
			code, out, errs := seat{env: map[string]string{socketVariable: socket}}.run(t, args...)
			if code != tc.code || !strings.Contains(out+errs, tc.says) {
				t.Errorf("exit %d, want %d; output must have %q:\n%s%s", code, tc.code, tc.says, out, errs)
			}
		})
	}
}

func TestSocketFlagGoesBeforeTheEnvironment(t *testing.T) {
	socket := serve(t, &canned{})
	code, out, errs := seat{env: map[string]string{socketVariable: "/nowhere"}}.run(t, "status", "--socket", socket)
	if code != exitDone || !strings.Contains(out, "no tunnel is configured") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
}

func TestSocketThatIsNotForUs(t *testing.T) {
	denied := &client.Unreachable{Socket: "control.sock", Err: &net.OpError{Op: "dial", Err: syscall.EACCES}}
	var e exit
	if err := failed(denied); !errors.As(err, &e) || e.code != exitNotPermitted || !strings.Contains(err.Error(), "group twinspan") {
		t.Errorf("%v", err)
	}
}

func TestReloadTellsWhatChanged(t *testing.T) {
	d := &canned{reloaded: api.Reloaded{
		Summary: "2 tunnels changed, 24 untouched",
		Changes: []api.Change{
			{Tunnel: "shanghai", Impact: "restart", What: "the pre-shared key changed"},
			{Object: "gateway TomVPNGw", Impact: "live", What: "bandwidth_mbps from 10 to 20"},
		},
		Warnings: []api.ConfigFault{{File: "edge.toml", Line: 9, What: "DES-CBC is broken", Do: "write AES-CBC-256"}},
	}}
	code, out, errs := seat{}.run(t, "reload", "--socket", serve(t, d))
	if code != exitDone {
		t.Errorf("exit %d", code)
	}
	golden(t, "reload.txt", out+errs)
}

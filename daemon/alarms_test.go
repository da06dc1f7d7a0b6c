package daemon

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// watched is West with alarms for the things that this test can bring about.
const watched = `
[receiver.program]
type = "hook"
command = ["/bin/true"]
[alarm.down]
type = "vpn_tunnel"
condition = "state"
receivers = "program"
[alarm.alone]
type = "vpn_gateway"
condition = "state"
receivers = "program"
[alarm.config]
type = "vpn_gateway"
condition = "bad_configuration"
for_seconds = 0
receivers = "program"
[alarm.busy]
type = "vpn_gateway"
condition = "share_above"
threshold = 50
for_seconds = 20
receivers = "program"
[alarm.idle]
type = "vpn_tunnel"
condition = "traffic_below"
threshold = 1
for_seconds = 20
receivers = "program"
`

// firing are the alarms that fire, and of which object.
func (s *side) firing(t *testing.T) string {
	t.Helper()
	doc, err := s.Alarms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range doc.Standing {
		if a.Firing {
			all = append(all, strings.TrimSpace(a.Alarm+" "+a.Object))
		}
	}
	return strings.Join(all, ", ")
}

// What the loop observes makes alarms, and ends them: a tunnel without its peer, a
// gateway without a tunnel, the share of its bandwidth, a file that is refused.
func TestTheLoopWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := newSide(t, e, west()), newSide(t, e, east())
		write(t, w.path, west().toml()+watched)
		w.start(t)
		time.Sleep(59 * time.Second)
		if got := w.firing(t); got != "idle TomVPNConn" {
			t.Errorf("before its time: %s", got)
		}
		time.Sleep(5 * time.Second)
		if got := w.firing(t); got != "alone G, down TomVPNConn, idle TomVPNConn" {
			t.Errorf("without the peer: %s", got)
		}
		x.start(t)
		time.Sleep(2 * time.Minute)
		w.wantState(t, "TomVPNConn", "up")
		for range 40 { // of 10 Mbit/s: 8
			if fate := w.Send(w.ifID(), packet(1_000_000)); fate != xfrmtest.Sent {
				t.Fatal(fate)
			}
			time.Sleep(time.Second)
		}
		if got := w.firing(t); got != "busy G" {
			t.Errorf("under load: %s", got)
		}
		write(t, w.path, west().toml()+watched+"nonsense = 1\n")
		if _, err := w.Reload(t.Context()); err == nil {
			t.Error("nonsense was loaded")
		}
		time.Sleep(time.Minute)
		if got := w.firing(t); got != "config, idle TomVPNConn" {
			t.Errorf("with a bad file: %s", got)
		}
		write(t, w.path, west().toml()+watched)
		if _, err := w.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if got := w.firing(t); got != "idle TomVPNConn" {
			t.Errorf("with a good file: %s", got)
		}
		w.finish(t)
		x.finish(t)
	})
}

// A receiver is tested without waiting for an alarm, one that is not there is said
// so, and a silence is kept over a restart.
func TestTestsAndSilences(t *testing.T) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newSide(t, &ether{}, west())
		write(t, w.path, west().toml()+watched+"[receiver.broken]\ntype = \"hook\"\ncommand = \"/bin/false\"\n")
		w.kept = state
		w.start(t)
		if err := w.TestReceiver(t.Context(), "program"); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]string{"broken": "exit status 1", "nobody": "no receiver"} {
			if err := w.TestReceiver(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		until := time.Now().Add(time.Hour)
		if doc, err := w.Silence(t.Context(), api.Silence{Alarm: "down", Until: until}); err != nil || len(doc.Silences) != 1 {
			t.Errorf("%+v, %v", doc.Silences, err)
		}
		for _, s := range []api.Silence{{Alarm: "dwon", Until: until}, {Object: "nothing", Until: until}} {
			if _, err := w.Silence(t.Context(), s); err == nil || !strings.Contains(err.Error(), "no ") {
				t.Errorf("%+v: %v", s, err)
			}
		}
		w.finish(t)
		w.start(t)
		if doc, err := w.Alarms(t.Context()); err != nil || len(doc.Silences) != 1 || !doc.Silences[0].Until.Equal(until.Truncate(time.Millisecond)) {
			t.Errorf("after the restart: %+v, %v", doc.Silences, err)
		}
		w.finish(t)
		file := filepath.Join(state, "alarms.json")
		if data, err := os.ReadFile(file); err != nil || !json.Valid(data) {
			t.Errorf("%v: %s", err, data)
		}
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.start(t) // a damaged file is no reason not to
		w.wantLog(t, "level=WARN", "alarms.json")
		w.finish(t)
	})
}

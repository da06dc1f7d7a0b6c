package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// happened is what a log may have.
func happened() []api.Event {
	key := &api.Fault{Cause: "authentication", Text: "the pre-shared keys differ", Advice: "compare them"}
	pair := &api.Pair{Local: "192.168.1.0/24", Remote: "10.0.1.0/24"}
	up := *pair
	up.Child = &api.Child{Suite: "aes128-sha1", Encapsulation: true}
	list := []api.Event{
		{Kind: "message out", Tunnel: "a", Exchange: "main mode", Step: "MM1", Bytes: 180},
		{Kind: "refused", Tunnel: "b\x1b[2J", Step: "MM5", Fault: key},
		{Kind: "repeated", Tunnel: "b", Repeats: "trouble", Suppressed: 719, Fault: &api.Fault{Cause: "authentication", Text: "trouble, more of the same"}},
		{Kind: "session up", Tunnel: "a", Session: &api.Session{Mode: "main mode", Remote: "202.108.22.5:500", Proposal: "aes128-sha1-group14"}},
		{Kind: "child up", Tunnel: "a", Pair: &up},
		{Kind: "tunnel changed", Tunnel: "a", State: "up"},
		{Kind: "peer moved", Tunnel: "a", Remote: "202.108.22.5:1024", Lost: 3},
		{Kind: "child down", Tunnel: "a", Pair: pair, Fault: &api.Fault{Cause: "expired", Text: "the SA reached the end of its lifetime"}},
		{Kind: "refused", Fault: &api.Fault{Cause: "unknown peer", Text: "nobody is configured with that address"}},
	}
	for i := range list {
		list[i].Time = noon.Add(time.Duration(i) * time.Second)
	}
	return list
}

func TestLog(t *testing.T) {
	d := &canned{events: happened()}
	code, out, errs := seat{env: map[string]string{"LANG": "en_US.UTF-8"}}.run(t, "log", "--socket", serve(t, d))
	if code != exitDone || errs != "" || d.wanted != (api.Wanted{Last: 100}) {
		t.Errorf("exit %d, %s, asked for %+v", code, errs, d.wanted)
	}
	golden(t, "log.txt", out)
	_, out, _ = seat{}.run(t, "log", "a", "--messages", "-n", "3", "--socket", serve(t, d))
	if !strings.Contains(out, "-> MM1") || strings.Contains(out, "  a  ") || d.wanted != (api.Wanted{Tunnel: "a", Last: 3}) {
		t.Errorf("asked for %+v:\n%s", d.wanted, out)
	}
	_, out, _ = seat{}.run(t, "log", "--json", "--since", "1h", "--socket", serve(t, d))
	if d.wanted.Last < 1000 || time.Since(d.wanted.Since) < time.Hour {
		t.Errorf("asked for %+v", d.wanted)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var e api.Event
	if err := json.Unmarshal([]byte(lines[0]), &e); err != nil || len(lines) != len(happened())-1 || e.Kind != "refused" {
		t.Errorf("%d lines, %v:\n%s", len(lines), err, out)
	}
}

func TestLogFollowsUntilInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	d := &canned{events: happened()}
	code, out, errs := seat{ctx: ctx}.run(t, "log", "-f", "--socket", serve(t, d))
	if code != exitDone || errs != "" || !d.wanted.Follow || !strings.Contains(out, "tunnel is up") {
		t.Errorf("exit %d, %s:\n%s", code, errs, out)
	}
	d.end = true
	if code, _, errs := (seat{}).run(t, "log", "-f", "--socket", serve(t, d)); code != exitUnreachable {
		t.Errorf("the daemon stopped: exit %d, %s", code, errs)
	}
}

func TestMoments(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 30, 0, 0, time.FixedZone("", 8*3600))
	for text, want := range map[string]string{
		"2h": "2026-03-04T10:30:00+08:00", "-90s": "2026-03-04T12:28:30+08:00", "09:05": "2026-03-04T09:05:00+08:00",
		"09:05:07": "2026-03-04T09:05:07+08:00", "2026-03-01": "2026-03-01T00:00:00+08:00",
		"2026-03-01 07:08": "2026-03-01T07:08:00+08:00", "2026-03-01T00:00:00Z": "2026-03-01T00:00:00Z",
	} {
		if got, err := moment(text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s is %v, %v; want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
	if code, _, errs := (seat{}).run(t, "log", "--since", "yesterday"); code != exitUsage || !strings.Contains(errs, "write 2h") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// night is a night with alarms.
func night() api.Alarms {
	return api.Alarms{
		Version: api.Schema, Time: noon,
		Policies: []api.AlarmPolicy{
			{Name: "down", Type: "vpn_tunnel", Condition: "state", ForSecond: 60, Receivers: []string{"ops", "pager"}},
			{Name: "slow", Type: "vpn_tunnel", Condition: "delay_above", Threshold: 200, Unit: "ms", ForSecond: 120, Objects: []string{"上海", "beijing"}, Receivers: []string{"ops"}},
		},
		Receivers: []api.Receiver{{Name: "ops", Type: "email", Where: "mail to ops@example.com"}, {Name: "dead", Type: "webhook", Where: "webhook at https://x"}},
		Standing: []api.Alarm{
			{Alarm: "down", Object: "上海", Since: ago(4*time.Minute + 12*time.Second), Firing: true, Text: `tunnel "上海" is negotiating: no proposal in common`},
			{Alarm: "down", Object: "lazy\x1b[2J", Since: ago(12 * time.Second)},
			{Alarm: "slow", Object: "beijing", Since: ago(time.Hour), Firing: true, Silenced: true, Text: `tunnel "beijing" answers after 250.0 ms`},
		},
		Silences: []api.Silence{{Alarm: "slow", Object: "beijing", Until: noon.Add(30 * time.Minute)}},
		History: []api.Told{
			{Time: ago(time.Hour), Alarm: "down", Object: "beijing", Event: "firing", Receiver: "ops", Delivered: ago(time.Hour - 2*time.Second)},
			{Time: ago(50 * time.Minute), Alarm: "down", Object: "beijing", Event: "resolved", Receiver: "ops", Error: "connection refused"},
			{Time: ago(3 * time.Minute), Alarm: "down", Object: "上海", Event: "firing", Receiver: "pager"},
		},
		Waiting: 2, Lost: 3,
	}
}

func TestAlarmList(t *testing.T) {
	socket := serve(t, &canned{alarms: night()})
	for file, s := range map[string]seat{"alarms.txt": {}, "alarms-colour.txt": {tty: true}} {
		code, out, errs := s.run(t, "alarm", "list", "--socket", socket)
		if code != exitDone || errs != "" {
			t.Errorf("%s: exit %d, %s", file, code, errs)
		}
		golden(t, file, out)
	}
	_, out, _ := seat{}.run(t, "alarm", "list", "--json", "--socket", socket)
	var doc api.Alarms
	if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Standing) != 3 || doc.Version != api.Schema {
		t.Errorf("%v:\n%s", err, out)
	}
	_, out, _ = seat{}.run(t, "alarm", "list", "-n", "1", "--socket", socket)
	if strings.Contains(out, "connection refused") || !strings.Contains(out, "not yet") {
		t.Errorf("the last notice alone:\n%s", out)
	}
	_, out, _ = seat{}.run(t, "alarm", "list", "--socket", serve(t, &canned{}))
	if out != "no alarm is configured; write [alarm.NAME]\n" {
		t.Errorf("without alarms:\n%s", out)
	}
}

func TestAlarmTest(t *testing.T) {
	d := &canned{alarms: night()}
	code, out, errs := seat{}.run(t, "alarm", "test", "--socket", serve(t, d))
	if code != exitFailed || !strings.Contains(out, "ops took it") || !strings.Contains(errs, "connection refused") || strings.Join(d.asked, ", ") != "test ops, test dead" {
		t.Errorf("exit %d, asked for %v:\n%s%s", code, d.asked, out, errs)
	}
	code, out, _ = seat{}.run(t, "alarm", "test", "ops", "--json", "--socket", serve(t, d))
	var doc api.Tested
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != exitDone || doc.Receiver != "ops" {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}
	if code, _, errs := (seat{}).run(t, "alarm", "test", "--socket", serve(t, &canned{})); code != exitFailed || !strings.Contains(errs, "[receiver.NAME]") {
		t.Errorf("without receivers: exit %d, %s", code, errs)
	}
}

func TestAlarmSilence(t *testing.T) {
	for args, want := range map[string]string{
		"":                          `silence "" "" for 1h0m0s`,
		"down --object 上海 --for 2h": `silence "down" "上海" for 2h0m0s`,
		"down --end":                `silence "down" "" for 0s`,
		"down --for 30m --json":     `silence "down" "" for 30m0s`,
	} {
		d := &canned{alarms: api.Alarms{Time: noon}}
		code, out, errs := seat{}.run(t, append([]string{"alarm", "silence", "--socket", serve(t, d)}, strings.Fields(args)...)...)
		if code != exitDone || strings.Join(d.asked, ", ") != want {
			t.Errorf("%s: exit %d, asked for %v:\n%s%s", args, code, d.asked, out, errs)
		}
		if args == "down --object 上海 --for 2h" && out != "silenced: alarm down of 上海, for 2h00m more\n" {
			t.Errorf("it says %s", out)
		}
	}
	for _, args := range []string{"--for 0s", "--for -1h", "--for 1h --end", "a b"} {
		if code, _, errs := (seat{}).run(t, append([]string{"alarm", "silence"}, strings.Fields(args)...)...); code != exitUsage {
			t.Errorf("%s: exit %d, %s", args, code, errs)
		}
	}
}

func TestAlarmCompletion(t *testing.T) {
	socket := serve(t, &canned{alarms: night()})
	for _, c := range []struct{ command, want string }{{"test", "ops\n"}, {"silence", "slow\n"}} {
		code, out, _ := seat{env: map[string]string{socketVariable: socket}}.run(t, "__complete", "alarm", c.command, "")
		if code != exitDone || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d:\n%s", c.command, code, out)
		}
	}
}

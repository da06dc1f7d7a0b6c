package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/daemon/api"
)

// negotiation is a main mode and a quick mode that go well.
var negotiation = []api.Event{
	{Kind: "message out", Exchange: "main mode", Step: "MM1", Bytes: 180},
	{Kind: "message in", Exchange: "main mode", Step: "MM2", Bytes: 120},
	{Kind: "resent", Exchange: "main mode", Step: "MM3", Try: 1},
	{Kind: "session up", Session: &api.Session{Mode: "main mode", Remote: "202.108.22.5:500", Proposal: "aes128-sha1-group14"}},
	{Kind: "child up", Pair: &api.Pair{Local: "192.168.1.0/24", Remote: "10.0.1.0/24", Child: &api.Child{Suite: "aes128-sha1"}}},
	{Kind: "tunnel changed", State: "up"},
}

// times are what differs from run to run.
var times = regexp.MustCompile(`-?\d+\.\d+ s`)

func TestUpWaits(t *testing.T) {
	fault := &api.Fault{Cause: "authentication", Text: "the pre-shared keys differ", Advice: "compare them"}
	wanted := api.Tunnel{Name: "TomVPNConn", State: "negotiating"}
	for _, tc := range []struct {
		name, file string
		daemon     *canned
		utf8       bool
		wait       string
		code       int
	}{
		{"a line per message", "up.txt", &canned{events: negotiation}, true, "1m", exitDone},
		{"in ASCII", "up-ascii.txt", &canned{events: negotiation}, false, "1m", exitDone},
		{"too late, and why", "up-late.txt", &canned{events: append(slices.Clone(negotiation[:2]),
			api.Event{Kind: "session down", Fault: fault}, api.Event{Kind: "tunnel changed", State: "down", Fault: fault})}, true, "500ms", exitNotUp},
		{"too late, and what was compared", "up-compared.txt", &canned{events: []api.Event{{Kind: "tunnel changed", State: "down", Fault: otherGroup}}},
			true, "500ms", exitNotUp},
		{"too late without a word", "up-silent.txt", &canned{}, true, "500ms", exitNotUp},
		{"the daemon stops", "up-gone.txt", &canned{events: negotiation[:1], end: true}, true, "1m", exitUnreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.daemon.status.Tunnels = []api.Tunnel{wanted}
			s := seat{env: map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}}
			if tc.utf8 {
				s.env = map[string]string{"LANG": "en_US.UTF-8"}
			}
			code, out, errs := s.run(t, "up", "TomVPNConn", "--wait="+tc.wait, "--socket", serve(t, tc.daemon))
			if code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			golden(t, tc.file, times.ReplaceAllString(out+errs, "T s"))
			if want := []string{"events TomVPNConn", "up TomVPNConn"}; !slices.Equal(tc.daemon.asked, want) {
				t.Errorf("the daemon was asked %q, want %q: else the first messages are missed", tc.daemon.asked, want)
			}
		})
	}
}

func TestUpOfWhatIsUpDoesNotWait(t *testing.T) {
	d := &canned{status: api.Status{Tunnels: []api.Tunnel{{Name: "a", State: "up"}}}}
	code, out, _ := seat{}.run(t, "up", "a", "--wait", "--socket", serve(t, d))
	if code != exitDone || out != "a is up\n" {
		t.Errorf("exit %d, %q", code, out)
	}
}

func TestUpAndDownWithoutWaiting(t *testing.T) {
	d := &canned{status: api.Status{Tunnels: []api.Tunnel{{Name: "a", State: "negotiating"}}}}
	socket := serve(t, d)
	for _, verb := range []string{"up", "down"} {
		code, out, errs := seat{}.run(t, verb, "a", "--socket", socket)
		if code != exitDone || out != "a is negotiating\n" {
			t.Errorf("%s: exit %d, %q, %q", verb, code, out, errs)
		}
	}
	if got := strings.Join(d.asked, ", "); got != "up a, down a" {
		t.Errorf("the daemon was asked %s", got)
	}
}

func TestRekey(t *testing.T) {
	d := &canned{status: api.Status{Tunnels: []api.Tunnel{{Name: "a", State: "up", PairsUp: 2, Session: &api.Session{Renews: noon}}, {Name: "b", State: "down"},
		{Name: "c", State: "up", PairsUp: 1, Session: &api.Session{}}}}}
	socket := serve(t, d)
	const theirs = "only the peer can replace phase 1: it began, from behind a translator (NAT) or from an address that is not configured\n"
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"rekey", "a"}, exitDone, "a gets new keys; the old ones serve until they are there\n"},
		{[]string{"rekey", "a", "ike"}, exitDone, "a gets new keys; the old ones serve until they are there\n"},
		{[]string{"rekey", "b", "ipsec"}, exitNotUp, "twinspan: b is down: there are no such keys to replace; see: twinspan up b\n"},
		{[]string{"rekey", "c", "ipsec"}, exitDone, "c gets new keys; the old ones serve until they are there\n"},
		{[]string{"rekey", "c"}, exitDone, "c gets new keys for its pairs of networks; " + theirs},
		{[]string{"rekey", "c", "ike"}, exitFailed, "twinspan: c: " + theirs},
		{[]string{"rekey"}, exitUsage, "twinspan: accepts between 1 and 2 arg(s), received 0; see: twinspan --help\n"},
	} {
		code, out, errs := seat{}.run(t, append(tc.args, "--socket", socket)...)
		if code != tc.code || out+errs != tc.says {
			t.Errorf("%v: exit %d, %q, %q", tc.args, code, out, errs)
		}
	}
	if got := strings.Join(d.asked, ", "); got != "rekey a, rekey a ike, rekey b ipsec, rekey c ipsec, rekey c, rekey c ike" {
		t.Errorf("the daemon was asked %s", got)
	}
}

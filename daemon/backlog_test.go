package daemon

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// A day of a tunnel that is tried in vain every minute or two is told in a few
// lines, and so is the side that refuses it; what is kept of the events is as
// short, and why knows how often.
func TestADayInVain(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(east *office)
		cause  string
		key    string
	}{
		{"nobody there", func(o *office) { o.address = "202.108.22.6" }, "timeout", "udp.500"},
		{"another key", func(o *office) { o.tunnels[0].key = "654321" }, "authentication", "pre_shared_key"},
		{"another group", func(o *office) { o.tunnels[0].extra = "ike = { dh_group = \"GROUP15\" }" }, "proposal", ""},
		{"another network", func(o *office) { o.tunnels[0].remote = "192.168.2.0/24" }, "selectors", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, o := &ether{}, east()
				tc.change(&o)
				w, x := newSide(t, e, west()), newSide(t, e, o)
				x.start(t)
				w.start(t)
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				for _, s := range []*side{w, x} {
					if n := strings.Count(s.log.String(), "\n"); n > 30 {
						t.Errorf("%d lines in a day:\n%s", n, s.log)
					}
				}
				w.wantLog(t, "msg=", "cause="+tc.cause, "reason=")
				why, err := w.Why(t.Context(), "TomVPNConn")
				if err != nil || why.Fault == nil || why.Fault.Cause != tc.cause || why.Fault.Parameter != tc.key {
					t.Fatalf("why: %+v, %v", why, err)
				}
				if n := why.Negotiations[0]; n.Count < 500 || n.Result != api.ResultFailed || n.Last.Sub(n.Began) < 23*time.Hour {
					t.Errorf("the last negotiation is %+v", n)
				}
				kept, err := w.Events(t.Context(), api.Wanted{Tunnel: "TomVPNConn", Last: 1000})
				if err != nil {
					t.Fatal(err)
				}
				n, held := 0, uint64(0)
				for e := range kept {
					n, held = n+1, held+e.Suppressed
				}
				if n == 0 || n > 30 || held < 500 {
					t.Errorf("%d events are kept, which stand for %d more", n, held)
				}
				x.finish(t)
				w.finish(t)
			})
		})
	}
}

// Trouble that comes back after the tunnel was up is news, however long it had
// gone on before.
func TestTroubleAfterTheTunnelWasUpIsNews(t *testing.T) {
	trouble, up := subject{what: "trouble", tunnel: "a", cause: 1, trouble: true}, start.Add(12*time.Hour)
	l := newLimiter()
	for at := start; at.Before(up); at = at.Add(time.Minute) {
		l.allow(at, trouble)
	}
	if _, ok := l.allow(up, trouble); ok {
		t.Fatal("the pause is not long after half a day")
	}
	l.calm(up.Add(time.Second), "a", false)
	if _, ok := l.allow(up.Add(time.Minute), trouble); !ok {
		t.Error("it is held back")
	}
	l.calm(up.Add(time.Minute), "a", true) // an operator changes the tunnel
	if _, ok := l.allow(up.Add(time.Minute+time.Second), trouble); !ok {
		t.Error("what is wrong with the new one is held back")
	}
}

// Who asks later gets what is kept of his tunnel, and goes on from there.
func TestBacklog(t *testing.T) {
	var b backlog
	for i := range 10 {
		b.add(api.Event{Time: start.Add(time.Duration(i) * time.Second), Tunnel: string("ab"[i%2]), Step: fmt.Sprint(i)})
	}
	for _, tc := range []struct {
		w    api.Wanted
		want string
	}{
		{api.Wanted{}, ""},
		{api.Wanted{Last: 3}, "7 8 9"},
		{api.Wanted{Last: 3, Tunnel: "a"}, "4 6 8"},
		{api.Wanted{Last: 100, Tunnel: "b", Since: start.Add(5 * time.Second)}, "5 7 9"},
		{api.Wanted{Last: 100, Tunnel: "c"}, ""},
	} {
		var steps []string
		for _, e := range b.last(tc.w) {
			steps = append(steps, e.Step)
		}
		if got := strings.Join(steps, " "); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.w, got, tc.want)
		}
	}
	for range 3 * keptEvents {
		b.add(api.Event{})
	}
	if n := len(b.events); n != keptEvents {
		t.Errorf("%d are kept", n)
	}
	big := api.Event{Fault: &api.Fault{Text: strings.Repeat("x", 100_000)}}
	for range 100 {
		b.add(big)
	}
	if n := len(b.events); n > keptBytes/100_000 || b.bytes > keptBytes {
		t.Errorf("%d large ones are kept, of %d bytes", n, b.bytes)
	}
	follower := &reader{}
	follower.begin(b.last(api.Wanted{Last: 2}))
	rs := readers{follower: {}}
	rs.publish(api.Event{Step: "now"})
	if n := len(follower.events); n != 3 {
		t.Errorf("who follows gets %d events", n)
	}
}

// What repeats says what it is: faults of this host have neither tunnel nor cause.
func TestRepeatsHaveAName(t *testing.T) {
	if e := repeats(subject{what: "send failed"}, 7, start); e.Repeats != "send failed" || e.Suppressed != 7 {
		t.Errorf("%+v", e)
	}
}

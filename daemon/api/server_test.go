package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// canned is a Daemon that knows one tunnel.
type canned struct {
	events chan Event
	asked  []string
	wanted Wanted
}

func (c *canned) Status(context.Context) (Status, error) {
	return Status{Version: Schema, Tunnels: []Tunnel{{Name: "汤姆/1", State: "up"}}}, nil
}

func (c *canned) Up(_ context.Context, name string) (Tunnel, error) {
	c.asked = append(c.asked, "up "+name)
	if name != "汤姆/1" {
		return Tunnel{}, &Error{Code: NotFound, Message: "no tunnel " + name}
	}
	return Tunnel{Name: name, State: "negotiating"}, nil
}

func (c *canned) Down(_ context.Context, name string) (Tunnel, error) {
	return Tunnel{}, errors.New("the machine is on fire")
}

func (c *canned) Rekey(_ context.Context, name string, what Rekey) (Tunnel, error) {
	c.asked = append(c.asked, fmt.Sprintf("rekey %s %+v", name, what))
	return Tunnel{Name: name}, nil
}

func (c *canned) Reload(context.Context) (Reloaded, error) {
	return Reloaded{}, &Error{Code: InvalidConfig, Message: "invalid", Faults: []ConfigFault{{"a.toml", 3, "x", "y"}}}
}

func (c *canned) Alarms(context.Context) (Alarms, error) {
	return Alarms{Version: Schema, Policies: []AlarmPolicy{{Name: "down"}}}, nil
}
func (c *canned) TestReceiver(_ context.Context, name string) error {
	if name != "ops" {
		return &Error{Code: NotFound, Message: "no receiver " + name}
	}
	return nil
}
func (c *canned) Silence(_ context.Context, s Silence) (Alarms, error) {
	return Alarms{Version: Schema, Silences: []Silence{s}}, nil
}
func (c *canned) Why(_ context.Context, name string) (Why, error) {
	if name != "汤姆/1" {
		return Why{}, &Error{Code: NotFound, Message: "no tunnel " + name}
	}
	return Why{Version: Schema, Tunnel: name, Fault: &Fault{Parameter: "ike.dh_group"}}, nil
}
func (c *canned) Traffic(_ context.Context, p Period) (History, error) {
	c.asked = append(c.asked, fmt.Sprintf("traffic %+v", p))
	return History{Version: Schema, Subjects: []Carried{{Kind: KindTunnel, Name: "汤姆/1"}}}, nil
}

func (c *canned) Details(_ context.Context, name string) (Details, error) {
	if name != "汤姆/1" {
		return Details{}, &Error{Code: NotFound, Message: "nothing is called " + name}
	}
	return Details{Version: Schema, Tunnel: &TunnelDetails{Tunnel: Tunnel{Name: name}}}, nil
}

func (c *canned) Events(_ context.Context, w Wanted) (<-chan Event, error) {
	c.wanted = w
	return c.events, nil
}

// serve answers on a socket of its own and returns a client for it.
func serve(t *testing.T, d Daemon, tweaks ...func(*Server)) *http.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(d, "test 1")
	for _, tweak := range tweaks {
		tweak(s)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error("Serve:", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Error("the socket is still there:", err)
		}
	})
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}

func ask(t *testing.T, c *http.Client, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://x"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestAnswers(t *testing.T) {
	d := &canned{}
	c := serve(t, d)
	for _, tc := range []struct {
		method, path string
		status       int
		want         string // in the answer
	}{
		{"GET", "/v1/status", 200, `"state": "up"`},
		{"GET", "/v1/version", 200, `"program": "test 1"`},
		{"POST", "/v1/tunnels/%E6%B1%A4%E5%A7%86%2F1/up", 200, `"state": "negotiating"`},
		{"GET", "/v1/tunnels/%E6%B1%A4%E5%A7%86%2F1/why", 200, `"parameter": "ike.dh_group"`},
		{"GET", "/v1/tunnels/nobody/why", 404, `"code": "not_found"`},
		{"GET", "/v1/events?since=yesterday", 400, `2026-03-04T12:00:00Z`},
		{"GET", "/v1/events?last=-1", 400, `"code": "bad_request"`},
		{"POST", "/v1/tunnels/nobody/up", 404, `"code": "not_found"`},
		{"POST", "/v1/tunnels/nobody/down", 500, `"message": "the machine is on fire"`},
		{"POST", "/v1/reload", 422, `"line": 3`},
		{"GET", "/v1/alarms", 200, `"name": "down"`},
		{"POST", "/v1/receivers/ops/test", 200, `"receiver": "ops"`},
		{"POST", "/v1/receivers/nobody/test", 404, `"code": "not_found"`},
		{"POST", "/v1/silences?alarm=down&object=%E6%B1%A4&seconds=60", 200, `"object": "汤"`},
		{"POST", "/v1/silences?seconds=1h", 400, `write 0 to 2419200`},
		{"POST", "/v1/silences?seconds=99999999", 400, `"code": "bad_request"`},
		{"GET", "/v1/reload", 404, `POST /v1/reload`},
		{"GET", "/", 404, `"code": "not_found"`},
		{"DELETE", "/v1/status", 404, `"code": "not_found"`},
	} {
		status, body := ask(t, c, tc.method, tc.path, "")
		if status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s %s: %d %s\nwant %d with %s", tc.method, tc.path, status, body, tc.status, tc.want)
		}
		var doc struct{ Version int }
		if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Version != Schema {
			t.Errorf("%s %s: version %d, %v", tc.method, tc.path, doc.Version, err)
		}
	}
	if want := "up 汤姆/1"; d.asked[0] != want {
		t.Errorf("the daemon heard %q, want %q", d.asked[0], want)
	}
}

func TestBodyThatIsTooLargeEndsTheConnection(t *testing.T) {
	c := serve(t, &canned{})
	req, err := http.NewRequest("POST", "http://x/v1/reload", io.LimitReader(endless{}, 64*maxBody))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return // the server hung up while we wrote
	}
	defer res.Body.Close()
	if !res.Close {
		t.Error("the server keeps the connection and would read all of it")
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestEventsAreALineEachAndOutliveTheReadTimeout(t *testing.T) {
	d := &canned{events: make(chan Event)}
	const limit = 50 * time.Millisecond
	c := serve(t, d, func(s *Server) { s.http.ReadTimeout = limit })
	res, err := c.Get("http://x/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		time.Sleep(2 * limit) // the passing of the time-out is what is tested
		d.events <- Event{Version: Schema, Step: fmt.Sprint("MM", i)}
		if !lines.Scan() {
			t.Fatal("the stream ended:", lines.Err())
		}
		if want := fmt.Sprintf(`"step":"MM%d"`, i); !strings.Contains(lines.Text(), want) {
			t.Errorf("line %q, want %s", lines.Text(), want)
		}
	}
	close(d.events)
	if lines.Scan() {
		t.Errorf("a line after the end: %q", lines.Text())
	}
}

func TestWhichEventsAreWanted(t *testing.T) {
	since := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for query, want := range map[string]Wanted{
		"":                                      {Follow: true},
		"?tunnel=a&last=7":                      {Tunnel: "a", Last: 7, Follow: true},
		"?follow=no&since=2026-03-04T12:00:00Z": {Since: since, Last: math.MaxInt},
		"?follow=no&since=2026-03-04T13:00:00%2B01:00&last=3": {Since: since, Last: 3},
	} {
		d := &canned{events: make(chan Event)}
		close(d.events)
		ask(t, serve(t, d), "GET", "/v1/events"+query, "")
		if w := d.wanted; w.Tunnel != want.Tunnel || !w.Since.Equal(want.Since) || w.Last != want.Last || w.Follow != want.Follow {
			t.Errorf("%q: %+v, want %+v", query, w, want)
		}
	}
}

func TestWhoMayChange(t *testing.T) {
	const daemonUID, daemonGID = 900, 901
	for _, tc := range []struct {
		name string
		who  caller
		may  bool
	}{
		{"root", caller{uid: 0}, true},
		{"the daemon's own user", caller{uid: daemonUID, groups: []uint32{5}}, true},
		{"its group", caller{uid: 1000, groups: []uint32{1000, daemonGID}}, true},
		{"a stranger that was let in", caller{uid: 1000, groups: []uint32{1000, 0}}, false},
	} {
		err := tc.who.mayChange(daemonUID, daemonGID)
		var told *Error
		if tc.may != (err == nil) || (err != nil && (!errors.As(err, &told) || told.Code != Forbidden)) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestCallerIsWhoTheKernelSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	who := identify(server)
	if who.err != nil || who.uid != uint32(os.Geteuid()) {
		t.Fatalf("caller %+v, want uid %d", who, os.Geteuid())
	}
	own, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if want := len(own) + 1; len(who.groups) != want {
		t.Errorf("groups %v, want the %d of %v and the primary one", who.groups, want, own)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if who := identify(a); who.err == nil {
		t.Error("a pipe has a caller")
	}
	if err := mayChange(withCaller(context.Background(), a)); err == nil {
		t.Error("somebody unknown may change things")
	}
}

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// TestControlSocket runs a whole daemon on a real socket, in real time.
func TestControlSocket(t *testing.T) {
	e := &ether{}
	w := newSide(t, e, west())
	socket := filepath.Join(t.TempDir(), "control.sock")
	notes := notifySocket(t)
	ctx, cancel := context.WithCancel(t.Context())
	reload := make(chan struct{})
	end := make(chan error, 1)
	go func() {
		end <- run(ctx, Options{ConfigPath: w.path, Socket: socket, Log: discard(), Version: "1.2", Reload: reload}, w.machine)
	}()
	if got := notes.next(t); !strings.HasPrefix(got, "READY=1\nSTATUS=0/1 tunnels up") {
		t.Errorf("systemd heard %q", got)
	}
	if body := get(t, socket, "/v1/status"); !strings.Contains(body, `"name": "TomVPNConn"`) || !strings.Contains(body, `"ip_forward is off"`) {
		t.Errorf("status:\n%s", body)
	}
	// A second daemon with the same socket is told so, and this one goes on.
	second := newSide(t, e, east())
	if err := run(ctx, Options{ConfigPath: second.path, Socket: socket, Log: discard()}, second.machine); err == nil ||
		!strings.Contains(err.Error(), "another twinspand answers") {
		t.Errorf("a second daemon: %v", err)
	}
	if got := second.since(); len(got) != 1 {
		t.Errorf("the second daemon did %v", got)
	}
	reload <- struct{}{}
	for _, want := range []string{"RELOADING=1\nMONOTONIC_USEC=", "READY=1\nSTATUS=0 tunnels changed, 1 untouched"} {
		if got := notes.nextBut(t, "STATUS="); !strings.HasPrefix(got, want) {
			t.Errorf("systemd heard %q, want %q", got, want)
		}
	}
	cancel()
	if got := notes.nextBut(t, "STATUS="); got != "STOPPING=1" {
		t.Errorf("systemd heard %q", got)
	}
	if err := <-end; err != nil {
		t.Error("the daemon ended with", err)
	}
	if _, err := net.Dial("unix", socket); err == nil {
		t.Error("the socket still answers")
	}
}

// get asks as curl would.
func get(t *testing.T, socket, path string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET " + path + " HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			return all.String()
		}
	}
}

// notices is what systemd hears.
type notices struct{ *net.UnixConn }

func notifySocket(t *testing.T) notices {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return notices{c}
}

func (n notices) next(t *testing.T) string {
	t.Helper()
	if err := n.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	size, err := n.Read(buf)
	if err != nil {
		t.Fatal("systemd hears nothing:", err)
	}
	return string(buf[:size])
}

// nextBut skips notices that begin so.
func (n notices) nextBut(t *testing.T, prefix string) string {
	t.Helper()
	for {
		if s := n.next(t); !strings.HasPrefix(s, prefix) {
			return s
		}
	}
}

func TestWatchdogIsFedByTheLoop(t *testing.T) {
	notes := notifySocket(t)
	t.Setenv("WATCHDOG_USEC", "3000000")
	n := newNotifier()
	if n.every != time.Second {
		t.Fatalf("every %v, want a third of the limit", n.every)
	}
	start := time.Now()
	for i := range 5 {
		n.watchdog(start.Add(time.Duration(i) * 400 * time.Millisecond))
	}
	n.status("done\nREADY=0")
	for _, want := range []string{"WATCHDOG=1", "WATCHDOG=1", "STATUS=done READY=0"} {
		if got := notes.next(t); got != want {
			t.Errorf("systemd heard %q, want %q", got, want)
		}
	}
}

func TestWatchdogThatNobodyWants(t *testing.T) {
	notes := notifySocket(t)
	n := newNotifier()
	n.watchdog(time.Now())
	n.status("done")
	if got := notes.next(t); got != "STATUS=done" {
		t.Errorf("systemd heard %q", got)
	}
}

func TestStoppedDaemonAnswersBusy(t *testing.T) {
	l := newLoop(slog.New(slog.DiscardHandler))
	close(l.ended)
	s := newService(l, "", "")
	_, err := s.Status(t.Context())
	var told *api.Error
	if !errors.As(err, &told) || told.Code != api.Busy {
		t.Errorf("status of a stopped daemon: %v", err)
	}
}

func TestRekeyReadsWhatIsMeant(t *testing.T) {
	pair := xfrm.Selector{Local: netip.MustParsePrefix("10.1.0.0/16"), Remote: netip.MustParsePrefix("10.2.0.0/16")}
	for _, tc := range []struct {
		what api.Rekey
		want ike.Rekey
	}{
		{api.Rekey{}, ike.Rekey{Tunnel: "t", IKE: true, IPsec: true}},
		{api.Rekey{Phase: "ike"}, ike.Rekey{Tunnel: "t", IKE: true}},
		{api.Rekey{Phase: "ipsec"}, ike.Rekey{Tunnel: "t", IPsec: true}},
		{api.Rekey{Local: "10.1.0.0/16", Remote: "10.2.0.0/16"}, ike.Rekey{Tunnel: "t", IPsec: true, Sel: pair}},
	} {
		if got, err := rekeyOf("t", tc.what); err != nil || got != tc.want {
			t.Errorf("%+v: %+v, %v", tc.what, got, err)
		}
	}
	for _, what := range []api.Rekey{{Phase: "both"}, {Local: "10.1.0.0/16"}, {Local: "10.1.0.0/16", Remote: "x"}, {Phase: "ike", Local: "10.1.0.0/16", Remote: "10.2.0.0/16"}} {
		var told *api.Error
		if _, err := rekeyOf("t", what); !errors.As(err, &told) || told.Code != api.BadRequest {
			t.Errorf("%+v: %v", what, err)
		}
	}
}

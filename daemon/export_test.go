package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// scrape is what a daemon exports, by series.
func (s *side) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	s.loop.exporter.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	series := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		if name, value, ok := cutLast(strings.TrimSpace(line)); ok && strings.HasPrefix(line, "twinspan_") {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			series[name] = v
		}
	}
	return series
}

func cutLast(line string) (name, value string, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return "", "", false
	}
	return line[:i], line[i+1:], true
}

// names are the series without those that only what happened makes: failed
// negotiations and kernel drops.
func names(series map[string]float64) []string {
	var all []string
	for n := range series {
		if !strings.Contains(n, "xfrm_errors") && (!strings.Contains(n, "negotiations_total") || strings.Contains(n, `result="ok"`)) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

func TestEveryConfiguredTunnelIsExported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSide(t, &ether{}, west()) // its peer is not there
		w.start(t)
		time.Sleep(10 * time.Second)
		got := w.scrape(t)
		for series, want := range map[string]float64{
			`twinspan_tunnel_info{gateway="G",ike="1",mode="main",peer="at TomVPNConn",remote_address="202.108.22.5",tunnel="TomVPNConn"}`: 1,
			`twinspan_tunnel_up{tunnel="TomVPNConn"}`:                                                           0,
			`twinspan_tunnel_state{state="negotiating",tunnel="TomVPNConn"}`:                                    1,
			`twinspan_tunnel_state{state="up",tunnel="TomVPNConn"}`:                                             0,
			`twinspan_tunnel_receive_bytes_total{policy="192.168.1.0/24",tunnel="TomVPNConn"}`:                  0,
			`twinspan_ipsec_sa_expiry_timestamp_seconds{policy="192.168.1.0/24",tunnel="TomVPNConn"}`:           0,
			`twinspan_ike_negotiations_total{exchange="main",result="ok",role="initiator",tunnel="TomVPNConn"}`: 0,
			`twinspan_bandwidth_limit_bytes_per_second{gateway="G"}`:                                            1.25e6,
			`twinspan_config_last_reload_successful`:                                                            1,
			`twinspan_ike_negotiation_duration_seconds_bucket{exchange="quick",le="+Inf"}`:                      0,
		} {
			if v, ok := got[series]; !ok || v != want {
				t.Errorf("%s %v, want %v", series, v, want)
			}
		}
		if got[`twinspan_ike_retransmissions_total{tunnel="TomVPNConn"}`] == 0 {
			t.Error("no resend was counted")
		}
		time.Sleep(2 * time.Minute)
		if n := w.scrape(t)[`twinspan_ike_negotiations_total{exchange="main",result="timeout",role="initiator",tunnel="TomVPNConn"}`]; n == 0 {
			t.Error("no negotiation is counted that had no answer")
		}
		write(t, w.path, "nonsense")
		if _, err := w.Reload(t.Context()); err == nil {
			t.Fatal("nonsense was taken")
		}
		if got := w.scrape(t); got["twinspan_config_last_reload_successful"] != 0 {
			t.Error("a reload that failed does not show")
		}
	})
}

// Alerts are made of tunnel_up and of rates: a rekey must neither show in the
// one nor break the other, and no series may come or go.
func TestARekeyDoesNotShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		before := w.scrape(t)
		received := 0.0
		for i := range 60 {
			if i%20 == 5 {
				if _, err := w.Rekey(t.Context(), "TomVPNConn", api.Rekey{}); err != nil {
					t.Fatal(err)
				}
			}
			if fate := x.Send(x.ifID(), answer()); fate != xfrmtest.Sent {
				t.Fatal(fate)
			}
			<-w.Inbox()
			time.Sleep(time.Second)
			now := w.scrape(t)
			if a, b := names(before), names(now); !slices.Equal(a, b) {
				t.Fatalf("the series are not the same:\n%v\n%v", a, b)
			}
			if now[`twinspan_tunnel_up{tunnel="TomVPNConn"}`] != 1 {
				t.Fatalf("second %d: the tunnel is not up", i)
			}
			bytes := now[`twinspan_tunnel_receive_bytes_total{policy="192.168.1.0/24",tunnel="TomVPNConn"}`]
			if want := float64(i+1) * float64(answer().Size()); bytes < received || bytes > want {
				t.Fatalf("second %d: %v bytes after %v, %v were sent", i, bytes, received, want)
			}
			received = bytes
		}
		time.Sleep(time.Second)
		got := w.scrape(t)
		for series, want := range map[string]float64{
			`twinspan_tunnel_receive_packets_total{policy="192.168.1.0/24",tunnel="TomVPNConn"}`:                 60,
			`twinspan_ike_negotiations_total{exchange="main",result="ok",role="initiator",tunnel="TomVPNConn"}`:  4,
			`twinspan_ike_negotiations_total{exchange="quick",result="ok",role="initiator",tunnel="TomVPNConn"}`: 4,
			`twinspan_ike_negotiation_duration_seconds_count{exchange="main"}`:                                   4,
			`twinspan_ike_negotiation_duration_seconds_count{exchange="quick"}`:                                  4,
		} {
			if got[series] != want {
				t.Errorf("%s %v, want %v", series, got[series], want)
			}
		}
	})
}

// TestMonitoringOverTCP runs a whole daemon on real sockets, in real time.
func TestMonitoringOverTCP(t *testing.T) {
	w := newSide(t, &ether{}, west())
	first, second := freePort(t), freePort(t)
	write(t, w.path, fmt.Sprintf("[metrics]\nlisten = %q\n", first)+west().toml())
	socket := filepath.Join(t.TempDir(), "control.sock")
	ctx, cancel := context.WithCancel(t.Context())
	reload, end, notes := make(chan struct{}), make(chan error, 1), notifySocket(t)
	go func() {
		end <- run(ctx, Options{ConfigPath: w.path, Socket: socket, Log: discard(), Version: "1.2", Reload: reload}, w.machine)
	}()
	notes.next(t)
	for path, want := range map[string]string{"/healthz": "^ok\n$", "/readyz": "^ok\n$", "/metrics": `twinspan_build_info\{.*version="1.2"\} 1`} {
		if body := fetch(t, first, path); !regexp.MustCompile(want).MatchString(body) {
			t.Errorf("%s: %s", path, body)
		}
		if body := get(t, socket, path); !regexp.MustCompile(strings.Trim(want, "^")).MatchString(body) {
			t.Errorf("%s on the socket: %s", path, body)
		}
	}
	write(t, w.path, fmt.Sprintf("[metrics]\nlisten = %q\n", second)+west().toml())
	reload <- struct{}{}
	for !strings.HasPrefix(notes.next(t), "READY=1") {
	}
	if body := fetch(t, second, "/healthz"); body != "ok\n" {
		t.Errorf("at its new address: %s", body)
	}
	if c, err := net.Dial("tcp", first); err == nil {
		c.Close()
		t.Error("the old address still answers")
	}
	cancel()
	if err := <-end; err != nil {
		t.Error("the daemon ended with", err)
	}
	if c, err := net.Dial("tcp", second); err == nil {
		c.Close()
		t.Error("the address still answers")
	}
}

func TestAnAddressThatIsTakenIsAWarning(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	synctest.Test(t, func(t *testing.T) {
		w := newSide(t, &ether{}, west())
		write(t, w.path, fmt.Sprintf("[metrics]\nlisten = %q\n", l.Addr())+west().toml())
		w.start(t)
		if all := strings.Join(w.status(t).Warnings, "\n"); !strings.Contains(all, "metrics are not served") {
			t.Errorf("warnings: %s", all)
		}
	})
}

// freePort is an address of the loopback that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func fetch(t *testing.T, at, path string) string {
	t.Helper()
	res, err := http.Get("http://" + at + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

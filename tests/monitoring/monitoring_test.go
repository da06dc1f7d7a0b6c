package monitoring

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/tests/twin"
)

// shipped is where what is tested here stands.
const shipped = "../../packaging/monitoring"

// promtool runs Prometheus' own judge, in the directory dir.
func promtool(t *testing.T, dir string, stdin io.Reader, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		netns.Lacks(t, fmt.Errorf("%w; apt-get install prometheus", err))
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Stdin = dir, stdin
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestAlertRules(t *testing.T) {
	promtool(t, shipped, nil, "check", "rules", "alerts.yml")
	promtool(t, shipped, nil, "test", "rules", "alerts_test.yml")
}

// expressions are those of the dashboard, with Grafana's variables replaced by
// what Grafana would write for them.
func expressions(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shipped, "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$tunnel", ".*").Replace(target.Expr))
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %d expressions", len(all))
	}
	return all
}

// promtool reads expressions as rules.
func TestTheDashboardsExpressions(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, e := range expressions(t) {
		if strings.Contains(e, "$") {
			t.Errorf("a variable that is not known: %s", e)
		}
		fmt.Fprintf(&rules, "  - record: expression_%d\n    expr: %q\n", i, e)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dashboard.yml"), []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, nil, "check", "rules", "dashboard.yml")
}

const office = `[metrics]
listen = "127.0.0.1:9517"
[vpc.TomVPC]
cidr = ["192.168.0.0/16"]
[vpn_gateway.TomVPNGw]
vpc = "TomVPC"
public_ip = "203.195.147.82"
bandwidth_mbps = 10
[customer_gateway.TomVPNUserGw]
public_ip = "202.108.22.5"
[vpn_tunnel."上海 \"1\""]
vpn_gateway = "TomVPNGw"
customer_gateway = "TomVPNUserGw"
pre_shared_key = "123456"
[[vpn_tunnel."上海 \"1\"".spd]]
local = "192.168.1.0/24"
peer = ["10.0.1.0/24"]
`

// A daemon that runs exports what promtool takes, and all that the rules and the
// dashboard ask for, on its socket and over TCP.
func TestARunningDaemon(t *testing.T) {
	space, daemon := start(t)
	onSocket := client("unix", daemon.Socket(), func(dial func() error) error { return dial() })
	overTCP := client("tcp", "127.0.0.1:9517", space.Do)
	var metrics []byte
	for _, c := range []*http.Client{onSocket, overTCP} {
		for _, path := range []string{"/healthz", "/readyz"} {
			if body := fetch(t, c, path); string(body) != "ok\n" {
				t.Errorf("%s: %s", path, body)
			}
		}
		metrics = fetch(t, c, "/metrics")
		promtool(t, ".", bytes.NewReader(metrics), "check", "metrics")
	}
	if !bytes.Contains(metrics, []byte(`twinspan_tunnel_up{tunnel="上海 \"1\""} 0`)) {
		t.Errorf("the tunnel is not exported:\n%s", metrics)
	}
	rules, err := os.ReadFile(filepath.Join(shipped, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`twinspan_[a-z_]+`)
	for _, text := range append(expressions(t), string(rules)) {
		for _, name := range asked.FindAllString(text, -1) {
			// A kernel may count no drops, and there is no health check here.
			if name == "twinspan_xfrm_errors_total" || strings.HasPrefix(name, "twinspan_probe_") {
				continue
			}
			if !bytes.Contains(metrics, []byte("\n"+name)) {
				t.Errorf("%s is asked for and not exported", name)
			}
		}
	}
}

// start runs a daemon in a namespace of its own.
func start(t *testing.T) (*netns.Space, *twin.Daemon) {
	t.Helper()
	netns.NeedRoot(t)
	space, err := netns.New("gateway")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { space.Close() })
	daemon, err := twin.New(space)
	if err != nil {
		netns.Lacks(t, err)
	}
	t.Cleanup(func() { daemon.Close() })
	if err := daemon.Configure(office); err != nil {
		t.Fatal(err)
	}
	again(t, daemon)
	return space, daemon
}

func again(t *testing.T, daemon *twin.Daemon) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(20*time.Second))
	defer cancel()
	if err := daemon.Start(ctx); err != nil {
		t.Fatalf("%v\n%s", err, daemon.Log())
	}
}

// known is of how much of the last hour the daemon knows what its gateway did.
func known(t *testing.T, daemon *twin.Daemon) time.Duration {
	t.Helper()
	out, err := daemon.Command(t.Context(), "traffic", "TomVPNGw", "--json")
	var h api.History
	if err != nil || json.Unmarshal([]byte(out), &h) != nil || len(h.Subjects) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	return time.Duration(h.Subjects[0].KnownSecond) * time.Second
}

// The history is there after a restart; where it was damaged the daemon starts
// without it and says so.
func TestRestarts(t *testing.T) {
	_, daemon := start(t)
	stop := func() {
		t.Helper()
		if err := daemon.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	if err := netns.Until(ctx, func() error {
		if d := known(t, daemon); d < 20*time.Second {
			return fmt.Errorf("%v are known", d)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	stop()
	again(t, daemon)
	if d := known(t, daemon); d < 20*time.Second {
		t.Errorf("after a restart %v are known", d)
	}
	stop()
	file := filepath.Join(filepath.Dir(daemon.ConfigPath()), "history")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	again(t, daemon)
	if out, err := daemon.Command(t.Context(), "status"); err != nil || !strings.Contains(out, "the traffic of before this start is lost") {
		t.Errorf("half of a history: %v, %s", err, out)
	}
	for _, name := range []string{"TomVPNGw", "TomVPNUserGw", `上海 "1"`} {
		if out, err := daemon.Command(t.Context(), "details", name); err != nil || !strings.Contains(out, name) || strings.Contains(out, "123456") {
			t.Errorf("details of %s: %v, %s", name, err, out)
		}
	}
}

// client talks to one address, from where in goes.
func client(network, address string, in func(func() error) error) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (c net.Conn, err error) {
		err = in(func() error {
			c, err = net.Dial(network, address)
			return err
		})
		return c, err
	}}}
}

func fetch(t *testing.T, c *http.Client, path string) []byte {
	t.Helper()
	res, err := c.Get("http://twinspan" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v: %s", path, res.StatusCode, err, body)
	}
	return body
}

// Bench runs the benchmarks that have a goal and prints what was measured
// beside it: `make bench`. Figures are processor time where a goal is one;
// absolute times of a shared machine say little, so look at the ratios too.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// goal is one line of the table: a metric of a benchmark, and what it should
// be.
type goal struct {
	what   string
	pkg    string
	bench  string // as go test prints it, without "Benchmark" and the processors
	metric string
	most   float64 // 0 for a figure without a goal
	anchor string  // what others need, measured on a machine of the same kind
}

var goals = []goal{
	{"handshakes per CPU second, modp1024", "./ike/ikesim", "Handshake/modp1024", "hs/s", 0, ""},
	{"  responder's CPU for one", "./ike/ikesim", "Handshake/modp1024", "ms/hs", 0.84, "charon 1.6-2.1 ms"},
	{"handshakes per CPU second, modp2048", "./ike/ikesim", "Handshake/modp2048", "hs/s", 0, ""},
	{"  responder's CPU for one", "./ike/ikesim", "Handshake/modp2048", "ms/hs", 1.1, "charon 3.9-8.3 ms"},
	{"handshakes per CPU second, modp2048, PFS", "./ike/ikesim", "Handshake/modp2048+PFS", "hs/s", 0, ""},
	{"  responder's CPU for one", "./ike/ikesim", "Handshake/modp2048+PFS", "ms/hs", 2.05, "charon 8.2 ms"},
	{"10 000 tunnels at once, one end's CPU", "./ike/ikesim", "TenThousandTunnels", "responder-s", 15, "charon: 8 487 up in 90 s"},
	{"memory per tunnel", "./ike/ikesim", "TenThousandTunnels", "KiB/tunnel", 5, "charon 14-15 KiB"},
	{"DH group 14: fixed base and one power", "./ike/crypt", "DH/GROUP14/Pair", "us/pair", 540, "charon with OpenSSL 2770 us"},
	{"policies per second, 10 000 pairs", "./xfrm/kernel", "SetPolicies/pairs=10000", "policies/s", 0, ""},
	{"  clock beside vishvananda/netlink's", "./xfrm/kernel", "SetPolicies/pairs=10000", "ratio", 0.4, "1"},
	{"  CPU beside it", "./xfrm/kernel", "SetPolicies/pairs=10000", "cpu-ratio", 0, "1"},
	{"policies per second, 20 tunnels of 500 pairs", "./xfrm/kernel", "SetPolicies/20-tunnels-of-500", "policies/s", 0, ""},
	{"  clock beside vishvananda/netlink's", "./xfrm/kernel", "SetPolicies/20-tunnels-of-500", "ratio", 0.4, "1"},
	{"ESP seal and open on one core, AES-128-SHA1", "./xfrm/userspace", "SealOpen/aes128-sha1", "MB/s", 0, ""},
	{"  CPU for one Gbit", "./xfrm/userspace", "SealOpen/aes128-sha1", "cpu-s/Gbit", 0, ""},
	{"a whole tunnel in user space, CPU for one Gbit", "./xfrm/userspace", "Tunnel/aes128-sha1", "cpu-s/Gbit", 0.62, "kernel-libipsec 2.9-3.4 s, wireguard-go 0.49-0.58 s"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures package after package, so that none disturbs another.
func run() error {
	measured := figures{}
	for _, pkg := range packages() {
		out, err := benchmark(pkg)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		measured.read(out)
	}
	print(os.Stdout, measured)
	if missing := measured.missing(); len(missing) > 0 {
		return fmt.Errorf("not measured: %s; some benchmarks need root", strings.Join(missing, ", "))
	}
	return nil
}

func packages() []string {
	var list []string
	for _, g := range goals {
		if len(list) == 0 || list[len(list)-1] != g.pkg {
			list = append(list, g.pkg)
		}
	}
	return list
}

// benchmark runs a package's benchmarks, shows them as they come and returns
// their lines.
func benchmark(pkg string) ([]byte, error) {
	var kept bytes.Buffer
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", pattern(pkg), "-timeout", "20m", pkg)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(os.Stderr, &kept), os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return kept.Bytes(), nil
}

// pattern selects the benchmarks of a package that have a line in the table.
// go test takes a pattern per level, so it may select some more.
func pattern(pkg string) string {
	var levels [][]string
	for _, g := range goals {
		if g.pkg != pkg {
			continue
		}
		for i, part := range strings.Split(g.bench, "/") {
			if i == len(levels) {
				levels = append(levels, nil)
			}
			levels[i] = append(levels[i], "^"+strings.ReplaceAll(part, "+", `\+`)+"$")
		}
	}
	parts := make([]string, len(levels))
	for i, level := range levels {
		if i == 0 {
			for k := range level {
				level[k] = "^Benchmark" + level[k][1:]
			}
		}
		parts[i] = strings.Join(level, "|")
	}
	return strings.Join(parts, "/")
}

// figures are metrics by benchmark and unit.
type figures map[[2]string]float64

// read takes the lines of go test: name, runs, then values with their units.
func (f figures) read(out []byte) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(words[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		for i := 2; i+1 < len(words); i += 2 {
			if v, err := strconv.ParseFloat(words[i], 64); err == nil {
				f[[2]string{name, words[i+1]}] = v
			}
		}
	}
}

func (f figures) of(g goal) (float64, bool) {
	v, ok := f[[2]string{g.bench, g.metric}]
	return v, ok
}

func (f figures) missing() []string {
	var list []string
	for _, g := range goals {
		if _, ok := f.of(g); !ok {
			list = append(list, g.bench+" "+g.metric)
		}
	}
	return list
}

func print(w io.Writer, f figures) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"what", "measured", "goal", "", "others"})
	for _, g := range goals {
		v, ok := f.of(g)
		t.AppendRow(table.Row{g.what, value(v, ok), g.limit(), g.verdict(v, ok), g.anchor})
	}
	fmt.Fprintln(w, t.Render())
}

func value(v float64, ok bool) string {
	if !ok {
		return "-"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func (g goal) limit() string {
	if g.most == 0 {
		return ""
	}
	return "<= " + strconv.FormatFloat(g.most, 'g', -1, 64) + " " + g.metric
}

func (g goal) verdict(v float64, ok bool) string {
	switch {
	case g.most == 0 || !ok:
		return ""
	case v <= g.most:
		return "met"
	}
	return "missed"
}

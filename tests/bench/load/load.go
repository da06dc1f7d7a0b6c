// Load is a load generator for IKEv1: it plays many customer gateways that bring
// up a tunnel each, main mode and quick mode, against a gateway that runs in a
// network namespace, and measures what that gateway needs for it. It works
// against any daemon, so that they can be measured side by side:
//
//	go run ./tests/bench/load -tunnels 1000 -rate 200 twinspan strongswan
//
// The initiators are this project's own engine, without a data plane; the daemon
// is the program as it is shipped, with ESP in user space, so that both daemons
// run on a kernel without ESP. It needs root, and for strongSwan its packages.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// order is what is to be measured.
type order struct {
	tunnels int
	rate    int // handshakes per second, 0 for all at once
	window  int
	group   int
	limit   time.Duration
}

func run() error {
	var o order
	flag.IntVar(&o.tunnels, "tunnels", 100, "how many tunnels come up")
	flag.IntVar(&o.rate, "rate", 0, "how many begin per second; 0 for all at once")
	flag.IntVar(&o.window, "window", 256, "how many are under way at the same time: the initiators share one processor")
	flag.IntVar(&o.group, "group", 14, "the Diffie-Hellman group of phase 1")
	flag.DurationVar(&o.limit, "limit", 3*time.Minute, "how long to wait for all")
	flag.Parse()
	daemons := flag.Args()
	if len(daemons) == 0 {
		daemons = []string{"twinspan"}
	}
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.AppendHeader(table.Row{"daemon", "tunnels", "up", "wall", "CPU s", "ms CPU each", "KiB each", "p50", "p99", "slowest", "resent"})
	for _, name := range daemons {
		r, err := measure(context.Background(), name, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.AppendRow(table.Row{
			name, o.tunnels, r.up, r.wall.Round(10 * time.Millisecond), fmt.Sprintf("%.2f", r.cpu.Seconds()),
			fmt.Sprintf("%.2f", r.each(r.cpu.Seconds()*1000)), fmt.Sprintf("%.1f", r.each(float64(r.memory)/1024)),
			r.took(0.5), r.took(0.99), r.took(1), r.resent,
		})
	}
	fmt.Println(w.Render())
	return nil
}

// measure brings the tunnels of one daemon up.
func measure(ctx context.Context, name string, o order) (r result, err error) {
	s, err := open()
	if err != nil {
		return r, err
	}
	defer func() {
		if broken := s.close(); err == nil {
			err = broken
		}
	}()
	start := daemons[name]
	if start == nil {
		return r, fmt.Errorf("there is no such daemon; there are twinspan and strongswan")
	}
	d, err := start(ctx, s, o)
	if err != nil {
		return r, err
	}
	defer func() {
		if broken := d.stop(); err == nil {
			err = broken
		}
	}()
	before, err := usageOf(d.pid)
	if err != nil {
		return r, err
	}
	if r, err = s.load(ctx, o); err != nil {
		return r, err
	}
	after, err := usageOf(d.pid)
	r.cpu, r.memory = after.cpu-before.cpu, after.memory-before.memory
	return r, err
}

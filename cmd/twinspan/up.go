package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/api/client"
)

func (c *cli) up() *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "up TUNNEL",
		Short: "Negotiate a tunnel now",
		Long: "Negotiate a tunnel now, whatever its configuration says about who begins.\n\n" +
			"With --wait it prints a line per IKE message and returns once the tunnel is up,\n" +
			"or with exit code 5 when it is not within that time. Write the time with an\n" +
			"equals sign: --wait=30s.",
		Args:              oneTunnel,
		ValidArgsFunction: c.tunnelNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit <= 0 {
				return c.askUp(cmd.Context(), args[0])
			}
			return c.waitUp(cmd.Context(), args[0], limit)
		},
	}
	cmd.Flags().DurationVar(&limit, "wait", 0, "wait until it is up, at most this long")
	cmd.Flags().Lookup("wait").NoOptDefVal = "30s"
	return cmd
}

func (c *cli) down() *cobra.Command {
	return &cobra.Command{
		Use:   "down TUNNEL",
		Short: "Close a tunnel until it is asked for again",
		Long: "Close a tunnel until \"twinspan up\", a change of its configuration or a restart\n" +
			"of the daemon. What it protects stays blocked on every other way.",
		Args:              oneTunnel,
		ValidArgsFunction: c.tunnelNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := c.daemon().Down(cmd.Context(), args[0])
			if err != nil {
				return failed(err)
			}
			fmt.Fprintf(c.out, "%s is %s\n", printable(t.Name), c.paint(stateColour(t.State), t.State))
			return nil
		},
	}
}

// oneTunnel tells who wrote "--wait 30s" how to write it.
func oneTunnel(cmd *cobra.Command, args []string) error {
	f := cmd.Flags().Lookup("wait")
	if len(args) == 2 && f != nil && f.Changed {
		if _, err := time.ParseDuration(args[1]); err == nil {
			return fmt.Errorf("write --wait=%s", args[1])
		}
	}
	return cobra.ExactArgs(1)(cmd, args)
}

func (c *cli) askUp(ctx context.Context, tunnel string) error {
	t, err := c.daemon().Up(ctx, tunnel)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(c.out, "%s is %s\n", printable(t.Name), c.paint(stateColour(t.State), t.State))
	return nil
}

// waitUp subscribes before it asks, so that it misses nothing.
func (c *cli) waitUp(ctx context.Context, tunnel string, limit time.Duration) error {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d := c.daemon()
	events, err := d.Events(ctx, api.Wanted{Tunnel: tunnel, Follow: true})
	if err != nil {
		return c.gaveUp(err, tunnel, limit, nil)
	}
	defer events.Close()
	t, err := d.Up(ctx, tunnel)
	if err != nil {
		return c.gaveUp(err, tunnel, limit, nil)
	}
	if t.State == stateUp {
		fmt.Fprintf(c.out, "%s is up\n", printable(tunnel))
		return nil
	}
	last, err := c.follow(events, begin)
	if err != nil {
		return c.gaveUp(err, tunnel, limit, last)
	}
	fmt.Fprintf(c.out, "%s is %s after %.1f s\n", printable(tunnel), c.paint(green, stateUp), time.Since(begin).Seconds())
	return nil
}

// follow prints events until the tunnel is up. With an error it returns the
// last fault that it saw.
func (c *cli) follow(events *client.Events, begin time.Time) (*api.Fault, error) {
	var last *api.Fault
	for {
		e, err := events.Next()
		if err != nil {
			return last, err
		}
		if e.Fault != nil {
			last = e.Fault
		}
		if line := c.progress(e); line != "" {
			fmt.Fprintf(c.out, "%8.3f s  %s\n", e.Time.Sub(begin).Seconds(), line)
		}
		if e.Kind == "tunnel changed" && e.State == stateUp {
			return nil, nil
		}
	}
}

// progress is one event in one line, "" for those that say nothing new.
func (c *cli) progress(e api.Event) string {
	line := ""
	switch e.Kind {
	case "message out":
		line = fmt.Sprintf("%s %-4s %s, %d bytes", c.glyph("→", "->"), e.Step, e.Exchange, e.Bytes)
	case "message in":
		line = fmt.Sprintf("%s %-4s %s, %d bytes", c.glyph("←", "<-"), e.Step, e.Exchange, e.Bytes)
	case "resent":
		line = fmt.Sprintf("%s %-4s %s, again (%d)", c.glyph("→", "->"), e.Step, e.Exchange, e.Try)
	case "session up":
		line = "phase 1 is done"
	case "child up":
		line = "SAs stand"
		if e.Pair != nil {
			line += " for " + e.Pair.Local + " and " + e.Pair.Remote
		}
	case "tunnel changed":
		line = "tunnel is " + e.State
	case "session down", "child failed", "child down", "refused":
		line = e.Kind
	default:
		return ""
	}
	if e.Fault != nil {
		line += ": " + e.Fault.String()
	}
	return printable(line)
}

// gaveUp explains why waiting ended.
func (c *cli) gaveUp(err error, tunnel string, limit time.Duration, last *api.Fault) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded) && last != nil:
		return exit{exitNotUp, fmt.Errorf("%s is not up after %v: %v", tunnel, limit, last)}
	case errors.Is(err, context.DeadlineExceeded):
		return exit{exitNotUp, fmt.Errorf("%s is not up after %v; see: twinspan status %s", tunnel, limit, shellWord(tunnel))}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return exit{exitUnreachable, fmt.Errorf("the daemon stopped; see: systemctl status twinspand")}
	case errors.Is(err, context.Canceled):
		return exit{exitNotUp, fmt.Errorf("interrupted; %s goes on negotiating, to end that: twinspan down %s", tunnel, shellWord(tunnel))}
	}
	return failed(err)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
			"or with exit code 5, and what is wrong, when it is not within that time. Write the time with an\n" +
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
	p := progress{cli: c, begin: begin}
	if err := p.follow(events); err != nil {
		return c.gaveUp(err, tunnel, limit, p.fault)
	}
	fmt.Fprintf(c.out, "%s is %s after %.1f s%s\n", printable(tunnel), c.paint(green, stateUp), time.Since(begin).Seconds(), p.suites())
	return nil
}

// progress is what is shown of a negotiation while it goes on.
type progress struct {
	*cli
	begin         time.Time
	fault         *api.Fault // the last one
	session, pair string     // the suites that were agreed on
}

// follow prints events until the tunnel is up.
func (p *progress) follow(events *client.Events) error {
	for {
		e, err := events.Next()
		if err != nil {
			return err
		}
		p.show(e)
		if e.Kind == "tunnel changed" && e.State == stateUp {
			return nil
		}
	}
}

// show prints an event, and why something failed once: the session, its pair and
// the tunnel fail for the same reason.
func (p *progress) show(e api.Event) {
	line := p.eventText(e)
	switch {
	case e.Fault == nil:
	case p.fault == nil || e.Fault.String() != p.fault.String():
		line += ": " + e.Fault.String()
		p.fault = e.Fault
	}
	if e.Session != nil {
		p.session = e.Session.Proposal
	}
	if e.Pair != nil && e.Pair.Child != nil && e.Kind == "child up" {
		p.pair = e.Pair.Child.Suite
	}
	fmt.Fprintf(p.out, "%8.3f s  %s\n", e.Time.Sub(p.begin).Seconds(), printable(line))
}

// suites are the algorithms in use.
func (p *progress) suites() string {
	switch {
	case p.pair == "":
		return ""
	case p.session == "":
		return ": " + p.pair
	}
	return ": IKE with " + p.session + ", ESP with " + p.pair
}

// answers names the message that is awaited once another one was sent.
var answers = map[string]string{"MM1": "MM2", "MM3": "MM4", "MM5": "MM6", "AM1": "AM2", "AM2": "AM3", "QM1": "QM2", "QM2": "QM3"}

// eventText is an event in one line, without its fault.
func (c *cli) eventText(e api.Event) string {
	switch e.Kind {
	case "message out":
		return fmt.Sprintf("%s %-4s %s, %d bytes", c.glyph("→", "->"), e.Step, e.Exchange, e.Bytes)
	case "message in":
		return fmt.Sprintf("%s %-4s %s, %d bytes", c.glyph("←", "<-"), e.Step, e.Exchange, e.Bytes)
	case "resent":
		line := fmt.Sprintf("%s %-4s %s, again (%d)", c.glyph("→", "->"), e.Step, e.Exchange, e.Try)
		if answer := answers[e.Step]; answer != "" {
			line += ": " + answer + " has not come yet"
		}
		return line
	case "session up":
		if s := e.Session; s != nil {
			return "phase 1 is done: " + s.Mode + " with " + s.Remote + ", " + s.Proposal
		}
		return "phase 1 is done"
	case "child up":
		if e.Pair != nil && e.Pair.Child != nil {
			return "SAs stand for " + networks(e.Pair) + ": " + suite(e.Pair.Child)
		}
		return "SAs stand" + forNetworks(e.Pair)
	case "child failed", "child down":
		return e.Kind + forNetworks(e.Pair)
	case "tunnel changed":
		return "tunnel is " + e.State
	case "peer moved":
		return "the peer has moved to " + e.Remote
	case "peer restarted":
		return "the peer says that it began anew"
	case "refused":
		return strings.TrimSpace("refused " + e.Step)
	}
	return e.Kind
}

func forNetworks(p *api.Pair) string {
	if p == nil {
		return ""
	}
	return " for " + networks(p)
}

// gaveUp explains why waiting ended.
func (c *cli) gaveUp(err error, tunnel string, limit time.Duration, last *api.Fault) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded) && last != nil:
		c.printFault(last)
		return exit{exitNotUp, fmt.Errorf("%s is not up after %v; more: twinspan why %s", tunnel, limit, shellWord(tunnel))}
	case errors.Is(err, context.DeadlineExceeded):
		return exit{exitNotUp, fmt.Errorf("%s is not up after %v; see: twinspan why %s", tunnel, limit, shellWord(tunnel))}
	case ended(err):
		return exit{exitUnreachable, errDaemonStopped}
	case errors.Is(err, context.Canceled):
		return exit{exitNotUp, fmt.Errorf("interrupted; %s goes on negotiating, to end that: twinspan down %s", tunnel, shellWord(tunnel))}
	}
	return failed(err)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
)

// minWatch keeps a watch from being a load.
const minWatch = 100 * time.Millisecond

type statusFlags struct {
	json, check bool
	watch       time.Duration
}

func (c *cli) status() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status [TUNNEL]",
		Short: "Show every configured tunnel, problems first; or one in detail",
		Long: "Show every configured tunnel, problems first; or one in detail.\n\n" +
			"With --check the exit code is that of a monitoring probe: 0 all tunnels are up,\n" +
			"1 some are not, 2 none is. Tunnels that an operator took down do not count.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.tunnelNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("watch") {
				return c.watchStatus(cmd.Context(), args, f)
			}
			return c.showStatus(cmd.Context(), args, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print the daemon's document as it is")
	flags.BoolVar(&f.check, "check", false, "exit 0, 1 or 2: all, some, no tunnels up")
	flags.DurationVar(&f.watch, "watch", 0, "show it again and again, at this interval")
	flags.Lookup("watch").NoOptDefVal = "1s"
	cmd.MarkFlagsMutuallyExclusive("watch", "check")
	return cmd
}

func (c *cli) watchStatus(ctx context.Context, args []string, f statusFlags) error {
	for {
		if c.tty && !f.json {
			fmt.Fprint(c.out, clearScreen)
		}
		if err := c.showStatus(ctx, args, f); err != nil && ctx.Err() == nil {
			return err
		}
		if !wait(ctx.Done(), max(f.watch, minWatch)) {
			return nil
		}
	}
}

func (c *cli) showStatus(ctx context.Context, args []string, f statusFlags) error {
	s, err := c.daemon().Status(ctx)
	if err != nil {
		return failed(err)
	}
	if len(args) == 1 {
		if s, err = only(s, args[0]); err != nil {
			return failed(err)
		}
	}
	switch {
	case f.json:
		err = c.printJSON(s)
	case len(args) == 1:
		c.printTunnel(s.Tunnels[0], s.Time)
	default:
		c.printStatus(s)
	}
	if err == nil && f.check {
		return probe(s.Tunnels)
	}
	return failed(err)
}

func (c *cli) printJSON(doc any) error {
	out := json.NewEncoder(c.out)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(doc)
}

// only leaves one tunnel in a status.
func only(s api.Status, name string) (api.Status, error) {
	names := make([]string, len(s.Tunnels))
	for i, t := range s.Tunnels {
		if t.Name == name {
			s.Tunnels = s.Tunnels[i : i+1]
			return s, nil
		}
		names[i] = t.Name
	}
	if len(names) == 0 {
		return s, fmt.Errorf("no tunnel %q: none is configured", name)
	}
	return s, fmt.Errorf("no tunnel %q; there are: %s", name, strings.Join(names, ", "))
}

// probe is the exit of status --check.
func probe(tunnels []api.Tunnel) error {
	var up, wanted int
	for _, t := range tunnels {
		if t.State == stateUp {
			up++
		}
		if t.State != stateDisabled {
			wanted++
		}
	}
	switch {
	case up == wanted:
		return nil
	case up > 0:
		return exit{code: 1}
	}
	return exit{code: 2}
}

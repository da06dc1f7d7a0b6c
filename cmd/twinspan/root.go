package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/api/client"
)

// socketVariable overrides the default of --socket.
const socketVariable = "TWINSPAN_SOCKET"

// cli is what the commands share.
type cli struct {
	terminal
	socket string
}

func (c *cli) daemon() *client.Client { return client.New(c.socket) }

func newRoot(t terminal) *cobra.Command {
	c := &cli{terminal: t}
	root := &cobra.Command{
		Use:   "twinspan",
		Short: "Look at and command the Twinspan VPN gateway",
		Long: "Look at and command the Twinspan VPN gateway.\n\n" +
			"Exit codes: 0 done; 1 failed; 2 wrong usage; 3 the daemon does not answer;\n" +
			"4 the configuration is invalid; 5 not up within --wait, or no keys to rekey;\n6 not permitted.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&c.socket, "socket", cmp.Or(t.getenv(socketVariable), api.DefaultSocket),
		"the daemon's control socket; also $"+socketVariable)
	root.AddCommand(c.check(), c.peerConfig(), c.price(), c.status(), c.up(), c.down(), c.rekey(), c.why(), c.log(), c.traffic(), c.details(), c.reload(), c.alarm(), c.version())
	return root
}

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the daemon",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(c.out, "twinspan ", programVersion())
			v, err := c.daemon().Version(cmd.Context())
			var gone *client.Unreachable
			switch {
			case errors.As(err, &gone):
				fmt.Fprintln(c.out, "twinspand does not answer on", c.socket)
				return nil // this program's version was told
			case err != nil:
				return failed(err)
			}
			fmt.Fprintln(c.out, "twinspand", v.Program)
			return nil
		},
	}
}

// tunnelNames completes the name of a tunnel by asking the daemon.
func (c *cli) tunnelNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := c.daemon().Status(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(s.Tunnels))
	for i, t := range s.Tunnels {
		names[i] = t.Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) reload() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the daemon read its files again and apply what changed",
		Long: "Have the daemon read its files again and apply what changed. Tunnels that did\n" +
			"not change are not touched. When a file is wrong nothing changes: every fault\n" +
			"is printed and the exit code is 4.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := c.daemon().Reload(cmd.Context())
			if err != nil {
				return failed(err)
			}
			for _, ch := range r.Changes {
				name := ch.Object
				if ch.Tunnel != "" {
					name = ch.Tunnel
				}
				fmt.Fprintf(c.out, "  %s: %s (%s)\n", printable(name), printable(ch.What), ch.Impact)
			}
			for _, w := range r.Warnings {
				fmt.Fprintf(c.err, "%s %s\n", c.paint(yellow, "warning:"), printable(w.String()))
			}
			fmt.Fprintln(c.out, r.Summary)
			return nil
		},
	}
}

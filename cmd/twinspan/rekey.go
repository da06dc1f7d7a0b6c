package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
)

func (c *cli) rekey() *cobra.Command {
	return &cobra.Command{
		Use:   "rekey TUNNEL [ike|ipsec]",
		Short: "Replace a tunnel's keys now",
		Long: "Replace a tunnel's keys now: those of phase 1 (ike), those of its pairs of\n" +
			"networks (ipsec), or both. The old keys serve until the new ones are there.\n" +
			"A tunnel that is not up has none to replace.",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: c.rekeyWords,
		RunE: func(cmd *cobra.Command, args []string) error {
			what := api.Rekey{}
			if len(args) == 2 {
				what.Phase = args[1]
			}
			t, err := c.daemon().Rekey(cmd.Context(), args[0], what)
			if err != nil {
				return failed(err)
			}
			if nothingToReplace(t, what.Phase) {
				return exit{exitNotUp, fmt.Errorf("%s is %s: there are no such keys to replace; see: twinspan up %s", t.Name, t.State, shellWord(t.Name))}
			}
			return c.rekeyed(t, what.Phase)
		},
	}
}

// rekeyed says what is under way. A session of a peer that began from behind a
// translator cannot be replaced from here.
func (c *cli) rekeyed(t api.Tunnel, phase string) error {
	ours := t.Session != nil && !t.Session.Renews.IsZero()
	const only = "only the peer can replace phase 1: it began, from behind a translator (NAT) or from an address that is not configured"
	switch {
	case !ours && phase == api.RekeyIKE:
		return exit{exitFailed, fmt.Errorf("%s: %s", t.Name, only)}
	case !ours && phase == "":
		fmt.Fprintf(c.out, "%s gets new keys for its pairs of networks; %s\n", printable(t.Name), only)
		return nil
	}
	fmt.Fprintf(c.out, "%s gets new keys; the old ones serve until they are there\n", printable(t.Name))
	return nil
}

// nothingToReplace tells that a tunnel has no keys of a phase.
func nothingToReplace(t api.Tunnel, phase string) bool {
	switch phase {
	case api.RekeyIKE:
		return t.Session == nil
	case api.RekeyIPsec:
		return t.PairsUp == 0
	}
	return t.Session == nil && t.PairsUp == 0
}

// rekeyWords completes a tunnel's name, and then the phase.
func (c *cli) rekeyWords(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return []string{api.RekeyIKE, api.RekeyIPsec}, cobra.ShellCompDirectiveNoFileComp
	}
	return c.tunnelNames(cmd, args, typed)
}

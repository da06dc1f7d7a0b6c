package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
)

func (c *cli) details() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "details NAME",
		Short: "Show all of a VPN gateway, a customer gateway or a tunnel",
		Long: "Show all that there is to know of a VPN gateway, a customer gateway or a tunnel:\n" +
			"how it is configured, defaults filled in, where that is written, and what it\n" +
			"does now. Where several share the name, all of them are shown. Pre-shared keys\n" +
			"are never shown.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.detailNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := c.daemon().Details(cmd.Context(), args[0])
			switch {
			case err != nil:
				return failed(err)
			case asJSON:
				return failed(c.printJSON(d))
			}
			c.printDetails(d)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the daemon's document as it is")
	return cmd
}

// detailNames completes the name of anything that has details.
func (c *cli) detailNames(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	names, directive := c.carrierNames(cmd, args, typed)
	if len(args) > 0 || directive == cobra.ShellCompDirectiveError {
		return names, directive
	}
	s, err := c.daemon().Status(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, t := range s.Tunnels {
		names = append(names, t.CustomerGateway)
	}
	slices.Sort(names)
	return slices.Compact(names), directive
}

func (c *cli) printDetails(d api.Details) {
	if d.Gateway != nil {
		c.printGateway(*d.Gateway, d.Time)
	}
	if d.CustomerGateway != nil {
		c.printCustomerGateway(*d.CustomerGateway, d.Time)
	}
	if d.Tunnel != nil {
		c.printTunnelDetails(*d.Tunnel, d.Time)
	}
}

func (c *cli) title(name, kind string) {
	fmt.Fprintf(c.out, "%s  %s\n", c.paint(bold, printable(name)), kind)
}

func (c *cli) printGateway(g api.GatewayDetails, now time.Time) {
	c.title(g.Name, "VPN gateway")
	c.field("public IP", g.PublicIP)
	c.field("bandwidth", fmt.Sprintf("%d Mbit/s", g.BandwidthMbps))
	c.field("VPC", printable(g.VPC)+inRegion(g.Region)+": "+strings.Join(g.CIDR, ", "))
	c.field("device", fmt.Sprintf("%s, MTU %d", g.Device, g.MTU))
	c.field("traffic", traffic(g.Traffic)+errorsOf(g.Traffic))
	c.field("defined", g.Defined)
	for _, r := range g.Routes {
		c.field("route", fmt.Sprintf("%s in route table %s", r.Destination, printable(r.Table)))
	}
	if len(g.Routes) == 0 {
		c.field("route", "none leads here: without one nothing goes through its tunnels")
	}
	c.printTunnelStates("CUSTOMER GATEWAY", g.Tunnels, now)
}

func (c *cli) printCustomerGateway(g api.CustomerGatewayDetails, now time.Time) {
	c.title(g.Name, "customer gateway"+inRegion(printable(g.Region)))
	c.field("public IP", g.PublicIP)
	c.field("defined", g.Defined)
	c.printTunnelStates("VPN GATEWAY", g.Tunnels, now)
}

func inRegion(region string) string {
	if region == "" {
		return ""
	}
	return " in " + printable(region)
}

func (c *cli) printTunnelStates(peer string, tunnels []api.TunnelState, now time.Time) {
	if len(tunnels) == 0 {
		c.field("tunnels", "none")
		return
	}
	w := c.newTable()
	w.AppendHeader(table.Row{"TUNNEL", peer, "STATE", "SINCE"})
	for _, t := range tunnels {
		w.AppendRow(table.Row{printable(t.Name), printable(t.Peer), c.paint(stateColour(t.State), t.State), since(t.Since, now)})
	}
	fmt.Fprintln(c.out, indented(render(w)))
}

// printTunnelDetails shows how a tunnel is configured, and then what it does.
func (c *cli) printTunnelDetails(t api.TunnelDetails, now time.Time) {
	c.title(t.Name, "tunnel, IKE/IPsec")
	c.field("defined", t.Defined)
	c.field("key", fmt.Sprintf("%s, not shown", count(t.Keys, "pre-shared key")))
	for i, p := range t.Policies {
		c.field(fmt.Sprintf("SPD %d", i+1), p.Local+" to "+strings.Join(p.Peer, ", "))
	}
	fmt.Fprintln(c.out, "IKE")
	c.field("version", t.IKE.IKEVersion+", "+t.IKE.Authentication)
	c.field("mode", t.IKE.Mode)
	c.field("proposals", strings.Join(t.IKE.Proposals, ", "))
	c.field("identities", printable(t.IKE.LocalID)+" (here), "+printable(t.IKE.RemoteID)+" (there)")
	c.field("lifetime", fmt.Sprintf("%d s", t.IKE.LifetimeSecond))
	c.field("NAT-T", t.NATT)
	fmt.Fprintln(c.out, "IPsec")
	c.field("protocol", t.IPsec.Protocol+", "+t.IPsec.Encapsulation)
	c.field("proposals", strings.Join(t.IPsec.Proposals, ", "))
	c.field("PFS", t.IPsec.PFS)
	c.field("lifetime", fmt.Sprintf("%d s, %d KB", t.IPsec.LifetimeSecond, t.IPsec.LifetimeKB))
	fmt.Fprintln(c.out, "now")
	c.printTunnel(t.Tunnel, now)
}

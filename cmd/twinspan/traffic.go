package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
)

// sparks is how many columns a line of traffic is drawn in.
const sparks = 60

type trafficFlags struct {
	last time.Duration
	json bool
	png  string
}

func (c *cli) traffic() *cobra.Command {
	var f trafficFlags
	cmd := &cobra.Command{
		Use:   "traffic [NAME]",
		Short: "Draw what the gateways and tunnels carried, or those of one name",
		Long: "Draw what the gateways and tunnels carried, or those of one name: the average,\n" +
			"what 95 of 100 steps of ten seconds did not exceed (p95) with its share of the\n" +
			"gateway's tier, the peak, and what the health check found. The daemon keeps the\n" +
			"last 24 hours, over restarts too; times of which nothing is known stay blank.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.carrierNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			p := api.Period{Last: f.last, Points: sparks}
			if len(args) == 1 {
				p.Name = args[0]
			}
			if f.last < 10*time.Second || f.last > api.LongestPeriod {
				return fmt.Errorf("--last %v: write 10s to %s", f.last, span(api.LongestPeriod))
			}
			if f.json || f.png != "" {
				p.Points = api.DefaultPoints
			}
			h, err := c.daemon().Traffic(cmd.Context(), p)
			switch {
			case err != nil:
				return failed(err)
			case f.png != "":
				return failed(c.chart(f.png, h))
			case f.json:
				return failed(c.printJSON(h))
			}
			c.printTraffic(h)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.last, "last", api.DefaultPeriod, "how far back, up to 24h")
	flags.BoolVar(&f.json, "json", false, "print the daemon's document as it is")
	flags.StringVar(&f.png, "png", "", "draw a chart into this file instead")
	cmd.MarkFlagsMutuallyExclusive("json", "png")
	return cmd
}

func (c *cli) printTraffic(h api.History) {
	if len(h.Subjects) == 0 {
		fmt.Fprintln(c.out, "nothing is configured that could carry traffic")
		return
	}
	fmt.Fprintf(c.out, "%s to %s, %s a column\n", h.From.In(c.zone).Format(time.DateTime), h.To.In(c.zone).Format(time.DateTime),
		span(time.Duration(h.StepSecond)*time.Second))
	for _, s := range h.Subjects {
		c.printCarried(s)
	}
}

func (c *cli) printCarried(s api.Carried) {
	fmt.Fprintf(c.out, "%s  %s\n", c.paint(bold, printable(s.Name)), tier(s))
	if s.KnownSecond == 0 {
		fmt.Fprintln(c.out, "  nothing is known of that time")
		return
	}
	c.printRate("in", s, s.In, s.BytesIn, func(m api.Moment) float64 { return m.In })
	c.printRate("out", s, s.Out, s.BytesOut, func(m api.Moment) float64 { return m.Out })
	if s.Drops > 0 {
		c.field("drops", fmt.Sprintf("%d replayed or damaged packets", s.Drops))
	}
	if s.Health != nil {
		c.field("ping", fmt.Sprintf("%.1f ms, %.1f %% lost", s.Health.DelayMs, 100*s.Health.Loss))
	}
}

// tier says what a subject is, and what bounds it.
func tier(s api.Carried) string {
	if s.Kind == api.KindGateway {
		return fmt.Sprintf("VPN gateway, tier %d Mbit/s", s.BandwidthMbps)
	}
	return fmt.Sprintf("tunnel of %s, tier %d Mbit/s", printable(s.Gateway), s.BandwidthMbps)
}

func (c *cli) printRate(way string, s api.Carried, r api.Rate, bytes uint64, of func(api.Moment) float64) {
	c.field(way, c.spark(s.Points, of)+"|")
	c.field(" ", fmt.Sprintf("average %s, p95 %s (%s), peak %s, %sB in all",
		bits(r.Average), bits(r.P95), share(r.P95, s.BandwidthMbps), bits(r.Peak), spaced(bytes)))
}

// share is a rate as a part of the tier.
func share(rate float64, mbps int) string {
	if mbps == 0 {
		return "no tier"
	}
	return fmt.Sprintf("%.0f %% of the tier", rate/float64(mbps)/1e4)
}

// bits is a rate in bits per second.
func bits(rate float64) string { return spaced(uint64(rate)) + "bit/s" }

// spaced is amount with a space before the unit that follows.
func spaced(n uint64) string {
	text := amount(n)
	number := strings.TrimRight(text, "KMGTPE")
	return number + " " + text[len(number):]
}

// spark draws one column for each point, as high as it is against the highest;
// what is not known is blank.
func (c *cli) spark(points []api.Moment, of func(api.Moment) float64) string {
	levels := []rune(c.glyph("▁▂▃▄▅▆▇█", "_.-=+*%#"))
	most := 0.0
	for _, p := range points {
		most = max(most, of(p))
	}
	var b strings.Builder
	for _, p := range points {
		switch {
		case !p.Known:
			b.WriteByte(' ')
		case most == 0:
			b.WriteRune(levels[0])
		default:
			b.WriteRune(levels[int(of(p)/most*float64(len(levels)-1)+0.5)])
		}
	}
	return b.String()
}

// carrierNames completes the name of a gateway or a tunnel.
func (c *cli) carrierNames(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	names, directive := c.tunnelNames(cmd, args, typed)
	if len(args) > 0 || directive == cobra.ShellCompDirectiveError {
		return names, directive
	}
	s, err := c.daemon().Status(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, g := range s.Gateways {
		names = append(names, g.Name)
	}
	return names, directive
}

package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
)

func (c *cli) why() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why TUNNEL",
		Short: "Explain why a tunnel is not up, and what to change",
		Long: "Explain why a tunnel is not up: the cause, what this side wants against what the\n" +
			"peer wants, parameter by parameter, the line to change here or at the peer, and\n" +
			"the last ten negotiations. Of a tunnel that is up it tells what failed before.\n\n" +
			"As the side that begins one is often only told that something does not fit. What\n" +
			"the peer wants is known once it has begun itself.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.tunnelNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := c.daemon().Why(cmd.Context(), args[0])
			switch {
			case err != nil:
				return failed(err)
			case asJSON:
				return failed(c.printJSON(w))
			}
			c.printWhy(w)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the daemon's document as it is")
	return cmd
}

func (c *cli) printWhy(w api.Why) {
	fmt.Fprintf(c.out, "%s  %s%s%s\n", c.paint(bold, printable(w.Tunnel)), c.paint(stateColour(w.State), w.State),
		sinceWords(w.Since, w.Time), tries(w))
	switch {
	case w.Fault != nil:
		c.printFault(w.Fault)
	case w.State == stateUp:
		fmt.Fprintf(c.out, "  nothing is wrong: %s\n", stand(w))
	default:
		fmt.Fprintf(c.out, "  no negotiation has failed; %s\n", stand(w))
	}
	c.printNegotiations(w)
}

// stand says how much of a tunnel is up.
func stand(w api.Why) string {
	return fmt.Sprintf("%d/%d pairs of networks have SAs", w.PairsUp, w.Pairs)
}

// tries says how often a tunnel that is not up was tried.
func tries(w api.Why) string {
	switch {
	case w.State == stateUp || w.Try == 0:
		return ""
	case w.NextTry.IsZero():
		return fmt.Sprintf(", try %d failed", w.Try)
	}
	return fmt.Sprintf(", try %d failed, next in %s", w.Try, span(w.NextTry.Sub(w.Time)))
}

// printFault says what went wrong, what was compared, and what to change.
func (c *cli) printFault(f *api.Fault) {
	fmt.Fprintf(c.out, "  %s\n", c.paint(red, printable(f.Text)))
	c.printCompared(f.Compared)
	if several(f.Ours) || several(f.Theirs) || len(f.Compared) == 0 {
		c.field("ours", printable(f.Ours))
		c.field("theirs", printable(f.Theirs))
	}
	c.field("here", printable(f.Advice))
	peer := "at the peer"
	if f.Advice != "" {
		peer = "or there"
	}
	c.field(peer, printable(f.PeerAdvice))
}

// several tells that there is more than what was compared.
func several(list string) bool { return strings.Contains(list, ", ") }

func (c *cli) printCompared(list []api.Parameter) {
	if len(list) == 0 {
		return
	}
	w := c.newTable()
	w.AppendHeader(table.Row{"", "PARAMETER", "OURS", "THEIRS"})
	for _, p := range list {
		mark, colour := c.mark(p)
		w.AppendRow(table.Row{c.paint(colour, mark), p.Name, value(p, p.Ours), c.paint(colour, value(p, p.Theirs))})
	}
	fmt.Fprintln(c.out, indented(render(w)))
}

// mark tells what is the same, what is not, and what is not known.
func (c *cli) mark(p api.Parameter) (mark, colour string) {
	switch {
	case p.Agrees:
		return c.glyph("✓", "="), green
	case p.Theirs == "" && !secret(p):
		return "?", yellow
	}
	return c.glyph("✗", "!"), red
}

// secret tells the parameter whose values nobody is shown.
func secret(p api.Parameter) bool { return p.Name == "pre_shared_key" }

func value(p api.Parameter, v string) string {
	if secret(p) {
		return "(secret)"
	}
	return cmp.Or(printable(v), "-")
}

func indented(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func (c *cli) printNegotiations(w api.Why) {
	if len(w.Negotiations) == 0 {
		fmt.Fprintln(c.out, "  nothing has been negotiated yet")
		return
	}
	fmt.Fprintln(c.out, "last negotiations")
	t := c.newTable()
	t.AppendHeader(table.Row{"WHEN", "TOOK", "BEGAN", "EXCHANGE", "NETWORKS", "RESULT"})
	for _, n := range w.Negotiations {
		t.AppendRow(table.Row{
			span(w.Time.Sub(n.Last)) + " ago", took(n), who(n), cmp.Or(n.Exchange, "-"), networks(n.Pair), c.result(n, w.Time),
		})
	}
	fmt.Fprintln(c.out, indented(render(t)))
}

func took(n api.Negotiation) string {
	if n.Took == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fs", n.Took)
}

func who(n api.Negotiation) string {
	if n.Initiator {
		return "we"
	}
	return "peer"
}

func networks(p *api.Pair) string {
	if p == nil {
		return "-"
	}
	return p.Local + " and " + p.Remote
}

// result is how a negotiation ended, and how often it did.
func (c *cli) result(n api.Negotiation, now time.Time) string {
	text := c.paint(green, n.Result)
	if n.Result != api.ResultUp {
		text = c.paint(red, n.Result)
	}
	if n.Count > 1 {
		text += fmt.Sprintf(", %d times in %s", n.Count, span(now.Sub(n.Began)))
	}
	if n.Fault != nil {
		text += ": " + printable(n.Fault.Text)
	}
	return text
}

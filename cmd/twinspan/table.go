package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/twinspan/twinspan/daemon/api"
)

// The words of a tunnel's state.
const (
	stateUp          = "up"
	statePartlyUp    = "partly up"
	stateNegotiating = "negotiating"
	stateDown        = "down"
	stateDisabled    = "disabled"
	stateSilent      = "established, nothing comes back"
)

// printStatus shows the gateways, the problems, and a table of all tunnels.
func (c *cli) printStatus(s api.Status) {
	for _, g := range s.Gateways {
		fmt.Fprintf(c.out, "%s  %s  tier %d Mbit/s  in %s  out %s\n", c.paint(bold, printable(g.Name)), g.PublicIP,
			g.BandwidthMbps, amount(g.BytesIn), amount(g.BytesOut))
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(c.out, "%s %s\n", c.paint(yellow, "warning:"), printable(w))
	}
	tunnels := slices.Clone(s.Tunnels)
	slices.SortStableFunc(tunnels, func(a, b api.Tunnel) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(a.Name, b.Name))
	})
	c.printProblems(tunnels, s.Time)
	if len(tunnels) == 0 {
		fmt.Fprintln(c.out, "no tunnel is configured")
		return
	}
	fmt.Fprintln(c.out, c.tunnelTable(tunnels, s.Time))
}

// urgency sorts tunnels: problems, then what is not up and need not be, then
// what is, then what an operator took down.
func urgency(t api.Tunnel) int {
	switch {
	case isProblem(t):
		return 0
	case t.State == stateUp:
		return 2
	case t.State == stateDisabled:
		return 3
	}
	return 1
}

// isProblem tells whether somebody should look: a tunnel that failed, or one
// that should stand and does not. One that waits for its peer or for traffic
// is at rest.
func isProblem(t api.Tunnel) bool {
	switch t.State {
	case stateUp, stateDisabled:
		return false
	case stateDown, statePartlyUp:
		return t.Fault != nil || t.Start == "active"
	}
	return t.Fault != nil
}

func (c *cli) printProblems(tunnels []api.Tunnel, now time.Time) {
	bad := tunnels
	if i := slices.IndexFunc(tunnels, func(t api.Tunnel) bool { return !isProblem(t) }); i >= 0 {
		bad = tunnels[:i]
	}
	if len(bad) == 0 {
		return
	}
	fmt.Fprintln(c.out, count(len(bad), "problem"))
	for _, t := range bad {
		fmt.Fprintf(c.out, "  %s %s: %s %s - %s\n", c.paint(red, "!"), printable(t.Name), t.State,
			span(now.Sub(t.Since)), printable(reason(t)))
	}
}

// reason is why a tunnel is not up.
func reason(t api.Tunnel) string {
	if t.Fault != nil {
		return t.Fault.String()
	}
	return fmt.Sprintf("%d of %d pairs have SAs; more: twinspan status %s", t.PairsUp, len(t.Pairs), shellWord(t.Name))
}

// shellWord quotes a name for a command that is to be copied.
func shellWord(s string) string {
	if strings.ContainsAny(s, " \t'\"\\$`!*?[]{}()<>|&;#~") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func (c *cli) tunnelTable(tunnels []api.Tunnel, now time.Time) string {
	w := c.newTable()
	w.AppendHeader(table.Row{"TUNNEL", "PEER", "STATE", "SINCE", "POLICIES", "IN / OUT", "REKEY IN"})
	for _, t := range tunnels {
		w.AppendRow(table.Row{
			printable(t.Name), t.Remote, c.paint(stateColour(t.State), t.State), since(t.Since, now),
			fmt.Sprintf("%d/%d", t.PairsUp, len(t.Pairs)), traffic(t.Traffic), next(t, now),
		})
	}
	return render(w)
}

// newTable is a table without lines, its columns two spaces apart.
func (c *cli) newTable() table.Writer {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = 0
	w.SetStyle(style)
	return w
}

// render takes away the blanks that pad the last column.
func render(w table.Writer) string {
	lines := strings.Split(w.Render(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

func stateColour(state string) string {
	switch state {
	case stateUp:
		return green
	case statePartlyUp, stateNegotiating, stateSilent:
		return yellow
	case stateDown:
		return red
	}
	return faint
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(now.Sub(t))
}

func traffic(t api.Traffic) string {
	if t.PacketsIn == 0 && t.PacketsOut == 0 {
		return "-"
	}
	return amount(t.BytesIn) + " / " + amount(t.BytesOut)
}

// next is when the first of the tunnel's SAs are replaced, or for one that is not
// up when it is tried again.
func next(t api.Tunnel, now time.Time) string {
	switch {
	case t.State == stateUp && !t.Renews.IsZero():
		return span(t.Renews.Sub(now))
	case t.State == stateUp || t.Try == 0:
		return "-"
	case t.NextTry.IsZero():
		return fmt.Sprintf("try %d", t.Try)
	}
	return fmt.Sprintf("try %d, next in %s", t.Try, span(t.NextTry.Sub(now)))
}

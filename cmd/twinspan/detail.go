package main

import (
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/twinspan/twinspan/daemon/api"
)

// printTunnel shows one tunnel in detail.
func (c *cli) printTunnel(t api.Tunnel, now time.Time) {
	fmt.Fprintf(c.out, "%s  %s%s\n", c.paint(bold, printable(t.Name)), c.paint(stateColour(t.State), t.State), sinceWords(t.Since, now))
	c.field("gateways", printable(t.Gateway)+" (here), "+printable(t.CustomerGateway)+" (there)")
	c.field("addresses", t.Local+" (here), "+t.Remote+" (there)")
	c.field("begins", t.Start)
	if t.Fault != nil {
		c.field("last fault", c.paint(red, printable(t.Fault.Text)))
		c.field("  ours", printable(t.Fault.Ours))
		c.field("  theirs", printable(t.Fault.Theirs))
		c.field("  to do", printable(t.Fault.Advice))
		c.field("  at peer", printable(t.Fault.PeerAdvice))
	}
	if t.State != stateUp && t.Try > 0 {
		c.field("negotiation", next(t, now))
	}
	c.field("dead peer", deadPeer(t.DPD))
	c.field("ping", ping(t.Probe))
	c.field("traffic", traffic(t.Traffic)+errorsOf(t.Traffic))
	c.printSession(t.Session, now)
	c.printPairs(t.Pairs, now)
}

// field prints one line, nothing for an empty value.
func (c *cli) field(name, value string) {
	if value != "" {
		fmt.Fprintf(c.out, "  %-12s %s\n", name, value)
	}
}

func sinceWords(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " for " + span(now.Sub(t))
}

func errorsOf(t api.Traffic) string {
	if t.ReplayErrors == 0 && t.IntegrityErrors == 0 {
		return ""
	}
	return fmt.Sprintf("; %d replayed and %d damaged packets dropped", t.ReplayErrors, t.IntegrityErrors)
}

func (c *cli) printSession(s *api.Session, now time.Time) {
	if s == nil {
		return
	}
	role := "peer began"
	if s.Initiator {
		role = "we began"
	}
	c.field("IKE", fmt.Sprintf("%s, %s, %s, up for %s", s.Mode, s.Proposal, role, span(now.Sub(s.Established))))
	if !s.Renews.IsZero() {
		c.field("  rekey in", span(s.Renews.Sub(now)))
	}
	if !s.Expires.IsZero() {
		c.field("  ends in", span(s.Expires.Sub(now)))
	}
	c.field("  between", s.Local+" and "+s.Remote)
	c.field("  peer is", printable(s.PeerID))
	if s.NAT != "" {
		c.field("  NAT", s.NAT)
	}
	if s.OldKey {
		c.field("  key", "an older pre-shared key: give the peer the newest one")
	}
	c.field("  cookies", s.Cookies)
}

func (c *cli) printPairs(pairs []api.Pair, now time.Time) {
	if len(pairs) == 0 {
		return
	}
	w := c.newTable()
	w.AppendHeader(table.Row{"LOCAL", "REMOTE", "STATE", "SINCE", "SPI IN", "SPI OUT", "SUITE", "REKEY IN"})
	for _, p := range pairs {
		row := table.Row{p.Local, p.Remote, c.paint(red, stateDown), since(p.Since, now), "-", "-", "-", "-"}
		if p.Child != nil {
			row[2] = c.paint(green, stateUp)
			if p.Mute {
				row[2] = c.paint(yellow, "nothing comes back")
			}
			row[4], row[5], row[6] = p.Child.SPIIn, p.Child.SPIOut, suite(p.Child)
			if !p.Renews.IsZero() {
				row[7] = span(p.Renews.Sub(now))
			}
		}
		w.AppendRow(row)
	}
	fmt.Fprintln(c.out, render(w))
}

func suite(ch *api.Child) string {
	if ch.Encapsulation {
		return ch.Suite + " in UDP"
	}
	return ch.Suite
}

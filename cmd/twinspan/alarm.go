package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
)

func (c *cli) alarm() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alarm",
		Short: "Show, test and silence alarms",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.alarmList(), c.alarmTest(), c.alarmSilence())
	return cmd
}

func (c *cli) alarmList() *cobra.Command {
	var asJSON bool
	var lines int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show what fires, what was told to whom, and the alarm policies",
		Long: "Show what fires, what is silenced, what was told to whom and whether it arrived,\n" +
			"and the alarm policies. The last 200 notices are kept, over restarts too.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := c.daemon().Alarms(cmd.Context())
			if err != nil {
				return failed(err)
			}
			if asJSON {
				return failed(c.printJSON(doc))
			}
			c.printAlarms(doc, lines)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the daemon's document as it is")
	cmd.Flags().IntVarP(&lines, "lines", "n", 20, "no more notices than the last so many")
	return cmd
}

func (c *cli) alarmTest() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test [RECEIVER]",
		Short: "Send a test notice to a receiver, or to all, and tell whether it was taken",
		Long: "Send a test notice to a receiver, or to all, and tell whether it was taken. It goes\n" +
			"at once and is not tried again; when one is not taken the exit code is 1.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.receiverNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				doc, err := c.daemon().Alarms(cmd.Context())
				if err != nil {
					return failed(err)
				}
				args = namesOf(doc.Receivers, func(r api.Receiver) string { return r.Name })
			}
			return c.testReceivers(cmd.Context(), args, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document for each that was taken")
	return cmd
}

func (c *cli) testReceivers(ctx context.Context, names []string, asJSON bool) error {
	if len(names) == 0 {
		return exit{exitFailed, errors.New("no receiver is configured; write [receiver.NAME]")}
	}
	var errs []error
	for _, name := range names {
		doc, err := c.daemon().TestReceiver(ctx, name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case asJSON:
			errs = append(errs, c.printJSON(doc))
		default:
			fmt.Fprintf(c.out, "%s took it after %.1f s\n", printable(doc.Receiver), doc.Took)
		}
	}
	return failed(errors.Join(errs...))
}

type silenceFlags struct {
	object string
	length time.Duration
	end    bool
	json   bool
}

func (c *cli) alarmSilence() *cobra.Command {
	var f silenceFlags
	cmd := &cobra.Command{
		Use:   "silence [ALARM]",
		Short: "Keep the notices of an alarm back for a time",
		Long: "Keep the notices of an alarm back for a time: of one object with --object, of\n" +
			"all alarms without ALARM. What still fires when the time is over is told then.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.alarmNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, length := strings.Join(args, ""), f.length
			if f.end {
				length = 0
			} else if length < time.Second {
				return fmt.Errorf("--for %v is no time; write one such as 2h, or --end", f.length)
			}
			doc, err := c.daemon().Silence(cmd.Context(), name, f.object, length)
			if err != nil {
				return failed(err)
			}
			if f.json {
				return failed(c.printJSON(doc))
			}
			c.printSilences(doc)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.object, "object", "", "the tunnel or gateway, all without it")
	flags.DurationVar(&f.length, "for", time.Hour, "how long")
	flags.BoolVar(&f.end, "end", false, "end such a silence now")
	flags.BoolVar(&f.json, "json", false, "print the daemon's document as it is")
	cmd.MarkFlagsMutuallyExclusive("for", "end")
	return cmd
}

func (c *cli) printAlarms(doc api.Alarms, lines int) {
	if len(doc.Policies) == 0 {
		fmt.Fprintln(c.out, "no alarm is configured; write [alarm.NAME]")
	}
	for _, a := range doc.Standing {
		c.printStanding(a, doc.Time)
	}
	if len(doc.Standing) == 0 && len(doc.Policies) > 0 {
		fmt.Fprintln(c.out, "nothing fires")
	}
	if len(doc.Silences) > 0 {
		c.printSilences(doc)
	}
	if doc.Waiting > 0 || doc.Lost > 0 {
		fmt.Fprintf(c.out, "%s wait to be delivered, %d were given up\n", count(doc.Waiting, "notice"), doc.Lost)
	}
	c.printTold(doc.History[max(0, len(doc.History)-max(lines, 0)):])
	c.printPolicies(doc)
}

func (c *cli) printStanding(a api.Alarm, now time.Time) {
	word, colour := "firing", red
	switch {
	case !a.Firing:
		word, colour = "not yet told", yellow
	case a.Silenced:
		word, colour = "silenced", faint
	}
	fmt.Fprintf(c.out, "  %s %s for %s, %s", c.paint(colour, "!"), printable(strings.TrimSpace(a.Alarm+" "+a.Object)), span(now.Sub(a.Since)), c.paint(colour, word))
	if a.Text != "" {
		fmt.Fprintf(c.out, " - %s", printable(a.Text))
	}
	fmt.Fprintln(c.out)
}

func (c *cli) printSilences(doc api.Alarms) {
	if len(doc.Silences) == 0 {
		fmt.Fprintln(c.out, "nothing is silenced")
	}
	for _, s := range doc.Silences {
		what := "all alarms"
		if s.Alarm != "" {
			what = "alarm " + s.Alarm
		}
		if s.Object != "" {
			what += " of " + s.Object
		}
		fmt.Fprintf(c.out, "silenced: %s, for %s more\n", printable(what), span(s.Until.Sub(doc.Time)))
	}
}

func (c *cli) printTold(list []api.Told) {
	if len(list) == 0 {
		return
	}
	w := c.newTable()
	w.AppendHeader(table.Row{"TIME", "EVENT", "ALARM", "OBJECT", "RECEIVER", "DELIVERED"})
	for _, t := range list {
		delivered := "not yet"
		switch {
		case !t.Delivered.IsZero():
			delivered = "after " + span(t.Delivered.Sub(t.Time))
		case t.Error != "":
			delivered = c.paint(red, printable(t.Error))
		}
		w.AppendRow(table.Row{t.Time.In(c.zone).Format(time.DateTime), t.Event, printable(t.Alarm), printable(t.Object), printable(t.Receiver), delivered})
	}
	fmt.Fprintln(c.out, render(w))
}

func (c *cli) printPolicies(doc api.Alarms) {
	if len(doc.Policies) == 0 {
		return
	}
	w := c.newTable()
	w.AppendHeader(table.Row{"POLICY", "TYPE", "CONDITION", "FOR", "OBJECTS", "RECEIVERS"})
	for _, p := range doc.Policies {
		condition := p.Condition
		if p.Unit != "" {
			condition += fmt.Sprintf(" %g %s", p.Threshold, p.Unit)
		}
		objects := "all"
		if len(p.Objects) > 0 {
			objects = strings.Join(p.Objects, ", ")
		}
		w.AppendRow(table.Row{printable(p.Name), p.Type, condition, span(time.Duration(p.ForSecond) * time.Second), printable(objects), printable(strings.Join(p.Receivers, ", "))})
	}
	fmt.Fprintln(c.out, render(w))
}

// receiverNames completes the name of a receiver by asking the daemon.
func (c *cli) receiverNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	doc, err := c.daemon().Alarms(cmd.Context())
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return namesOf(doc.Receivers, func(r api.Receiver) string { return r.Name }), cobra.ShellCompDirectiveNoFileComp
}

// alarmNames completes the name of an alarm policy.
func (c *cli) alarmNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	doc, err := c.daemon().Alarms(cmd.Context())
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return namesOf(doc.Policies, func(p api.AlarmPolicy) string { return p.Name }), cobra.ShellCompDirectiveNoFileComp
}

func namesOf[R any](list []R, name func(R) string) []string {
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = name(r)
	}
	return names
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
)

type logFlags struct {
	follow, json, messages bool
	since                  string
	lines                  int
}

func (c *cli) log() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "log [TUNNEL]",
		Short: "Show what happened to all tunnels, or to one, and what happens",
		Long: "Show what happened to all tunnels, or to one. The daemon keeps what its log has a\n" +
			"line of, up to 2048 events and since its start; what is older is in the journal:\n" +
			"journalctl -u twinspand TWINSPAN_TUNNEL=NAME.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.tunnelNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			w := api.Wanted{Last: f.lines, Follow: f.follow}
			if len(args) == 1 {
				w.Tunnel = args[0]
			}
			if f.since != "" {
				at, err := moment(f.since, time.Now().In(c.zone))
				if err != nil {
					return err
				}
				w.Since = at
				if !cmd.Flags().Changed("lines") {
					w.Last = math.MaxInt
				}
			}
			return c.showLog(cmd.Context(), w, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with what happens, until interrupted")
	flags.StringVar(&f.since, "since", "", "only since then: a time, or a duration such as 2h")
	flags.IntVarP(&f.lines, "lines", "n", 100, "no more than the last so many; all with --since")
	flags.BoolVar(&f.messages, "messages", false, "with --follow, single IKE messages too")
	flags.BoolVar(&f.json, "json", false, "one event per line, as the daemon has it")
	return cmd
}

// moment reads a time of day or of a date, in local time, or how long ago.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q is no time; write 2h, 15:04, 2026-03-04 or \"2026-03-04 15:04\"", text)
}

func (c *cli) showLog(ctx context.Context, w api.Wanted, f logFlags) error {
	events, err := c.daemon().Events(ctx, w)
	if err != nil {
		return failed(err)
	}
	defer events.Close()
	for {
		e, err := events.Next()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case ended(err) && !w.Follow:
			return nil
		case ended(err):
			return exit{exitUnreachable, errDaemonStopped}
		default:
			return failed(err)
		}
		if isMessage(e) && !f.messages {
			continue
		}
		if err := c.printEvent(e, w.Tunnel == "", f.json); err != nil {
			return failed(err)
		}
	}
}

var errDaemonStopped = errors.New("the daemon stopped; see: systemctl status twinspand")

// ended tells that a stream has come to its end.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// isMessage tells events that are about a single IKE message.
func isMessage(e api.Event) bool {
	return e.Kind == "message in" || e.Kind == "message out" || e.Kind == "resent"
}

func (c *cli) printEvent(e api.Event, named, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(c.out)
		out.SetEscapeHTML(false)
		return out.Encode(e)
	}
	line := e.Time.In(c.zone).Format("2006-01-02 15:04:05.000") + "  "
	if named && e.Tunnel != "" {
		line += c.paint(bold, printable(e.Tunnel)) + "  "
	}
	text := printable(c.eventText(e))
	if e.Fault != nil {
		text = c.paint(red, text+": "+printable(e.Fault.String()))
	}
	if e.Kind == "repeated" {
		text = fmt.Sprintf("the same %d times more: %s", e.Suppressed, printable(e.Repeats))
		if e.Fault != nil {
			text += ", " + e.Fault.Cause
		}
		e.Suppressed = 0
	}
	_, err := fmt.Fprintln(c.out, line+text+missed(e))
	return err
}

// missed says for how many others an event stands, or that some got lost.
func missed(e api.Event) string {
	switch {
	case e.Lost > 0:
		return fmt.Sprintf(" (%d events before this got lost)", e.Lost)
	case e.Suppressed > 0:
		return fmt.Sprintf(" (and %d more before)", e.Suppressed)
	}
	return ""
}

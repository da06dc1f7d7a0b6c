package main

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// newHandler writes to the journal, each attribute a field of its own, when
// stderr is connected to it; else text lines to stderr.
func newHandler(stderr io.Writer, level slog.Level) slog.Handler {
	if ours, err := journal.StderrIsJournalStream(); err == nil && ours {
		return journalHandler{level: level, send: journal.Send}
	}
	return slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})
}

// fieldPrefix keeps our fields apart from the journal's own.
const fieldPrefix = "TWINSPAN_"

// journalHandler is a slog.Handler for journald.
type journalHandler struct {
	level  slog.Level
	send   func(message string, p journal.Priority, vars map[string]string) error
	fields map[string]string
	text   string // of fields, for the message
	group  string
}

// Enabled is slog.Handler's.
func (h journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle sends a record. The message has the attributes too, as journalctl
// shows nothing else by default.
func (h journalHandler) Handle(_ context.Context, r slog.Record) error {
	fields := maps.Clone(h.fields)
	if fields == nil {
		fields = map[string]string{}
	}
	text := strings.Builder{}
	text.WriteString(r.Message + h.text)
	r.Attrs(func(a slog.Attr) bool {
		text.WriteString(add(fields, h.group, a))
		return true
	})
	fields["SYSLOG_IDENTIFIER"] = "twinspand"
	fields[fieldPrefix+"EVENT"] = r.Message
	return h.send(text.String(), priority(r.Level), fields)
}

// WithAttrs is slog.Handler's.
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.fields = maps.Clone(h.fields)
	if h.fields == nil {
		h.fields = map[string]string{}
	}
	for _, a := range attrs {
		h.text += add(h.fields, h.group, a)
	}
	return h
}

// WithGroup is slog.Handler's.
func (h journalHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.group += name + "_"
	}
	return h
}

// add enters an attribute among the fields and returns it as text.
func add(fields map[string]string, group string, a slog.Attr) string {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		text := ""
		if a.Key != "" {
			group += a.Key + "_"
		}
		for _, member := range value.Group() {
			text += add(fields, group, member)
		}
		return text
	}
	if a.Equal(slog.Attr{}) {
		return ""
	}
	fields[fieldPrefix+fieldName(group+a.Key)] = value.String()
	return " " + group + a.Key + "=" + quoted(value.String())
}

// fieldName is a key in the letters that journald takes.
func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		if (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=\n") {
		return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
	}
	return s
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

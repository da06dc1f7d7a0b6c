package main

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
)

// entry is what journald gets.
type entry struct {
	Message  string
	Priority journal.Priority
	Fields   map[string]string
}

// recording is a handler and what it sent.
func recording(level slog.Level) (*slog.Logger, *[]entry) {
	var got []entry
	send := func(m string, p journal.Priority, f map[string]string) error {
		got = append(got, entry{m, p, f})
		return nil
	}
	return slog.New(journalHandler{level: level, send: send}), &got
}

func TestAttributesBecomeFields(t *testing.T) {
	log, got := recording(slog.LevelInfo)
	log.Debug("not wanted")
	log.Info("child up", "tunnel", "上海 1", "spi_in", "0x0000c0de", "took", 12)
	log.With("tunnel", "a").WithGroup("peer").Warn("refused", "id", "x\ny", slog.Group("net", "local", ""), slog.Attr{})
	log.WithGroup("").Error("no group")
	want := []entry{
		{`child up tunnel="上海 1" spi_in=0x0000c0de took=12`, journal.PriInfo, map[string]string{
			"SYSLOG_IDENTIFIER": "twinspand", "TWINSPAN_EVENT": "child up",
			"TWINSPAN_TUNNEL": "上海 1", "TWINSPAN_SPI_IN": "0x0000c0de", "TWINSPAN_TOOK": "12"}},
		{"refused tunnel=a peer_id=\"x\ny\" peer_net_local=\"\"", journal.PriWarning, map[string]string{
			"SYSLOG_IDENTIFIER": "twinspand", "TWINSPAN_EVENT": "refused",
			"TWINSPAN_TUNNEL": "a", "TWINSPAN_PEER_ID": "x\ny", "TWINSPAN_PEER_NET_LOCAL": ""}},
		{"no group", journal.PriErr, map[string]string{"SYSLOG_IDENTIFIER": "twinspand", "TWINSPAN_EVENT": "no group"}},
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
}

func TestLoggersDoNotShareFields(t *testing.T) {
	log, got := recording(slog.LevelDebug)
	base := log.With("a", 1)
	one, two := base.With("b", 2), base.With("c", 3)
	one.Debug("x")
	two.Debug("y")
	if f := (*got)[0].Fields; f["TWINSPAN_B"] != "2" || f["TWINSPAN_C"] != "" {
		t.Errorf("fields %v", f)
	}
	if f := (*got)[1].Fields; f["TWINSPAN_C"] != "3" || f["TWINSPAN_B"] != "" || f["TWINSPAN_A"] != "1" {
		t.Errorf("fields %v", f)
	}
}

func TestFieldName(t *testing.T) {
	for key, want := range map[string]string{"spi_in": "SPI_IN", "local-net": "LOCAL_NET", "größe": "GR__E"} {
		if got := fieldName(key); got != want {
			t.Errorf("fieldName(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestWithoutJournaldLinesGoToStderr(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	var out bytes.Buffer
	slog.New(newHandler(&out, slog.LevelInfo)).Info("hello", "tunnel", "a")
	if !bytes.Contains(out.Bytes(), []byte("msg=hello tunnel=a")) {
		t.Errorf("stderr got %q", &out)
	}
}

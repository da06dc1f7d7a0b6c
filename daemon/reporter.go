package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// reporter turns what the key exchange reports into log lines and counters.
// The names of the attributes are fixed: operators search for them.
type reporter struct {
	log    *slog.Logger
	limit  *limiter
	counts map[string]uint64
}

func newReporter(log *slog.Logger) *reporter {
	return &reporter{log: log, limit: newLimiter(), counts: map[string]uint64{}}
}

// take counts a report and writes its line. It tells whether that was news, and how
// many of the same were not since the one before.
func (r *reporter) take(now time.Time, rep ike.Report) (suppressed uint64, news bool) {
	r.counts[counterName(rep.Kind.String())]++
	if rep.Fault != nil {
		r.counts["fault_"+counterName(rep.Fault.Cause.String())]++
	}
	if rep.Kind == ike.TunnelChanged && (rep.State == ike.Up || rep.State == ike.Disabled) {
		r.limit.calm(now, rep.Tunnel, rep.State == ike.Disabled)
	}
	level := severity(rep)
	if level > slog.LevelDebug {
		if suppressed, news = r.limit.allow(now, subjectOf(rep, level)); !news {
			return 0, false
		}
	}
	if r.log.Enabled(context.Background(), level) {
		r.write(level, rep.Kind.String(), suppressed, attributes(rep))
	}
	return suppressed, news
}

// tell writes a line that is no report, within the limits too.
func (r *reporter) tell(now time.Time, level slog.Level, what string, attrs ...slog.Attr) {
	if suppressed, ok := r.limit.allow(now, subject{what: what}); ok {
		r.write(level, what, suppressed, attrs)
	}
}

func (r *reporter) write(level slog.Level, what string, suppressed uint64, attrs []slog.Attr) {
	if suppressed > 0 {
		attrs = append(attrs, slog.Uint64("suppressed", suppressed))
	}
	r.log.LogAttrs(context.Background(), level, what, attrs...)
}

// flush tells what was held back and has come to rest, and returns it.
func (r *reporter) flush(now time.Time) map[subject]uint64 {
	held := r.limit.silent(now)
	for s, n := range held {
		attrs := []slog.Attr{slog.Uint64("suppressed", n)}
		if s.tunnel != "" {
			attrs = append(attrs, slog.String("tunnel", s.tunnel))
		}
		if s.cause != 0 {
			attrs = append(attrs, slog.String("cause", s.cause.String()))
		}
		r.log.LogAttrs(context.Background(), slog.LevelInfo, s.what+", more of the same", attrs...)
	}
	return held
}

// subjectOf: what goes wrong with a tunnel for one cause is one piece of news,
// whichever message it is that fails; and what state it makes is another one.
func subjectOf(rep ike.Report, level slog.Level) subject {
	s := subject{what: rep.Kind.String(), tunnel: rep.Tunnel, trouble: level >= slog.LevelWarn}
	if rep.Fault != nil {
		s.cause = rep.Fault.Cause
	}
	if s.trouble && rep.Kind != ike.TunnelChanged {
		s.what = "trouble"
	}
	return s
}

// severity: single messages are for debugging, faults that somebody should
// look at are warnings.
func severity(rep ike.Report) slog.Level {
	switch rep.Kind {
	case ike.MessageIn, ike.MessageOut, ike.Resent:
		return slog.LevelDebug
	case ike.ChildFailed, ike.Refused:
		if rep.Fault != nil && rep.Fault.Cause == ike.CauseAsked {
			return slog.LevelInfo
		}
		return slog.LevelWarn
	}
	if rep.Fault == nil || isOrdinary(rep.Fault.Cause) {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// isOrdinary tells causes that belong to the life of a tunnel.
func isOrdinary(c ike.Cause) bool {
	return c == ike.CauseAsked || c == ike.CauseExpired || c == ike.CauseDeleted
}

// attributes are those of a line, each only where it says something.
func attributes(rep ike.Report) []slog.Attr {
	var a []slog.Attr
	text := func(key, value string) {
		if value != "" {
			a = append(a, slog.String(key, value))
		}
	}
	text("tunnel", rep.Tunnel)
	text("peer", addressText(rep.Remote))
	text("exchange", rep.Exchange)
	text("step", rep.Step)
	if rep.Bytes != 0 {
		a = append(a, slog.Int("bytes", rep.Bytes))
	}
	if rep.Try != 0 {
		a = append(a, slog.Int("try", rep.Try))
	}
	if rep.State != 0 {
		text("state", rep.State.String())
	}
	a = append(a, sessionAttributes(rep.Session)...)
	a = append(a, childAttributes(rep)...)
	if f := rep.Fault; f != nil {
		text("cause", f.Cause.String())
		text("reason", f.Text)
		text("ours", f.Ours)
		text("theirs", f.Theirs)
		text("advice", f.Advice)
	}
	return a
}

func sessionAttributes(s *ike.SessionStatus) []slog.Attr {
	if s == nil {
		return nil
	}
	return []slog.Attr{
		slog.String("mode", s.Mode.String()), slog.String("suite", s.Proposal.String()),
		slog.String("peer_id", s.PeerID), slog.Bool("initiator", s.Initiator), slog.String("cookies", s.Cookies.String()),
	}
}

func childAttributes(rep ike.Report) []slog.Attr {
	var a []slog.Attr
	sel := rep.Sel
	if rep.Child != nil {
		sel = rep.Child.Sel
	}
	if sel.Local.IsValid() {
		a = append(a, slog.String("local_net", sel.Local.String()), slog.String("remote_net", sel.Remote.String()))
	}
	switch {
	case rep.Child != nil:
		a = append(a, slog.String("spi_in", spiText(rep.Child.SPIIn)), slog.String("spi_out", spiText(rep.Child.SPIOut)),
			slog.String("suite", rep.Child.Proposal.String()))
	case rep.SPI != 0:
		a = append(a, slog.String("spi", spiText(rep.SPI)))
	}
	return a
}

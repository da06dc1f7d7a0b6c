package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// How often what others may have taken off the host is put back. The work is
// bounded to one part in upkeepShare of the loop's time, whatever the size of
// the configuration.
const (
	upkeepTime  = 30 * time.Second
	upkeepShare = 100
)

// keepUp puts the guard, the routes and the policies back where another program
// removed them: a reload of nftables.service flushes every ruleset, and other
// IKE daemons flush policies when they start.
func (l *loop) keepUp() {
	begun := l.now()
	ctx, cancel := context.WithTimeout(context.Background(), applyTime)
	defer cancel()
	if err := l.net.SetGuards(ctx, guards(l.plan)); err != nil {
		l.complain("the guard could not be set again", ike.MessageOut, slog.Any("reason", err))
	}
	if err := l.net.SetRoutes(ctx, routes(l.plan)); err != nil {
		l.complain("the routes could not be set again", ike.MessageOut, slog.Any("reason", err))
	}
	l.compare()
	now := l.now()
	l.upkeep = now.Add(max(upkeepTime, upkeepShare*now.Sub(begun)))
	l.tellNotes()
}

// tellNotes logs what the network configuration changed of the host's settings.
func (l *loop) tellNotes() {
	for _, note := range l.net.Notes() {
		l.log.Info("host changed", "reason", note)
	}
}

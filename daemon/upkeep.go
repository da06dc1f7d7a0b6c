package daemon

import (
	"context"
	"log/slog"
	"time"
)

// How often the host is looked over, should nobody tell of a change. The work is
// bounded to one part in upkeepShare of the loop's time, whatever the size of
// the configuration; against somebody who meddles all the time to one part in
// hurryShare.
const (
	upkeepTime  = 30 * time.Second
	upkeepShare = 100
	hurryShare  = 5
)

// upkeep is when the host is looked over next.
type upkeep struct {
	due  time.Time
	rest time.Time // not before this
}

// hurry looks the host over at once, or as soon as the loop may spend the time.
func (l *loop) hurry() {
	if l.now().Before(l.upkeep.rest) {
		l.upkeep.due = l.upkeep.rest
		return
	}
	l.keepUp()
}

func (l *loop) keepUpIfDue() {
	if !l.now().Before(l.upkeep.due) {
		l.keepUp()
	}
}

// keepUp puts the guard, the devices, the routes and the policies back where
// another program removed them: a reload of nftables.service flushes every
// ruleset, and other IKE daemons flush policies when they start.
func (l *loop) keepUp() {
	begun := l.now()
	ctx, cancel := context.WithTimeout(context.Background(), applyTime)
	defer cancel()
	if err := l.net.SetGuards(ctx, guards(l.plan)); err != nil {
		l.complain("the guard could not be set again", slog.Any("reason", err))
	}
	if err := l.plane.SetLinks(ctx, l.plan.Links); err != nil {
		l.complain("the gateways' devices could not be made again", slog.Any("reason", err))
	}
	if err := l.net.SetRoutes(ctx, routes(l.plan)); err != nil {
		l.complain("the routes could not be set again", slog.Any("reason", err))
	}
	l.compare()
	now := l.now()
	took := now.Sub(begun)
	l.upkeep = upkeep{due: now.Add(max(upkeepTime, upkeepShare*took)), rest: now.Add(hurryShare * took)}
	l.tellNotes()
}

// tellNotes logs what the network configuration changed of the host's settings,
// and what it found changed.
func (l *loop) tellNotes() {
	for _, note := range l.net.Notes() {
		l.reporter.tell(l.now(), slog.LevelWarn, "host changed", slog.String("reason", note))
	}
}

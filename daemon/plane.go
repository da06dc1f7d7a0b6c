package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// How old the data plane's counters may be: when nobody asks, when somebody
// does, and before an SA goes.
const (
	pollTime   = 10 * time.Second
	freshTime  = 200 * time.Millisecond
	settleTime = time.Second
)

// poll reads the counters of all SAs, and tells the engine which were used and
// which near their limit.
func (l *loop) poll() {
	l.count()
	for _, in := range l.ledger.active() {
		l.step(in)
	}
	for _, in := range l.ledger.nearing() {
		l.reporter.counts["limits_foreseen"]++
		l.step(in)
	}
}

func (l *loop) count() {
	ctx, cancel := context.WithTimeout(context.Background(), planeTime)
	defer cancel()
	usage, err := l.plane.Usage(ctx)
	if err != nil {
		l.complain("counters could not be read", slog.Any("reason", err))
		return
	}
	l.ledger.update(l.now(), usage)
}

// refresh polls for a caller who wants to see counters.
func (l *loop) refresh() {
	if len(l.ledger.sas) > 0 && l.now().Sub(l.ledger.polled) >= freshTime {
		l.poll()
	}
}

// settle reads the counters before an SA goes and takes its own with it. Many
// may go at once, and each reading is of all: a count that is a second old
// will do.
func (l *loop) settle() {
	if l.now().Sub(l.ledger.polled) >= settleTime {
		l.count()
	}
}

// happened takes an event of the data plane.
func (l *loop) happened(e xfrm.Event) {
	switch e := e.(type) {
	case xfrm.Acquire:
		l.reporter.counts["acquires"]++
		l.step(ike.Acquired{ReqID: e.ReqID, Packet: e.Packet})
	case xfrm.Expired:
		l.expired(e)
	case xfrm.PeerMoved:
		l.reporter.counts["peer_moved"]++
		l.step(ike.Moved{SPI: e.SPI, From: e.From})
	case xfrm.Lost:
		l.reporter.counts["plane_events_lost"]++
		l.reporter.tell(l.now(), slog.LevelWarn, "events of the data plane were lost, or a device of it is gone; looking over what there is")
		l.hurry()
	}
}

func (l *loop) expired(e xfrm.Expired) {
	id := xfrm.SAID{SPI: e.SPI, Dst: e.Dst}
	if e.Hard {
		l.ledger.drop(id)
	} else if !l.ledger.tell(id) {
		return
	}
	l.step(ike.LimitReached{SPI: e.SPI, Dst: e.Dst, ReqID: e.ReqID, Hard: e.Hard})
}

// compare makes up for events that were lost: SAs that are gone have reached
// their limit, SAs that nobody knows are removed, policies are set again.
func (l *loop) compare() {
	ctx, cancel := context.WithTimeout(context.Background(), planeTime)
	defer cancel()
	state, err := l.plane.Dump(ctx)
	if err != nil {
		l.complain("the data plane could not be read", slog.Any("reason", err))
		return
	}
	held := make(map[xfrm.SAID]bool, len(state.SAs))
	for _, sa := range state.SAs {
		held[sa.ID()] = true
		if l.ledger.sas[sa.ID()] == nil {
			l.remove(sa.ID())
		}
	}
	if err := l.plane.SetPolicies(ctx, l.policies()); err != nil {
		l.complain("policies could not be set", slog.Any("reason", err))
	}
	for _, lost := range l.ledger.missing(held) {
		l.expired(lost)
	}
}

// sweep removes every SA of ours.
func sweep(ctx context.Context, plane xfrm.Backend) (int, error) {
	state, err := plane.Dump(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the data plane: %w", err)
	}
	for _, sa := range state.SAs {
		if err := plane.DropSA(ctx, sa.SPI, sa.Dst); err != nil {
			return 0, fmt.Errorf("remove SA %s: %w", spiText(sa.SPI), err)
		}
	}
	return len(state.SAs), nil
}

package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/twinspan/twinspan/daemon/monitor"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
	"github.com/twinspan/twinspan/xfrm"
)

// beat is how often the loop looks at what nobody tells it of.
const beat = time.Second

// loop owns all state: its fields belong to the goroutine of run. Others
// reach it through ask.
type loop struct {
	log      *slog.Logger
	engine   *engine.Engine
	net      network
	wire     sockets
	plane    xfrm.Backend
	planeIs  planeName
	notify   notifier
	pool     *pool
	resolver *resolver
	probes   *monitor.Probes
	ledger   *ledger
	reporter *reporter
	readers  readers
	kept     backlog
	tally    *tally
	past     chronicle
	exporter *exporter
	alarms   *alarms

	plan     plan.Plan
	about    map[string]plan.Tunnel // by name
	owner    map[uint32]account     // of a ReqID
	where    located
	placing  placing
	probed   map[string]monitor.Result // the last round of each probe, by tunnel
	program  string                    // our version
	started  time.Time
	loaded   time.Time // when plan was put in force
	warnings []string  // of the start
	changed  bool      // a tunnel's state, since the last beat
	upkeep   upkeep
	meddled  <-chan struct{} // somebody changed what of ours is on the host
	stopping bool            // what ends from now on ends because of that
	refused  string          // why the last reload was, "" when it was not

	do    chan func()
	ended chan struct{}
}

func (l *loop) now() time.Time { return time.Now() }

// run obeys until ctx ends.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	events := l.plane.Events()
	for ctx.Err() == nil {
		l.arm(timer)
		jobs, job := l.pool.next()
		queries, query := l.resolver.next()
		select {
		case <-ctx.Done():
		case d := <-l.wire.Packets():
			l.reporter.counts["datagrams_in"]++
			l.step(ike.Packet{Local: d.Local, Remote: d.Remote, Data: d.Data})
		case jobs <- job:
			l.pool.taken()
		case c := <-l.pool.results:
			l.step(c)
		case queries <- query:
			l.resolver.taken()
		case r := <-l.resolver.answers:
			l.step(r)
		case r := <-l.probes.Results():
			l.hearProbe(r)
		case e, open := <-events:
			if !open {
				events = nil
				break
			}
			l.happened(e)
		case <-l.meddled:
			l.hurry()
		case f := <-l.do:
			f()
		case <-timer.C:
			l.step(ike.Tick{})
			l.place()
			l.keepUpIfDue()
		case <-ticker.C:
			l.look()
		}
	}
}

// arm sets the one timer to when the engine wants to be asked, policies are owed
// to peers that were located, or the host is to be looked over.
func (l *loop) arm(t *time.Timer) {
	next := l.upkeep.due
	if l.placing.owed && l.placing.rest.Before(next) {
		next = l.placing.rest
	}
	if wake, ok := l.engine.Wake(); ok && wake.Before(next) {
		next = wake
	}
	t.Reset(next.Sub(l.now()))
}

// ask has the loop run f, and waits for it.
func (l *loop) ask(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case l.do <- func() { defer close(done); f() }:
	case <-l.ended:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done // the loop has taken it, and will not stop half way
	return nil
}

// look does what is due once per beat.
func (l *loop) look() {
	now := l.now()
	if l.ledger.waiting() || l.ledger.due(now) {
		l.poll()
	}
	for s, n := range l.reporter.flush(now) {
		l.kept.add(repeats(s, n, now))
	}
	l.chronicle(now)
	l.watch(now)
	if l.changed {
		l.changed = false
		l.notify.status(headline(l.engine.Status()))
	}
	l.notify.watchdog(now)
}

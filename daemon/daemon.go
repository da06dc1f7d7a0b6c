// Package daemon is the gateway at work: one loop that owns the key exchange,
// the plan and the status, gives the engine what happened and obeys what it
// says; the order of start, reload and stop; and the view of it all for the
// control socket. It does not know how a message is built, how a policy is
// written or what a file may say: those are the packages below.
package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/monitor"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
)

// DefaultSocket is where the API listens unless told otherwise.
const DefaultSocket = api.DefaultSocket

// Options of a daemon.
type Options struct {
	ConfigPath string          // a file, or a directory
	Socket     string          // of the API; "" for none
	State      string          // the directory of what outlives the process; "" for none
	Log        *slog.Logger    // never nil
	Version    string          // what the program calls itself
	Reload     <-chan struct{} // asks for a reload; nil for never
}

// stopTime bounds the orderly stop.
const stopTime = 5 * time.Second

// Run is the daemon's life: it ends with ctx, in order, and returns nil then.
// A configuration that is invalid is returned as config.Faults, and nothing
// of the host was touched.
func Run(ctx context.Context, o Options) error {
	go saveMemory(ctx)
	return run(ctx, o, linux{})
}

func run(ctx context.Context, o Options, h host) error {
	p, err := load(o.ConfigPath)
	if err != nil {
		return err
	}
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	control, err := listen(o.Socket)
	if err != nil {
		return err
	}
	if control != nil {
		defer control.Close()
	}
	l := newLoop(o.Log)
	l.remember(o.State)
	l.alarms = openAlarms(o.State, o.Log)
	if err := l.start(ctx, h, p); err != nil {
		return errors.Join(err, l.close())
	}
	l.program = o.Version
	s := newService(l, o.ConfigPath, o.Version)
	return errors.Join(s.live(ctx, control, o.Reload), l.close())
}

// listen opens the control socket; without a path there is none.
func listen(path string) (net.Listener, error) {
	if path == "" {
		return nil, nil
	}
	return api.Listen(path)
}

func newLoop(log *slog.Logger) *loop {
	l := &loop{
		log: log, engine: engine.New(engine.Options{Rand: rand.Reader, HalfOpen: halfOpen}), pool: newPool(), resolver: newResolver(),
		where: located{}, probed: map[string]monitor.Result{}, ledger: newLedger(), reporter: newReporter(log), readers: readers{}, notify: newNotifier(),
		do: make(chan func()), ended: make(chan struct{}), tally: newTally(), past: newChronicle(),
		alarms: openAlarms("", log),
	}
	l.exporter = &exporter{handler: l.observed()}
	return l
}

// start opens the machine. The guard stands before anything else is touched,
// and what a former life left behind is gone before the first packet.
func (l *loop) start(ctx context.Context, h host, p plan.Plan) error {
	var err error
	l.started = l.now()
	l.resolver.lookup, l.probes = h.Lookup, monitor.New(h)
	if err = l.choose(h, p.DataPlane); err != nil {
		return err
	}
	if l.net, err = h.Network(); err != nil {
		return fmt.Errorf("open the network configuration: %w", err)
	}
	if err = l.net.SetGuards(ctx, guards(p)); err != nil {
		return fmt.Errorf("set the guard: %w", err)
	}
	if l.meddled, err = l.net.Watch(); err != nil {
		return err
	}
	if l.wire, err = h.Sockets(l.planeIs); err != nil {
		return fmt.Errorf("open the IKE sockets: %w", err)
	}
	if l.plane, err = h.Plane(l.planeIs, l.wire); err != nil {
		return fmt.Errorf("open the %s data plane: %w", l.planeIs, err)
	}
	return l.furnish(ctx, p)
}

func (l *loop) choose(h host, word string) error {
	name, warning, err := h.Choose(word)
	if err != nil {
		return err
	}
	l.planeIs = name
	if warning != "" {
		l.warnings = append(l.warnings, warning)
	}
	return nil
}

// furnish puts the plan's devices, policies and routes in place.
func (l *loop) furnish(ctx context.Context, p plan.Plan) error {
	if err := l.plane.SetLinks(ctx, p.Links); err != nil {
		return fmt.Errorf("make the gateways' devices: %w", err)
	}
	if err := l.plane.SetPolicies(ctx, p.PoliciesAt(nil)); err != nil {
		return fmt.Errorf("set the policies: %w", err)
	}
	stale, err := sweep(ctx, l.plane)
	if err != nil {
		return err
	}
	if stale > 0 {
		l.log.Info("removed SAs of a former life", "count", stale)
	}
	if err := l.net.SetRoutes(ctx, routes(p)); err != nil {
		return fmt.Errorf("set the routes: %w", err)
	}
	l.adopt(p)
	return nil
}

// live runs the loop and all that feeds it, until ctx ends or one of them
// fails.
func (s *service) live(ctx context.Context, control net.Listener, reload <-chan struct{}) error {
	l := s.loop
	g, ctx := errgroup.WithContext(ctx)
	if control != nil {
		server := api.NewServer(s, s.program)
		for _, path := range observedPaths {
			server.Handle("GET "+path, l.exporter.handler)
		}
		g.Go(func() error { return server.Serve(control) })
		g.Go(func() error {
			<-l.ended // callers hear how it ended before the socket goes
			return server.Close()
		})
	}
	g.Go(func() error { return l.wire.Serve(ctx, l.esp()) })
	l.pool.start(ctx, g, runtime.GOMAXPROCS(0))
	l.resolver.start(ctx, g)
	g.Go(func() error { return s.hear(ctx, reload) })
	g.Go(func() error { return l.alarms.courier.Serve(ctx) })
	g.Go(func() error {
		defer close(l.ended)
		l.begin(s.program)
		l.run(ctx)
		return l.stop()
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// esp is where ESP in UDP goes; nil when the kernel takes it.
func (l *loop) esp() func(local, remote netip.AddrPort, packet []byte) {
	if r, ok := l.plane.(receiver); ok {
		return r.Receive
	}
	return nil
}

// hear reloads whenever a signal asks for it. How it went is in the log.
func (s *service) hear(ctx context.Context, reload <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload:
			_, _ = s.Reload(ctx)
		}
	}
}

// begin lets the engine loose and says that the daemon is ready.
func (l *loop) begin(program string) {
	l.log.Info("twinspand starts", "version", program, "dataplane", string(l.planeIs), "tunnels", len(l.plan.Tunnels))
	l.tellNotes()
	l.upkeep.due = l.now().Add(upkeepTime)
	for _, w := range l.allWarnings() {
		l.log.Warn("warning", "reason", w)
	}
	l.step(ike.Configure{Peers: l.plan.Peers})
	l.notify.ready(headline(l.engine.Status()))
}

// stop tells every peer, removes the SAs, and leaves policies and guard where
// they are: what they protect stays protected while no daemon runs.
func (l *loop) stop() error {
	l.notify.stopping()
	l.log.Info("twinspand stops", "tunnels", len(l.plan.Tunnels))
	l.stopping = true
	l.probes.Close()
	l.step(ike.Configure{})
	l.readers.closeAll()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	_, err := sweep(ctx, l.plane)
	l.lastChapter()
	return err
}

// close lets go of what start opened.
func (l *loop) close() error {
	errs := []error{l.exporter.close()}
	if l.wire != nil {
		errs = append(errs, l.wire.Close())
	}
	if l.plane != nil {
		errs = append(errs, l.plane.Close())
	}
	if l.net != nil {
		errs = append(errs, l.net.Close())
	}
	return errors.Join(errs...)
}

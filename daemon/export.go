package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/monitor"
	"github.com/twinspan/twinspan/daemon/monitor/metrics"
	"github.com/twinspan/twinspan/ike"
)

// observedPaths are what monitoring asks for, on the control socket and on the
// address of [metrics].
var observedPaths = []string{"/metrics", "/healthz", "/readyz"}

// Bounds of the metrics' server.
const (
	answerTime = 5 * time.Second  // for the loop to answer
	scrapeTime = 30 * time.Second // for a whole request
)

// exporter serves monitoring systems over TCP. An address that cannot be had is a
// warning: tunnels do not depend on it.
type exporter struct {
	handler http.Handler
	at      netip.AddrPort
	server  *http.Server
	failed  error
}

// listen moves the server to an address; an invalid one is none. The new stands
// before the old goes.
func (e *exporter) listen(at netip.AddrPort) {
	if at == e.at && e.failed == nil {
		return
	}
	var next *http.Server
	e.failed = nil
	if at.IsValid() {
		l, err := net.Listen("tcp", at.String())
		if err != nil {
			e.failed = fmt.Errorf("metrics are not served: %w; free the address, or write another one in [metrics] listen, and reload", err)
		} else {
			next = &http.Server{Handler: e.handler, ReadTimeout: scrapeTime, WriteTimeout: scrapeTime, MaxHeaderBytes: 16 << 10}
			go next.Serve(l) //nolint:errcheck // ends with Close
		}
	}
	_ = e.close() // nobody is left to be told
	e.server, e.at = next, at
}

func (e *exporter) close() error {
	if e.server == nil {
		return nil
	}
	return e.server.Close()
}

// observed answers what monitoring asks for. healthz says that the loop turns,
// readyz that it also takes tunnels, which it does until it stops.
func (l *loop) observed() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(l.facts))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { sayHow(w, l.turns(r.Context())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { sayHow(w, l.turns(r.Context())) })
	return mux
}

func sayHow(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// turns tells whether the loop answers.
func (l *loop) turns(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := l.ask(ctx, func() {}); err != nil {
		return fmt.Errorf("the loop does not answer: %w", err)
	}
	return nil
}

// facts are what the metrics tell, all of one moment.
func (l *loop) facts() (metrics.Facts, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	var f metrics.Facts
	err := l.ask(ctx, func() { f = l.measure() })
	f.XFRM = monitor.XFRMErrors()
	return f, err
}

func (l *loop) measure() metrics.Facts {
	l.refresh()
	count := l.engine.Counters()
	f := metrics.Facts{
		Program: l.program, Reloaded: l.refused == "", Loaded: l.loaded, IKESAs: count.Sessions - count.HalfOpen,
		IPsecSAs: len(l.ledger.sas), Overruns: l.reporter.counts["plane_events_lost"],
		Negotiations: map[metrics.Negotiation]uint64{}, Took: map[string]metrics.Durations{},
	}
	for n, c := range l.tally.negotiations {
		f.Negotiations[n] = c
	}
	for exchange, d := range l.tally.took {
		f.Took[exchange] = *d
	}
	for _, g := range l.plan.Gateways {
		f.Gateways = append(f.Gateways, metrics.Gateway{Name: g.Name, Limit: float64(g.BandwidthMbps) * 1e6 / 8})
	}
	traffic := l.ledger.byPolicy()
	status := l.engine.Status() // sorted by name, as the peers are
	for i, p := range l.plan.Peers {
		if i < len(status) {
			f.Tunnels = append(f.Tunnels, l.tunnelFacts(p, status[i], traffic))
		}
	}
	return f
}

// tunnelFacts are those of one tunnel. Its policies are there whether or not
// they have SAs.
func (l *loop) tunnelFacts(p ike.Peer, s ike.Status, traffic map[account]api.Traffic) metrics.Tunnel {
	about := l.about[p.Name]
	t := metrics.Tunnel{
		Name: p.Name, Gateway: about.Gateway, Peer: about.CustomerGateway, Remote: l.remoteView(p),
		Mode: exchangeWord(p.Mode.String()), State: stateWord(s.State),
		Resent: l.tally.resent[p.Name], Dead: l.tally.dead[p.Name],
	}
	expires := l.lastExpiries(s)
	for _, c := range p.Children {
		if n := len(t.Policies); n > 0 && t.Policies[n-1].Name == c.Sel.Local.String() {
			continue // the children are sorted
		}
		sum := traffic[account{p.Name, c.Sel.Local}]
		t.Replayed += sum.ReplayErrors
		t.Damaged += sum.IntegrityErrors
		t.Policies = append(t.Policies, metrics.Policy{Name: c.Sel.Local.String(), BytesIn: sum.BytesIn, BytesOut: sum.BytesOut,
			PacketsIn: sum.PacketsIn, PacketsOut: sum.PacketsOut, Expires: expires[c.Sel.Local]})
	}
	if r, ok := l.probed[p.Name]; ok && r.Err == nil {
		t.Probe = &metrics.Probe{RTT: r.RTT, Loss: r.Loss}
	}
	return t
}

// lastExpiries are when the newest SA of each policy that has one ends.
func (l *loop) lastExpiries(s ike.Status) map[netip.Prefix]time.Time {
	last := map[netip.Prefix]time.Time{}
	for _, pair := range s.Pairs {
		if v := l.pairView(pair); v.Child != nil && v.Child.Expires.After(last[pair.Sel.Local]) {
			last[pair.Sel.Local] = v.Child.Expires
		}
	}
	return last
}

// stateWord is a state as the labels have it.
func stateWord(s ike.State) string {
	if s == ike.Silent {
		return metrics.Silent
	}
	return counterName(s.String())
}

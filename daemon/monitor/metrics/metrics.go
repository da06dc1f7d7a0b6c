// Package metrics tells Prometheus what goes on. It holds the names and labels
// of the metrics; it knows neither where the numbers come from nor who listens.
//
// Labels stop at a tunnel and its policies: there is none that a rekey changes,
// and every configured tunnel has all its series, up or not.
package metrics

import (
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Facts are what is told, all of one moment.
type Facts struct {
	Program      string    // our version
	Reloaded     bool      // the last reload was applied
	Loaded       time.Time // when the configuration in force was
	Gateways     []Gateway
	Tunnels      []Tunnel
	Negotiations map[Negotiation]uint64
	Took         map[string]Durations // of negotiations that succeeded, by exchange
	IKESAs       uint64
	IPsecSAs     int
	Overruns     uint64            // how often events of the data plane were lost
	XFRM         map[string]uint64 // drops of the kernel by reason
}

// Gateway is a VPN gateway.
type Gateway struct {
	Name  string
	Limit float64 // bytes per second
}

// Tunnel is a configured tunnel.
type Tunnel struct {
	Name, Gateway, Peer, Remote, Mode string
	State                             string // one of States
	Policies                          []Policy
	Resent, Dead, Replayed, Damaged   uint64
	Probe                             *Probe // nil: nothing is known
}

// Policy is one SPD policy of a tunnel, by its local network.
type Policy struct {
	Name                                     string
	BytesIn, BytesOut, PacketsIn, PacketsOut uint64
	Expires                                  time.Time // of the newest SA, zero for none
}

// Probe is what a health check found.
type Probe struct {
	RTT  time.Duration
	Loss float64
}

// Negotiation is what negotiations are counted by.
type Negotiation struct{ Tunnel, Exchange, Role, Result string }

// The words of the labels.
const (
	Main, Aggressive, Quick = "main", "aggressive", "quick"
	Initiator, Responder    = "initiator", "responder"
	OK                      = "ok"
	Up, Silent              = "up", "silent"
)

// States are the words of a tunnel's state.
var States = []string{Up, "partly_up", "negotiating", "down", "disabled", Silent}

// bounds of the buckets of a negotiation's duration, in seconds. A resend comes
// after a few of them.
var bounds = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}

// Durations counts how long things took.
type Durations struct {
	count   uint64
	sum     time.Duration
	buckets [11]uint64 // within each of bounds
}

// Add counts one.
func (d *Durations) Add(took time.Duration) {
	d.count++
	d.sum += took
	for i, b := range bounds {
		if took.Seconds() <= b {
			d.buckets[i]++
		}
	}
}

// Handler serves what facts says at each request, and what Go and the process
// say of themselves.
func Handler(facts func() (Facts, error)) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector(facts), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector is the facts as the library wants them.
type collector func() (Facts, error)

// Describe implements prometheus.Collector.
func (collector) Describe(c chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (f collector) Collect(c chan<- prometheus.Metric) {
	facts, err := f()
	if err != nil {
		c <- prometheus.NewInvalidMetric(buildInfo, err)
		return
	}
	s := sender(c)
	s.gauge(buildInfo, 1, facts.Program, goVersion(), revision())
	s.gauge(reloadSuccessful, number(facts.Reloaded))
	s.gauge(reloadTime, seconds(facts.Loaded))
	s.gauge(ikeSAs, float64(facts.IKESAs))
	s.gauge(ipsecSAs, float64(facts.IPsecSAs))
	s.counter(netlinkOverruns, facts.Overruns)
	for reason, n := range facts.XFRM {
		s.counter(xfrmErrors, n, reason)
	}
	for _, g := range facts.Gateways {
		s.gauge(bandwidthLimit, g.Limit, g.Name)
	}
	for _, t := range facts.Tunnels {
		s.tunnel(t)
	}
	s.negotiations(facts)
}

// sender sends metrics to the library.
type sender chan<- prometheus.Metric

func (s sender) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sender) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sender) tunnel(t Tunnel) {
	s.gauge(tunnelInfo, 1, t.Name, t.Gateway, t.Peer, t.Remote, "1", t.Mode)
	s.gauge(tunnelUp, number(t.State == Up), t.Name)
	for _, word := range States {
		s.gauge(tunnelState, number(t.State == word), t.Name, word)
	}
	for _, p := range t.Policies {
		s.counter(receiveBytes, p.BytesIn, t.Name, p.Name)
		s.counter(transmitBytes, p.BytesOut, t.Name, p.Name)
		s.counter(receivePackets, p.PacketsIn, t.Name, p.Name)
		s.counter(transmitPackets, p.PacketsOut, t.Name, p.Name)
		s.gauge(saExpiry, seconds(p.Expires), t.Name, p.Name)
	}
	s.counter(retransmissions, t.Resent, t.Name)
	s.counter(dpdTimeouts, t.Dead, t.Name)
	s.counter(replayErrors, t.Replayed, t.Name)
	s.counter(integrityErrors, t.Damaged, t.Name)
	if t.Probe != nil {
		s.gauge(probeRTT, t.Probe.RTT.Seconds(), t.Name)
		s.gauge(probeLoss, t.Probe.Loss, t.Name)
	}
}

// negotiations sends the counts of every tunnel, those of success also where
// there was none yet: a rate needs a series that begins at zero.
func (s sender) negotiations(f Facts) {
	for _, t := range f.Tunnels {
		for _, exchange := range []string{t.Mode, Quick} {
			for _, role := range []string{Initiator, Responder} {
				n := Negotiation{t.Name, exchange, role, OK}
				if _, ok := f.Negotiations[n]; !ok {
					s.counter(negotiations, 0, n.Tunnel, n.Exchange, n.Role, n.Result)
				}
			}
		}
	}
	for n, count := range f.Negotiations {
		s.counter(negotiations, count, n.Tunnel, n.Exchange, n.Role, n.Result)
	}
	for _, exchange := range []string{Main, Aggressive, Quick} {
		d := f.Took[exchange]
		within := make(map[float64]uint64, len(bounds))
		for i, b := range bounds {
			within[b] = d.buckets[i]
		}
		s <- prometheus.MustNewConstHistogram(negotiationDuration, d.count, d.sum.Seconds(), within, exchange)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// seconds is a time as Prometheus has it, 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return ""
}

// revision is the commit that the program was built of, "" where that is not
// known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

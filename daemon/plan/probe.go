package plan

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Probe is a ping through a tunnel. A probe without a target is none.
type Probe struct {
	Target    netip.Addr     // in a peer network
	Source    netip.Addr     // invalid: an address of this host in Locals
	Locals    []netip.Prefix // the local networks that may talk to the target
	Interval  time.Duration
	Timeout   time.Duration // of one ping
	Threshold int           // so many missing in a row are a failure
}

// IsSet tells that there is a probe.
func (p Probe) IsSet() bool { return p.Target.IsValid() }

// String is "10.0.1.1 every 5s, 3 missing after 1s each".
func (p Probe) String() string {
	if !p.IsSet() {
		return "none"
	}
	s := fmt.Sprintf("%v every %v, %d missing after %v each", p.Target, p.Interval, p.Threshold, p.Timeout)
	if p.Source.IsValid() {
		s += " from " + p.Source.String()
	}
	return s
}

// The defaults of a probe.
const (
	probeInterval  = 5    // seconds
	probeTimeout   = 1000 // milliseconds; half the interval where that is shorter
	probeThreshold = 3
)

// probe plans the probe of a tunnel.
func (m *maker) probe(t *tunnel) Probe {
	c := t.HealthCheck
	if !c.Target.IsSet() {
		return Probe{}
	}
	interval := c.IntervalSeconds.Or(probeInterval)
	timeout := c.TimeoutMs.Or(min(probeTimeout, interval*1000/2))
	p := Probe{Target: c.Target.V, Source: c.Source.V, Interval: seconds(interval), Timeout: milliseconds(timeout),
		Threshold: int(c.Threshold.Or(probeThreshold)), Locals: m.probed(t)}
	m.inRange(t.noun(), "health_check.interval_seconds", c.IntervalSeconds, 1, 3600)
	m.inRange(t.noun(), "health_check.timeout_ms", c.TimeoutMs, 10, 3600_000)
	m.inRange(t.noun(), "health_check.threshold", c.Threshold, 1, 100)
	if c.TimeoutMs.IsSet() && p.Timeout >= p.Interval {
		m.fault(c.TimeoutMs.Pos, "write a shorter timeout, or a longer interval", "%s: health_check.timeout_ms %d is not shorter than health_check.interval_seconds %d",
			t.noun(), timeout, interval)
	}
	return p
}

func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), math.MaxInt32)) * time.Millisecond
}

// probed are the local networks of the pairs that a probe can use.
func (m *maker) probed(t *tunnel) []netip.Prefix {
	var pairs, usable []string
	var locals []netip.Prefix
	source, fits := t.HealthCheck.Source, false
	for _, s := range t.SPD {
		for _, peer := range s.Peer {
			pair := fmt.Sprintf("%v <-> %v", s.Local.V, peer.V)
			pairs = append(pairs, pair)
			if peer.V.Contains(t.HealthCheck.Target.V) {
				usable = append(usable, pair)
				locals = append(locals, s.Local.V)
				fits = fits || s.Local.V.Contains(source.V)
			}
		}
	}
	switch {
	case len(pairs) == 0: // and reported
	case len(usable) == 0:
		m.fault(t.HealthCheck.Target.Pos, "name an address in a peer network", "%s: health_check.target %v is in no pair of this tunnel: %s",
			t.noun(), t.HealthCheck.Target.V, abridged(pairs))
	case source.IsSet() && !fits:
		m.fault(source.Pos, "name an address of this host in the local network", "%s: health_check.source %v is in no pair that has the target %v: %s",
			t.noun(), source.V, t.HealthCheck.Target.V, abridged(usable))
	}
	return locals
}

package daemon

import (
	"log/slog"

	"github.com/twinspan/twinspan/daemon/monitor"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
)

// probes are those of a plan.
func probes(p plan.Plan) []monitor.Probe {
	var all []monitor.Probe
	for _, t := range p.Tunnels {
		if c := t.Probe; c.IsSet() {
			all = append(all, monitor.Probe{Name: t.Name, Target: c.Target, Source: c.Source, Locals: c.Locals,
				Interval: c.Interval, Timeout: c.Timeout, Threshold: c.Threshold})
		}
	}
	return all
}

// hearProbe takes one round of a probe. A round that says something of the
// tunnel goes on to the engine.
func (l *loop) hearProbe(r monitor.Result) {
	if !l.about[r.Name].Probe.IsSet() {
		return // it was under way when the plan changed
	}
	if r.Err != nil {
		l.complain("health check cannot be done", slog.String("tunnel", r.Name), slog.Any("reason", r.Err))
	}
	l.probed[r.Name] = r
	if r.Decided {
		l.step(ike.Probed{Tunnel: r.Name, Passing: r.Passing})
	}
}

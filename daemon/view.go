package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
	"github.com/twinspan/twinspan/xfrm"
)

// spiText is an SPI as every tool of the trade writes it.
func spiText(spi uint32) string { return fmt.Sprintf("0x%08x", spi) }

// stamp is a time as the documents have it: UTC, in milliseconds.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

// view is the whole status.
func (l *loop) view(program string) api.Status {
	l.refresh()
	s := api.Status{
		Version: api.Schema, Time: stamp(l.now()), Program: program, Started: stamp(l.started),
		Loaded: stamp(l.loaded), DataPlane: string(l.planeIs), Warnings: l.allWarnings(),
		Gateways: []api.Gateway{}, Tunnels: []api.Tunnel{}, Counters: l.counters(),
	}
	status := make(map[string]ike.Status, len(l.plan.Peers))
	for _, t := range l.engine.Status() {
		status[t.Tunnel] = t
	}
	traffic := l.ledger.traffic()
	byGateway := map[string]api.Traffic{}
	for _, p := range l.plan.Peers {
		t := l.tunnelView(p, status[p.Name])
		t.Traffic = traffic[p.Name]
		sum := byGateway[t.Gateway]
		sum.Add(t.Traffic)
		byGateway[t.Gateway] = sum
		s.Tunnels = append(s.Tunnels, t)
	}
	for _, g := range l.plan.Gateways {
		s.Gateways = append(s.Gateways, api.Gateway{
			Name: g.Name, VPC: g.VPC, PublicIP: g.PublicIP.String(), Device: g.Device,
			BandwidthMbps: g.BandwidthMbps, Traffic: byGateway[g.Name],
		})
	}
	return s
}

// allWarnings are those of the start, of the configuration, and of the host as
// it is now.
func (l *loop) allWarnings() []string {
	all := append([]string{}, l.warnings...)
	for _, w := range l.plan.Warnings {
		all = append(all, w.Error())
	}
	if err := l.exporter.failed; err != nil {
		all = append(all, err.Error())
	}
	return append(all, l.net.Warnings()...)
}

// oneView is one tunnel with its traffic.
func (l *loop) oneView(name string) api.Tunnel {
	l.refresh()
	for _, p := range l.plan.Peers {
		if p.Name != name {
			continue
		}
		for _, s := range l.engine.Status() {
			if s.Tunnel == name {
				t := l.tunnelView(p, s)
				t.Traffic = l.ledger.traffic()[name]
				return t
			}
		}
	}
	return api.Tunnel{Name: name, State: ike.Down.String(), Pairs: []api.Pair{}}
}

func (l *loop) tunnelView(p ike.Peer, s ike.Status) api.Tunnel {
	t := api.Tunnel{
		Name: p.Name, Local: p.Local.String(), Remote: l.remoteView(p), Start: p.Start.String(),
		State: s.State.String(), Since: stamp(s.Since), Fault: faultView(s.Fault),
		Try: s.Try, NextTry: stamp(s.NextTry), Session: sessionView(s.Session), Pairs: []api.Pair{},
		NATT: p.NATT.String(), DPD: dpdView(p.DPD), Keys: len(p.Keys), Probe: l.probeView(p.Name),
	}
	about := l.about[p.Name]
	t.Gateway, t.CustomerGateway = about.Gateway, about.CustomerGateway
	for _, pair := range s.Pairs {
		v := l.pairView(pair)
		t.Pairs = append(t.Pairs, v)
		if !v.Up {
			continue
		}
		t.PairsUp++
		if e := v.Child.Expires; t.Expires.IsZero() || e.Before(t.Expires) {
			t.Expires = e
		}
		if r := v.Renews; t.Renews.IsZero() || r.Before(t.Renews) {
			t.Renews = r
		}
	}
	return t
}

func dpdView(d ike.DPD) api.DPD {
	if d.Delay == 0 {
		return api.DPD{Action: config.DPDOff}
	}
	return api.DPD{Action: d.Action.String(), DelaySecond: int64(d.Delay / time.Second), TimeoutSecond: int64(d.Timeout / time.Second)}
}

// probeView is a tunnel's health check, nil without one.
func (l *loop) probeView(tunnel string) *api.Probe {
	p := l.about[tunnel].Probe
	if !p.IsSet() {
		return nil
	}
	v := &api.Probe{Target: p.Target.String()}
	r, ok := l.probed[tunnel]
	if !ok {
		return v
	}
	v.RTT, v.Loss = float64(r.RTT.Microseconds())/1000, r.Loss
	if r.Source.IsValid() {
		v.Source = r.Source.String()
	}
	if r.Decided {
		v.Passing = &r.Passing
	}
	if r.Err != nil {
		v.Error = r.Err.Error()
	}
	return v
}

// remoteView is the peer's outer address, or how it is found.
func (l *loop) remoteView(p ike.Peer) string {
	switch at, found := l.where[p.Name]; {
	case found:
		return at.String()
	case p.Remote.IsValid():
		return p.Remote.String()
	case p.Host != "":
		return p.Host
	}
	return "any"
}

func (l *loop) pairView(p ike.PairStatus) api.Pair {
	v := api.Pair{Local: p.Sel.Local.String(), Remote: p.Sel.Remote.String(), Since: stamp(p.Since)}
	ch := p.Child
	if ch == nil {
		return v
	}
	v.Up, v.Child, v.Mute, v.Renews = true, childView(ch), p.Mute, stamp(p.Renew)
	if e := l.ledger.sas[xfrm.SAID{SPI: ch.SPIIn, Dst: ch.Local.Addr()}]; e != nil {
		v.Child.Expires = stamp(e.added.Add(ch.Lifetime.Time))
	}
	return v
}

func childView(ch *ike.ChildSA) *api.Child {
	if ch == nil {
		return nil
	}
	return &api.Child{
		SPIIn: spiText(ch.SPIIn), SPIOut: spiText(ch.SPIOut), Suite: ch.Proposal.String(),
		Encapsulation:  ch.Remote.Port() != 0,
		LifetimeSecond: int64(ch.Lifetime.Time / time.Second), LifetimeKB: ch.Lifetime.KB,
		Initiator: ch.Initiator,
	}
}

func sessionView(s *ike.SessionStatus) *api.Session {
	if s == nil {
		return nil
	}
	return &api.Session{
		Cookies: s.Cookies.String(), Local: s.Local.String(), Remote: s.Remote.String(),
		Initiator: s.Initiator, Mode: s.Mode.String(), Proposal: s.Proposal.String(), PeerID: s.PeerID,
		NAT: s.NAT, OldKey: s.OldKey, Established: stamp(s.Established), Renews: stamp(s.Renew), Expires: stamp(s.Expires),
	}
}

func faultView(f *ike.Fault) *api.Fault {
	if f == nil {
		return nil
	}
	v := &api.Fault{
		Cause: f.Cause.String(), Text: f.Text, Ours: f.Ours, Theirs: f.Theirs,
		Advice: f.Advice, PeerAdvice: f.PeerAdvice, Parameter: f.Key(),
	}
	for _, p := range f.Compared {
		v.Compared = append(v.Compared, api.Parameter(p))
	}
	return v
}

// whyView is how a tunnel came to its state.
func (l *loop) whyView(name string) api.Why {
	t := l.oneView(name)
	w := api.Why{
		Version: api.Schema, Time: stamp(l.now()), Tunnel: name, State: t.State, Since: t.Since, PairsUp: t.PairsUp,
		Pairs: len(t.Pairs), Try: t.Try, NextTry: t.NextTry, Fault: t.Fault, Negotiations: []api.Negotiation{},
	}
	for _, n := range slices.Backward(l.engine.History(name)) {
		w.Negotiations = append(w.Negotiations, negotiationView(n))
	}
	return w
}

func negotiationView(n engine.Negotiation) api.Negotiation {
	v := api.Negotiation{
		Began: stamp(n.Began), Last: stamp(n.Last), Took: n.Took.Round(time.Millisecond).Seconds(), Count: n.Count,
		Initiator: n.Initiator, Exchange: n.Exchange, Result: api.ResultUp, Fault: faultView(n.Fault),
	}
	if n.Fault != nil {
		v.Result = api.ResultFailed
	}
	if n.Sel.Local.IsValid() {
		v.Pair = &api.Pair{Local: n.Sel.Local.String(), Remote: n.Sel.Remote.String(), Up: n.Fault == nil}
	}
	return v
}

// eventOf is a report as the event streams tell it.
func eventOf(r ike.Report, now time.Time) api.Event {
	e := api.Event{
		Version: api.Schema, Time: stamp(now), Kind: r.Kind.String(), Tunnel: r.Tunnel,
		Local: addressText(r.Local), Remote: addressText(r.Remote), Exchange: r.Exchange, Step: r.Step,
		Bytes: r.Bytes, Try: r.Try, Session: sessionView(r.Session), Fault: faultView(r.Fault),
	}
	if r.State != 0 {
		e.State = r.State.String()
	}
	sel := r.Sel
	if r.Child != nil {
		sel = r.Child.Sel
	}
	if sel.Local.IsValid() {
		e.Pair = &api.Pair{Local: sel.Local.String(), Remote: sel.Remote.String(), Up: r.Kind == ike.ChildUp, Child: childView(r.Child)}
	}
	return e
}

// addressText is an address and its port where it has one, "" for none.
func addressText(a netip.AddrPort) string {
	switch {
	case !a.IsValid():
		return ""
	case a.Port() == 0:
		return a.Addr().String()
	}
	return a.String()
}

// headline is the one line that systemctl status shows.
func headline(tunnels []ike.Status) string {
	up, reason := 0, ""
	for _, t := range tunnels {
		switch {
		case t.State == ike.Up:
			up++
		case t.Fault != nil && reason == "":
			reason = "; " + t.Tunnel + ": " + t.Fault.Text
		}
	}
	return fmt.Sprintf("%d/%d tunnels up%s", up, len(tunnels), reason)
}

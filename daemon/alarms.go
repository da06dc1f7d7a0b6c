package daemon

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/twinspan/twinspan/daemon/alarm"
	"github.com/twinspan/twinspan/daemon/alarm/courier"
	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
)

// alarms is what the loop needs to watch over tunnels and gateways. The courier
// has goroutines of its own, and the loop never waits for it.
type alarms struct {
	judge   *alarm.Judge
	courier *courier.Courier
	rates   map[string]rate // of tunnels
	rated   time.Time
}

// rate is what a tunnel carries.
type rate struct {
	sum     api.Traffic // when the rate was taken
	in, out float64     // Mbit/s
	known   bool
}

// ratedTime is what the rates of alarms are means over.
const ratedTime = 10 * time.Second

// testTime bounds a test of a receiver: the caller waits for it.
const testTime = 20 * time.Second

// openAlarms goes on from what a former life left in the state directory. That it
// cannot be read is a warning.
func openAlarms(state string, log *slog.Logger) *alarms {
	file := ""
	if state != "" {
		file = filepath.Join(state, "alarms.json")
	}
	warn := func(what string, attrs ...slog.Attr) {
		log.LogAttrs(context.Background(), slog.LevelWarn, what, attrs...)
	}
	c, memory, err := courier.Open(courier.Options{File: file, Save: replaceFile, Warn: warn})
	if err != nil {
		warn("alarms", slog.Any("reason", err))
	}
	a := &alarms{judge: alarm.NewJudge(), courier: c, rates: map[string]rate{}}
	a.judge.Recall(memory)
	return a
}

// set puts the policies and receivers of a plan in force.
func (a *alarms) set(now time.Time, p plan.Plan) {
	if due := a.judge.SetRules(now, p.Alarms); len(due) > 0 {
		a.courier.Post(due, a.judge.Memory())
	}
	all := make(map[string]courier.Receiver, len(p.Receivers))
	for _, r := range p.Receivers {
		all[r.Name] = recipient(r)
	}
	a.courier.SetReceivers(all)
}

// recipient makes a planned receiver one that delivers.
func recipient(r plan.Receiver) courier.Receiver {
	server := courier.HTTP{URL: r.URL, Token: r.Token, Roots: r.Roots}
	switch r.Type {
	case config.ReceiverEmail:
		return courier.Email{Server: r.Server, Port: r.Port, Security: courier.Security(r.Security), Username: r.Username,
			Password: r.Password, From: r.From, To: r.To, Roots: r.Roots}
	case config.ReceiverWebhook:
		return courier.Webhook{HTTP: server, Name: r.Name, Host: courier.ThisHost()}
	case config.ReceiverAlertmanager:
		return courier.Alertmanager{HTTP: server, Host: courier.ThisHost()}
	}
	return courier.Hook{Command: r.Command}
}

// watch judges what is observed now, if there is a policy to judge by.
func (l *loop) watch(now time.Time) {
	if len(l.plan.Alarms) == 0 {
		return
	}
	l.takeRates(now)
	due := l.alarms.judge.Step(now, alarm.Observation{Samples: l.samples(), BadConfig: l.refused})
	if len(due) > 0 {
		l.alarms.courier.Post(due, l.alarms.judge.Memory())
	}
}

// takeRates measures what each tunnel carries.
func (l *loop) takeRates(now time.Time) {
	a := l.alarms
	passed := now.Sub(a.rated)
	if passed < ratedTime {
		return
	}
	l.refresh()
	begun := !a.rated.IsZero()
	sums := l.ledger.traffic()
	old := a.rates
	a.rates, a.rated = make(map[string]rate, len(l.plan.Peers)), now
	for _, p := range l.plan.Peers {
		was, seen := old[p.Name]
		r := rate{sum: sums[p.Name], known: begun && seen}
		if r.known {
			r.in = megabits(was.sum.BytesIn, r.sum.BytesIn, passed)
			r.out = megabits(was.sum.BytesOut, r.sum.BytesOut, passed)
		}
		a.rates[p.Name] = r
	}
}

// megabits is a rate in Mbit/s.
func megabits(was, is uint64, passed time.Duration) float64 {
	return float64(is-min(was, is)) * 8 / 1e6 / passed.Seconds()
}

// samples are what is known of all tunnels and gateways. Where a second host would
// count its failovers there is nothing yet.
func (l *loop) samples() []alarm.Sample {
	status := make(map[string]ike.Status, len(l.plan.Peers))
	for _, s := range l.engine.Status() {
		status[s.Tunnel] = s
	}
	gateways := make(map[string]*gatewaySample, len(l.plan.Gateways))
	for _, g := range l.plan.Gateways {
		gateways[g.Name] = &gatewaySample{Sample: alarm.Sample{Type: alarm.Gateway, Name: g.Name, Tier: float64(g.BandwidthMbps), Rated: true}}
	}
	var all []alarm.Sample
	for _, p := range l.plan.Peers {
		s := l.sample(p, status[p.Name])
		if g := gateways[l.about[p.Name].Gateway]; g != nil {
			s.Tier = g.Tier
			g.add(s)
		}
		all = append(all, s)
	}
	for _, g := range l.plan.Gateways {
		all = append(all, gateways[g.Name].sum())
	}
	return all
}

func (l *loop) sample(p ike.Peer, s ike.Status) alarm.Sample {
	r := l.alarms.rates[p.Name]
	v := alarm.Sample{
		Type: alarm.Tunnel, Name: p.Name, State: s.State.String(), Up: s.State == ike.Up, Failures: s.Try, In: r.in, Out: r.out, Rated: r.known,
		Resting: s.State == ike.Disabled || s.State == ike.Down && p.Start == ike.FlowTrigger && s.Fault == nil,
	}
	if s.Fault != nil {
		v.Reason = faultView(s.Fault).String()
	}
	v.Probing = l.about[p.Name].Probe.IsSet()
	if probe, ok := l.probed[p.Name]; ok && v.Probing && probe.Err == nil {
		v.Probed, v.Loss, v.Delay = true, 100*probe.Loss, float64(probe.RTT.Microseconds())/1000
	}
	return v
}

// gatewaySample adds up the tunnels of a gateway.
type gatewaySample struct {
	alarm.Sample
	tunnels, up, wanted int
}

func (g *gatewaySample) add(t alarm.Sample) {
	g.tunnels++
	if t.Up {
		g.up++
	}
	if !t.Resting {
		g.wanted++
	}
	g.In, g.Out, g.Rated = g.In+t.In, g.Out+t.Out, g.Rated && t.Rated
	if !t.Up {
		g.Reason = cmp.Or(g.Reason, t.Reason)
	}
}

// sum is the gateway: it is up while any of its tunnels is.
func (g *gatewaySample) sum() alarm.Sample {
	g.Up, g.Resting = g.up > 0, g.wanted == 0
	g.State = fmt.Sprintf("up in %d of %d tunnels", g.up, g.tunnels)
	return g.Sample
}

// Alarms are the policies, what fires, and what was told.
func (s *service) Alarms(ctx context.Context) (api.Alarms, error) {
	var doc api.Alarms
	if err := s.loop.ask(ctx, func() { doc = s.loop.alarmsView() }); err != nil {
		return doc, err
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	told, err := s.loop.alarms.courier.Log(ctx)
	if err != nil {
		return doc, err
	}
	doc.Waiting, doc.Lost = told.Waiting, told.Lost
	for _, e := range told.Entries {
		doc.History = append(doc.History, entryView(e))
	}
	return doc, nil
}

// TestReceiver sends a notice that nothing is about, and waits for what comes of it.
func (s *service) TestReceiver(ctx context.Context, name string) error {
	var to courier.Receiver
	err := s.loop.ask(ctx, func() {
		for _, r := range s.loop.plan.Receivers {
			if r.Name == name {
				to = recipient(r)
			}
		}
	})
	switch {
	case err != nil:
		return err
	case to == nil:
		return &api.Error{Code: api.NotFound, Message: fmt.Sprintf("no receiver %q; twinspan alarm list names those that are configured", name)}
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	now := stamp(time.Now())
	n := alarm.Notice{Receiver: name, Alarm: "test", Type: alarm.Gateway, Condition: alarm.State, Event: alarm.Test,
		Text: "a test: somebody wants to see this arrive", Began: now, Time: now}
	if err := to.Deliver(ctx, []alarm.Notice{n}); err != nil {
		return &api.Error{Code: api.Failed, Message: fmt.Sprintf("receiver %q did not take it: %v", name, err)}
	}
	return nil
}

// Silence keeps notices back for a time; one that has ended takes a silence away.
func (s *service) Silence(ctx context.Context, what api.Silence) (api.Alarms, error) {
	var refused error
	err := s.loop.ask(ctx, func() {
		a, now := s.loop.alarms, s.loop.now()
		if refused = s.loop.silenceable(what); refused != nil {
			return
		}
		a.judge.Silence(now, alarm.Silence{Alarm: what.Alarm, Object: what.Object, Until: what.Until})
		a.courier.Post(nil, a.judge.Memory())
	})
	if err := cmp.Or(err, refused); err != nil {
		return api.Alarms{}, err
	}
	return s.Alarms(ctx)
}

// silenceable refuses names that nothing has: such a silence would keep nothing
// back.
func (l *loop) silenceable(s api.Silence) error {
	isRule := func(r alarm.Rule) bool { return r.Name == s.Alarm }
	isGateway := func(g plan.Gateway) bool { return g.Name == s.Object }
	switch {
	case s.Alarm != "" && !slices.ContainsFunc(l.plan.Alarms, isRule):
		return &api.Error{Code: api.NotFound, Message: fmt.Sprintf("no alarm %q; twinspan alarm list names those that are configured", s.Alarm)}
	case s.Object != "" && !l.knows(s.Object) && !slices.ContainsFunc(l.plan.Gateways, isGateway):
		return &api.Error{Code: api.NotFound, Message: fmt.Sprintf("no tunnel and no gateway %q; twinspan status names those that are configured", s.Object)}
	}
	return nil
}

func (l *loop) alarmsView() api.Alarms {
	doc := api.Alarms{Version: api.Schema, Time: stamp(l.now()), Policies: []api.AlarmPolicy{}, Receivers: []api.Receiver{},
		Standing: []api.Alarm{}, Silences: []api.Silence{}, History: []api.Told{}}
	for _, r := range l.plan.Alarms {
		p := api.AlarmPolicy{Name: r.Name, Type: string(r.Type), Condition: string(r.Condition), Threshold: r.Threshold,
			Unit: alarm.Traits[r.Condition].Unit, ForSecond: int64(r.For / time.Second), Objects: r.Objects}
		for _, to := range r.Receivers {
			p.Receivers = append(p.Receivers, to.Name)
		}
		doc.Policies = append(doc.Policies, p)
	}
	for _, r := range l.plan.Receivers {
		doc.Receivers = append(doc.Receivers, api.Receiver{Name: r.Name, Type: r.Type, Where: r.String()})
	}
	for _, s := range l.alarms.judge.Standing() {
		doc.Standing = append(doc.Standing, api.Alarm{Alarm: s.Alarm, Object: s.Object, Since: stamp(s.Began), Firing: s.Fired, Silenced: s.Silenced, Text: s.Text})
	}
	for _, s := range l.alarms.judge.Silences() {
		doc.Silences = append(doc.Silences, api.Silence{Alarm: s.Alarm, Object: s.Object, Until: stamp(s.Until)})
	}
	return doc
}

func entryView(e courier.Entry) api.Told {
	return api.Told{Time: e.Time, Alarm: e.Alarm, Object: e.Object, Event: string(e.Event), Receiver: e.Receiver, Text: e.Text,
		Delivered: e.Delivered, Error: e.Error}
}

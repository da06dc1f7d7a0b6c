package daemon

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/monitor/history"
)

// Traffic is what gateways and tunnels carried. The loop gives a snapshot and
// goes on: to add up a day of many tunnels takes its time.
func (s *service) Traffic(ctx context.Context, p api.Period) (api.History, error) {
	var book *history.Book
	var wanted []api.Carried
	var now time.Time
	if err := s.loop.ask(ctx, func() {
		now = s.loop.now()
		wanted = s.loop.carriers(p.Name)
		book = s.loop.past.Snapshot()
	}); err != nil {
		return api.History{}, err
	}
	if len(wanted) == 0 && p.Name != "" {
		return api.History{}, &api.Error{Code: api.NotFound, Message: fmt.Sprintf("no VPN gateway or tunnel %q; twinspan status lists those that are configured", p.Name)}
	}
	// Up to the step that is over.
	to := now.Truncate(history.Step)
	from := to.Add(-cmp.Or(p.Last, api.DefaultPeriod)).Truncate(history.Step)
	each := stepFor(to.Sub(from), cmp.Or(p.Points, api.DefaultPoints))
	doc := api.History{Version: api.Schema, Time: stamp(now), From: from.UTC(), To: to.UTC(), StepSecond: int64(each / time.Second), Subjects: []api.Carried{}}
	for _, c := range wanted {
		doc.Subjects = append(doc.Subjects, carried(c, book, from, to, each))
	}
	return doc, nil
}

// carriers are the gateways and tunnels of a name, all for "".
func (l *loop) carriers(name string) []api.Carried {
	var all []api.Carried
	tiers := map[string]int{}
	for _, g := range l.plan.Gateways {
		tiers[g.Name] = g.BandwidthMbps
		if name == "" || name == g.Name {
			all = append(all, api.Carried{Kind: api.KindGateway, Name: g.Name, BandwidthMbps: g.BandwidthMbps})
		}
	}
	for _, t := range l.plan.Tunnels {
		if name == "" || name == t.Name {
			all = append(all, api.Carried{Kind: api.KindTunnel, Name: t.Name, Gateway: t.Gateway, BandwidthMbps: tiers[t.Gateway]})
		}
	}
	return all
}

// stepFor cuts a time into at most so many parts of whole steps.
func stepFor(length time.Duration, points int) time.Duration {
	steps := max(int64(length/history.Step), 1)
	n := int64(points)
	return time.Duration((steps+n-1)/n) * history.Step
}

// carried fills in what is known of a subject.
func carried(c api.Carried, book *history.Book, from, to time.Time, each time.Duration) api.Carried {
	subject := history.Subject{Kind: c.Kind, Name: c.Name}
	sum := book.Summary(subject, from, to)
	c.KnownSecond = int64(sum.Known / time.Second)
	c.BytesIn, c.BytesOut = uint64(sum.BytesIn), uint64(sum.BytesOut)
	c.PacketsIn, c.PacketsOut, c.Drops = uint64(sum.PacketsIn), uint64(sum.PacketsOut), uint64(sum.Drops)
	c.In, c.Out, c.Health = api.Rate(sum.In), api.Rate(sum.Out), healthOf(sum.Total)
	c.Points = []api.Moment{}
	for _, t := range book.Series(subject, from, to, each) {
		c.Points = append(c.Points, api.Moment{From: t.From, Known: t.Known > 0, In: t.BitsIn(), Out: t.BitsOut(),
			PacketsIn: t.PacketsIn, PacketsOut: t.PacketsOut, Drops: t.Drops, Health: healthOf(t)})
	}
	return c
}

func healthOf(t history.Total) *api.Health {
	if t.Probed == 0 {
		return nil
	}
	return &api.Health{Loss: t.Loss, DelayMs: float64(t.Delay.Microseconds()) / 1000}
}

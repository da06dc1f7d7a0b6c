package daemon

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// planeTime bounds one call of the data plane.
const planeTime = 5 * time.Second

// step gives the engine an input and obeys what it says, until what failed of
// that has been heard too.
func (l *loop) step(in ike.Input) {
	for inputs := []ike.Input{in}; len(inputs) > 0; inputs = inputs[1:] {
		inputs = append(inputs, l.obey(l.engine.Step(l.now(), inputs[0]))...)
	}
}

// obey does what the engine asks for, in its order. It returns what the engine
// must hear in turn.
func (l *loop) obey(actions []ike.Action) []ike.Input {
	var failed failures
	var heard []ike.Input
	for _, a := range actions {
		switch a := a.(type) {
		case ike.Send:
			if !failed.has(a.Needs) {
				l.send(a)
			}
		case ike.Keepalive:
			l.keepalive(a)
		case ike.Compute:
			if !l.pool.add(a) {
				l.reporter.counts["computations_dropped"]++
				heard = append(heard, ike.Computed{ID: a.ID})
			}
		case ike.Locate:
			l.locate(a)
		case ike.Resolve:
			l.resolve(a)
		case ike.Install:
			l.place() // the policies first, where there is time
			if err := l.install(a.SA); err != nil {
				failed = append(failed, ike.Failed{SPI: a.SA.SPI, Err: err})
			}
		case ike.Remove:
			l.remove(xfrm.SAID{SPI: a.SPI, Dst: a.Dst})
		case ike.Follow:
			l.follow(a)
		case ike.Report:
			if !failed.contradict(a) {
				l.report(a)
			}
		}
	}
	l.place()
	return append(heard, failed.inputs()...)
}

// failures are the installs of one batch that were not obeyed.
type failures []ike.Failed

func (f failures) has(spi uint32) bool {
	return spi != 0 && slices.ContainsFunc(f, func(x ike.Failed) bool { return x.SPI == spi })
}

// contradict tells reports that the failures make untrue: nothing is up
// without its SAs. What is true the engine says when it has heard of them.
func (f failures) contradict(r ike.Report) bool {
	switch {
	case len(f) == 0:
		return false
	case r.Kind == ike.ChildUp && r.Child != nil:
		return f.has(r.Child.SPIIn) || f.has(r.Child.SPIOut)
	}
	return r.Kind == ike.TunnelChanged && (r.State == ike.Up || r.State == ike.PartlyUp)
}

func (f failures) inputs() []ike.Input {
	inputs := make([]ike.Input, len(f))
	for i, x := range f {
		inputs[i] = x
	}
	return inputs
}

func (l *loop) send(a ike.Send) {
	if err := l.wire.Send(a.Local, a.Remote, a.Data); err != nil {
		l.reporter.counts["send_errors"]++
		l.complain("send failed", slog.String("peer", a.Remote.String()), slog.Any("reason", err))
		return
	}
	l.reporter.counts["datagrams_out"]++
}

// keepalive sends the one byte that keeps a translator's mapping (RFC 3948 §4).
func (l *loop) keepalive(a ike.Keepalive) {
	if err := l.wire.SendESP(a.Local, a.Remote, []byte{0xff}); err != nil {
		l.reporter.counts["send_errors"]++
		l.complain("keepalive failed", slog.String("peer", a.Remote.String()), slog.Any("reason", err))
	}
}

func (l *loop) install(sa xfrm.SA) error {
	ctx, cancel := context.WithTimeout(context.Background(), planeTime)
	defer cancel()
	if err := l.plane.PutSA(ctx, sa); err != nil {
		l.reporter.counts["install_errors"]++
		return err
	}
	l.ledger.put(sa, l.owner[sa.ReqID], l.now())
	return nil
}

func (l *loop) remove(id xfrm.SAID) {
	l.settle()
	l.ledger.drop(id)
	ctx, cancel := context.WithTimeout(context.Background(), planeTime)
	defer cancel()
	if err := l.plane.DropSA(ctx, id.SPI, id.Dst); err != nil {
		l.complain("SA could not be removed", slog.String("spi", spiText(id.SPI)), slog.Any("reason", err))
	}
}

// follow sends an SA through another port of a translator. When that fails the
// peer is not heard until it moves again, or its SAs are renewed.
func (l *loop) follow(a ike.Follow) {
	l.reporter.counts["sas_followed"]++
	ctx, cancel := context.WithTimeout(context.Background(), planeTime)
	defer cancel()
	if err := l.plane.SetEncap(ctx, xfrm.SAID{SPI: a.SPI, Dst: a.Dst}, a.Encap); err != nil {
		l.reporter.counts["follow_errors"]++
		l.complain("peer could not be followed", slog.String("spi", spiText(a.SPI)), slog.Any("reason", err))
	}
}

// report tells everybody who listens.
func (l *loop) report(r ike.Report) {
	now := l.now()
	if r.Kind == ike.ChildUp && r.Child != nil {
		l.ledger.settled(xfrm.SAID{SPI: r.Child.SPIIn, Dst: r.Child.Local.Addr()})
	}
	l.tally.take(now, r)
	e := eventOf(r, now)
	if !l.stopping || !endsByStop(r.Kind) {
		if suppressed, news := l.reporter.take(now, r); news {
			e.Suppressed = suppressed
			l.kept.add(e)
			e.Suppressed = 0 // whoever follows has seen them
		}
	}
	l.readers.publish(e)
	if r.Kind == ike.TunnelChanged {
		l.changed = true
	}
}

// endsByStop tells reports that "twinspand stops" says already.
func endsByStop(k ike.Kind) bool {
	return k == ike.ChildDown || k == ike.SessionDown || k == ike.TunnelChanged
}

// complain logs a fault of the machine, within the limits.
func (l *loop) complain(what string, attrs ...slog.Attr) {
	l.reporter.tell(l.now(), slog.LevelError, what, attrs...)
}

// Package monitor pings through tunnels: for each probe that it is given it
// sends an echo request at each interval, and tells what came of it. It knows
// neither tunnels nor what is made of its results: a probe has a name, and the
// name comes back with each result.
package monitor

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Probe is what to ping, from where and how often.
type Probe struct {
	Name      string
	Target    netip.Addr
	Source    netip.Addr     // invalid: an address of the host that is in one of Locals
	Locals    []netip.Prefix // where Source may be
	Interval  time.Duration
	Timeout   time.Duration // shorter than Interval
	Threshold int           // so many pings in a row without an answer are a failure
}

func (p Probe) equal(o Probe) bool {
	return p.Name == o.Name && p.Target == o.Target && p.Source == o.Source && slices.Equal(p.Locals, o.Locals) &&
		p.Interval == o.Interval && p.Timeout == o.Timeout && p.Threshold == o.Threshold
}

// Result is one round of a probe.
type Result struct {
	Name    string
	Source  netip.Addr
	Decided bool          // false while fewer rounds in a row than the threshold have failed
	Passing bool          // once decided
	RTT     time.Duration // of the last ping that was answered
	Loss    float64       // of the last window of rounds, 0 to 1
	Err     error         // why nothing could be sent: it says nothing of the tunnel
}

// window is over how many rounds the loss is told.
const window = 20

// Host is what probes need of the machine.
type Host interface {
	// Ping sends one echo request and waits for its answer: no answer is
	// ErrNoAnswer, other errors are the host's own.
	Ping(ctx context.Context, source, target netip.Addr, timeout time.Duration) (time.Duration, error)
	// Addresses are those of the host.
	Addresses() ([]netip.Addr, error)
}

// Probes are the probes that run, each in a goroutine of its own. One goroutine
// calls its methods.
type Probes struct {
	host    Host
	results chan Result
	running map[string]run
	wait    sync.WaitGroup
}

// run is a probe that runs.
type run struct {
	probe Probe
	stop  context.CancelFunc
}

// New makes probes of nothing: Set gives them something to do.
func New(h Host) *Probes {
	return &Probes{host: h, results: make(chan Result), running: map[string]run{}}
}

// Results are the rounds of all probes. Each waits until it is read.
func (p *Probes) Results() <-chan Result { return p.results }

// Set makes the probes those of want: those that are equal run on.
func (p *Probes) Set(want []Probe) {
	old := p.running
	p.running = make(map[string]run, len(want))
	for _, w := range want {
		if r, ok := old[w.Name]; ok && r.probe.equal(w) {
			p.running[w.Name] = r
			delete(old, w.Name)
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		p.running[w.Name] = run{w, cancel}
		p.wait.Go(func() { p.work(ctx, w) })
	}
	for _, r := range old {
		r.stop()
	}
}

// Close ends all probes.
func (p *Probes) Close() {
	p.Set(nil)
	p.wait.Wait()
}

// work is a probe's life. The first round is put off by a part of the interval,
// so that many probes do not all send at once.
func (p *Probes) work(ctx context.Context, w Probe) {
	timer := time.NewTimer(rand.N(w.Interval))
	defer timer.Stop()
	var h history
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(w.Interval)
		}
		r := p.round(ctx, w, &h)
		select {
		case <-ctx.Done():
			return
		case p.results <- r:
		}
	}
}

// round pings once.
func (p *Probes) round(ctx context.Context, w Probe, h *history) Result {
	source, err := p.source(w)
	if err != nil {
		return Result{Name: w.Name, Err: err}
	}
	rtt, err := p.host.Ping(ctx, source, w.Target, w.Timeout)
	if err != nil && !unanswered(err) {
		return Result{Name: w.Name, Source: source, Err: fmt.Errorf("ping %v from %v: %w", w.Target, source, err)}
	}
	h.add(err == nil, rtt)
	return Result{Name: w.Name, Source: source, Decided: h.failed == 0 || h.failed >= w.Threshold, Passing: h.failed == 0,
		RTT: h.rtt, Loss: h.loss()}
}

// source is the address to ping from. Addresses come and go, so it is looked for
// at each round.
func (p *Probes) source(w Probe) (netip.Addr, error) {
	if w.Source.IsValid() {
		return w.Source, nil
	}
	all, err := p.host.Addresses()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("list the host's addresses: %w", err)
	}
	for _, local := range w.Locals {
		if i := slices.IndexFunc(all, local.Contains); i >= 0 {
			return all[i], nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no address of this host is in %v; give it one, so that it can ping %v through the tunnel", w.Locals, w.Target)
}

// history is what became of the last rounds.
type history struct {
	failed int // in a row
	rounds int // up to window
	lost   uint32
	rtt    time.Duration
}

func (h *history) add(ok bool, rtt time.Duration) {
	h.rounds = min(h.rounds+1, window)
	h.lost = h.lost << 1 & (1<<window - 1)
	if ok {
		h.failed, h.rtt = 0, rtt
		return
	}
	h.failed++
	h.lost |= 1
}

// loss is the part of the last rounds that had no answer.
func (h *history) loss() float64 { return float64(bits.OnesCount32(h.lost)) / float64(h.rounds) }

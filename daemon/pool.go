package daemon

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/twinspan/twinspan/ike"
)

// mostStrangers is how many jobs of strangers of one standing may wait: about half
// a second's work of one processor, so that nobody who is served waits for longer
// than a peer does before it asks again.
const mostStrangers = 1024

// pool runs Compute jobs away from the loop, a fixed number at a time. What
// waits is held here; the loop hands over one job whenever a worker is free,
// so that neither ever waits for the other. Those who have shown less of
// themselves come later: floods of strangers do not delay a rekey, nor those with
// forged addresses a peer that begins.
type pool struct {
	queues  [ike.Unproven + 1]queue // by standing
	jobs    chan ike.Compute
	results chan ike.Computed
}

// queue is jobs, oldest first; the loop's.
type queue []ike.Compute

// drop takes the oldest one out.
func (q *queue) drop() {
	(*q)[0] = ike.Compute{} // let go of what Do holds
	*q = (*q)[1:]
}

func newPool() *pool {
	return &pool{jobs: make(chan ike.Compute), results: make(chan ike.Computed)}
}

// start starts the workers; they end with ctx.
func (p *pool) start(ctx context.Context, g *errgroup.Group, workers int) {
	for range workers {
		g.Go(func() error {
			p.work(ctx)
			return nil
		})
	}
}

func (p *pool) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-p.jobs:
			select {
			case <-ctx.Done():
				return
			case p.results <- ike.Computed{ID: j.ID, Result: j.Do()}:
			}
		}
	}
}

// add takes a job, and tells whether there was room for it.
func (p *pool) add(c ike.Compute) bool {
	q := &p.queues[c.For]
	if c.For != ike.Known && len(*q) >= mostStrangers {
		return false
	}
	*q = append(*q, c)
	return true
}

// waiting is how many jobs nobody works on yet.
func (p *pool) waiting() (n int) {
	for _, q := range p.queues {
		n += len(q)
	}
	return n
}

// first is the queue whose oldest job is next, nil when there is no job.
func (p *pool) first() *queue {
	for i := range p.queues {
		if len(p.queues[i]) > 0 {
			return &p.queues[i]
		}
	}
	return nil
}

// next is the job that is next and where to send it, nil when there is none.
func (p *pool) next() (chan<- ike.Compute, ike.Compute) {
	if q := p.first(); q != nil {
		return p.jobs, (*q)[0]
	}
	return nil, ike.Compute{}
}

// taken says that next's job was handed over.
func (p *pool) taken() { p.first().drop() }

package daemon

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/twinspan/twinspan/ike"
)

// pool runs Compute jobs away from the loop, a fixed number at a time. What
// waits is held here; the loop hands over one job whenever a worker is free,
// so that neither ever waits for the other.
type pool struct {
	waiting []ike.Compute // oldest first; the loop's
	jobs    chan ike.Compute
	results chan ike.Computed
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

func (p *pool) add(c ike.Compute) { p.waiting = append(p.waiting, c) }

// next is the oldest job and where to send it, nil when there is none.
func (p *pool) next() (chan<- ike.Compute, ike.Compute) {
	if len(p.waiting) == 0 {
		return nil, ike.Compute{}
	}
	return p.jobs, p.waiting[0]
}

// taken says that next's job was handed over.
func (p *pool) taken() {
	p.waiting[0] = ike.Compute{} // let go of what Do holds
	p.waiting = p.waiting[1:]
}

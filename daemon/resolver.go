package daemon

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
)

// Bounds of the resolver: how long one name may take, and how many are looked
// up at a time.
const (
	resolveTime = 5 * time.Second
	resolvers   = 8
)

// query is one name to be resolved for a tunnel: to addresses of one family.
type query struct {
	ike.Resolve
	network string // "ip4" or "ip6"
}

// resolver looks the names of peers up away from the loop, as pool computes.
// Nothing is kept: each attempt to negotiate asks anew, and the host's own
// resolver knows how long an answer holds.
type resolver struct {
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	waiting []query // oldest first; the loop's
	queries chan query
	answers chan ike.Resolved
}

func newResolver() *resolver {
	return &resolver{queries: make(chan query), answers: make(chan ike.Resolved)}
}

// start starts the workers; they end with ctx.
func (r *resolver) start(ctx context.Context, g *errgroup.Group) {
	for range resolvers {
		g.Go(func() error {
			r.work(ctx)
			return nil
		})
	}
}

func (r *resolver) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-r.queries:
			select {
			case <-ctx.Done():
				return
			case r.answers <- r.resolve(ctx, q):
			}
		}
	}
}

// add takes a query. One for the same tunnel that still waits is the same.
func (r *resolver) add(q query) {
	if !slices.Contains(r.waiting, q) {
		r.waiting = append(r.waiting, q)
	}
}

// next is the oldest query and where to send it, nil when there is none.
func (r *resolver) next() (chan<- query, query) {
	if len(r.waiting) == 0 {
		return nil, query{}
	}
	return r.queries, r.waiting[0]
}

// taken says that next's query was handed over.
func (r *resolver) taken() { r.waiting = r.waiting[1:] }

// resolve asks for one name.
func (r *resolver) resolve(ctx context.Context, q query) ike.Resolved {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	addrs, err := r.lookup(ctx, q.network, q.Host)
	return ike.Resolved{Tunnel: q.Tunnel, Addrs: addrs, Err: err}
}

// resolve begins to look a peer's name up. Its addresses must be of the family
// that the gateway's own address is of.
func (l *loop) resolve(a ike.Resolve) {
	own := slices.IndexFunc(l.plan.Gateways, func(g plan.Gateway) bool { return g.Name == l.about[a.Tunnel].Gateway })
	network := "ip4"
	if own >= 0 && l.plan.Gateways[own].PublicIP.Is6() {
		network = "ip6"
	}
	l.resolver.add(query{a, network})
}

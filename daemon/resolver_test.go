package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/twinspan/twinspan/ike"
)

// However many names there are and however long they take, a few are looked up
// at a time, each is given up in time, and none is asked for twice.
func TestResolverIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		r := newResolver()
		r.lookup = func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, stop := context.WithCancel(t.Context())
		g, ctx := errgroup.WithContext(ctx)
		r.start(ctx, g)
		const names = 3 * resolvers
		for i := range 2 * names {
			r.add(query{ike.Resolve{Tunnel: fmt.Sprint(i % names), Host: "slow.example.com"}, "ip4"})
		}
		begun := time.Now()
		for answers := 0; answers < names; {
			queries, q := r.next()
			select {
			case queries <- q:
				r.taken()
			case a := <-r.answers:
				if !errors.Is(a.Err, context.DeadlineExceeded) {
					t.Errorf("tunnel %s: %v, %v", a.Tunnel, a.Addrs, a.Err)
				}
				answers++
			}
		}
		if took := time.Since(begun); took != 3*resolveTime || most.Load() != resolvers {
			t.Errorf("%d names took %v, %d at a time", names, took, most.Load())
		}
		stop()
		if err := g.Wait(); err != nil || len(r.waiting) != 0 {
			t.Error(err, r.waiting)
		}
	})
}

package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// located is where the peers are that were found, by the names of their tunnels.
type located map[string]netip.Addr

// in is what holds of it with another plan: tunnels that are not as they were
// are looked for anew.
func (w located) in(old, next plan.Plan) located {
	held := located{}
	if len(w) == 0 {
		return held
	}
	was := make(map[string]ike.Peer, len(old.Peers))
	for _, p := range old.Peers {
		was[p.Name] = p
	}
	for _, p := range next.Peers {
		if at, ok := w[p.Name]; ok && was[p.Name].Equal(p) {
			held[p.Name] = at
		}
	}
	return held
}

// policies are those of the plan in force, for the peers whose address is known.
func (l *loop) policies() []xfrm.Policy { return l.plan.PoliciesAt(l.where) }

// locate notes where a peer is; place tells the policies. At the stop they stay
// as they are: they protect while no daemon runs.
func (l *loop) locate(a ike.Locate) {
	if l.stopping || !l.knows(a.Tunnel) || l.where[a.Tunnel] == a.Remote {
		return
	}
	l.placing.owed = true
	if a.Remote.IsValid() {
		l.where[a.Tunnel] = a.Remote
	} else {
		delete(l.where, a.Tunnel)
	}
}

// placing is how far the policies are behind where the peers are.
type placing struct {
	owed bool
	rest time.Time // not before this: to set all policies takes the loop's time
}

// place sets the policies when peers were located since they were, at once or
// as soon as the loop may spend the time. Should it fail, they are set again
// when the host is looked over.
func (l *loop) place() {
	begun := l.now()
	if !l.placing.owed || begun.Before(l.placing.rest) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), planeTime)
	defer cancel()
	if err := l.plane.SetPolicies(ctx, l.policies()); err != nil {
		l.complain("policies could not be set", slog.Any("reason", err))
	}
	now := l.now()
	l.placing = placing{rest: now.Add(hurryShare * now.Sub(begun))}
}

package daemon

import (
	"time"

	"github.com/twinspan/twinspan/daemon/monitor/metrics"
	"github.com/twinspan/twinspan/ike"
)

// mostQuick bounds the quick modes of a session whose times are taken.
const mostQuick = 64

// tally counts what became of the negotiations of each tunnel.
type tally struct {
	negotiations map[metrics.Negotiation]uint64
	resent, dead map[string]uint64 // by tunnel
	took         map[string]*metrics.Durations
	underWay     map[[8]byte]*underWay // by the initiator's cookie; the engine bounds the sessions
}

// underWay is a session that is being negotiated, or negotiates children.
type underWay struct {
	exchange, role string
	began          time.Time   // zero once the session stands
	quick          []time.Time // when each quick mode began, oldest first
}

func newTally() *tally {
	return &tally{
		negotiations: map[metrics.Negotiation]uint64{}, resent: map[string]uint64{}, dead: map[string]uint64{},
		took: map[string]*metrics.Durations{}, underWay: map[[8]byte]*underWay{},
	}
}

// take counts a report.
func (t *tally) take(now time.Time, r ike.Report) {
	key := r.Cookies.Initiator
	if r.Kind == ike.SessionDown {
		defer delete(t.underWay, key)
	}
	if r.Tunnel == "" {
		return
	}
	switch r.Kind {
	case ike.MessageOut:
		t.message(now, r, metrics.Initiator)
	case ike.MessageIn:
		t.message(now, r, metrics.Responder)
	case ike.Resent:
		t.resent[r.Tunnel]++
	case ike.SessionUp:
		if u := t.underWay[key]; u != nil && !u.began.IsZero() {
			t.ended(r, u.exchange, u.role)
			t.lasted(u.exchange, now.Sub(u.began))
			u.began = time.Time{}
		}
	case ike.ChildUp, ike.ChildFailed:
		t.quick(now, r)
	case ike.SessionDown:
		if r.Fault != nil && r.Fault.Cause == ike.CauseDead {
			t.dead[r.Tunnel]++
		}
		if u := t.underWay[key]; u != nil && !u.began.IsZero() {
			t.ended(r, u.exchange, u.role)
		}
	}
}

// message notes the first message of an exchange.
func (t *tally) message(now time.Time, r ike.Report, role string) {
	u := t.underWay[r.Cookies.Initiator]
	switch r.Step {
	case "MM1", "AM1":
		if u == nil {
			t.underWay[r.Cookies.Initiator] = &underWay{exchange: exchangeWord(r.Exchange), role: role, began: now}
		}
	case "QM1":
		if u != nil && len(u.quick) < mostQuick {
			u.quick = append(u.quick, now)
		}
	}
}

// quick counts the end of a quick mode. Of several that are under way the oldest
// is taken for it: the sum of their times is right in any case.
func (t *tally) quick(now time.Time, r ike.Report) {
	role := metrics.Responder
	if r.Initiator || r.Child != nil && r.Child.Initiator {
		role = metrics.Initiator
	}
	t.ended(r, metrics.Quick, role)
	u := t.underWay[r.Cookies.Initiator]
	if u == nil || len(u.quick) == 0 {
		return
	}
	if r.Kind == ike.ChildUp {
		t.lasted(metrics.Quick, now.Sub(u.quick[0]))
	}
	u.quick = u.quick[1:]
}

// ended counts a negotiation by its result.
func (t *tally) ended(r ike.Report, exchange, role string) {
	result := metrics.OK
	if r.Fault != nil {
		result = counterName(r.Fault.Cause.String())
	}
	t.negotiations[metrics.Negotiation{Tunnel: r.Tunnel, Exchange: exchange, Role: role, Result: result}]++
}

func (t *tally) lasted(exchange string, d time.Duration) {
	if t.took[exchange] == nil {
		t.took[exchange] = &metrics.Durations{}
	}
	t.took[exchange].Add(d)
}

// exchangeWord is an exchange as the labels have it.
func exchangeWord(exchange string) string {
	if exchange == ike.Aggressive.String() {
		return metrics.Aggressive
	}
	return metrics.Main
}

// forget drops the counts of tunnels that are no more.
func (t *tally) forget(known func(tunnel string) bool) {
	for n := range t.negotiations {
		if !known(n.Tunnel) {
			delete(t.negotiations, n)
		}
	}
	for _, counts := range []map[string]uint64{t.resent, t.dead} {
		for name := range counts {
			if !known(name) {
				delete(counts, name)
			}
		}
	}
}

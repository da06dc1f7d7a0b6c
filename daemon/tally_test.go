package daemon

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/monitor/metrics"
	"github.com/twinspan/twinspan/ike"
)

// told gives a tally reports of one session, a second after each other.
func told(t *tally, all ...ike.Report) {
	for i, r := range all {
		r.Tunnel, r.Cookies.Initiator = "a", [8]byte{1}
		t.take(start.Add(time.Duration(i)*time.Second), r)
	}
}

func TestTallyOfNegotiations(t *testing.T) {
	began := ike.Report{Kind: ike.MessageOut, Exchange: "main mode", Step: "MM1"}
	heard := ike.Report{Kind: ike.MessageIn, Exchange: "aggressive mode", Step: "AM1"}
	quick := ike.Report{Kind: ike.MessageOut, Exchange: "quick mode", Step: "QM1"}
	ended := func(cause ike.Cause) ike.Report {
		return ike.Report{Kind: ike.SessionDown, Fault: &ike.Fault{Cause: cause}}
	}
	for _, tc := range []struct {
		name    string
		reports []ike.Report
		want    []metrics.Negotiation
		dead    uint64
	}{
		{"a session and a child", []ike.Report{began, {Kind: ike.SessionUp}, quick, {Kind: ike.ChildUp, Child: &ike.ChildSA{Initiator: true}}, ended(ike.CauseExpired)},
			[]metrics.Negotiation{{Exchange: "main", Role: "initiator", Result: "ok"}, {Exchange: "quick", Role: "initiator", Result: "ok"}}, 0},
		{"nobody answers", []ike.Report{began, {Kind: ike.Resent}, ended(ike.CauseTimeout)},
			[]metrics.Negotiation{{Exchange: "main", Role: "initiator", Result: "timeout"}}, 0},
		{"the peer has another key", []ike.Report{heard, ended(ike.CauseAuth)},
			[]metrics.Negotiation{{Exchange: "aggressive", Role: "responder", Result: "authentication"}}, 0},
		{"a child is refused", []ike.Report{heard, {Kind: ike.SessionUp}, {Kind: ike.ChildFailed, Fault: &ike.Fault{Cause: ike.CauseSelectors}}},
			[]metrics.Negotiation{{Exchange: "aggressive", Role: "responder", Result: "ok"}, {Exchange: "quick", Role: "responder", Result: "selectors"}}, 0},
		{"a peer dies", []ike.Report{began, {Kind: ike.SessionUp}, ended(ike.CauseDead)},
			[]metrics.Negotiation{{Exchange: "main", Role: "initiator", Result: "ok"}}, 1},
		{"what ends that never began", []ike.Report{{Kind: ike.SessionUp}, ended(ike.CauseExpired)}, nil, 0},
	} {
		c := newTally()
		told(c, tc.reports...)
		if len(c.negotiations) != len(tc.want) || c.dead["a"] != tc.dead {
			t.Errorf("%s: %v, dead %d", tc.name, c.negotiations, c.dead["a"])
		}
		for _, n := range tc.want {
			n.Tunnel = "a"
			if c.negotiations[n] != 1 {
				t.Errorf("%s: %v, want one %v", tc.name, c.negotiations, n)
			}
		}
		c.forget(func(string) bool { return false })
		if len(c.negotiations)+len(c.dead)+len(c.resent) > 0 {
			t.Errorf("%s: a tunnel that is no more is still counted", tc.name)
		}
	}
	c := newTally()
	told(c, began, ended(ike.CauseTimeout))
	if len(c.underWay) != 0 {
		t.Error("a session that has ended is remembered")
	}
}

package tunnel

import (
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Remembered is how many negotiations the history keeps, those that were the same
// over and over counting as one.
const Remembered = 10

// Negotiation is a try that ended, or several that ended in the same way.
type Negotiation struct {
	Began     time.Time     // the first of them
	Last      time.Time     // when the last of them ended
	Took      time.Duration // the last of them; zero when the peer began: what came before is not seen here
	Count     int
	Exchange  string        // that it ended in: "main mode", "quick mode"; "" when it came to none
	Sel       xfrm.Selector // zero when it failed before any pair
	Initiator bool          // we began
	Fault     *ike.Fault    // nil: the pair came up
}

// same tells that two ended in the same way.
func (n Negotiation) same(o Negotiation) bool {
	if n.Initiator != o.Initiator || n.Exchange != o.Exchange || n.Sel != o.Sel || (n.Fault == nil) != (o.Fault == nil) {
		return false
	}
	return n.Fault == nil || n.Fault.Cause == o.Fault.Cause && n.Fault.Text == o.Fault.Text &&
		n.Fault.Ours == o.Fault.Ours && n.Fault.Theirs == o.Fault.Theirs
}

// history are the last negotiations, oldest first.
type history struct{ list []Negotiation }

// add keeps a negotiation. One like another takes its place: a tunnel that is
// tried for ever must not push out what happened before.
func (h *history) add(now time.Time, n Negotiation) {
	n.Last, n.Count = now, 1
	if i := slices.IndexFunc(h.list, n.same); i >= 0 {
		n.Began, n.Count = h.list[i].Began, h.list[i].Count+1
		h.list = slices.Delete(h.list, i, i+1)
	} else if len(h.list) == Remembered {
		h.forget()
	}
	h.list = append(h.list, n)
}

// forget makes room. The oldest success goes while half of them are successes: a
// tunnel that replaces its children for months still tells why it once failed.
func (h *history) forget() {
	var ups, downs []int
	for i, n := range h.list {
		if n.Fault == nil {
			ups = append(ups, i)
		} else {
			downs = append(downs, i)
		}
	}
	oldest := ups
	if len(ups) < Remembered/2 {
		oldest = downs
	}
	h.list = slices.Delete(h.list, oldest[0], oldest[0]+1)
}

// tells whether the newest one is about this very fault.
func (h *history) tells(f *ike.Fault) bool {
	return len(h.list) > 0 && h.list[len(h.list)-1].Fault == f
}

// informed is a fault of ours of which the peer does not tell the reason, with
// what it asked for when it last began itself. What comes before authentication
// anybody can have sent: it is for explaining, and for nothing else.
func (h *history) informed(f *ike.Fault) *ike.Fault {
	if f == nil || len(f.Compared) == 0 || f.Key() != "" {
		return f
	}
	for _, n := range slices.Backward(h.list) {
		if !n.Initiator && n.Fault != nil && answers(n.Fault, f) {
			told := *n.Fault
			told.Text = f.Text + "; when it began itself: " + n.Fault.Text
			return &told
		}
	}
	return f
}

// answers tells whether what one fault blames is among what another one leaves
// open, for the same pair of networks where it is about one.
func answers(told, open *ike.Fault) bool {
	if open.Cause == ike.CauseSelectors && told.Ours != open.Ours {
		return false
	}
	return slices.ContainsFunc(open.Compared, func(p ike.Parameter) bool { return !p.Agrees && p.Name == told.Key() })
}

// History lists the last negotiations, oldest first.
func (t *Tunnel) History() []Negotiation { return slices.Clone(t.history.list) }

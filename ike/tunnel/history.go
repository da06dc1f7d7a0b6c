package tunnel

import (
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// Remembered is how many negotiations the history keeps.
const Remembered = 16

// Negotiation is one try that ended.
type Negotiation struct {
	Began     time.Time
	Took      time.Duration // zero when the peer began: what came before is not seen here
	Sel       xfrm.Selector // zero when the session failed, before any pair
	Initiator bool          // we began
	Fault     *ike.Fault    // nil: the pair came up
}

// history is a ring of the last negotiations.
type history struct {
	ring []Negotiation
	next int // where the oldest is once the ring is full
}

func (h *history) add(n Negotiation) {
	if len(h.ring) < Remembered {
		h.ring = append(h.ring, n)
		return
	}
	h.ring[h.next] = n
	h.next = (h.next + 1) % Remembered
}

// History lists the last negotiations, oldest first.
func (t *Tunnel) History() []Negotiation {
	h := t.history
	return append(append([]Negotiation(nil), h.ring[h.next:]...), h.ring[:h.next]...)
}

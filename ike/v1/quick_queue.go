package v1

import (
	"slices"

	"github.com/twinspan/twinspan/ike"
)

// window is how many quick modes of ours go at once. strongSwan remembers the
// IVs of three phase 2 exchanges (charon.max_ikev1_exchanges), of which an
// informational exchange may need one: with more in flight it forgets the IV
// that our third message continues, and can read none of them.
const window = 2

// negotiate queues a quick mode, or begins main mode for it.
func (s *Session) negotiate(n ike.Negotiate) {
	at := len(s.queue)
	if n.Urgent {
		at = slices.IndexFunc(s.queue, func(q ike.Negotiate) bool { return !q.Urgent })
		if at < 0 {
			at = len(s.queue)
		}
	}
	s.queue = slices.Insert(s.queue, at, n)
	if s.state == idle {
		s.beginMain()
	}
}

// startQueued begins quick modes while the window has room.
func (s *Session) startQueued() {
	for s.state == established && len(s.queue) > 0 && s.running() < window {
		n := s.queue[0]
		s.queue = s.queue[1:]
		s.beginQuick(n.Child)
	}
}

// running counts the quick modes of ours that go on.
func (s *Session) running() int {
	n := 0
	for _, q := range s.quicks {
		if q.initiator && q.phase != finished {
			n++
		}
	}
	return n
}

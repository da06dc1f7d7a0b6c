package v1

import (
	"slices"

	"github.com/twinspan/twinspan/ike"
)

// window is how many quick modes of ours go at once while the peer answers: one,
// unless it is another Twinspan. strongSwan remembers the IVs of three phase 2 exchanges
// (charon.max_ikev1_exchanges) and handles what comes in on several threads, so
// that a first message may overtake the third of another exchange. With two in
// flight it has been seen to forget the IV that such a third message continues;
// it can then never read it, and we believe in SAs that the peer does not have.
const window = 1

// unanswered is how many there may be in all, and the window of a peer that keeps
// apart what overtakes each other. Those that the peer let wait until
// they were sent again do not keep the others waiting: peers that do not know a
// pair of networks may say nothing.
const unanswered = 8

// negotiate queues a quick mode, or begins phase 1 for it.
func (s *Session) negotiate(n ike.Negotiate) {
	at := len(s.queue)
	if n.Urgent {
		at = slices.IndexFunc(s.queue, func(q ike.Negotiate) bool { return !q.Urgent })
		if at < 0 {
			at = len(s.queue)
		}
	}
	s.queue = slices.Insert(s.queue, at, n)
	s.begin()
}

// begin begins phase 1, once.
func (s *Session) begin() {
	if s.state == idle {
		s.beginPhase1()
	}
}

// startQueued begins quick modes while there is room.
func (s *Session) startQueued() {
	if s.now.Before(s.pause) {
		return
	}
	s.pause = zeroTime
	for s.state == established && len(s.queue) > 0 && s.room() {
		n := s.queue[0]
		s.queue = s.queue[1:]
		s.beginQuick(n.Child)
	}
}

// room tells whether another quick mode of ours may begin.
func (s *Session) room() bool {
	prompt, all := 0, 0
	for _, q := range s.quicks {
		if !q.initiator || q.phase == finished {
			continue
		}
		all++
		if q.flight.tries == 0 {
			prompt++
		}
	}
	if s.ext.ours {
		return all < unanswered
	}
	return prompt < window && all < unanswered
}

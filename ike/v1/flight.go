package v1

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// retry is how long each try of a message waits for its answer: a minute in
// all. Only the side that waits resends (RFC 2408 §5.1).
var retry = [...]time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second}

// flight is a message that waits for its answer. A resend is the same bytes: a
// rebuilt one would carry another IV and look like a new request.
type flight struct {
	data     []byte
	exchange isakmp.Exchange
	step     string
	tries    int
	wake     time.Time // zero: nothing waits
}

// send sends a message that waits for an answer.
func (s *Session) send(f *flight, to netip.AddrPort, x isakmp.Exchange, step string, data []byte) {
	*f = flight{data: data, exchange: x, step: step, wake: s.now.Add(retry[0])}
	s.sendOnce(to, x, step, data, 0)
}

// sendOnce sends a message that waits for nothing; needs is the SPI that must
// stand before.
func (s *Session) sendOnce(to netip.AddrPort, x isakmp.Exchange, step string, data []byte, needs uint32) {
	s.transmit(to, data, needs)
	s.report(ike.Report{Kind: ike.MessageOut, Exchange: x.String(), Step: step, Bytes: len(data)})
}

// resend sends the same bytes again, or tells by false that the schedule ran
// out.
func (s *Session) resend(f *flight, to netip.AddrPort) bool {
	if !f.next(s.now) {
		return false
	}
	s.transmit(to, f.data, 0)
	s.report(ike.Report{Kind: ike.Resent, Exchange: f.exchange.String(), Step: f.step, Bytes: len(f.data), Try: f.tries + 1})
	return true
}

// next counts another try, or tells by false that the schedule ran out.
func (f *flight) next(now time.Time) bool {
	f.tries++
	if f.tries == len(retry) {
		f.wake = time.Time{}
		return false
	}
	f.wake = now.Add(retry[f.tries])
	return true
}

// postpone lets a message that has just been said again as an answer wait anew:
// when QM2 was lost both sides would resend at the same moment.
func (f *flight) postpone(now time.Time) {
	if !f.wake.IsZero() {
		f.wake = now.Add(retry[f.tries])
	}
}

// answered stops the resending.
func (f *flight) answered() { f.data, f.wake = nil, time.Time{} }

// duplicatesAnswered bounds how often one request is answered again: an
// attacker who replays it gets no more than this out of us.
const duplicatesAnswered = 20

// replies remembers the last two requests of an exchange and what they were
// answered: a late duplicate of the step before must not disturb this one.
type replies [2]reply

// reply is one request and its answer; the answer is nil while it is being
// computed, and for requests that have none.
type reply struct {
	request [16]byte // digest
	answer  []byte
	left    int
}

func digest(data []byte) (d [16]byte) {
	sum := sha256.Sum256(data)
	copy(d[:], sum[:])
	return d
}

// find returns the reply to a request that was taken before.
func (r *replies) find(data []byte) *reply {
	d := digest(data)
	for i := range r {
		if r[i].left > 0 && r[i].request == d {
			return &r[i]
		}
	}
	return nil
}

// took remembers a request that has just been taken.
func (r *replies) took(data []byte) {
	r[1] = r[0]
	r[0] = reply{request: digest(data), left: duplicatesAnswered + 1}
}

// answer keeps the answer to the newest request.
func (r *replies) answer(data []byte) { r[0].answer = data }

// silent are the replies without their answers: the requests are still known,
// and nobody gets an answer any more.
func (r replies) silent() replies {
	for i := range r {
		r[i].answer = nil
	}
	return r
}

// answerAgain answers a duplicate with the stored bytes, and tells whether it
// did.
func (s *Session) answerAgain(r *reply, to netip.AddrPort) bool {
	if r.left == 1 || r.answer == nil {
		return false
	}
	r.left--
	s.transmit(to, r.answer, 0)
	return true
}

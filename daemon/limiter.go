package daemon

import (
	"time"

	"github.com/twinspan/twinspan/ike"
)

// How many lines of one kind the log takes: neither hostile traffic nor a tunnel
// that is tried in vain for days may fill it.
const (
	limitBurst   = 5             // of what is no trouble; of that, one line says it
	limitRefill  = time.Minute   // for one more line; twice as long after each that is a repeat
	limitLongest = 8 * time.Hour // and so on up to this
	limitMemory  = time.Hour     // trouble that comes again within this is the same trouble
)

// subject is what a log line is about. Lines with the same one are the same
// news, whatever address they come from: that can be forged at will.
type subject struct {
	what    string // the message
	tunnel  string
	cause   ike.Cause
	trouble bool
}

// limiter is a token bucket per subject. There are no more subjects than
// tunnels times messages times causes.
type limiter struct {
	buckets map[subject]*bucket
	calmed  map[string]calm // by tunnel
}

// calm is when a tunnel last came up, or was made another one.
type calm struct {
	at     time.Time
	afresh bool // it is another one, by an operator's hand
}

type bucket struct {
	tokens, most int
	pause        time.Duration // for one more token
	refilled     time.Time
	last         time.Time // when there was something to tell
	suppressed   uint64
}

func newLimiter() *limiter {
	return &limiter{map[subject]*bucket{}, map[string]calm{}}
}

func newBucket(s subject, now time.Time) *bucket {
	b := &bucket{most: limitBurst, pause: limitRefill, refilled: now}
	if s.trouble {
		b.most = 1
	}
	b.tokens = b.most
	return b
}

// allow tells whether to write a line, and how many were not written since the
// one before it.
func (l *limiter) allow(now time.Time, s subject) (suppressed uint64, ok bool) {
	b := l.buckets[s]
	switch c := l.calmed[s.tunnel]; {
	case b == nil, s.trouble && c.afresh && !c.at.Before(b.last):
		b = newBucket(s, now)
		l.buckets[s] = b
	case c.at.After(b.last):
		b.pause = limitRefill
	}
	again := !b.last.IsZero() && s.trouble
	b.last = now
	b.refill(now)
	if b.tokens == 0 {
		b.suppressed++
		return 0, false
	}
	return b.tell(again), true
}

// calm notes that a tunnel is up, or is another one: trouble that it had before is
// news when it comes again. Up it may come as often as its peer likes, so that ends
// the long pauses only.
func (l *limiter) calm(now time.Time, tunnel string, afresh bool) {
	l.calmed[tunnel] = calm{now, afresh}
}

func (b *bucket) refill(now time.Time) {
	n := int(now.Sub(b.refilled) / b.pause)
	if n <= 0 {
		return
	}
	b.refilled = b.refilled.Add(time.Duration(n) * b.pause)
	b.tokens = min(b.tokens+n, b.most)
}

// tell takes a token for a line. The next one after a repeat is farther away.
func (b *bucket) tell(again bool) (suppressed uint64) {
	if again || b.suppressed > 0 {
		b.pause = min(2*b.pause, limitLongest)
	}
	b.tokens--
	suppressed, b.suppressed = b.suppressed, 0
	return suppressed
}

// rests tells that a bucket has nothing to remember any more.
func (b *bucket) rests(now time.Time) bool {
	return b.suppressed == 0 && b.tokens == b.most && (b.most == limitBurst || now.Sub(b.last) >= limitMemory)
}

// silent returns, once, the subjects that were held back and have been quiet
// since long enough for a token: their last lines would else never be told.
func (l *limiter) silent(now time.Time) map[subject]uint64 {
	var told map[subject]uint64
	for s, b := range l.buckets {
		b.refill(now)
		switch {
		case b.suppressed > 0 && b.tokens > 0:
			if told == nil {
				told = map[subject]uint64{}
			}
			told[s] = b.tell(true)
		case b.rests(now):
			delete(l.buckets, s)
		}
	}
	return told
}

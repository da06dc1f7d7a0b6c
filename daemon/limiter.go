package daemon

import (
	"time"

	"github.com/twinspan/twinspan/ike"
)

// How many lines of one kind the log takes: hostile traffic must not fill it.
const (
	limitBurst  = 5
	limitRefill = time.Minute // for one more line
)

// subject is what a log line is about. Lines with the same one are the same
// news, whatever address they come from: that can be forged at will.
type subject struct {
	what   string // the message
	tunnel string
	cause  ike.Cause
}

// limiter is a token bucket per subject. There are no more subjects than
// tunnels times messages times causes.
type limiter struct{ buckets map[subject]*bucket }

type bucket struct {
	tokens     int
	refilled   time.Time
	suppressed uint64
}

func newLimiter() *limiter { return &limiter{map[subject]*bucket{}} }

// allow tells whether to write a line, and how many were not written since the
// one before it.
func (l *limiter) allow(now time.Time, s subject) (suppressed uint64, ok bool) {
	b := l.buckets[s]
	if b == nil {
		b = &bucket{tokens: limitBurst, refilled: now}
		l.buckets[s] = b
	}
	b.refill(now)
	if b.tokens == 0 {
		b.suppressed++
		return 0, false
	}
	b.tokens--
	suppressed, b.suppressed = b.suppressed, 0
	return suppressed, true
}

func (b *bucket) refill(now time.Time) {
	n := int(now.Sub(b.refilled) / limitRefill)
	if n <= 0 {
		return
	}
	b.refilled = b.refilled.Add(time.Duration(n) * limitRefill)
	b.tokens = min(b.tokens+n, limitBurst)
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
			told[s] = b.suppressed
			b.suppressed = 0
			b.tokens--
		case b.suppressed == 0 && b.tokens == limitBurst:
			delete(l.buckets, s)
		}
	}
	return told
}

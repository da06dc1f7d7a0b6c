package userspace

import (
	"math"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// tally counts what one SA has carried and holds it against its limits. The
// SA's lock guards it.
type tally struct {
	soft, hard xfrm.Limit
	used       xfrm.Usage
	dying      bool // the soft limit has been told
	spent      bool // the hard limit has been reached, or the SA is gone
}

// verdict is what an SA's limits say to one more packet.
type verdict uint8

const (
	pass     verdict = iota
	passSoft         // pass, and tell the soft limit
	over             // the hard limit: the SA is gone, tell it
	gone             // the SA was gone already
)

// spend counts a packet of n bytes. As in the kernel the limit is looked at
// before counting: the packet that reaches it passes, the next one finds it.
func (t *tally) spend(n int, now time.Time) verdict {
	v := pass
	switch {
	case t.spent:
		return gone
	case t.hard.Bytes > 0 && t.used.Bytes >= t.hard.Bytes:
		t.spent = true
		return over
	case t.soft.Bytes > 0 && t.used.Bytes >= t.soft.Bytes && !t.dying:
		t.dying = true
		v = passSoft
	}
	t.used.Bytes += uint64(n)
	t.used.Packets++
	t.used.LastUsed = now
	return v
}

// next is when a time limit comes, and whether it is the hard one; false for
// never.
func (t *tally) next() (at time.Time, hard, ok bool) {
	switch {
	case t.spent:
		return time.Time{}, false, false
	case t.soft.Time > 0 && !t.dying && (t.hard.Time == 0 || t.soft.Time < t.hard.Time):
		return t.used.Added.Add(t.soft.Time), false, true
	case t.hard.Time > 0:
		return t.used.Added.Add(t.hard.Time), true, true
	}
	return time.Time{}, false, false
}

// expire notes that a time limit has come; false when it was noted before.
func (t *tally) expire(hard bool) bool {
	if t.spent || !hard && t.dying {
		return false
	}
	t.dying, t.spent = true, hard
	return true
}

// Sequence numbers never repeat (RFC 4303 §3.3.3): an SA that has used all is
// over, and says so while there is time for a new one.
const (
	lastSeq = math.MaxUint32
	lateSeq = math.MaxUint32 - 1<<28
)

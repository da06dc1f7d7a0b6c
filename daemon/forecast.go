package daemon

import (
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// A byte limit is foreseen from the rate: a new SA is begun leadTime before the
// old one would be over. A small limit on a fast line leaves no such time; half
// of it is used in any case, or SAs would follow each other without end.
const (
	leadTime = 30 * time.Second
	rateTime = time.Second // a rate over less says little
)

// forecast is what the ledger knows of an SA's end by bytes.
type forecast struct {
	limit uint64  // the hard one, 0 for none
	rated uint64  // the count when the rate was taken
	rate  float64 // bytes per second
	told  bool    // the engine knows that the SA nears its limit
}

// margin is how many bytes before the limit a new SA should be begun.
func (f forecast) margin() float64 {
	return min(f.rate*leadTime.Seconds(), float64(f.limit)/2)
}

// near tells that a new SA should be begun.
func (f forecast) near(used uint64) bool {
	return f.limit > 0 && float64(used) >= float64(f.limit)-f.margin()
}

// patience is how long the next look may wait: until half of the margin would
// be gone. false: there is nothing to wait for.
func (f forecast) patience(used uint64) (time.Duration, bool) {
	if f.limit == 0 || f.told || f.rate == 0 {
		return 0, false
	}
	left := float64(f.limit) - f.margin()/2 - float64(used)
	return time.Duration(max(left, 0) / f.rate * float64(time.Second)), true
}

// rate takes the rates of all SAs since they were taken last, and says when the
// next poll is due for the sake of a limit.
func (l *ledger) rate(now time.Time) {
	passed := now.Sub(l.rated)
	if passed < rateTime {
		return
	}
	l.rated, l.next = now, now.Add(pollTime)
	for _, e := range l.sas {
		e.rate = float64(e.usage.Bytes-min(e.rated, e.usage.Bytes)) / passed.Seconds()
		e.rated = e.usage.Bytes
		if wait, ok := e.patience(e.usage.Bytes); ok && now.Add(wait).Before(l.next) {
			l.next = now.Add(wait)
		}
	}
}

// due tells that it is time to poll.
func (l *ledger) due(now time.Time) bool {
	return len(l.sas) > 0 && (now.Sub(l.polled) >= pollTime || !now.Before(l.next))
}

// nearing returns the SAs that near their byte limit and were not told yet.
func (l *ledger) nearing() []ike.LimitReached {
	var all []ike.LimitReached
	for id, e := range l.sas {
		if !e.told && e.near(e.usage.Bytes) {
			e.told = true
			all = append(all, ike.LimitReached{SPI: id.SPI, Dst: id.Dst, ReqID: e.reqID})
		}
	}
	return all
}

// tell notes that the engine hears of an SA's soft limit; false when it knows.
func (l *ledger) tell(id xfrm.SAID) bool {
	e := l.sas[id]
	if e == nil {
		return true
	}
	known := e.told
	e.told = true
	return !known
}

package kernel

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// A newer SA of a pair is never as old as the one before it, whatever the clock
// does; other pairs and SAs for receiving know nothing of it.
func TestEachSAIsYoungerThanTheOneBefore(t *testing.T) {
	a, now := ages{}, time.Unix(1_000_000, 0)
	sa := sampleSA()
	sa.Dir = xfrm.Out
	added := func(sa xfrm.SA, now time.Time) uint64 {
		r := reader{b: a.begin(sa, now).current}
		r.skip(16)
		at, used := r.u64(), r.u64()
		if !r.ok() || used != 0 {
			t.Fatalf("added %d, used %d, whole %v", at, used, r.ok())
		}
		return at
	}
	other := sa
	other.ReqID++
	for i, c := range []struct {
		sa   xfrm.SA
		now  time.Time
		want uint64
	}{
		{sa, now, 1_000_000},
		{sa, now.Add(time.Second / 2), 1_000_001},
		{other, now.Add(time.Second / 2), 1_000_000},
		{sa, now.Add(-time.Hour), 1_000_002}, // the clock was set back
		{sa, now.Add(time.Minute), 1_000_060},
	} {
		if got := added(c.sa, c.now); got != c.want {
			t.Errorf("SA %d counts as added at %d, want %d", i, got, c.want)
		}
	}
	if past := a.begin(sampleSA(), now); past.current != nil {
		t.Error("an SA for receiving was dated")
	}
	a.forget(sa, now) // the next one could come before
	a.forget(other, now.Add(time.Minute))
	if len(a) != 1 {
		t.Errorf("%d pairs remembered: %v", len(a), a)
	}
}

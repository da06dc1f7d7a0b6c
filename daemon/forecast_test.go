package daemon

import (
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

func TestByteLimitsAreForeseen(t *testing.T) {
	const kb, mb = 1 << 10, 1 << 20
	type poll struct {
		after time.Duration // since the poll before
		bytes uint64        // more than then
		near  bool          // it is told now
		wait  time.Duration // until the next poll
	}
	const s = time.Second
	for _, story := range []struct {
		name  string
		limit uint64
		polls []poll
	}{
		{"no limit", 0, []poll{{10 * s, 1000 * mb, false, 10 * s}, {10 * s, 1000 * mb, false, 10 * s}}},
		{"idle", 100 * mb, []poll{{10 * s, 0, false, 10 * s}, {10 * s, 0, false, 10 * s}}},
		{"half a minute before the end", 100 * mb, []poll{
			{10 * s, 10 * mb, false, 10 * s}, {10 * s, 10 * mb, false, 10 * s}, {20 * s, 20 * mb, false, 10 * s},
			{20 * s, 20 * mb, false, 10 * s}, // 60 MB in 60 s: 40 s are left
			{10 * s, 10 * mb, true, 10 * s}, {10 * s, 10 * mb, false, 10 * s},
		}},
		{"a burst that will not last", 100 * mb, []poll{
			{10 * s, 49 * mb, false, 10 * s / 49 * 26}, // at 4.9 MB/s: half of it is kept, and looked at before three quarters are gone
			{4 * s, 0, false, 10 * s},
		}},
		{"a small limit on a fast line", 10 * mb, []poll{
			{1 * s, 2 * mb, false, 11 * s / 4}, {1 * s, 2 * mb, false, 7 * s / 4}, {1 * s, 2 * mb, true, 10 * s},
		}},
		{"over before it was seen", 2560 * kb, []poll{{10 * s, 2560 * kb, true, 10 * s}}},
		{"a burst that goes far", 100 * mb, []poll{
			{10 * s, 90 * mb, true, 10 * s}, {10 * s, 1 * mb, false, 10 * s},
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			l, now := newLedger(), start
			sa := xfrm.SA{Dir: xfrm.Out, SPI: 1000, ReqID: 7, Hard: xfrm.Limit{Bytes: story.limit}}
			l.put(sa, account{tunnel: "a"}, now)
			l.update(now, nil)
			var used uint64
			for i, p := range story.polls {
				now = now.Add(p.after)
				used += p.bytes
				l.update(now, map[xfrm.SAID]xfrm.Usage{sa.ID(): {Bytes: used}})
				near := l.nearing()
				if len(near) == 1 != p.near {
					t.Errorf("poll %d: told %v, want %v", i, near, p.near)
				}
				if len(near) == 1 && (near[0].SPI != 1000 || near[0].ReqID != 7 || near[0].Hard) {
					t.Errorf("poll %d: told %+v", i, near[0])
				}
				if len(near) == 0 && l.due(now.Add(p.wait-10*time.Millisecond)) || !l.due(now.Add(p.wait+10*time.Millisecond)) {
					t.Errorf("poll %d: the next is due %v later, not %v", i, l.next.Sub(now), p.wait)
				}
			}
		})
	}
}

// What the data plane has told of a soft limit is not told again by the
// forecast, nor by the data plane when it does so twice.
func TestASoftLimitIsToldOnce(t *testing.T) {
	l := newLedger()
	sa := xfrm.SA{Dir: xfrm.Out, SPI: 1000, Hard: xfrm.Limit{Bytes: 1000}}
	l.put(sa, account{tunnel: "a"}, start)
	if !l.tell(sa.ID()) || l.tell(sa.ID()) {
		t.Error("want it told the first time alone")
	}
	l.update(start, map[xfrm.SAID]xfrm.Usage{sa.ID(): {Bytes: 999}})
	if near := l.nearing(); len(near) != 0 {
		t.Errorf("told again: %v", near)
	}
	if !l.tell(xfrm.SAID{SPI: 5}) {
		t.Error("an SA that the ledger does not know is the engine's affair")
	}
}

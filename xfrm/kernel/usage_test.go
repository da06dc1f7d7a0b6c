package kernel

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/xfrm"
)

// LastUsed moves on with the packets; the kernel counts in seconds.
func TestLastUseMovesOn(t *testing.T) {
	needESP(t)
	u := newTunnel(t)
	u.ping(t, 1)
	first := map[xfrm.SAID]time.Time{}
	for _, sa := range []xfrm.SA{u.out, u.back} {
		first[sa.ID()] = usageOf(t, u.a, sa).LastUsed
	}
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(5*time.Second))
	defer cancel()
	must(t, netns.Until(ctx, func() error {
		u.ping(t, 1)
		for _, sa := range []xfrm.SA{u.out, u.back} {
			if x := usageOf(t, u.a, sa); !x.LastUsed.After(first[sa.ID()]) {
				return fmt.Errorf("SA %v: last used %v, as at first; %d packets", sa.Dir, x.LastUsed, x.Packets)
			}
		}
		return nil
	}))
}

func TestSightings(t *testing.T) {
	id, other := xfrm.SAID{SPI: 1}, xfrm.SAID{SPI: 2}
	start := time.Unix(1000, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	var s sightings
	for _, c := range []struct {
		now     int
		packets uint64 // that the kernel counts; first used at 5
		want    int
	}{
		{10, 3, 5}, // what was before the first call only the kernel knows
		{20, 3, 5}, {30, 4, 30}, {40, 4, 30}, {50, 9, 50}, {60, 9, 50},
	} {
		all := map[xfrm.SAID]xfrm.Usage{id: {Packets: c.packets, Added: start, LastUsed: at(5)}, other: {Added: start}}
		s.date(all, at(c.now))
		if got := all[id].LastUsed; !got.Equal(at(c.want)) {
			t.Errorf("at %d: last used at %v, want %v", c.now, got, at(c.want))
		}
		if got := all[other].LastUsed; !got.IsZero() {
			t.Errorf("at %d: an SA that was never used was used at %v", c.now, got)
		}
	}
	// Another SA of the same name begins its own story.
	all := map[xfrm.SAID]xfrm.Usage{id: {Packets: 1, Added: at(65), LastUsed: at(66)}}
	s.date(all, at(70))
	if got := all[id].LastUsed; !got.Equal(at(66)) {
		t.Errorf("the new SA was used at %v, want 66 s", got)
	}
	s.date(map[xfrm.SAID]xfrm.Usage{}, at(80))
	if len(s.last) != 0 {
		t.Errorf("%d SAs that are gone are remembered", len(s.last))
	}
}

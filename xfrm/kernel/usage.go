package kernel

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Usage returns the counters of our SAs.
//
// Older kernels, 6.1 among them, tell when an SA was first used but not when
// last. There LastUsed is the time of the first call of Usage that found the
// counter moved, so it is late by up to the time between two calls.
func (b *Backend) Usage(ctx context.Context) (map[xfrm.SAID]xfrm.Usage, error) {
	all := map[xfrm.SAID]xfrm.Usage{}
	silent := false
	err := b.eachSA(ctx, func(h heldSA) {
		all[h.ID()] = h.usage()
		silent = silent || h.lastUsed == 0 && h.stats.firstUsed > 0
	})
	if err != nil {
		return nil, fmt.Errorf("read the counters of the SAs: %w", err)
	}
	if silent {
		b.sightings.date(all, time.Now())
	}
	return all, nil
}

// usage is the SA's counters in the words of package xfrm.
func (h heldSA) usage() xfrm.Usage {
	return xfrm.Usage{
		Bytes: h.stats.bytes, Packets: h.stats.packets,
		Added: moment(h.stats.added), LastUsed: moment(max(h.lastUsed, h.stats.firstUsed)),
		ReplayErrors: uint64(h.stats.replay), IntegrityErrs: uint64(h.stats.integrity),
	}
}

// moment is a time of the kernel, for which 0 is never.
func moment(seconds uint64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// sightings remember the usage of before, to see which SAs were used since.
type sightings struct {
	mu   sync.Mutex
	last map[xfrm.SAID]xfrm.Usage
}

// date sets LastUsed to now where packets were counted since the call before,
// and else to what it was.
func (s *sightings) date(all map[xfrm.SAID]xfrm.Usage, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[xfrm.SAID]xfrm.Usage, len(all))
	for id, u := range all {
		before, known := s.last[id]
		switch {
		case known && u.Packets > before.Packets:
			u.LastUsed = now
		case known && u.Added.Equal(before.Added) && before.LastUsed.After(u.LastUsed):
			u.LastUsed = before.LastUsed
		}
		all[id], next[id] = u, u
	}
	s.last = next
}

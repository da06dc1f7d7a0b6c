package daemon

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How memory is kept small. The daemon lives long, has little in use and may be
// flooded at any time: garbage may be a part of what is in use, and what a flood
// has taken goes back to the system soon after it. Left to itself the runtime
// does so in its own time, which is minutes when there is nothing to do.
const (
	garbagePercent = 40
	giveBackTime   = 10 * time.Second
	giveBackFrom   = 4 << 20 // bytes that are held and not known to be in use
)

// saveMemory keeps the process small until ctx ends.
func saveMemory(ctx context.Context) error {
	debug.SetGCPercent(garbagePercent)
	tick := time.NewTicker(giveBackTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if idleMemory() > giveBackFrom {
				debug.FreeOSMemory()
			}
		}
	}
}

// idleMemory is what the heap holds beyond what the last collection found in
// use, in bytes.
func idleMemory() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	held, live := samples[0].Value.Uint64()+samples[1].Value.Uint64(), samples[2].Value.Uint64()
	return held - min(held, live)
}

package daemon

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How memory is kept small. The daemon lives long, has little in use and may be
// flooded at any time: where little is in use little garbage may lie, and what a
// flood has taken goes back to the system soon after it. Left to itself the
// runtime does so in its own time, which is minutes when there is nothing to do.
// Thousands of tunnels are another matter: looking through all of their memory
// for a little garbage costs more than the garbage.
const (
	giveBackTime  = 20 * time.Second
	giveBackShare = 500      // of the time at most one part in this many goes into it
	littleInUse   = 24 << 20 // bytes
	littleGarbage = 20       // per cent of what is in use; otherwise as much as there is in use
)

// halfOpen bounds the sessions that are not authenticated: each takes 4 KiB.
const halfOpen = 2048

// saveMemory keeps the process small until ctx ends.
func saveMemory(ctx context.Context) {
	timer := time.NewTimer(time.Second) // the configuration is there by then
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			begun := time.Now()
			debug.FreeOSMemory()
			debug.SetGCPercent(garbage(inUse()))
			timer.Reset(max(giveBackTime, giveBackShare*time.Since(begun)))
		}
	}
}

// inUse is what the last collection found in use, in bytes.
func inUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// garbage is how much may lie about, in per cent of what is in use.
func garbage(inUse uint64) int {
	if inUse <= littleInUse {
		return littleGarbage
	}
	return 100
}

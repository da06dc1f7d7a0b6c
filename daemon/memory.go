package daemon

import (
	"context"
	"runtime/debug"
	"time"
)

// How memory is kept small. The daemon lives long, has little in use and may be
// flooded at any time: garbage may be a part of what is in use, and what a flood
// has taken goes back to the system soon after it. Left to itself the runtime
// does so in its own time, which is minutes when there is nothing to do.
const (
	garbagePercent = 30
	giveBackTime   = 20 * time.Second
	giveBackShare  = 500 // of the time at most one part in this many goes into it
)

// halfOpen bounds the sessions that are not authenticated: each takes 4 KiB.
const halfOpen = 2048

// saveMemory keeps the process small until ctx ends.
func saveMemory(ctx context.Context) {
	debug.SetGCPercent(garbagePercent)
	timer := time.NewTimer(giveBackTime)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			begun := time.Now()
			debug.FreeOSMemory()
			timer.Reset(max(giveBackTime, giveBackShare*time.Since(begun)))
		}
	}
}

package userspace

import (
	"sync"

	"github.com/twinspan/twinspan/xfrm"
)

// eventRoom is how many events may wait. More are dropped, and Lost says so.
const eventRoom = 1024

// events is the way out of what the data plane saw.
type events struct {
	out    chan xfrm.Event
	mu     sync.Mutex
	lost   bool // Lost is owed
	closed bool
}

// emit never blocks: what does not fit is dropped, and Lost goes before the
// next event that fits.
func (e *events) emit(ev xfrm.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	if e.lost && !e.offer(xfrm.Lost{}) {
		return
	}
	e.lost = !e.offer(ev)
}

func (e *events) offer(ev xfrm.Event) bool {
	select {
	case e.out <- ev:
		return true
	default:
		return false
	}
}

func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	close(e.out)
}

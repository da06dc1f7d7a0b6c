package xfrmtest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Memory is a data plane of make-believe for tests: it keeps what it is told,
// decides about packets as a real one does and carries them to the Memory that
// it is joined with, without ciphering anything. Its clock starts at the Unix
// epoch and moves only by Tick.
type Memory struct {
	mu       sync.Mutex
	now      time.Time
	sas      map[xfrm.SAID]*memSA
	added    uint64 // SAs so far, to know the newest
	policies []xfrm.Policy
	links    []xfrm.Link
	asked    map[uint32]time.Time // by ReqID: when an Acquire was raised that no SA has answered
	events   chan xfrm.Event
	lost     bool // an event did not fit and Lost is owed
	closed   bool
	fail     error
	peer     *Memory
	inbox    chan Inner
}

type memSA struct {
	xfrm.SA
	usage   xfrm.Usage
	nth     uint64
	dying   bool           // soft limit told
	movedTo netip.AddrPort // where PeerMoved last said that it is
}

var _ xfrm.Backend = (*Memory)(nil)

// Room for events that nobody reads, and for packets that nobody takes.
const (
	eventRoom  = 4096
	packetRoom = 4096
)

var errClosed = errors.New("the data plane is closed")

// NewMemory returns an empty data plane.
func NewMemory() *Memory {
	return &Memory{
		now:    time.Unix(0, 0),
		sas:    map[xfrm.SAID]*memSA{},
		asked:  map[uint32]time.Time{},
		events: make(chan xfrm.Event, eventRoom),
		inbox:  make(chan Inner, packetRoom),
	}
}

// Join makes what one sends arrive at the other.
func Join(a, b *Memory) {
	a.mu.Lock()
	a.peer = b
	a.mu.Unlock()
	b.mu.Lock()
	b.peer = a
	b.mu.Unlock()
}

// FailPut makes the next PutSA return err and change nothing.
func (m *Memory) FailPut(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Emit delivers an event as if the data plane had seen it.
func (m *Memory) Emit(e xfrm.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.emit(e)
}

// emit never blocks: what does not fit is lost, and Lost is delivered first
// once there is room again.
func (m *Memory) emit(e xfrm.Event) {
	if m.closed {
		return
	}
	if m.lost {
		select {
		case m.events <- xfrm.Lost{}:
			m.lost = false
		default:
			return
		}
	}
	select {
	case m.events <- e:
	default:
		m.lost = true
	}
}

// Tick sets the clock. SAs whose limit has come are told, and gone when it was
// the hard one. A clock that goes back changes nothing.
func (m *Memory) Tick(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Before(m.now) {
		return
	}
	m.now = now
	for _, e := range m.byAge() {
		age := now.Sub(e.usage.Added)
		switch {
		case e.Hard.Time > 0 && age >= e.Hard.Time:
			m.expire(e, true)
		case e.Soft.Time > 0 && age >= e.Soft.Time && !e.dying:
			m.expire(e, false)
		}
	}
}

// Now reads the clock.
func (m *Memory) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *Memory) expire(e *memSA, hard bool) {
	if hard {
		delete(m.sas, e.ID())
	}
	e.dying = true
	m.emit(xfrm.Expired{SPI: e.SPI, Dst: e.Dst, ReqID: e.ReqID, Hard: hard})
}

// byAge lists the SAs, oldest first.
func (m *Memory) byAge() []*memSA {
	all := make([]*memSA, 0, len(m.sas))
	for _, e := range m.sas {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *memSA) int { return int(a.nth) - int(b.nth) })
	return all
}

// PutSA implements xfrm.Backend.
func (m *Memory) PutSA(_ context.Context, sa xfrm.SA) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch err := m.fail; {
	case m.closed:
		return fmt.Errorf("add SA %#08x: %w", sa.SPI, errClosed)
	case err != nil:
		m.fail = nil
		return fmt.Errorf("add SA %#08x: %w", sa.SPI, err)
	}
	if err := sa.Valid(); err != nil {
		return fmt.Errorf("add: %w", err)
	}
	if e := m.sas[sa.ID()]; e != nil && sameKeys(e.SA, sa) {
		e.SA, e.movedTo = sa, netip.AddrPort{}
		return nil
	}
	m.added++
	m.sas[sa.ID()] = &memSA{SA: sa, nth: m.added, usage: xfrm.Usage{Added: m.now}}
	if sa.Dir == xfrm.Out {
		delete(m.asked, sa.ReqID)
	}
	return nil
}

// sameKeys tells that b is a, perhaps moved or with other limits, and not
// another SA under its name.
func sameKeys(a, b xfrm.SA) bool {
	return a.Dir == b.Dir && a.Suite == b.Suite && a.ReqID == b.ReqID && a.IfID == b.IfID &&
		a.EncKey.Equal(b.EncKey) && a.AuthKey.Equal(b.AuthKey)
}

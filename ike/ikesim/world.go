// Package ikesim is a make-believe network with hosts on it. Each host is a
// real engine over an in-memory data plane, and obeys the engine's actions as
// the daemon does; time, chance and the network are the test's. A story that
// fails once fails always.
//
// It knows no message: it loses, doubles, delays and spoils datagrams by their
// number or by the step that the sender's report names.
package ikesim

import (
	"container/heap"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// The make-believe durations: of a datagram's way, and of one Compute. A host
// computes one after the other.
const (
	Latency = 10 * time.Millisecond
	Compute = time.Millisecond
)

// World is the network, the clock and the hosts.
type World struct {
	t     testing.TB
	seed  string
	start time.Time
	now   time.Time
	plane time.Time // when the data planes looked at their limits last
	// counted is when the engines last heard what the data planes carry;
	// busyPlanes tells that they have carried something since.
	counted     time.Time
	busyPlanes  bool
	hosts       []*Host
	route       map[netip.Addr]*Host
	translators []*translator

	todo  events
	count int // of datagrams
	trace []string

	// Rule decides what becomes of each datagram. Nil is Deliver.
	Rule Rule
	// CPU, if set, is read around what an engine computes: see Host.Spent.
	CPU func() time.Duration
	// Quiet keeps no trace.
	Quiet bool
	// Names are the DNS.
	Names map[string][]netip.Addr
	// OnSend, if set, sees every datagram before Rule.
	OnSend func(Datagram)
}

// New makes an empty world. Chance follows from the seed.
func New(t testing.TB, seed string) *World {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &World{
		t: t, seed: seed, start: start, now: start, route: map[netip.Addr]*Host{},
	}
}

// Host adds a host with these addresses; it gets more by what it is configured
// with.
func (w *World) Host(name string, o engine.Options, addrs ...netip.Addr) *Host {
	h := &Host{World: w, Name: name, options: o}
	for _, a := range addrs {
		w.route[a] = h
	}
	w.hosts = append(w.hosts, h)
	h.boot()
	return h
}

// Join lets ESP pass between the data planes of two hosts.
func Join(a, b *Host) {
	xfrmtest.Join(a.Plane, b.Plane)
	a.joined, b.joined = b, a
}

// dice is chance that repeats itself.
type dice struct{ r *rand.ChaCha8 }

func newDice(seed string) dice { return dice{rand.NewChaCha8(sha256.Sum256([]byte(seed)))} }

func (d dice) Read(b []byte) (int, error) { return d.r.Read(b) }

// Now is the time of the world.
func (w *World) Now() time.Time { return w.now }

// Datagrams is how many were sent so far.
func (w *World) Datagrams() int { return w.count }

// event is something that will happen.
type event struct {
	at time.Time
	n  int // events of one instant happen in the order in which they were planned
	do func()
}

type events struct {
	heap []event
	n    int
}

func (q events) Len() int { return len(q.heap) }

func (q events) Less(i, j int) bool {
	a, b := q.heap[i], q.heap[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.n < b.n
}

func (q events) Swap(i, j int) { q.heap[i], q.heap[j] = q.heap[j], q.heap[i] }

// Push implements heap.Interface.
func (q *events) Push(x any) { q.heap = append(q.heap, x.(event)) }

// Pop implements heap.Interface.
func (q *events) Pop() any {
	last := len(q.heap) - 1
	e := q.heap[last]
	q.heap = q.heap[:last]
	return e
}

// After plans something.
func (w *World) After(d time.Duration, do func()) {
	w.todo.n++
	heap.Push(&w.todo, event{w.now.Add(d), w.todo.n, do})
}

// planeEvery is how often the data planes look at their limits of time: as often
// as a kernel's timers need, and not at every datagram.
const planeEvery = time.Second

// countEvery is how often an engine hears which SAs are used, as of the daemon.
const countEvery = 10 * time.Second

// Run lets time pass.
func (w *World) Run(d time.Duration) { w.RunUntil(d, func() bool { return false }) }

// RunUntil lets time pass until done, at most d. It tells whether it is done.
func (w *World) RunUntil(d time.Duration, done func() bool) bool {
	w.t.Helper()
	for end := w.now.Add(d); !done(); {
		next, do := w.next()
		if do == nil || next.After(end) {
			w.advance(end)
			return done()
		}
		w.advance(next)
		do()
	}
	return true
}

// next is what happens next and when: what was planned, a host that wants to be
// woken, or the data planes' look at their limits.
func (w *World) next() (time.Time, func()) {
	at, do := w.now.Add(planeEvery), func() {}
	if len(w.todo.heap) > 0 && !w.todo.heap[0].at.After(at) {
		at, do = w.todo.heap[0].at, func() { heap.Pop(&w.todo).(event).do() }
	}
	for _, h := range w.hosts {
		if wake, ok := h.Engine.Wake(); ok && wake.Before(at) {
			at, do = wake, func() { h.wake() }
		}
	}
	return at, do
}

func (w *World) advance(to time.Time) {
	if to.After(w.now) {
		w.now = to
	}
	if w.now.Sub(w.plane) < planeEvery {
		return
	}
	w.plane = w.now
	for _, h := range w.hosts {
		h.Plane.Tick(w.now)
		h.hear()
	}
	if !w.busyPlanes || w.now.Sub(w.counted) < countEvery {
		return
	}
	w.busyPlanes, w.counted = false, w.now
	for _, h := range w.hosts {
		h.count()
	}
}

func (w *World) tell(format string, args ...any) {
	if w.Quiet {
		return
	}
	w.trace = append(w.trace, fmt.Sprintf("%8.3f  ", w.now.Sub(w.start).Seconds())+fmt.Sprintf(format, args...))
}

// Trace is what happened so far, one line each: what was sent and what the
// hosts report, without what only repeats it.
func (w *World) Trace() string {
	if len(w.trace) == 0 {
		return ""
	}
	return strings.Join(w.trace, "\n") + "\n"
}

// told writes a host's report into the trace.
func (w *World) told(h *Host, r ike.Report) {
	if line := describe(r); line != "" {
		w.tell("%-7s%s", h.Name, line)
	}
}

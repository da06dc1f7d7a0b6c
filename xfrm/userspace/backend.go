// Package userspace is a data plane without the kernel's XFRM: ESP in tunnel
// mode (RFC 4303) over one TUN device for each gateway. It is for kernels and
// containers that have no ESP or no XFRM interfaces.
//
// Plain ESP leaves and comes through raw sockets of its own, ESP in UDP
// (RFC 3948) through the Wire that it is given and through Receive. What
// happens to a packet is decided by the policies of its device alone: what no
// policy selects is dropped, and answered by an ICMP error.
//
// A packet that meets a Protect policy without an SA waits for one, a few of
// each pair and for some seconds: the one that asks for a tunnel is the first
// that goes through it.
//
// The outer header: DSCP and ECN are copied from the inner one (RFC 4301
// §5.1.2.1, RFC 6040 normal mode); with UDP they are not, a Wire has no word
// for them. DF is never set on plain ESP. An inner packet that does not fit the
// way to the peer is refused with "fragmentation needed" when it has DF and
// fragmented before it is sealed when it has not, so outer fragments are rare;
// but where a router beyond our sight has a smaller MTU, they beat a black
// hole: the ICMP errors that would tell us are not authenticated, and are often
// filtered. Time to live is what the host's forwarding makes of it.
//
// Everything dies with the process: no packet can leave through a TUN device
// that nobody reads, and SAs are gone. The package knows no IKE, makes no
// route, and does not log: it returns errors, events and counters.
package userspace

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Backend is the data plane. Its devices and sockets belong to the network
// namespace of the threads that call New and SetLinks, which must be one.
type Backend struct {
	wire    Wire
	now     func() time.Time
	ivs     ivSource
	sockets sockets
	count   counters
	inUDP   *queue
	held    held

	setting   sync.Mutex // one SetLinks or SetPolicies at a time; before mu
	releasing sync.Mutex // one release at a time, for their order; before mu

	mu        sync.RWMutex // guards the following; before an assoc's lock
	sas       map[xfrm.SAID]*assoc
	pairs     map[pairID]*pair
	gates     map[uint32]*gate // by IfID
	policies  []xfrm.Policy    // as they were given
	links     []*link
	deadlines deadlines
	closed    bool

	events events
	wake   chan struct{} // the first deadline has changed
	done   chan struct{} // closed by Close
	tasks  sync.WaitGroup
}

var _ xfrm.Backend = (*Backend)(nil)

var errClosed = errors.New("the data plane is closed")

// gate is what the packets of one gateway's device meet. It stays once made.
type gate struct {
	ifID  uint32
	table atomic.Pointer[table]
	link  atomic.Pointer[link] // nil while there is no device
}

// pairID names a pair of networks of one gateway.
type pairID struct{ reqID, ifID uint32 }

// pair ties the policies of one ReqID to its SAs.
type pair struct {
	id       pairID
	gate     *gate
	current  atomic.Pointer[assoc] // the newest SA for sending, nil for none
	holding  atomic.Bool           // packets wait for an SA, or are being sent that did; set under held.mu
	asked    atomic.Int64          // when Acquire was raised last, in Unix nanoseconds; 0: the next packet asks
	sending  []*assoc              // oldest first; guarded by Backend.mu
	policies int                   // guarded by Backend.mu
	received int                   // SAs for receiving; guarded by Backend.mu
}

// askAgain is how long an Acquire may stay without an answer before the next
// packet raises another. The kernel waits for 30 s (xfrm_acq_expires); somebody
// who pings to bring a tunnel up should not.
const askAgain = 5 * time.Second

// New opens the raw sockets for ESP, in the network namespace of the calling
// thread. It needs CAP_NET_RAW, and CAP_NET_ADMIN for SetLinks.
func New(w Wire) (*Backend, error) {
	b := newBackend(w)
	if err := b.sockets.open(); err != nil {
		return nil, err
	}
	for _, s := range b.sockets.raw() {
		b.tasks.Go(func() { b.receiveRaw(s) })
	}
	b.tasks.Go(b.receiveUDP)
	b.tasks.Go(b.keepTime)
	return b, nil
}

// newBackend is a Backend without sockets and without anybody who keeps time.
func newBackend(w Wire) *Backend {
	b := &Backend{
		wire: w, now: time.Now, ivs: newIVSource(), inUDP: newQueue(),
		sas: map[xfrm.SAID]*assoc{}, pairs: map[pairID]*pair{}, gates: map[uint32]*gate{},
		held: held{pairs: map[*pair]*heldQueue{}},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.events.out = make(chan xfrm.Event, eventRoom)
	return b
}

// Events implements xfrm.Backend.
func (b *Backend) Events() <-chan xfrm.Event { return b.events.out }

// Close implements xfrm.Backend. The devices and the SAs are gone with it.
func (b *Backend) Close() error {
	b.setting.Lock()
	defer b.setting.Unlock()
	b.mu.Lock()
	was := b.closed
	b.closed = true
	links := b.links
	b.links = nil
	b.mu.Unlock()
	if was {
		return nil
	}
	close(b.done)
	b.inUDP.close() // whoever waits in Receive goes on
	for _, l := range links {
		b.shut(l)
	}
	err := b.sockets.close()
	b.tasks.Wait()
	b.events.close()
	return err
}

// gateOf returns the gate of a device, made when it is first heard of. The
// caller holds mu.
func (b *Backend) gateOf(ifID uint32) *gate {
	g := b.gates[ifID]
	if g == nil {
		g = &gate{ifID: ifID}
		g.table.Store(newTable(nil))
		b.gates[ifID] = g
	}
	return g
}

// pairOf returns the pair of that name, made when it is first heard of. The
// caller holds mu.
func (b *Backend) pairOf(reqID, ifID uint32) *pair {
	id := pairID{reqID, ifID}
	p := b.pairs[id]
	if p == nil {
		p = &pair{id: id, gate: b.gateOf(ifID)}
		b.pairs[id] = p
	}
	return p
}

// forget drops a pair that nothing refers to any more. The caller holds mu.
func (b *Backend) forget(p *pair) {
	if p.policies == 0 && p.received == 0 && len(p.sending) == 0 {
		delete(b.pairs, p.id)
	}
}

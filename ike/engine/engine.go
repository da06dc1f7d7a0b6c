// Package engine finds, for whatever happens, the session or the tunnel that it
// concerns, and hands on what they say. It owns:
//
//   - the sessions, by our own cookie; and those that we answer also by the
//     peer's cookie and address, since a first message has no cookie of ours;
//   - the tunnels, by name; the peers' addresses and the ReqIDs lead to them;
//   - who owns an SA: the session that negotiates it, and from ChildUp on the
//     tunnel;
//   - the deadlines of all of them in one heap, the bounds against floods, and
//     how many sessions begin at the same time.
//
// A session belongs to the tunnel whose peer it has authenticated. The tunnel
// decides what is wanted; the session does it; the engine carries the words
// between the two. It is pure, and knows no key and no message but its header.
package engine

import (
	"io"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/tunnel"
	"github.com/twinspan/twinspan/ike/v1"
)

// Options of an Engine. A zero bound stands for its default.
type Options struct {
	Rand              io.Reader // chance, required; never fails
	HalfOpen          int       // sessions that we answer and that are not authenticated yet; 4096
	HalfOpenPerSource int       // from how many on one remote address with one of ours gives up its own when there are too many; 64
	Unproven          int       // what is computed at the same time for first messages of aggressive mode, whose addresses may be forged; 256
	Starting          int       // sessions that we begin at the same time; 256
}

// The defaults of Options.
const (
	defaultHalfOpen          = 4096
	defaultHalfOpenPerSource = 64
	defaultUnproven          = 256
	defaultStarting          = 256
)

// Engine is all tunnels and sessions of this host. It is not safe for
// concurrent use: one loop owns it.
type Engine struct {
	env          ike.Env
	newInitiator func(env *ike.Env, p *ike.Peer, local, remote netip.AddrPort, contact func() bool) carrier
	newResponder func(env *ike.Env, candidates []*ike.Peer, local, remote netip.AddrPort) carrier

	tunnels map[string]*member
	names   []string // of tunnels, sorted
	byAddrs map[addrs]*neighbours
	byReqID map[uint32]*member

	byCookie map[ownCookie]*session
	byFirst  map[firstMessage]*session
	jobs     map[uint64]*session
	unproven unproven
	lastJob  uint64

	sas       map[uint32]*standing // by SPI
	spoken    map[uint32]*session  // SPIs that were handed out and are not installed yet
	handovers []handover           // in the order of their children

	half      halfOpen
	starts    starts
	deadlines deadlines
	count     Counters
	strangers time.Time // when the last packet of a stranger was reported

	now     time.Time    // of the Step that runs
	out     []ike.Action // of the Step that runs
	todo    []func()     // what the tunnels are to be told once the session that runs has spoken
	running *session     // whose Step runs
}

// carrier is a session as the engine sees it.
type carrier interface {
	ike.Session
	Peer() string     // the tunnel's name, "" while it is not known
	Progressed() bool // the peer has used our cookie: its address is not forged
}

// New makes an engine without tunnels: Configure gives it some.
func New(o Options) *Engine {
	e := &Engine{
		newInitiator: func(env *ike.Env, p *ike.Peer, local, remote netip.AddrPort, contact func() bool) carrier {
			return v1.NewInitiator(env, p, local, remote, contact)
		},
		newResponder: func(env *ike.Env, candidates []*ike.Peer, local, remote netip.AddrPort) carrier {
			return v1.NewResponder(env, candidates, local, remote)
		},
		tunnels:  map[string]*member{},
		byAddrs:  map[addrs]*neighbours{},
		byReqID:  map[uint32]*member{},
		byCookie: map[ownCookie]*session{},
		byFirst:  map[firstMessage]*session{},
		jobs:     map[uint64]*session{},
		unproven: unproven{most: orDefault(o.Unproven, defaultUnproven), jobs: map[uint64]addrs{}},
		sas:      map[uint32]*standing{},
		spoken:   map[uint32]*session{},
		half:     newHalfOpen(orDefault(o.HalfOpen, defaultHalfOpen), orDefault(o.HalfOpenPerSource, defaultHalfOpenPerSource)),
		starts:   starts{most: orDefault(o.Starting, defaultStarting)},
	}
	e.env = ike.Env{Rand: o.Rand, SPI: e.newSPI, ID: e.newJob}
	return e
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Step takes what happened and says what to do, in order.
func (e *Engine) Step(now time.Time, in ike.Input) []ike.Action {
	e.now, e.out = now, nil
	switch in := in.(type) {
	case ike.Packet:
		e.packet(in)
	case ike.Tick:
		e.tick()
	case ike.Computed:
		e.computed(in)
	case ike.Failed:
		e.failed(in)
	case ike.Used:
		e.used(in)
	case ike.LimitReached:
		e.limitReached(in)
	case ike.Acquired:
		e.tellMember(e.byReqID[in.ReqID], tunnel.Acquired{ReqID: in.ReqID})
	case ike.Sent:
		e.sent(in)
	case ike.Moved:
		e.espMoved(in)
	case ike.Probed:
		e.tellMember(e.tunnels[in.Tunnel], tunnel.Probed{Passing: in.Passing})
	case ike.Resolved:
		e.resolved(in)
	case ike.Rekey:
		e.tellMember(e.tunnels[in.Tunnel], tunnel.Rekey{IKE: in.IKE, IPsec: in.IPsec, Sel: in.Sel})
	case ike.Initiate:
		e.initiate(in.Tunnel)
	case ike.Close:
		e.close(in.Tunnel)
	case ike.Configure:
		e.configure(in.Peers)
	}
	e.settle()
	out := e.out
	e.out = nil
	return out
}

// Wake is when Tick is wanted, false for never.
func (e *Engine) Wake() (time.Time, bool) {
	at, ok := e.deadlines.first()
	if free, waits := e.starts.wake(); waits && (!ok || free.Before(at)) {
		at, ok = free, true
	}
	if due, waits := e.nextHandover(); waits && (!ok || due.Before(at)) {
		at, ok = due, true
	}
	return at, ok
}

// tick wakes whoever is due, each once.
func (e *Engine) tick() {
	e.release(func(h handover) bool { return !h.due.IsZero() && !h.due.After(e.now) })
	for _, a := range e.deadlines.due(e.now) {
		if a.session != nil {
			e.drive(a.session, ike.Tick{})
		} else {
			e.tell(a.member, tunnel.Tick{})
		}
		e.settle()
	}
}

func (e *Engine) computed(in ike.Computed) {
	e.unproven.done(in.ID)
	s := e.jobs[in.ID]
	if s == nil {
		return
	}
	delete(e.jobs, in.ID)
	if in.Result == nil {
		e.discard(s, &ike.Fault{Cause: ike.CauseLimit, Text: "too many exchanges wait for their Diffie-Hellman, and this one was dropped"})
		return
	}
	e.drive(s, in)
}

// later puts off what must not happen while a session's actions are passed on:
// their order is theirs.
func (e *Engine) later(do func()) { e.todo = append(e.todo, do) }

// settle does what was put off, and gives free places to those who wait.
func (e *Engine) settle() {
	for {
		for len(e.todo) > 0 {
			do := e.todo[0]
			e.todo = e.todo[1:]
			do()
		}
		m := e.starts.next(e.now)
		if m == nil {
			return
		}
		e.demand(m)
	}
}

func (e *Engine) emit(a ike.Action) {
	if e.handOverBefore(a) {
		e.out = append(e.out, a)
	}
}

func (e *Engine) newJob() uint64 {
	e.lastJob++
	return e.lastJob
}

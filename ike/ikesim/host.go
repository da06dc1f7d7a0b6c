package ikesim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/engine"
	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// Host is one gateway.
type Host struct {
	*World
	Name    string
	Engine  *engine.Engine
	Plane   *xfrmtest.Memory
	Reports []ike.Report
	// BytesIn and BytesOut count its datagrams, without their UDP headers.
	BytesIn, BytesOut int
	// Spent is the processor time of its Steps and its Computes, when the
	// world has a CPU.
	Spent Spent

	options engine.Options
	located map[string]netip.Addr // by tunnel: where its peer is, if that may change
	counted map[xfrm.SAID]uint64  // packets of each SA when they were last looked at
	peers   []ike.Peer
	boots   int
	joined  *Host
	busy    time.Time // until when it computes
}

// Spent is processor time.
type Spent struct{ Steps, Computes time.Duration }

// boot starts with nothing.
func (h *Host) boot() {
	h.boots++
	o := h.options
	if o.Rand == nil {
		o.Rand = newDice(fmt.Sprintf("%s/%s/%d", h.seed, h.Name, h.boots))
	}
	h.Engine, h.located, h.counted = engine.New(o), map[string]netip.Addr{}, nil
	h.Plane = xfrmtest.NewMemory()
	h.Plane.Tick(h.now)
}

// Restart is a crash of the whole host: engine and data plane lose all they
// had, and come back with the same configuration.
func (h *Host) Restart() {
	h.tell("%-7srestarts", h.Name)
	peers := h.peers
	h.boot()
	if h.joined != nil {
		Join(h, h.joined)
	}
	h.Configure(peers...)
}

// Configure gives the host its peers, their addresses, policies and device.
func (h *Host) Configure(peers ...ike.Peer) {
	h.t.Helper()
	h.peers = peers
	links := map[uint32]xfrm.Link{}
	for _, p := range peers {
		h.route[p.Local] = h
		links[p.IfID] = xfrm.Link{Name: fmt.Sprintf("twin%04x", p.IfID&0xffff), IfID: p.IfID, MTU: 1400}
	}
	var list []xfrm.Link
	for _, l := range links {
		list = append(list, l)
	}
	h.must(h.Plane.SetLinks(h.t.Context(), list))
	h.setPolicies()
	h.Step(ike.Configure{Peers: peers})
}

// setPolicies protects the pairs of the peers whose address is known.
func (h *Host) setPolicies() {
	h.t.Helper()
	var policies []xfrm.Policy
	for _, p := range h.peers {
		remote := p.Remote
		if at, ok := h.located[p.Name]; ok && !remote.IsValid() {
			remote = at
		}
		if !remote.IsValid() {
			continue
		}
		for _, c := range p.Children {
			policies = append(policies, xfrm.Policy{
				Sel: c.Sel, TunnelLocal: p.Local, TunnelRemote: remote,
				ReqID: c.ReqID, IfID: p.IfID, Priority: 1, Action: xfrm.Protect,
			})
		}
	}
	h.must(h.Plane.SetPolicies(h.t.Context(), policies))
}

func (h *Host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%s: %v", h.Name, err)
	}
}

// Step gives the engine an input and obeys it.
func (h *Host) Step(in ike.Input) {
	if p, ok := in.(ike.Packet); ok {
		h.BytesIn += len(p.Data)
	}
	var actions []ike.Action
	h.spend(&h.Spent.Steps, func() { actions = h.Engine.Step(h.now, in) })
	h.obey(actions)
	h.hear()
}

// spend adds the processor time of do.
func (h *Host) spend(on *time.Duration, do func()) {
	if h.CPU == nil {
		do()
		return
	}
	before := h.CPU()
	do()
	*on += h.CPU() - before
}

// wake gives the engine the Tick that it waits for. An engine that is not
// content with that would turn in a circle.
func (h *Host) wake() {
	h.Step(ike.Tick{})
	if at, ok := h.Engine.Wake(); ok && !at.After(h.now) {
		h.Step(ike.Tick{})
		if again, ok := h.Engine.Wake(); ok && !again.After(h.now) {
			h.t.Fatalf("%s wants to be woken at %v again and again", h.Name, again)
		}
	}
}

// failures are the Installs of one Step that the data plane refused, by SPI.
type failures map[uint32]error

// contradict tells the reports that a refused Install makes untrue: they are not
// passed on, and the engine has its say once it has heard of the failure.
func (f failures) contradict(r ike.Report) bool {
	switch {
	case len(f) == 0:
		return false
	case r.Kind == ike.ChildUp:
		return f[r.Child.SPIIn] != nil || f[r.Child.SPIOut] != nil
	}
	return r.Kind == ike.TunnelChanged && (r.State == ike.Up || r.State == ike.PartlyUp)
}

// obey does what the engine says, in order. What it has to be told of that
// comes after.
func (h *Host) obey(actions []ike.Action) {
	failed := failures{}
	for i, a := range actions {
		switch a := a.(type) {
		case ike.Send:
			if failed[a.Needs] == nil {
				h.BytesOut += len(a.Data)
				h.send(h, a, stepOf(actions[i+1:]))
			}
		case ike.Compute:
			h.compute(a)
		case ike.Install:
			if err := h.Plane.PutSA(h.t.Context(), a.SA); err != nil {
				failed[a.SA.SPI] = err
			}
		case ike.Remove:
			h.must(h.Plane.DropSA(h.t.Context(), a.SPI, a.Dst))
		case ike.Follow:
			h.must(h.Plane.SetEncap(h.t.Context(), xfrm.SAID{SPI: a.SPI, Dst: a.Dst}, a.Encap))
		case ike.Locate:
			h.located[a.Tunnel] = a.Remote
			h.setPolicies()
			h.tell("%-7s%s is at %v", h.Name, a.Tunnel, a.Remote)
		case ike.Resolve:
			h.resolve(a)
		case ike.Report:
			if !failed.contradict(a) {
				h.Reports = append(h.Reports, a)
				h.told(h, a)
			}
		}
	}
	for _, a := range actions {
		if i, ok := a.(ike.Install); ok && failed[i.SA.SPI] != nil {
			h.Step(ike.Failed{SPI: i.SA.SPI, Err: failed[i.SA.SPI]})
		}
	}
}

// resolve answers from the world's names.
func (h *Host) resolve(a ike.Resolve) {
	boot := h.boots
	h.After(Latency, func() {
		if boot != h.boots {
			return
		}
		in := ike.Resolved{Tunnel: a.Tunnel, Addrs: h.Names[a.Host]}
		if len(in.Addrs) == 0 {
			in.Err = errors.New("no such host")
		}
		h.Step(in)
	})
}

// stepOf is what the report that follows a Send, or the fragments of a message,
// calls it; a stored answer has no report.
func stepOf(rest []ike.Action) string {
	for _, a := range rest {
		switch a := a.(type) {
		case ike.Send:
			continue
		case ike.Report:
			switch a.Kind {
			case ike.MessageOut:
				return a.Step
			case ike.Resent:
				return a.Step + " again"
			}
		}
		break
	}
	return "the same answer"
}

func (h *Host) compute(c ike.Compute) {
	boot := h.boots
	if h.busy.Before(h.now) {
		h.busy = h.now
	}
	h.busy = h.busy.Add(Compute)
	h.After(h.busy.Sub(h.now), func() {
		if boot != h.boots {
			return
		}
		var result any
		h.spend(&h.Spent.Computes, func() { result = c.Do() })
		h.Step(ike.Computed{ID: c.ID, Result: result})
	})
}

// hear tells the engine what the data plane saw.
func (h *Host) hear() {
	for {
		select {
		case e := <-h.Plane.Events():
			switch e := e.(type) {
			case xfrm.Acquire:
				h.Step(ike.Acquired{ReqID: e.ReqID, Packet: e.Packet})
			case xfrm.PeerMoved:
				h.Step(ike.Moved{SPI: e.SPI, From: e.From})
			case xfrm.Expired:
				h.Step(ike.LimitReached{SPI: e.SPI, Dst: e.Dst, ReqID: e.ReqID, Hard: e.Hard})
			}
		default:
			return
		}
	}
}

// count tells the engine which SAs have carried packets since it was last told.
func (h *Host) count() {
	usage, err := h.Plane.Usage(h.t.Context())
	h.must(err)
	counted := make(map[xfrm.SAID]uint64, len(usage))
	var said []ike.Input
	for _, id := range slices.SortedFunc(maps.Keys(usage), func(a, b xfrm.SAID) int { return cmp.Compare(a.SPI, b.SPI) }) {
		counted[id] = usage[id].Packets
		switch {
		case usage[id].Packets == h.counted[id]:
		case h.route[id.Dst] == h:
			said = append(said, ike.Used{SPI: id.SPI})
		default:
			said = append(said, ike.Sent{SPI: id.SPI, Dst: id.Dst})
		}
	}
	h.counted = counted
	for _, in := range said {
		h.Step(in)
	}
}

// Send sends a packet of a selector pair from behind this host, and tells
// whether it came out behind the other one.
func (h *Host) Send(p ike.Peer, sel xfrm.Selector) (xfrmtest.Fate, bool) {
	inner := xfrmtest.Inner{
		Src: netip.AddrPortFrom(sel.Local.Addr().Next(), xfrmtest.Port),
		Dst: netip.AddrPortFrom(sel.Remote.Addr().Next(), xfrmtest.Port),
	}
	h.busyPlanes = true
	fate := h.Plane.Send(p.IfID, inner)
	h.hear()
	if h.joined == nil {
		return fate, false
	}
	select {
	case got := <-h.joined.Plane.Inbox():
		return fate, got.Src == inner.Src && got.Dst == inner.Dst
	default:
		return fate, false
	}
}

// Status of one tunnel.
func (h *Host) Status(tunnel string) ike.Status {
	h.t.Helper()
	for _, s := range h.Engine.Status() {
		if s.Tunnel == tunnel {
			return s
		}
	}
	h.t.Fatalf("%s has no tunnel %q", h.Name, tunnel)
	return ike.Status{}
}

// Peer is the configuration of one tunnel.
func (h *Host) Peer(tunnel string) ike.Peer {
	h.t.Helper()
	for _, p := range h.peers {
		if p.Name == tunnel {
			return p
		}
	}
	h.t.Fatalf("%s is not configured with %q", h.Name, tunnel)
	return ike.Peer{}
}

package tunnel

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

const (
	// maxOlder is how many replaced children of a pair may drain beside the
	// newest one, once that is older than turnsOver; mostChildren are all that
	// there may ever be, and keptChildren those that stay when they are more.
	maxOlder     = 2
	turnsOver    = 15 * time.Second
	mostChildren = 8
	keptChildren = 4
	// trafficLasts is how long a packet's wish counts. Linux asks again every
	// 30 s as long as packets come (xfrm_acq_expires).
	trafficLasts = 35 * time.Second
	// soon is the age below which a lost child counts as a failed try, so that
	// a peer that deletes what it just made is not asked without a pause.
	soon = 10 * time.Second
	// quickMode is the exchange that makes a child.
	quickMode = "quick mode"
)

// pair is one selector pair and the children that stand for it.
type pair struct {
	child    *ike.Child
	children []ike.ChildSA // newest last: that one is used, the others drain
	born     time.Time     // of the newest child
	renew    time.Time     // when that is to be replaced
	since    time.Time     // of being up or down
	asked    bool          // a quick mode of ours is going on
	began    time.Time     // of that quick mode
	urgent   bool          // a packet waits
	traffic  time.Time     // until when packets are taken to want the pair
	wait     backoff
	fault    *ike.Fault // why it is down, nil while that is the whole tunnel's

	unanswered time.Time // since when we send and nothing comes back, zero for not
	mute       bool      // that has gone on for long
	used       time.Time // when something last came in
}

// childUp takes over a child. An older one of the pair stays for what the peer
// still sends on it, until its hard limit or the peer's delete: some peers use
// the old SA until it expires.
func (t *Tunnel) childUp(c ike.ChildSA) {
	p := t.pair(c.Sel)
	if p == nil || t.desire == off {
		t.say(Delete{[]uint32{c.SPIIn}})
		t.removeSAs(c)
		return
	}
	if len(p.children) == 0 {
		p.since = t.now
	}
	t.replaceTwins(p, c)
	p.children = append(p.children, c)
	if len(p.children) > 1 && t.now.Sub(p.born) >= soon {
		p.wait = backoff{}
	}
	p.born, p.renew, p.fault = t.now, t.renewal(c), nil
	t.fault = t.pairFault() // what kept the whole tunnel down is over
	t.carrier.try = 0
	t.replaceDoubted(p)
	if c.Initiator {
		t.history.add(t.now, Negotiation{Began: p.began, Took: t.now.Sub(p.began), Exchange: quickMode, Sel: c.Sel, Initiator: true})
		p.asked = false
		t.carrier.next = time.Time{}
	} else {
		t.history.add(t.now, Negotiation{Began: t.now, Exchange: quickMode, Sel: c.Sel})
		t.yield()
	}
	if len(p.children) > mostChildren {
		t.thinTo(p, keptChildren)
	}
}

var tooMany = &ike.Fault{Cause: ike.CauseLimit, Text: "newer SAs of the pair stand and this one was not deleted by the peer"}

// thinDue is when the older children of a pair are too many, false for not at
// all: the peer may have put its own in another order, and has to have the time
// to send on the newest.
func (p *pair) thinDue() (time.Time, bool) {
	return p.born.Add(turnsOver), len(p.children) > maxOlder+1
}

// thin takes down the oldest children of the pairs that have too many.
func (t *Tunnel) thin() {
	for i := range t.pairs {
		p := &t.pairs[i]
		if at, many := p.thinDue(); many && !at.After(t.now) {
			t.thinTo(p, maxOlder+1)
		}
	}
}

// thinTo takes down a pair's oldest children until n are left. The peer is told of
// them together: one that makes child after child gets less than it sends.
func (t *Tunnel) thinTo(p *pair, n int) {
	var gone []uint32
	for _, c := range p.children[:len(p.children)-n] {
		gone = append(gone, c.SPIIn)
	}
	t.say(Delete{gone})
	for range gone {
		t.lose(p, 0, tooMany)
	}
}

// replaceTwins forgets older children whose outbound SPI the peer chose again:
// the data plane has replaced that SA, so removing it would remove the new one.
func (t *Tunnel) replaceTwins(p *pair, c ike.ChildSA) {
	for i := len(p.children) - 1; i >= 0; i-- {
		old := p.children[i]
		if old.SPIOut != c.SPIOut || old.Remote.Addr() != c.Remote.Addr() {
			continue
		}
		t.say(Remove{SPI: old.SPIIn, Dst: old.Local.Addr()})
		t.down(p, i, &ike.Fault{Cause: ike.CauseDeleted, Text: "the peer uses its SPI again for a new SA"})
	}
}

func (t *Tunnel) childFailed(in ChildFailed) {
	p := t.pair(in.Sel)
	if p == nil || !p.asked {
		return
	}
	p.asked = false
	f := t.history.informed(in.Fault)
	t.history.add(t.now, Negotiation{
		Began: p.began, Took: t.now.Sub(p.began), Exchange: quickMode, Sel: in.Sel, Initiator: true, Fault: f,
	})
	p.wait.fail(t.now, t.rand)
	if !t.stands(p) {
		t.blamePair(p, f)
	}
}

// unconfirmed asks once for a pair that the peer may take for up, also where it is
// the peer that begins: else one end would be up and the other down.
func (t *Tunnel) unconfirmed(sel xfrm.Selector) {
	if p := t.pair(sel); p != nil && !p.asked && t.desire != off && !t.stands(p) {
		t.negotiate(p)
	}
}

func (t *Tunnel) peerDeleted(spi uint32) {
	p, i := t.find(func(c ike.ChildSA) bool { return c.SPIOut == spi })
	if p == nil {
		p, i = t.find(func(c ike.ChildSA) bool { return c.SPIIn == spi })
	}
	if p != nil {
		t.lose(p, i, &ike.Fault{Cause: ike.CauseDeleted, Text: "the peer deleted the SA"})
	}
}

func (t *Tunnel) expired(in Expired) {
	p, i := t.find(named(in.SPI, in.Dst))
	if p == nil {
		return
	}
	t.takeDown(p, i, &ike.Fault{Cause: ike.CauseExpired, Text: "the SA reached the end of its lifetime"})
}

// named tells the child of which one SA has that name.
func named(spi uint32, dst netip.Addr) func(ike.ChildSA) bool {
	return func(c ike.ChildSA) bool {
		return c.SPIIn == spi && c.Local.Addr() == dst || c.SPIOut == spi && c.Remote.Addr() == dst
	}
}

// moved follows the peer. Ports change in place; an SA cannot change its address
// and keep its sequence, so that of a peer with another address is made anew.
func (t *Tunnel) moved(to netip.AddrPort) {
	for k := range t.pairs {
		p := &t.pairs[k]
		for i := len(p.children) - 1; i >= 0; i-- {
			c := &p.children[i]
			switch {
			case c.Remote.Addr() != to.Addr():
				t.lose(p, i, &ike.Fault{Cause: ike.CauseDeleted, Text: fmt.Sprintf("the peer moved to %v", to.Addr())})
				p.urgent, p.wait, t.reviving = true, backoff{}, true
			case c.Remote.Port() != 0 && c.Remote.Port() != to.Port():
				c.Remote = to
				t.follow(*c)
			}
		}
	}
}

func (t *Tunnel) follow(c ike.ChildSA) {
	here, there := c.Local.Port(), c.Remote.Port()
	t.say(Follow{SPI: c.SPIIn, Dst: c.Local.Addr(), Encap: xfrm.Encap{SrcPort: there, DstPort: here}})
	t.say(Follow{SPI: c.SPIOut, Dst: c.Remote.Addr(), Encap: xfrm.Encap{SrcPort: here, DstPort: there}})
}

// installFailed takes back a child of which only a half got into the data
// plane: such a pair must not be called up. The newest child comes first,
// because it is the one that was just made.
func (t *Tunnel) installFailed(in InstallFailed) {
	p, i := t.find(func(c ike.ChildSA) bool { return c.SPIIn == in.SPI || c.SPIOut == in.SPI })
	if p == nil {
		return
	}
	f := &ike.Fault{
		Cause:  ike.CauseDataPlane,
		Text:   fmt.Sprintf("the data plane refused an SA: %v", in.Err),
		Advice: "see that the data plane has the tunnel's algorithms",
	}
	t.history.add(t.now, Negotiation{Began: t.now, Exchange: quickMode, Sel: p.child.Sel, Fault: f})
	t.takeDown(p, i, f)
}

// find looks for a child, newest first.
func (t *Tunnel) find(is func(ike.ChildSA) bool) (*pair, int) {
	for k := range t.pairs {
		p := &t.pairs[k]
		for i := len(p.children) - 1; i >= 0; i-- {
			if is(p.children[i]) {
				return p, i
			}
		}
	}
	return nil, 0
}

// takeDown ends a child that the peer may still take for up, and tells it so.
func (t *Tunnel) takeDown(p *pair, i int, why *ike.Fault) {
	t.say(Delete{[]uint32{p.children[i].SPIIn}})
	t.lose(p, i, why)
}

// lose removes both SAs of a child. A pair that has no other is negotiated
// anew by begin, at once when the child had stood for a while.
func (t *Tunnel) lose(p *pair, i int, why *ike.Fault) {
	t.removeSAs(p.children[i])
	t.down(p, i, why)
	if len(p.children) > 0 {
		return
	}
	t.blamePair(p, why)
	if why.Cause == ike.CauseDataPlane || t.now.Sub(p.born) < soon {
		p.wait.fail(t.now, t.rand)
		return
	}
	p.wait = backoff{}
}

// down forgets a child and reports it.
func (t *Tunnel) down(p *pair, i int, why *ike.Fault) {
	c := p.children[i]
	delete(t.doubts, c.SPIIn)
	p.children = append(p.children[:i:i], p.children[i+1:]...)
	if len(p.children) == 0 {
		p.since, p.mute, p.unanswered = t.now, false, time.Time{}
	}
	t.say(Report{
		Kind: ike.ChildDown, Tunnel: t.peer.Name, Local: c.Local, Remote: c.Remote,
		Sel: c.Sel, Child: &c, Fault: why,
	})
}

func (t *Tunnel) removeSAs(c ike.ChildSA) {
	t.say(Remove{SPI: c.SPIIn, Dst: c.Local.Addr()})
	t.say(Remove{SPI: c.SPIOut, Dst: c.Remote.Addr()})
}

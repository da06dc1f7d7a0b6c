package tunnel

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
)

// longestMargin bounds how early the SAs of a long life are replaced.
const longestMargin = 15 * time.Minute

// renewal is when a child that came up now is to be replaced. Whoever began it
// takes a tenth of its life and up to half as much again, the other a twentieth
// and up to half as much again: the two spans do not touch, so that both ends
// begin at once only when each of them began the pair's newest child. Without a
// limit of time it is never.
func (t *Tunnel) renewal(c ike.ChildSA) time.Time {
	if c.Lifetime.Time == 0 {
		return time.Time{}
	}
	margin := min(c.Lifetime.Time/10, longestMargin)
	if !c.Initiator {
		margin /= 2
	}
	return t.now.Add(c.Lifetime.Time - margin - part(margin/2, t.rand))
}

// part draws from [0, d).
func part(d time.Duration, rand io.Reader) time.Duration {
	var b [2]byte
	_, _ = io.ReadFull(rand, b[:]) // ike.Env's chance never fails
	return d * time.Duration(binary.BigEndian.Uint16(b[:])) >> 16
}

// softLimit replaces a child that has carried nearly as much as it may. That of
// an older one says nothing: it is replaced already.
func (t *Tunnel) softLimit(spi uint32, dst netip.Addr) {
	p, i := t.find(named(spi, dst))
	if p != nil && i == len(p.children)-1 && !p.asked {
		p.renew = t.now
	}
}

// rekey replaces at once what an operator asks for, whatever pause a failure has
// made.
func (t *Tunnel) rekey(in Rekey) {
	if t.desire == off {
		return
	}
	t.carrier.next = time.Time{}
	if in.IKE && !t.renew.IsZero() {
		t.renew = t.now
	}
	for i := range t.pairs {
		p := &t.pairs[i]
		if in.IPsec && len(p.children) > 0 && (!in.Sel.Local.IsValid() || in.Sel == p.child.Sel) {
			p.renew, p.wait = t.now, backoff{}
		}
	}
}

// renewDue is when the session is to be replaced, false for not at all. A tunnel
// that nobody needs lets its session end.
func (t *Tunnel) renewDue() (time.Time, bool) {
	if t.renewing || t.renew.IsZero() || t.desire == off || t.peer.Anywhere() || t.desire != always && !t.Holds() {
		return time.Time{}, false
	}
	return latest(t.renew, t.carrier.next), true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// renewSession asks for a session that replaces the one that grows old.
func (t *Tunnel) renewSession() {
	if at, ok := t.renewDue(); ok && !at.After(t.now) {
		t.renewing = true
		t.say(Renew{})
	}
}

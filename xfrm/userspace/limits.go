package userspace

import (
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// lookAgain is how often the MTU of the ways to the peers is read, and what was
// held in vain thrown away.
const lookAgain = 10 * time.Second

// schedule files an SA's next time limit. The caller holds mu.
func (b *Backend) schedule(a *assoc) {
	a.mu.Lock()
	at, hard, ok := a.next()
	a.mu.Unlock()
	b.deadlines.set(&a.deadline, at, hard, ok)
	select {
	case b.wake <- struct{}{}:
	default: // it is awake already
	}
}

// keepTime ends SAs whose time has come and looks after the MTUs, until Close.
func (b *Backend) keepTime() {
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	look := b.now().Add(lookAgain)
	for {
		now := b.now()
		if !now.Before(look) {
			b.measurePaths()
			b.count.noSA.Add(uint64(b.held.expire(now)))
			look = now.Add(lookAgain)
		}
		timer.Reset(min(b.expireDue(now), look.Sub(now)))
		select {
		case <-timer.C:
		case <-b.wake:
		case <-b.done:
			return
		}
	}
}

// expireDue ends what is due and returns how long nothing will be.
func (b *Backend) expireDue(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for d := b.deadlines.due(now); d != nil; d = b.deadlines.due(now) {
		a := d.sa
		a.mu.Lock()
		tell := a.expire(d.hard)
		a.mu.Unlock()
		if tell {
			b.expired(a, d.hard)
		}
		if !d.hard {
			b.refile(a)
		}
	}
	if at, ok := b.deadlines.next(); ok {
		return at.Sub(now)
	}
	return lookAgain
}

// refile is schedule without waking the one who calls it.
func (b *Backend) refile(a *assoc) {
	a.mu.Lock()
	at, hard, ok := a.next()
	a.mu.Unlock()
	b.deadlines.set(&a.deadline, at, hard, ok)
}

// expired tells a limit, and removes the SA at a hard one. The caller holds mu.
func (b *Backend) expired(a *assoc, hard bool) {
	id := a.sa.ID()
	if hard {
		b.remove(a)
	}
	b.events.emit(xfrm.Expired{SPI: id.SPI, Dst: id.Dst, ReqID: a.pair.id.reqID, Hard: hard})
}

// obey does what an SA's limits said to a packet, after its lock was let go,
// and tells whether the packet may pass.
func (b *Backend) obey(a *assoc, v verdict) bool {
	switch v {
	case pass:
		return true
	case gone:
		b.count.spent.Add(1)
		return false
	case over:
		b.count.spent.Add(1)
	}
	b.mu.Lock()
	b.expired(a, v == over)
	b.mu.Unlock()
	return v == passSoft
}

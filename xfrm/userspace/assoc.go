package userspace

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// assoc is one SA that the data plane holds.
type assoc struct {
	spi      uint32
	pair     *pair
	deadline deadline // guarded by Backend.mu

	mu sync.Mutex // guards the following; held while a packet is ciphered
	sa xfrm.SA    // with our own copy of the keys
	tally
	out *outgoing // of an SA for sending, else nil
	in  *incoming // of an SA for receiving, else nil
}

// outgoing is what only an SA for sending has.
type outgoing struct {
	sealer *sealer
	seq    uint32 // the last one used
	path   *path
	most   int // the largest inner packet that fits the path
}

// incoming is what only an SA for receiving has.
type incoming struct {
	opener *opener
	window window
	moved  netip.AddrPort // where PeerMoved last said that the peer is
}

// PutSA implements xfrm.Backend. An SA that is put again with the same keys
// keeps its sequence numbers, its replay window and its usage, also when the
// peer has moved to another address: to begin again at 1 would be a replay.
func (b *Backend) PutSA(_ context.Context, sa xfrm.SA) error {
	if err := sa.Valid(); err != nil {
		return err
	}
	path, err := b.pathOf(sa)
	if err != nil {
		return fmt.Errorf("SA %#08x: %w", sa.SPI, err)
	}
	p, err := b.put(sa, path)
	if err != nil {
		return fmt.Errorf("SA %#08x: %w", sa.SPI, err)
	}
	if sa.Dir == xfrm.Out {
		b.release(p)
	}
	return nil
}

// put files an SA and returns its pair.
func (b *Backend) put(sa xfrm.SA, path *path) (*pair, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	if a := b.same(sa); a != nil {
		b.update(a, sa, path)
		return a.pair, nil
	}
	a, err := newAssoc(sa, path, b.ivs, b.now())
	if err != nil {
		return nil, err
	}
	if old := b.sas[sa.ID()]; old != nil {
		b.remove(old)
	}
	b.insert(a)
	return a.pair, nil
}

// same finds the SA that is put again: of the same name, or for sending of the
// same SPI and keys under another destination.
func (b *Backend) same(sa xfrm.SA) *assoc {
	if a := b.sas[sa.ID()]; a != nil {
		if a.is(sa) {
			return a
		}
		return nil
	}
	if p := b.pairs[pairID{sa.ReqID, sa.IfID}]; p != nil && sa.Dir == xfrm.Out {
		for _, a := range p.sending {
			if a.sa.SPI == sa.SPI && a.is(sa) {
				return a
			}
		}
	}
	return nil
}

// is tells that sa has the same keys and belongs to the same pair. What it
// compares never changes in an assoc.
func (a *assoc) is(sa xfrm.SA) bool {
	return a.sa.Dir == sa.Dir && a.sa.Suite == sa.Suite && a.pair.id == pairID{sa.ReqID, sa.IfID} &&
		a.sa.EncKey.Equal(sa.EncKey) && a.sa.AuthKey.Equal(sa.AuthKey)
}

func newAssoc(sa xfrm.SA, p *path, ivs ivSource, now time.Time) (*assoc, error) {
	sa.EncKey, sa.AuthKey = xfrm.NewSecret(sa.EncKey.Open()), xfrm.NewSecret(sa.AuthKey.Open())
	a := &assoc{spi: sa.SPI, sa: sa, tally: tally{soft: sa.Soft, hard: sa.Hard, used: xfrm.Usage{Added: now}}}
	a.deadline.sa = a
	if sa.Dir == xfrm.In {
		o, err := newOpener(sa)
		a.in = &incoming{opener: o}
		return a, err
	}
	s, err := newSealer(sa, ivs)
	if err != nil {
		return nil, err
	}
	a.out = &outgoing{sealer: s}
	a.out.take(p)
	return a, nil
}

// take makes p the way to the peer.
func (o *outgoing) take(p *path) {
	o.path = p
	o.most = o.sealer.innerMax(p.room)
}

// insert files a new SA. The caller holds mu.
func (b *Backend) insert(a *assoc) {
	p := b.pairOf(a.sa.ReqID, a.sa.IfID)
	a.pair = p
	b.sas[a.sa.ID()] = a
	if a.out != nil {
		p.sending = append(p.sending, a)
		p.choose()
	} else {
		p.received++
	}
	b.schedule(a)
}

// choose makes the newest SA the one for sending. The caller holds Backend.mu.
func (p *pair) choose() {
	var newest *assoc
	if n := len(p.sending); n > 0 {
		newest = p.sending[n-1]
		p.asked.Store(0)
	}
	p.current.Store(newest)
}

// update gives an SA another place of the peer and other limits. The caller
// holds mu.
func (b *Backend) update(a *assoc, sa xfrm.SA, path *path) {
	delete(b.sas, a.sa.ID())
	b.sas[sa.ID()] = a
	a.mu.Lock()
	sa.EncKey, sa.AuthKey = a.sa.EncKey, a.sa.AuthKey
	a.sa, a.soft, a.hard = sa, sa.Soft, sa.Hard
	if a.out != nil {
		a.out.take(path)
	} else {
		a.in.moved = netip.AddrPort{}
	}
	a.mu.Unlock()
	b.schedule(a)
}

// SetEncap implements xfrm.Backend.
func (b *Backend) SetEncap(_ context.Context, id xfrm.SAID, e xfrm.Encap) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.sas[id]
	if a == nil {
		return nil
	}
	if err := a.sa.CanHave(e); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sa.Encap = e
	if a.out != nil {
		a.out.take(a.out.path.through(e))
	} else {
		a.in.moved = netip.AddrPort{}
	}
	return nil
}

// DropSA implements xfrm.Backend.
func (b *Backend) DropSA(_ context.Context, spi uint32, dst netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.sas[xfrm.SAID{SPI: spi, Dst: dst}]; a != nil {
		b.remove(a)
	}
	return nil
}

// remove takes an SA out of everything. The caller holds mu.
func (b *Backend) remove(a *assoc) {
	if b.sas[a.sa.ID()] != a {
		return // already
	}
	delete(b.sas, a.sa.ID())
	if a.out != nil {
		a.pair.sending = slices.DeleteFunc(a.pair.sending, func(o *assoc) bool { return o == a })
		a.pair.choose()
	} else {
		a.pair.received--
	}
	b.deadlines.set(&a.deadline, time.Time{}, false, false)
	b.forget(a.pair)
	a.mu.Lock()
	a.spent = true // for the packet that has found it before
	a.sa.EncKey.Wipe()
	a.sa.AuthKey.Wipe()
	a.mu.Unlock()
}

// Usage implements xfrm.Backend.
func (b *Backend) Usage(context.Context) (map[xfrm.SAID]xfrm.Usage, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make(map[xfrm.SAID]xfrm.Usage, len(b.sas))
	for id, a := range b.sas {
		a.mu.Lock()
		all[id] = a.used
		a.mu.Unlock()
	}
	return all, nil
}

// Dump implements xfrm.Backend. All that a Backend holds is ours.
func (b *Backend) Dump(context.Context) (xfrm.State, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := xfrm.State{Policies: slices.Clone(b.policies)}
	for _, a := range b.sas {
		sa := a.sa
		sa.EncKey, sa.AuthKey = xfrm.Secret{}, xfrm.Secret{}
		s.SAs = append(s.SAs, sa)
	}
	for _, l := range b.links {
		if !l.dead.Load() {
			s.Links = append(s.Links, l.Link)
		}
	}
	return s, nil
}

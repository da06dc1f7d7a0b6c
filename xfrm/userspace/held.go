package userspace

import (
	"sync"
	"time"
)

// Bounds of what waits for an SA: of one pair, of all together, and for how
// long. The peer is negotiated with in a second or two; what is older than
// heldTime was sent again or given up.
const (
	heldPackets = 16
	heldBytes   = 64 << 10
	heldTotal   = 4 << 20
	heldTime    = 10 * time.Second
	// heldFrame is what a packet takes beside its own bytes.
	heldFrame = headroom + tailroom + 64
)

// held are the packets that met a Protect policy without an SA. They are sent
// in their order as soon as there is one; until the last of them has left, what
// comes after them waits behind them.
type held struct {
	mu    sync.Mutex // after Backend.mu
	total int        // bytes of all queues
	pairs map[*pair]*heldQueue
}

type heldQueue struct {
	packets []heldPacket
	bytes   int
}

// heldPacket is a copy of a packet, with the room around it that seal wants.
type heldPacket struct {
	buf  []byte
	size int
	came time.Time
}

func (h heldPacket) weight() int { return h.size + heldFrame }

// put keeps a copy of a packet. false: it need not wait any more, or there is no
// room.
func (h *held) put(p *pair, packet []byte, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.current.Load() != nil && !p.holding.Load() {
		return false
	}
	q := h.pairs[p]
	if q == nil {
		q = &heldQueue{}
	}
	next := heldPacket{size: len(packet), came: now}
	if len(q.packets) == heldPackets || q.bytes+next.weight() > heldBytes || h.total+next.weight() > heldTotal {
		return false
	}
	next.buf = make([]byte, headroom+len(packet)+tailroom)
	copy(next.buf[headroom:], packet)
	q.packets = append(q.packets, next)
	q.bytes += next.weight()
	h.total += next.weight()
	h.pairs[p] = q
	p.holding.Store(true)
	return true
}

// take hands over what a pair holds. With nothing, packets need not wait any
// more.
func (h *held) take(p *pair) []heldPacket {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.pairs[p]
	if q == nil {
		p.holding.Store(false)
		return nil
	}
	delete(h.pairs, p)
	h.total -= q.bytes
	return q.packets
}

// drop throws away what a pair holds and returns how many packets that were.
func (h *held) drop(p *pair) int {
	all := h.take(p)
	h.take(p) // nobody waits any more
	return len(all)
}

// expire throws away what has waited too long and returns how many packets that
// were.
func (h *held) expire(now time.Time) (dropped int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p, q := range h.pairs {
		for len(q.packets) > 0 && q.packets[0].old(now) {
			q.bytes -= q.packets[0].weight()
			h.total -= q.packets[0].weight()
			q.packets = q.packets[1:]
			dropped++
		}
		if len(q.packets) == 0 {
			delete(h.pairs, p)
		}
	}
	return dropped
}

func (h heldPacket) old(now time.Time) bool { return now.Sub(h.came) >= heldTime }

// wait deals with a packet that finds no SA, or others that wait for it. It
// returns the SA of a packet that need not wait.
func (o *outbound) wait(p *pair, packet []byte, h inner, now time.Time) *assoc {
	if p.current.Load() == nil {
		o.acquire(p, h, now)
	}
	if !o.releasing && o.held.put(p, packet, now) {
		return nil
	}
	a := p.current.Load()
	switch {
	case a == nil:
		o.count.noSA.Add(1)
	case !o.releasing:
		o.release(p) // there is no room behind those that wait: they go before
	}
	return a
}

// release sends what a pair holds, now that it has an SA. Each packet is held
// against the policies again: they may have changed.
func (b *Backend) release(p *pair) {
	b.releasing.Lock()
	defer b.releasing.Unlock()
	var o *outbound
	for all := b.held.take(p); len(all) > 0; all = b.held.take(p) {
		l := p.gate.link.Load()
		if l == nil {
			b.count.deviceFailed.Add(uint64(len(all)))
			continue
		}
		if o == nil || o.link != l {
			o = b.newOutbound(l, heldPackets)
			o.releasing = true
		}
		now := b.now()
		for _, h := range all {
			if h.old(now) {
				b.count.noSA.Add(1)
				continue
			}
			o.one(h.buf, h.size, now)
		}
		o.flush()
	}
}

package userspace

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/twinspan/twinspan/xfrm"
)

// outbound is what the reader of one device works with. It belongs to one
// goroutine: from here to the wire nothing is shared but the SA.
type outbound struct {
	*Backend
	link       *link
	releasing  bool     // sends what was held, and holds nothing
	memory     []byte   // of the buffers
	buffers    [][]byte // with room for an ESP packet around each inner one
	sizes      []int
	box4, box6 *outbox
	boxUDP     wirebox
	spare      []byte // for a fragment
	answer     []byte // for an ICMP error
	answers    quota
	last       memo
}

// memo is the last answer of a table: packets come in rows.
type memo struct {
	table *table
	flow  flow
	six   bool
	rule  *rule
}

func (m *memo) find(t *table, f flow, six bool) *rule {
	if m.table != t || m.flow != f || m.six != six {
		*m = memo{t, f, six, t.find(f, six)}
	}
	return m.rule
}

// readFailures is how many reads in a row may fail before a device is given up.
const readFailures = 100

// readLink seals what comes from a device until it is closed.
func (b *Backend) readLink(l *link) {
	o := b.newOutbound(l, l.dev.BatchSize())
	o.makeBuffers()
	defer func() { freePages(o.memory) }()
	failures := 0
	for {
		n, err := l.dev.Read(o.buffers, o.sizes, headroom)
		switch {
		case err == nil:
			failures = 0
		case errors.Is(err, os.ErrClosed) || failures == readFailures:
			b.lost(l)
			return
		case !errors.Is(err, tun.ErrTooManySegments):
			failures++
			b.count.malformed.Add(1)
			continue
		}
		now := b.now()
		for i := range n {
			o.one(o.buffers[i], o.sizes[i], now)
		}
		o.flush()
	}
}

// newOutbound makes one for size packets at a time, without buffers for them.
func (b *Backend) newOutbound(l *link, size int) *outbound {
	o := &outbound{Backend: b, link: l, sizes: make([]int, size), box4: newOutbox(b.sockets.esp4, size)}
	o.boxUDP.wire = b.wire
	if b.sockets.esp6 != nil {
		o.box6 = newOutbox(b.sockets.esp6, size)
	}
	o.spare = make([]byte, packetRoom)
	o.answer = make([]byte, tunHeader+answerMax)
	return o
}

// packetRoom is what the largest packet takes.
const packetRoom = headroom + packetMax + tailroom

// makeBuffers makes what the device's packets are read into.
func (o *outbound) makeBuffers() {
	o.buffers = make([][]byte, len(o.sizes))
	o.memory = pages(len(o.sizes) * packetRoom)
	for i, rest := 0, o.memory; i < len(o.buffers); i++ {
		o.buffers[i], rest = rest[:packetRoom:packetRoom], rest[packetRoom:]
	}
}

// one decides about the inner packet of n bytes that lies behind the headroom.
func (o *outbound) one(buf []byte, n int, now time.Time) {
	p := buf[headroom : headroom+n]
	h, ok := readInner(p)
	if !ok {
		o.count.malformed.Add(1)
		return
	}
	r := o.last.find(o.link.gate.table.Load(), h.flow, h.six)
	switch {
	case r == nil:
		o.count.unselected.Add(1)
		o.refuse(p[:h.len], h, now)
	case r.Action == xfrm.Block:
		o.count.blocked.Add(1)
	default:
		o.protect(buf, h, r.pair, now)
	}
}

// protect sends a packet through its pair's SA.
func (o *outbound) protect(buf []byte, h inner, p *pair, now time.Time) {
	a := p.current.Load()
	if a == nil || p.holding.Load() {
		if a = o.wait(p, buf[headroom:headroom+h.len], h, now); a == nil {
			return
		}
	}
	if most := a.fits(h); h.len > most {
		o.tooBig(a, buf, h, most, now)
		return
	}
	o.send(a, buf, h, now)
}

// acquire asks for an SA, once until there is one or the question has become
// old.
func (o *outbound) acquire(p *pair, h inner, now time.Time) {
	asked := p.asked.Load()
	if asked != 0 && now.Sub(time.Unix(0, asked)) < askAgain || !p.asked.CompareAndSwap(asked, now.UnixNano()) {
		return
	}
	src, dst := h.src.netip(h.six), h.dst.netip(h.six)
	o.events.emit(xfrm.Acquire{ReqID: p.id.reqID, IfID: p.id.ifID, Packet: xfrm.Selector{
		Local: netip.PrefixFrom(src, src.BitLen()), Remote: netip.PrefixFrom(dst, dst.BitLen()),
	}})
}

// send seals the packet behind buf's headroom and puts it on its way.
func (o *outbound) send(a *assoc, buf []byte, h inner, now time.Time) {
	esp, way, v := a.seal(buf, h, now)
	if !o.obey(a, v) {
		return
	}
	switch {
	case way.encap:
		o.count.sendFailed.Add(uint64(o.boxUDP.add(esp, way)))
	case way.remote.Addr().Is6():
		o.post(o.box6, esp, way, h.tos)
	default:
		o.post(o.box4, esp, way, h.tos)
	}
}

func (o *outbound) post(box *outbox, esp []byte, way *path, tos byte) {
	if box.full() {
		o.flush()
	}
	box.add(esp, way, tos)
}

// flush sends what was posted.
func (o *outbound) flush() {
	for _, box := range []*outbox{o.box4, o.box6} {
		if box != nil && box.batch.used > 0 {
			o.count.sendFailed.Add(uint64(box.flush()))
		}
	}
	o.count.sendFailed.Add(uint64(o.boxUDP.flush()))
}

// seal makes the ESP packet, counts the inner one and takes a sequence number.
func (a *assoc) seal(buf []byte, h inner, now time.Time) ([]byte, *path, verdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.out.seq == lastSeq && !a.spent {
		a.spent = true
		return nil, nil, over
	}
	v := a.spend(h.len, now)
	if v != pass && v != passSoft {
		return nil, nil, v
	}
	a.out.seq++
	if a.out.seq >= lateSeq && !a.dying {
		a.dying, v = true, passSoft
	}
	return a.out.sealer.seal(buf, headroom, h.len, h.nextHeader(), a.out.seq), a.out.path, v
}

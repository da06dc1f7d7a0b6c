package userspace

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// inbound is what one receiver works with. It belongs to one goroutine.
type inbound struct {
	*Backend
	link    *link    // of the packets that wait
	waiting [][]byte // opened packets, each behind tunHeader free bytes
	last    memo
}

// receiveRaw opens what a raw socket brings until it is closed.
func (b *Backend) receiveRaw(s *rawSocket) {
	box, in := newInbox(s), &inbound{Backend: b}
	defer box.free()
	for {
		n, err := box.receive()
		if err != nil {
			return
		}
		now := b.now()
		for i := range n {
			a, ok := box.packet(i)
			if !ok {
				b.count.malformed.Add(1)
				continue
			}
			in.one(a, false, now)
		}
		in.flush()
	}
}

// Receive takes an ESP packet that came in UDP. It copies the packet, and waits
// while too many are there that came before. What no SA is for goes no further.
func (b *Backend) Receive(local, remote netip.AddrPort, packet []byte) {
	p := arrival{esp: packet, src: remote.Addr().Unmap(), dst: local.Addr().Unmap(), port: remote.Port()}
	if b.find(&p) {
		b.inUDP.put(p)
	}
}

// receiveUDP opens what Receive has taken until Close.
func (b *Backend) receiveUDP() {
	in := &inbound{Backend: b}
	defer b.inUDP.free()
	for {
		select {
		case <-b.done:
			return
		case <-b.inUDP.wake:
		}
		now := b.now()
		for _, a := range b.inUDP.take() {
			in.open(a, true, now)
		}
		in.flush()
	}
}

// one opens a packet and lets it wait for flush.
func (in *inbound) one(p arrival, encap bool, now time.Time) {
	if in.find(&p) {
		in.open(p, encap, now)
	}
}

// find looks for the SA of a packet, and counts why there is none.
func (b *Backend) find(p *arrival) bool {
	if len(p.esp) < espHeader {
		b.count.malformed.Add(1)
		return false
	}
	b.mu.RLock()
	p.sa = b.sas[xfrm.SAID{SPI: binary.BigEndian.Uint32(p.esp), Dst: p.dst}]
	b.mu.RUnlock()
	if p.sa == nil || p.sa.in == nil {
		b.count.unknownSPI.Add(1)
		return false
	}
	return true
}

// open opens a packet whose SA was found. The SA may be gone since.
func (in *inbound) open(p arrival, encap bool, now time.Time) {
	a := p.sa
	h, v, moved, ok := a.open(&in.count, p, encap, now)
	if !ok || !in.obey(a, v) {
		return
	}
	if moved {
		in.events.emit(xfrm.PeerMoved{SPI: a.spi, ReqID: a.pair.id.reqID, From: netip.AddrPortFrom(p.src, p.port)})
	}
	start := espHeader + a.in.opener.block
	in.admit(a.pair, p.esp[start-tunHeader:start+h.len], h, p.tos)
}

// open authenticates and deciphers a packet in place and counts it. ok is false
// for what must be dropped.
func (a *assoc) open(c *counters, p arrival, encap bool, now time.Time) (h inner, v verdict, moved, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seq := binary.BigEndian.Uint32(p.esp[4:])
	switch {
	case encap != (a.sa.Encap != xfrm.Encap{}):
		c.misdelivered.Add(1)
		return
	case !a.in.window.fresh(seq):
		a.used.ReplayErrors++
		c.replayed.Add(1)
		return
	}
	text, next, err := a.in.opener.open(p.esp)
	if err != nil && a.refused(c, err) {
		return
	}
	newest := seq > a.in.window.top
	a.in.window.accept(seq)
	if h, ok = a.unwrap(c, text, next, err); !ok {
		return
	}
	v = a.spend(h.len, now)
	moved = encap && newest && a.in.follow(netip.AddrPortFrom(p.src, p.port), a.sa)
	return h, v, moved, true
}

// refused counts why a packet was not opened and tells whether it was because
// it is not the peer's.
func (a *assoc) refused(c *counters, err error) bool {
	switch {
	case errors.Is(err, errICV):
		a.used.IntegrityErrs++
		c.forged.Add(1)
	case errors.Is(err, errShort):
		c.malformed.Add(1)
	default:
		return false
	}
	return true
}

// unwrap looks at what an authentic packet had inside.
func (a *assoc) unwrap(c *counters, text []byte, next byte, err error) (inner, bool) {
	switch {
	case err != nil:
		c.badPadding.Add(1)
		return inner{}, false
	case next == protoNone:
		c.dummies.Add(1)
		return inner{}, false
	}
	h, ok := readInner(text)
	if !ok || next != h.nextHeader() {
		c.malformed.Add(1)
		return inner{}, false
	}
	return h, true
}

// follow notes where the newest packet came from and tells whether the peer is
// there for the first time since the SA was put. It is not asked of packets that
// were overtaken: they may have set out from the old place.
func (i *incoming) follow(from netip.AddrPort, sa xfrm.SA) bool {
	if from == netip.AddrPortFrom(sa.Src, sa.Encap.SrcPort) {
		i.moved = netip.AddrPort{}
		return false
	}
	if from == i.moved {
		return false
	}
	i.moved = from
	return true
}

// admit holds an opened packet against the policies: what came through a
// pair's SA must be what that pair selects (RFC 4301 §5.2). buf has tunHeader
// free bytes before the packet.
func (in *inbound) admit(p *pair, buf []byte, h inner, outerTOS byte) {
	r := in.last.find(p.gate.table.Load(), h.turned(), h.six)
	if r == nil || r.pair != p || r.Action != xfrm.Protect {
		in.count.outside.Add(1)
		return
	}
	if outerTOS&ecnMask == ecnCE && !markCongestion(buf[tunHeader:], h) {
		in.count.congested.Add(1)
		return
	}
	l := p.gate.link.Load()
	if l != in.link {
		in.flush()
		in.link = l
	}
	in.waiting = append(in.waiting, buf)
}

// flush writes what waits to its device, which joins the packets of one TCP
// connection.
func (in *inbound) flush() {
	if len(in.waiting) == 0 {
		return
	}
	if in.link == nil {
		in.count.deviceFailed.Add(uint64(len(in.waiting)))
	} else if _, err := in.link.dev.Write(in.waiting, tunHeader); err != nil {
		in.count.deviceFailed.Add(1)
	}
	clear(in.waiting)
	in.waiting = in.waiting[:0]
}

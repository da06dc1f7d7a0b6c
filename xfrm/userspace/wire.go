package userspace

import (
	"net/netip"
	"sync"
)

// Wire sends ESP in UDP from the socket that IKE uses too (RFC 3948 §2). The
// packet is only valid during the call.
type Wire interface {
	SendESP(local, remote netip.AddrPort, packet []byte) error
}

// BatchWire is a Wire that sends many packets of one SA at once, in their
// order. Those that cannot be sent are lost, and the error is of one of them.
type BatchWire interface {
	Wire
	SendESPBatch(local, remote netip.AddrPort, packets [][]byte) error
}

// wirebox collects sealed packets for a Wire. The packets stay where they are
// until flush.
type wirebox struct {
	wire    Wire
	way     *path
	packets [][]byte
}

// add takes a packet that goes along p, and sends those that go elsewhere
// before.
func (w *wirebox) add(packet []byte, p *path) (failed int) {
	if w.way != p {
		failed = w.flush()
		w.way = p
	}
	w.packets = append(w.packets, packet)
	return failed
}

// flush sends what was added and returns how many packets failed, as far as the
// Wire tells.
func (w *wirebox) flush() (failed int) {
	if len(w.packets) == 0 {
		return 0
	}
	if batch, ok := w.wire.(BatchWire); ok {
		if batch.SendESPBatch(w.way.local, w.way.remote, w.packets) != nil {
			failed++
		}
	} else {
		for _, p := range w.packets {
			if w.wire.SendESP(w.way.local, w.way.remote, p) != nil {
				failed++
			}
		}
	}
	clear(w.packets)
	w.packets = w.packets[:0]
	return failed
}

// queue holds ESP packets that came in UDP between Receive and the goroutine
// that opens them: so they are opened many at a time, the device can join them,
// and the socket's reader, which IKE waits for too, goes on meanwhile. It has
// two halves, one being filled while the other is worked at.
type queue struct {
	mu      sync.Mutex
	room    sync.Cond
	wake    chan struct{}
	filling *half
	working *half
	closed  bool
}

// How many packets a half holds, and how many big ones among them: those are
// rare but where somebody wants to fill our memory.
const (
	queueSize = 64
	queueBig  = 4
)

// half is a part of the queue. Each buffer has the largest packet's size, as in
// an inbox; big packets are kept in the last ones, so that few are ever full.
type half struct {
	memory   []byte
	buffers  [queueSize + queueBig][]byte
	arrivals []arrival
	big      int // of the arrivals
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1), filling: newHalf(), working: newHalf()}
	q.room.L = &q.mu
	return q
}

func newHalf() *half {
	h := &half{memory: pages((queueSize + queueBig) * (packetMax + 1)), arrivals: make([]arrival, 0, queueSize)}
	for i, rest := 0, h.memory; i < len(h.buffers); i++ {
		h.buffers[i], rest = rest[:0:packetMax+1], rest[packetMax+1:]
	}
	return h
}

// buffer is where a packet of n bytes goes, nil when there is no room.
func (h *half) buffer(n int) []byte {
	switch {
	case len(h.arrivals) == queueSize || n > bigPacket && h.big == queueBig:
		return nil
	case n > bigPacket:
		h.big++
		return h.buffers[queueSize+h.big-1]
	}
	return h.buffers[len(h.arrivals)]
}

// put copies a packet into the queue. It waits while the queue is full: the
// socket's buffer is the place to drop packets. After close it does nothing.
func (q *queue) put(p arrival) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(p.esp) > packetMax {
		return
	}
	var room []byte
	for !q.closed {
		if room = q.filling.buffer(len(p.esp)); room != nil {
			break
		}
		q.room.Wait()
	}
	if q.closed {
		return
	}
	p.esp = append(room, p.esp...)
	q.filling.arrivals = append(q.filling.arrivals, p)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns what has come since the last call. It is valid until the next
// one.
func (q *queue) take() []arrival {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.working.arrivals)
	q.working.arrivals, q.working.big = q.working.arrivals[:0], 0
	q.filling, q.working = q.working, q.filling
	q.room.Broadcast()
	return q.working.arrivals
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.room.Broadcast()
}

// free closes the queue and gives its memory back, that of what take returned
// too.
func (q *queue) free() {
	q.close()
	q.mu.Lock()
	defer q.mu.Unlock()
	freePages(q.filling.memory)
	freePages(q.working.memory)
}

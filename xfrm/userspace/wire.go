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
	filling []arrival
	working []arrival
	closed  bool
}

// queueSize is how many packets a half holds.
const queueSize = 64

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1), filling: newHalf(), working: newHalf()}
	q.room.L = &q.mu
	return q
}

// newHalf makes a half with room for the largest packets, as an inbox has it.
func newHalf() []arrival {
	half := make([]arrival, queueSize)
	all := make([]byte, queueSize*(packetMax+1))
	for i := range half {
		half[i].esp, all = all[:0:packetMax+1], all[packetMax+1:]
	}
	return half[:0]
}

// put copies a packet into the queue. It waits while the queue is full: the
// socket's buffer is the place to drop packets. After close it does nothing.
func (q *queue) put(local, remote netip.AddrPort, packet []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.filling) == queueSize && !q.closed {
		q.room.Wait()
	}
	if q.closed || len(packet) > packetMax {
		return
	}
	n := len(q.filling)
	q.filling = q.filling[:n+1]
	a := &q.filling[n]
	a.esp = append(a.esp[:0], packet...)
	a.src, a.dst, a.port = remote.Addr().Unmap(), local.Addr().Unmap(), remote.Port()
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
	q.filling, q.working = q.working[:0], q.filling
	q.room.Broadcast()
	return q.working
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.room.Broadcast()
}

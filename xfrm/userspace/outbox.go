package userspace

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// outbox collects sealed packets and sends them in one system call. The
// packets stay where they are until flush.
type outbox struct {
	raw   *rawSocket
	batch *batch
}

func newOutbox(raw *rawSocket, size int) *outbox {
	return &outbox{raw: raw, batch: newBatch(size, unix.SYS_SENDMMSG)}
}

// full tells that add needs a flush before.
func (o *outbox) full() bool { return o.batch.used == len(o.batch.headers) }

// add takes a packet that goes along p.
func (o *outbox) add(packet []byte, p *path, tos byte) {
	h, s := &o.batch.headers[o.batch.used].hdr, &o.batch.slots[o.batch.used]
	s.iov.Base = &packet[0]
	s.iov.SetLen(len(packet))
	h.Namelen = uint32(copy(s.name[:], p.name))
	h.SetControllen(copy(s.control[:], p.control))
	binary.NativeEndian.PutUint32(s.control[p.tosAt:], uint32(tos))
	o.batch.used++
}

// flush sends what was added and returns how many packets the system refused.
func (o *outbox) flush() (refused int) {
	b := o.batch
	for b.from = 0; b.from < b.used; b.from += max(b.done, 1) {
		if err := o.raw.conn.Write(b.try); err != nil { // closed
			refused += b.used - b.from
			break
		}
		if b.done == 0 {
			refused++ // the first of them: the others may go elsewhere
		}
	}
	b.from, b.used = 0, 0
	return refused
}

package userspace

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// inboxSize is how many packets one system call may bring.
const inboxSize = 64

// inbox receives ESP packets from a raw socket, many with one system call. Its
// buffers have the largest packet's size: a TUN device joins packets of one TCP
// connection in the first one's.
type inbox struct {
	raw     *rawSocket
	batch   *batch
	memory  []byte // of the buffers
	buffers [][]byte
	big     bool // a big packet was received since the memory was emptied
}

// arrival is an ESP packet and what the outer header said.
type arrival struct {
	esp      []byte
	sa       *assoc // nil before it was looked for
	src, dst netip.Addr
	port     uint16 // the source port with UDP
	tos      byte
}

func newInbox(raw *rawSocket) *inbox {
	in := &inbox{raw: raw, batch: newBatch(inboxSize, unix.SYS_RECVMMSG), buffers: make([][]byte, inboxSize)}
	in.memory = pages(inboxSize * (packetMax + 1))
	for i, rest := 0, in.memory; i < inboxSize; i++ {
		in.buffers[i], rest = rest[:packetMax+1:packetMax+1], rest[packetMax+1:]
	}
	in.batch.idle = in.rest
	return in
}

func (in *inbox) free() { freePages(in.memory) }

// rest is called when there is nothing to receive: what a burst of big packets
// has taken goes back.
func (in *inbox) rest() {
	if in.big {
		emptyPages(in.memory)
		in.big = false
	}
}

// receive waits for packets and returns how many there are. An error says that
// the socket was closed.
func (in *inbox) receive() (int, error) {
	b := in.batch
	b.from, b.used = 0, len(b.headers)
	for i := range b.headers {
		h, s := &b.headers[i].hdr, &b.slots[i]
		s.iov.Base = &in.buffers[i][0]
		s.iov.SetLen(len(in.buffers[i]))
		h.Namelen = uint32(len(s.name))
		h.SetControllen(len(s.control))
	}
	if err := in.raw.conn.Read(b.try); err != nil {
		return 0, err
	}
	return b.done, nil
}

// packet reads the outer header of packet i. A raw IPv4 socket brings it, an
// IPv6 one tells of it beside.
func (in *inbox) packet(i int) (arrival, bool) {
	p := in.buffers[i][:in.batch.headers[i].len]
	in.big = in.big || len(p) > bigPacket
	if in.raw.six {
		return in.beside(i, p)
	}
	h, ok := readInner(p)
	if !ok || h.six {
		return arrival{}, false
	}
	return arrival{esp: p[int(p[0]&15)*4 : h.len], src: h.src.netip(false), dst: h.dst.netip(false), tos: h.tos}, true
}

func (in *inbox) beside(i int, p []byte) (arrival, bool) {
	s, h := &in.batch.slots[i], &in.batch.headers[i].hdr
	a := arrival{esp: p, src: netip.AddrFrom16([16]byte(s.name[8:24]))}
	rest := s.control[:min(int(h.Controllen), len(s.control))]
	for len(rest) >= unix.CmsgLen(0) {
		n := int(binary.NativeEndian.Uint64(rest))
		kind := binary.NativeEndian.Uint32(rest[12:])
		if n < unix.CmsgLen(0) || n > len(rest) {
			break
		}
		value := rest[unix.CmsgLen(0):n]
		switch {
		case kind == unix.IPV6_PKTINFO && len(value) >= 16:
			a.dst = netip.AddrFrom16([16]byte(value[:16]))
		case kind == unix.IPV6_TCLASS && len(value) >= 4:
			a.tos = byte(binary.NativeEndian.Uint32(value))
		}
		rest = rest[min(len(rest), unix.CmsgSpace(n-unix.CmsgLen(0))):]
	}
	return a, a.dst.IsValid()
}

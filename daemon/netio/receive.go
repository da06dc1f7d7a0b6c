package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// batchSize is how many datagrams one system call may read. Those of ESP come
	// many in one.
	batchSize = 8
	// slotSize holds the largest UDP datagram. The kernel touches only the pages
	// that a datagram fills; a flood of large ones fills half a MiB per socket.
	slotSize = 1 << 16
	// bigMessage is what no peer of good will often exceeds, in bytes.
	bigMessage = 4096
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// Serve reads until ctx ends, which is no error, or a socket fails. It passes
// IKE messages to Packets and calls esp for each ESP packet that came in UDP;
// packet is only valid during the call, and there may be two calls at a time,
// one per address family. With a nil esp such packets are dropped. Sending works
// on after Serve returned.
func (s *Sockets) Serve(ctx context.Context, esp func(local, remote netip.AddrPort, packet []byte)) error {
	group, ctx := errgroup.WithContext(ctx)
	s.setDeadline(time.Time{})
	var woken sync.WaitGroup
	woken.Add(1)
	context.AfterFunc(ctx, func() {
		defer woken.Done()
		s.setDeadline(longAgo)
	})
	for _, k := range s.sockets {
		r := newReader(s, k, esp)
		group.Go(func() error {
			defer r.free()
			return r.run(ctx)
		})
	}
	err := group.Wait() // ends ctx too
	woken.Wait()
	return err
}

func (s *Sockets) setDeadline(t time.Time) {
	for _, k := range s.sockets {
		_ = k.conn.SetReadDeadline(t) // fails only on a closed socket, which the reader sees
	}
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr  unix.Msghdr
	size uint32
}

// reader reads one socket, a batch of datagrams per system call.
type reader struct {
	*Sockets
	socket    *socket
	esp       func(local, remote netip.AddrPort, packet []byte)
	slots     []byte
	headers   [batchSize]mmsghdr
	iovecs    [batchSize]unix.Iovec
	envelopes [batchSize]envelope
	count     int
	errno     syscall.Errno
}

func newReader(s *Sockets, k *socket, esp func(local, remote netip.AddrPort, packet []byte)) *reader {
	r := &reader{Sockets: s, socket: k, esp: esp, slots: pages(batchSize * slotSize)}
	for i := range r.headers {
		h := &r.headers[i].hdr
		r.iovecs[i].Base = &r.slots[i*slotSize]
		r.iovecs[i].SetLen(slotSize)
		h.Iov = &r.iovecs[i]
		h.SetIovlen(1)
		h.Name = &r.envelopes[i].name[0]
		h.Control = &r.envelopes[i].control[0]
	}
	return r
}

// pages is memory outside of the heap. What of it no datagram reaches costs
// nothing there; in the heap it would count as used, and the garbage collector
// lets as much garbage lie as there is in use.
func pages(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]byte, n)
	}
	return b
}

// free gives the slots back.
func (r *reader) free() { _ = unix.Munmap(r.slots) } // fails for what came from the heap

func (r *reader) run(ctx context.Context) error {
	read := r.read // one closure for all calls
	for {
		err := r.socket.raw.Read(read)
		if err == nil && r.errno != 0 {
			err = r.errno
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case err == nil:
			for i := range r.count {
				r.deliver(i)
			}
		case errors.Is(err, os.ErrDeadlineExceeded) || slices.Contains(passing, r.errno):
		default:
			return fmt.Errorf("read UDP port %d: %w", r.socket.port, err)
		}
	}
}

// passing are the errors that do not end a socket: reports of ICMP about
// something sent before, and a shortage of memory.
var passing = []syscall.Errno{
	unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN, unix.ENOPROTOOPT,
	unix.EPROTO, unix.EMSGSIZE, unix.EPERM, unix.EACCES, unix.EINTR, unix.ENOBUFS, unix.ENOMEM,
}

// read fills the slots with what waits in the socket. It returns false to wait
// for more when there is nothing.
func (r *reader) read(fd uintptr) bool {
	for i := range r.headers {
		r.headers[i].hdr.Namelen = nameSize
		r.headers[i].hdr.SetControllen(controlSize)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), batchSize,
		unix.MSG_DONTWAIT, 0, 0)
	r.count, r.errno = int(n), errno
	if errno != 0 {
		r.count = 0
	}
	return errno != unix.EAGAIN
}

// deliver passes on the datagrams in slot i.
func (r *reader) deliver(i int) {
	m := &r.headers[i]
	slot := r.slots[i*slotSize:][:m.size]
	a := r.envelopes[i].arrival(int(m.hdr.Controllen))
	if !a.ours {
		r.stray.Add(1)
		return
	}
	local, remote := netip.AddrPortFrom(a.local, r.socket.port), r.envelopes[i].remote()
	for a.segment > 0 && len(slot) > a.segment {
		r.sort(local, remote, slot[:a.segment])
		slot = slot[a.segment:]
	}
	r.sort(local, remote, slot)
}

// sort passes on one datagram, or counts why not.
func (r *reader) sort(local, remote netip.AddrPort, data []byte) {
	switch what, body := classify(r.socket.natt, data); {
	case what == keepalive:
		r.keepalives.Add(1)
	case what == ike:
		r.enqueue(local, remote, body)
	case what == esp && r.esp != nil:
		r.esp(local, remote, body)
	case what == esp:
		r.unwanted.Add(1)
	default:
		r.malformed.Add(1)
	}
}

// enqueue copies an IKE message into the queue, or drops it. Big ones find room
// in the first sixteenth of the queue only: a flood of them then holds a tenth
// of the memory that it could.
func (s *Sockets) enqueue(local, remote netip.AddrPort, data []byte) {
	if len(data) > bigMessage && len(s.packets) > cap(s.packets)/16 || len(s.packets) == cap(s.packets) {
		s.full.Add(1)
		return
	}
	select {
	case s.packets <- Datagram{Local: local, Remote: remote, Data: slices.Clone(data)}:
	default:
		s.full.Add(1)
	}
}

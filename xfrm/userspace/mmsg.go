package userspace

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// controlMax has room for a PKTINFO and a type of service of either family.
const controlMax = 80

// slot is one message of a batch: what a header points to.
type slot struct {
	iov     unix.Iovec
	name    [unix.SizeofSockaddrInet6]byte
	control [controlMax]byte
}

// batch is a number of messages that go through one system call. Its headers
// point into its slots, so it stays where it was made.
type batch struct {
	headers []mmsghdr
	slots   []slot
	from    int // the first message that the next call takes
	used    int // how many there are
	done    int // how many the last call took
	try     func(fd uintptr) bool
	idle    func() // called before try waits; nil for nothing
	errno   syscall.Errno
}

// newBatch makes a batch for a system call that takes its headers.
func newBatch(size int, call uintptr) *batch {
	b := &batch{headers: make([]mmsghdr, size), slots: make([]slot, size)}
	for i := range b.headers {
		h, s := &b.headers[i].hdr, &b.slots[i]
		h.Iov, h.Iovlen = &s.iov, 1
		h.Name, h.Control = &s.name[0], &s.control[0]
	}
	b.try = func(fd uintptr) bool { return b.system(call, fd) }
	return b
}

// system makes the call once; false says that it would have blocked.
func (b *batch) system(call, fd uintptr) bool {
	first := unsafe.Pointer(&b.headers[b.from])
	n, _, errno := syscall.Syscall6(call, fd, uintptr(first), uintptr(b.used-b.from), unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		if b.idle != nil {
			b.idle()
		}
		return false
	}
	b.done, b.errno = int(n), errno
	if errno != 0 {
		b.done = 0
	}
	return true
}

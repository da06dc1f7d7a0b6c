package netio

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxSegments and maxTotal bound what one call of sendmsg may send: the
	// kernel's UDP_MAX_SEGMENTS of old, and the largest UDP datagram.
	maxSegments = 64
	maxTotal    = 65507
)

// message is one call of sendmsg. Messages are reused, so that sending does not
// allocate.
type message struct {
	envelope
	hdr    unix.Msghdr
	marker [markerSize]byte // stays zero
	iovecs [maxSegments]unix.Iovec
	count  int // of iovecs
	source int // bytes of control messages that say the source address
	errno  syscall.Errno
	call   func(fd uintptr)
}

func newMessage() *message {
	m := &message{}
	m.hdr.Name = &m.name[0]
	m.hdr.Iov = &m.iovecs[0]
	m.call = func(fd uintptr) {
		// The caller must never wait for a full buffer: it may be the loop that
		// serves all tunnels. A datagram that finds no room is lost, like in a router.
		_, _, m.errno = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&m.hdr)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	return m
}

// Send sends an IKE message from local, whose port must be one of ours, to
// remote. From the NAT-T port it puts the non-ESP marker in front. An
// unspecified local address leaves the choice to the kernel. It does not wait:
// a full buffer is EAGAIN. Errors of the network (ECONNREFUSED, EHOSTUNREACH,
// ENETUNREACH, EPERM) are wrapped as they are.
func (s *Sockets) Send(local, remote netip.AddrPort, data []byte) error {
	k, err := s.socket(local, remote)
	if err != nil {
		return err
	}
	m := s.message(local, remote)
	defer s.pool.Put(m)
	if k.natt {
		m.add(m.marker[:])
	}
	m.add(data)
	if err := m.send(k); err != nil {
		return sendError(local, remote, err)
	}
	return nil
}

// SendESP sends an ESP packet in UDP from local, whose port must be the NAT-T
// port. It does not wait and does not allocate: errors are bare ones of sendmsg.
func (s *Sockets) SendESP(local, remote netip.AddrPort, packet []byte) error {
	k, err := s.natt(local, remote)
	if err != nil {
		return err
	}
	m := s.message(local, remote)
	defer s.pool.Put(m)
	m.add(packet)
	return m.send(k)
}

// SendESPBatch is SendESP for packets of one SA, in their order: those of one
// size go through the network stack together. Packets that cannot be sent are
// lost; the error is that of the last of them.
func (s *Sockets) SendESPBatch(local, remote netip.AddrPort, packets [][]byte) error {
	k, err := s.natt(local, remote)
	if err != nil {
		return err
	}
	m := s.message(local, remote)
	defer s.pool.Put(m)
	for len(packets) > 0 {
		n := run(packets)
		if e := m.sendRun(k, packets[:n]); e != nil {
			err = e
		}
		packets = packets[n:]
	}
	return err
}

// run is how many of the first packets can go together: all of one size, but for
// the last, which may be shorter.
func run(packets [][]byte) int {
	size, total := len(packets[0]), 0
	for i, p := range packets {
		total += len(p)
		if i == maxSegments || len(p) > size || total > maxTotal {
			return max(i, 1)
		}
		if len(p) < size {
			return i + 1
		}
	}
	return len(packets)
}

// socket finds the one that sends from local.
func (s *Sockets) socket(local, remote netip.AddrPort) (*socket, error) {
	v6 := remote.Addr().Unmap().Is6()
	if !local.IsValid() || !remote.IsValid() || local.Addr().Unmap().Is6() != v6 {
		return nil, fmt.Errorf("send from %v to %v: two addresses of one family are needed", local, remote)
	}
	for _, k := range s.sockets {
		if k.port == local.Port() && k.v6 == v6 {
			return k, nil
		}
	}
	return nil, fmt.Errorf("send from %v to %v: no such port is open for that address family", local, remote)
}

func (s *Sockets) natt(local, remote netip.AddrPort) (*socket, error) {
	k, err := s.socket(local, remote)
	if err == nil && !k.natt {
		return nil, fmt.Errorf("send ESP from %v: only the NAT-T port carries ESP", local)
	}
	return k, err
}

// message is an empty one with its addresses; the caller puts it back.
func (s *Sockets) message(local, remote netip.AddrPort) *message {
	m := s.pool.Get().(*message)
	m.hdr.Namelen = uint32(m.setRemote(remote))
	m.hdr.Control = &m.control[0]
	m.source = 0
	if a := local.Addr().Unmap(); !a.IsUnspecified() {
		m.source = m.setLocal(a)
	}
	m.count = 0
	return m
}

// add appends data to what send will send.
func (m *message) add(data []byte) {
	m.iovecs[m.count].Base = unsafe.SliceData(data)
	m.iovecs[m.count].SetLen(len(data))
	m.count++
}

// send sends what was added as one datagram.
func (m *message) send(k *socket) error { return m.flush(k, m.source) }

// sendRun sends packets that can go together, one by one where the kernel or the
// path does not take them so: a device without checksum offload gives EIO, and
// packets that must be fragmented EINVAL or EMSGSIZE.
func (m *message) sendRun(k *socket, packets [][]byte) error {
	if len(packets) > 1 && !k.single.Load() {
		for _, p := range packets {
			m.add(p)
		}
		switch err := m.flush(k, m.setSegment(m.source, len(packets[0]))); err {
		case unix.EIO, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
			k.single.Store(true)
		case unix.EINVAL, unix.EMSGSIZE:
		default:
			return err
		}
	}
	var last error
	for _, p := range packets {
		m.add(p)
		if err := m.send(k); err != nil {
			last = err
		}
	}
	return last
}

// flush makes the system call with that many bytes of control messages, and lets
// go of the data.
func (m *message) flush(k *socket, control int) error {
	m.hdr.SetControllen(control)
	m.hdr.SetIovlen(m.count)
	err := k.raw.Control(m.call)
	clear(m.iovecs[:m.count])
	m.count = 0
	if err == nil && m.errno != 0 {
		err = m.errno
	}
	return err
}

// sendError says what to look at when the kernel will not send from an address.
func sendError(local, remote netip.AddrPort, err error) error {
	do := ""
	switch err {
	case unix.EINVAL, unix.EADDRNOTAVAIL, unix.ENETUNREACH: // which one depends on the kernel
		do = fmt.Sprintf("; is %v an address of this host (`ip address`), and is there a route (`ip route get %v`)?",
			local.Addr(), remote.Addr())
	}
	return fmt.Errorf("send from %v to %v: %w%s", local, remote, err, do)
}

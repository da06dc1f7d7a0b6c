package netio

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is one call of sendmsg. Messages are reused, so that sending does not
// allocate.
type message struct {
	envelope
	hdr    unix.Msghdr
	marker [markerSize]byte // stays zero
	iovecs [2]unix.Iovec    // the marker, the data
	errno  syscall.Errno
	call   func(fd uintptr)
}

func newMessage() *message {
	m := &message{}
	m.hdr.Name = &m.name[0]
	m.hdr.Iov = &m.iovecs[0]
	m.iovecs[0].Base = &m.marker[0]
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
	if err := s.send(k, local.Addr(), remote, data, k.natt); err != nil {
		return sendError(local, remote, err)
	}
	return nil
}

// SendESP sends an ESP packet in UDP from local, whose port must be the NAT-T
// port. It does not wait and does not allocate: errors are bare ones of sendmsg.
func (s *Sockets) SendESP(local, remote netip.AddrPort, packet []byte) error {
	k, err := s.socket(local, remote)
	if err != nil {
		return err
	}
	if !k.natt {
		return fmt.Errorf("send ESP from %v: only the NAT-T port carries ESP", local)
	}
	return s.send(k, local.Addr(), remote, packet, false)
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

func (s *Sockets) send(k *socket, local netip.Addr, remote netip.AddrPort, data []byte, mark bool) error {
	m := s.pool.Get().(*message)
	defer s.pool.Put(m)
	m.hdr.Namelen = uint32(m.setRemote(remote))
	m.setSource(local.Unmap())
	m.setData(data, mark)
	err := k.raw.Control(m.call)
	m.iovecs[1].Base = nil // the packet is the caller's again
	if err != nil {
		return err
	}
	if m.errno != 0 {
		return m.errno
	}
	return nil
}

func (m *message) setSource(local netip.Addr) {
	m.hdr.Control = nil
	m.hdr.SetControllen(0)
	if !local.IsUnspecified() {
		m.hdr.Control = &m.control[0]
		m.hdr.SetControllen(m.setLocal(local))
	}
}

// setData points at the marker, when there is to be one, and at the data.
func (m *message) setData(data []byte, mark bool) {
	m.iovecs[0].SetLen(0)
	if mark {
		m.iovecs[0].SetLen(markerSize)
	}
	m.iovecs[1].Base = unsafe.SliceData(data)
	m.iovecs[1].SetLen(len(data))
	m.hdr.SetIovlen(len(m.iovecs))
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

package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// bufferSize of each socket's queue in the kernel, in bytes. It rides out the
// time in which the reader does not get the processor: 4 MiB are 30 ms of ESP
// at 1 Gbit/s. Sending needs as much, since packets that wait for a neighbour's
// address count against it.
const bufferSize = 4 << 20

// socket is one port of one address family.
type socket struct {
	conn *net.UDPConn
	raw  syscall.RawConn
	port uint16
	v6   bool
	natt bool // ESP and IKE share the port; IKE carries the non-ESP marker

	single atomic.Bool // packets cannot go through the stack together here
}

// Listen opens the ports on every address of the calling thread's network
// namespace. A host without IPv6 gets IPv4 alone.
func Listen(o Options) (*Sockets, error) {
	if o.IKEPort == 0 {
		o.IKEPort = PortIKE
	}
	if o.NATTPort == 0 {
		o.NATTPort = PortNATT
	}
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	s := &Sockets{packets: make(chan Datagram, o.Queue)}
	s.pool.New = func() any { return newMessage() }
	for _, want := range []*socket{
		{port: o.IKEPort},
		{port: o.NATTPort, natt: true},
		{port: o.IKEPort, v6: true},
		{port: o.NATTPort, v6: true, natt: true},
	} {
		if err := s.open(want, o.KernelESP); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// open adds the port to s. An address family that the host lacks is left out.
func (s *Sockets) open(k *socket, kernelESP bool) error {
	err := k.listen(kernelESP && k.natt)
	if k.v6 && errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	if err != nil {
		return err
	}
	s.sockets = append(s.sockets, k)
	return nil
}

func (k *socket) listen(encap bool) error {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) { err = k.configure(int(fd), encap) }); cerr != nil {
			return cerr
		}
		return err
	}}
	network, host := "udp4", "0.0.0.0"
	if k.v6 {
		network, host = "udp6", "::"
	}
	pc, err := lc.ListenPacket(context.Background(), network, net.JoinHostPort(host, strconv.Itoa(int(k.port))))
	if err != nil {
		return listenError(k.port, err)
	}
	k.conn = pc.(*net.UDPConn)
	k.raw, err = k.conn.SyscallConn()
	return err
}

// listenError says what to do about a port that could not be opened.
func listenError(port uint16, err error) error {
	do := ""
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		do = fmt.Sprintf("; it is in use, usually by another IKE daemon (strongSwan's charon, Libreswan's pluto): "+
			"see which with `ss -ulpn 'sport = :%d'`, then stop and disable it", port)
	case errors.Is(err, unix.EACCES):
		do = "; a port below 1024 needs CAP_NET_BIND_SERVICE: run as root or give the unit that capability"
	case errors.Is(err, unix.EPERM):
		do = "; its socket options need CAP_NET_ADMIN: run as root or give the unit that capability"
	}
	return fmt.Errorf("open UDP port %d: %w%s", port, err, do)
}

// option is one call of setsockopt.
type option struct {
	name         string
	level, which int
	value        int
}

// configure sets the options of one socket before it is bound, so that no
// datagram comes in without them.
func (k *socket) configure(fd int, encap bool) error {
	options := []option{
		{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		// IKE messages and ESP packets above the path's MTU leave in fragments:
		// without that a big proposal would never arrive.
		{"IP_MTU_DISCOVER", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT},
	}
	if k.v6 {
		options = []option{
			{"IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
			{"IPV6_MTU_DISCOVER", unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT},
		}
	}
	if encap {
		options = append(options, option{"UDP_ENCAP", unix.IPPROTO_UDP, unix.UDP_ENCAP, unix.UDP_ENCAP_ESPINUDP})
	}
	for _, o := range options {
		err := unix.SetsockoptInt(fd, o.level, o.which, o.value)
		if o.which == unix.UDP_ENCAP && k.v6 && errors.Is(err, unix.ENOPROTOOPT) {
			continue // kernels before 5.8 have ESP in UDP over IPv4 only
		}
		if err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	if k.natt && !encap {
		// ESP of one flow comes together where the kernel can (Linux 5.0), and
		// datagram by datagram where it cannot.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}
	growBuffers(fd)
	return bypass(fd, k.v6)
}

// growBuffers asks for large buffers. Without CAP_NET_ADMIN the kernel grants
// what net.core.rmem_max and wmem_max allow, and that will do.
func growBuffers(fd int) {
	for _, o := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[0], bufferSize) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[1], bufferSize)
		}
	}
}

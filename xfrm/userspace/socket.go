package userspace

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// sockets are what the data plane holds of the network namespace that it was
// made in.
type sockets struct {
	esp4, esp6 *rawSocket // esp6 is nil on a host without IPv6
	control    int        // for ioctls on devices

	probing        sync.Mutex
	probe4, probe6 int // never sent from: the kernel is asked for the MTU of where they are connected to
}

// rawSocket is a socket for plain ESP.
type rawSocket struct {
	six  bool
	file *os.File
	conn syscall.RawConn
}

// socketRoom is how many bytes a raw socket may hold for us. A TCP burst of a
// fast sender comes in at once.
const socketRoom = 4 << 20

func (s *sockets) open() (err error) {
	s.control, s.probe4, s.probe6 = -1, -1, -1
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	if s.esp4, err = openRaw(false); err != nil {
		return fmt.Errorf("open the raw socket for ESP: %w; user-space ESP needs root or CAP_NET_RAW", err)
	}
	s.esp6, err = openRaw(true)
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("open the raw IPv6 socket for ESP: %w", err)
	}
	const datagram = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC
	if s.control, err = unix.Socket(unix.AF_INET, datagram, 0); err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	if s.probe4, err = unix.Socket(unix.AF_INET, datagram, 0); err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	if s.esp6 == nil {
		return nil
	}
	if s.probe6, err = unix.Socket(unix.AF_INET6, datagram, 0); err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	return nil
}

func openRaw(six bool) (*rawSocket, error) {
	family := unix.AF_INET
	if six {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, xfrm.ProtoESP)
	if err != nil {
		return nil, err
	}
	s := &rawSocket{six: six, file: os.NewFile(uintptr(fd), "esp")}
	if s.conn, err = s.file.SyscallConn(); err == nil {
		err = setRawOptions(fd, six)
	}
	if err != nil {
		_ = s.file.Close()
		return nil, err
	}
	return s, nil
}

func setRawOptions(fd int, six bool) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketRoom) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketRoom) // without CAP_NET_ADMIN as much as there is
	}
	if !six {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1),
	)
}

// raw lists the raw sockets that there are.
func (s *sockets) raw() []*rawSocket {
	if s.esp6 == nil {
		return []*rawSocket{s.esp4}
	}
	return []*rawSocket{s.esp4, s.esp6}
}

// mtu is the largest packet that the route to an address takes, as far as the
// kernel knows; the largest of all when it knows no route.
func (s *sockets) mtu(dst netip.Addr) int {
	s.probing.Lock()
	defer s.probing.Unlock()
	var to unix.Sockaddr
	fd, level, option := s.probe4, unix.IPPROTO_IP, unix.IP_MTU
	if dst.Is4() {
		to = &unix.SockaddrInet4{Port: xfrm.PortNATT, Addr: dst.As4()}
	} else {
		to = &unix.SockaddrInet6{Port: xfrm.PortNATT, Addr: dst.As16()}
		fd, level, option = s.probe6, unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	if fd < 0 || unix.Connect(fd, to) != nil {
		return packetMax
	}
	mtu, err := unix.GetsockoptInt(fd, level, option)
	if err != nil {
		return packetMax
	}
	return mtu
}

func (s *sockets) close() error {
	var errs []error
	for _, raw := range []*rawSocket{s.esp4, s.esp6} {
		if raw != nil {
			errs = append(errs, raw.file.Close())
		}
	}
	s.probing.Lock()
	defer s.probing.Unlock()
	for _, fd := range []*int{&s.control, &s.probe4, &s.probe6} {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
			*fd = -1
		}
	}
	return errors.Join(errs...)
}

package netio

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sizes that one message of recvmsg or sendmsg needs at most.
const (
	nameSize = unix.SizeofSockaddrInet6
	// controlSize is room for one in6_pktinfo with its header on 64-bit machines.
	controlSize = 40
)

// envelope is the part of a message that is not data: the peer's address and
// the local address, as the kernel lays them out. Its buffers are its own, so
// that nothing is allocated per datagram.
type envelope struct {
	name    [nameSize]byte
	control [controlSize]byte
}

// setRemote writes the peer's sockaddr and returns its length.
func (e *envelope) setRemote(remote netip.AddrPort) int {
	a := remote.Addr().Unmap()
	clear(e.name[:])
	binary.BigEndian.PutUint16(e.name[2:], remote.Port())
	if a.Is4() {
		binary.NativeEndian.PutUint16(e.name[0:], unix.AF_INET)
		*(*[4]byte)(e.name[4:]) = a.As4()
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(e.name[0:], unix.AF_INET6)
	*(*[16]byte)(e.name[8:]) = a.As16()
	binary.NativeEndian.PutUint32(e.name[24:], scope(a.Zone()))
	return unix.SizeofSockaddrInet6
}

// remote reads the peer's sockaddr that the kernel wrote.
func (e *envelope) remote() netip.AddrPort {
	port := binary.BigEndian.Uint16(e.name[2:])
	if binary.NativeEndian.Uint16(e.name[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.name[4:])), port)
	}
	a := netip.AddrFrom16([16]byte(e.name[8:]))
	if s := binary.NativeEndian.Uint32(e.name[24:]); s != 0 {
		a = a.WithZone(strconv.Itoa(int(s)))
	}
	return netip.AddrPortFrom(a, port)
}

// setLocal writes the control message that makes local the source address, and
// returns its length.
func (e *envelope) setLocal(local netip.Addr) int {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&e.control[0]))
	data := e.control[unix.CmsgLen(0):]
	if local.Is4() {
		h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
		*(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])) = unix.Inet4Pktinfo{Spec_dst: local.As4()}
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	}
	h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
	*(*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])) = unix.Inet6Pktinfo{Addr: local.As16(), Ifindex: scope(local.Zone())}
	return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
}

// local reads the address that a datagram was sent to. It is false for one that
// went to a broadcast or multicast address: no IKE peer does that, and an answer
// would make us an amplifier.
func (e *envelope) local(size int) (netip.Addr, bool) {
	if size == 0 {
		return netip.Addr{}, false
	}
	h, data, _, err := unix.ParseOneSocketControlMessage(e.control[:min(size, controlSize)])
	switch {
	case err != nil:
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		p := (*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0]))
		return netip.AddrFrom4(p.Addr), p.Addr == p.Spec_dst
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		p := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
		a := netip.AddrFrom16(p.Addr)
		if a.IsLinkLocalUnicast() {
			a = a.WithZone(strconv.Itoa(int(p.Ifindex)))
		}
		return a, !a.IsMulticast()
	}
	return netip.Addr{}, false
}

// scope is the number of an IPv6 zone: of an interface by index or name, 0 for
// none and for one that does not exist.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(ifi.Index)
}

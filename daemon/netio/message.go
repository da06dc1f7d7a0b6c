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
	// controlSize is room for an in6_pktinfo and a segment size, each with its
	// header on 64-bit machines.
	controlSize = 40 + 24
)

// envelope is the part of a message that is not data: the peer's address, the
// local address and the size of segments, as the kernel lays them out. Its
// buffers are its own, so that nothing is allocated per datagram.
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
	if local.Is4() {
		data := e.addControl(0, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: local.As4()}
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	}
	data := e.addControl(0, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: local.As16(), Ifindex: scope(local.Zone())}
	return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
}

// setSegment writes, behind size bytes of control messages, that the data is
// datagrams of that many bytes each, and returns the length of all.
func (e *envelope) setSegment(size, bytes int) int {
	*(*uint16)(e.addControl(size, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)) = uint16(bytes)
	return size + unix.CmsgSpace(2)
}

// addControl writes the header of a control message and returns where its data
// goes.
func (e *envelope) addControl(at int, level, kind int32, size int) unsafe.Pointer {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&e.control[at]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return unsafe.Pointer(&e.control[at+unix.CmsgLen(0)])
}

// arrival is what the kernel tells about a datagram.
type arrival struct {
	local   netip.Addr
	ours    bool // false when it was sent to a broadcast or multicast address
	segment int  // the kernel put several datagrams of this size together; 0: it is one
}

// arrival reads the control messages. No IKE peer sends to a broadcast or
// multicast address, and an answer would make us an amplifier.
func (e *envelope) arrival(size int) (a arrival) {
	rest := e.control[:min(size, controlSize)]
	for len(rest) > 0 {
		h, data, more, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return arrival{}
		}
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p := (*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0]))
			a.local, a.ours = netip.AddrFrom4(p.Addr), p.Addr == p.Spec_dst
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
			a.local, a.ours = netip.AddrFrom16(p.Addr), !netip.AddrFrom16(p.Addr).IsMulticast()
			if a.local.IsLinkLocalUnicast() {
				a.local = a.local.WithZone(strconv.Itoa(int(p.Ifindex)))
			}
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			a.segment = int(binary.NativeEndian.Uint32(data))
		}
		rest = more
	}
	return a
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

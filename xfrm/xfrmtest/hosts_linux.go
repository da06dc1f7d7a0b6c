package xfrmtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// hosts are all the hosts behind a site: one UDP socket of each family that
// owns every address of its networks.
type hosts struct {
	v4, v6 *net.UDPConn
	inbox  chan Inner
}

func openHosts(t testing.TB, s *site) *hosts {
	t.Helper()
	h := &hosts{inbox: make(chan Inner, packetRoom)}
	s.do(t, func() (err error) {
		if h.v4, err = net.ListenUDP("udp4", &net.UDPAddr{Port: Port}); err != nil {
			return err
		}
		if h.v6, err = net.ListenUDP("udp6", &net.UDPAddr{Port: Port}); err != nil {
			return err
		}
		return errors.Join(
			setOption(h.v4, unix.IPPROTO_IP, unix.IP_PKTINFO),
			setOption(h.v6, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO),
			setOption(h.v6, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND), // to send from what only a route calls local
		)
	})
	t.Cleanup(func() { _ = h.v4.Close(); _ = h.v6.Close() })
	go h.receive(h.v4)
	go h.receive(h.v6)
	return h
}

func setOption(c *net.UDPConn, level, option int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(err, failed)
}

// receive puts what arrives into the inbox until the socket is closed.
func (h *hosts) receive(c *net.UDPConn) {
	b, oob := make([]byte, 1<<16), make([]byte, 256)
	for {
		n, m, _, from, err := c.ReadMsgUDPAddrPort(b, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		to, ok := destination(oob[:m])
		if err != nil || !ok {
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		p := Inner{Src: from, Dst: netip.AddrPortFrom(to, Port), Payload: append([]byte(nil), b[:n]...)}
		select {
		case h.inbox <- p:
		default:
		}
	}
}

// destination reads the address that a datagram was sent to out of its
// PKTINFO.
func destination(oob []byte) (netip.Addr, bool) {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, m := range list {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO:
			return netip.AddrFromSlice(m.Data[8:12])
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO:
			return netip.AddrFromSlice(m.Data[:16])
		}
	}
	return netip.Addr{}, false
}

func (h *hosts) send(p Inner) error {
	c, oob := h.v4, []byte(nil)
	if src := p.Src.Addr(); src.Is4() {
		own := src.As4()
		oob = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: own})
	} else {
		c = h.v6
		oob = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: src.As16()})
	}
	if _, _, err := c.WriteMsgUDPAddrPort(p.Payload, oob, p.Dst); err != nil {
		return fmt.Errorf("send from %v to %v: %w", p.Src, p.Dst, err)
	}
	return nil
}

// watchOutside looks at the site's outer device and counts the packets from or
// to the networks inside.
func watchOutside(t testing.TB, s *site) (count func() int) {
	t.Helper()
	const anyProtocol = 0x0300 // ETH_P_ALL in network byte order
	var fd int
	s.do(t, func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, anyProtocol); err != nil {
			return fmt.Errorf("watch the outside: %w", err)
		}
		dev, err := net.InterfaceByName(vethName)
		if err != nil {
			return err
		}
		const room = 64 << 20 // it is read only when asked: all packets of a test must fit
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: anyProtocol, Ifindex: dev.Index}),
		)
	})
	t.Cleanup(func() { _ = unix.Close(fd) })
	total := 0
	return func() int {
		total += clearPackets(t, fd)
		return total
	}
}

// clearPackets reads all that the socket has seen.
func clearPackets(t testing.TB, fd int) (inClear int) {
	b, seen := make([]byte, 1<<16), 0
	for {
		n, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
		if err != nil {
			break
		}
		seen++
		if isInside(b[:n]) {
			inClear++
		}
	}
	st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil || st.Drops > 0 {
		t.Errorf("the outside was not watched well: %d packets not seen (%v)", st.Drops, err)
	}
	t.Logf("%d packets seen outside, %d of them in clear", seen, inClear)
	return inClear
}

// isInside tells whether a packet's addresses belong behind the sites.
func isInside(p []byte) bool {
	if len(p) < 20 {
		return false
	}
	const net4, net6 = 10<<8 | 77, 0xfd77
	switch p[0] >> 4 {
	case 4:
		return binary.BigEndian.Uint16(p[12:]) == net4 || binary.BigEndian.Uint16(p[16:]) == net4
	case 6:
		return len(p) >= 40 && (binary.BigEndian.Uint16(p[8:]) == net6 || binary.BigEndian.Uint16(p[24:]) == net6)
	}
	return false
}

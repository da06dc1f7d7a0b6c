package userspace

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// outsideName is what Veth calls the device between the namespaces.
const outsideName = "outside"

func setMTU(t *testing.T, side *xfrmtest.Side, device string, mtu int) {
	t.Helper()
	check(t, side.Inside(func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(l, mtu)
	}))
}

// hostSocket is a UDP socket of the host behind a side that does not set DF.
func hostSocket(t *testing.T, side *xfrmtest.Side, from netip.Addr, tos int) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	check(t, side.Inside(func() (err error) {
		if c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))); err != nil {
			return err
		}
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		err = raw.Control(func(fd uintptr) {
			failed = errors.Join(
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, tos),
			)
		})
		return errors.Join(err, failed)
	}))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// arrives waits for a packet with that payload.
func arrives(t *testing.T, side *xfrmtest.Side, payload []byte) {
	t.Helper()
	select {
	case p := <-side.Inbox:
		if !bytes.Equal(p.Payload, payload) {
			t.Fatalf("%d bytes arrived, not the %d", len(p.Payload), len(payload))
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("%d bytes did not arrive", len(payload))
	}
}

// The way outside is narrower than the device's MTU. TCP learns it from us and
// goes on; UDP without DF is fragmented inside, so that outside there is none.
func TestNarrowPath(t *testing.T) {
	for name, encap := range map[string]xfrm.Encap{"plain": {}, "in UDP": {SrcPort: xfrm.PortNATT, DstPort: xfrm.PortNATT}} {
		t.Run(name, func(t *testing.T) {
			s, own := openPair(t)
			setMTU(t, &s.A, outsideName, 1300)
			setMTU(t, &s.B, outsideName, 1300)
			fragments := sniff(t, &s.B, isOuterFragment)
			connect(t, s, plain, encap)
			transfer(t, s, 8*bulkChunk)
			if c := own[0].Counters(); c.TooBig == 0 || c.SendFailed > 0 {
				t.Errorf("TCP went through without being told the MTU: %+v", c)
			}
			payload := bytes.Repeat([]byte("x"), 1360)
			to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(hostB, xfrmtest.Port))
			_, err := hostSocket(t, &s.A, hostA, 0).WriteToUDP(payload, to)
			check(t, err)
			arrives(t, &s.B, payload)
			if n := fragments(); n > 0 {
				t.Errorf("%d fragments went outside", n)
			}
		})
	}
}

func isOuterFragment(ip []byte) bool {
	return ip[0]>>4 == 4 && (ip[6]&(flagMF>>8) != 0 || ip[6]&(offset>>8) != 0 || ip[7] != 0)
}

// sniff looks at a side's outer device and counts the packets that match.
func sniff(t *testing.T, side *xfrmtest.Side, match func(ip []byte) bool) (count func() int) {
	t.Helper()
	const ipv4 = 0x0008 // ETH_P_IP in network byte order
	var fd int
	check(t, side.Inside(func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ipv4); err != nil {
			return err
		}
		dev, err := net.InterfaceByName(outsideName)
		if err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: dev.Index}),
		)
	}))
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func() (n int) {
		b := make([]byte, 1<<16)
		for {
			size, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
			if err != nil {
				return n
			}
			if match(b[:size]) {
				n++
			}
		}
	}
}

// The outer header shows the inner one's DSCP and ECN, and no DF.
func TestOuterHeader(t *testing.T) {
	const tos = 46<<2 | 1
	s, _ := openPair(t)
	marked := sniff(t, &s.B, func(ip []byte) bool {
		return ip[9] == xfrm.ProtoESP && ip[1] == tos && ip[6]&(flagDF>>8) == 0
	})
	connect(t, s, plain, xfrm.Encap{})
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(hostB, xfrmtest.Port))
	_, err := hostSocket(t, &s.A, hostA, tos).WriteToUDP([]byte("marked"), to)
	check(t, err)
	arrives(t, &s.B, []byte("marked"))
	if n := marked(); n != 1 {
		t.Errorf("%d packets outside had the type of service %#x and no DF", n, tos)
	}
}

// A host that asks for what no policy selects is told so.
func TestUnselectedIsAnswered(t *testing.T) {
	s, own := openPair(t)
	connect(t, s, plain, xfrm.Encap{})
	var c net.Conn
	check(t, s.A.Inside(func() (err error) {
		d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.77.9.1:0"))}
		c, err = d.Dial("udp4", "10.77.200.1:9")
		return err
	}))
	defer func() { _ = c.Close() }()
	_, err := c.Write([]byte("hello"))
	check(t, err)
	check(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = c.Read(make([]byte, 10))
	if !errors.Is(err, unix.EHOSTUNREACH) { // what Linux makes of "administratively prohibited"
		t.Errorf("the host saw %v", err)
	}
	if n := own[0].Counters().Unselected; n == 0 {
		t.Error("not counted")
	}
}

// Somebody removes the device. The owner hears of it, and can have it again.
func TestDeviceIsRemoved(t *testing.T) {
	s, _ := openPair(t)
	connect(t, s, plain, xfrm.Encap{})
	check(t, s.A.Inside(func() error {
		l, err := netlink.LinkByName("twin0001")
		if err != nil {
			return err
		}
		return netlink.LinkDel(l)
	}))
	select {
	case e := <-s.A.Events():
		if e != (xfrm.Lost{}) {
			t.Fatalf("heard %+v", e)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was heard")
	}
	st, err := s.A.Dump(context.Background())
	check(t, err)
	if len(st.Links) != 0 {
		t.Errorf("the dump still has %+v", st.Links)
	}
	check(t, s.A.SetLinks(context.Background(), []xfrm.Link{{Name: "twin0001", IfID: xfrm.Ours | 1, MTU: 1400}}))
	s.A.Route(t, "twin0001", xfrmtest.NetB)
	check(t, s.A.Send(xfrmtest.Inner{
		Src: netip.AddrPortFrom(hostA, xfrmtest.Port), Dst: netip.AddrPortFrom(hostB, xfrmtest.Port), Payload: []byte("again"),
	}))
	arrives(t, &s.B, []byte("again"))
}

// A device of somebody else is not taken over.
func TestForeignDevice(t *testing.T) {
	s, _ := openPair(t)
	t.Cleanup(func() { check(t, s.A.Close()); check(t, s.B.Close()) })
	check(t, s.A.Inside(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "twin0001"
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "foreign"})
	}))
	err := s.A.SetLinks(context.Background(), []xfrm.Link{{Name: "twin0001", IfID: xfrm.Ours | 1, MTU: 1400}})
	if err == nil || !strings.Contains(err.Error(), "twin0001") {
		t.Fatalf("the device was taken: %v", err)
	}
	st, err := s.A.Dump(context.Background())
	check(t, err)
	if len(st.Links) != 0 {
		t.Errorf("the dump has %+v", st.Links)
	}
}

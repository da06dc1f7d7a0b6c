package userspace

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

func TestContract(t *testing.T) {
	xfrmtest.Contract(t, func(t *testing.T) xfrmtest.Subject {
		s, _ := openPair(t)
		s.HoldsFirst = true
		return s
	})
}

// openPair makes two backends in two namespaces joined by a veth pair. The
// backends themselves come beside, A's first.
func openPair(t testing.TB) (s xfrmtest.Subject, own []*Backend) {
	t.Helper()
	s = xfrmtest.Veth(t, func(t testing.TB, outer netip.Addr) xfrm.Backend {
		if err := unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK); err != nil {
			netns.Lacks(t, "this machine has no TUN device: ", err)
		}
		w := listenWire(t, outer)
		b, err := New(w)
		if err != nil {
			t.Fatal(err)
		}
		go w.serve(b)
		own = append(own, b)
		return b
	})
	return s, own
}

// wire is the socket on port 4500, without IKE.
type wire struct{ conn *net.UDPConn }

func listenWire(t testing.TB, outer netip.Addr) wire {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(outer, xfrm.PortNATT)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return wire{c}
}

func (w wire) SendESP(_, remote netip.AddrPort, packet []byte) error {
	_, err := w.conn.WriteToUDPAddrPort(packet, remote)
	return err
}

// serve gives what comes to the backend until the socket is closed. Each packet
// is overwritten after the call, to show who keeps it.
func (w wire) serve(b *Backend) {
	local := w.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	packet := make([]byte, 1<<16)
	for {
		n, from, err := w.conn.ReadFromUDPAddrPort(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && n > 4 && binary.BigEndian.Uint32(packet) != 0 {
			b.Receive(local, from, packet[:n])
			clear(packet[:n])
		}
	}
}

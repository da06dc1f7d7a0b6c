package netio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestUserpolicyLayout holds the struct against the size of linux/xfrm.h, where
// the kernel answers a wrong one with EINVAL, like one that has no XFRM.
func TestUserpolicyLayout(t *testing.T) {
	if size := unsafe.Sizeof(userpolicy{}); size != 168 {
		t.Errorf("struct xfrm_userpolicy_info has 168 bytes, ours %d", size)
	}
	if offset := unsafe.Offsetof(userpolicy{}.dir); offset != 160 {
		t.Errorf("dir is at 160, ours at %d", offset)
	}
}

// TestBypass blocks everything by policy. Plain sockets feel it, ours do not.
func TestBypass(t *testing.T) {
	ours, peer := wire(t)
	for _, row := range []struct{ everything, local, remote string }{
		{"0.0.0.0/0", "192.0.2.1:500", "192.0.2.9:500"},
		{"::/0", "[2001:db8::1]:500", "[2001:db8::9]:500"},
	} {
		t.Run(row.everything, func(t *testing.T) {
			g := serve(t, open(t, ours, Options{}))
			plain := other(t, ours, netip.AddrPortFrom(ap(row.local).Addr(), 0).String())
			c := other(t, peer, row.remote)
			g.from(t, c, row.local, bytesOf(1, 28)) // both ends learn where the other is
			receive(t, g.Packets())
			in(t, ours, func() error { return block(row.everything) })

			if _, err := plain.WriteToUDPAddrPort(bytesOf(1, 28), ap(row.remote)); !errors.Is(err, unix.EPERM) {
				t.Fatal("the policy does not block a plain socket:", err)
			}
			if err := g.Send(ap(row.local), ap(row.remote), bytesOf(2, 28)); err != nil {
				t.Fatal(err)
			}
			if got, _ := read(t, c); got[0] != 2 {
				t.Errorf("%x came out", got)
			}
			g.from(t, c, row.local, bytesOf(3, 28))
			if d := receive(t, g.Packets()); d.Data[0] != 3 {
				t.Errorf("%x came in", d.Data)
			}
		})
	}
}

func block(everything string) error {
	_, all, err := net.ParseCIDR(everything)
	if err != nil {
		return err
	}
	for _, dir := range []netlink.Dir{netlink.XFRM_DIR_IN, netlink.XFRM_DIR_OUT} {
		err := netlink.XfrmPolicyAdd(&netlink.XfrmPolicy{Src: all, Dst: all, Dir: dir, Action: netlink.XFRM_POLICY_BLOCK})
		if err != nil {
			return err
		}
	}
	return nil
}

func TestPortInUse(t *testing.T) {
	space := namespace(t, "ours")
	for _, taken := range []string{"0.0.0.0:500", "127.0.0.1:4500", "[::1]:500", "[::]:4500"} {
		t.Run(taken, func(t *testing.T) {
			other(t, space, taken)
			in(t, space, func() error {
				s, err := Listen(Options{})
				if err == nil {
					t.Error("it listens")
					return s.Close()
				}
				if !errors.Is(err, unix.EADDRINUSE) {
					t.Error(err)
				}
				port := taken[strings.LastIndex(taken, ":")+1:]
				for _, word := range []string{"UDP port " + port, "strongSwan", "Libreswan", "ss -ulpn 'sport = :" + port + "'"} {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%q does not say %q", err, word)
					}
				}
				return nil
			})
		})
	}
	open(t, space, Options{}) // nothing that failed above still holds a port
}

// TestErrorsSayWhichCapability takes one away and listens.
func TestErrorsSayWhichCapability(t *testing.T) {
	space := namespace(t, "ours")
	for name, capability := range map[string]uint{
		"CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
		"CAP_NET_ADMIN":        unix.CAP_NET_ADMIN,
	} {
		in(t, space, func() error {
			return without(capability, func() {
				s, err := Listen(Options{})
				if err == nil {
					t.Errorf("it listens without %s", name)
					_ = s.Close()
				} else if !strings.Contains(err.Error(), "UDP port 500: ") || !strings.Contains(err.Error(), name) {
					t.Errorf("%q does not say %s", err, name)
				}
			})
		})
	}
}

// without calls do on this locked thread without a capability.
func without(capability uint, do func()) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all [2]unix.CapUserData
	if err := unix.Capget(&header, &all[0]); err != nil {
		return err
	}
	less := all
	less[capability/32].Effective &^= 1 << (capability % 32)
	if err := unix.Capset(&header, &less[0]); err != nil {
		return err
	}
	do()
	return unix.Capset(&header, &all[0])
}

// TestKernelESP: with UDP_ENCAP the kernel takes ESP in UDP and keepalives, and
// leaves us the IKE messages with their markers.
func TestKernelESP(t *testing.T) {
	ours, peer := wire(t)
	for _, row := range []struct{ local, remote string }{
		{"192.0.2.1:4500", "192.0.2.9:4500"},
		{"[2001:db8::1]:4500", "[2001:db8::9]:4500"},
	} {
		t.Run(row.local, func(t *testing.T) {
			g := serve(t, open(t, ours, Options{KernelESP: true}))
			c := other(t, peer, row.remote)
			g.from(t, c, row.local, bytesOf(0xee, 100))
			g.from(t, c, row.local, bytesOf(0xff, 1))
			g.from(t, c, row.local, append(make([]byte, 4), bytesOf(1, 28)...))
			if d := receive(t, g.Packets()); len(d.Data) != 28 {
				t.Errorf("%d bytes came", len(d.Data))
			}
			if len(g.esp) != 0 || g.Counters() != (Counters{}) {
				t.Errorf("%d packets of ESP came, counted %+v", len(g.esp), g.Counters())
			}
			if err := g.Send(ap(row.local), ap(row.remote), bytesOf(2, 28)); err != nil {
				t.Fatal(err)
			}
			if got, _ := read(t, c); len(got) != 32 {
				t.Errorf("%d bytes went", len(got))
			}
		})
	}
}

// TestIPv6SwitchedOff: IPv4 works on a host whose administrator wants no other.
func TestIPv6SwitchedOff(t *testing.T) {
	ours, peer := wire(t)
	if err := ours.Sysctl("ipv6/conf/all/disable_ipv6", "1"); err != nil {
		t.Fatal(err)
	}
	g := serve(t, open(t, ours, Options{}))
	g.from(t, other(t, peer, "192.0.2.9:500"), "192.0.2.1:500", bytesOf(1, 28))
	receive(t, g.Packets())
	if err := g.Send(ap("[2001:db8::1]:500"), ap("[2001:db8::9]:500"), bytesOf(1, 28)); err == nil {
		t.Error("IPv6 was sent")
	}
}

// TestDeadPeer: ICMP answers to what was sent change nothing.
func TestDeadPeer(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	for range 3 {
		for _, row := range [][2]string{
			{"192.0.2.1:500", "192.0.2.9:999"},
			{"[2001:db8::1]:500", "[2001:db8::9]:999"},
		} {
			if err := g.Send(ap(row[0]), ap(row[1]), bytesOf(1, 28)); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
	}
	if err := g.Send(ap("192.0.2.1:500"), ap("203.0.113.1:500"), bytesOf(1, 28)); !errors.Is(err, unix.ENETUNREACH) {
		t.Error("no route:", err)
	}
	c := other(t, peer, "192.0.2.9:500")
	g.from(t, c, "192.0.2.1:500", bytesOf(5, 28))
	if d := receive(t, g.Packets()); d.Data[0] != 5 {
		t.Error("something else came first")
	}
}

func TestSendRefuses(t *testing.T) {
	ours := namespace(t, "ours")
	s := open(t, ours, Options{})
	for _, row := range [][2]string{
		{"127.0.0.1:501", "127.0.0.1:500"},
		{"127.0.0.1:500", "[::1]:500"},
		{"[::1]:500", "127.0.0.1:500"},
	} {
		if err := s.Send(ap(row[0]), ap(row[1]), bytesOf(1, 28)); err == nil {
			t.Errorf("%v was sent", row)
		}
	}
	var none Datagram
	if s.Send(none.Local, ap("127.0.0.1:500"), nil) == nil || s.SendESP(ap("127.0.0.1:4500"), none.Remote, nil) == nil {
		t.Error("something was sent without an address")
	}
}

// TestServe ends when it is told to, sends on, and serves again.
func TestServeEndsAndServesAgain(t *testing.T) {
	ours, peer := wire(t)
	s := open(t, ours, Options{})
	c := other(t, peer, "192.0.2.9:500")
	for i := range byte(3) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Serve(ctx, nil) }()
		if _, err := c.WriteToUDPAddrPort(bytesOf(i, 28), ap("192.0.2.1:500")); err != nil {
			t.Fatal(err)
		}
		if d := receive(t, s.Packets()); d.Data[0] != i {
			t.Errorf("round %d: %x came", i, d.Data)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := s.Send(ap("192.0.2.1:500"), ap("192.0.2.9:500"), bytesOf(i, 28)); err != nil {
			t.Fatal("after Serve:", err)
		}
		read(t, c)
	}
	served := make(chan error)
	go func() { served <- s.Serve(t.Context(), nil) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error("Close while it serves:", err)
	}
	if err := s.Send(ap("192.0.2.1:500"), ap("192.0.2.9:500"), nil); !errors.Is(err, net.ErrClosed) {
		t.Error("sent after Close:", err)
	}
}

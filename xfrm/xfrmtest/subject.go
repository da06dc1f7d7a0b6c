// Package xfrmtest holds an in-memory data plane and the one contract that
// every xfrm.Backend keeps: memory, kernel and user space run the same suite.
//
// A backend's package calls the suite from a test of its own:
//
//	func TestContract(t *testing.T) { xfrmtest.Contract(t, openPair) }
//
// openPair returns a Subject: two backends whose outer addresses reach each
// other, and the means to put inner packets in at one end and to see what comes
// out at the other. For data planes of this machine Veth builds one: two network
// namespaces joined by a veth pair, each with a backend, inner networks and UDP
// sockets. A kernel backend's openPair is then
//
//	return xfrmtest.Veth(t, func(t testing.TB, outer netip.Addr) xfrm.Backend {
//		listenEncap(t)         // a socket on 4500 with UDP_ENCAP: the kernel takes ESP in UDP only from one
//		b, err := kernel.New() // runs on a thread inside the site's namespace
//		...
//	})
//
// and sets the field Foreign of what Veth returned.
//
// The package does not know how a backend moves a packet, nor any cipher: what
// it can tell is whether the packet came out at the far end, and what the
// counters and events say.
package xfrmtest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// Inner is an inner packet: a UDP datagram that enters a data plane through its
// link. An address pair of one family, IPv4 or IPv6.
type Inner struct {
	Src, Dst netip.AddrPort
	Payload  []byte
}

// Size is the length of the whole IP packet in bytes, as counters and limits
// see it. The IPv4 header has no options.
func (p Inner) Size() uint64 {
	const udp = 8
	if p.Src.Addr().Is4() {
		return uint64(20 + udp + len(p.Payload))
	}
	return uint64(40 + udp + len(p.Payload))
}

// Side is one of the two data planes under test.
type Side struct {
	xfrm.Backend
	// Outer is the IPv4 address of its tunnels, Outer6 the IPv6 one; the zero
	// Outer6 says that the subject has no IPv6 outside.
	Outer, Outer6 netip.Addr
	// Route sends what is for dst into the link. It is called after SetLinks.
	Route func(t testing.TB, link string, dst netip.Prefix)
	// Send puts a packet in, as if a host behind this side had sent it. An
	// error means that the data plane refused the packet: that is allowed for
	// what may not pass, and a failure for what must.
	Send func(p Inner) error
	// Inbox delivers what came out of this side's links for the networks
	// behind it, after all checks of the data plane.
	Inbox <-chan Inner
	// Inside does f on a thread in the side's network namespace, and what f
	// starts is there too. Nil when the side is in none.
	Inside func(f func() error) error
	// Wait lets time pass. Nil is time.Sleep.
	Wait func(d time.Duration)
}

func (s *Side) wait(d time.Duration) {
	if s.Wait == nil {
		time.Sleep(d)
		return
	}
	s.Wait(d)
}

// Subject is two data planes that face each other. What a subject cannot do is
// said by a field that is nil or zero, and the suite then logs what it left
// out.
type Subject struct {
	A, B Side
	// Clear counts the inner packets that were seen outside in clear text
	// between A and B. Nil when there is no outside to look at.
	Clear func() int
	// Foreign puts links, SAs and policies of somebody else into A's data
	// plane and returns a check that they are all still there. Nil when the
	// data plane cannot hold such things.
	Foreign func(t testing.TB) (check func(t testing.TB))
	// HoldsFirst says that packets which meet a Protect policy without an SA
	// wait for one, the first of them at least, and are then sent in their
	// order.
	HoldsFirst bool
}

// The networks behind the sides. Everything in NetA and NetA6 is local to A,
// everything in NetB and NetB6 local to B; the suite routes the other side's
// into its link.
var (
	NetA  = netip.MustParsePrefix("10.77.0.0/17")
	NetB  = netip.MustParsePrefix("10.77.128.0/17")
	NetA6 = netip.MustParsePrefix("fd77:a::/32")
	NetB6 = netip.MustParsePrefix("fd77:b::/32")
)

// Port is the UDP port that the suite's inner packets come from and go to.
const Port = 7700

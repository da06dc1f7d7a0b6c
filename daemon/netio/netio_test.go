package netio

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 5 * time.Second

// gate is open Sockets that serve.
type gate struct {
	*Sockets
	esp chan Datagram
}

func open(t testing.TB, space *netns.Space, o Options) *Sockets {
	t.Helper()
	var s *Sockets
	in(t, space, func() (err error) { s, err = Listen(o); return err })
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func serve(t *testing.T, s *Sockets) gate {
	t.Helper()
	g := gate{s, make(chan Datagram, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Serve(ctx, func(local, remote netip.AddrPort, packet []byte) {
			g.esp <- Datagram{local, remote, bytes.Clone(packet)}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("Serve:", err)
		}
	})
	return g
}

func receive(t *testing.T, c <-chan Datagram) Datagram {
	t.Helper()
	select {
	case d := <-c:
		return d
	case <-time.After(patience):
		t.Fatal("nothing came")
		return Datagram{}
	}
}

// other opens a plain socket, for the peer.
func other(t testing.TB, space *netns.Space, address string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	in(t, space, func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(ap(address)))
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (g gate) from(t *testing.T, c *net.UDPConn, to string, data []byte) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort(data, ap(to)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c *net.UDPConn) ([]byte, netip.AddrPort) {
	t.Helper()
	b := make([]byte, slotSize)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n], from
}

// bytesOf is a datagram of one byte again and again.
func bytesOf(fill byte, size int) []byte { return bytes.Repeat([]byte{fill}, size) }

func TestLocalAddress(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	for _, row := range []struct {
		name, to, peer string
		marker         bool
	}{
		{"the first address", "192.0.2.1:500", "192.0.2.9:500", false},
		{"the second address", "192.0.2.2:500", "192.0.2.9:500", false},
		{"behind a translator", "192.0.2.2:500", "192.0.2.9:40000", false},
		{"NAT-T", "192.0.2.1:4500", "192.0.2.9:4500", true},
		{"NAT-T, the second address", "192.0.2.2:4500", "192.0.2.9:4500", true},
		{"IPv6", "[2001:db8::1]:500", "[2001:db8::9]:500", false},
		{"IPv6, the second address", "[2001:db8::2]:500", "[2001:db8::9]:500", false},
		{"IPv6, NAT-T", "[2001:db8::2]:4500", "[2001:db8::9]:4500", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := other(t, peer, row.peer)
			body := bytesOf(0xab, 100)
			sent := body
			if row.marker {
				sent = append(make([]byte, 4), body...)
			}
			g.from(t, c, row.to, sent)
			d := receive(t, g.Packets())
			if d.Local != ap(row.to) || d.Remote != ap(row.peer) || !bytes.Equal(d.Data, body) {
				t.Fatalf("got %v <- %v, %d bytes", d.Local, d.Remote, len(d.Data))
			}
			if err := g.Send(d.Local, d.Remote, body); err != nil {
				t.Fatal(err)
			}
			answer, from := read(t, c)
			if from != d.Local {
				t.Errorf("the answer came from %v", from)
			}
			if !bytes.Equal(answer, sent) {
				t.Errorf("the answer is %x", answer)
			}
		})
	}
}

func TestAddressAddedLater(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	c := other(t, peer, "192.0.2.9:500")
	err := g.Send(ap("192.0.2.77:500"), ap("192.0.2.9:500"), bytesOf(1, 28))
	if err == nil || !strings.Contains(err.Error(), "192.0.2.77 an address of this host") {
		t.Fatal("from an address that is not here:", err)
	}
	address(t, ours, "192.0.2.77/24")
	if err := g.Send(ap("192.0.2.77:500"), ap("192.0.2.9:500"), bytesOf(1, 28)); err != nil {
		t.Fatal(err)
	}
	if _, from := read(t, c); from != ap("192.0.2.77:500") {
		t.Errorf("it came from %v", from)
	}
	g.from(t, c, "192.0.2.77:500", bytesOf(2, 28))
	if d := receive(t, g.Packets()); d.Local != ap("192.0.2.77:500") {
		t.Errorf("it came to %v", d.Local)
	}
}

func TestLinkLocal(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	c := other(t, peer, "[fe80::9%"+zone(t, peer)+"]:500")
	g.from(t, c, "[fe80::1%"+zone(t, peer)+"]:500", bytesOf(1, 28))
	d := receive(t, g.Packets())
	if d.Local.Addr().WithZone("") != netip.MustParseAddr("fe80::1") {
		t.Fatalf("got %v <- %v", d.Local, d.Remote)
	}
	if err := g.Send(d.Local, d.Remote, d.Data); err != nil {
		t.Fatal(err)
	}
	if _, from := read(t, c); from.Addr().WithZone("") != netip.MustParseAddr("fe80::1") {
		t.Errorf("the answer came from %v", from)
	}
}

func TestESP(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	for _, row := range []struct{ name, to, peer string }{
		{"IPv4", "192.0.2.2:4500", "192.0.2.9:4500"},
		{"IPv6", "[2001:db8::2]:4500", "[2001:db8::9]:40000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := other(t, peer, row.peer)
			packet := bytesOf(0xee, 1400)
			g.from(t, c, row.to, packet)
			d := receive(t, g.esp)
			if d.Local != ap(row.to) || d.Remote != ap(row.peer) || !bytes.Equal(d.Data, packet) {
				t.Fatalf("got %v <- %v, %d bytes", d.Local, d.Remote, len(d.Data))
			}
			if err := g.SendESP(d.Local, d.Remote, packet); err != nil {
				t.Fatal(err)
			}
			answer, from := read(t, c)
			if from != d.Local || !bytes.Equal(answer, packet) {
				t.Errorf("%d bytes came from %v", len(answer), from)
			}
		})
	}
	if err := g.SendESP(ap("192.0.2.1:500"), ap("192.0.2.9:4500"), bytesOf(1, 20)); err == nil {
		t.Error("ESP left from port 500")
	}
}

func TestBigDatagrams(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	big := bytesOf(0x11, 65507)
	c := other(t, peer, "192.0.2.9:500")
	g.from(t, c, "192.0.2.1:500", big)
	d := receive(t, g.Packets())
	if !bytes.Equal(d.Data, big) {
		t.Fatalf("%d bytes came", len(d.Data))
	}
	if err := g.Send(d.Local, d.Remote, big); err != nil {
		t.Fatal("in fragments:", err)
	}
	if answer, _ := read(t, c); !bytes.Equal(answer, big) {
		t.Errorf("%d bytes went", len(answer))
	}
	if err := g.Send(d.Local, d.Remote, bytesOf(1, 65508)); !errors.Is(err, unix.EMSGSIZE) {
		t.Error("one byte too many:", err)
	}
}

func TestHostile(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	c := other(t, peer, "192.0.2.9:1234")
	var want Counters
	for size := range 5 {
		for _, fill := range []byte{0, 1, 0xff} {
			g.from(t, c, "192.0.2.1:500", bytesOf(fill, size))
			g.from(t, c, "192.0.2.1:4500", bytesOf(fill, size))
			want.Malformed += 2
		}
	}
	want.Malformed--
	want.Keepalives++ // the one byte 0xff on 4500
	g.from(t, c, "192.0.2.1:4500", bytesOf(0, 31))
	want.Malformed++ // a marker and no header
	// Each socket keeps its order: what follows comes after all of the above.
	g.from(t, c, "192.0.2.1:500", bytesOf(7, 28))
	receive(t, g.Packets())
	g.from(t, c, "192.0.2.1:4500", append(make([]byte, 4), bytesOf(7, 28)...))
	receive(t, g.Packets())
	if got := g.Counters(); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if len(g.esp) != 0 {
		t.Error("something passed as ESP")
	}
}

func TestBroadcastAndMulticastAreStray(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{}))
	c := other(t, peer, "192.0.2.9:500")
	g.from(t, c, "192.0.2.255:500", bytesOf(1, 28)) // net sets SO_BROADCAST
	g.from(t, c, "192.0.2.1:500", bytesOf(2, 28))
	if d := receive(t, g.Packets()); d.Data[0] != 2 {
		t.Error("a broadcast passed")
	}
	c6 := other(t, peer, "[2001:db8::9]:500")
	g.from(t, c6, "[ff02::1%"+zone(t, peer)+"]:500", bytesOf(1, 28))
	g.from(t, c6, "[2001:db8::1]:500", bytesOf(2, 28))
	if d := receive(t, g.Packets()); d.Data[0] != 2 {
		t.Error("a multicast passed")
	}
	if got := g.Counters(); got.Stray != 2 || g.Dropped() != 2 {
		t.Errorf("counted %+v", got)
	}
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	ours, peer := wire(t)
	g := serve(t, open(t, ours, Options{Queue: 16}))
	c := other(t, peer, "192.0.2.9:500")
	for i := range 20 {
		g.from(t, c, "192.0.2.1:500", bytesOf(byte(i), 28))
	}
	wait(t, func() bool { return g.Counters().QueueFull == 4 })
	for i := range 16 {
		if d := receive(t, g.Packets()); d.Data[0] != byte(i) {
			t.Fatalf("message %d came in place of %d: the oldest must stay", d.Data[0], i)
		}
	}
	for range 5 {
		g.from(t, c, "192.0.2.1:500", bytesOf(1, 60000))
	}
	wait(t, func() bool { return g.Counters().QueueFull == 7 }) // two big ones wait, three do not
}

func wait(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}

func TestNobodyTakesESP(t *testing.T) {
	ours, peer := wire(t)
	s := open(t, ours, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, nil) }()
	c := other(t, peer, "192.0.2.9:4500")
	if _, err := c.WriteToUDPAddrPort(bytesOf(1, 28), ap("192.0.2.1:4500")); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return s.Counters().Unwanted == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

package netcfg

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// TestRewriteLeavesNoGap floods a guarded pair while the guard is rewritten again
// and again. The flood has a route to the internet and none through the device.
func TestRewriteLeavesNoGap(t *testing.T) {
	b := newBed(t)
	pair := guards()[0]
	b.guard(t, append(many(1000), pair))

	leaked := b.count(t, "10.0.1.2:2000")
	sent := b.flood(t, "192.168.1.2:1000", "10.0.1.2:2000")
	wide := pair
	wide.Remote = netip.MustParsePrefix("10.0.0.0/16")
	for range 3 {
		for _, list := range [][]Guard{
			append(many(1001), pair),
			append(many(1000), wide),                // the pair becomes part of a wider one
			append(many(1000), wide, pair),          // and is named besides
			append([]Guard{pair}, many(10)...),      // narrow again, most others go
			{{pair.Local, pair.Remote, "twin00ff"}}, // another device
		} {
			before := sent.Load()
			b.guard(t, list)
			for sent.Load() < before+100 { // the flood went on
			}
		}
	}
	if n := leaked.Load(); n != 0 {
		t.Errorf("%d of %d packets leaked", n, sent.Load())
	}
	if err := b.net.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	for before := sent.Load(); leaked.Load() == 0; { // without a guard the flood arrives
		if sent.Load() > before+100_000 {
			t.Fatal("the flood never was one")
		}
	}
}

// count counts what comes to an address of the internet.
func (b *bed) count(t *testing.T, address string) *atomic.Int64 {
	t.Helper()
	var c *net.UDPConn
	err := b.internet.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	go func() {
		for {
			if _, _, err := c.ReadFromUDPAddrPort(make([]byte, 100)); err != nil {
				return
			}
			n.Add(1)
		}
	}()
	t.Cleanup(func() { _ = c.Close() })
	return &n
}

// flood sends from the VPC until the test ends.
func (b *bed) flood(t *testing.T, from, to string) *atomic.Int64 {
	t.Helper()
	var c *net.UDPConn
	err := b.vpc.Do(func() (err error) {
		c, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)),
			net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := c.Write([]byte("secret")); err != nil {
				return
			}
			n.Add(1)
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return &n
}

// TestRewriteLosesNothing passes packets through the device, one after the other,
// while the guards of others change.
func TestRewriteLosesNothing(t *testing.T) {
	b := newBed(t)
	b.throughDevice(t)
	b.guard(t, append(many(1000), guards()...))
	p := packet{"probe", b.vpc, b.idc, "192.168.1.2", "10.0.1.2", 1000, 2000, true}
	in, out := p.listen(t).(*net.UDPConn), p.dial(t)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		passed, buf := 0, make([]byte, 100)
		defer func() { done <- passed }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := out.Write([]byte("x")); err != nil {
				t.Error("send:", err)
				return
			}
			_ = in.SetReadDeadline(time.Now().Add(netns.Patience(time.Second)))
			if _, _, err := in.ReadFromUDPAddrPort(buf); err != nil {
				t.Errorf("lost after %d packets: %v", passed, err)
				return
			}
			passed++
		}
	}()
	for i := range 10 {
		b.guard(t, append(many(1000+i%2), guards()...))
	}
	close(stop)
	if passed := <-done; passed < 1000 {
		t.Errorf("only %d packets passed", passed)
	}
	_, _ = in.Close(), out.Close()
}

package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// host is the n-th of many peers' addresses.
func host(n int) netip.Addr { return netip.AddrFrom4([4]byte{100, 64, byte(n >> 8), byte(n)}) }

func many(n int, change func(ike.Peer) ike.Peer) []ike.Peer {
	list := make([]ike.Peer, n)
	for i := range list {
		list[i] = change(peerOf(fmt.Sprintf("t%05d", i), host(i), 1))
	}
	return list
}

func passive(p ike.Peer) ike.Peer { return p }

func TestHalfOpenOfOneSource(t *testing.T) {
	b := newBench(t, Options{HalfOpen: 4, HalfOpenPerSource: 3})
	b.tell(ike.Configure{Peers: many(2, passive)})
	b.first(1, host(1)) // another peer's: not touched by what follows
	for i := range uint64(3) {
		b.first(10+i, host(0))
	}
	b.say(b.fakes[1]) // the oldest of the source has used our cookie
	b.fakes[1].progressed = true
	b.say(b.fakes[1])
	for i := range uint64(50) {
		b.first(100+i, host(0))
	}
	c := b.Counters()
	if c.HalfOpen != 4 || c.HalfOpenDropped != 50 || c.Sessions != 4 {
		t.Errorf("%+v", c)
	}
	for i, want := range map[int]string{0: "Packet", 1: "Tick", 2: "CloseSession", 3: "CloseSession", 52: "Packet", 53: "Packet"} {
		if got := b.fakes[i].last(); got != want {
			t.Errorf("session %d got %s last, wants %s", i, got, want)
		}
	}
	b.upNow(b.fakes[1], "t00000")
	if c := b.Counters(); c.HalfOpen != 3 {
		t.Errorf("%+v", c)
	}
}

func TestHalfOpenOfAll(t *testing.T) {
	b := newBench(t, Options{HalfOpen: 10})
	b.tell(ike.Configure{Peers: many(100, passive)})
	b.first(1, host(0))
	b.fakes[0].progressed = true
	b.tell(packet(1, 0, 2, host(0)))
	for i := 1; i < 100; i++ {
		b.first(1+uint64(i), host(i))
	}
	if c := b.Counters(); c.HalfOpen != 10 || c.HalfOpenDropped != 90 {
		t.Errorf("%+v", c)
	}
	if got := b.fakes[0].last(); got == "CloseSession" {
		t.Error("the one whose source is real was dropped")
	}
}

// First messages of aggressive mode from one source do not make us compute without
// end, nor keep others out; main mode is not touched.
func TestComputationsForAddressesThatMayBeForged(t *testing.T) {
	b := newBench(t, Options{Unproven: 8})
	b.tell(ike.Configure{Peers: many(100, passive)})
	var jobs []uint64
	ask := func(cookie uint64, from netip.Addr) {
		before := len(b.fakes)
		b.tell(packet(cookie, 0, isakmp.AggressiveMode, from))
		for _, f := range b.fakes[before:] {
			jobs = append(jobs, f.env.ID())
			b.say(f, ike.Compute{ID: jobs[len(jobs)-1], Do: func() any { return nil }})
		}
	}
	want := func(n int) {
		t.Helper()
		if len(jobs) != n {
			t.Errorf("%d computations instead of %d", len(jobs), n)
		}
	}
	for i := range uint64(50) {
		ask(1+i, host(0))
	}
	want(8)
	for i := range 50 {
		ask(100+uint64(i), host(1+i))
	}
	want(16)
	b.first(200, host(0))
	if n := len(b.fakes); n != 17 {
		t.Errorf("%d sessions", n)
	}
	b.tell(ike.Computed{ID: jobs[0]})
	ask(300, host(99))
	want(17)
	if c := b.Counters(); c.HalfOpenDropped != 42+42 {
		t.Errorf("%+v", c)
	}
}

// When all sources are real the newcomer still gets in: the oldest must be stuck.
func TestHalfOpenOfRealSources(t *testing.T) {
	b := newBench(t, Options{HalfOpen: 2})
	b.tell(ike.Configure{Peers: many(3, passive)})
	for i := range 3 {
		b.first(1+uint64(i), host(i))
		b.fakes[i].progressed = true
		b.tell(packet(1+uint64(i), 0, 2, host(i)))
	}
	b.wantLast(b.fakes[0], "CloseSession")
	if c := b.Counters(); c.HalfOpen != 2 {
		t.Errorf("%+v", c)
	}
}

func TestNoMoreBeginThanMay(t *testing.T) {
	b := newBench(t, Options{Starting: 10})
	b.tell(ike.Configure{Peers: many(35, active)})
	if len(b.fakes) != 10 {
		t.Fatalf("%d sessions begin", len(b.fakes))
	}
	b.upNow(b.fakes[3], "t00003")
	if len(b.fakes) != 11 {
		t.Fatalf("%d sessions have begun when one of ten stands", len(b.fakes))
	}
	at, ok := b.Wake()
	if !ok || at.Sub(b.now) > holdsPlace {
		t.Fatalf("wakes at %v, %v", at, ok)
	}
	b.now = b.now.Add(holdsPlace)
	b.tell(ike.Tick{})
	if len(b.fakes) != 21 {
		t.Fatalf("%d sessions have begun when the first ten do not answer", len(b.fakes))
	}
	b.now = b.now.Add(holdsPlace)
	b.tell(ike.Tick{})
	b.now = b.now.Add(holdsPlace)
	b.tell(ike.Tick{})
	if len(b.fakes) != 35 {
		t.Errorf("%d sessions have begun", len(b.fakes))
	}
	for _, f := range b.fakes {
		if len(f.got) == 0 {
			t.Errorf("%s was asked for nothing", f.peer)
		}
	}
}

// A tunnel that waits for a place takes the session that its peer begins.
func TestWaitingTunnelTakesThePeersSession(t *testing.T) {
	b := newBench(t, Options{Starting: 1})
	b.tell(ike.Configure{Peers: many(2, active)})
	b.first(7, host(1))
	f := b.fakes[1]
	b.upNow(f, "t00001")
	b.wantLast(f, "Negotiate")
	b.now = b.now.Add(holdsPlace)
	b.tell(ike.Tick{})
	if len(b.fakes) != 2 {
		t.Errorf("%d sessions", len(b.fakes))
	}
}

func TestTunnelThatWaitsIsClosed(t *testing.T) {
	b := newBench(t, Options{Starting: 1})
	b.tell(ike.Configure{Peers: many(2, active)})
	b.tell(ike.Close{Tunnel: "t00001"})
	b.now = b.now.Add(time.Minute)
	b.tell(ike.Tick{})
	if len(b.fakes) != 1 {
		t.Errorf("%d sessions", len(b.fakes))
	}
}

func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(fmt.Sprintf("%d tunnels", n), func(b *testing.B) {
			bench := newBench(&testing.T{}, Options{})
			bench.tell(ike.Configure{Peers: many(n, passive)})
			p := packet(9, 9, 2, host(n/2)) // no session has these cookies
			for i := range n {
				bench.first(1+uint64(i), host(i))
				bench.fakes[i].wake = bench.now.Add(time.Duration(i) * time.Hour)
				bench.first(1+uint64(i), host(i))
			}
			own := packet(1+uint64(n/2), 0, 2, host(n/2))
			b.ResetTimer()
			for b.Loop() {
				bench.tell(p)
				bench.tell(own)
				bench.Wake()
				bench.fakes[n/2].got = nil
			}
		})
	}
}

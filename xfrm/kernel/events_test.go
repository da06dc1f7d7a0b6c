package kernel

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/xfrm"
)

// event waits for the next event.
func (p place) event(t *testing.T) xfrm.Event {
	t.Helper()
	select {
	case e, ok := <-p.Events():
		if !ok {
			t.Fatal("the events have ended")
		}
		return e
	case <-time.After(netns.Patience(5 * time.Second)):
		t.Fatal("no event")
	}
	return nil
}

// raise makes the kernel announce n acquires, as another IPsec program may ask
// it to. They have no if_id, so none of them is ours.
func (p place) raise(t *testing.T, n int) {
	t.Helper()
	sample := acquire(0)
	p.sas.mu.Lock()
	defer p.sas.mu.Unlock()
	must(t, p.sas.batch(t.Context(), n, func(b []byte, _ int, flags uint16, seq uint32) []byte {
		return appendMessage(b, msgAcquire, flags, seq, func(b []byte) []byte { return append(b, sample...) })
	}, func(_ int, refusal error) { t.Error(refusal) }))
}

// When the kernel's buffer runs over, that is told, and the events go on.
func TestLostEventsAreTold(t *testing.T) {
	p := newPlace(t)
	raw, err := p.listener.file.SyscallConn()
	must(t, err)
	shrink := func(bytes int) {
		var failed error
		must(t, raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes)
		}))
		must(t, failed)
	}
	for range 3 { // not only once
		shrink(1)
		p.raise(t, 200)
		if e := p.event(t); e != (xfrm.Lost{}) {
			t.Fatalf("got %+v, want Lost", e)
		}
		shrink(eventBuffer)
		for empty := false; !empty; { // more of the same overflow
			select {
			case e := <-p.Events():
				if e != (xfrm.Lost{}) {
					t.Fatalf("got %+v, want Lost", e)
				}
			case <-time.After(50 * time.Millisecond):
				empty = true
			}
		}
	}
}

// The buffer takes thousands of events while nobody reads.
func TestABurstIsNotLost(t *testing.T) {
	p := newPlace(t)
	p.raise(t, 4000)
	select {
	case e := <-p.Events():
		t.Errorf("got %+v", e)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestEventsOfATunnel(t *testing.T) {
	needESP(t)
	u := newTunnel(t)
	u.ping(t, 1)

	must(t, u.a.DropSA(t.Context(), u.out.SPI, u.out.Dst))
	lost := netns.Ping{From: netip.MustParseAddr("10.1.0.1"), To: netip.MustParseAddr("10.2.0.1"), Timeout: 100 * time.Millisecond}
	_, _ = u.a.Ping(t.Context(), lost)
	host := xfrm.Selector{Local: netip.MustParsePrefix("10.1.0.1/32"), Remote: netip.MustParsePrefix("10.2.0.1/32")}
	if e := u.a.event(t); e != (xfrm.Acquire{ReqID: 4711, IfID: gateway, Packet: host}) {
		t.Errorf("without an SA: %+v", e)
	}
	u.a.wantSAs(t, u.back) // the kernel's larval SA is none

	u.out.SPI += 0x100 // with the old one the peer would take the packets for replays
	must(t, u.b.PutSA(t.Context(), mirrored(u.out)))
	u.out.Soft.Bytes, u.out.Hard.Bytes = 300, 600
	must(t, u.a.PutSA(t.Context(), u.out))
	u.ping(t, 2)
	lost.Count, lost.Size = 10, 100
	_, _ = u.a.Ping(t.Context(), lost)
	for _, hard := range []bool{false, true} {
		if e := u.a.event(t); e != (xfrm.Expired{SPI: u.out.SPI, Dst: u.out.Dst, ReqID: 4711, Hard: hard}) {
			t.Errorf("at a limit: %+v", e)
		}
	}
}

// Another program's SA in this kernel reaches its limit: that is not for us.
func TestOthersEventsAreNotDelivered(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	p.ip(t, append(strings.Fields(othersSA), "limit", "time-hard", "1")...)
	ours := sampleSA()
	ours.Soft, ours.Hard = xfrm.Limit{Time: time.Second}, xfrm.Limit{Time: 3 * time.Second}
	must(t, p.PutSA(t.Context(), ours))
	for _, hard := range []bool{false, true} {
		if e := p.event(t); e != (xfrm.Expired{SPI: ours.SPI, Dst: ours.Dst, ReqID: ours.ReqID, Hard: hard}) {
			t.Errorf("got %+v", e)
		}
	}
	if shown := p.ip(t, "xfrm", "state"); strings.Contains(shown, "0xabc") {
		t.Errorf("the other's SA has not ended:\n%s", shown)
	}
}

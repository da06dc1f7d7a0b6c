package userspace

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// unconnected is A without its SA, and B with it.
func unconnected(t *testing.T) (a, b *end) {
	t.Helper()
	a, b = ends(t)
	sa := testSA(plain)
	check(t, a.DropSA(context.Background(), sa.SPI, sa.Dst))
	a.now = func() time.Time { return epoch }
	return a, b
}

func (e *end) connect(t *testing.T) {
	t.Helper()
	sa := testSA(plain)
	sa.Encap = xfrm.Encap{SrcPort: 4500, DstPort: 4500}
	check(t, e.PutSA(context.Background(), sa))
}

// arrived is what B makes of all that A has sent, by number; nothing of it may
// be anything but ESP of the SA.
func arrived(a, b *end) []int {
	for _, esp := range a.sent {
		b.take(esp, 0)
	}
	return numbers(b.dev.out)
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestWhatIsHeldIsSentInOrder(t *testing.T) {
	a, b := unconnected(t)
	for i := range 5 {
		a.send(between(i, 100))
	}
	if len(a.sent) > 0 || a.Counters() != (Counters{}) {
		t.Fatalf("%d packets left without an SA; %+v", len(a.sent), a.Counters())
	}
	a.connect(t)
	a.send(between(5, 100))
	if got := arrived(a, b); !slices.Equal(got, upTo(6)) {
		t.Errorf("came out %v", got)
	}
	if len(a.held.pairs) != 0 || a.held.total != 0 {
		t.Errorf("%d bytes are still held", a.held.total)
	}
}

// However many packets come for however many pairs, few are kept.
func TestLittleIsHeld(t *testing.T) {
	a, b := unconnected(t)
	for i := range 100 {
		a.send(between(i, 100))
	}
	if n := a.Counters().NoSA; n != 100-heldPackets {
		t.Errorf("%d of 100 packets were dropped", n)
	}
	a.connect(t)
	if got := arrived(a, b); !slices.Equal(got, upTo(heldPackets)) {
		t.Errorf("came out %v, want the first %d", got, heldPackets)
	}

	a, _ = unconnected(t)
	for i := range heldPackets {
		a.send(between(i, 40_000))
	}
	if n := a.Counters().NoSA; n != heldPackets-1 {
		t.Errorf("%d large packets were dropped", n)
	}

	var all []xfrm.Policy
	for i := range 1000 {
		remote := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), 32)
		all = append(all, xfrm.Policy{Sel: xfrm.Selector{Local: netA, Remote: remote}, ReqID: uint32(i + 1), IfID: testSA(plain).IfID, Action: xfrm.Protect})
	}
	check(t, a.SetPolicies(context.Background(), all))
	for i := range all {
		p := between(i, 30_000)
		p[18], p[19] = byte(i>>8), byte(i)
		setChecksum(p[:ipv4HeaderMin])
		a.send(p)
		a.send(p)
	}
	if a.held.total > heldTotal || a.held.total < heldTotal-40_000 {
		t.Errorf("%d bytes are held for 1000 pairs, want just under %d", a.held.total, heldTotal)
	}
	check(t, a.SetPolicies(context.Background(), nil))
	if a.held.total != 0 || len(a.held.pairs) != 0 || len(a.sent) != 0 {
		t.Errorf("%d bytes are held, %d packets sent, for policies that are gone", a.held.total, len(a.sent))
	}
}

// A packet that has waited too long is not sent, nor kept.
func TestHeldPacketsGrowOld(t *testing.T) {
	a, b := unconnected(t)
	a.send(between(0, 100))
	a.now = func() time.Time { return epoch.Add(heldTime) }
	a.connect(t)
	if got := arrived(a, b); len(got) > 0 || a.Counters().NoSA != 1 {
		t.Errorf("came out %v; %+v", got, a.Counters())
	}
	a, _ = unconnected(t)
	a.send(between(0, 100))
	if n := a.held.expire(epoch.Add(heldTime - 1)); n != 0 {
		t.Errorf("%d packets were dropped too early", n)
	}
	if n := a.held.expire(epoch.Add(heldTime)); n != 1 || a.held.total != 0 || len(a.held.pairs) != 0 {
		t.Errorf("%d packets were dropped, %d bytes are held", n, a.held.total)
	}
}

// What was held is held against the policies of the moment when it could leave.
func TestHeldPacketsMeetThePoliciesAgain(t *testing.T) {
	a, _ := unconnected(t)
	a.send(between(0, 100))
	stays := xfrm.Policy{Sel: xfrm.Selector{Local: netA, Remote: netB}, ReqID: 1, IfID: testSA(plain).IfID, Priority: 9, Action: xfrm.Protect}
	block := stays
	block.Priority, block.Action = 1, xfrm.Block
	check(t, a.SetPolicies(context.Background(), []xfrm.Policy{block, stays}))
	a.connect(t)
	if len(a.sent) > 0 || a.Counters().Blocked != 1 {
		t.Errorf("%d packets were sent against the policy; %+v", len(a.sent), a.Counters())
	}
}

// A device reads on while an SA comes and what was held leaves: nothing that
// was taken is lost, and nothing overtakes.
func TestNothingOvertakesWhatIsHeld(t *testing.T) {
	for range 200 {
		a, b := unconnected(t)
		a.wire = lockedWire{a, &sync.Mutex{}}
		a.box.boxUDP.wire = a.wire
		var reader sync.WaitGroup
		reader.Go(func() {
			for i := range 2 * heldPackets {
				a.send(between(i, 100))
			}
		})
		a.connect(t)
		reader.Wait()
		got := arrived(a, b)
		if len(got)+int(a.Counters().NoSA) != 2*heldPackets || got[0] != 0 || !slices.IsSorted(got) {
			t.Fatalf("came out %v; %+v", got, a.Counters())
		}
	}
}

// lockedWire is an end's wire for more than one sender.
type lockedWire struct {
	*end
	mu *sync.Mutex
}

func (w lockedWire) SendESP(local, remote netip.AddrPort, packet []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end.SendESP(local, remote, packet)
}

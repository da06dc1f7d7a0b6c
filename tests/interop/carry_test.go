package interop

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
)

// meeting is two gateways in a bed.
type meeting struct {
	bed          *netns.Bed
	ours, theirs side
}

// meet builds a bed and starts a gateway on each side.
func meet(t *testing.T, sites netns.Sites, ours, theirs startSide) *meeting {
	t.Helper()
	b := netns.ForTest(t, sites)
	return &meeting{b, open(t, b.Gateway, ours), open(t, b.Customer, theirs)}
}

// pings is how often each direction of each pair is tried.
const pings = 2

// run plays a scenario: the tunnel comes up, both ends agree on what stands,
// pings pass both ways through every pair, and nothing but ESP is seen outside.
func (m *meeting) run(t *testing.T, s scenario) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netns.Patience(30*time.Second))
	defer cancel()
	if err := m.theirs.load(ctx, s.mirror()); err != nil {
		t.Fatal(err)
	}
	if err := m.ours.load(ctx, s.tunnel); err != nil {
		t.Fatal(err)
	}
	capture, err := m.bed.Internet.Capture(append(m.bed.Sites.VPC.Networks(), m.bed.Sites.IDC.Networks()...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.comeUp(ctx, s); err != nil {
		t.Error(err)
	} else {
		m.agree(ctx, t, s)
		m.pingAll(ctx, t, s)
		m.counted(ctx, t, s)
	}
	m.seen(t, s, capture)
}

// comeUp has the end that begins bring the tunnel up.
func (m *meeting) comeUp(ctx context.Context, s scenario) error {
	from, as, host := m.ours, s.tunnel, m.bed.VPC
	if s.theirs {
		from, as, host = m.theirs, s.mirror(), m.bed.IDC
	}
	if !s.demand {
		return from.initiate(ctx, as)
	}
	vpc, idc := hostIn(m.bed.Sites.VPC, s.pairs[0].local), hostIn(m.bed.Sites.IDC, s.pairs[0].remote)
	ping := netns.Ping{From: vpc, To: idc, Timeout: netns.Patience(200 * time.Millisecond)}
	if s.theirs {
		ping.From, ping.To = idc, vpc
	}
	return netns.Until(ctx, func() error {
		_, err := host.Ping(ctx, ping)
		return err
	})
}

// agree compares what both ends say of the SAs.
func (m *meeting) agree(ctx context.Context, t *testing.T, s scenario) {
	t.Helper()
	ours, theirs := m.both(ctx, t, s, func(mine, others []child) error { return nil })
	for i := range ours {
		a, b := ours[i], partner(theirs, ours[i])
		if a.spiIn != b.spiOut || a.spiOut != b.spiIn {
			t.Errorf("SPIs differ: ours in %#x out %#x, theirs in %#x out %#x", a.spiIn, a.spiOut, b.spiIn, b.spiOut)
		}
		if a.proposal != s.esp || withoutGroup(b.proposal) != withoutGroup(s.esp) {
			t.Errorf("phase 2 agreed on %s, theirs says %s, want %s", a.proposal, b.proposal, s.esp)
		}
		if a.encap != b.encap {
			t.Errorf("UDP encapsulation: ours %v, theirs %v", a.encap, b.encap)
		}
	}
	for _, end := range []struct {
		who  side
		want session
	}{{m.ours, session{s.ike, !s.theirs}}, {m.theirs, session{s.ike, s.theirs}}} {
		if got, err := end.who.session(ctx); err != nil || got != end.want {
			t.Errorf("phase 1: %+v, %v; want %+v", got, err, end.want)
		}
	}
}

// partner is the same pair at the other end.
func partner(theirs []child, c child) child {
	for _, o := range theirs {
		if o.local == c.remote && o.remote == c.local {
			return o
		}
	}
	return child{}
}

// both waits until both ends have every pair, and what is asked of them. The
// responder has its SAs only when the initiator's last message has come.
func (m *meeting) both(ctx context.Context, t *testing.T, s scenario, content func(ours, theirs []child) error) (ours, theirs []child) {
	t.Helper()
	limit, cancel := context.WithTimeout(ctx, netns.Patience(4*time.Second))
	defer cancel()
	err := netns.Until(limit, func() (err error) {
		if ours, err = m.ours.children(ctx); err != nil {
			return err
		}
		if theirs, err = m.theirs.children(ctx); err != nil {
			return err
		}
		if len(ours) != len(s.pairs) || len(theirs) != len(s.pairs) {
			return fmt.Errorf("ours has %d pairs %v, theirs %d %v, want %d", len(ours), ours, len(theirs), theirs, len(s.pairs))
		}
		return content(ours, theirs)
	})
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// pingAll pings through every pair from both hosts.
func (m *meeting) pingAll(ctx context.Context, t *testing.T, s scenario) {
	t.Helper()
	for _, p := range s.pairs {
		vpc, idc := hostIn(m.bed.Sites.VPC, p.local), hostIn(m.bed.Sites.IDC, p.remote)
		if e, err := m.bed.VPC.Ping(ctx, netns.Ping{From: vpc, To: idc, Count: pings, Size: 56}); err != nil {
			t.Errorf("from the VPC: %v: %v", e, err)
		}
		if e, err := m.bed.IDC.Ping(ctx, netns.Ping{From: idc, To: vpc, Count: pings, Size: 1300}); err != nil {
			t.Errorf("from the IDC: %v: %v", e, err)
		}
	}
}

// counted waits until both ends have counted what passed: a ping and its
// answer, in each direction.
func (m *meeting) counted(ctx context.Context, t *testing.T, s scenario) {
	t.Helper()
	m.both(ctx, t, s, func(ours, theirs []child) error {
		for _, c := range append(ours, theirs...) {
			if c.packetsIn < 2*pings || c.packetsOut < 2*pings {
				return fmt.Errorf("%v has counted %d packets in and %d out, want %d of each", c.pair, c.packetsIn, c.packetsOut, 2*pings)
			}
		}
		return nil
	})
}

// seen tells what passed outside: nothing in clear, and two packets of ESP for
// each ping.
func (m *meeting) seen(t *testing.T, s scenario, capture *netns.Capture) {
	t.Helper()
	tally, err := capture.Stop()
	if err != nil {
		t.Error(err)
	}
	if tally.Clear > 0 {
		t.Errorf("%d packets in clear text outside: %v", tally.Clear, capture.Frames(netns.Clear))
	}
	if want := 4 * pings * len(s.pairs); tally.Protected() < want && !t.Failed() {
		t.Errorf("seen outside: %v; want at least %d of ESP", tally, want)
	}
	if !s.translated() && kernelESP() && tally.ESPinUDP > 0 {
		t.Errorf("seen outside: %v; there is no translator, so ESP needs no UDP", tally)
	}
	if s.translated() && tally.ESP > 0 {
		t.Errorf("seen outside: %v; a translator does not let ESP without UDP pass", tally)
	}
}

// hostIn is the address that a site's host has in a network.
func hostIn(s netns.Site, network netip.Prefix) netip.Addr {
	for _, h := range s.Hosts {
		if h.Masked() == network {
			return h.Addr()
		}
	}
	return netip.Addr{}
}

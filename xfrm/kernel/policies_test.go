package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/xfrm"
)

func sorted(all []xfrm.Policy) []xfrm.Policy {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b xfrm.Policy) int {
		return cmp.Or(cmp.Compare(a.Sel.String(), b.Sel.String()), cmp.Compare(a.IfID, b.IfID))
	})
	return all
}

func (p place) wantPolicies(t *testing.T, want ...xfrm.Policy) {
	t.Helper()
	s, err := p.Dump(t.Context())
	must(t, err)
	if got := sorted(s.Policies); !slices.Equal(got, sorted(want)) {
		t.Fatalf("policies\n got %+v\nwant %+v", got, sorted(want))
	}
}

// Every kind of policy comes back as it was set, in both families inside and
// outside, and goes again.
func TestPoliciesBecomeWhatIsWanted(t *testing.T) {
	p := newPlace(t)
	six := samplePolicy()
	six.Sel = xfrm.Selector{Local: netip.MustParsePrefix("2001:db8::/32"), Remote: netip.MustParsePrefix("::/0")}
	six.ReqID = 4712
	outside6 := samplePolicy()
	outside6.Sel.Remote = netip.MustParsePrefix("10.3.0.0/16")
	outside6.TunnelLocal, outside6.TunnelRemote = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	block := xfrm.Policy{Sel: six.Sel, IfID: gateway + 1, Priority: 1<<32 - 1, Action: xfrm.Block}
	changed := samplePolicy()
	changed.Priority, changed.TunnelRemote = 7, netip.MustParseAddr("192.0.2.77")
	for _, want := range [][]xfrm.Policy{
		{samplePolicy(), six, outside6, block},
		{samplePolicy(), six, outside6, block},
		{changed, six},
		{block, samplePolicy()},
		{},
	} {
		must(t, p.SetPolicies(t.Context(), want))
		p.wantPolicies(t, want...)
	}
}

func TestPoliciesAsIPShowsThem(t *testing.T) {
	p := newPlace(t)
	block := xfrm.Policy{
		Sel:  xfrm.Selector{Local: netip.MustParsePrefix("fd00::/8"), Remote: netip.MustParsePrefix("2001:db8::/32")},
		IfID: gateway, Priority: 900, Action: xfrm.Block,
	}
	must(t, p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy(), block}))
	shown := strings.Join(strings.Fields(p.ip(t, "xfrm", "policy")), " ")
	shown = strings.ReplaceAll(shown, " ptype main", "")
	there := "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 4711 mode tunnel"
	back := "tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 4711 mode tunnel"
	for _, want := range []string{
		"src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 100 " + there + " if_id 0x54570001",
		"src 10.2.0.0/16 dst 10.1.0.0/16 dir in priority 100 " + back + " if_id 0x54570001",
		"src 10.2.0.0/16 dst 10.1.0.0/16 dir fwd priority 100 " + back + " if_id 0x54570001",
		"src fd00::/8 dst 2001:db8::/32 dir out action block priority 900 if_id 0x54570001",
		"src 2001:db8::/32 dst fd00::/8 dir in action block priority 900 if_id 0x54570001",
		"src 2001:db8::/32 dst fd00::/8 dir fwd action block priority 900 if_id 0x54570001",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("ip does not show %q in\n%s", want, shown)
		}
	}
	if n := strings.Count(shown, "dir "); n != 6 {
		t.Errorf("ip shows %d policies, want 6", n)
	}
}

// count tells how many policies the kernel holds.
func (p place) count(t *testing.T) (n int) {
	t.Helper()
	must(t, p.policies.dump(t.Context(), msgGetPolicy, func(b []byte) []byte { return appendZeros(b, sizePolicyID) },
		func(message) error {
			n++
			return nil
		}))
	return n
}

// watch counts the changes of policies that the kernel announces while f runs.
func (p place) watch(t *testing.T, f func()) (changes int) {
	t.Helper()
	const groupPolicy = 4 // XFRMNLGRP_POLICY
	var fd int
	must(t, p.Do(func() (err error) {
		fd, err = socket()
		return err
	}))
	defer unix.Close(fd)
	must(t, unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, groupPolicy))
	must(t, unix.SetNonblock(fd, true))
	f()
	for buf := make([]byte, 4096); ; changes++ {
		if _, err := unix.Read(fd, buf); errors.Is(err, unix.EAGAIN) {
			return changes
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A reload that changes one policy of many and drops another touches only
// these, in each direction.
func TestUnchangedPoliciesAreNotTouched(t *testing.T) {
	p := newPlace(t)
	want := manyPolicies(500)
	must(t, p.SetPolicies(t.Context(), want))
	if n := p.count(t); n != 1500 {
		t.Fatalf("%d policies, want 1500", n)
	}
	want[77].Priority++
	want = append(want[:100], want[101:]...)
	n := p.watch(t, func() { must(t, p.SetPolicies(t.Context(), want)) })
	if n != 6 {
		t.Errorf("%d changes, want 6", n)
	}
	if n := p.watch(t, func() { must(t, p.SetPolicies(t.Context(), want)) }); n != 0 {
		t.Errorf("the same again made %d changes", n)
	}
	p.wantPolicies(t, want...)
}

func TestOthersPoliciesStay(t *testing.T) {
	p := newPlace(t)
	foreign := []string{"src 10.1.0.0/16 dst 10.2.0.0/16 dir out", "src 10.9.0.0/16 dst 10.8.0.0/16 dir fwd", "src fd00::/64 dst fd01::/64 dir in"}
	ids := [][]string{{}, {"if_id", "7"}, {"if_id", "0x54580001"}}
	for i, sel := range foreign {
		args := append([]string{"xfrm", "policy", "add"}, strings.Fields(sel)...)
		p.ip(t, append(args, ids[i]...)...)
	}
	must(t, p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy()}))
	p.wantPolicies(t, samplePolicy())
	must(t, p.SetPolicies(t.Context(), nil))
	shown := p.ip(t, "xfrm", "policy")
	for _, sel := range foreign {
		words := strings.Fields(sel)
		if !strings.Contains(shown, words[1]) {
			t.Errorf("%q is gone:\n%s", sel, shown)
		}
	}
	if n := strings.Count(shown, "dir "); n != len(foreign) {
		t.Errorf("%d policies are left, want %d:\n%s", n, len(foreign), shown)
	}
}

// Whatever carries our if_id and is not wanted goes, also when it is of no kind
// that we make.
func TestStraysOfOursGo(t *testing.T) {
	p := newPlace(t)
	for _, stray := range []string{
		"src 10.1.0.0/16 dst 10.2.0.0/16 proto udp dport 53 dir out if_id 0x54570001",
		"src 10.3.0.0/16 dst 10.2.0.0/16 dir in if_id 0x54570009",
		"src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 3 if_id 0x54570001", // ours but for the template
	} {
		p.ip(t, append([]string{"xfrm", "policy", "add"}, strings.Fields(stray)...)...)
	}
	p.wantPolicies(t)
	must(t, p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy()}))
	p.wantPolicies(t, samplePolicy())
	if n := p.count(t); n != 3 {
		t.Errorf("%d policies, want 3:\n%s", n, p.ip(t, "xfrm", "policy"))
	}
}

// A direction that somebody deleted is missed by Dump and mended by SetPolicies.
func TestHalfAPolicyIsMended(t *testing.T) {
	p := newPlace(t)
	must(t, p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy()}))
	p.ip(t, strings.Fields("xfrm policy delete src 10.2.0.0/16 dst 10.1.0.0/16 dir fwd if_id 0x54570001")...)
	p.wantPolicies(t)
	must(t, p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy()}))
	p.wantPolicies(t, samplePolicy())
}

func TestImpossiblePoliciesAreRefused(t *testing.T) {
	p := newPlace(t)
	for name, spoil := range map[string]func(p *xfrm.Policy){
		"foreign if_id":     func(p *xfrm.Policy) { p.IfID = 7 },
		"the probe's if_id": func(p *xfrm.Policy) { p.IfID = xfrm.Ours },
		"no selector":       func(p *xfrm.Policy) { p.Sel = xfrm.Selector{} },
		"two families":      func(p *xfrm.Policy) { p.Sel.Local = netip.MustParsePrefix("fd00::/8") },
		"no tunnel":         func(p *xfrm.Policy) { p.TunnelRemote = netip.Addr{} },
		"mapped tunnel":     func(p *xfrm.Policy) { p.TunnelRemote = netip.MustParseAddr("::ffff:192.0.2.2") },
		"no action":         func(p *xfrm.Policy) { p.Action = 0 },
		"negative priority": func(p *xfrm.Policy) { p.Priority = -1 },
	} {
		bad := samplePolicy()
		spoil(&bad)
		if err := p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy(), bad}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	twin := samplePolicy()
	twin.ReqID++
	err := p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy(), twin})
	if err == nil || !strings.Contains(err.Error(), "10.1.0.0/16 <-> 10.2.0.0/16") {
		t.Errorf("two policies with one selector: %v", err)
	}
	p.wantPolicies(t) // nothing of any of these lists
	must(t, p.SetPolicies(t.Context(), []xfrm.Policy{samplePolicy(), samplePolicy()}))
	p.wantPolicies(t, samplePolicy())
}

// One request that the kernel refuses, in the middle of a batch, is named with
// the kernel's words; the others are in, and nothing was deleted.
func TestARefusalNamesThePolicy(t *testing.T) {
	p := newPlace(t)
	old := samplePolicy()
	old.Sel.Local = netip.MustParsePrefix("10.99.0.0/16")
	must(t, p.SetPolicies(t.Context(), []xfrm.Policy{old}))
	var all []*rule
	for _, want := range manyPolicies(100) {
		out := rules(want)[0]
		all = append(all, &out)
	}
	all[50].info[atDir] = 9 // what our own checks would not let through
	err := p.applyRules(t.Context(), msgUpdPolicy, "add", all, (*rule).appendUpdate)
	want := fmt.Sprintf("add policy 10.1.0.0/16 -> %v (direction 9, if_id 0x54570001): invalid argument", manyPolicies(51)[50].Sel.Remote)
	if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, unix.EINVAL) {
		t.Errorf("got  %v\nwant %v", err, want)
	}
	if n := p.count(t); n != 99+3 {
		t.Errorf("%d policies, want 99 of the new and 3 of the old", n)
	}
}

func TestAnEndedContextStopsBetweenBatches(t *testing.T) {
	p := newPlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.SetPolicies(ctx, manyPolicies(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	must(t, p.SetPolicies(t.Context(), manyPolicies(3))) // and the next call is not led astray
	p.wantPolicies(t, manyPolicies(3)...)
}

func TestManyPolicies(t *testing.T) {
	p := newPlace(t)
	n := 3000 // to delete one the kernel walks through all of the same if_id
	if testing.Short() || netns.InVM() {
		n = 500
	}
	want := manyPolicies(n)
	must(t, p.SetPolicies(t.Context(), want))
	p.wantPolicies(t, want...)
	must(t, p.SetPolicies(t.Context(), want[:1]))
	p.wantPolicies(t, want[0])
}

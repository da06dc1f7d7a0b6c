package kernel

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twinspan/twinspan/tests/netns"
	"github.com/twinspan/twinspan/xfrm"
)

const gateway = xfrm.Ours | 1

func sampleSA() xfrm.SA {
	return xfrm.SA{
		Dir: xfrm.In, SPI: 0xc0ffee01, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"),
		Encap: xfrm.Encap{SrcPort: 61000, DstPort: 4500}, ReqID: 4711, IfID: gateway,
		Suite:  xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA256},
		EncKey: xfrm.NewSecret(bytes.Repeat([]byte{0xee}, 32)), AuthKey: xfrm.NewSecret(bytes.Repeat([]byte{0xaa}, 32)),
		Soft: xfrm.Limit{Bytes: 1000, Time: 50 * time.Minute}, Hard: xfrm.Limit{Bytes: 2000, Time: time.Hour},
	}
}

func sampleSA6() xfrm.SA {
	sa := sampleSA()
	sa.Src, sa.Dst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	sa.Encap = xfrm.Encap{}
	return sa
}

func samplePolicy() xfrm.Policy {
	return xfrm.Policy{
		Sel:         xfrm.Selector{Local: netip.MustParsePrefix("10.1.0.0/16"), Remote: netip.MustParsePrefix("10.2.0.0/16")},
		TunnelLocal: netip.MustParseAddr("192.0.2.1"), TunnelRemote: netip.MustParseAddr("192.0.2.2"),
		ReqID: 4711, IfID: gateway, Priority: 100, Action: xfrm.Protect,
	}
}

// manyPolicies are n policies of different selectors, as a large gateway has.
func manyPolicies(n int) []xfrm.Policy {
	all := make([]xfrm.Policy, n)
	for i := range all {
		all[i] = samplePolicy()
		all[i].ReqID = uint32(i + 1)
		all[i].Sel.Remote = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i>>16), byte(i >> 8), byte(i)}), 32)
	}
	return all
}

// manyTunnels are the policies of so many tunnels, each with its own peer, local
// networks and pairs of one of those with each of the peer networks.
func manyTunnels(tunnels, locals, peers int) (all []xfrm.Policy) {
	for i := range tunnels * locals {
		for k := range peers {
			p := samplePolicy()
			p.TunnelRemote = netip.AddrFrom4([4]byte{198, 51, 100, byte(i/locals + 1)})
			p.ReqID = uint32(i*peers + k + 1)
			p.Sel.Local = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / locals), byte(i % locals), 0}), 24)
			p.Sel.Remote = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(k), 0}), 24)
			all = append(all, p)
		}
	}
	return all
}

// bare is an SA as Dump returns it.
func bare(sa xfrm.SA) xfrm.SA {
	sa.EncKey, sa.AuthKey = xfrm.Secret{}, xfrm.Secret{}
	return sa
}

// place is a network namespace of the test's own with a backend in it.
type place struct {
	*netns.Space
	*Backend
}

func newPlace(t testing.TB) place {
	t.Helper()
	netns.NeedRoot(t)
	space, err := netns.New("kernel-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, space.Close()) })
	var b *Backend
	must(t, space.Do(func() (err error) {
		b, err = New()
		return err
	}))
	t.Cleanup(func() { must(t, b.Close()) })
	return place{space, b}
}

// ip runs the ip program inside: the oracle.
func (p place) ip(t testing.TB, args ...string) string {
	t.Helper()
	out, err := p.Run(t.Context(), "ip", args...)
	if err != nil {
		t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
	return out
}

// needESP skips where the kernel has no ESP, and fails where it should.
func needESP(t testing.TB) {
	t.Helper()
	netns.NeedRoot(t)
	f, err := Probe()
	if err != nil {
		t.Fatal(err)
	}
	if f.ESP && f.Interfaces && len(f.Missing) == 0 {
		return
	}
	if netns.InVM() {
		t.Fatalf("the virtual machine lacks: %v", f.Missing)
	}
	t.Skipf("needs a kernel with ESP (tests/vm/run has one): %v", f.Missing)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// key is a secret of n bytes that depends on seed.
func key(seed, n int) xfrm.Secret {
	return xfrm.NewSecret(bytes.Repeat([]byte{byte(seed)}, n))
}

func hexOf(s xfrm.Secret) string { return fmt.Sprintf("0x%x", s.Open()) }

package kernel

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// The specification's largest region has 10 000 selector pairs, which are
// 30 000 policies of the kernel: 20 tunnels of 10 policies with 50 peer networks.
var crowds = []struct {
	name string
	want func() []xfrm.Policy
}{
	{"pairs=100", func() []xfrm.Policy { return manyPolicies(100) }},
	{"pairs=1000", func() []xfrm.Policy { return manyPolicies(1000) }},
	{"pairs=10000", func() []xfrm.Policy { return manyPolicies(10000) }},
	{"20-tunnels-of-500", func() []xfrm.Policy { return manyTunnels(20, 10, 50) }},
}

// BenchmarkSetPolicies installs the policies of a crowd, once by
// SetPolicies and once the usual way, one message and one acknowledgement after
// the other, in turns in the same run. "ratio" is the first time through the
// second by the clock, "cpu-ratio" by the processor's time of this thread, in
// which the kernel does the work: on a busy machine only that one says much.
func BenchmarkSetPolicies(b *testing.B) {
	for _, c := range crowds {
		b.Run(c.name, func(b *testing.B) { benchmarkSet(b, c.want()) })
	}
}

func benchmarkSet(b *testing.B, want []xfrm.Policy) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	single := libraryPolicies(want)
	var ours, library spent
	for b.Loop() {
		p := newPlace(b)
		ours.add(b, func() error { return p.SetPolicies(b.Context(), want) })
		inLibrary(b, single, &library)
	}
	each := float64(b.N) * float64(len(single))
	b.ReportMetric(each/ours.clock.Seconds(), "policies/s")
	b.ReportMetric(ours.cpu.Seconds()*1e6/each, "cpu-us/policy")
	b.ReportMetric(library.cpu.Seconds()*1e6/each, "library-cpu-us/policy")
	b.ReportMetric(ours.clock.Seconds()/library.clock.Seconds(), "ratio")
	b.ReportMetric(ours.cpu.Seconds()/library.cpu.Seconds(), "cpu-ratio")
	b.ReportMetric(0, "ns/op")
}

// inLibrary times vishvananda/netlink with a Handle, its quickest way.
func inLibrary(b *testing.B, all []netlink.XfrmPolicy, time *spent) {
	p := newPlace(b)
	var h *netlink.Handle
	must(b, p.Do(func() (err error) {
		h, err = netlink.NewHandle(unix.NETLINK_XFRM)
		return err
	}))
	defer h.Close()
	time.add(b, func() error {
		for i := range all {
			if err := h.XfrmPolicyAdd(&all[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// spent is time by the clock and by the processor, of one thread.
type spent struct{ clock, cpu time.Duration }

func (s *spent) add(b *testing.B, f func() error) {
	start, before := time.Now(), threadTime(b)
	must(b, f())
	s.clock += time.Since(start)
	s.cpu += threadTime(b) - before
}

func threadTime(b *testing.B) time.Duration {
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_THREAD, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// libraryPolicies says the same policies in the library's words.
func libraryPolicies(want []xfrm.Policy) (all []netlink.XfrmPolicy) {
	ipNet := func(p netip.Prefix) *net.IPNet {
		return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
	}
	for _, p := range want {
		for _, dir := range []netlink.Dir{netlink.XFRM_DIR_OUT, netlink.XFRM_DIR_IN, netlink.XFRM_DIR_FWD} {
			src, dst, local, remote := p.Sel.Local, p.Sel.Remote, p.TunnelLocal, p.TunnelRemote
			if dir != netlink.XFRM_DIR_OUT {
				src, dst, local, remote = dst, src, remote, local
			}
			all = append(all, netlink.XfrmPolicy{
				Src: ipNet(src), Dst: ipNet(dst), Dir: dir, Priority: p.Priority, Ifid: int(p.IfID),
				Tmpls: []netlink.XfrmPolicyTmpl{{
					Src: local.AsSlice(), Dst: remote.AsSlice(), Proto: netlink.XFRM_PROTO_ESP,
					Mode: netlink.XFRM_MODE_TUNNEL, Reqid: int(p.ReqID),
				}},
			})
		}
	}
	return all
}

// BenchmarkReload is a SetPolicies that changes one policy of 10 000.
func BenchmarkReload(b *testing.B) {
	p := newPlace(b)
	want := manyPolicies(10000)
	must(b, p.SetPolicies(b.Context(), want))
	for b.Loop() {
		want[5000].Priority++
		must(b, p.SetPolicies(b.Context(), want))
	}
}

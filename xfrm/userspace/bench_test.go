package userspace

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// BenchmarkSealOpen seals and opens one inner packet of 1400 bytes, with all
// that an SA does beside: limits, sequence numbers, replay window, counters.
// cpu-s/Gbit is processor time for one gigabit of inner packets, both ends.
func BenchmarkSealOpen(b *testing.B) {
	for _, s := range suites() {
		b.Run(s.String(), func(b *testing.B) {
			const n = 1400
			w := newLoop(b, s)
			buf := make([]byte, headroom+packetMax+tailroom)
			packet := testPacket(false, n)
			h, _ := readInner(packet)
			now := time.Unix(0, 0)
			b.SetBytes(n)
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				copy(buf[headroom:], packet)
				esp, _, _ := w.out.seal(buf, h, now)
				if _, _, _, ok := w.in.open(&w.count, arrival{esp: esp}, false, now); !ok {
					b.Fatalf("not opened: %+v", w.in.used)
				}
			}
			perGbit(b, cpuTime(b)-before, n)
		})
	}
}

// BenchmarkFind looks for the policies of packets at random among ten thousand
// pairs, the most that a configuration may have.
func BenchmarkFind(b *testing.B) {
	const pairs = 10000
	var rules []*rule
	var flows []flow
	for i := range pairs {
		local := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
		remote := netip.AddrFrom4([4]byte{172, byte(i >> 8), byte(i), 0})
		rules = append(rules, &rule{rank: rank{100, i}, Policy: xfrm.Policy{
			Sel: xfrm.Selector{Local: netip.PrefixFrom(local, 24), Remote: netip.PrefixFrom(remote, 24)},
		}})
		flows = append(flows, flow{addrOf(local), addrOf(remote)})
	}
	t := newTable(rules)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if i = (i + 7919) % pairs; t.find(flows[i], false) != rules[i] {
			b.Fatal("not found")
		}
	}
}

// cpuTime is the processor time that this process has used, in the kernel too.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func perGbit(b *testing.B, used time.Duration, n int) {
	gbit := float64(b.N) * float64(n) * 8 / 1e9
	b.ReportMetric(used.Seconds()/gbit, "cpu-s/Gbit")
}

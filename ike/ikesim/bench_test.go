package ikesim

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/ike"
)

// processTime is the processor time of all threads of this process.
func processTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// BenchmarkHandshake measures what main mode and one quick mode cost the
// responder in processor time: its Steps and its Computes, nothing of the
// initiator nor of the make-believe network. charon needs 3.9 to 4.5 ms for
// modp2048 with OpenSSL, 8.3 ms by default.
func BenchmarkHandshake(b *testing.B) {
	for _, tc := range []struct {
		name       string
		group, pfs ike.Group
	}{
		{"modp1024", 2, 0},
		{"modp1536", 5, 0},
		{"modp2048", 14, 0},
		{"modp2048+PFS", 14, 14},
		{"curve25519", 31, 0},
	} {
		b.Run(tc.name, func(b *testing.B) {
			w, here, there := two(b)
			w.Quiet, w.CPU = true, processTime
			start(here, there, 1, func(p, q *ike.Peer) {
				for _, p := range []*ike.Peer{p, q} {
					p.Start = ike.Passive
					p.Proposals = []ike.Proposal{{Cipher: FastIKE.Cipher, KeyBits: 128, Hash: FastIKE.Hash, Group: tc.group}}
					WithPFS(p, tc.pfs)
				}
			})
			var spent Spent
			for b.Loop() {
				before := there.Spent
				here.Step(ike.Initiate{Tunnel: gz})
				if !w.RunUntil(time.Second, func() bool { return there.Engine.Status()[0].State == ike.Up }) {
					b.Fatal("the tunnel does not come up")
				}
				spent.Steps += there.Spent.Steps - before.Steps
				spent.Computes += there.Spent.Computes - before.Computes
				here.Step(ike.Close{Tunnel: gz})
				w.Run(time.Second)
				here.Reports, there.Reports = nil, nil
			}
			perHandshake := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(b.N) }
			b.ReportMetric(float64(b.N)/(spent.Steps+spent.Computes).Seconds(), "hs/s")
			b.ReportMetric(perHandshake(spent.Steps+spent.Computes), "ms/hs")
			b.ReportMetric(perHandshake(spent.Steps), "loop-ms/hs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkTenThousandTunnels brings 10 000 tunnels up at once in modp2048. It
// reports the processor seconds of each side and the memory of a tunnel that is
// up: its engine's part, configuration included.
func BenchmarkTenThousandTunnels(b *testing.B) {
	const n = 10000
	for b.Loop() {
		before := inUse()
		w, here, there := crowd(b, n, 14)
		w.Run(n * 5 * time.Millisecond)
		for _, s := range there.Engine.Status() {
			if s.State != ike.Up {
				b.Fatalf("%s is %v, fault %v", s.Tunnel, s.State, s.Fault)
			}
		}
		w.WantDatagrams(nine * n)
		w.Run(2 * time.Minute) // finished exchanges are forgotten
		b.ReportMetric((here.Spent.Steps + here.Spent.Computes).Seconds(), "initiator-s")
		b.ReportMetric((there.Spent.Steps + there.Spent.Computes).Seconds(), "responder-s")
		for _, h := range w.hosts {
			h.Plane, h.Reports, h.peers = nil, nil, nil
		}
		w.trace, w.todo, w.route = nil, events{}, nil
		b.ReportMetric(float64(inUse()-before)/(2*n*1024), "KiB/tunnel")
		runtime.KeepAlive(w)
	}
}

// inUse is what is in use after a collection, in bytes.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

package netio

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"testing"
)

// resident is how much memory this process has.
func resident(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// raced tells whether this program has the race detector in it.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// A flood of datagrams up to the largest leaves the process as small as it was,
// nearly: what they were read into is bounded, and what was made of them is
// garbage that the collector sees in time.
func TestAFloodTakesLittleMemory(t *testing.T) {
	if raced() {
		t.Skip("the race detector takes memory of its own")
	}
	const flood, most = 30_000, 12 << 20 // of which the collector takes 4 before it begins
	ours, peer := wire(t)
	s := open(t, ours, Options{})
	go func() {
		for range s.Packets() {
		}
	}()
	go func() { _ = s.Serve(t.Context(), func(_, _ netip.AddrPort, _ []byte) {}) }()
	c := other(t, peer, "192.0.2.9:4500")
	junk := bytes.Repeat([]byte{0xee}, 60<<10)
	marked := append(make([]byte, markerSize), junk...)
	chance := rand.New(rand.NewPCG(1, 2))
	before, peak := resident(t), 0
	for i := range flood {
		n := 1<<10 + chance.IntN(59<<10)
		to, data := "192.0.2.1:500", junk[:n]
		switch i % 3 {
		case 1:
			to = "192.0.2.1:4500" // ESP
		case 2:
			to, data = "192.0.2.1:4500", marked[:n] // IKE
		}
		_, _ = c.WriteToUDPAddrPort(data, ap(to))
		if i%1000 == 0 {
			peak = max(peak, resident(t))
		}
	}
	after := resident(t)
	t.Logf("%.1f MB before, at most %.1f MB, %.1f MB after; %+v", mb(before), mb(peak), mb(after), s.Counters())
	if after-before > most || peak-before > 2*most {
		t.Errorf("a flood of %d datagrams made %.1f MB of %.1f MB, at most %.1f MB", flood, mb(after), mb(before), mb(peak))
	}
}

func mb(n int) float64 { return float64(n) / (1 << 20) }

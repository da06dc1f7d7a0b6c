package main

import (
	"bytes"
	"strings"
	"testing"
)

const output = `goos: linux
pkg: github.com/twinspan/twinspan/ike/ikesim
BenchmarkHandshake/modp2048+PFS-2     	     482	      1050 hs/s	         0.06947 loop-ms/hs	         0.9524 ms/hs
BenchmarkDH/GROUP14/Pair-2   	    2550	    442407 ns/op	       442.4 us/pair
BenchmarkTenThousandTunnels-2	1	16 responder-s	4.98 KiB/tunnel
PASS
`

func TestFiguresStandBesideTheirGoals(t *testing.T) {
	f := figures{}
	f.read([]byte(output))
	var b bytes.Buffer
	print(&b, f)
	for _, want := range []string{
		"0.9524", "<= 2.05 ms/hs", "442.4", "<= 540 us/pair", "1050",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	if met, missed := strings.Count(b.String(), "met"), strings.Count(b.String(), "missed"); met != 3 || missed != 1 {
		t.Errorf("%d goals met and %d missed instead of 3 and 1:\n%s", met, missed, &b)
	}
	if n := len(f.missing()); n != len(goals)-5 {
		t.Errorf("%d figures are missing: %v", n, f.missing())
	}
}

// The pattern that go test gets names every level of the benchmarks and quotes
// what regular expressions mean otherwise.
func TestPatterns(t *testing.T) {
	if got, want := pattern("./xfrm/userspace"), `^BenchmarkSealOpen$|^BenchmarkSealOpen$|^BenchmarkTunnel$/^aes128-sha1$|^aes128-sha1$|^aes128-sha1$`; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	if got := pattern("./ike/ikesim"); !strings.Contains(got, `^modp2048\+PFS$`) {
		t.Error(got)
	}
}

package netcfg

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// many are n pairs of both families over twenty devices.
func many(n int) []Guard {
	list := make([]Guard, 0, n)
	for i := range n {
		g := Guard{
			Local:  netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i / 50), 0}), 24),
			Remote: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i % 50), byte(i / 50), 0}), 24),
			Device: fmt.Sprintf("twin%04x", i%20),
		}
		if i%2 == 1 {
			g.Local = netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 1: byte(i / 50)}), 64)
			g.Remote = netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 1: byte(i / 50), 2: 0xff, 3: byte(i % 50)}), 64)
		}
		list = append(list, g)
	}
	return list
}

// TestTenThousandGuards is the most that the spec's quotas allow: 20 tunnels of
// 10 local networks with 50 peer networks each.
func TestTenThousandGuards(t *testing.T) {
	b := newBed(t)
	list := append(many(10_000), guards()...)
	took := func(what string, list []Guard) {
		start := time.Now()
		b.guard(t, list)
		t.Logf("%s: %v", what, time.Since(start).Round(time.Millisecond))
	}
	took("first", list)
	took("the same again", list)
	took("one more", append(list, Guard{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), device}))
	b.try(t, b.packets(false)[:8], true)
}

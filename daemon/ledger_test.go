package daemon

import (
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

func TestLedgerIsMonotonic(t *testing.T) {
	l := newLedger()
	here, there := netip.MustParseAddr("203.195.147.82"), netip.MustParseAddr("202.108.22.5")
	in := xfrm.SA{Dir: xfrm.In, SPI: 1000, Dst: here}
	out := xfrm.SA{Dir: xfrm.Out, SPI: 2000, Dst: there}
	l.put(in, account{tunnel: "a"}, start)
	l.put(out, account{tunnel: "a"}, start)
	l.update(start, map[xfrm.SAID]xfrm.Usage{
		in.ID():             {Packets: 3, Bytes: 300, ReplayErrors: 1},
		out.ID():            {Packets: 5, Bytes: 500},
		{SPI: 7, Dst: here}: {Packets: 1 << 40}, // somebody's that we do not know
	})
	want := api.Traffic{PacketsIn: 3, BytesIn: 300, PacketsOut: 5, BytesOut: 500, ReplayErrors: 1}
	check := func(when string) {
		t.Helper()
		if got := l.traffic()["a"]; got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	check("in use")
	l.drop(in.ID())
	l.drop(in.ID())
	check("one gone")
	l.update(start, map[xfrm.SAID]xfrm.Usage{out.ID(): {Packets: 1, Bytes: 100}}) // it counts anew
	want.PacketsOut, want.BytesOut = 6, 600
	check("another one of the same name")
	l.put(out, account{tunnel: "a"}, start)
	check("put again")
	l.update(start, map[xfrm.SAID]xfrm.Usage{out.ID(): {Packets: 2, Bytes: 200}})
	want.PacketsOut, want.BytesOut = 7, 700
	check("used after it was put again")
	if lost := l.missing(map[xfrm.SAID]bool{}); len(lost) != 1 || lost[0].SPI != out.SPI || !lost[0].Hard {
		t.Errorf("missing %+v", lost)
	}
	l.forget(func(name string) bool { return name != "a" })
	if len(l.gone) != 0 {
		t.Error("a tunnel that is no more is still counted")
	}
}

func TestLedgerTellsUseOnce(t *testing.T) {
	l := newLedger()
	sa := xfrm.SA{Dir: xfrm.In, SPI: 1000, Dst: netip.MustParseAddr("203.195.147.82")}
	l.put(sa, account{tunnel: "a"}, start)
	if !l.waiting() || len(l.active()) != 0 {
		t.Error("an inbound SA waits for its first use")
	}
	l.update(start, map[xfrm.SAID]xfrm.Usage{sa.ID(): {Packets: 1}})
	if u := l.active(); len(u) != 1 || u[0] != (ike.Used{SPI: 1000}) {
		t.Errorf("active %v", u)
	}
	if l.waiting() || len(l.active()) != 0 {
		t.Error("it is told twice")
	}
	out := xfrm.SA{Dir: xfrm.Out, SPI: 3000, Dst: netip.MustParseAddr("202.108.22.5")}
	l.put(out, account{tunnel: "a"}, start)
	for range 2 { // a count that stays is told no more
		l.update(start, map[xfrm.SAID]xfrm.Usage{sa.ID(): {Packets: 1}, out.ID(): {Packets: 7}})
	}
	if u := l.active(); len(u) != 1 || u[0] != (ike.Sent{SPI: 3000, Dst: out.Dst}) {
		t.Errorf("active %v", u)
	}
	l.put(xfrm.SA{Dir: xfrm.In, SPI: 1001}, account{tunnel: "a"}, start)
	l.settled(xfrm.SAID{SPI: 1001})
	l.settled(xfrm.SAID{SPI: 5})
	l.put(xfrm.SA{Dir: xfrm.Out, SPI: 2000}, account{tunnel: "a"}, start)
	if l.waiting() {
		t.Error("a quick mode that is done, and an outbound SA, wait for nothing")
	}
}

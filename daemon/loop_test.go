package daemon

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/netio"
	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// packet is one from West's subnet to East's.
func packet(size int) xfrmtest.Inner {
	return xfrmtest.Inner{
		Src: netip.MustParseAddrPort("192.168.1.10:1000"), Dst: netip.MustParseAddrPort("10.0.1.10:2000"), Payload: make([]byte, size),
	}
}

// pair starts the two daemons of the spec's example, joined.
func pair(t *testing.T, e *ether) (w, x *side) {
	t.Helper()
	w, x = newSide(t, e, west()), newSide(t, e, east())
	xfrmtest.Join(w.Memory, x.Memory)
	x.start(t)
	w.start(t)
	return w, x
}

func (s *side) ifID() uint32 { return s.loop.plan.Gateways[0].IfID }

func TestTwoDaemonsCarryTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		one, other := w.wantState(t, "TomVPNConn", "up"), x.wantState(t, "toCloud", "up")
		if one.PairsUp != 1 || one.Session == nil || !one.Session.Initiator || other.Session.Initiator {
			t.Errorf("west %+v, east %+v", one, other)
		}
		if out, in := one.Pairs[0].Child.SPIOut, other.Pairs[0].Child.SPIIn; out != in {
			t.Errorf("west sends to %s, east receives on %s", out, in)
		}
		if sent := w.wire.count() + x.wire.count(); sent != 9 {
			t.Errorf("%d datagrams, want the six of main mode and the three of quick mode", sent)
		}
		for range 3 {
			if fate := w.Send(w.ifID(), packet(100)); fate != xfrmtest.Sent {
				t.Fatal(fate)
			}
			<-x.Inbox()
		}
		time.Sleep(time.Second)
		if got := x.tunnel(t, "toCloud"); got.PacketsIn != 3 || got.BytesIn != 3*packet(100).Size() || got.PacketsOut != 0 {
			t.Errorf("east counts %+v", got.Traffic)
		}
		w.wantLog(t, `msg="child up"`, "tunnel=TomVPNConn", "local_net=192.168.1.0/24", "spi_in=0x", "suite=")
		w.wantLog(t, `msg="tunnel changed"`, "state=up")
		w.finish(t)
		x.finish(t)
	})
}

func TestStartAndStopGoInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := newSide(t, e, west()), newSide(t, e, east())
		stale := xfrm.SA{
			Dir: xfrm.Out, SPI: 0xdead, Src: w.wire.addr, Dst: x.wire.addr, IfID: xfrm.Ours + 1,
			Suite: xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}, EncKey: xfrm.NewSecret(make([]byte, 16)), AuthKey: xfrm.NewSecret(make([]byte, 20)),
		}
		if err := w.PutSA(t.Context(), stale); err != nil {
			t.Fatal(err)
		}
		x.start(t)
		w.start(t)
		want := []string{"choose", "network", "guards", "watch", "sockets", "plane", "links", "policies", "routes"}
		if got := w.since(); !slices.Equal(got, want) {
			t.Errorf("started as %v\nwant %v", got, want)
		}
		time.Sleep(time.Second)
		w.wantState(t, "TomVPNConn", "up")
		for _, sa := range w.held(t).SAs {
			if sa.SPI == stale.SPI {
				t.Error("an SA of a former life is still there")
			}
		}
		before := w.wire.count()
		w.finish(t)
		held := w.held(t)
		if len(held.SAs) != 0 || len(held.Policies) == 0 {
			t.Errorf("%d SAs and %d policies after the stop, want none and all", len(held.SAs), len(held.Policies))
		}
		if got := w.since(); len(got) != 0 {
			t.Errorf("the stop did %v, want the guard and the rest to stay", got)
		}
		if len(w.host().guards) != 1 || !w.wire.closed {
			t.Errorf("guards %v, sockets closed: %v", w.host().guards, w.wire.closed)
		}
		if w.wire.count() == before {
			t.Error("the peer was not told")
		}
		time.Sleep(100 * time.Millisecond)
		if got := x.tunnel(t, "toCloud"); got.State == "up" {
			t.Errorf("east still is %s", got.State)
		}
		if n := len(x.held(t).SAs); n != 0 {
			t.Errorf("east holds %d SAs of a peer that said good-bye", n)
		}
	})
}

// A start that fails half way leaves the guard, and says what failed.
func TestStartThatFails(t *testing.T) {
	for _, word := range []string{"choose", "network", "guards", "watch", "sockets", "plane", "links", "policies", "routes"} {
		e := &ether{}
		w := newSide(t, e, west())
		broken := errors.New("broken " + word)
		w.refuse(word, broken)
		err := run(t.Context(), Options{ConfigPath: w.path, Log: discard()}, w.machine)
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", word, err)
		}
		if got := w.since(); got[len(got)-1] != word {
			t.Errorf("%s failed, and still: %v", word, got)
		}
	}
}

func TestInvalidConfigurationTouchesNothing(t *testing.T) {
	w := newSide(t, &ether{}, west())
	write(t, w.path, strings.Replace(west().toml(), "192.168.0.0/16", "192.168.0.0/99", 1)+"\n[nonsense]\n")
	err := run(t.Context(), Options{ConfigPath: w.path, Log: discard()}, w.machine)
	if err == nil || !strings.Contains(err.Error(), "nonsense") || !strings.Contains(err.Error(), "192.168.0.0/99") {
		t.Errorf("error %v, want both faults", err)
	}
	if got := w.since(); len(got) != 0 {
		t.Errorf("it did %v", got)
	}
}

func TestInstallThatFailsIsNeverUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := newSide(t, e, west()), newSide(t, e, east())
		x.FailPut(errors.New("no room for an SA"))
		x.start(t)
		w.start(t)
		time.Sleep(100 * time.Millisecond)
		x.wantLog(t, "no room for an SA")
		if strings.Contains(x.log.String(), "child up") {
			t.Errorf("east said up:\n%s", x.log)
		}
		if got := x.tunnel(t, "toCloud"); got.State == "up" || got.Fault == nil {
			t.Errorf("east is %s, fault %v", got.State, got.Fault)
		}
		// The second message promises an SA that is not there: it must not be sent.
		if n := x.wire.count(); n < 3 {
			t.Fatalf("east sent %d datagrams, not even main mode", n)
		}
		if got := w.tunnel(t, "TomVPNConn"); got.State == "up" {
			t.Error("west is up with a peer that has no SA")
		}
		time.Sleep(2 * time.Minute) // a new try finds room
		w.wantState(t, "TomVPNConn", "up")
		x.wantState(t, "toCloud", "up")
	})
}

// The third message of the quick mode is lost, and never comes again. ESP that
// arrives says the same.
func TestTrafficStandsForTheLostThirdMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		west := netip.MustParseAddr(west().address)
		e.lose = func(from netip.Addr, nth int) bool { return from == west && nth >= 5 } // after MM1, MM3, MM5, QM1
		w, x := pair(t, e)
		time.Sleep(100 * time.Millisecond)
		w.wantState(t, "TomVPNConn", "up")
		if got := x.tunnel(t, "toCloud"); got.State == "up" {
			t.Fatal("east is up without the third message")
		}
		w.Send(w.ifID(), packet(10))
		time.Sleep(2 * beat)
		x.wantState(t, "toCloud", "up")
	})
}

func TestAcquireBringsAFlowTriggeredTunnelUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		o := west()
		o.tunnels[0].start = "flow_trigger"
		w, x := newSide(t, e, o), newSide(t, e, east())
		xfrmtest.Join(w.Memory, x.Memory)
		x.start(t)
		w.start(t)
		time.Sleep(time.Minute)
		w.wantState(t, "TomVPNConn", "down")
		if n := w.wire.count(); n != 0 {
			t.Errorf("%d datagrams before anybody asked", n)
		}
		if fate := w.Send(w.ifID(), packet(10)); fate != xfrmtest.NoSA {
			t.Fatal(fate)
		}
		time.Sleep(time.Second)
		w.wantState(t, "TomVPNConn", "up")
		if fate := w.Send(w.ifID(), packet(10)); fate != xfrmtest.Sent {
			t.Error(fate)
		}
	})
}

func TestUpAndDownByCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		if tun, err := w.Down(t.Context(), "TomVPNConn"); err != nil || tun.State != "disabled" {
			t.Fatalf("down: %s, %v", tun.State, err)
		}
		time.Sleep(time.Minute)
		w.wantState(t, "TomVPNConn", "disabled")
		if n := len(w.held(t).SAs) + len(x.held(t).SAs); n != 0 {
			t.Errorf("%d SAs are left", n)
		}
		if _, err := w.Up(t.Context(), "TomVPNConn"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.wantState(t, "TomVPNConn", "up")
		if _, err := w.Up(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), `no tunnel "nobody"`) {
			t.Errorf("up of nobody: %v", err)
		}
	})
}

// An SA whose lifetime ends makes room for a new one, and the tunnel's counts
// go on.
func TestCountsOutliveTheirSAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		w.Send(w.ifID(), packet(100))
		time.Sleep(pollTime + time.Second)
		first := w.tunnel(t, "TomVPNConn")
		for _, s := range []*side{w, x} {
			for _, sa := range s.held(t).SAs {
				if err := s.Memory.DropSA(t.Context(), sa.SPI, sa.Dst); err != nil {
					t.Fatal(err)
				}
				s.Emit(xfrm.Expired{SPI: sa.SPI, Dst: sa.Dst, ReqID: sa.ReqID, Hard: true})
			}
		}
		time.Sleep(time.Minute)
		second := w.wantState(t, "TomVPNConn", "up")
		if slices.Equal(spis(first), spis(second)) {
			t.Fatal("the SAs are the same")
		}
		w.Send(w.ifID(), packet(100))
		time.Sleep(time.Second)
		if got := w.tunnel(t, "TomVPNConn"); got.PacketsOut != 2 || got.BytesOut != 2*packet(100).Size() {
			t.Errorf("counts %+v, want both packets", got.Traffic)
		}
	})
}

// Events were lost: what the data plane holds is compared with what it should.
func TestLostEventsAreMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, _ := pair(t, e)
		time.Sleep(time.Second)
		first := w.wantState(t, "TomVPNConn", "up")
		for _, sa := range w.held(t).SAs {
			if err := w.Memory.DropSA(t.Context(), sa.SPI, sa.Dst); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Memory.SetPolicies(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		w.Emit(xfrm.Lost{})
		time.Sleep(time.Minute)
		if second := w.wantState(t, "TomVPNConn", "up"); slices.Equal(spis(first), spis(second)) {
			t.Error("the SAs that were lost are still believed in")
		}
		if n := len(w.held(t).Policies); n == 0 {
			t.Error("the policies were not set again")
		}
	})
}

// A hostile host sends whatever it likes: the tunnel stays up, nothing grows,
// and the log stays small.
func TestHostileDatagramsDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := pair(t, e)
		time.Sleep(time.Second)
		before, genuine := x.log.Len(), w.wire.recorded()
		chance := rand.New(rand.NewPCG(1, 2))
		local := netip.AddrPortFrom(x.wire.addr, 500)
		const hostile = 30_000
		for i := range hostile {
			from := w.wire.addr // the peer's own address, forged
			if i%3 == 0 {
				from = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			}
			x.wire.packets <- netio.Datagram{Local: local, Remote: netip.AddrPortFrom(from, 500), Data: mutate(chance, genuine)}
			if i%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
		synctest.Wait()
		if n := x.log.Len() - before; n > 100_000 {
			t.Errorf("%d datagrams wrote %d bytes of log", hostile, n)
		} else {
			t.Logf("%d datagrams wrote %d bytes of log", hostile, n)
		}
		x.wantState(t, "toCloud", "up")
	})
}

// mutate changes a few bytes of a message that was sent once, or makes one up.
func mutate(chance *rand.Rand, sent [][]byte) []byte {
	b := slices.Clone(sent[chance.IntN(len(sent))])
	switch chance.IntN(4) {
	case 0:
		b = b[:chance.IntN(len(b))]
	case 1:
		b = make([]byte, chance.IntN(200))
	}
	for range chance.IntN(4) {
		if len(b) > 0 {
			b[chance.IntN(len(b))] = byte(chance.Uint32())
		}
	}
	return b
}

func TestSendThatFailsIsCountedAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w := newSide(t, e, west())
		w.wire.fail = errors.New("network is unreachable")
		w.start(t)
		time.Sleep(10 * time.Minute)
		s := w.status(t)
		if s.Counters["send_errors"] < 5 {
			t.Errorf("counters %v", s.Counters)
		}
		synctest.Wait() // the beat of this second may be writing
		if n := strings.Count(w.log.String(), "network is unreachable"); n == 0 || n > 20 {
			t.Errorf("%d lines for %d failures", n, s.Counters["send_errors"])
		}
	})
}

// However often one thing fails, the first failure of another is told.
func TestOneComplaintDoesNotHideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSide(t, &ether{}, west())
		w.wire.fail = errors.New("network is unreachable")
		w.start(t)
		w.refuse("guards", errors.New("no nftables"))
		time.Sleep(10 * time.Minute)
		w.finish(t)
		w.wantLog(t, "level=ERROR", `msg="send failed"`, "network is unreachable")
		w.wantLog(t, "level=ERROR", `msg="the guard could not be set again"`, "no nftables")
	})
}

func TestEventsTellTheNegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		o := west()
		o.tunnels[0].start = "passive"
		w, x := newSide(t, e, o), newSide(t, e, east())
		x.start(t)
		w.start(t)
		events, err := w.Events(t.Context(), api.Wanted{Tunnel: "TomVPNConn", Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Events(t.Context(), api.Wanted{Tunnel: "nobody"}); err == nil {
			t.Error("events of a tunnel that there is not")
		}
		if _, err := w.Up(t.Context(), "TomVPNConn"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		var steps []string
		for len(events) > 0 {
			if e := <-events; e.Kind == "message in" || e.Kind == "message out" {
				steps = append(steps, e.Step)
			}
		}
		if want := "MM1 MM2 MM3 MM4 MM5 MM6 QM1 QM2 QM3"; strings.Join(steps, " ") != want {
			t.Errorf("steps %v, want %s", steps, want)
		}
		w.finish(t)
		for range events { // closed by the stop, after the last of them
		}
	})
}

func TestSlowReaderLosesEventsAndIsTold(t *testing.T) {
	rs := readers{}
	r := &reader{tunnel: "a", events: make(chan api.Event, 2)}
	rs[r] = struct{}{}
	for i := range 5 {
		rs.publish(api.Event{Tunnel: "a", Step: fmt.Sprint(i)})
		rs.publish(api.Event{Tunnel: "b"})
	}
	<-r.events
	<-r.events
	rs.publish(api.Event{Tunnel: "a", Step: "5"})
	if e := <-r.events; e.Step != "5" || e.Lost != 3 {
		t.Errorf("event %+v, want step 5 after 3 lost ones", e)
	}
	rs.closeAll()
	rs.remove(r) // twice is once
	if _, open := <-r.events; open || len(rs) != 0 {
		t.Error("the reader is still there")
	}
}

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twinspan/twinspan/daemon/plan"
	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// outer are the addresses that a side's policies lead to.
func (s *side) outer(t *testing.T) (all []string) {
	t.Helper()
	for _, p := range s.held(t).Policies {
		all = append(all, p.TunnelRemote.String())
	}
	return all
}

// fromAnywhere is East, whose peer may come from anywhere.
func fromAnywhere() office {
	o := east()
	o.tunnels[0].peer = "any"
	o.tunnels[0].extra = "ike = { remote_identity = \"FQDN\", remote_fqdn = \"west.example.com\" }"
	return o
}

func callsItself(o office) office {
	o.tunnels[0].extra = "ike = { local_identity = \"FQDN\", local_fqdn = \"west.example.com\" }"
	return o
}

// A peer that may come from anywhere has policies once it has come, over a
// reload and over somebody who takes them away; and until then the guard holds.
func TestPeerFromAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := newSide(t, e, callsItself(west())), newSide(t, e, fromAnywhere())
		xfrmtest.Join(w.Memory, x.Memory)
		x.start(t)
		if got := x.outer(t); len(got) != 0 || len(x.host().guards) != 1 {
			t.Errorf("before the peer has come there are policies to %v and the guards %v", got, x.host().guards)
		}
		if tun := x.tunnel(t, "toCloud"); tun.Remote != "any" {
			t.Errorf("the peer is said to be at %s", tun.Remote)
		}
		w.start(t)
		time.Sleep(time.Second)
		w.wantState(t, "TomVPNConn", "up")
		tun := x.wantState(t, "toCloud", "up")
		want := []string{west().address}
		if got := x.outer(t); !slices.Equal(got, want) || tun.Remote != want[0] {
			t.Errorf("once the peer has come there are policies to %v, and it is said to be at %s", got, tun.Remote)
		}
		write(t, x.path, fromAnywhere().toml()+"\n# an edit of something else\n")
		if _, err := x.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := x.outer(t); !slices.Equal(got, want) {
			t.Errorf("after a reload there are policies to %v", got)
		}
		x.strip()
		time.Sleep(time.Second)
		if got := x.outer(t); !slices.Equal(got, want) {
			t.Errorf("after somebody took them away there are policies to %v", got)
		}
		if fate := w.Send(w.ifID(), packet(100)); fate != xfrmtest.Sent {
			t.Fatal(fate)
		}
		<-x.Inbox()
		x.finish(t)
		w.finish(t)
		if got := x.outer(t); !slices.Equal(got, want) {
			t.Errorf("after the stop there are policies to %v", got)
		}
	})
}

// A tunnel that is configured anew is looked for anew.
func TestChangedTunnelIsNotWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		w, x := newSide(t, e, callsItself(west())), newSide(t, e, fromAnywhere())
		x.start(t)
		w.start(t)
		time.Sleep(time.Second)
		x.wantState(t, "toCloud", "up")
		w.finish(t)
		write(t, x.path, strings.Replace(fromAnywhere().toml(), "123456", "654321", 1))
		if _, err := x.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := x.outer(t); len(got) != 0 {
			t.Errorf("there are policies to %v", got)
		}
	})
}

// A peer with a name is resolved at each attempt; where the name has no address
// the tunnel says so.
func TestPeerWithAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		o := west()
		o.tunnels[0].peer = "idc.example.com"
		w, x := newSide(t, e, o), newSide(t, e, east())
		x.start(t)
		w.start(t)
		time.Sleep(2 * time.Second)
		tun := w.tunnel(t, "TomVPNConn")
		if tun.Fault == nil || tun.Fault.Cause != "name" || !strings.Contains(tun.Fault.Text, "idc.example.com") || tun.Remote != "idc.example.com" {
			t.Errorf("the tunnel is %+v with the fault %+v", tun, tun.Fault)
		}
		w.mu.Lock()
		w.names = map[string][]netip.Addr{"idc.example.com": {netip.MustParseAddr(east().address)}}
		w.mu.Unlock()
		time.Sleep(5 * time.Minute)
		w.wantState(t, "TomVPNConn", "up")
		if got := w.outer(t); !slices.Equal(got, []string{east().address}) {
			t.Errorf("there are policies to %v", got)
		}
		w.finish(t)
		if len(w.asked) < 2 || w.asked[0] != "ip4 idc.example.com" {
			t.Errorf("the DNS was asked for %q", w.asked)
		}
	})
}

// However many peers are located at once, the policies are set once, before the
// first SA that needs them.
func TestPoliciesGoBeforeTheSAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSide(t, &ether{}, fromAnywhere())
		x.start(t)
		x.since()
		at := netip.MustParseAddr("198.51.100.7")
		sa := xfrm.SA{
			Dir: xfrm.Out, SPI: 0xbeef, Src: x.wire.addr, Dst: at, IfID: x.ifID(),
			Suite: xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}, EncKey: xfrm.NewSecret(make([]byte, 16)), AuthKey: xfrm.NewSecret(make([]byte, 20)),
		}
		obey := func(actions ...ike.Action) []string {
			if err := x.loop.ask(t.Context(), func() { x.loop.obey(actions) }); err != nil {
				t.Fatal(err)
			}
			return x.since()
		}
		locate := ike.Locate{Tunnel: "toCloud", Remote: at}
		if got := obey(locate, ike.Locate{Tunnel: "nobody's", Remote: at}, locate, ike.Install{SA: sa}); !slices.Equal(got, []string{"policies"}) {
			t.Errorf("it did %v", got)
		}
		if got := obey(locate); len(got) != 0 {
			t.Errorf("what is no news has it do %v", got)
		}
		if got := obey(ike.Locate{Tunnel: "toCloud"}); !slices.Equal(got, []string{"policies"}) || len(x.outer(t)) != 0 {
			t.Errorf("when the peer is lost it did %v, and there are policies to %v", got, x.outer(t))
		}
		x.finish(t)
	})
}

// slowPlane takes its time to set policies.
type slowPlane struct {
	xfrm.Backend
	takes time.Duration
	calls int
}

func (s *slowPlane) SetPolicies(ctx context.Context, want []xfrm.Policy) error {
	s.calls++
	time.Sleep(s.takes)
	return s.Backend.SetPolicies(ctx, want)
}

// After an outage a thousand peers come back at once: to set all policies for
// each of them would leave the loop no time for anything else.
func TestManyPeersAreLocatedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const peers = 50
		memory := xfrmtest.NewMemory()
		plane := &slowPlane{Backend: memory, takes: 100 * time.Millisecond}
		l := newLoop(discard())
		l.plane, l.about = plane, map[string]plan.Tunnel{}
		for i := range peers {
			name := fmt.Sprint("t", i)
			l.about[name] = plan.Tunnel{Name: name}
			l.plan.Peers = append(l.plan.Peers, ike.Peer{Name: name, Local: netip.MustParseAddr("203.195.147.82"), IfID: xfrm.Ours + 1,
				Children: []ike.Child{{ReqID: uint32(i + 1), Sel: xfrm.Selector{
					Local: netip.MustParsePrefix("10.0.0.0/8"), Remote: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 0}), 24)}}}})
		}
		begun := time.Now()
		for i := range peers {
			l.obey([]ike.Action{ike.Locate{Tunnel: fmt.Sprint("t", i), Remote: netip.MustParseAddr("202.108.22.5")}})
		}
		if took := time.Since(begun); plane.calls != 1 || took > time.Second {
			t.Errorf("the policies were set %d times in %v", plane.calls, took)
		}
		time.Sleep(hurryShare * plane.takes)
		l.place()
		if state, err := memory.Dump(t.Context()); err != nil || len(state.Policies) != peers {
			t.Errorf("%d policies, %v", len(state.Policies), err)
		}
		if l.place(); plane.calls != 2 {
			t.Errorf("without news the policies were set again: %d times", plane.calls)
		}
	})
}

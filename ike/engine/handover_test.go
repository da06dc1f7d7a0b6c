package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// outbound are the SPIs of the outbound SAs that the last Step installs, in order.
func (b *bench) outbound() (spis []string) {
	for _, a := range b.out {
		if in, ok := a.(ike.Install); ok && in.SA.Dir == xfrm.Out {
			spis = append(spis, fmt.Sprintf("%x", in.SA.SPI))
		}
	}
	return spis
}

// negotiated makes a session install both SAs of a child in the Step that hands it
// over, as a session does.
func (b *bench) negotiated(f *fake, c *ike.ChildSA) {
	b.t.Helper()
	b.say(f,
		ike.Install{SA: xfrm.SA{Dir: xfrm.In, SPI: c.SPIIn, Src: there, Dst: here, ReqID: c.ReqID}},
		ike.Install{SA: xfrm.SA{Dir: xfrm.Out, SPI: c.SPIOut, Src: here, Dst: there, ReqID: c.ReqID}},
		ike.Report{Kind: ike.ChildUp, Sel: c.Sel, Child: c})
}

// What is added last is what sends: one that waits does not get ahead of a newer
// one, which was handed over before it, nor is it installed just before that.
func TestHandoverKeepsTheOrder(t *testing.T) {
	theirs := child(0, 0x302, 0x1302)
	theirs.Initiator = false
	ours, next := child(0, 0x301, 0x1301), child(0, 0x302, 0x1302)
	gone := func(c *ike.ChildSA) func(*bench) {
		return func(b *bench) {
			b.now = b.now.Add(time.Second)
			b.tell(ike.LimitReached{SPI: c.SPIIn, Dst: here, Hard: true})
		}
	}
	uses := func(c *ike.ChildSA) func(*bench) {
		return func(b *bench) { b.tell(ike.Used{SPI: c.SPIIn}) }
	}
	makes := func(c *ike.ChildSA) func(*bench) {
		return func(b *bench) { b.negotiated(b.fakes[0], c) }
	}
	waits := func(b *bench) {
		b.now = b.now.Add(time.Minute)
		b.tell(ike.Tick{})
	}
	for name, tc := range map[string]struct {
		then []func(*bench)
		want []string // the outbound SAs that each installs
	}{
		"ours waits for time":                         {[]func(*bench){makes(ours), waits}, []string{"[]", "[1301]"}},
		"ours waits for use":                          {[]func(*bench){makes(ours), uses(ours), waits}, []string{"[]", "[1301]", "[]"}},
		"the peer's overtakes ours":                   {[]func(*bench){makes(ours), makes(theirs), uses(ours), waits}, []string{"[]", "[1302]", "[]", "[]"}},
		"the peer's overtakes ours and goes":          {[]func(*bench){makes(ours), makes(theirs), waits, gone(theirs)}, []string{"[]", "[1302]", "[]", "[1301]"}},
		"ours, ours, both wait for time":              {[]func(*bench){makes(ours), makes(next), waits}, []string{"[]", "[]", "[1301 1302]"}},
		"ours, ours, the newer is used first":         {[]func(*bench){makes(ours), makes(next), uses(next), waits}, []string{"[]", "[]", "[1302]", "[]"}},
		"ours, ours, the older goes":                  {[]func(*bench){makes(ours), makes(next), gone(ours), waits}, []string{"[]", "[]", "[]", "[1302]"}},
		"the peer's SPI again":                        {[]func(*bench){makes(child(0, 0x301, 0x1300)), makes(child(0, 0x302, 0x1300))}, []string{"[1300]", "[1300]"}},
		"the peer's SPI again, of the one that waits": {[]func(*bench){makes(ours), makes(child(0, 0x302, 0x1301)), waits}, []string{"[]", "[1301]", "[]"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
			b.first(7, there)
			b.upNow(b.fakes[0], "a")
			b.negotiated(b.fakes[0], child(0, 0x300, 0x1300))
			var got []string
			for _, then := range tc.then {
				then(b)
				got = append(got, fmt.Sprint(b.outbound()))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("installs %v, want %v", got, tc.want)
			}
		})
	}
}

// One that waits follows a peer that moved without being installed.
func TestHandoverFollows(t *testing.T) {
	b := newBench(t, Options{})
	b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
	b.first(7, there)
	b.upNow(b.fakes[0], "a")
	b.negotiated(b.fakes[0], child(0, 0x300, 0x1300))
	b.negotiated(b.fakes[0], child(0, 0x301, 0x1301))
	moved := xfrm.Encap{SrcPort: 4500, DstPort: 60000}
	if b.handOverBefore(ike.Follow{SPI: 0x1301, Dst: there, Encap: moved}) {
		t.Error("the data plane is told of an SA that it has not")
	}
	b.now = b.now.Add(time.Minute)
	b.tell(ike.Tick{})
	if got := fmt.Sprint(b.outbound()); got != "[1301]" {
		t.Errorf("installs %s, want the one that waited", got)
	}
	for _, a := range b.out {
		if in, ok := a.(ike.Install); ok && in.SA.Encap != moved {
			t.Errorf("installs %+v, want it to follow", in.SA)
		}
	}
}

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

// What is added last is what sends: a child of the peer's does not get ahead of
// one of ours that waits, and one whose SPI is that of the older does not wait.
func TestHandoverKeepsTheOrder(t *testing.T) {
	theirs := child(0, 0x302, 0x1302)
	theirs.Initiator = false
	for name, tc := range map[string]struct {
		second, third *ike.ChildSA
		want          []string // of the Steps of the two
	}{
		"ours waits, the peer's comes": {child(0, 0x301, 0x1301), theirs, []string{"[]", "[1301 1302]"}},
		"ours waits, ours comes":       {child(0, 0x301, 0x1301), child(0, 0x302, 0x1302), []string{"[]", "[1301]"}},
		"the peer's SPI again":         {child(0, 0x301, 0x1300), child(0, 0x302, 0x1300), []string{"[1300]", "[1300]"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.tell(ike.Configure{Peers: []ike.Peer{peerOf("a", there, 1)}})
			b.first(7, there)
			b.upNow(b.fakes[0], "a")
			b.negotiated(b.fakes[0], child(0, 0x300, 0x1300))
			var got []string
			for _, c := range []*ike.ChildSA{tc.second, tc.third} {
				b.negotiated(b.fakes[0], c)
				got = append(got, fmt.Sprint(b.outbound()))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("installs %v, want %v", got, tc.want)
			}
			b.now = b.now.Add(time.Minute)
			b.tell(ike.Tick{})
			if len(b.handovers) != 0 {
				t.Errorf("%d wait for ever", len(b.handovers))
			}
		})
	}
}

package daemon

import (
	"net/netip"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
	"github.com/twinspan/twinspan/xfrm/xfrmtest"
)

// A peer that moved is followed; an SA that is gone by then is no error, one
// that cannot follow is.
func TestFollowChangesThePortsOfAnSA(t *testing.T) {
	l, plane := newLoop(discard()), xfrmtest.NewMemory()
	l.plane = plane
	sa := xfrm.SA{
		Dir: xfrm.Out, SPI: 1000, Src: netip.MustParseAddr("203.195.147.82"), Dst: netip.MustParseAddr("202.108.22.5"),
		Encap: xfrm.Encap{SrcPort: 4500, DstPort: 4500}, IfID: xfrm.Ours + 1,
		Suite:  xfrm.Suite{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1},
		EncKey: xfrm.NewSecret(make([]byte, 16)), AuthKey: xfrm.NewSecret(make([]byte, 20)),
	}
	moved := xfrm.Encap{SrcPort: 4500, DstPort: 61000}
	l.obey([]ike.Action{
		ike.Install{SA: sa},
		ike.Follow{SPI: sa.SPI, Dst: sa.Dst, Encap: moved},
		ike.Follow{SPI: 5, Dst: sa.Dst, Encap: moved},
	})
	state, err := plane.Dump(t.Context())
	if err != nil || len(state.SAs) != 1 || state.SAs[0].Encap != moved {
		t.Errorf("the data plane holds %+v, %v", state.SAs, err)
	}
	if l.reporter.counts["sas_followed"] != 2 || l.reporter.counts["follow_errors"] != 0 {
		t.Errorf("counters %v", l.reporter.counts)
	}
	l.obey([]ike.Action{ike.Follow{SPI: sa.SPI, Dst: sa.Dst}})
	if l.reporter.counts["follow_errors"] != 1 {
		t.Errorf("counters %v", l.reporter.counts)
	}
	l.happened(xfrm.PeerMoved{SPI: 5, From: netip.MustParseAddrPort("202.108.22.5:61001")})
	if l.reporter.counts["peer_moved"] != 1 {
		t.Errorf("counters %v", l.reporter.counts)
	}
}

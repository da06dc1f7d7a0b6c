package daemon

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

var start = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// lines is a reporter and what it wrote, without the times.
func lines(level slog.Level) (*reporter, *bytes.Buffer) {
	var b bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return newReporter(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level, ReplaceAttr: drop}))), &b
}

func TestLogLines(t *testing.T) {
	sel := xfrm.Selector{Local: netip.MustParsePrefix("192.168.1.0/24"), Remote: netip.MustParsePrefix("10.0.1.0/24")}
	aes := ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 256, Hash: xfrm.SHA1, Group: 14}
	peer := netip.MustParseAddrPort("202.108.22.5:500")
	fault := &ike.Fault{Cause: ike.CauseProposal, Text: "no proposal in common", Ours: "aes256", Theirs: "3des", Advice: "change it"}
	for _, tc := range []struct {
		report ike.Report
		want   string
	}{
		{ike.Report{Kind: ike.MessageOut, Tunnel: "a", Remote: peer, Exchange: "main mode", Step: "MM1", Bytes: 180},
			`level=DEBUG msg="message out" tunnel=a peer=202.108.22.5:500 exchange="main mode" step=MM1 bytes=180`},
		{ike.Report{Kind: ike.Resent, Tunnel: "a", Remote: peer, Step: "MM1", Try: 2},
			`level=DEBUG msg=resent tunnel=a peer=202.108.22.5:500 step=MM1 try=2`},
		{ike.Report{Kind: ike.SessionUp, Tunnel: "a", Session: &ike.SessionStatus{Mode: ike.Main, Proposal: aes, PeerID: "202.108.22.5", Initiator: true}},
			`level=INFO msg="session up" tunnel=a mode="main mode" suite=aes256-sha1-group14 peer_id=202.108.22.5 initiator=true cookies="0000000000000000_i 0000000000000000_r"`},
		{ike.Report{Kind: ike.ChildUp, Tunnel: "a", Sel: sel, SPI: 1, Child: &ike.ChildSA{Sel: sel, SPIIn: 0xc0de, SPIOut: 0xcafe0001, Proposal: aes}},
			`level=INFO msg="child up" tunnel=a local_net=192.168.1.0/24 remote_net=10.0.1.0/24 spi_in=0x0000c0de spi_out=0xcafe0001 suite=aes256-sha1-group14`},
		{ike.Report{Kind: ike.Refused, Remote: peer, Fault: fault},
			`level=WARN msg=refused peer=202.108.22.5:500 cause=proposal reason="no proposal in common" ours=aes256 theirs=3des advice="change it"`},
		{ike.Report{Kind: ike.TunnelChanged, Tunnel: "a", State: ike.Down, Fault: fault},
			`level=WARN msg="tunnel changed" tunnel=a state=down cause=proposal reason="no proposal in common" ours=aes256 theirs=3des advice="change it"`},
		{ike.Report{Kind: ike.TunnelChanged, Tunnel: "a", State: ike.Disabled, Fault: &ike.Fault{Cause: ike.CauseAsked, Text: "taken down"}},
			`level=INFO msg="tunnel changed" tunnel=a state=disabled cause=asked reason="taken down"`},
	} {
		r, out := lines(slog.LevelDebug)
		r.take(start, tc.report)
		if diff := cmp.Diff(tc.want+"\n", out.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCountersCountWhatIsNotWritten(t *testing.T) {
	r, out := lines(slog.LevelInfo)
	for range 1000 {
		r.take(start, ike.Report{Kind: ike.MessageIn})
		r.take(start, ike.Report{Kind: ike.Refused, Fault: &ike.Fault{Cause: ike.CauseUnknown, Text: "nobody"}})
	}
	if r.counts["message_in"] != 1000 || r.counts["refused"] != 1000 || r.counts["fault_unknown_peer"] != 1000 {
		t.Errorf("counts %v", r.counts)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines, want one", n)
	}
	out.Reset()
	r.flush(start.Add(limitRefill - time.Second))
	if out.Len() != 0 {
		t.Errorf("told too early: %s", out)
	}
	r.flush(start.Add(limitRefill))
	if want := `level=INFO msg="trouble, more of the same" suppressed=999 cause="unknown peer"` + "\n"; out.String() != want {
		t.Errorf("%s\nwant %s", out, want)
	}
}

func TestLimiter(t *testing.T) {
	one, two := subject{what: "refused", tunnel: "a"}, subject{what: "refused", tunnel: "b"}
	l := newLimiter()
	for range limitBurst {
		if _, ok := l.allow(start, one); !ok {
			t.Fatal("the burst is too short")
		}
	}
	for range 7 {
		if _, ok := l.allow(start, one); ok {
			t.Fatal("the burst is too long")
		}
	}
	if _, ok := l.allow(start, two); !ok {
		t.Error("another subject is held back too")
	}
	later := start.Add(limitRefill)
	if n, ok := l.allow(later, one); !ok || n != 7 {
		t.Errorf("after the pause: %d, %v; want 7 held back", n, ok)
	}
	if _, ok := l.allow(later, one); ok {
		t.Error("the pause gives one line, not two")
	}
	l.silent(later.Add(time.Hour))
	l.silent(later.Add(2 * time.Hour))
	if n := len(l.buckets); n != 0 {
		t.Errorf("%d subjects are remembered for ever", n)
	}
}

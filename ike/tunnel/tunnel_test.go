package tunnel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// even is a source of chance that always says 0x80: no spread at all.
type even struct{}

func (even) Read(b []byte) (int, error) {
	return copy(b, bytes.Repeat([]byte{0x80, 0}, len(b)/2+1)), nil
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("198.51.100.1")
	began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func sel(n int) xfrm.Selector {
	return xfrm.Selector{
		Local:  netip.MustParsePrefix(fmt.Sprintf("10.1.%d.0/24", n)),
		Remote: netip.MustParsePrefix(fmt.Sprintf("10.2.%d.0/24", n)),
	}
}

func peer(start ike.Start, pairs int) ike.Peer {
	p := ike.Peer{Name: "gz-idc", Local: here, Remote: there, Start: start}
	for n := range pairs {
		p.Children = append(p.Children, ike.Child{Sel: sel(n), ReqID: uint32(100 + n)})
	}
	return p
}

// up is a child of pair n that we began, with the SPIs in and in+0x1000;
// answered is one that the peer began.
func up(n int, in uint32) ChildUp {
	return ChildUp{ike.ChildSA{
		Sel: sel(n), ReqID: uint32(100 + n), SPIIn: in, SPIOut: in + 0x1000, Initiator: true,
		Local: netip.AddrPortFrom(here, 0), Remote: netip.AddrPortFrom(there, 0),
	}}
}

func answered(n int, in uint32) ChildUp {
	c := up(n, in)
	c.Child.Initiator = false
	return c
}

func fault(c ike.Cause) *ike.Fault { return &ike.Fault{Cause: c, Text: "told by the test"} }

// step is one line of a story: some time passes, something happens, and want
// is all that the tunnel says, in order, one word per action.
type step struct {
	after time.Duration
	in    Input
	want  string
}

func tell(t *testing.T, p ike.Peer, story ...step) *Tunnel {
	t.Helper()
	now := began
	tun := New(p, even{}, now)
	for i, s := range story {
		now = now.Add(s.after)
		if got := words(tun.Step(now, s.in)); got != s.want {
			t.Fatalf("step %d at %v, %T%+v:\n got %s\nwant %s", i, now.Sub(began), s.in, s.in, got, s.want)
		}
	}
	return tun
}

func words(out []Action) string {
	var w []string
	for _, a := range out {
		w = append(w, word(a))
	}
	return strings.Join(w, ", ")
}

func word(a Action) string {
	switch a := a.(type) {
	case Negotiate:
		if a.Urgent {
			return fmt.Sprintf("urgent %d", a.Child.ReqID-100)
		}
		return fmt.Sprintf("negotiate %d", a.Child.ReqID-100)
	case Delete:
		return "delete " + strings.Trim(fmt.Sprintf("%x", a.SPIs), "[]")
	case Remove:
		if a.Dst == here {
			return fmt.Sprintf("remove in %x", a.SPI)
		}
		return fmt.Sprintf("remove out %x", a.SPI)
	case Disconnect:
		return "disconnect"
	case Renew:
		return "renew"
	case Follow:
		return fmt.Sprintf("follow %x", a.SPI)
	case Report:
		if a.Kind == ike.ChildDown {
			return fmt.Sprintf("child %x down: %v", a.Child.SPIIn, a.Fault.Cause)
		}
		if a.Fault != nil {
			return fmt.Sprintf("%v: %v", a.State, a.Fault.Cause)
		}
		return a.State.String()
	}
	return fmt.Sprintf("%T?", a)
}

func wantWake(t *testing.T, tun *Tunnel, want time.Duration) {
	t.Helper()
	at, ok := tun.Wake()
	if !ok || at.Sub(began) != want {
		t.Fatalf("wakes at %v, %v; want %v", at.Sub(began), ok, want)
	}
}

func wantSleep(t *testing.T, tun *Tunnel) {
	t.Helper()
	if at, ok := tun.Wake(); ok {
		t.Fatalf("wakes at %v, wants to sleep", at.Sub(began))
	}
}

func TestActiveComesUpPairByPair(t *testing.T) {
	tun := tell(t, peer(ike.Active, 2),
		step{0, Tick{}, "negotiate 0, negotiate 1, negotiating"},
		step{time.Second, SessionUp{Initiator: true}, ""},
		step{0, up(0, 0x300), "partly up"},
		step{0, up(1, 0x301), "up"},
		step{time.Hour, Tick{}, ""},
	)
	wantSleep(t, tun)
	s := tun.Status()
	if s.State != ike.Up || s.Since != began.Add(time.Second) || s.Fault != nil || s.Try != 0 {
		t.Errorf("status %+v", s)
	}
	if c := s.Pairs[1].Child; c == nil || c.SPIIn != 0x301 {
		t.Errorf("pair 1 is %+v", s.Pairs[1])
	}
	for _, n := range tun.History() {
		if n.Took != time.Second || !n.Initiator || n.Fault != nil {
			t.Errorf("history has %+v", n)
		}
	}
}

func TestWhoBegins(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start ike.Start
		story []step
	}{
		{"passive never does", ike.Passive, []step{
			{0, Tick{}, ""}, {0, Acquired{100}, ""}, {0, SessionUp{Initiator: false}, ""}, {time.Hour, Tick{}, ""},
			{0, answered(0, 0x300), "up"},
			{time.Hour, PeerDeleted{0x1300}, "remove in 300, remove out 1300, child 300 down: deleted, down: deleted"},
			{time.Hour, Tick{}, ""},
		}},
		{"passive does when an operator asks", ike.Passive, []step{
			{0, Tick{}, ""}, {0, Start{}, "negotiate 0, negotiating"}, {0, up(0, 0x300), "up"},
		}},
		{"flow_trigger waits for traffic", ike.FlowTrigger, []step{
			{0, Tick{}, ""}, {0, Acquired{99}, ""},
			{time.Minute, Acquired{100}, "urgent 0, negotiating"}, {0, Acquired{100}, ""},
			{0, up(0, 0x300), "up"},
			{time.Hour, Expired{0x300, here}, "delete 300, remove in 300, remove out 1300, child 300 down: expired, down: expired"},
			{time.Second, Acquired{100}, "urgent 0, negotiating: expired"},
		}},
		{"the peer that began goes first", ike.Active, []step{
			{0, Tick{}, "negotiate 0, negotiating"},
			{0, SessionDown{Asked: []xfrm.Selector{sel(0)}, Fault: fault(ike.CauseTimeout)}, "down: timeout"},
			{time.Second / 2, SessionUp{Initiator: false}, ""}, {time.Second, Tick{}, "negotiate 0, negotiating: timeout"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { tell(t, peer(tc.start, 1), tc.story...) })
	}
}

func TestFailedSessionIsRetriedWithGrowingPauses(t *testing.T) {
	tun := tell(t, peer(ike.Active, 2), step{0, Tick{}, "negotiate 0, negotiate 1, negotiating"})
	down := SessionDown{Asked: []xfrm.Selector{sel(0), sel(1)}, Fault: fault(ike.CauseTimeout)}
	now := began
	for try, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		now = now.Add(time.Minute) // the session's own time-out
		if got := words(tun.Step(now, down)); got != "down: timeout" {
			t.Fatalf("try %d: %s", try, got)
		}
		if got := words(tun.Step(now.Add(pause*time.Second-1), Tick{})); got != "" {
			t.Fatalf("try %d: too early: %s", try, got)
		}
		wantWake(t, tun, now.Add(pause*time.Second).Sub(began))
		if s := tun.Status(); s.Try != try+1 || s.NextTry != now.Add(pause*time.Second) || s.Fault.Cause != ike.CauseTimeout {
			t.Fatalf("try %d: status %+v", try, s)
		}
		now = now.Add(pause * time.Second)
		if got := words(tun.Step(now, Tick{})); got != "negotiate 0, negotiate 1, negotiating: timeout" {
			t.Fatalf("try %d: %s", try, got)
		}
	}
	if h := tun.History(); len(h) != 1 || h[0].Count != 9 || h[0].Began != began || h[0].Last.Before(began.Add(9*time.Minute)) {
		t.Errorf("the history has %+v", h)
	}
}

func TestStandingSessionEndsThePauseButNotTheCount(t *testing.T) {
	asked := []xfrm.Selector{sel(0)}
	var story []step
	story = append(story, step{0, Tick{}, "negotiate 0, negotiating"})
	for range 3 { // sessions come up, and end before a child
		story = append(story,
			step{0, SessionUp{Initiator: true}, ""},
			step{0, SessionDown{Asked: asked, Fault: fault(ike.CauseDeleted)}, "down: deleted"},
			step{time.Minute, Tick{}, "negotiate 0, negotiating: deleted"})
	}
	tun := tell(t, peer(ike.Active, 1), story...)
	if s := tun.Status(); s.Try != 3 {
		t.Errorf("try %d", s.Try)
	}
}

func TestFlowTriggerRetriesWhileTrafficAsks(t *testing.T) {
	down := SessionDown{Asked: []xfrm.Selector{sel(0)}, Fault: fault(ike.CauseTimeout)}
	tun := tell(t, peer(ike.FlowTrigger, 2),
		step{0, Tick{}, ""},
		step{0, Acquired{100}, "urgent 0, negotiating"},
		step{30 * time.Second, Acquired{100}, ""},
		step{30 * time.Second, down, "down: timeout"},
		step{time.Second, Tick{}, "urgent 0, negotiating: timeout"},
		step{time.Minute, down, "down: timeout"}, // nobody asked in that minute
		step{time.Hour, Tick{}, ""},
	)
	wantSleep(t, tun)
	if s := tun.Status(); !s.NextTry.IsZero() {
		t.Errorf("a try is planned for %v", s.NextTry)
	}
}

func TestFailedPairIsRetriedAlone(t *testing.T) {
	tun := tell(t, peer(ike.Active, 2),
		step{0, Tick{}, "negotiate 0, negotiate 1, negotiating"},
		step{0, SessionUp{Initiator: true}, ""},
		step{0, up(0, 0x300), "partly up"},
		step{0, ChildFailed{sel(1), fault(ike.CauseSelectors)}, ""},
	)
	wantWake(t, tun, time.Second)
	s := tun.Status()
	if s.State != ike.PartlyUp || s.Try != 1 || s.Fault.Cause != ike.CauseSelectors || s.Pairs[1].Child != nil {
		t.Errorf("status %+v", s)
	}
	h := tun.History()
	if len(h) != 2 || h[1].Sel != sel(1) || h[1].Fault.Cause != ike.CauseSelectors {
		t.Errorf("history %+v", h)
	}
}

func TestNewestChildIsUsedAndOlderOnesDrain(t *testing.T) {
	tun := tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, answered(0, 0x300), "up"},
		step{0, up(0, 0x301), ""},
		step{0, answered(0, 0x302), ""},
		step{0, answered(0, 0x303), ""},
		step{turnsOver, Tick{}, "delete 300, remove in 300, remove out 1300, child 300 down: limit"},
		step{0, PeerDeleted{0x1301}, "remove in 301, remove out 1301, child 301 down: deleted"},
		step{0, Expired{0x1302, there}, "delete 302, remove in 302, remove out 1302, child 302 down: expired"},
		step{0, Expired{0x302, here}, ""},
	)
	if c := tun.Status().Pairs[0].Child; c.SPIIn != 0x303 {
		t.Errorf("uses %x", c.SPIIn)
	}
	if !tun.Holds() {
		t.Error("holds nothing")
	}
}

// A peer that makes child after child gathers no more than a few, and is told of
// several at once that the oldest are gone.
func TestChildrenDoNotGather(t *testing.T) {
	tun := tell(t, peer(ike.Passive, 1))
	told, most := 0, 0
	for i := range uint32(100) {
		for _, a := range tun.Step(began, answered(0, 0x300+i)) {
			if _, is := a.(Delete); is {
				told++
			}
		}
		most = max(most, len(tun.pairs[0].children))
	}
	if most != mostChildren || told > 100/(mostChildren-keptChildren) {
		t.Errorf("%d children at the most, %d deletions", most, told)
	}
}

func TestOlderChildCarriesOnWhenTheNewestGoes(t *testing.T) {
	tun := tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, up(0, 0x300), "up"},
		step{time.Hour, answered(0, 0x301), ""},
		step{0, InstallFailed{0x1301, errors.New("no such algorithm")},
			"delete 301, remove in 301, remove out 1301, child 301 down: data plane"},
	)
	if c := tun.Status().Pairs[0].Child; c == nil || c.SPIIn != 0x300 {
		t.Errorf("uses %+v", c)
	}
}

func TestLostChildIsNegotiatedAnew(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   Input
		want string
	}{
		{"deleted", PeerDeleted{0x1300}, "remove in 300, remove out 1300, child 300 down: deleted"},
		{"deleted by our SPI", PeerDeleted{0x300}, "remove in 300, remove out 1300, child 300 down: deleted"},
		{"expired", Expired{0x300, here}, "delete 300, remove in 300, remove out 1300, child 300 down: expired"},
		{"expired outbound", Expired{0x1300, there}, "delete 300, remove in 300, remove out 1300, child 300 down: expired"},
	} {
		t.Run(tc.name+" after a while: at once", func(t *testing.T) {
			tell(t, peer(ike.Active, 1),
				step{0, Tick{}, "negotiate 0, negotiating"},
				step{0, up(0, 0x300), "up"},
				step{soon, tc.in, tc.want + ", negotiate 0, negotiating: " + tc.name[:strings.IndexByte(tc.name+" ", ' ')]})
		})
		t.Run(tc.name+" at once: after a pause that grows", func(t *testing.T) {
			cause := tc.name[:strings.IndexByte(tc.name+" ", ' ')]
			tun := tell(t, peer(ike.Active, 1),
				step{0, Tick{}, "negotiate 0, negotiating"},
				step{0, up(0, 0x300), "up"},
				step{0, tc.in, tc.want + ", down: " + cause},
				step{time.Second, Tick{}, "negotiate 0, negotiating: " + cause},
				step{0, up(0, 0x300), "up"},
				step{0, tc.in, tc.want + ", down: " + cause})
			wantWake(t, tun, 3*time.Second)
		})
	}
}

func TestHalfInstalledChildIsTakenBack(t *testing.T) {
	tun := tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, up(0, 0x300), "up"},
		step{time.Hour, InstallFailed{0x300, errors.New("no such algorithm")},
			"delete 300, remove in 300, remove out 1300, child 300 down: data plane, down: data plane"},
	)
	s := tun.Status()
	if !strings.Contains(s.Fault.Text, "no such algorithm") || s.NextTry != began.Add(time.Hour+time.Second) {
		t.Errorf("status %+v", s)
	}
}

func TestPeerThatUsesItsSPIAgain(t *testing.T) {
	again := answered(0, 0x301)
	again.Child.SPIOut = 0x1300
	tell(t, peer(ike.Passive, 1),
		step{0, answered(0, 0x300), "up"},
		step{0, again, "remove in 300, child 300 down: deleted"},
		step{0, PeerDeleted{0x1300}, "remove in 301, remove out 1300, child 301 down: deleted, down: deleted"},
	)
}

func TestStopAndStart(t *testing.T) {
	asked := fault(ike.CauseAsked)
	tun := tell(t, peer(ike.Active, 2),
		step{0, Tick{}, "negotiate 0, negotiate 1, negotiating"},
		step{0, up(0, 0x300), "partly up"},
		step{0, Stop{asked}, "delete 300, remove in 300, remove out 1300, child 300 down: asked, disconnect, disabled: asked"},
		step{0, SessionDown{Asked: []xfrm.Selector{sel(1)}, Fault: asked}, ""},
		step{0, Acquired{100}, ""},
		step{0, Noted{Fault: fault(ike.CauseAuth)}, ""},
		step{0, answered(1, 0x301), "delete 301, remove in 301, remove out 1301"},
		step{time.Hour, Tick{}, ""},
	)
	if !tun.Stopped() {
		t.Error("is not stopped")
	}
	wantSleep(t, tun)
	if got := words(tun.Step(began.Add(2*time.Hour), Start{})); got != "negotiate 0, negotiate 1, negotiating" {
		t.Error(got)
	}
	if tun.Stopped() {
		t.Error("is stopped")
	}
}

func TestStartEndsThePause(t *testing.T) {
	tell(t, peer(ike.Active, 1),
		step{0, Tick{}, "negotiate 0, negotiating"},
		step{0, SessionDown{Asked: []xfrm.Selector{sel(0)}, Fault: fault(ike.CauseTimeout)}, "down: timeout"},
		step{0, Start{}, "negotiate 0, negotiating"},
		step{0, ChildFailed{sel(0), fault(ike.CauseProposal)}, "down: proposal"},
		step{0, Start{}, "negotiate 0, negotiating"},
	)
}

func TestPeerGoesOnWithItsPairs(t *testing.T) {
	tun := tell(t, peer(ike.Active, 3),
		step{0, Tick{}, "negotiate 0, negotiate 1, negotiate 2, negotiating"},
		step{0, SessionDown{Asked: []xfrm.Selector{sel(0), sel(1), sel(2)}, Fault: fault(ike.CauseTimeout)}, "down: timeout"},
		step{time.Second / 2, SessionUp{Initiator: false}, ""},
		step{time.Second / 4, answered(0, 0x300), "partly up"},
		step{time.Second, answered(1, 0x301), ""},
	)
	wantWake(t, tun, 3750*time.Millisecond)
	if got := words(tun.Step(began.Add(3750*time.Millisecond), Tick{})); got != "negotiate 2" {
		t.Error(got)
	}
}

func TestPeerThatOnlyMakesSessionsDoesNotPutUsOff(t *testing.T) {
	now := began
	tun := New(peer(ike.Active, 1), even{}, now)
	tun.Step(now, Tick{})
	tun.Step(now, SessionDown{Asked: []xfrm.Selector{sel(0)}, Fault: fault(ike.CauseTimeout)})
	for range 4 {
		now = now.Add(600 * time.Millisecond)
		if at, ok := tun.Wake(); ok && !at.After(now) && words(tun.Step(at, Tick{})) != "" {
			return // it asked
		}
		tun.Step(now, SessionUp{Initiator: false})
	}
	t.Error("never asked")
}

func TestNotedFaultShowsOnlyWhileNothingStands(t *testing.T) {
	tun := tell(t, peer(ike.Passive, 1),
		step{0, Noted{Fault: fault(ike.CauseAuth)}, ""},
	)
	if s := tun.Status(); s.Fault == nil || s.Fault.Cause != ike.CauseAuth {
		t.Errorf("status %+v", s)
	}
	tun.Step(began, answered(0, 0x300))
	tun.Step(began, Noted{Fault: fault(ike.CauseAuth)})
	if s := tun.Status(); s.Fault != nil || s.State != ike.Up {
		t.Errorf("status %+v", s)
	}
}

// What kept the whole tunnel down is over once a pair stands; what keeps another
// pair down is not.
func TestFaultIsThatOfWhatIsDown(t *testing.T) {
	tun := tell(t, peer(ike.FlowTrigger, 3),
		step{0, Acquired{100}, "urgent 0, negotiating"},
		step{time.Minute, SessionDown{Asked: []xfrm.Selector{sel(0)}, Fault: fault(ike.CauseTimeout)}, "down: timeout"},
		step{time.Minute, answered(0, 0x300), "partly up"},
	)
	if f := tun.Status().Fault; f != nil {
		t.Errorf("an old fault stays: %v", f)
	}
	for _, s := range []struct {
		in   Input
		want string
	}{
		{Acquired{101}, "urgent 1"},
		{ChildFailed{sel(1), fault(ike.CauseSelectors)}, ""},
		{answered(2, 0x301), ""},
	} {
		if got := words(tun.Step(began.Add(2*time.Minute+headStart), s.in)); got != s.want {
			t.Errorf("%T: %s, wants %s", s.in, got, s.want)
		}
	}
	if f := tun.Status().Fault; f == nil || f.Cause != ike.CauseSelectors {
		t.Errorf("the fault of the pair that is down is %v", f)
	}
	tun.Step(began.Add(3*time.Minute), answered(1, 0x302))
	if s := tun.Status(); s.Fault != nil || s.State != ike.Up {
		t.Errorf("status %+v", s)
	}
}

// What a proven peer asks for in vain explains why a pair is down beside another
// that stands; what anybody may have sent does not.
func TestNotedFaultOfAProvenPeerShowsWhileAPairIsDown(t *testing.T) {
	tun := tell(t, peer(ike.Passive, 2),
		step{0, answered(0, 0x300), "partly up"},
		step{0, Noted{Fault: fault(ike.CauseAuth)}, ""},
		step{0, Noted{Fault: fault(ike.CauseSelectors), Proven: true}, ""},
	)
	if f := tun.Status().Fault; f == nil || f.Cause != ike.CauseSelectors {
		t.Errorf("the fault is %v", f)
	}
	tun.Step(began, answered(1, 0x301))
	tun.Step(began, Noted{Fault: fault(ike.CauseSelectors), Proven: true})
	if f := tun.Status().Fault; f != nil {
		t.Errorf("all is up and the fault is %v", f)
	}
}

func TestStrangeInputIsIgnored(t *testing.T) {
	tun := tell(t, peer(ike.Passive, 1),
		step{0, PeerDeleted{0x300}, ""}, step{0, Expired{0x300, here}, ""},
		step{0, InstallFailed{0x300, io.EOF}, ""}, step{0, ChildFailed{sel(9), fault(ike.CauseTimeout)}, ""},
		step{0, SessionDown{Asked: []xfrm.Selector{sel(9)}, Fault: nil}, ""},
		step{0, answered(9, 0x300), "delete 300, remove in 300, remove out 1300"},
	)
	if len(tun.History()) != 0 {
		t.Errorf("history %+v", tun.History())
	}
}

func TestHistoryKeepsTheLast(t *testing.T) {
	tun := New(peer(ike.Active, 1), even{}, began)
	now := began
	for i := range Remembered + 5 {
		tun.Step(now, Tick{})
		tun.Step(now, ChildFailed{sel(0), &ike.Fault{Cause: ike.CauseTimeout, Text: fmt.Sprint(i)}})
		now = now.Add(2 * longestPause)
	}
	h := tun.History()
	if len(h) != Remembered || h[0].Fault.Text != "5" || h[Remembered-1].Fault.Text != fmt.Sprint(Remembered+4) {
		t.Errorf("%d entries, from %v to %v", len(h), h[0].Fault, h[len(h)-1].Fault)
	}
}

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		chance []byte
		want   time.Duration
	}{
		{[]byte{0, 0}, 45 * time.Second},
		{[]byte{0x80, 0}, 60 * time.Second},
		{[]byte{0xff, 0xff}, 75*time.Second - 1},
	} {
		got := spread(time.Minute, bytes.NewReader(tc.chance))
		if diff := tc.want - got; diff < 0 || diff > time.Millisecond {
			t.Errorf("%x: %v, want %v", tc.chance, got, tc.want)
		}
	}
}

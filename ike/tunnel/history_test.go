package tunnel

import (
	"fmt"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// A tunnel that is tried for ever, or that replaces its children for months, still
// tells what else happened to it.
func TestHistoryKeepsWhatIsInteresting(t *testing.T) {
	var h history
	now := began
	add := func(n Negotiation) {
		now = now.Add(time.Minute)
		n.Began = now
		h.add(now, n)
	}
	failed := func(text string) Negotiation {
		return Negotiation{Initiator: true, Fault: &ike.Fault{Cause: ike.CauseProposal, Text: text}}
	}
	for i := range 7 {
		add(failed(fmt.Sprint("fault ", i)))
	}
	for range 10000 {
		add(failed("again and again"))
	}
	if n := len(h.list); n != 8 {
		t.Fatalf("%d entries for 8 things that happened", n)
	}
	if last := h.list[7]; last.Count != 10000 || last.Last != now || last.Last.Sub(last.Began) != 9999*time.Minute {
		t.Errorf("the repeats are %+v", last)
	}
	for i := range 500 {
		add(Negotiation{Sel: sel(i % 250), Exchange: quickMode, Initiator: true})
	}
	failures := 0
	for _, n := range h.list {
		if n.Fault != nil {
			failures++
		}
	}
	if len(h.list) != Remembered || failures != Remembered/2 || h.list[Remembered-1].Sel != sel(249) {
		t.Errorf("after 500 children: %d failures in %+v", failures, h.list)
	}
	for i := range 20 {
		add(failed(fmt.Sprint("new fault ", i)))
	}
	if first := h.list[0]; len(h.list) != Remembered || first.Sel != sel(246) {
		t.Errorf("the oldest is %+v", first)
	}
}

// hiddenGroup is what we know as initiator, and shownGroup what the peer shows
// when it begins.
var (
	hiddenGroup = &ike.Fault{
		Cause: ike.CauseProposal, Text: "none of ours", Ours: "AES-CBC-128/SHA1/GROUP2",
		Compared: []ike.Parameter{{Name: "ike.encryption", Ours: "AES-CBC-128"}, {Name: "ike.dh_group", Ours: "GROUP2"}},
	}
	shownGroup = &ike.Fault{
		Cause: ike.CauseProposal, Text: "nothing in common", Ours: "AES-CBC-128/SHA1/GROUP2", Theirs: "AES-CBC-128/SHA1/GROUP5",
		Advice: "write GROUP5",
		Compared: []ike.Parameter{
			{Name: "ike.encryption", Ours: "AES-CBC-128", Theirs: "AES-CBC-128", Agrees: true},
			{Name: "ike.dh_group", Ours: "GROUP2", Theirs: "GROUP5"},
		},
	}
)

// A peer that refuses our offer without a word has told what it wants when it
// began itself.
func TestPeerThatRefusedHasShownItsOwnOffer(t *testing.T) {
	tun := tell(t, peer(ike.Active, 1),
		step{0, Noted{Fault: shownGroup, Exchange: "main mode"}, "negotiate 0, negotiating: proposal"},
		step{time.Second, Noted{Fault: hiddenGroup, Ours: true}, ""},
		step{time.Minute, SessionDown{Asked: []xfrm.Selector{sel(0)}, Fault: hiddenGroup, Exchange: "main mode"}, "down: proposal"},
	)
	f := tun.Status().Fault
	if f.Key() != "ike.dh_group" || f.Theirs != shownGroup.Theirs || f.Advice != "write GROUP5" {
		t.Errorf("blames %q: %v", f.Key(), f)
	}
	h := tun.History()
	if len(h) != 2 || h[0].Initiator || h[0].Exchange != "main mode" || !h[1].Initiator || h[1].Took != time.Minute+time.Second {
		t.Errorf("history %+v", h)
	}
	if hiddenGroup.Theirs != "" {
		t.Error("the session's own fault was changed")
	}
}

// What was left open is answered whichever of its parameters it is; another pair
// of networks answers nothing.
func TestWhatAnswersARefusal(t *testing.T) {
	pair := func(ours, theirs string) *ike.Fault {
		return &ike.Fault{Cause: ike.CauseSelectors, Ours: ours, Compared: []ike.Parameter{
			{Name: "spd.local", Ours: ours, Theirs: theirs}, {Name: "spd.peer", Ours: ours},
		}}
	}
	refused := &ike.Fault{Cause: ike.CauseProposal, Ours: "a, b", Compared: []ike.Parameter{
		{Name: "ike.encryption", Ours: "a, b"}, {Name: "ike.mode", Ours: "MAIN"}, {Name: "ike.version", Ours: "IKEV1"},
	}}
	version := &ike.Fault{Cause: ike.CauseVersion, Ours: "IKEv1", Compared: []ike.Parameter{{Name: "ike.version", Ours: "IKEV1", Theirs: "IKEV2"}}}
	for _, tc := range []struct {
		name       string
		told, open *ike.Fault
		want       string
	}{
		{"the version", version, refused, "ike.version"},
		{"the same pair", pair("10.1.0.0/16", "10.9.0.0/16"), pair("10.1.0.0/16", ""), "spd.local"},
		{"another pair", pair("10.2.0.0/16", "10.9.0.0/16"), pair("10.1.0.0/16", ""), ""},
		{"something else", version, pair("10.1.0.0/16", ""), ""},
		{"nothing told", &ike.Fault{}, refused, ""},
	} {
		var h history
		h.add(began, Negotiation{Fault: tc.told})
		if f := h.informed(tc.open); f.Key() != tc.want {
			t.Errorf("%s: blames %q, want %q", tc.name, f.Key(), tc.want)
		}
	}
}

// What the authenticated peer asks for in vain is remembered also while all is
// up, and spoils nothing; what anybody can have sent is not.
func TestRefusalsWhileAllIsUp(t *testing.T) {
	f := fault(ike.CauseSelectors)
	tun := tell(t, peer(ike.Passive, 1),
		step{0, answered(0, 0x300), "up"},
		step{0, Noted{Fault: shownGroup}, ""},
		step{0, Noted{Fault: f, Exchange: quickMode, Proven: true}, ""},
		step{0, Noted{Fault: f, Exchange: quickMode, Proven: true}, ""}, // the same one, told twice
	)
	h := tun.History()
	if len(h) != 2 || h[1].Fault != f || h[1].Count != 1 || tun.Status().Fault != nil {
		t.Errorf("status %v, history %+v", tun.Status().Fault, h)
	}
}

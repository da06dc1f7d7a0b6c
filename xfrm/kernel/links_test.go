package kernel

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twinspan/twinspan/xfrm"
)

func TestLinksBecomeWhatIsWanted(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	one := xfrm.Link{Name: "twin0001", IfID: gateway, MTU: 1400}
	two := xfrm.Link{Name: "twin0002", IfID: gateway + 1, MTU: 1300}
	renamed, renumbered, narrow := one, one, one
	renamed.Name = "twin0009"
	renumbered.IfID = gateway + 8
	narrow.MTU = 1280
	for _, want := range [][]xfrm.Link{{one, two}, {one}, {narrow, two}, {renamed, two}, {renumbered}, {}} {
		for range 2 {
			must(t, p.SetLinks(t.Context(), want))
			s, err := p.Dump(t.Context())
			must(t, err)
			slices.SortFunc(s.Links, func(a, b xfrm.Link) int { return strings.Compare(b.Name, a.Name) })
			slices.SortFunc(want, func(a, b xfrm.Link) int { return strings.Compare(b.Name, a.Name) })
			if !slices.Equal(s.Links, want) {
				t.Fatalf("links\n got %+v\nwant %+v", s.Links, want)
			}
		}
		for _, l := range want {
			if shown := p.ip(t, "link", "show", l.Name); !strings.Contains(shown, ",UP") {
				t.Errorf("%s is not up:\n%s", l.Name, shown)
			}
		}
	}
}

func TestALinkThatStaysIsNotMadeAnew(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	l := xfrm.Link{Name: "twin0001", IfID: gateway, MTU: 1400}
	must(t, p.SetLinks(t.Context(), []xfrm.Link{l}))
	before := p.ip(t, "-o", "link", "show", l.Name)
	l.MTU = 1300
	must(t, p.SetLinks(t.Context(), []xfrm.Link{l, {Name: "twin0002", IfID: gateway + 1, MTU: 1400}}))
	after := p.ip(t, "-o", "link", "show", l.Name)
	index := func(line string) string { i, _, _ := strings.Cut(line, ":"); return i }
	if index(before) != index(after) || !strings.Contains(after, "mtu 1300") {
		t.Errorf("the device was\n%s and is\n%s", before, after)
	}
}

func TestOthersLinksStay(t *testing.T) {
	needESP(t)
	p := newPlace(t)
	p.ip(t, strings.Fields(othersLink)...)
	p.ip(t, "link", "add", "name", "twin0001", "type", "dummy")
	must(t, p.SetLinks(t.Context(), []xfrm.Link{{Name: "twin0002", IfID: gateway, MTU: 1400}}))
	err := p.SetLinks(t.Context(), []xfrm.Link{{Name: "twin0001", IfID: gateway, MTU: 1400}})
	if err == nil || !strings.Contains(err.Error(), `device "twin0001": there is a device of that name`) {
		t.Errorf("a dummy device in the place: %v", err)
	}
	must(t, p.SetLinks(t.Context(), nil))
	for _, name := range []string{"theirs", "twin0001"} {
		p.ip(t, "link", "show", name)
	}
}

func TestImpossibleLinksAreRefused(t *testing.T) {
	p := newPlace(t)
	for name, l := range map[string]xfrm.Link{
		"foreign if_id": {Name: "twin0001", IfID: 7, MTU: 1400},
		"no name":       {IfID: gateway, MTU: 1400},
		"long name":     {Name: "a-name-of-16byte", IfID: gateway, MTU: 1400},
		"no MTU":        {Name: "twin0001", IfID: gateway},
	} {
		if err := p.SetLinks(t.Context(), []xfrm.Link{l}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// After Close nothing is done, least of all in another namespace.
func TestClosedBackendDoesNothing(t *testing.T) {
	p := newPlace(t)
	must(t, p.Backend.Close())
	must(t, p.Backend.Close())
	if err := p.SetLinks(t.Context(), nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("SetLinks: %v", err)
	}
	if err := p.SetPolicies(t.Context(), nil); err == nil {
		t.Error("SetPolicies succeeds")
	}
	if err := p.PutSA(t.Context(), sampleSA()); err == nil {
		t.Error("PutSA succeeds")
	}
	if _, open := <-p.Events(); open {
		t.Error("an event after Close")
	}
}

package v1

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

var nattWords = []ike.NATT{ike.NATTAuto, ike.NATTRFC, ike.NATTDraft, ike.NATTOff, ike.NATTForce}

// Each word of NAT traversal against each other one: the best that both allow is
// agreed on, and the answer names that one alone.
func TestEveryWordOfNATTAgainstEach(t *testing.T) {
	for _, here := range nattWords {
		for _, there := range nattWords {
			t.Run(fmt.Sprintf("%v, %v", here, there), func(t *testing.T) {
				a, b := peers()
				a.NATT, b.NATT = here, there
				want := natNone
				for _, v := range allowed(here) {
					if want == natNone && slices.Contains(allowed(there), v) {
						want = v
					}
				}
				p := newPair(t, a, b)
				p.start()
				p.wantTunnel()
				if p.a.s.ext.natt != want || p.b.s.ext.natt != want {
					t.Errorf("agreed on %d and %d instead of %d", p.a.s.ext.natt, p.b.s.ext.natt, want)
				}
				if !p.a.s.ext.dpd || !p.b.s.ext.dpd {
					t.Error("DPD is not announced")
				}
				forced := want != natNone && (here == ike.NATTForce || there == ike.NATTForce)
				if p.a.s.floated() != forced || p.b.s.floated() != forced {
					t.Errorf("in UDP: %v and %v instead of %v", p.a.s.floated(), p.b.s.floated(), forced)
				}
				if len(p.a.sent[0]) < len(p.b.sent[0]) || len(p.a.sent[1]) < len(p.b.sent[1]) {
					t.Errorf("the initiator sends %d and %d bytes, the responder %d and %d",
						len(p.a.sent[0]), len(p.a.sent[1]), len(p.b.sent[0]), len(p.b.sent[1]))
				}
			})
		}
	}
}

// A responder answers what it knows of the peer's vendor ids, each once, however
// often and in whatever order they come.
func TestVendorsAreAnsweredOnce(t *testing.T) {
	_, b := peers()
	off, draft := b, b
	off.NATT, draft.NATT = ike.NATTOff, ike.NATTDraft
	rfc, d3, d2 := natVendors[natRFC], natVendors[natDraft3], natVendors[natDraft2]
	stranger := []byte("somebody")
	for _, c := range []struct {
		what         string
		peers        []*ike.Peer
		theirs, want [][]byte
	}{
		{"nothing", []*ike.Peer{&b}, nil, nil},
		{"a stranger's", []*ike.Peer{&b}, [][]byte{stranger, {}}, nil},
		{"all", []*ike.Peer{&b}, [][]byte{vendorDPD, d2, stranger, d3, rfc}, [][]byte{vendorDPD, rfc}},
		{"drafts alone", []*ike.Peer{&b}, [][]byte{d2, d3}, [][]byte{d3}},
		{"again and again", []*ike.Peer{&b}, [][]byte{rfc, vendorDPD, rfc, vendorDPD}, [][]byte{vendorDPD, rfc}},
		{"what is off", []*ike.Peer{&off}, [][]byte{rfc, d3, vendorDPD}, [][]byte{vendorDPD}},
		{"what is off in one tunnel of two", []*ike.Peer{&off, &draft}, [][]byte{rfc, d3}, [][]byte{d3}},
		{"what only the second tunnel allows", []*ike.Peer{&draft, &b}, [][]byte{rfc, d3}, [][]byte{rfc}},
	} {
		var chain []isakmp.Payload
		for _, v := range c.theirs {
			chain = append(chain, vendor(v))
		}
		_, answer := understand(c.peers, chain)
		if got := isakmp.All(answer, isakmp.Vendor); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %x instead of %x", c.what, got, c.want)
		}
	}
}

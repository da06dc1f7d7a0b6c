package ikesim

import (
	"slices"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/suite"
)

// Every cipher with every hash in phase 1, in the groups that are computed
// quickly; in the others every cipher once and every hash once. The ESP proposal
// takes another cipher and hash of the table each time, and with every fifth one
// the group for PFS.
func TestEverySuite(t *testing.T) {
	n := 0
	for _, g := range suite.Groups {
		t.Run(g.Word, func(t *testing.T) {
			quick := slices.Contains([]ike.Group{1, 2, 31}, g.Group)
			for i, c := range suite.Ciphers {
				for k, h := range suite.Hashes {
					if !quick && i != k {
						continue
					}
					n++
					oneSuite(t, ike.Proposal{Cipher: c.Cipher, KeyBits: c.KeyBits, Hash: h.Hash, Group: g.Group}, esp(n, g.Group))
				}
			}
		})
	}
}

func esp(n int, g ike.Group) ike.Proposal {
	c, h := suite.Ciphers[n%len(suite.Ciphers)], suite.Hashes[(n/len(suite.Ciphers)+n)%len(suite.Hashes)]
	p := ike.Proposal{Cipher: c.Cipher, KeyBits: c.KeyBits, Hash: h.Hash}
	if n%5 == 0 {
		p.Group = g
	}
	return p
}

func oneSuite(t *testing.T, phase1, esp ike.Proposal) {
	t.Helper()
	w, a, _ := tunnel(t, 1, nil, func(a, b *ike.Peer) {
		for _, p := range []*ike.Peer{a, b} {
			p.Proposals = []ike.Proposal{phase1}
			p.Children[0].Proposals = []ike.Proposal{esp}
		}
	})
	w.RunUntilUp(time.Second, gz)
	w.WantDatagrams(nine)
	s := a.Status(gz)
	if s.Session.Proposal != phase1 || s.Pairs[0].Child.Proposal != esp {
		t.Errorf("%v and %v were agreed on, wants %v and %v", s.Session.Proposal, s.Pairs[0].Child.Proposal, phase1, esp)
	}
}

// The responder's order decides which of several proposals is taken.
func TestBestCommonProposal(t *testing.T) {
	weak := ike.Proposal{Cipher: FastIKE.Cipher, KeyBits: 128, Hash: FastIKE.Hash, Group: 1}
	w, a, _ := tunnel(t, 1, nil, func(a, b *ike.Peer) {
		a.Proposals = []ike.Proposal{weak, FastIKE}
		b.Proposals = []ike.Proposal{FastIKE, weak}
	})
	w.RunUntilUp(time.Second, gz)
	if got := a.Status(gz).Session.Proposal; got != FastIKE {
		t.Errorf("%v was agreed on", got)
	}
}

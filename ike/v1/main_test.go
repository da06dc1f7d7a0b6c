package v1

import (
	"testing"

	"github.com/twinspan/twinspan/ike"
)

func TestMainAndQuick(t *testing.T) {
	p := newPair(t, first(peers()), second(peers()))
	p.start()
	p.wantTunnel()
	if n := len(p.a.sent) + len(p.b.sent); n != 9 {
		t.Errorf("%d datagrams instead of 6 + 3", n)
	}
	if got := p.b.s.Peer(); got != "b" {
		t.Errorf("the responder takes the peer for %q", got)
	}
}

func TestQuickWithPFS(t *testing.T) {
	a, b := peers()
	a.Children[0].Proposals = []ike.Proposal{{Cipher: fastESP.Cipher, KeyBits: 128, Hash: fastESP.Hash, Group: 2}}
	b.Children[0].Proposals = a.Children[0].Proposals
	p := newPair(t, a, b)
	p.start()
	p.wantTunnel()
}

func first(a, _ ike.Peer) ike.Peer  { return a }
func second(_, b ike.Peer) ike.Peer { return b }

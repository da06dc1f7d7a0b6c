package ikesim

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

// FastIKE and FastESP are what Between proposes: quick to compute.
var (
	FastIKE = ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1, Group: 2}
	FastESP = ike.Proposal{Cipher: xfrm.AESCBC, KeyBits: 128, Hash: xfrm.SHA1}
)

// Between is the configuration of both ends of a tunnel with n selector pairs:
// the first begins, the second waits. Change what the story needs.
func Between(tunnel string, here, there netip.Addr, n int) (a, b ike.Peer) {
	a = ike.Peer{
		Name: tunnel, Local: here, Remote: there,
		LocalID: ike.AddressID(here), RemoteID: ike.AddressID(there),
		Keys: []xfrm.Secret{xfrm.NewSecret([]byte("key of " + tunnel))}, Mode: ike.Main, Start: ike.Active,
		Proposals: []ike.Proposal{FastIKE}, Lifetime: ike.Lifetime{Time: 24 * time.Hour}, IfID: xfrm.Ours | 1,
	}
	b = a
	b.Local, b.Remote, b.LocalID, b.RemoteID, b.Start = a.Remote, a.Local, a.RemoteID, a.LocalID, ike.Passive
	for i := range n {
		c := ike.Child{
			Sel: xfrm.Selector{
				Local:  netip.MustParsePrefix(fmt.Sprintf("10.1.%d.0/24", i)),
				Remote: netip.MustParsePrefix(fmt.Sprintf("10.2.%d.0/24", i)),
			},
			ReqID: uint32(1 + i), Proposals: []ike.Proposal{FastESP},
			Lifetime: ike.Lifetime{Time: time.Hour, KB: 4096000},
		}
		a.Children = append(a.Children, c)
		c.Sel.Local, c.Sel.Remote = c.Sel.Remote, c.Sel.Local
		b.Children = append(b.Children, c)
	}
	return a, b
}

// WithPFS makes the ESP proposals of a peer ask for a group.
func WithPFS(p *ike.Peer, g ike.Group) {
	for i := range p.Children {
		c := &p.Children[i]
		list := make([]ike.Proposal, len(c.Proposals))
		for k, own := range c.Proposals {
			own.Group = g
			list[k] = own
		}
		c.Proposals = list
	}
}

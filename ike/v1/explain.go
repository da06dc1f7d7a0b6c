package v1

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// noSuchPair explains a pair of networks that is not ours, and names the
// nearest that is.
func noSuchPair(p ike.Peer, asked xfrm.Selector) *ike.Fault {
	f := &ike.Fault{
		Cause: ike.CauseSelectors, Text: "the peer asks for a pair of networks that the tunnel does not have",
		Theirs: asked.String(),
		Advice: fmt.Sprintf("add an spd with local = %q and peer = [%q], or change the peer", asked.Local, asked.Remote),
	}
	score := -1
	for _, c := range p.Children {
		if n := likeness(c.Sel, asked); n > score {
			score, f.Ours = n, c.Sel.String()
		}
	}
	return f
}

// likeness counts the bits that two pairs have in common.
func likeness(a, b xfrm.Selector) int {
	return alike(a.Local, b.Local) + alike(a.Remote, b.Remote)
}

func alike(a, b netip.Prefix) int {
	if a.Addr().BitLen() != b.Addr().BitLen() {
		return 0
	}
	n := commonBits(a.Addr().AsSlice(), b.Addr().AsSlice())
	if a.Bits() == b.Bits() {
		n++
	}
	return n
}

// notOffered explains an answer that is none of what we offered.
func notOffered(ours []ike.Proposal, theirs []candidate) *ike.Fault {
	return &ike.Fault{
		Cause: ike.CauseProposal, Text: "the peer chose what we did not offer",
		Ours: listWords(ours), Theirs: listTheirs(theirs),
	}
}

// noneInCommon explains an offer that has nothing for us, and names the nearest
// thing to change.
func noneInCommon(what, table string, ours []ike.Proposal, theirs []candidate) *ike.Fault {
	return &ike.Fault{
		Cause:  ike.CauseProposal,
		Text:   "no " + what + " proposal in common",
		Ours:   listWords(ours),
		Theirs: listTheirs(theirs),
		Advice: adviceFor(table, ours, theirs),
	}
}

func listWords(list []ike.Proposal) string {
	var all []string
	for _, p := range list {
		all = append(all, strings.ReplaceAll(suite.Words(p), ", ", "/"))
	}
	return strings.Join(all, ", ")
}

// shown bounds how many of a peer's transforms a line repeats.
const shown = 5

func listTheirs(theirs []candidate) string {
	var all []string
	for i, c := range theirs {
		if i == shown {
			all = append(all, fmt.Sprintf("and %d more", len(theirs)-shown))
			break
		}
		all = append(all, strings.Join(c.words, "/"))
	}
	return strings.Join(all, ", ")
}

// adviceFor finds the pair of proposals that differ least, and says what to
// write in ours.
func adviceFor(table string, ours []ike.Proposal, theirs []candidate) string {
	best, advice := 4, ""
	for _, o := range ours {
		for _, c := range theirs {
			if c.unknown {
				continue
			}
			if changes := changesTo(o, c.offered.proposal, table); len(changes) < best {
				best, advice = len(changes), "write "+strings.Join(changes, " and ")+" in the tunnel's ["+table+"], or change the peer"
			}
		}
	}
	return advice
}

func changesTo(ours, theirs ike.Proposal, table string) []string {
	var changes []string
	if ours.Cipher != theirs.Cipher || ours.KeyBits != theirs.KeyBits {
		c, _ := suite.CipherOf(theirs.Cipher, theirs.KeyBits)
		changes = append(changes, fmt.Sprintf("encryption = %q", c.Word))
	}
	if ours.Hash != theirs.Hash {
		h, _ := suite.HashOf(theirs.Hash)
		changes = append(changes, fmt.Sprintf("integrity = %q", h.Word))
	}
	if ours.Group != theirs.Group {
		changes = append(changes, groupChange(theirs.Group, table))
	}
	return changes
}

func groupChange(g ike.Group, table string) string {
	row, ok := suite.GroupOf(g)
	switch {
	case table == "ike":
		return fmt.Sprintf("dh_group = %q", row.Word)
	case !ok:
		return `pfs = "disable"`
	}
	return fmt.Sprintf("pfs = %q", "DH-"+row.Word)
}

// whyNoESP explains; that only PFS differs is worth its own class. What is not
// usable, for its SPI or its encapsulation mode, is no ground for advice.
func whyNoESP(q *quick, theirs, usable []candidate) *ike.Fault {
	f := noneInCommon("IPsec", "ipsec", q.child.Proposals, theirs)
	if len(theirs) > 0 && len(usable) == 0 {
		f.Text, f.Advice = "the peer's SPI or encapsulation mode cannot be had", "set the peer to tunnel mode"
		return f
	}
	f.Advice = adviceFor("ipsec", q.child.Proposals, usable)
	for _, ours := range q.child.Proposals {
		for _, c := range usable {
			if !c.unknown && c.offered.proposal.Suite() == ours.Suite() {
				f.Cause = ike.CausePFS
			}
		}
	}
	return f
}

// otherMode explains a first message of a mode that no tunnel with the peer's
// address uses.
func otherMode(theirs ike.Mode) *ike.Fault {
	ours, word := ike.Main, "AGGRESSIVE"
	if theirs == ike.Main {
		ours, word = ike.Aggressive, "MAIN"
	}
	there := fmt.Sprintf("set the peer to %v", ours)
	return &ike.Fault{
		Cause: ike.CauseMode, Text: fmt.Sprintf("the peer uses %v, this tunnel %v", theirs, ours),
		Ours: ours.String(), Theirs: theirs.String(),
		Advice:     fmt.Sprintf("write mode = %q in the tunnel's [ike], or %s", word, there),
		PeerAdvice: there,
		Compared:   []ike.Parameter{{Name: "mode", Ours: ours.String(), Theirs: theirs.String()}},
	}
}

// phase1Notified explains an error that the peer sent during phase 1.
func (s *Session) phase1Notified(t isakmp.NotifyType) *ike.Fault {
	f := &ike.Fault{Cause: ike.CauseNotify, Text: "the peer sent " + t.String(), Advice: "look at the peer's log"}
	switch {
	case t == isakmp.NoProposalChosen:
		f.Cause, f.Ours = ike.CauseProposal, listWords(s.peer.Proposals)
		f.Text = "the peer accepts none of our IKE proposals (it sent NO-PROPOSAL-CHOSEN)"
		f.Advice = "give [ike] the encryption, integrity and dh_group that the peer has"
	case t == isakmp.InvalidMajorVersion:
		return s.speaksIKEv2()
	case t == isakmp.InvalidID:
		f.Cause, f.Ours = ike.CauseIdentity, s.peer.LocalID.Text
		f.Text = "the peer knows nobody of our identity (it sent INVALID-ID-INFORMATION)"
		f.Advice = "write the local_identity that the peer expects in [ike]"
	case s.state == wantResponderProof:
		f.Cause, f.Ours = ike.CauseIdentity, s.peer.LocalID.Text
		f.Text = "the peer refused aggressive mode (it sent " + t.String() + "): it knows nobody of our identity, or allows main mode only"
		f.Advice = "write the local_identity that the peer expects in [ike], or let the peer accept aggressive mode with pre-shared keys"
	case s.state == wantResponderID || s.state == wantInitiatorProof:
		f.Cause = ike.CauseAuth
		f.Text = "the peer could not authenticate us (it sent " + t.String() + "): most likely the pre-shared keys differ"
		f.Advice = "write the same pre_shared_key on both sides"
	}
	return f
}

// speaksIKEv2 explains a peer that does not know IKEv1. Libreswan says so by an
// INVALID-MAJOR-VERSION when it is set to reject it, strongSwan without IKEv1 by
// one in a message of IKEv2.
func (s *Session) speaksIKEv2() *ike.Fault {
	return &ike.Fault{
		Cause: ike.CauseVersion, Text: s.remote.String() + " speaks only IKEv2, and this tunnel is one of IKEv1",
		Ours: "IKEv1", Theirs: "IKEv2",
		PeerAdvice: "let the peer speak IKEv1 with us (Libreswan: ikev1-policy=accept and keyexchange=ikev1; strongSwan: version = 1)",
	}
}

// hintVersion keeps that the peer answers in IKEv2. Anybody can have sent it.
func (s *Session) hintVersion(h isakmp.Header) {
	if s.state != wantChoice || h.Initiator != s.cookies.Initiator || s.hint != nil {
		return
	}
	s.hint = s.speaksIKEv2()
	s.refuse(isakmp.MainMode, "", s.hint)
}

// quickNotified explains an error that the peer sent in answer to a quick mode.
func quickNotified(q *quick, t isakmp.NotifyType) *ike.Fault {
	f := &ike.Fault{Cause: ike.CauseNotify, Text: "the peer refused the quick mode with " + t.String(), Advice: "look at the peer's log"}
	switch t {
	case isakmp.NoProposalChosen:
		f.Cause, f.Ours = ike.CauseProposal, listWords(q.child.Proposals)
		f.Text = "the peer accepts none of our IPsec proposals (it sent NO-PROPOSAL-CHOSEN)"
		f.Advice = "give [ipsec] the encryption, integrity and pfs that the peer has"
	case isakmp.InvalidID:
		f.Cause, f.Ours = ike.CauseSelectors, q.child.Sel.String()
		f.Text = "the peer does not have this pair of networks (it sent INVALID-ID-INFORMATION)"
		f.Advice = "give both sides the same networks"
	}
	return f
}

// noAnswer explains a phase 1 that ran out of time.
func (s *Session) noAnswer() *ike.Fault {
	if s.hint != nil {
		return s.hint
	}
	f := &ike.Fault{
		Cause:  ike.CauseTimeout,
		Text:   s.remote.String() + " does not answer",
		Advice: "see that the peer runs, knows our address, and that UDP 500 and 4500 pass in both directions",
	}
	if step := s.awaited(); step != "" {
		f.Text += ": " + step + " did not come"
	}
	if s.state == wantResponderID || s.state == wantInitiatorID || s.state == wantInitiatorProof {
		f.Cause = ike.CauseAuth
		f.Text = s.remote.String() + " stopped at authentication"
		f.Advice = "compare pre_shared_key and the identities on both sides"
	}
	return f
}

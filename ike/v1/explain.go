package v1

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// noSuchPair explains a pair of networks that is not ours, and names the
// nearest that is.
func noSuchPair(p *ike.Peer, asked xfrm.Selector) *ike.Fault {
	near, score := xfrm.Selector{}, -1
	for _, c := range p.Children {
		if n := likeness(c.Sel, asked); n > score {
			near, score = c.Sel, n
		}
	}
	f := otherNetworks("the peer asks for a pair of networks that the tunnel does not have", near, asked)
	f.Advice = fmt.Sprintf("add [[vpn_tunnel.%s.spd]] with local = %q and peer = [%q]", bare(p.Name), asked.Local, asked.Remote)
	return f
}

// otherNetworks explains that the peer has other networks than ours.
func otherNetworks(text string, ours, theirs xfrm.Selector) *ike.Fault {
	return &ike.Fault{
		Cause: ike.CauseSelectors, Text: text, Ours: ours.String(), Theirs: theirs.String(),
		PeerAdvice: fmt.Sprintf("set the networks %v on its side and %v on ours", ours.Remote, ours.Local),
		Compared:   compareNetworks(ours, theirs),
	}
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
func notOffered(w wish, theirs []candidate) *ike.Fault {
	f := &ike.Fault{
		Cause: ike.CauseProposal, Text: "the peer chose what we did not offer",
		Ours: listWords(w.proposals), Theirs: listTheirs(theirs),
	}
	if w, ours, c, ok := nearest([]wish{w}, theirs); ok {
		f.Compared = w.compare(ours, c)
	}
	return f
}

// noIKE explains an offer of phase 1 that has nothing for any of the peers that
// it may be.
func noIKE(peers []*ike.Peer, theirs []candidate) *ike.Fault {
	wishes := make([]wish, len(peers))
	for i, p := range peers {
		wishes[i] = phase1(p)
	}
	return noneInCommon(wishes, theirs)
}

// noneInCommon explains an offer that has nothing for us, and names the nearest
// thing to change.
func noneInCommon(wishes []wish, theirs []candidate) *ike.Fault {
	var ours []ike.Proposal
	for _, w := range wishes {
		ours = append(ours, w.proposals...)
	}
	f := &ike.Fault{
		Cause: ike.CauseProposal, Text: "no " + wishes[0].what + " proposal in common",
		Ours: listWords(ours), Theirs: listTheirs(theirs),
	}
	w, proposal, c, ok := nearest(wishes, theirs)
	if !ok {
		f.PeerAdvice = "offer one ESP or IKE proposal without bundles"
		return f
	}
	f.Compared = w.compare(proposal, c)
	differ := differing(f.Compared)
	f.PeerAdvice = w.peerChange(differ)
	if !c.unknown {
		f.Advice = w.change(differ)
	}
	f.Text += inWhat(differ)
	if len(differ) == 1 {
		f.Cause = causeOf(differ[0])
	}
	return f
}

// inWhat says in what the nearest two differ.
func inWhat(differ []ike.Parameter) string {
	var words []string
	for _, p := range differ {
		words = append(words, spoken[keyOf(p)])
	}
	if len(words) == 0 {
		return ""
	}
	return ": the nearest differ in " + strings.Join(words, ", ")
}

// causeOf is the class of a fault of which one parameter is to blame.
func causeOf(p ike.Parameter) ike.Cause {
	switch keyOf(p) {
	case keyPFS:
		return ike.CausePFS
	case keyLifetime:
		return ike.CauseLifetime
	}
	return ike.CauseProposal
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
		all = append(all, c.offered.String())
	}
	return strings.Join(all, ", ")
}

// whyNoESP explains an offer of phase 2 that has nothing for us. What a candidate
// asks for beside its algorithms and cannot have is noted with it.
func (s *Session) whyNoESP(q *quick, theirs []candidate) *ike.Fault {
	for i := range theirs {
		c := &theirs[i]
		if !s.encapFits(c.encap) {
			c.unknown = true
			c.note(keyEncapsulation, encapWord(c.encap))
		}
		if _, ok := validSPI(c.proposal.SPI); !ok {
			c.unknown = true
			c.note(keyAttribute, fmt.Sprintf("SPI %x", c.proposal.SPI))
		}
	}
	return noneInCommon([]wish{phase2(s.peer.Name, q.child)}, theirs)
}

// otherMode explains a first message of a mode that no tunnel with the peer's
// address uses.
func otherMode(tunnel string, theirs ike.Mode) *ike.Fault {
	ours := ike.Main
	if theirs == ike.Main {
		ours = ike.Aggressive
	}
	return &ike.Fault{
		Cause: ike.CauseMode, Text: fmt.Sprintf("the peer uses %v, this tunnel %v", theirs, ours),
		Ours: ours.String(), Theirs: theirs.String(),
		Advice:     fmt.Sprintf("write mode = %q in %s", modeWord(theirs), table(tunnel, "ike")),
		PeerAdvice: fmt.Sprintf("set %v", ours),
		Compared:   []ike.Parameter{{Name: nameMode, Ours: modeWord(ours), Theirs: modeWord(theirs)}},
	}
}

// phase1Notified explains an error that somebody sent in clear during phase 1.
func (s *Session) phase1Notified(t isakmp.NotifyType) *ike.Fault {
	switch {
	case t == isakmp.NoProposalChosen:
		return s.noneAccepted()
	case t == isakmp.InvalidMajorVersion:
		return s.speaksIKEv2()
	case t == isakmp.InvalidID:
		return s.weAreUnknown("it sent " + t.String())
	case s.state == wantResponderProof:
		f := s.weAreUnknown("it sent " + t.String())
		f.Text += ", or allows main mode only"
		f.PeerAdvice += ", and allow aggressive mode with pre-shared keys"
		f.Compared = append(f.Compared, ike.Parameter{Name: nameMode, Ours: modeWord(s.peer.Mode)})
		return f
	case s.state == wantResponderID || s.state == wantInitiatorProof:
		f := otherKeys("the peer could not authenticate us (it sent " + t.String() + "): most likely the pre-shared keys differ")
		f.Advice += s.oneKey()
		return f
	}
	return sent(t)
}

// phase1Refused explains an error that came under the keys of phase 1 before it was
// done. Whoever has those has the pre-shared key: it is not the key that the peer
// minds, and what else it has seen of us is our identity.
func (s *Session) phase1Refused(t isakmp.NotifyType) *ike.Fault {
	if (s.state == wantResponderID || s.state == wantInitiatorProof) && (t == isakmp.AuthenticationFailed || t == isakmp.InvalidID) {
		return s.weAreUnknown("it sent " + t.String())
	}
	return s.phase1Notified(t)
}

// sent explains an error that tells no more than its name.
func sent(t isakmp.NotifyType) *ike.Fault {
	return &ike.Fault{Cause: ike.CauseNotify, Text: "the peer sent " + t.String(), PeerAdvice: "look at its log"}
}

// noneAccepted explains a refusal of our offer of phase 1. The peer does not say
// what it minds; a peer without IKEv1 for our address, or with another mode,
// refuses in the same words.
func (s *Session) noneAccepted() *ike.Fault {
	w := phase1(s.peer)
	return &ike.Fault{
		Cause: ike.CauseProposal, Ours: listWords(w.proposals),
		Text:       "the peer accepts none of our IKE proposals, or has no IKEv1 for our address (it sent NO-PROPOSAL-CHOSEN)",
		Advice:     "write the encryption, integrity and dh_group of the peer in " + table(w.tunnel, w.table),
		PeerAdvice: "allow IKEv1 in " + s.peer.Mode.String() + " from " + s.local.Addr().String() + " with one of our proposals",
		Compared: append(w.hidden(),
			ike.Parameter{Name: nameMode, Ours: modeWord(s.peer.Mode)}, ike.Parameter{Name: nameVersion, Ours: "IKEV1"}),
	}
}

// atOnce is how soon after phase 1 a peer that began it takes it back when it
// minds our identity, which comes last.
const atOnce = 2 * time.Second

// takesBack tells that the peer began and gives up before it asked for anything.
func (s *Session) takesBack() bool {
	return !s.initiator && !s.disliked && len(s.quicks) == 0 && s.now.Sub(s.status.Established) < atOnce
}

// weAreUnknown explains that the peer expects another identity of us.
func (s *Session) weAreUnknown(how string) *ike.Fault {
	id := s.peer.LocalID
	return &ike.Fault{
		Cause: ike.CauseIdentity, Ours: id.Text,
		Text:       "the peer knows nobody who calls himself " + id.Text + " (" + how + ")",
		Advice:     "write the local_identity that the peer expects in " + table(s.peer.Name, "ike"),
		PeerAdvice: "make " + id.Text + " the identity that it expects of us",
		Compared:   compareIdentity("local", id, ike.ID{}),
	}
}

// otherKeys explains that the pre-shared keys differ. What they are is not said.
func otherKeys(text string) *ike.Fault {
	return &ike.Fault{
		Cause: ike.CauseAuth, Text: text, Advice: "write the same pre_shared_key on both sides; mind blanks at its end",
		Compared: []ike.Parameter{{Name: nameKey}},
	}
}

// notOpened explains a message 5 or 6 that no key of ours opens as it should.
// Other keys make garbage of all of it. A message that ends within a block, or
// whose payloads stand and whose hash does not fit, was sealed with our keys and
// changed since.
func notOpened(step string, m message, block int, o opened) *ike.Fault {
	switch {
	case (len(m.raw)-isakmp.HeaderSize)%block != 0:
		return malformed(step + " is damaged: it ends within a block").fault
	case o.chain != nil:
		return malformed(step + " is damaged: it opens with our key, and its hash does not fit").fault
	}
	return otherKeys("the pre-shared keys differ: " + step + " cannot be decrypted with ours")
}

// speaksIKEv2 explains a peer that does not know IKEv1. Libreswan says so by an
// INVALID-MAJOR-VERSION when it is set to reject it, strongSwan without IKEv1 by
// one in a message of IKEv2.
func (s *Session) speaksIKEv2() *ike.Fault {
	return &ike.Fault{
		Cause: ike.CauseVersion, Text: s.remote.String() + " speaks only IKEv2, and this tunnel is one of IKEv1",
		Ours: "IKEv1", Theirs: "IKEv2", Compared: []ike.Parameter{{Name: nameVersion, Ours: "IKEV1", Theirs: "IKEV2"}},
		PeerAdvice: "let the peer speak IKEv1 with us (Libreswan: ikev1-policy=accept and keyexchange=ikev1; strongSwan: version = 1)",
	}
}

// hintVersion keeps that the peer answers in IKEv2. Anybody can have sent it.
func (s *Session) hintVersion(h isakmp.Header) {
	if s.state != wantChoice && s.state != wantResponderProof || h.Initiator != s.cookies.Initiator || s.hint != nil {
		return
	}
	s.hint = s.speaksIKEv2()
	s.refuse(exchangeOf(s.mode), "", s.hint)
}

// quickNotified explains an error that the peer sent in answer to a quick mode.
func (s *Session) quickNotified(q *quick, t isakmp.NotifyType) *ike.Fault {
	w := phase2(s.peer.Name, q.child)
	switch t {
	case isakmp.NoProposalChosen:
		return &ike.Fault{
			Cause: ike.CauseProposal, Ours: listWords(w.proposals),
			Text:       "the peer accepts none of our IPsec proposals (it sent NO-PROPOSAL-CHOSEN)",
			Advice:     "write the encryption, integrity and pfs of the peer in " + table(w.tunnel, w.table),
			PeerAdvice: "allow one of our proposals in phase 2",
			Compared:   w.hidden(),
		}
	case isakmp.InvalidID:
		return &ike.Fault{
			Cause: ike.CauseSelectors, Ours: q.child.Sel.String(),
			Text:       "the peer does not have this pair of networks (it sent INVALID-ID-INFORMATION)",
			Advice:     "give both sides the same networks",
			PeerAdvice: fmt.Sprintf("add the networks %v on its side and %v on ours", q.child.Sel.Remote, q.child.Sel.Local),
			Compared:   compareNetworks(q.child.Sel, xfrm.Selector{}),
		}
	}
	f := sent(t)
	f.Text = "the peer refused the quick mode with " + t.String()
	return f
}

// noAnswer explains a phase 1 that ran out of time by how far it came.
func (s *Session) noAnswer() *ike.Fault {
	if s.hint != nil {
		return s.hint
	}
	step := s.awaited()
	f := &ike.Fault{
		Cause:  ike.CauseTimeout,
		Text:   fmt.Sprintf("%v does not answer: %s did not come", s.remote, step),
		Advice: "see that UDP 500 and 4500 pass in both directions, in datagrams of any size",
	}
	switch {
	case s.state == wantChoice, s.state == wantResponderProof:
		f.Text = fmt.Sprintf("%v does not answer: nothing at all came back", s.remote)
		f.Advice = "see that the peer runs, knows our address, and that UDP 500 and 4500 pass in both directions"
		f.Compared = []ike.Parameter{{Name: namePort500, Ours: "sent from " + s.local.String()}}
	case s.state == wantResponderID && s.remote.Port() == xfrm.PortNATT, s.state == wantInitiatorID && (s.nat.here || s.nat.there):
		return s.only500(step + " did not come")
	case s.state == wantResponderID, s.state == wantInitiatorProof:
		f.Cause, f.Text = ike.CauseAuth, s.remote.String()+" stopped at authentication"
		f.Advice = "compare pre_shared_key and the identities on both sides" + s.oneKey()
		f.Compared = []ike.Parameter{{Name: nameKey}}
	}
	return f
}

// only500 explains that nothing comes back since we moved to port 4500.
func (s *Session) only500(what string) *ike.Fault {
	return &ike.Fault{
		Cause:    ike.CauseTimeout,
		Text:     fmt.Sprintf("%v answers on UDP 500 and not on UDP 4500: %s", s.remote.Addr(), what),
		Advice:   "let UDP 4500 pass in both directions: a translator is on the way, so IKE and ESP go on from there",
		Compared: []ike.Parameter{{Name: namePort4500, Ours: "expected at " + s.local.Addr().String()}},
	}
}

// oneKey adds, while we answer in aggressive mode for a peer with several keys,
// which of them it must have.
func (s *Session) oneKey() string {
	if s.state == wantInitiatorProof && len(s.candidates[0].Keys) > 1 {
		return "; aggressive mode answers with the first of several keys only"
	}
	return ""
}

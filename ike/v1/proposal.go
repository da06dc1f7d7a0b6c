package v1

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
	"github.com/twinspan/twinspan/xfrm"
)

// defaultLife holds where a peer offers no lifetime in seconds (RFC 2407 §4.5).
const defaultLife = 28800 * time.Second

// maxLife bounds a lifetime so that no peer's number overflows a duration.
const maxLife = 0xffffffff * time.Second

// choice is the one transform that both sides want.
type choice struct {
	proposal  ike.Proposal
	life      ike.Lifetime // the peer's
	number    uint8
	protocol  isakmp.Protocol
	spi       []byte // the peer's
	encap     uint64
	transform isakmp.Transform
}

// answer is the SA payload of the answer: one proposal with one transform, its
// attributes echoed byte for byte (RFC 2409 §5).
func (c choice) answer(spi []byte) isakmp.SecurityAssociation {
	return isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{{
		Number: c.number, Protocol: c.protocol, SPI: spi, Transforms: []isakmp.Transform{c.transform},
	}}}
}

// offerIKE is the offer of phase 1: one proposal with a transform for each of
// the peer's proposals, since IKEv1 has one algorithm of each kind in each.
func offerIKE(p ike.Peer) isakmp.SecurityAssociation {
	list := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoISAKMP}
	for i, prop := range p.Proposals {
		c, _ := suite.CipherOf(prop.Cipher, prop.KeyBits)
		h, _ := suite.HashOf(prop.Hash)
		attributes := []isakmp.Attribute{{Type: isakmp.AttrCipher, Value: uint64(c.Phase1)}}
		if prop.KeyBits != 0 {
			attributes = append(attributes, isakmp.Attribute{Type: isakmp.AttrKeyLength, Value: uint64(prop.KeyBits)})
		}
		attributes = append(attributes,
			isakmp.Attribute{Type: isakmp.AttrHash, Value: uint64(h.Phase1)},
			isakmp.Attribute{Type: isakmp.AttrGroup, Value: uint64(prop.Group)},
			isakmp.Attribute{Type: isakmp.AttrAuth, Value: isakmp.AuthPSK},
			isakmp.Attribute{Type: isakmp.AttrLifeType, Value: isakmp.LifeSeconds},
			isakmp.Attribute{Type: isakmp.AttrLife, Value: seconds(p.Lifetime)})
		list.Transforms = append(list.Transforms, isakmp.Transform{Number: uint8(i + 1), ID: isakmp.KeyIKE, Attributes: attributes})
	}
	return isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{list}}
}

// offerESP is the offer of a quick mode.
func offerESP(child ike.Child, spi uint32, encap uint64) isakmp.SecurityAssociation {
	list := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoESP, SPI: binary.BigEndian.AppendUint32(nil, spi)}
	for i, prop := range child.Proposals {
		c, _ := suite.CipherOf(prop.Cipher, prop.KeyBits)
		h, _ := suite.HashOf(prop.Hash)
		var attributes []isakmp.Attribute
		if prop.KeyBits != 0 {
			attributes = append(attributes, isakmp.Attribute{Type: isakmp.ESPKeyLength, Value: uint64(prop.KeyBits)})
		}
		attributes = append(attributes,
			isakmp.Attribute{Type: isakmp.ESPAuth, Value: uint64(h.ESP)},
			isakmp.Attribute{Type: isakmp.ESPEncap, Value: encap})
		if prop.Group != 0 {
			attributes = append(attributes, isakmp.Attribute{Type: isakmp.ESPGroup, Value: uint64(prop.Group)})
		}
		attributes = append(attributes, lifeAttributes(child.Lifetime)...)
		list.Transforms = append(list.Transforms, isakmp.Transform{Number: uint8(i + 1), ID: c.ESP, Attributes: attributes})
	}
	return isakmp.SecurityAssociation{Proposals: []isakmp.Proposal{list}}
}

// lifeAttributes are a lifetime as phase 2 writes it: each type before its
// duration (RFC 2407 §4.5).
func lifeAttributes(l ike.Lifetime) []isakmp.Attribute {
	list := []isakmp.Attribute{
		{Type: isakmp.ESPLifeType, Value: isakmp.LifeSeconds},
		{Type: isakmp.ESPLife, Value: seconds(l)},
	}
	if l.KB != 0 {
		list = append(list,
			isakmp.Attribute{Type: isakmp.ESPLifeType, Value: isakmp.LifeKB},
			isakmp.Attribute{Type: isakmp.ESPLife, Value: l.KB})
	}
	return list
}

func seconds(l ike.Lifetime) uint64 { return uint64(l.Time / time.Second) }

// offered is a transform as we understand it. What is not understood stands in
// words only.
type offered struct {
	proposal ike.Proposal
	life     ike.Lifetime
	encap    uint64
	words    []string
	unknown  bool // some part is not for us
}

func (o *offered) strange(what string, value uint64) {
	o.unknown = true
	o.words = append(o.words, fmt.Sprintf("%s %d", what, value))
}

// cipher and the others note one part.
func (o *offered) cipher(c suite.Cipher, ok bool, id uint64, bits int) {
	if !ok {
		o.unknown = true
		text := fmt.Sprintf("encryption %d", id)
		if bits != suite.NoKeyLength {
			text += fmt.Sprintf(" with %d-bit keys", bits)
		}
		o.words = append(o.words, text)
		return
	}
	o.proposal.Cipher, o.proposal.KeyBits = c.Cipher, c.KeyBits
	o.words = append(o.words, c.Word)
}

func (o *offered) hash(h suite.Hash, ok bool, id uint64) {
	if !ok {
		o.strange("hash", id)
		return
	}
	o.proposal.Hash = h.Hash
	o.words = append(o.words, h.Word)
}

func (o *offered) group(id uint64) {
	g, ok := suite.GroupOf(ike.Group(id))
	if !ok || id > 0xffff {
		o.strange("DH group", id)
		return
	}
	o.proposal.Group = g.Group
	o.words = append(o.words, g.Word)
}

// attributes are those of a transform by type, the last of each, and its
// lifetime: a duration belongs to the life type before it, wherever it stands.
func attributes(t isakmp.Transform, lifeType, lifeValue uint16) (map[uint16]uint64, ike.Lifetime) {
	values := map[uint16]uint64{}
	var life ike.Lifetime
	kind := uint64(isakmp.LifeSeconds)
	for _, a := range t.Attributes {
		values[a.Type] = a.Value
		switch {
		case a.Type == lifeType:
			kind = a.Value
		case a.Type == lifeValue && kind == isakmp.LifeSeconds:
			life.Time = time.Duration(min(a.Value, uint64(maxLife/time.Second))) * time.Second
		case a.Type == lifeValue && kind == isakmp.LifeKB:
			life.KB = a.Value
		}
	}
	if life.Time == 0 {
		life.Time = defaultLife
	}
	return values, life
}

// keyLength is a key length attribute, or suite.NoKeyLength.
func keyLength(values map[uint16]uint64, kind uint16) int {
	v, ok := values[kind]
	if !ok {
		return suite.NoKeyLength
	}
	return int(min(v, 0xffff))
}

// readIKE reads a transform of phase 1.
func readIKE(t isakmp.Transform) offered {
	values, life := attributes(t, isakmp.AttrLifeType, isakmp.AttrLife)
	o := offered{life: life}
	bits := keyLength(values, isakmp.AttrKeyLength)
	c, ok := suite.CipherByPhase1(uint16(min(values[isakmp.AttrCipher], 0xffff)), bits)
	o.cipher(c, ok, values[isakmp.AttrCipher], bits)
	h, ok := suite.HashByPhase1(uint16(min(values[isakmp.AttrHash], 0xffff)))
	o.hash(h, ok, values[isakmp.AttrHash])
	o.group(values[isakmp.AttrGroup])
	if auth := values[isakmp.AttrAuth]; auth != isakmp.AuthPSK {
		o.strange("authentication method", auth)
	}
	if t.ID != isakmp.KeyIKE {
		o.strange("transform", uint64(t.ID))
	}
	return o
}

// readESP reads a transform of a quick mode. A group is optional there; an
// integrity algorithm is not: ESP without one can be tampered with.
func readESP(t isakmp.Transform) offered {
	values, life := attributes(t, isakmp.ESPLifeType, isakmp.ESPLife)
	o := offered{life: life, encap: values[isakmp.ESPEncap]}
	bits := keyLength(values, isakmp.ESPKeyLength)
	c, ok := suite.CipherByESP(t.ID, bits)
	o.cipher(c, ok, uint64(t.ID), bits)
	h, ok := suite.HashByESP(uint16(min(values[isakmp.ESPAuth], 0xffff)))
	o.hash(h, ok, values[isakmp.ESPAuth])
	if g, ok := values[isakmp.ESPGroup]; ok {
		o.group(g)
	} else {
		o.words = append(o.words, "no PFS")
	}
	return o
}

// candidate is a transform in its proposal.
type candidate struct {
	offered
	proposal  isakmp.Proposal
	transform isakmp.Transform
}

func (c candidate) choice() choice {
	return choice{
		proposal: c.offered.proposal, life: c.life, number: c.proposal.Number, protocol: c.proposal.Protocol,
		spi: c.proposal.SPI, encap: c.encap, transform: c.transform,
	}
}

// candidates reads all transforms of one protocol. Proposals that share a
// number are to be had only together (RFC 2408 §4.2): bundles, which nobody
// wants of us.
func candidates(sa isakmp.SecurityAssociation, p isakmp.Protocol, read func(isakmp.Transform) offered) []candidate {
	count := map[uint8]int{}
	for _, prop := range sa.Proposals {
		count[prop.Number]++
	}
	var list []candidate
	for _, prop := range sa.Proposals {
		if prop.Protocol != p || count[prop.Number] > 1 {
			continue
		}
		for _, t := range prop.Transforms {
			list = append(list, candidate{read(t), prop, t})
		}
	}
	return list
}

// choose takes the first of our proposals that is among the peer's transforms.
func choose(ours []ike.Proposal, theirs []candidate) (choice, bool) {
	for _, want := range ours {
		for _, c := range theirs {
			if !c.unknown && c.offered.proposal == want {
				return c.choice(), true
			}
		}
	}
	return choice{}, false
}

// chooseForAny chooses for the first of the peers that has a proposal in common
// with the offer, and tells all peers that could have chosen the same: which of
// them it is shows only when it authenticates itself.
func chooseForAny(peers []ike.Peer, sa isakmp.SecurityAssociation) (choice, []ike.Peer, *ike.Fault) {
	theirs := candidates(sa, isakmp.ProtoISAKMP, readIKE)
	for i, p := range peers {
		c, ok := choose(p.Proposals, theirs)
		if !ok {
			continue
		}
		fitting := []ike.Peer{p}
		for _, other := range peers[i+1:] {
			if _, ok := choose(other.Proposals, []candidate{{offered: offered{proposal: c.proposal}}}); ok {
				fitting = append(fitting, other)
			}
		}
		return c, fitting, nil
	}
	var ours []ike.Proposal
	for _, p := range peers {
		ours = append(ours, p.Proposals...)
	}
	return choice{}, nil, noneInCommon("IKE", "ike", ours, theirs)
}

// checkIKEChoice holds message 2 against our offer.
func checkIKEChoice(p ike.Peer, sa isakmp.SecurityAssociation) (choice, *ike.Fault) {
	theirs := candidates(sa, isakmp.ProtoISAKMP, readIKE)
	if len(theirs) == 1 {
		if c, ok := choose(p.Proposals, theirs); ok {
			return c, nil
		}
	}
	return choice{}, notOffered(p.Proposals, theirs)
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
		all = append(all, strings.ReplaceAll(words(p), ", ", "/"))
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

// validSPI reads the SPI that a peer chose for its inbound SA: four bytes and
// none of the reserved numbers (RFC 4303 §2.1).
func validSPI(b []byte) (uint32, bool) {
	if len(b) != 4 {
		return 0, false
	}
	spi := binary.BigEndian.Uint32(b)
	return spi, spi >= xfrm.MinSPI
}

package v1

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
)

// defaultLife holds where a peer offers no lifetime in seconds (RFC 2407 §4.5).
const defaultLife = 28800 * time.Second

// The bounds of what a peer may want of a lifetime. The longest is there so that no
// number overflows a duration. The shortest are those of the configuration: below
// them a peer would have us negotiate without a pause. It is not refused, since
// nothing is lost: it ends its own SAs as early as it likes.
const (
	maxLife = 0xffffffff * time.Second
	minLife = 60 * time.Second
	minKB   = 2560
)

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

// agreed is the choice without what only the answer echoes, and which points into
// the peer's message.
func (c choice) agreed() choice {
	c.transform, c.spi = isakmp.Transform{}, nil
	return c
}

// offered is a transform as we understand it. What is not understood stands in
// its parts only.
type offered struct {
	proposal ike.Proposal
	life     ike.Lifetime
	encap    uint64
	parts    []part
	unknown  bool // some part is not for us
}

// part is one thing that a transform says, in the words of the configuration
// where it has them.
type part struct{ key, word string }

// The keys of the configuration that the parts belong to. What has no key has
// the words of RFC 2407 and 2409.
const (
	keyEncryption     = "encryption"
	keyIntegrity      = "integrity"
	keyGroup          = "dh_group"
	keyPFS            = "pfs"
	keyEncapsulation  = "encapsulation"
	keyLifetime       = "lifetime_seconds"
	keyLifetimeKB     = "lifetime_kb"
	keyAuthentication = "authentication"
	keyAttribute      = "attribute"
)

func (o *offered) note(key, word string) { o.parts = append(o.parts, part{key, word}) }

func (o *offered) strange(key, what string, value uint64) {
	o.unknown = true
	o.note(key, fmt.Sprintf("%s %d", what, value))
}

// String is all parts in one word: "AES-CBC-128/SHA1/GROUP2".
func (o offered) String() string {
	words := make([]string, len(o.parts))
	for i, p := range o.parts {
		words[i] = p.word
	}
	return strings.Join(words, "/")
}

// cipher and the others note one part.
func (o *offered) cipher(c suite.Cipher, ok bool, id uint64, bits int) {
	if !ok {
		o.unknown = true
		text := fmt.Sprintf("encryption %d", id)
		if bits != suite.NoKeyLength {
			text += fmt.Sprintf(" with %d-bit keys", bits)
		}
		o.note(keyEncryption, text)
		return
	}
	o.proposal.Cipher, o.proposal.KeyBits = c.Cipher, c.KeyBits
	o.note(keyEncryption, c.Word)
}

func (o *offered) hash(h suite.Hash, ok bool, id uint64) {
	if !ok {
		o.strange(keyIntegrity, "hash", id)
		return
	}
	o.proposal.Hash = h.Hash
	o.note(keyIntegrity, h.Word)
}

func (o *offered) group(key string, id uint64) {
	g, ok := suite.GroupOf(ike.Group(id))
	if !ok || id > 0xffff {
		o.strange(key, "DH group", id)
		return
	}
	o.proposal.Group = g.Group
	o.note(key, g.Word)
}

// attributes are those of a transform by type, the last of each.
func attributes(t isakmp.Transform) map[uint16]uint64 {
	values := map[uint16]uint64{}
	for _, a := range t.Attributes {
		values[a.Type] = a.Value
	}
	return values
}

// lifetime reads the lifetime in a list of attributes, zero where it has none, or
// writes 0. A duration belongs to the life type before it, wherever it stands.
func lifetime(list []isakmp.Attribute, lifeType, lifeValue uint16) (life ike.Lifetime) {
	kind := uint64(isakmp.LifeSeconds)
	for _, a := range list {
		switch {
		case a.Type == lifeType:
			kind = a.Value
		case a.Type == lifeValue && kind == isakmp.LifeSeconds:
			life.Time = time.Duration(min(a.Value, uint64(maxLife/time.Second))) * time.Second
		case a.Type == lifeValue && kind == isakmp.LifeKB:
			life.KB = a.Value
		}
	}
	if life.Time != 0 {
		life.Time = max(life.Time, minLife)
	}
	if life.KB != 0 {
		life.KB = max(life.KB, minKB)
	}
	return life
}

// lifetime notes how long the peer wants the SA to last. One in a unit that we do
// not count in is refused: the answer, which echoes it, would agree to it.
func (o *offered) lifetime(list []isakmp.Attribute, lifeType, lifeValue uint16) {
	o.life = lifetime(list, lifeType, lifeValue)
	if o.life.Time == 0 {
		o.life.Time = defaultLife
	}
	for _, a := range list {
		if a.Type == lifeType && a.Value != isakmp.LifeSeconds && a.Value != isakmp.LifeKB {
			o.strange(keyLifetime, "lifetime of type", a.Value)
		}
	}
}

// privateUse is where attribute numbers begin that vendors use among themselves.
const privateUse = 16384

// only refuses what has an attribute that we do not have, as another PRF or
// extended sequence numbers: the answer, which echoes all of them, would agree to
// it (RFC 2407 §4.5). Vendors' private ones may be ignored. Of what we have, only
// the lifetime's two may come more than once: the two ends could else each take
// another one.
func (o *offered) only(list []isakmp.Attribute, lifeType, lifeValue uint16, known ...uint16) {
	for i, a := range list {
		same := func(b isakmp.Attribute) bool { return b.Type == a.Type }
		switch {
		case a.Type == lifeType || a.Type == lifeValue || a.Type >= privateUse:
		case !slices.Contains(known, a.Type):
			o.strange(keyAttribute, fmt.Sprintf("attribute %d =", a.Type), a.Value)
		case slices.ContainsFunc(list[:i], same):
			o.strange(keyAttribute, fmt.Sprintf("a second attribute %d =", a.Type), a.Value)
		}
	}
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
	values, o := attributes(t), offered{}
	bits := keyLength(values, isakmp.AttrKeyLength)
	c, ok := suite.CipherByPhase1(uint16(min(values[isakmp.AttrCipher], 0xffff)), bits)
	o.cipher(c, ok, values[isakmp.AttrCipher], bits)
	h, ok := suite.HashByPhase1(uint16(min(values[isakmp.AttrHash], 0xffff)))
	o.hash(h, ok, values[isakmp.AttrHash])
	o.group(keyGroup, values[isakmp.AttrGroup])
	if auth := values[isakmp.AttrAuth]; auth != isakmp.AuthPSK {
		o.strange(keyAuthentication, "authentication method", auth)
	}
	if t.ID != isakmp.KeyIKE {
		o.strange(keyAttribute, "transform", uint64(t.ID))
	}
	o.lifetime(t.Attributes, isakmp.AttrLifeType, isakmp.AttrLife)
	o.only(t.Attributes, isakmp.AttrLifeType, isakmp.AttrLife,
		isakmp.AttrCipher, isakmp.AttrHash, isakmp.AttrAuth, isakmp.AttrGroup, isakmp.AttrKeyLength)
	return o
}

// maxTransform is how many bytes of attributes a transform of a quick mode may
// have; real ones have about forty. Message 2 echoes them, and is said again until
// message 3 is there.
const maxTransform = 512

// readESP reads a transform of a quick mode. A group is optional there; an
// integrity algorithm is not: ESP without one can be tampered with.
func readESP(t isakmp.Transform) offered {
	values := attributes(t)
	o := offered{encap: values[isakmp.ESPEncap]}
	bits := keyLength(values, isakmp.ESPKeyLength)
	c, ok := suite.CipherByESP(t.ID, bits)
	o.cipher(c, ok, uint64(t.ID), bits)
	h, ok := suite.HashByESP(uint16(min(values[isakmp.ESPAuth], 0xffff)))
	o.hash(h, ok, values[isakmp.ESPAuth])
	if g, ok := values[isakmp.ESPGroup]; ok {
		o.group(keyPFS, g)
	} else {
		o.note(keyPFS, noPFS)
	}
	o.lifetime(t.Attributes, isakmp.ESPLifeType, isakmp.ESPLife)
	o.only(t.Attributes, isakmp.ESPLifeType, isakmp.ESPLife,
		isakmp.ESPGroup, isakmp.ESPEncap, isakmp.ESPAuth, isakmp.ESPKeyLength)
	if len(t.Raw) > maxTransform {
		o.strange(keyAttribute, "bytes of attributes:", uint64(len(t.Raw)))
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
func chooseForAny(peers []*ike.Peer, sa isakmp.SecurityAssociation) (choice, []*ike.Peer, *ike.Fault) {
	theirs := candidates(sa, isakmp.ProtoISAKMP, readIKE)
	for i, p := range peers {
		c, ok := choose(p.Proposals, theirs)
		if !ok {
			continue
		}
		fitting := []*ike.Peer{p}
		for _, other := range peers[i+1:] {
			if _, ok := choose(other.Proposals, []candidate{{offered: offered{proposal: c.proposal}}}); ok {
				fitting = append(fitting, other)
			}
		}
		return c, fitting, nil
	}
	return choice{}, nil, noIKE(peers, theirs)
}

// checkIKEChoice holds message 2 against our offer.
func checkIKEChoice(p *ike.Peer, sa isakmp.SecurityAssociation) (choice, *ike.Fault) {
	theirs := candidates(sa, isakmp.ProtoISAKMP, readIKE)
	if len(theirs) == 1 {
		if c, ok := choose(p.Proposals, theirs); ok {
			return c, nil
		}
	}
	return choice{}, notOffered(phase1(p), theirs)
}

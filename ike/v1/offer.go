package v1

import (
	"encoding/binary"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/ike/suite"
)

// offerIKE is the offer of phase 1: one proposal with a transform for each of
// the peer's proposals, since IKEv1 has one algorithm of each kind in each.
func offerIKE(p *ike.Peer) isakmp.SecurityAssociation {
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

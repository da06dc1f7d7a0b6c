package isakmp

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Protocol of a proposal, notification or deletion (RFC 2407 §4.4.1).
type Protocol uint8

// The protocols that IKE negotiates here.
const (
	ProtoISAKMP Protocol = 1
	ProtoESP    Protocol = 3
)

// DOIIPsec is the domain of interpretation of RFC 2407, situationIdentity its
// only situation that is in use.
const (
	DOIIPsec          = 1
	situationIdentity = 1
)

// KeyIKE is the transform id of phase 1 (RFC 2407 §4.4.2).
const KeyIKE = 1

// The attributes of phase 1 (RFC 2409 appendix A).
const (
	AttrCipher    = 1
	AttrHash      = 2
	AttrAuth      = 3
	AttrGroup     = 4
	AttrLifeType  = 11
	AttrLife      = 12
	AttrKeyLength = 14
)

// The attributes of an ESP transform (RFC 2407 §4.5).
const (
	ESPLifeType  = 1
	ESPLife      = 2
	ESPGroup     = 3
	ESPEncap     = 4
	ESPAuth      = 5
	ESPKeyLength = 6
)

// Values of attributes.
const (
	AuthPSK     = 1
	LifeSeconds = 1
	LifeKB      = 2

	EncapTunnel         = 1
	EncapTransport      = 2
	EncapUDPTunnel      = 3 // RFC 3947 §5.1
	EncapUDPTransport   = 4
	EncapUDPTunnelDraft = 61443 // draft-ietf-ipsec-nat-t-ike-02 and 03
)

// SecurityAssociation is the body of an SA payload.
type SecurityAssociation struct {
	Proposals []Proposal
}

// Proposal is one proposal of an SA payload.
type Proposal struct {
	Number     uint8
	Protocol   Protocol
	SPI        []byte
	Transforms []Transform
}

// Transform is one transform of a proposal. Raw are its attributes as they came:
// an answer echoes them byte for byte.
type Transform struct {
	Number, ID uint8
	Attributes []Attribute
	Raw        []byte
}

// Attribute is a data attribute (RFC 2408 §3.3), in either of its two forms.
type Attribute struct {
	Type  uint16
	Value uint64
}

// ParseSA reads the body of an SA payload. Lists of proposals and transforms
// end where their bytes end, whatever their counts claim.
func ParseSA(b []byte) (SecurityAssociation, error) {
	var sa SecurityAssociation
	r := reader{b: b}
	doi, situation := r.u32(), r.u32()
	if r.bad {
		return sa, fmt.Errorf("SA: %w", ErrTruncated)
	}
	if doi != DOIIPsec || situation != situationIdentity {
		return sa, fmt.Errorf("SA: %w: DOI %d, situation %d", ErrMalformed, doi, situation)
	}
	bodies, err := inner(proposal, r.b)
	if err != nil {
		return sa, fmt.Errorf("SA: %w", err)
	}
	for _, body := range bodies {
		p, err := parseProposal(body)
		if err != nil {
			return sa, err
		}
		sa.Proposals = append(sa.Proposals, p)
	}
	return sa, nil
}

// inner reads a chain whose payloads must all be of one type.
func inner(t PayloadType, b []byte) ([][]byte, error) {
	chain, n, err := Chain(t, b)
	if err != nil {
		return nil, err
	}
	if n != len(b) {
		return nil, fmt.Errorf("%w: %d bytes behind the last payload of type %d", ErrMalformed, len(b)-n, t)
	}
	bodies := All(chain, t)
	if len(bodies) != len(chain) {
		return nil, fmt.Errorf("%w: a foreign payload among those of type %d", ErrMalformed, t)
	}
	return bodies, nil
}

func parseProposal(b []byte) (Proposal, error) {
	r := reader{b: b}
	p := Proposal{Number: r.u8(), Protocol: Protocol(r.u8())}
	spiSize := int(r.u8())
	r.u8() // the count of transforms is a claim
	p.SPI = r.take(spiSize)
	if r.bad {
		return p, fmt.Errorf("proposal: %w", ErrTruncated)
	}
	bodies, err := inner(transform, r.b)
	if err != nil {
		return p, fmt.Errorf("proposal %d: %w", p.Number, err)
	}
	for _, body := range bodies {
		t, err := parseTransform(body)
		if err != nil {
			return p, fmt.Errorf("proposal %d: %w", p.Number, err)
		}
		p.Transforms = append(p.Transforms, t)
	}
	return p, nil
}

func parseTransform(b []byte) (Transform, error) {
	r := reader{b: b}
	t := Transform{Number: r.u8(), ID: r.u8()}
	r.u16() // reserved
	if r.bad {
		return t, fmt.Errorf("transform: %w", ErrTruncated)
	}
	t.Raw = r.b
	attributes, err := ParseAttributes(r.b)
	if err != nil {
		return t, fmt.Errorf("transform %d: %w", t.Number, err)
	}
	t.Attributes = attributes
	return t, nil
}

// attributeIsShort marks an attribute whose value stands in the length field.
const attributeIsShort = 0x8000

// ParseAttributes reads data attributes up to the end of b. Every attribute may
// come in either form. A value of more than 64 bits, such as the prime of a group
// that a peer made itself, reads as the largest number: one transform that
// nobody can take must not spoil the others.
func ParseAttributes(b []byte) ([]Attribute, error) {
	var list []Attribute
	r := reader{b: b}
	for len(r.b) > 0 {
		kind, value := r.u16(), uint64(r.u16())
		if kind&attributeIsShort == 0 {
			value = bigEndian(r.take(int(value)))
		}
		if r.bad {
			return nil, fmt.Errorf("attribute: %w", ErrTruncated)
		}
		list = append(list, Attribute{kind &^ attributeIsShort, value})
	}
	return list, nil
}

func bigEndian(b []byte) (v uint64) {
	for _, c := range b {
		if v>>56 != 0 {
			return math.MaxUint64
		}
		v = v<<8 | uint64(c)
	}
	return v
}

// isDuration tells the two attributes that go out in the long form even when
// they would fit the short one, as Cisco's and racoon's do: they are the only
// ones whose type number means a duration in their phase, 12 in phase 1 and 2
// in phase 2.
func isDuration(p Protocol, kind uint16) bool {
	return p == ProtoISAKMP && kind == AttrLife || p == ProtoESP && kind == ESPLife
}

// AppendAttributes writes attributes of a protocol: durations in the long form
// with four bytes, or eight when they need them, everything else in the short
// one.
func AppendAttributes(b []byte, p Protocol, list []Attribute) []byte {
	for _, a := range list {
		switch {
		case !isDuration(p, a.Type) && a.Value <= 0xffff:
			b = binary.BigEndian.AppendUint16(b, a.Type|attributeIsShort)
			b = binary.BigEndian.AppendUint16(b, uint16(a.Value))
		case a.Value <= 0xffffffff:
			b = binary.BigEndian.AppendUint16(b, a.Type)
			b = binary.BigEndian.AppendUint16(b, 4)
			b = binary.BigEndian.AppendUint32(b, uint32(a.Value))
		default:
			b = binary.BigEndian.AppendUint16(b, a.Type)
			b = binary.BigEndian.AppendUint16(b, 8)
			b = binary.BigEndian.AppendUint64(b, a.Value)
		}
	}
	return b
}

// Append writes the body of an SA payload. A transform with Raw bytes goes out
// as these, one without as its Attributes.
func (sa SecurityAssociation) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, DOIIPsec)
	b = binary.BigEndian.AppendUint32(b, situationIdentity)
	var chain []Payload
	for _, p := range sa.Proposals {
		chain = append(chain, Payload{proposal, p.body()})
	}
	return AppendChain(b, chain...)
}

func (p Proposal) body() []byte {
	b := []byte{p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms))}
	b = append(b, p.SPI...)
	var chain []Payload
	for _, t := range p.Transforms {
		raw := t.Raw
		if raw == nil {
			raw = AppendAttributes(nil, p.Protocol, t.Attributes)
		}
		chain = append(chain, Payload{transform, append([]byte{t.Number, t.ID, 0, 0}, raw...)})
	}
	return AppendChain(b, chain...)
}

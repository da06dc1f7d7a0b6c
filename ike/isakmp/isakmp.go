// Package isakmp is the wire format of ISAKMP: the header, the chain of
// payloads and the bodies that IKEv1 puts into them (RFC 2408 §3, RFC 2407
// §4.6, RFC 3947 §3). It knows no exchange, no key and no policy: it reads what
// is there, never believes a count, and keeps no copy: what it returns points
// into what it was given.
package isakmp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// HeaderSize is the size of the header in bytes.
const HeaderSize = 28

// MaxPayloads is how many payloads a message may chain. Real ones have about
// ten; without a bound an eight-byte payload would cost forty bytes of ours.
const MaxPayloads = 100

// The reasons for which bytes are not a message.
var (
	ErrTruncated = errors.New("isakmp: truncated")
	ErrVersion   = errors.New("isakmp: not version 1")
	ErrIKEv2     = fmt.Errorf("%w but 2", ErrVersion)
	ErrLength    = errors.New("isakmp: length field does not fit the datagram")
	ErrMalformed = errors.New("isakmp: malformed")
)

// Exchange is an exchange type (RFC 2408 §3.1, RFC 2409 appendix A).
type Exchange uint8

// The exchange types of IKEv1.
const (
	MainMode       Exchange = 2
	AggressiveMode Exchange = 4
	Informational  Exchange = 5
	QuickMode      Exchange = 32
)

func (x Exchange) String() string {
	switch x {
	case MainMode:
		return "main mode"
	case AggressiveMode:
		return "aggressive mode"
	case Informational:
		return "informational"
	case QuickMode:
		return "quick mode"
	}
	return fmt.Sprintf("exchange(%d)", uint8(x))
}

// Flags of the header.
type Flags uint8

// The flags of RFC 2408 §3.1.
const (
	Encrypted Flags = 1 << iota
	Commit
	AuthOnly
)

// Version1 is the version byte of IKEv1: major 1, minor 0; version2 that of
// IKEv2, whose header is the same.
const (
	Version1 = 0x10
	version2 = 0x20
)

// Header is the fixed header of each message (RFC 2408 §3.1).
type Header struct {
	Initiator, Responder [8]byte // cookies
	Next                 PayloadType
	Exchange             Exchange
	Flags                Flags
	MessageID            uint32
	Length               uint32 // of the whole message, the header included
}

// ParseHeader reads the header and checks the version and the length field
// against what was received; bytes after the length are not part of the
// message. It does not look at the cookies; with ErrVersion they are there.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, ErrTruncated
	}
	h := Header{
		Next:      PayloadType(b[16]),
		Exchange:  Exchange(b[18]),
		Flags:     Flags(b[19]),
		MessageID: binary.BigEndian.Uint32(b[20:]),
		Length:    binary.BigEndian.Uint32(b[24:]),
	}
	copy(h.Initiator[:], b)
	copy(h.Responder[:], b[8:])
	switch b[17] >> 4 {
	case Version1 >> 4:
	case version2 >> 4:
		return h, ErrIKEv2
	default:
		return h, ErrVersion
	}
	if h.Length < HeaderSize || uint64(h.Length) > uint64(len(b)) {
		return h, ErrLength
	}
	return h, nil
}

// Append writes the header.
func (h Header) Append(b []byte) []byte {
	b = append(b, h.Initiator[:]...)
	b = append(b, h.Responder[:]...)
	b = append(b, byte(h.Next), Version1, byte(h.Exchange), byte(h.Flags))
	b = binary.BigEndian.AppendUint32(b, h.MessageID)
	return binary.BigEndian.AppendUint32(b, h.Length)
}

// PayloadType is the type of a payload.
type PayloadType uint8

// The payload types of IKEv1.
const (
	None      PayloadType = 0
	SA        PayloadType = 1
	KE        PayloadType = 4
	ID        PayloadType = 5
	Hash      PayloadType = 8
	Nonce     PayloadType = 10
	Notify    PayloadType = 11
	Delete    PayloadType = 12
	Vendor    PayloadType = 13
	NATD      PayloadType = 20 // RFC 3947 §3.2
	NATOA     PayloadType = 21
	NATDDraft PayloadType = 130 // draft-ietf-ipsec-nat-t-ike-02 and 03

	FragmentPayload PayloadType = 132 // see Fragment

	proposal  PayloadType = 2 // only inside an SA
	transform PayloadType = 3 // only inside a proposal
)

// Payload is one payload of a chain: its type and what follows its generic
// header.
type Payload struct {
	Type PayloadType
	Body []byte
}

// Chain reads the payloads that begin with one of type first. What follows the
// last one, padding, is not looked at. The second result is the chain's own
// length: the hashes of phase 2 cover it and not the padding.
func Chain(first PayloadType, b []byte) ([]Payload, int, error) {
	var chain []Payload
	at := 0
	for next := first; next != None; {
		if len(chain) == MaxPayloads {
			return nil, 0, fmt.Errorf("%w: more than %d payloads", ErrMalformed, MaxPayloads)
		}
		r := reader{b: b[at:]}
		after := PayloadType(r.u8())
		r.u8() // reserved; some peers fill it
		size := int(r.u16())
		if r.bad || size < 4 || size > len(b)-at {
			return nil, 0, fmt.Errorf("payload %d (type %d): %w", len(chain)+1, next, ErrTruncated)
		}
		chain = append(chain, Payload{next, b[at+4 : at+size : at+size]})
		next, at = after, at+size
	}
	return chain, at, nil
}

// AppendChain writes payloads, each with its generic header.
func AppendChain(b []byte, chain ...Payload) []byte {
	for i, p := range chain {
		next := None
		if i+1 < len(chain) {
			next = chain[i+1].Type
		}
		b = append(b, byte(next), 0)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(p.Body)))
		b = append(b, p.Body...)
	}
	return b
}

// Find returns the first payload of a type.
func Find(chain []Payload, t PayloadType) ([]byte, bool) {
	for _, p := range chain {
		if p.Type == t {
			return p.Body, true
		}
	}
	return nil, false
}

// All returns the bodies of all payloads of a type.
func All(chain []Payload, t PayloadType) [][]byte {
	var all [][]byte
	for _, p := range chain {
		if p.Type == t {
			all = append(all, p.Body)
		}
	}
	return all
}

// reader reads the wire; its first failure sticks and everything after it is
// zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

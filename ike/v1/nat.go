package v1

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// vendorNATT announces RFC 3947: MD5 of "RFC 3947".
var vendorNATT = []byte{0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f}

func hasVendor(chain []isakmp.Payload, id []byte) bool {
	for _, v := range isakmp.All(chain, isakmp.Vendor) {
		if bytes.Equal(v, id) {
			return true
		}
	}
	return false
}

// nat is what NAT traversal found out.
type nat struct {
	offered     bool // both announced RFC 3947
	here, there bool // a translator sits before us, before the peer
	moved       bool // the peer has moved to port 4500: it sees one, whether we do or not
}

func (n nat) String() string {
	switch {
	case n.here && n.there:
		return "both"
	case n.here:
		return "here"
	case n.there:
		return "there"
	}
	return ""
}

// natHash is the hash that stands for an address and port (RFC 3947 §3.2).
func (s *Session) natHash(a netip.AddrPort) []byte {
	return crypt.Sum(s.main.choice.proposal.Hash, s.cookies.Initiator[:], s.cookies.Responder[:],
		a.Addr().AsSlice(), binary.BigEndian.AppendUint16(nil, a.Port()))
}

// natPayloads are ours: the other end first, then our own.
func (s *Session) natPayloads() []isakmp.Payload {
	return []isakmp.Payload{
		{Type: isakmp.NATD, Body: s.natHash(s.remote)},
		{Type: isakmp.NATD, Body: s.natHash(s.local)},
	}
}

// detectNAT compares the peer's payloads with the addresses that we see: its
// first is for us, the others are its own, of which one must fit. Payloads that
// are no hashes do not count, else our own could make the answer the longer one.
func (s *Session) detectNAT(chain []isakmp.Payload) {
	size := s.main.choice.proposal.Hash.Size()
	theirs := slices.DeleteFunc(isakmp.All(chain, isakmp.NATD), func(b []byte) bool { return len(b) != size })
	if len(theirs) < 2 {
		s.nat.offered = false
	}
	if !s.nat.offered {
		return
	}
	s.nat.here = !bytes.Equal(theirs[0], s.natHash(s.local))
	s.nat.there = true
	for _, own := range theirs[1:] {
		if bytes.Equal(own, s.natHash(s.remote)) {
			s.nat.there = false
		}
	}
}

// floatPorts moves the initiator to port 4500 when a translator is on the way
// (RFC 3947 §4).
func (s *Session) floatPorts() {
	if s.nat.here || s.nat.there {
		s.local = netip.AddrPortFrom(s.local.Addr(), xfrm.PortNATT)
		s.remote = netip.AddrPortFrom(s.remote.Addr(), xfrm.PortNATT)
	}
}

// floated tells that ESP goes in UDP. The initiator decides it: what both see of
// a translator is not authenticated and can differ.
func (s *Session) floated() bool {
	return s.local.Port() == xfrm.PortNATT && (s.nat.here || s.nat.there || s.nat.moved)
}

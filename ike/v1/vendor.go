package v1

import (
	"bytes"
	"slices"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// vendorDPD announces dead peer detection (RFC 3706 §5.1), version 1.0.
var vendorDPD = []byte{0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00}

// vendorFragments announces fragments of IKE messages. The last four bytes say in
// which exchanges of phase 1, and not all peers have them.
var vendorFragments = []byte{
	0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3,
	0x80, 0x00, 0x00, 0x00,
}

// vendorOurs announces another Twinspan: MD5 of "Twinspan".
var vendorOurs = []byte{0xf6, 0x1e, 0x24, 0x49, 0x7d, 0x7f, 0x78, 0xb8, 0x43, 0x24, 0xbb, 0xc0, 0xd4, 0xe0, 0xb3, 0xc6}

// natVersion is a way of NAT traversal. Of two the smaller is the better one.
type natVersion uint8

const (
	natNone     natVersion = iota
	natRFC                 // RFC 3947
	natDraft3              // draft-ietf-ipsec-nat-t-ike-03
	natDraft2ln            // draft 02, its name hashed with the end of its line
	natDraft2              // draft 02
)

// natVendors announce the ways of NAT traversal: MD5 of "RFC 3947" and of the
// drafts' names.
var natVendors = [...][]byte{
	natRFC:      {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f},
	natDraft3:   {0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d, 0x56},
	natDraft2ln: {0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b, 0x1f},
	natDraft2:   {0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4, 0x48},
}

// allowed are the ways of NAT traversal that a word of the configuration lets
// us use, the best first.
func allowed(n ike.NATT) []natVersion {
	switch n {
	case ike.NATTOff:
		return nil
	case ike.NATTRFC:
		return []natVersion{natRFC}
	case ike.NATTDraft:
		return []natVersion{natDraft3, natDraft2ln, natDraft2}
	}
	return []natVersion{natRFC, natDraft3, natDraft2ln, natDraft2}
}

// extensions are what both ends have announced by vendor ids.
type extensions struct {
	natt natVersion // natNone: no NAT traversal
	dpd  bool       // RFC 3706
	frag bool       // fragments of IKE messages
	ours bool       // both are Twinspan
}

// announce makes the vendor ids of our first message.
func announce(p *ike.Peer) []isakmp.Payload {
	list := []isakmp.Payload{vendor(vendorDPD), vendor(vendorFragments), vendor(vendorOurs)}
	for _, v := range allowed(p.NATT) {
		list = append(list, vendor(natVendors[v]))
	}
	return list
}

func vendor(id []byte) isakmp.Payload { return isakmp.Payload{Type: isakmp.Vendor, Body: id} }

// understand reads the vendor ids of the peer's first message. As responder we
// do not know yet which of several tunnels it is for: what one of them allows is
// understood, and holds for whichever it turns out to be. The second result is
// what a responder announces in return: only what the peer has announced, each
// once, so that the answer does not become the longer message by it.
func understand(peers []*ike.Peer, chain []isakmp.Payload) (x extensions, answer []isakmp.Payload) {
	theirs := isakmp.All(chain, isakmp.Vendor)
	has := func(id []byte) bool {
		return slices.ContainsFunc(theirs, func(v []byte) bool { return bytes.Equal(v, id) })
	}
	if x.dpd = has(vendorDPD); x.dpd {
		answer = append(answer, vendor(vendorDPD))
	}
	for _, v := range theirs {
		if !x.frag && bytes.HasPrefix(v, vendorFragments[:16]) {
			x.frag = true
			answer = append(answer, vendor(vendorFragments[:min(len(v), len(vendorFragments))]))
		}
	}
	if x.ours = has(vendorOurs); x.ours {
		answer = append(answer, vendor(vendorOurs))
	}
	for _, p := range peers {
		for _, v := range allowed(p.NATT) {
			if (x.natt == natNone || v < x.natt) && has(natVendors[v]) {
				x.natt = v
			}
		}
	}
	if x.natt != natNone {
		answer = append(answer, vendor(natVendors[x.natt]))
	}
	return x, answer
}

// late reads the vendor ids of messages 3 and 4, where Cisco announces DPD. The
// result is what a responder announces in return.
func (x *extensions) late(chain []isakmp.Payload) []isakmp.Payload {
	theirs := isakmp.All(chain, isakmp.Vendor)
	if x.dpd || !slices.ContainsFunc(theirs, func(v []byte) bool { return bytes.Equal(v, vendorDPD) }) {
		return nil
	}
	x.dpd = true
	return []isakmp.Payload{vendor(vendorDPD)}
}

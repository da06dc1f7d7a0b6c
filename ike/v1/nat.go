package v1

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/crypt"
	"github.com/twinspan/twinspan/ike/isakmp"
	"github.com/twinspan/twinspan/xfrm"
)

// nat is what NAT traversal found out.
type nat struct {
	here, there bool // a translator sits before us, before the peer
	forced      bool // as initiator we move to port 4500 in any case
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
	return crypt.Sum(s.phase1.choice.proposal.Hash, s.cookies.Initiator[:], s.cookies.Responder[:],
		a.Addr().AsSlice(), binary.BigEndian.AppendUint16(nil, a.Port()))
}

// payload is the type of the NAT-D payloads.
func (v natVersion) payload() isakmp.PayloadType {
	if v == natRFC {
		return isakmp.NATD
	}
	return isakmp.NATDDraft
}

// encap is the encapsulation mode of ESP in UDP.
func (v natVersion) encap() uint64 {
	if v == natRFC {
		return isakmp.EncapUDPTunnel
	}
	return isakmp.EncapUDPTunnelDraft
}

// natPayloads are ours: the other end first, then our own. Where UDP
// encapsulation is to be forced, our own is that of an address which nobody has:
// the peer finds a translator before us, whether there is one or not.
func (s *Session) natPayloads() []isakmp.Payload {
	t, own := s.ext.natt.payload(), s.local
	if s.forced() {
		own = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return []isakmp.Payload{{Type: t, Body: s.natHash(s.remote)}, {Type: t, Body: s.natHash(own)}}
}

// forced tells that ESP is to go in UDP without a translator too. As responder we
// do not know yet which of several tunnels it is: one that asks for it may have
// no other way through, and the others lose nothing.
func (s *Session) forced() bool {
	force := func(p *ike.Peer) bool { return p.NATT == ike.NATTForce }
	return s.ext.natt != natNone && (force(s.peer) || slices.ContainsFunc(s.candidates, force))
}

// detectNAT compares the peer's payloads with the addresses that we see: its
// first is for us, the others are its own, of which one must fit. Payloads that
// are no hashes do not count, else our own could make the answer the longer one.
func (s *Session) detectNAT(chain []isakmp.Payload) {
	if s.ext.natt == natNone {
		return
	}
	theirs := s.natHashes(chain)
	if theirs == nil {
		s.ext.natt = natNone
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

// natHashes are the NAT-D payloads of a message. Some peers send them once for a
// draft and once more for the RFC, and some send those of the other one: what
// was agreed on comes first.
func (s *Session) natHashes(chain []isakmp.Payload) [][]byte {
	size := s.phase1.choice.proposal.Hash.Size()
	for _, t := range []isakmp.PayloadType{s.ext.natt.payload(), isakmp.NATD, isakmp.NATDDraft} {
		hashes := slices.DeleteFunc(isakmp.All(chain, t), func(b []byte) bool { return len(b) != size })
		if len(hashes) >= 2 {
			return hashes
		}
	}
	return nil
}

// floatPorts moves the initiator to port 4500 when a translator is on the way
// (RFC 3947 §4), or UDP encapsulation is forced.
func (s *Session) floatPorts() {
	s.nat.forced = s.forced()
	if s.nat.here || s.nat.there || s.nat.forced {
		s.local = netip.AddrPortFrom(s.local.Addr(), xfrm.PortNATT)
		s.remote = netip.AddrPortFrom(s.remote.Addr(), xfrm.PortNATT)
	}
}

// floated tells that ESP goes in UDP. The initiator decides it: what both see of
// a translator is not authenticated and can differ.
func (s *Session) floated() bool {
	return s.local.Port() == xfrm.PortNATT && (s.nat.here || s.nat.there || s.nat.forced || s.nat.moved)
}

// authentic notes that the peer has just proved to be there: by a message of a
// quick mode, or by dead peer detection, whose numbers grow. Of other notifications
// only the last ids are remembered: a recorded one must not bring the peer back to
// where it was.
func (s *Session) authentic(m message) {
	s.hears()
	if m.local == s.local {
		s.follow(m.remote)
	}
}

// follow moves the session to where the peer has proved to be: its translator
// has given it another port or address (RFC 3947 §7). Without a translator before
// the peer its address does not change; whoever begins from behind one knows
// where the peer is, and to follow would only serve who diverts a datagram. A
// responder behind one follows, if the peer is behind one too: its own is a fixed
// one, as those of clouds, else the peer could not have found it.
func (s *Session) follow(to netip.AddrPort) {
	behind := s.nat.there || s.nat.moved
	if s.state != established || to == s.remote || !s.floated() || !behind || s.initiator && s.nat.here {
		return
	}
	s.remote, s.status.Remote = to, to
	s.report(ike.Report{Kind: ike.PeerMoved})
}

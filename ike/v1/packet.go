package v1

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

var zeroTime time.Time

// message is one datagram's worth of ISAKMP.
type message struct {
	isakmp.Header
	raw           []byte // up to the header's length
	local, remote netip.AddrPort
}

// packet takes a datagram.
func (s *Session) packet(p ike.Packet) {
	h, err := isakmp.ParseHeader(p.Data)
	if err != nil {
		if s.state == wantOffer {
			s.down(malformed(err.Error()).fault)
		}
		return
	}
	m := message{h, p.Data[:h.Length], p.Local, p.Remote}
	switch {
	case s.state == wantOffer && !beginsMain(h):
		s.down(malformed("the " + h.Exchange.String() + " message cannot begin a session").fault)
	case h.Next == isakmp.FragmentPayload:
		s.takeFragment(m)
	default:
		s.take(m)
	}
}

// take takes a whole message.
func (s *Session) take(m message) {
	switch {
	case m.Exchange == isakmp.MainMode:
		s.takeMain(m)
	case m.Exchange == isakmp.Informational:
		s.takeInformational(m)
	case m.Exchange == isakmp.QuickMode:
		s.takeQuick(m)
	}
}

// beginsMain tells whether a header can be that of message 1.
func beginsMain(h isakmp.Header) bool {
	return h.Exchange == isakmp.MainMode && h.Initiator != [8]byte{} && h.Responder == [8]byte{} &&
		h.MessageID == 0 && h.Flags&isakmp.Encrypted == 0
}

// newMessageID draws a message id: random, not 0, and not used before under
// this session (RFC 2408 §3.1).
func (s *Session) newMessageID() uint32 {
	for {
		id := binary.BigEndian.Uint32(s.random(make([]byte, 4)))
		if id != 0 && s.used.add(id) {
			return id
		}
	}
}

// remembered is how many message ids are kept.
const remembered = 1024

// usedIDs remembers the last message ids, so that a recorded message cannot
// begin an exchange again. It is searched from end to end: that takes 0.3 us, and
// a third of a map's memory.
type usedIDs struct {
	ring []uint32
	at   int // where the next one goes, once the ring is full
}

// add tells by false that the id was there already.
func (u *usedIDs) add(id uint32) bool {
	if u.has(id) {
		return false
	}
	if len(u.ring) < remembered {
		u.ring = append(u.ring, id)
		return true
	}
	u.ring[u.at] = id
	u.at = (u.at + 1) % remembered
	return true
}

func (u *usedIDs) has(id uint32) bool { return slices.Contains(u.ring, id) }

package v1

import (
	"net/netip"
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
	case h.Exchange == isakmp.MainMode:
		s.takeMain(m)
	case h.Exchange == isakmp.Informational:
		s.takeInformational(m)
	case h.Exchange == isakmp.QuickMode:
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
		b := s.random(make([]byte, 4))
		if id := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]); id != 0 && s.used.add(id) {
			return id
		}
	}
}

// usedIDs remembers the last message ids, so that a recorded message cannot
// begin an exchange again.
type usedIDs struct {
	set  map[uint32]struct{}
	ring []uint32
	at   int
}

// remembered is how many message ids are kept.
const remembered = 1024

// add tells by false that the id was there already.
func (u *usedIDs) add(id uint32) bool {
	if _, ok := u.set[id]; ok {
		return false
	}
	if u.set == nil {
		u.set = map[uint32]struct{}{}
	}
	if len(u.ring) < remembered {
		u.ring = append(u.ring, id)
	} else {
		delete(u.set, u.ring[u.at])
		u.ring[u.at] = id
		u.at = (u.at + 1) % remembered
	}
	u.set[id] = struct{}{}
	return true
}

func (u *usedIDs) has(id uint32) bool {
	_, ok := u.set[id]
	return ok
}

package v1

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/ike/isakmp"
)

// largest is the size up to which a message goes whole. With the non-ESP marker,
// UDP and IPv6 it makes a packet of 1280 bytes, which every IPv6 network carries
// (RFC 8200 §5) and hardly one of IPv4 breaks: networks that lose the fragments
// of IP are what fragments of IKE are for.
const largest = 1280 - 40 - 8 - 4

// fragmentRoom is how much of a message a fragment of that size carries.
const fragmentRoom = largest - isakmp.HeaderSize - 4 - 4

// The bounds of a message in fragments: how many they are, what they carry, and
// how long they are waited for. Before phase 1 is done anybody can send them,
// and nothing good is long.
const (
	maxFragments       = 64
	maxFragmented      = 64 << 10
	maxFragmentedEarly = 2 * maxOffer
	fragmentsWait      = 30 * time.Second
)

// transmit sends a message, whole or in fragments; needs is the SPI that must
// stand before. A message sent again makes the same datagrams.
func (s *Session) transmit(to netip.AddrPort, data []byte, needs uint32) {
	for _, d := range s.datagrams(data) {
		s.do(ike.Send{Local: s.local, Remote: to, Data: d, Needs: needs})
	}
}

// datagrams are the message itself or its fragments. The messages that announce
// fragments, and begin with an SA in clear, go whole: who gets them cannot know
// yet. Peers expect fragments under message id 0 of a phase 1 exchange, and
// take their id for the message's: so it follows from the bytes.
func (s *Session) datagrams(data []byte) [][]byte {
	if len(data) <= largest || !s.ext.frag || isakmp.PayloadType(data[16]) == isakmp.SA {
		return [][]byte{data}
	}
	d := digest(data)
	f := isakmp.Fragment{ID: binary.BigEndian.Uint16(d[:])}
	var all [][]byte
	for part := range slices.Chunk(data, fragmentRoom) {
		f.Number, f.Data = f.Number+1, part
		f.Last = int(f.Number)*fragmentRoom >= len(data)
		all = append(all, clearMessage(s.header(exchangeOf(s.mode), 0), []isakmp.Payload{
			{Type: isakmp.FragmentPayload, Body: f.Append(nil)},
		}))
	}
	return all
}

// takeFragment takes a part of a message, and with the last that was missing the
// message. Whether it is authentic is for the message to show.
func (s *Session) takeFragment(m message) {
	if !s.ext.frag || m.Initiator != s.cookies.Initiator || m.Responder != s.cookies.Responder {
		return
	}
	chain, _, err := isakmp.Chain(m.Next, m.raw[isakmp.HeaderSize:])
	if err != nil {
		return
	}
	f, err := isakmp.ParseFragment(chain[0].Body)
	if err != nil || len(f.Data) == 0 || f.Number > maxFragments {
		return
	}
	limit := maxFragmentedEarly
	if s.state == established {
		limit = maxFragmented
	}
	s.forgetParts()
	if s.parts == nil {
		s.parts = new(parts)
	}
	h, whole := s.parts.add(f, m.remote, limit, s.now)
	if s.parts.forget.IsZero() {
		s.parts = nil
	}
	if whole != nil {
		s.take(message{h, whole, m.local, m.remote})
	}
}

// parts are the fragments of the one message that is being put together. They
// come in any order; those that contradict the ones that are there are of
// another message, and begin it: some peers number all messages alike.
type parts struct {
	id     uint16
	from   netip.AddrPort
	list   [][]byte // by number, from 0; nil what is missing
	count  int      // of all, 0 while the last has not come
	size   int
	forget time.Time // zero: there are none
}

// wake is when what is missing is not waited for any more.
func (p *parts) wake() time.Time {
	if p == nil {
		return zeroTime
	}
	return p.forget
}

func (s *Session) forgetParts() {
	if s.due(s.parts.wake()) {
		s.parts = nil
	}
}

// add takes a fragment and returns the message once it is complete. What is kept
// is a copy, and not more than limit.
func (p *parts) add(f isakmp.Fragment, from netip.AddrPort, limit int, now time.Time) (isakmp.Header, []byte) {
	if p.forget.IsZero() || !p.fits(f, from) {
		p.begin(f, from, now)
	}
	p.put(f, limit)
	if p.count == 0 || p.count != len(p.list) || slices.ContainsFunc(p.list, func(b []byte) bool { return b == nil }) {
		return isakmp.Header{}, nil
	}
	whole := bytes.Join(p.list, nil)
	*p = parts{}
	h, err := isakmp.ParseHeader(whole)
	if err == nil && int(h.Length) == len(whole) && h.Next != isakmp.FragmentPayload {
		return h, whole
	}
	if len(f.Data) < len(whole) { // of two messages: what came last is of the one that goes on
		p.begin(f, from, now)
		p.put(f, limit)
	}
	return isakmp.Header{}, nil
}

func (p *parts) begin(f isakmp.Fragment, from netip.AddrPort, now time.Time) {
	*p = parts{id: f.ID, from: from, forget: now.Add(fragmentsWait)}
}

// put keeps a fragment that is not there yet. Where there is no room for it,
// nothing is kept of its message.
func (p *parts) put(f isakmp.Fragment, limit int) {
	n := int(f.Number)
	if n <= len(p.list) && p.list[n-1] != nil {
		return
	}
	if p.size += len(f.Data); p.size > limit {
		*p = parts{}
		return
	}
	p.list = append(p.list, make([][]byte, max(0, n-len(p.list)))...)
	p.list[n-1] = bytes.Clone(f.Data)
	if f.Last {
		p.count = n
	}
}

// fits tells that a fragment can be of the message that is being put together.
func (p *parts) fits(f isakmp.Fragment, from netip.AddrPort) bool {
	n := int(f.Number)
	switch {
	case f.ID != p.id || from != p.from:
		return false
	case n <= len(p.list) && p.list[n-1] != nil && !bytes.Equal(p.list[n-1], f.Data):
		return false
	case f.Last:
		return n >= len(p.list) && (p.count == 0 || p.count == n)
	}
	return p.count == 0 || n < p.count
}

package userspace

import (
	"encoding/binary"
	"time"
)

// The smallest MTUs that we ever demand of an inner sender. Below, the ESP
// packet is left to be fragmented outside: IPv6 senders do not go lower
// (RFC 8200 §5), and IPv4 ones should not be made to by a misconfigured route.
const (
	leastMost4 = 576
	leastMost6 = 1280
)

// fits is the largest inner packet that may be sent as it is.
func (a *assoc) fits(h inner) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.six {
		return max(a.out.most, leastMost6)
	}
	return max(a.out.most, leastMost4)
}

const (
	flagDF = 0x4000
	flagMF = 0x2000
	offset = 0x1fff // in units of eight bytes
)

// tooBig deals with an inner packet that does not fit the way to the peer
// (RFC 4301 §8).
func (o *outbound) tooBig(a *assoc, buf []byte, h inner, most int, now time.Time) {
	p := buf[headroom : headroom+h.len]
	if h.six || binary.BigEndian.Uint16(p[6:])&flagDF != 0 {
		o.count.tooBig.Add(1)
		o.reply(answerTooBig(o.answer[tunHeader:], p, h, most), now)
		return
	}
	o.flush() // from here on there is only one buffer
	for at := 0; at < h.len-int(p[0]&15)*4; {
		n, next := fragment(o.spare[headroom:], p, at, most)
		part := h
		part.len = n
		o.send(a, o.spare, part, now)
		o.flush()
		at = next
	}
}

// fragment writes the fragment of an IPv4 packet that begins with byte at of
// its payload and has at most the size most. It returns the fragment's size and
// where the next one begins (RFC 791 §3.2).
func fragment(dst, p []byte, at, most int) (n, next int) {
	size := int(p[0]&15) * 4
	payload := p[size:]
	head := copy(dst, p[:size])
	if at > 0 {
		head = laterHeader(dst, p[:size])
	}
	body := min(len(payload)-at, (most-head)&^7)
	next = at + body
	n = head + copy(dst[head:], payload[at:next])
	place := binary.BigEndian.Uint16(p[6:])
	flags := place & flagMF
	if next < len(payload) {
		flags = flagMF
	}
	binary.BigEndian.PutUint16(dst[2:], uint16(n))
	binary.BigEndian.PutUint16(dst[6:], flags|(place&offset+uint16(at/8)))
	setChecksum(dst[:head])
	return n, next
}

// laterHeader writes the header of a fragment that is not the first: of the
// options it has those that are to be copied (RFC 791 §3.1).
func laterHeader(dst, header []byte) int {
	const copied, end, noop = 0x80, 0, 1
	n := copy(dst, header[:ipv4HeaderMin])
	for rest := header[ipv4HeaderMin:]; len(rest) > 0 && rest[0] != end; {
		if rest[0] == noop {
			rest = rest[1:]
			continue
		}
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			break
		}
		if rest[0]&copied != 0 {
			n += copy(dst[n:], rest[:rest[1]])
		}
		rest = rest[rest[1]:]
	}
	for n%4 != 0 {
		dst[n] = end
		n++
	}
	dst[0] = 4<<4 | byte(n/4)
	return n
}

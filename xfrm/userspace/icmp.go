package userspace

import (
	"encoding/binary"
	"time"
)

// ICMP errors go back through the device to the inner sender. They come from
// the address that the packet was for: one of our own the host would take for
// a spoofed one, and that one's route leads into the device.

// Types and codes (RFC 792, RFC 1191, RFC 1812 §5.2.7.1, RFC 4443).
const (
	unreachable4     = 3
	codeTooBig4      = 4
	codeProhibited4  = 13
	unreachable6     = 1
	codeProhibited6  = 1
	tooBig6          = 2
	icmpHeader       = 8
	firstQuery6      = 128 // ICMPv6 types below are errors
	echo4, echoBack4 = 8, 0
	answerMax4       = 576  // RFC 1812 §4.3.2.3
	answerMax        = 1280 // RFC 4443 §2.4
)

// answersPerSecond bounds the ICMP errors of one device.
const answersPerSecond = 100

// quota lets so many pass in each second. It reads no clock.
type quota struct {
	since time.Time
	used  int
}

func (q *quota) allow(now time.Time) bool {
	if now.Sub(q.since) >= time.Second {
		*q = quota{since: now}
	}
	q.used++
	return q.used <= answersPerSecond
}

// refuse tells the sender that no policy lets its packet through.
func (o *outbound) refuse(p []byte, h inner, now time.Time) {
	if h.six {
		o.reply(answer(o.answer[tunHeader:], p, h, unreachable6, codeProhibited6, 0), now)
		return
	}
	o.reply(answer(o.answer[tunHeader:], p, h, unreachable4, codeProhibited4, 0), now)
}

// reply writes an ICMP error of n bytes, which lies in answer, to the device; 0
// is none.
func (o *outbound) reply(n int, now time.Time) {
	if n == 0 || !o.answers.allow(now) {
		return
	}
	if _, err := o.link.dev.Write([][]byte{o.answer[:tunHeader+n]}, tunHeader); err != nil {
		o.count.deviceFailed.Add(1)
	}
}

// answerTooBig writes "fragmentation needed" or "packet too big".
func answerTooBig(dst, p []byte, h inner, mtu int) int {
	if h.six {
		return answer(dst, p, h, tooBig6, 0, uint32(mtu))
	}
	return answer(dst, p, h, unreachable4, codeTooBig4, uint32(mtu))
}

// answer writes an ICMP error about p into dst and returns its size, 0 for a
// packet that must not be answered. value is the second word of the ICMP
// header.
func answer(dst, p []byte, h inner, kind, code byte, value uint32) int {
	if !answerable(p, h) {
		return 0
	}
	head, most := ipv4HeaderMin, answerMax4
	if h.six {
		head, most = ipv6Header, answerMax
	}
	clear(dst[:head+icmpHeader])
	n := head + icmpHeader + copy(dst[head+icmpHeader:most], p)
	body := dst[head:n]
	body[0], body[1] = kind, code
	binary.BigEndian.PutUint32(body[4:], value)
	if h.six {
		answerHeader6(dst, p, len(body))
		pseudo := sum(dst[8:40], uint32(len(body))+protoICMPv6)
		binary.BigEndian.PutUint16(body[2:], ^fold(sum(body, pseudo)))
		return n
	}
	answerHeader4(dst, p, n)
	binary.BigEndian.PutUint16(body[2:], ^fold(sum(body, 0)))
	return n
}

// hops is the time to live of an answer: it has one or two routers to go.
const hops = 64

func answerHeader4(dst, p []byte, n int) {
	dst[0], dst[8], dst[9] = 4<<4|ipv4HeaderMin/4, hops, protoICMP
	binary.BigEndian.PutUint16(dst[2:], uint16(n))
	copy(dst[12:16], p[16:20])
	copy(dst[16:20], p[12:16])
	setChecksum(dst[:ipv4HeaderMin])
}

func answerHeader6(dst, p []byte, body int) {
	dst[0], dst[6], dst[7] = 6<<4, protoICMPv6, hops
	binary.BigEndian.PutUint16(dst[4:], uint16(body))
	copy(dst[8:24], p[24:40])
	copy(dst[24:40], p[8:24])
}

// answerable tells that an ICMP error about p may be sent (RFC 1122 §3.2.2,
// RFC 4443 §2.4): not about an ICMP error, a later fragment, or what was not
// from one host to one host.
func answerable(p []byte, h inner) bool {
	src, dst := h.src.netip(h.six), h.dst.netip(h.six)
	if src.IsUnspecified() || src.IsMulticast() || src.IsLoopback() || dst.IsMulticast() || dst.IsLoopback() {
		return false
	}
	if h.six {
		return p[6] != protoICMPv6 || len(p) > ipv6Header && p[ipv6Header] >= firstQuery6
	}
	const broadcast = 0xffffffff
	if h.src.lo == broadcast || h.dst.lo == broadcast || binary.BigEndian.Uint16(p[6:])&offset != 0 {
		return false
	}
	at := int(p[0]&15) * 4
	return p[9] != protoICMP || len(p) > at && (p[at] == echo4 || p[at] == echoBack4)
}

package userspace

import "sync/atomic"

// Counters says how many packets were dropped, and why, since New.
type Counters struct {
	Malformed    uint64 // no whole IP packet where one should be
	Unselected   uint64 // no policy wants it
	Blocked      uint64 // a Block policy took it
	NoSA         uint64 // its pair has no SA, and it was not held or held in vain
	TooBig       uint64 // refused with "fragmentation needed" or "packet too big"
	SendFailed   uint64 // the outer network refused it
	DeviceFailed uint64 // the TUN device refused it, or there was none
	UnknownSPI   uint64
	Misdelivered uint64 // ESP in UDP for an SA without, or the other way
	Replayed     uint64
	Forged       uint64 // wrong integrity value
	BadPadding   uint64
	Outside      uint64 // authenticated, but not what the pair's policy selects (RFC 4301 §5.2)
	Congested    uint64 // marked CE on the way, and the sender does not know of ECN (RFC 6040 §4.2)
	Dummies      uint64 // sent to hide the traffic's pattern (RFC 4303 §2.6)
	Spent        uint64 // the SA had reached its hard limit
}

// counters is Counters while it is counted.
type counters struct {
	malformed, unselected, blocked, noSA, tooBig, sendFailed, deviceFailed, unknownSPI, misdelivered,
	replayed, forged, badPadding, outside, congested, dummies, spent atomic.Uint64
}

// Counters reads the counters. Each is exact; together they are not of one
// moment.
func (b *Backend) Counters() Counters {
	c := &b.count
	return Counters{
		Malformed: c.malformed.Load(), Unselected: c.unselected.Load(), Blocked: c.blocked.Load(),
		NoSA: c.noSA.Load(), TooBig: c.tooBig.Load(), SendFailed: c.sendFailed.Load(),
		DeviceFailed: c.deviceFailed.Load(), UnknownSPI: c.unknownSPI.Load(), Misdelivered: c.misdelivered.Load(),
		Replayed: c.replayed.Load(), Forged: c.forged.Load(), BadPadding: c.badPadding.Load(),
		Outside: c.outside.Load(), Congested: c.congested.Load(), Dummies: c.dummies.Load(), Spent: c.spent.Load(),
	}
}

package userspace

import "github.com/twinspan/twinspan/xfrm"

// window tells which sequence numbers an SA has had (RFC 4303 §3.4.3). The bits
// lie in a ring of words as in RFC 6479: moving the window clears whole words
// and never shifts. The ring is larger than the window, so that the word being
// filled holds none of the window's old bits.
type window struct {
	top  uint32 // the highest number so far
	bits [ringWords]uint64
}

const (
	wordBits  = 64
	ringWords = 2 * xfrm.Replay / wordBits
)

// fresh tells that a number may be accepted. It is asked before the ICV is
// checked, and changes nothing.
func (w *window) fresh(seq uint32) bool {
	switch {
	case seq == 0: // never sent without extended sequence numbers
		return false
	case seq > w.top:
		return true
	case w.top-seq >= xfrm.Replay:
		return false
	}
	return w.bits[seq/wordBits%ringWords]>>(seq%wordBits)&1 == 0
}

// accept marks a number that fresh allowed and whose ICV was right.
func (w *window) accept(seq uint32) {
	if seq > w.top {
		w.advance(seq)
	}
	w.bits[seq/wordBits%ringWords] |= 1 << (seq % wordBits)
}

func (w *window) advance(seq uint32) {
	words := min(seq/wordBits-w.top/wordBits, ringWords)
	for i := range words {
		w.bits[(w.top/wordBits+1+i)%ringWords] = 0
	}
	w.top = seq
}

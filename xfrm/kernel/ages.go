package kernel

import (
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// ages are when the newest SA for sending of each pair counts as added, in
// seconds since 1970.
//
// The kernel sends on the SA that was added last. It knows that in whole
// seconds, by a clock that may be set back, and among equals it takes the one
// that it meets first, which is the older one once its tables have grown. So
// each SA is given a time of its own: the present one, or a second more than
// the SA before it has.
type ages map[pair]uint64

// pair names what the SAs of one selector pair have in common.
type pair struct{ reqID, ifID uint32 }

func pairOf(sa xfrm.SA) pair { return pair{sa.ReqID, sa.IfID} }

// begin is the history of a new SA.
func (a ages) begin(sa xfrm.SA, now time.Time) history {
	if sa.Dir != xfrm.Out {
		return history{} // receiving knows no order
	}
	added := max(uint64(now.Unix()), a[pairOf(sa)]+1)
	a[pairOf(sa)] = added
	nothing := appendZeros(nil, 16) // bytes and packets
	return history{current: appendZeros(native.AppendUint64(nothing, added), 8)}
}

// forget drops what is known of the pair of an SA that goes, unless the next
// one could still be taken for as old.
func (a ages) forget(sa xfrm.SA, now time.Time) {
	if a[pairOf(sa)] < uint64(now.Unix()) {
		delete(a, pairOf(sa))
	}
}

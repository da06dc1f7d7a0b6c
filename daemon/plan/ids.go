package plan

import (
	"fmt"
	"hash/fnv"
	"io"

	"github.com/twinspan/twinspan/xfrm"
)

// Numbers in the kernel come from names, so that they are the same after a
// reload, after a restart and on another host. Where two names fall on one
// number, the later name takes the next free one.

// numbers hands out numbers of one kind.
type numbers struct {
	mask  uint32
	taken map[uint32]bool
}

func newNumbers(mask uint32) numbers { return numbers{mask, map[uint32]bool{}} }

// of is the number of a name: not 0, and nobody else's. There must be a free
// one.
func (n numbers) of(parts ...string) uint32 {
	h := fnv.New64a()
	for _, part := range parts {
		_, _ = io.WriteString(h, part)
		_, _ = h.Write([]byte{0}) // which is in no name
	}
	sum := h.Sum64()
	id := uint32(sum^sum>>32) & n.mask
	for id == 0 || n.taken[id] {
		id = (id + 1) & n.mask
	}
	n.taken[id] = true
	return id
}

// The masks of the kinds of numbers.
const (
	shortMask = 0xffff     // gateways and route tables, below xfrm.Ours
	reqIDMask = 0x7fffffff // pairs
)

// most is how many gateways or route tables there can be: some fewer than
// there are numbers, so that a free one is found soon.
const most = 50000

// ours is a number in the range that marks what is Twinspan's.
func ours(number uint32) uint32 { return xfrm.Ours | number }

// device is the name of a gateway's network device.
func device(ifID uint32) string { return fmt.Sprintf("twin%04x", ifID&shortMask) }

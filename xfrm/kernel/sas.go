package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// PutSA adds an SA, or replaces the one with the same SPI and destination.
//
// The kernel has no call for that. XFRM_MSG_UPDSA changes limits and
// encapsulation ports only and leaves the old keys in place without a word; to
// delete and add starts the sequence numbers again, which under the same key
// the peer takes for a replay (RFC 4303 §3.3.3). So what is there decides:
// the same SA is updated, the same keys with other ends are moved with their
// counters, and other keys begin afresh.
func (b *Backend) PutSA(ctx context.Context, sa xfrm.SA) error {
	if err := checkSA(sa); err != nil {
		return fmt.Errorf("add SA %#08x to %v: %w", sa.SPI, sa.Dst, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.sas.mu.Lock()
	defer b.sas.mu.Unlock()
	past := b.ages.begin(sa, time.Now())
	err := b.sas.do(newSA(sa, past))
	if errors.Is(err, unix.EEXIST) {
		err = b.replaceSA(sa, past)
	}
	if err != nil {
		return fmt.Errorf("add SA %#08x to %v: %w", sa.SPI, sa.Dst, err)
	}
	return nil
}

func newSA(sa xfrm.SA, past history) request {
	return request{msgNewSA, unix.NLM_F_CREATE | unix.NLM_F_EXCL, func(b []byte) []byte { return appendSA(b, sa, past) }}
}

func updateSA(sa xfrm.SA) request {
	return request{msgUpdSA, 0, func(b []byte) []byte { return appendSA(b, sa, history{}) }}
}

func deleteSA(id xfrm.SAID) request {
	return request{msgDelSA, 0, func(b []byte) []byte { return appendSAID(b, id) }}
}

func getSA(id xfrm.SAID) request {
	return request{msgGetSA, 0, func(b []byte) []byte { return appendSAID(b, id) }}
}

// SetEncap changes the UDP ports of an SA. XFRM_MSG_UPDSA does that in place,
// and with the limits as they are it changes nothing else: the keys that it must
// bring are not looked at.
func (b *Backend) SetEncap(ctx context.Context, id xfrm.SAID, e xfrm.Encap) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.sas.mu.Lock()
	defer b.sas.mu.Unlock()
	var sa xfrm.SA
	err := b.held(id, func(h heldSA) { sa = h.withKeys() })
	if err == nil {
		err = sa.CanHave(e)
	}
	if err == nil {
		sa.Encap = e
		err = b.sas.do(updateSA(sa))
	}
	sa.EncKey.Wipe()
	sa.AuthKey.Wipe()
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("change the ports of SA %#08x to %v: %w", id.SPI, id.Dst, err)
	}
	return nil
}

// errTaken says that an SA is somebody else's.
var errTaken = errors.New("the kernel has an SA of another program with this SPI and destination; choose another SPI")

// replaceSA puts sa in the place of what is there now; fresh is its history if
// it is another SA.
func (b *Backend) replaceSA(sa xfrm.SA, fresh history) error {
	var change []request
	err := b.held(sa.ID(), func(h heldSA) {
		change = h.becomes(sa, fresh)
	})
	if errors.Is(err, unix.ESRCH) { // it expired between our two questions
		change, err = []request{newSA(sa, fresh)}, nil
	}
	if err != nil {
		return err
	}
	err = b.sas.do(change...)
	if errors.Is(err, unix.ESRCH) { // it expired now, and what was to follow it may have come in
		err = b.sas.do(newSA(sa, fresh))
		if errors.Is(err, unix.EEXIST) {
			err = nil
		}
	}
	return err
}

// becomes lists the requests that make sa of h.
func (h heldSA) becomes(sa xfrm.SA, fresh history) []request {
	switch {
	case h.updatable(sa):
		return []request{updateSA(sa)}
	case h.sameKeys(sa) || h.hidden():
		return []request{deleteSA(sa.ID()), newSA(sa, h.past.moved(sa.Dir))}
	}
	return []request{deleteSA(sa.ID()), newSA(sa, fresh)}
}

// overtaken is how many packets we allow the kernel to send between our reading
// of an SA and its deletion: the new one leaves these numbers out. Peers accept
// such a step ahead, and no number is used twice.
const overtaken = 1 << 16

// moved is the history for an SA that continues this one, in memory of its own.
func (p history) moved(dir xfrm.Direction) history {
	next := history{replay: bytes.Clone(p.replay), current: bytes.Clone(p.current)}
	if dir == xfrm.Out && len(next.replay) >= sizeReplayESN {
		sent := next.replay[4:8]
		native.PutUint32(sent, uint32(min(uint64(native.Uint32(sent))+overtaken, 1<<32-1)))
	}
	return next
}

// held asks for one SA of ours and calls f with it, whose keys are good during
// the call only. The caller holds b.sas.mu.
func (b *Backend) held(id xfrm.SAID, f func(h heldSA)) error {
	return b.sas.get(getSA(id), func(m message) error {
		h, whole := decodeSA(m.body)
		switch {
		case m.kind != msgNewSA || !whole:
			return errors.New("the kernel described the SA in a way that cannot be read")
		case !h.ours():
			return errTaken
		}
		f(h)
		return nil
	})
}

// DropSA removes an SA. One that is already gone is no error: the kernel may
// expire it between the decision and the call. One of another program stays.
func (b *Backend) DropSA(ctx context.Context, spi uint32, dst netip.Addr) error {
	if err := checkEnds(dst, dst); err != nil {
		return fmt.Errorf("delete SA %#08x: %w", spi, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.sas.mu.Lock()
	defer b.sas.mu.Unlock()
	id := xfrm.SAID{SPI: spi, Dst: dst}
	err := b.held(id, func(h heldSA) { b.ages.forget(h.SA, time.Now()) })
	if err == nil {
		err = b.sas.do(deleteSA(id))
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("delete SA %#08x to %v: %w", spi, dst, err)
	}
	return nil
}

// eachSA calls f for every SA of ours; its keys are good during the call only.
func (b *Backend) eachSA(ctx context.Context, f func(h heldSA)) error {
	onlyESP := func(b []byte) []byte {
		return attr(b, attrProto, func(b []byte) []byte { return append(b, xfrm.ProtoESP) })
	}
	return b.sas.dump(ctx, msgGetSA, onlyESP, func(m message) error {
		if h, whole := decodeSA(m.body); m.kind == msgNewSA && whole && h.ours() {
			f(h)
		}
		return nil
	})
}

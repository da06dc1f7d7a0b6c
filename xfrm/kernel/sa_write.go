package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// mappingPause is how many seconds the kernel waits before it tells again that
// packets come from another port. Without it every such packet is an event.
const mappingPause = 1

// appendSA writes the body of XFRM_MSG_NEWSA or UPDSA. past is what an SA that
// this one replaces has counted so far; the zero history begins afresh.
func appendSA(b []byte, sa xfrm.SA, past history) []byte {
	b = appendSAInfo(b, sa)
	b = attr(b, attrAlgAuthTrunc, func(b []byte) []byte { return appendHash(b, sa.Suite.Hash, sa.AuthKey.Open()) })
	b = attr(b, attrAlgCrypt, func(b []byte) []byte { return appendCipher(b, sa.Suite.Cipher, sa.EncKey.Open()) })
	b = attr(b, attrReplayESN, func(b []byte) []byte { return appendReplay(b, sa.Dir, past.replay) })
	if past.current != nil {
		b = attr(b, attrLtime, func(b []byte) []byte { return append(b, past.current...) })
	}
	if sa.Encap != (xfrm.Encap{}) {
		b = attr(b, attrEncap, func(b []byte) []byte { return appendEncap(b, sa.Encap) })
		if sa.Dir == xfrm.In {
			b = attrUint32(b, attrMtimerThresh, mappingPause)
		}
	}
	return attrUint32(b, attrIfID, sa.IfID)
}

// appendSAInfo writes an xfrm_usersa_info.
func appendSAInfo(b []byte, sa xfrm.SA) []byte {
	b = appendZeros(b, sizeSelector) // with flagAnyFamily: all inner packets
	b = appendID(b, sa.SPI, sa.Dst)
	b = appendAddr(b, sa.Src)
	b = appendLimits(b, sa.Soft, sa.Hard)
	b = appendZeros(b, sizeCurrent+12+4) // counters, errors, acquire's number
	b = native.AppendUint32(b, sa.ReqID)
	b = native.AppendUint16(b, family(sa.Dst))
	b = append(b, modeTunnel, 0 /* the window is in the ESN attribute */, flagAnyFamily)
	return appendZeros(b, 7)
}

// appendID writes an xfrm_id of ESP.
func appendID(b []byte, spi uint32, dst netip.Addr) []byte {
	b = appendAddr(b, dst)
	b = network.AppendUint32(b, spi)
	return append(b, xfrm.ProtoESP, 0, 0, 0)
}

// appendSAID writes the xfrm_usersa_id that DELSA and GETSA take.
func appendSAID(b []byte, id xfrm.SAID) []byte {
	b = appendAddr(b, id.Dst)
	b = network.AppendUint32(b, id.SPI)
	b = native.AppendUint16(b, family(id.Dst))
	return append(b, xfrm.ProtoESP, 0)
}

// appendLimits writes an xfrm_lifetime_cfg: bytes, packets, seconds since the
// SA was added, seconds since it was first used.
func appendLimits(b []byte, soft, hard xfrm.Limit) []byte {
	b = native.AppendUint64(b, byteLimit(soft.Bytes))
	b = native.AppendUint64(b, byteLimit(hard.Bytes))
	b = native.AppendUint64(b, noLimit)
	b = native.AppendUint64(b, noLimit)
	b = native.AppendUint64(b, wholeSeconds(soft.Time))
	b = native.AppendUint64(b, wholeSeconds(hard.Time))
	return appendZeros(b, 16) // here zero is no limit
}

func byteLimit(n uint64) uint64 {
	if n == 0 {
		return noLimit
	}
	return n
}

// wholeSeconds rounds up: a limit below a second is still one.
func wholeSeconds(d time.Duration) uint64 { return uint64((d + time.Second - 1) / time.Second) }

// appendEncap writes an xfrm_encap_tmpl.
func appendEncap(b []byte, e xfrm.Encap) []byte {
	b = native.AppendUint16(b, encapESPinUDP)
	b = network.AppendUint16(b, e.SrcPort)
	b = network.AppendUint16(b, e.DstPort)
	return appendZeros(b, 2+16) // the original address, which nobody reads
}

// appendReplay writes an xfrm_replay_state_esn: the form of the replay state
// that can have a window of more than 32 packets. It does not make the sequence
// numbers 64 bits long; that would take XFRM_STATE_ESN. An outbound SA has no
// window, which is also how Dump tells the directions apart.
func appendReplay(b []byte, dir xfrm.Direction, past []byte) []byte {
	if past != nil {
		return append(b, past...)
	}
	var window uint32
	if dir == xfrm.In {
		window = xfrm.Replay
	}
	b = native.AppendUint32(b, window/32) // words of the bitmap
	b = appendZeros(b, 4*4)               // sequence numbers: nothing sent, nothing received
	b = native.AppendUint32(b, window)
	return appendZeros(b, int(window/8))
}

// checkSA says what no kernel, or no SA of ours, can have.
func checkSA(sa xfrm.SA) error {
	if err := sa.Suite.Valid(); err != nil {
		return err
	}
	switch {
	case sa.Dir != xfrm.In && sa.Dir != xfrm.Out:
		return errors.New("neither in nor out")
	case sa.SPI < xfrm.MinSPI:
		return fmt.Errorf("SPIs below %d are reserved (RFC 4303 §2.1)", xfrm.MinSPI)
	case !xfrm.IsOurs(sa.IfID):
		return fmt.Errorf("if_id %#x is not one of ours", sa.IfID)
	case sa.EncKey.Len() != sa.Suite.EncKeySize():
		return fmt.Errorf("%v takes an encryption key of %d bytes, not %d", sa.Suite, sa.Suite.EncKeySize(), sa.EncKey.Len())
	case sa.AuthKey.Len() != sa.Suite.Hash.Size():
		return fmt.Errorf("%v takes an integrity key of %d bytes, not %d", sa.Suite, sa.Suite.Hash.Size(), sa.AuthKey.Len())
	}
	return checkEnds(sa.Src, sa.Dst)
}

// checkEnds wants two addresses of one family. An IPv4 address in IPv6 clothes
// would be another address when it is read back.
func checkEnds(src, dst netip.Addr) error {
	for _, a := range []netip.Addr{src, dst} {
		if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
			return fmt.Errorf("%v is not a plain IPv4 or IPv6 address", a)
		}
	}
	if src.Is4() != dst.Is4() {
		return fmt.Errorf("%v and %v are of two families", src, dst)
	}
	return nil
}

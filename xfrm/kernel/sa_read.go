package kernel

import (
	"crypto/subtle"
	"time"

	"github.com/twinspan/twinspan/xfrm"
)

// heldSA is an SA as the kernel holds it. The keys and the history alias the
// message: they are good until the call that brought it returns.
type heldSA struct {
	xfrm.SA            // without keys; Suite is zero when it is none of ours
	encKey, authKey    []byte
	past               history
	stats              stats
	lastUsed           uint64 // seconds since 1970; 0 when the kernel does not say
	proto, mode, flags uint8
}

// history is what an SA has counted, as the kernel words it.
type history struct {
	replay  []byte // xfrm_replay_state_esn
	current []byte // xfrm_lifetime_cur
}

// stats are the counters of xfrm_lifetime_cur and xfrm_stats.
type stats struct {
	bytes, packets    uint64
	added, firstUsed  uint64 // seconds since 1970; 0 is never
	replay, integrity uint32
}

// decodeSA reads the body of XFRM_MSG_NEWSA.
func decodeSA(body []byte) (heldSA, bool) {
	r := reader{b: body}
	h := r.saInfo()
	if !r.ok() {
		return heldSA{}, false
	}
	whole := eachAttr(r.b, h.attribute)
	return h, whole
}

// saInfo reads an xfrm_usersa_info.
func (r *reader) saInfo() (h heldSA) {
	r.skip(sizeSelector)
	dst := r.addr()
	h.SPI = r.spi()
	h.proto = r.u8()
	r.skip(3)
	src := r.addr()
	h.Soft, h.Hard = r.limits()
	h.past.current = r.take(sizeCurrent)
	current := reader{b: h.past.current, failed: r.failed}
	h.stats = stats{bytes: current.u64(), packets: current.u64(), added: current.u64(), firstUsed: current.u64()}
	r.skip(4)
	h.stats.replay, h.stats.integrity = r.u32(), r.u32()
	r.skip(4)
	h.ReqID = r.u32()
	family := r.u16()
	h.Src, h.Dst = src.in(family), dst.in(family)
	h.mode = r.u8()
	r.skip(1)
	h.flags = r.u8()
	r.skip(7)
	h.Dir = xfrm.Out
	return h
}

// limits reads an xfrm_lifetime_cfg.
func (r *reader) limits() (soft, hard xfrm.Limit) {
	bytes := func() uint64 {
		if n := r.u64(); n != noLimit {
			return n
		}
		return 0
	}
	seconds := func() time.Duration {
		const longest = uint64(1<<63-1) / uint64(time.Second)
		return time.Duration(min(r.u64(), longest)) * time.Second
	}
	soft.Bytes, hard.Bytes = bytes(), bytes()
	r.skip(16)
	soft.Time, hard.Time = seconds(), seconds()
	r.skip(16)
	return soft, hard
}

// attribute takes one attribute of an SA; those of no interest are passed over.
func (h *heldSA) attribute(kind uint16, body []byte) {
	r := reader{b: body}
	switch kind {
	case attrAlgCrypt:
		h.Suite.Cipher, h.encKey = r.cipher()
		if h.Suite.Cipher == xfrm.AESCBC {
			h.Suite.KeyBits = len(h.encKey) * 8
		}
	case attrAlgAuthTrunc:
		h.Suite.Hash, h.authKey = r.hash()
	case attrEncap:
		r.skip(2)
		h.Encap = xfrm.Encap{SrcPort: r.port(), DstPort: r.port()}
	case attrReplayESN:
		h.past.replay = body
		r.skip(sizeReplayESN - 4)
		if r.u32() > 0 {
			h.Dir = xfrm.In
		}
	case attrLastUsed:
		h.lastUsed = r.u64()
	case attrIfID:
		h.IfID = uint32Of(body)
	}
}

// ours tells whether the SA carries our mark. Without an SPI it is larval: the
// kernel's note that it has raised an acquire.
func (h heldSA) ours() bool { return xfrm.IsOurs(h.IfID) && h.SPI != 0 && h.proto == xfrm.ProtoESP }

// sameKeys tells whether sa would continue h's stream of packets.
func (h heldSA) sameKeys(sa xfrm.SA) bool {
	return h.Suite == sa.Suite && h.Dir == sa.Dir &&
		subtle.ConstantTimeCompare(h.encKey, sa.EncKey.Open())&subtle.ConstantTimeCompare(h.authKey, sa.AuthKey.Open()) == 1
}

// withKeys is the SA with its keys, in memory of its own.
func (h heldSA) withKeys() xfrm.SA {
	sa := h.SA
	sa.EncKey, sa.AuthKey = xfrm.NewSecret(h.encKey), xfrm.NewSecret(h.authKey)
	return sa
}

// hidden tells whether the kernel keeps the keys to itself, as it does when it
// is locked down for confidentiality: they read as zeros. Then they are taken
// for the same, since an SPI with new keys is drawn anew.
func (h heldSA) hidden() bool {
	zeros := func(b []byte) bool { return subtle.ConstantTimeCompare(b, make([]byte, len(b))) == 1 }
	return zeros(h.encKey) && zeros(h.authKey)
}

// updatable tells whether XFRM_MSG_UPDSA can make sa of h: it changes the
// limits and the ports of the encapsulation, and nothing else.
func (h heldSA) updatable(sa xfrm.SA) bool {
	plain := func(e xfrm.Encap) bool { return e == xfrm.Encap{} }
	return h.sameKeys(sa) && h.Src == sa.Src && h.ReqID == sa.ReqID && h.IfID == sa.IfID && plain(h.Encap) == plain(sa.Encap)
}
